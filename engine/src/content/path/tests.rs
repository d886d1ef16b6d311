use proptest::prelude::*;

use super::*;

/// A component of nothing: absolute paths, doubled and trailing slashes, UNC with slashes.
const EMPTY: [&str; 24] = [
    "",
    "/",
    "//",
    "a/",
    "/a",
    "a//b",
    "a/b/",
    "a/b//",
    "//a",
    "///",
    "a///b",
    "/etc/passwd",
    "/a/b/",
    "/tmp",
    "//server/share",
    "//./pipe/x",
    "//?/x",
    "/dev/null",
    "a/b/c//d",
    "ä//b",
    "/../a",
    "//../a",
    "/.",
    "/..",
];

/// Standing still and climbing.
const DOTS: [&str; 23] = [
    ".",
    "..",
    "./a",
    "../a",
    "a/.",
    "a/..",
    "a/./b",
    "a/../b",
    "a/../../b",
    "../../etc/passwd",
    "../..",
    "./.",
    "./..",
    "../.",
    "a/b/..",
    "a/b/.",
    "../a/..",
    "a/b/../../..",
    ".ssh/../../x",
    "../../x",
    "./.bashrc",
    "a/./../b",
    "é/../b",
];

/// Backslashes, drives, streams, wildcards; controls, escape codes, bidi, format characters and
/// code points that are none.
const CHARACTER: [&str; 123] = [
    "\\",
    "\\a",
    "a\\b",
    "..\\a",
    "..\\..\\a",
    "a\\..\\b",
    "\\\\server\\share",
    "\\\\?\\C:\\x",
    "\\??\\C:\\x",
    "\\\\.\\COM1",
    "C:",
    "C:\\",
    "C:\\x",
    "C:x",
    "c:/x",
    "z:",
    "a:b",
    "a:",
    "file.txt:stream",
    "file.txt::$DATA",
    ":",
    ":a",
    "a/b:c",
    "C|",
    "a|b",
    "a*b",
    "*",
    "a?",
    "?",
    "a\"b",
    "\"",
    "<",
    "a<b",
    "a>b",
    ">",
    "a/b?c",
    "a/*",
    "\u{0}",
    "a\u{0}",
    "a\u{0}b",
    "a/\u{0}/b",
    "\u{1}",
    "a\u{7}b",
    "a\u{8}b",
    "a\tb",
    "\ta",
    "a\n",
    "a\nb",
    "\n",
    "a\rb",
    "a\r\nb",
    "\u{1b}[31m",
    "a\u{1b}]0;x\u{7}",
    "\u{1b}",
    "a\u{1b}c",
    "\u{b}",
    "\u{c}",
    "\u{1f}",
    "a\u{7f}",
    "\u{7f}",
    "\u{80}",
    "a\u{85}b",
    "\u{9b}31m",
    "\u{9d}",
    "\u{9f}",
    "\u{ad}",
    "a\u{ad}b",
    "\u{600}",
    "\u{61c}",
    "a\u{61c}b",
    "\u{6dd}",
    "\u{70f}",
    "\u{890}",
    "\u{8e2}",
    "\u{180e}",
    "\u{200b}",
    "a\u{200b}b",
    "\u{200c}",
    "\u{200d}",
    "\u{200e}",
    "\u{200f}",
    "a\u{200f}b",
    "\u{2028}",
    "a\u{2028}b",
    "\u{2029}",
    "\u{202a}",
    "\u{202b}",
    "\u{202c}",
    "\u{202d}",
    "\u{202e}",
    "gpj.\u{202e}exe",
    "a\u{202e}gnp.exe",
    "\u{2060}",
    "\u{2061}",
    "\u{2064}",
    "\u{2066}",
    "\u{2067}",
    "\u{2068}",
    "\u{2069}",
    "\u{206a}",
    "\u{206f}",
    "\u{feff}",
    "\u{feff}a",
    "\u{fff9}",
    "\u{fffa}",
    "\u{fffb}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{fdd0}",
    "\u{fdef}",
    "\u{110bd}",
    "\u{110cd}",
    "\u{13430}",
    "\u{1bca0}",
    "\u{1d173}",
    "\u{1d17a}",
    "\u{e0001}",
    "\u{e0020}",
    "\u{e0041}",
    "\u{e007f}",
    "\u{1fffe}",
    "\u{10ffff}",
    "a/b\u{202e}c/d",
];

