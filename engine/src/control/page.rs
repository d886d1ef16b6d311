//! The page of a node, and what a browser may do with it: run what is in it, and talk to where
//! it came from.
//!
//! The policy names the script and the style of the page by their hashes, so a browser runs
//! nothing that got into it on another way, and `require-trusted-types-for` lets the script make
//! no markup of texts.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderValue;
use data_encoding::BASE64;

/// One file, the same at every node.
pub(super) const PAGE: &str = include_str!("page.html");

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = policy(PAGE);
    HeaderValue::from_str(&policy).expect("a policy is made of letters and signs")
});

/// The content security policy that goes with every answer over HTTP.
pub(super) fn content_policy() -> HeaderValue {
    POLICY.clone()
}

fn policy(page: &str) -> String {
    let (script, style) = (hash(page, "script"), hash(page, "style"));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// The source expression of the only element of that name.
fn hash(page: &str, name: &str) -> String {
    let inside = page.split_once(&format!("<{name}>"));
    let inside = inside.and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    let (inside, _) = inside.expect("the page has one script and one style");
    let hash = digest(&SHA256, inside.as_bytes());
    format!("'sha256-{}'", BASE64.encode(hash.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of the empty text is that of the standard, FIPS 180-4.
    #[test]
    fn the_policy_has_the_hash_of_what_is_between_the_tags() {
        let page = "<style></style><script>alert(1)</script>";
        let policy = policy(page);
        let empty = "style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
        assert!(policy.contains(empty), "{policy}");
        // As `printf 'alert(1)' | openssl sha256 -binary | base64` has it.
        let script = "script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='";
        assert!(policy.contains(script), "{policy}");
    }

    /// Register: O1.
    #[test]
    fn the_page_runs_nothing_but_its_own_script_and_fetches_nothing_from_elsewhere() {
        let policy = content_policy();
        let policy = policy.to_str().unwrap();
        for loose in ["unsafe", "http:", "https:", "data:", "blob:", "*"] {
            assert!(!policy.contains(loose), "{loose}");
        }
        for tag in ["<script", "<style", "</script", "</style"] {
            assert_eq!(PAGE.matches(tag).count(), 1, "{tag}");
        }
        // What a policy by hashes refuses, or what makes markup of texts.
        for word in [
            "http:",
            "https:",
            "//cdn",
            "src=",
            "href=",
            "@import",
            "url(",
            " style=",
            " onclick=",
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            "localStorage",
            "document.cookie",
            "token=",
        ] {
            assert!(!PAGE.contains(word), "{word}");
        }
    }
}
