//! Where the page of a node is that was just started.
//!
//! The token stands behind the `#` of the address, which no browser sends to a server. It is
//! shown on a terminal alone: what a service says ends in a log, which others may read.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::net::IpAddr;
use std::thread;

use fairhaul::params::ParameterFile;
use fairhaul::printable::Printable;
use tokio::sync::oneshot;

/// Says it once the node has `started`. A node without a page says nothing.
pub(super) fn say_when(started: oneshot::Receiver<()>, params: &ParameterFile) {
    let Some(address) = &params.control.http else {
        return;
    };
    let (page, token) = (address_of(address), params.token_file());
    let shown = io::stderr().is_terminal();
    // It waits for the node, which has this thread for itself.
    thread::spawn(move || {
        if started.blocking_recv().is_err() {
            return;
        }
        match fs::read_to_string(&token).ok().filter(|_| shown) {
            Some(token) => eprintln!("fairhaul: page: {page}#token={}", token.trim_end()),
            None => {
                let file = token.display().to_string();
                let file = Printable(&file, usize::MAX);
                eprintln!("fairhaul: page: {page} followed by #token= and what is in {file}");
            }
        }
    });
}

/// What a browser of this machine opens.
fn address_of(listens: &str) -> String {
    let (host, port) = listens.rsplit_once(':').unwrap_or((listens, "80"));
    let inside = host.trim_start_matches('[').trim_end_matches(']');
    let ip = inside.parse::<IpAddr>();
    let host = match ip.is_ok_and(|ip| ip.is_unspecified()) {
        true => "localhost",
        false => host,
    };
    format!("http://{host}:{port}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_listens_everywhere_has_its_page_at_this_machine() {
        for (listens, page) in [
            ("127.0.0.1:7441", "http://127.0.0.1:7441/"),
            ("0.0.0.0:7441", "http://localhost:7441/"),
            ("[::]:80", "http://localhost:80/"),
            ("[::1]:7441", "http://[::1]:7441/"),
            ("vm-1:7441", "http://vm-1:7441/"),
        ] {
            assert_eq!(address_of(listens), page);
        }
    }
}