/// What Windows cuts off.
const ENDING: [&str; 24] = [
    "a.",
    "a ",
    "a..",
    "...",
    "....",
    ". ",
    ".. ",
    "..  ",
    "a. ",
    "a .",
    "a/b.",
    "a./b",
    "a /b",
    " ",
    "  ",
    "a/ /b",
    "CON.",
    "CON ",
    "nul. ",
    "aux .txt.",
    "a/.../b",
    "x ./y",
    "é.",
    "é ",
];

/// What Windows takes for a device.
const DEVICE: [&str; 59] = [
    "CON",
    "CON.txt",
    "PRN",
    "PRN.txt",
    "AUX",
    "AUX.txt",
    "NUL",
    "NUL.txt",
    "con",
    "con.txt",
    "Prn",
    "Prn.txt",
    "aUx",
    "aUx.txt",
    "nul",
    "nul.txt",
    "COM0",
    "COM1",
    "COM2",
    "COM3",
    "COM4",
    "COM5",
    "COM6",
    "COM7",
    "COM8",
    "COM9",
    "lpt0",
    "lpt1",
    "lpt2",
    "lpt3",
    "lpt4",
    "lpt5",
    "lpt6",
    "lpt7",
    "lpt8",
    "lpt9",
    "COM¹",
    "com²",
    "Com³",
    "LPT¹",
    "lpt²",
    "lpt³",
    "CONIN$",
    "conout$",
    "CONOUT$.txt",
    "con.tar.gz",
    "con .txt",
    "nul  .a.b",
    "COM1 .txt",
    "lpt¹.txt",
    "com9.dat",
    "a/CON",
    "CON/a",
    "a/nul/b",
    "aux.c",
    "prn.h/x",
    "a/COM1.log",
    "com0.x",
    "Nul.ä",
];

/// The faults a name of each table must be refused with.
fn fault(name: &str) -> &'static str {
    match check(name) {
        Ok(()) => "none",
        Err(BadPath::Empty(_)) => "empty",
        Err(BadPath::Dots(..)) => "dots",
        Err(BadPath::Character(..)) => "character",
        Err(BadPath::Ending(_)) => "ending",
        Err(BadPath::Device(..)) => "device",
        Err(_) => "another",
    }
}

/// Register: M1, M2, M5, M6.
#[test]
fn every_hostile_name_is_refused_for_its_own_fault() {
    let tables: [(&str, &[&str]); 5] = [
        ("empty", &EMPTY),
        ("dots", &DOTS),
        ("character", &CHARACTER),
        ("ending", &ENDING),
        ("device", &DEVICE),
    ];
    let names: usize = tables.iter().map(|(_, names)| names.len()).sum();
    assert!(names >= 200, "only {names} names");
    for (expected, names) in tables {
        for name in names {
            assert_eq!(fault(name), expected, "{name:?}");
        }
    }
}

/// Register: M1, M2, M5, M6.
#[test]
fn a_hostile_name_is_refused_below_and_above_an_honest_one() {
    for name in DOTS.iter().chain(&CHARACTER).chain(&ENDING).chain(&DEVICE) {
        for path in [
            format!("a/{name}"),
            format!("{name}/a"),
            format!("a/{name}/b"),
        ] {
            assert!(check(&path).is_err(), "{path:?}");
        }
    }
}

#[test]
fn ordinary_names_of_many_languages_are_allowed() {
    let names = [
        "a",
        "a/b",
        ".bashrc",
        ".ssh/authorized_keys",
        "...a",
        "a.b.c",
        "photos/2024 summer/IMG_1.JPG",
        "-rf",
        "~",
        "$HOME",
        "#a",
        "a;b",
        "a&b",
        "a'b",
        "(a)",
        "[a]",
        "{a}",
        "a=b",
        "a,b",
        "a+b",
        "a@b",
        "a%2fb",
        "%2e%2e",
        "naïve",
        "日本語/ファイル",
        "Ωμέγα",
        "привет",
        "שלום",
        "مرحبا",
        "한국어",
        "👍.txt",
        "CONSOLE",
        "com",
        "com10",
        "COM1x",
        "lpt",
        "nulls",
        "auxiliary.c",
        "a.con",
        "xcon",
        "COM⁴",
        " a",
        "\u{fffd}",
        "…",
        "․․",
        "／",
        "a\u{301}",
        "ı",
        "ﬀ",
    ];
    for name in names {
        assert_eq!(check(name), Ok(()), "{name:?}");
    }
}

