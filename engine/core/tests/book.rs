//! The pages of the repository: each link leads somewhere, and the book lists each page of `docs`.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every page of `folder` and of those below it.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The targets of the links and pictures of a page, code left out.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        if is_code {
            continue;
        }
        let mut rest = line;
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            found.extend(rest.split_once(')').map(|(target, _)| target));
        }
    }
    found
}

#[test]
fn each_link_of_a_page_leads_somewhere() {
    let root = root();
    let mut all = pages(&root.join("docs"));
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ] {
        all.push(root.join(name));
    }
    let mut count = 0;
    for page in &all {
        let text = fs::read_to_string(page).expect("a page is text");
        for link in links(&text) {
            let (path, _) = link.split_once('#').unwrap_or((link, ""));
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let target = page.parent().expect("a page is in a folder").join(path);
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
        }
    }
    assert!(count > 20, "only {count} links: is the root right?");
}

#[test]
fn the_book_lists_each_page_once() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).expect("the book has a summary");
    let listed = links(&summary);
    for page in pages(&docs) {
        let name = page.strip_prefix(&docs).expect("it is below");
        let name = name.to_str().expect("names are plain");
        let times = listed.iter().filter(|link| **link == name).count();
        assert_eq!(times, usize::from(name != "SUMMARY.md"), "{name}");
    }
}

/// What is neither code, nor a table, nor a comment is read word by word: by everybody, so it is
/// short.
#[test]
fn the_readme_has_at_most_nine_hundred_words() {
    let text = fs::read_to_string(root().join("README.md")).expect("a page is text");
    let (mut words, mut is_code, mut is_comment) = (0, false, false);
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        is_comment |= line.starts_with("<!--");
        if !is_code && !is_comment {
            words += line.split_whitespace().count();
        }
        is_comment &= !line.ends_with("-->");
    }
    assert!((300..=900).contains(&words), "{words} words");
}
