//! Authorizes requests over HTTP.
//!
//! Four checks must pass: the request names this node as its host (a page under a foreign name that
//! resolves to here does not), it comes from a page of this node or from no page, its body is
//! something that a form cannot send, and a header has the token: an address would end in histories
//! and logs. A refused request learns nothing about the node. The page itself, which is the same at
//! every node and finds the token in the part of its address that no browser sends, needs none.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::lobby::Visitor;
use super::metrics::Metrics;
use super::page::content_policy;
use super::token::Token;

/// The rules for one listening address.
#[derive(Debug)]
pub(crate) struct Guard {
    token: Token,
    /// The host of the parameter file, in lower case and without its port.
    host: String,
    port: u16,
    metrics: Arc<Metrics>,
}

/// Why a request is refused, as status and words.
type Refusal = (StatusCode, &'static str);

impl Guard {
    /// The guard of `bound`, which the parameter file calls `configured`.
    pub(crate) fn new(
        token: Token,
        configured: &str,
        bound: SocketAddr,
        metrics: Arc<Metrics>,
    ) -> Self {
        let host = configured
            .rsplit_once(':')
            .map_or(configured, |(host, _)| host);
        Self {
            token,
            host: host.to_ascii_lowercase(),
            port: bound.port(),
            metrics,
        }
    }

    /// Whether the request may pass.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        let host = one(headers, &header::HOST);
        let named = host.is_some_and(|host| self.is_here(host));
        // A request to a proxy names another host in its first line.
        if !named || request.uri().authority().is_some() {
            return Err((StatusCode::FORBIDDEN, "wrong host"));
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            let own = host.map(|host| format!("http://{host}"));
            if own.is_none_or(|own| origin.as_bytes() != own.as_bytes()) {
                return Err((StatusCode::FORBIDDEN, "wrong origin"));
            }
        }
        if let Some(site) = headers.get(HeaderName::from_static("sec-fetch-site"))
            && site != "same-origin"
            && site != "none"
        {
            return Err((StatusCode::FORBIDDEN, "wrong origin"));
        }
        let json = one(headers, &header::CONTENT_TYPE).is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("application/json")
        });
        if request.method() == Method::POST && !json {
            let what = "the body is not application/json";
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
        }
        if is_page(request) {
            return Ok(());
        }
        match bearer(headers) {
            Some(token) if self.token.is(token) => Ok(()),
            Some(_) => Err((StatusCode::UNAUTHORIZED, "wrong token")),
            None => Err((StatusCode::UNAUTHORIZED, "no token")),
        }
    }

    /// Whether the request may pass; its connection has a place of its own from then on.
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        self.check(request)?;
        if is_page(request) {
            // It proved nothing.
            return Ok(());
        }
        let visitor = request.extensions().get::<Arc<Visitor>>();
        if visitor.is_some_and(|visitor| !visitor.prove()) {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "too many callers"));
        }
        Ok(())
    }

    /// Whether `host` names this node: the address of the parameter file or a loopback one,
    /// with our port. Where we listen on every address, each address is ours: what turns a
    /// foreign name to us never has an address for a name.
    fn is_here(&self, host: &str) -> bool {
        let bracket = host.rfind(']').unwrap_or(0);
        let (name, port) = match host[bracket..].rfind(':') {
            Some(at) => (&host[..bracket + at], host[bracket + at + 1..].parse().ok()),
            None => (host, Some(80)),
        };
        let name = name.to_ascii_lowercase();
        let literal = |name: &str| -> Option<IpAddr> {
            let inner = name
                .strip_prefix('[')
                .and_then(|name| name.strip_suffix(']'));
            inner.map_or_else(
                || name.parse().ok().filter(IpAddr::is_ipv4),
                |v6| v6.parse().ok(),
            )
        };
        let everywhere = literal(&self.host).is_some_and(|own| own.is_unspecified());
        let own = name == self.host
            || name == "localhost"
            || literal(&name).is_some_and(|address| everywhere || address.is_loopback());
        own && port == Some(self.port)
    }
}