/// Register: M8. Limit: L8.
#[test]
fn each_limit_holds_at_its_exact_number() {
    assert_eq!(check(&"a".repeat(255)), Ok(()));
    assert!(matches!(
        check(&"a".repeat(256)),
        Err(BadPath::LongComponent(_, 256))
    ));
    // 128 characters of two bytes are 256 bytes: the limit counts bytes.
    assert!(matches!(
        check(&"é".repeat(128)),
        Err(BadPath::LongComponent(_, 256))
    ));

    let long = format!("{0}/{0}/{0}/{0}/{1}", "a".repeat(204), "b".repeat(204));
    assert_eq!((long.len(), check(&long)), (1_024, Ok(())));
    assert!(matches!(
        check(&format!("{long}b")),
        Err(BadPath::Long(_, 1_025))
    ));

    let deep = vec!["a"; 64].join("/");
    assert_eq!(check(&deep), Ok(()));
    assert!(matches!(
        check(&format!("{deep}/a")),
        Err(BadPath::Deep(_, 65))
    ));
}

/// Register: M7.
#[test]
fn bytes_that_are_not_utf8_are_refused_and_shown_escaped() {
    // A lone continuation, an overlong slash, an overlong dot, a surrogate, and too large.
    let names: [&[u8]; 6] = [
        b"a\x80",
        b"\xc0\xaf",
        b"\xe0\x80\xae",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\xff",
    ];
    for name in names {
        let why = check_bytes(name).unwrap_err();
        assert!(matches!(why, BadPath::NotUtf8(_)), "{name:?}");
        assert!(why.to_string().is_ascii(), "{why}");
    }
    assert_eq!(check_bytes("é".as_bytes()), Ok("é"));
    assert_eq!(shown_bytes(b"a\xff\n\\"), "a\\xff\\n\\\\");
}

/// Register: M7.
#[test]
fn twins_are_refused_with_both_names() {
    let pairs = [
        ("a/B", "a/b"),
        ("README", "readme"),
        ("A/x", "a/y"),
        ("d/A/x", "d/a/y"),
        ("e\u{301}", "é"),
        ("É", "é"),
        ("E\u{301}/a", "é/b"),
        ("STRASSE", "straße"),
        ("K", "\u{212a}"),
        ("Å", "\u{212b}"),
        ("ΟΔΟΣ", "οδος"),
        ("q\u{307}\u{323}", "q\u{323}\u{307}"),
        ("각", "\u{1100}\u{1161}\u{11a8}"),
    ];
    for (a, b) in pairs {
        let mut paths = [a, "m/n", b, "zz"];
        paths.sort_by(|a, b| order(a, b));
        let why = check_all(paths.iter().copied()).unwrap_err();
        assert!(matches!(why, BadPath::Twins(..)), "{a:?} {b:?}: {why}");
        let text = why.to_string();
        assert!(
            text.contains(&shown(a)) && text.contains(&shown(b)),
            "{text}"
        );
    }
}

/// Register: M7.
#[test]
fn a_file_may_not_stand_beside_entries_below_it() {
    for paths in [
        vec!["a", "a/b"],
        vec!["a", "a/b", "a!"],
        vec!["x/A", "x/a/b"],
        vec!["a", "a-b", "a.b", "a/b/c"],
    ] {
        let mut paths = paths;
        paths.sort_by(|a, b| order(a, b));
        let why = check_all(paths.iter().copied()).unwrap_err();
        assert!(
            matches!(why, BadPath::Below(..) | BadPath::Twins(..)),
            "{why}"
        );
    }
    let why = check_all(["a", "a/b"].into_iter()).unwrap_err();
    assert_eq!(why, BadPath::Below("a".into(), "a/b".into()));
}

