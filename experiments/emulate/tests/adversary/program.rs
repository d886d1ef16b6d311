//! `fairhaul-adversary`: a node that departs from the protocol, on real connections. `fairlab
//! emulate` starts it in the place of `fairhaul` for a peer that has a behaviour.
//!
//! The node is the engine's own and honest: it runs in this process and knows nothing of it. All
//! its connections end here, at a mask that has its key and carries what it and its peers say. What
//! the mask changes is in the file `mask.json` beside the parameter file.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "this program is equipment of tests, and fails as they do"
)]

mod relay;
mod words;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fairhaul::control::api::Failure;
use fairhaul::identity::Identity;
use fairhaul::node::{self, RunOptions};
use fairhaul::params::ParameterFile;
use fairhaul_config::value::{Given, Value};
use fairhaul_emulate::mask::{FILE, Mask, alias, key_file};
use fairhaul_simulator::behaviour::Identities;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use relay::{Peer, Relay};
use words::Words;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [run, option, file] = arguments.as_slice() else {
        eprintln!("fairhaul-adversary: usage: fairhaul-adversary run -c FILE");
        return ExitCode::from(2);
    };
    assert_eq!([run, option], ["run", "-c"], "the words of the engine");
    match play(Path::new(file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("fairhaul-adversary: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Runs the node of a parameter file behind its mask until it is stopped.
fn play(file: &Path) -> Result<(), Failure> {
    let mut params = ParameterFile::load(file).map_err(|bad| Failure::storage(bad.to_string()))?;
    let mask = std::fs::read(file.with_file_name(FILE)).unwrap();
    let mask: Mask = serde_json::from_slice(&mask).unwrap();
    let home = file.parent().unwrap().to_owned();
    let keys = (0..).map(|number| home.join(key_file(number)));
    let keys = keys.take_while(|key| key.exists());
    let identities: Vec<Identity> = keys.map(|key| Identity::load(&key).unwrap()).collect();
    let outside: SocketAddr = params.node.listen.parse().unwrap();
    let inside = within(outside);
    let at_once = match mask.identities {
        Identities::Many(_) => identities.len(),
        Identities::Renewed => 1,
    };
    let (listeners, peers) = replace_peers(&mut params, &identities[..at_once]);
    params.node.listen = value(&inside.to_string());
    let name = params.node.name.to_string();
    let (ready, started) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let serving = async {
            let said = (Words::new(&mask), &*home, &*mask.partners);
            let relay = Relay::new(&identities, (&name, outside, inside), peers, said);
            serve(relay, (listeners, mask.rejoins_ns), started).await;
        };
        LocalSet::new().block_on(&runtime.unwrap(), serving);
    });
    let options = RunOptions {
        params,
        file: PathBuf::from(file),
        record: None,
        tables: None,
        trust_first_use: false,
        by_line: None,
    };
    node::run(options, ready)
}

/// Where the node listens behind the mask: at an address of the loopback for each that a mask has.
fn within(outside: SocketAddr) -> SocketAddr {
    let IpAddr::V4(ip) = outside.ip() else {
        panic!("{outside}: peers of an emulated run have IPv4 addresses");
    };
    let [_, second, third, fourth] = ip.octets();
    let ip = Ipv4Addr::new(127, second.wrapping_add(100), third, fourth);
    (ip, outside.port()).into()
}

/// Puts the mask in the place of every peer of the node, once for each key under which that knows
/// the node at once: at an address of its own, with a key of its own. Where both ends call at once
/// the order of keys says which connection stays, so the order is that of the real ones.
fn replace_peers(
    params: &mut ParameterFile,
    identities: &[Identity],
) -> (Vec<std::net::TcpListener>, Vec<Peer>) {
    let own = identities[0].public();
    let mut stand_ins = Vec::new();
    let (mut listeners, mut peers) = (Vec::new(), Vec::new());
    for (number, peer) in
        (0..identities.len()).flat_map(|k| params.peers.iter().map(move |p| (k, p)))
    {
        // Who knows the node under several keys waits to be called by it, as the node does here.
        let Some(called) = &peer.address else {
            continue;
        };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let key = peer.key.to_string().parse().unwrap();
        let is_before = |key: &fairhaul::identity::PublicKey| key.as_bytes() < own.as_bytes();
        let stand_in = std::iter::repeat_with(|| Identity::generate().unwrap());
        let mut stand_in = stand_in.filter(|one| is_before(&one.public()) == is_before(&key));
        let stand_in = stand_in.next().unwrap();
        peers.push(Peer::new(key, called.to_string(), &stand_in, number));
        listeners.push(listener);
        let alias = alias(&peer.name.to_string(), u8::try_from(number).unwrap());
        stand_ins.push(fairhaul::params::PeerParams {
            name: value(&alias),
            address: Some(value(&address)),
            key: value(&stand_in.public().to_string()),
            ..peer.clone()
        });
    }
    params.peers = stand_ins;
    (listeners, peers)
}

fn value<T: Value>(text: &str) -> T {
    T::read(Given::Text(text)).unwrap()
}

/// Carries connections in both directions, once the node behind the mask runs.
async fn serve(
    relay: Relay,
    (listeners, rejoins_ns): (Vec<std::net::TcpListener>, Option<u64>),
    started: oneshot::Receiver<()>,
) {
    if started.await.is_err() {
        // The node has not started, and says why.
        return;
    }
    let relay = Arc::new(relay);
    let outside = TcpListener::bind(relay.outside()).await;
    let outside = outside.unwrap_or_else(|error| {
        eprintln!("fairhaul-adversary: {}: {error}", relay.outside());
        std::process::exit(1);
    });
    for (at, listener) in listeners.into_iter().enumerate() {
        let relay = Arc::clone(&relay);
        let listener = TcpListener::from_std(listener).unwrap();
        spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                spawn_local(Arc::clone(&relay).call(at, stream));
            }
        });
    }
    spawn_local(Arc::clone(&relay).look());
    spawn_local(Arc::clone(&relay).hear_partners());
    if let Some(stay) = rejoins_ns {
        spawn_local(Arc::clone(&relay).rejoin(Duration::from_nanos(stay)));
    }
    loop {
        let (stream, _) = outside.accept().await.unwrap();
        spawn_local(Arc::clone(&relay).welcome(stream));
    }
}