/// Lets a request pass or refuses it, and tells a browser what it must not do with the answer.
pub(crate) async fn pass(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.admit(&request) {
        Ok(()) => next.run(request).await,
        Err((status, what)) => {
            guard.metrics.refused(what);
            let mut response = (status, format!("{what}\n")).into_response();
            if status == StatusCode::UNAUTHORIZED {
                let scheme = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
    };
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, content_policy());
    response
}

fn is_page(request: &Request) -> bool {
    request.method() == Method::GET && request.uri().path() == "/"
}

/// The value of a header that is there exactly once, if it is text.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = one(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tempfile::TempDir;

    use super::*;

    fn guard(configured: &str) -> (Guard, String) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("token");
        let token = Token::open(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let bound = SocketAddr::from(([127, 0, 0, 1], 7441));
        let guard = Guard::new(token, configured, bound, Arc::new(Metrics::default()));
        (guard, text.trim_end().to_owned())
    }

    /// Register: O1.
    #[test]
    fn only_our_own_names_with_our_own_port_are_a_host() {
        let (guard, _) = guard("vm-1.example:7441");
        for own in [
            "vm-1.example:7441",
            "VM-1.EXAMPLE:7441",
            "localhost:7441",
            "127.0.0.1:7441",
            "127.9.9.9:7441",
            "[::1]:7441",
        ] {
            assert!(guard.is_here(own), "{own}");
        }
        for foreign in [
            "",
            ":7441",
            "evil.example:7441",
            "localhost.evil.example:7441",
            "127.0.0.1.evil.example:7441",
            "localhost",
            "localhost:80",
            "localhost:07441x",
            "10.0.0.1:7441",
            "[::1]",
            "::1:7441",
            "[fe80::1]:7441",
            "localhost:7441:7441",
            "]",
            "[",
        ] {
            assert!(!guard.is_here(foreign), "{foreign}");
        }
    }

    /// Register: O1.
    #[test]
    fn a_node_that_listens_everywhere_takes_any_address_but_no_other_name() {
        for configured in ["0.0.0.0:7441", "[::]:7441"] {
            let (guard, _) = guard(configured);
            assert!(guard.is_here("10.0.0.1:7441") && guard.is_here("[fe80::1]:7441"));
            assert!(guard.is_here("localhost:7441"));
            assert!(!guard.is_here("evil.example:7441"));
        }
    }

    /// Register: O1.
    #[test]
    fn a_request_is_refused_for_the_first_thing_that_is_wrong_with_it() {
        let (guard, token) = guard("127.0.0.1:7441");
        let said = |build: axum::http::request::Builder| {
            let request = build.body(Body::empty()).unwrap();
            guard
                .check(&request)
                .map_err(|(status, what)| (status.as_u16(), what))
        };
        let get = |uri: &str| Request::get(uri).header("host", "127.0.0.1:7441");
        let bearer = format!("Bearer {token}");
        let good = |uri: &str| get(uri).header("authorization", &bearer);
        assert_eq!(said(good("/v1/status")), Ok(()));
        let other = said(get("/metrics").header("authorization", bearer.to_lowercase()));
        assert_eq!(
            other,
            Err((401, "wrong token")),
            "the case of a token counts"
        );
        assert_eq!(said(get("/metrics")), Err((401, "no token")));
        let empty = get("/metrics").header("authorization", "Bearer ");
        assert_eq!(said(empty), Err((401, "wrong token")));
        let in_address = format!("/v1/status?token={token}");
        assert_eq!(
            said(get(&in_address)),
            Err((401, "no token")),
            "what is in an address ends in a log"
        );
        assert_eq!(said(get("/")), Ok(()), "the page says nothing of the node");
        let json = Request::post("/").header("content-type", "application/json");
        let json = json.header("host", "127.0.0.1:7441");
        assert_eq!(said(json), Err((401, "no token")));
        assert_eq!(said(Request::get("/")), Err((403, "wrong host")));
        let nowhere = Request::get("/v1/status").header("authorization", &bearer);
        assert_eq!(said(nowhere), Err((403, "wrong host")));
        let twice = good("/v1/status").header("host", "127.0.0.1:7441");
        assert_eq!(said(twice), Err((403, "wrong host")));
        let proxied = "http://127.0.0.1:7441/v1/status";
        assert_eq!(said(good(proxied)), Err((403, "wrong host")));
        let own = good("/v1/status").header("origin", "http://127.0.0.1:7441");
        assert_eq!(said(own.header("sec-fetch-site", "same-origin")), Ok(()));
        for origin in [
            "null",
            "http://evil.example",
            "http://localhost:7441",
            "https://127.0.0.1:7441",
        ] {
            let foreign = good("/v1/status").header("origin", origin);
            assert_eq!(said(foreign), Err((403, "wrong origin")), "{origin}");
        }
        let site = good("/v1/status").header("sec-fetch-site", "cross-site");
        assert_eq!(said(site), Err((403, "wrong origin")));
        let post = || Request::post("/v1/pause").header("host", "127.0.0.1:7441");
        let json = post().header("content-type", "application/json");
        assert_eq!(said(json), Err((401, "no token")));
        let post = || post().header("authorization", &bearer);
        let form = Err((415, "the body is not application/json"));
        assert_eq!(said(post()), form);
        assert_eq!(said(post().header("content-type", "text/plain")), form);
        let json = post().header("content-type", "application/json; charset=utf-8");
        assert_eq!(said(json), Ok(()));
    }
}