/// Register: M7.
#[test]
fn a_path_twice_and_a_path_out_of_order_are_refused() {
    let why = check_all(["a", "b", "b"].into_iter()).unwrap_err();
    assert_eq!(why, BadPath::Twice("b".into()));
    let why = check_all(["b", "a"].into_iter()).unwrap_err();
    assert_eq!(why, BadPath::Order("b".into(), "a".into()));
    // `-` and `.` come before `/` as bytes, but a directory stays together.
    assert_eq!(check_all(["a/b", "a-b", "a.b"].into_iter()), Ok(()));
}

/// Register: M7.
#[test]
fn names_that_only_look_alike_may_be_together() {
    let mut paths = ["i", "ı", "a", "а", "ss", "s", "o", "ö", "n/a", "n/b", "m/a"];
    paths.sort_by(|a, b| order(a, b));
    assert_eq!(check_all(paths.into_iter()), Ok(()));
}

/// Register: M5.
#[test]
fn whatever_is_shown_is_one_line_that_no_terminal_acts_on() {
    assert_eq!(
        shown("a\x1b[2Jb\n\u{202e}c\\\""),
        "a\\u{1b}[2Jb\\n\\u{202e}c\\\\\\\""
    );
    assert_eq!(shown(&"é".repeat(300)), "é".repeat(256) + "…");
    for name in EMPTY
        .iter()
        .chain(&DOTS)
        .chain(&CHARACTER)
        .chain(&ENDING)
        .chain(&DEVICE)
    {
        let text = check(name).unwrap_err().to_string();
        assert!(!text.contains(is_hidden), "{text:?}");
    }
}

proptest! {
    /// Register: M1, M2, M5, M6, M7, M8.
    #[test]
    fn what_passes_has_only_plain_components(path in "\\PC{0,40}|[a-c./\\\\: \u{202e}\u{0}CON]{0,12}") {
        if check(&path).is_ok() {
            prop_assert!(path.len() <= PATH_MAX);
            for part in path.split('/') {
                prop_assert!(!matches!(part, "" | "." | ".."));
                prop_assert!(!part.contains(is_hidden));
            }
            let parts = std::path::Path::new(&path).components();
            prop_assert!(parts.clone().all(|part| matches!(part, std::path::Component::Normal(_))));
            prop_assert_eq!(parts.count(), path.split('/').count());
        }
    }

    /// Register: M5, M7.
    #[test]
    fn any_bytes_are_shown_in_printable_characters(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        prop_assert!(!shown_bytes(&bytes).contains(is_hidden));
        let _ = check_bytes(&bytes);
    }

    /// Slow and obvious beside fast: every pair of prefixes, against the neighbours only.
    #[test]
    fn looking_at_neighbours_finds_what_looking_at_all_pairs_finds(
        paths in proptest::collection::btree_set("[aAbé]{1,2}(/[aAbé]{1,2}){0,2}", 1..8)
    ) {
        let mut paths: Vec<String> = paths.into_iter().collect();
        paths.sort_by(|a, b| order(a, b));
        let fast = check_all(paths.iter().map(String::as_str)).is_ok();
        prop_assert_eq!(fast, all_pairs_may_be(&paths));
    }
}

/// Whether no path is, when folded, another one or a directory of another one, and no two
/// directories are twins.
fn all_pairs_may_be(paths: &[String]) -> bool {
    let prefixes = |path: &str| -> Vec<String> {
        let cuts = path
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([path.len()]);
        cuts.map(|at| path[..at].to_owned()).collect()
    };
    paths.iter().enumerate().all(|(at, a)| {
        paths.iter().skip(at + 1).all(|b| {
            let twins = prefixes(a)
                .iter()
                .any(|p| prefixes(b).iter().any(|q| p != q && fold(p) == fold(q)));
            let below = prefixes(b).contains(a) || prefixes(a).contains(b);
            !twins && !below
        })
    })
}

/// 256 characters, of which each may have four bytes.
#[test]
fn bytes_are_shown_as_far_as_the_text_that_they_are() {
    let clefs = |count| "\u{1d11e}".repeat(count);
    assert_eq!(shown_bytes(clefs(300).as_bytes()), clefs(256));
}
