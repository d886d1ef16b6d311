//! Who comes in and who is called, without a driver: time is what a test says.

use std::convert::Infallible;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use fairhaul_core::connections::descriptors::Shares;
use fairhaul_core::manifest::ContentId;
use fairhaul_core::rng::Rng;
use fairhaul_core::wire::handshake::{Refusal, RefusalCode, VERSION, Welcome};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use super::event::{By, FirstMet, Met};
use super::*;
use crate::content::line::{Secret, receiver_name};
use crate::content::ticket::ContentTicket;
use crate::control::api::{EventKind, EventRecord};
use crate::control::metrics::Metrics;
use crate::identity::{Identity, PublicKey};
use crate::params::ParameterFile;
use crate::session::Outgoing;
use crate::transport::{DEADLINE, Endpoint, GreetError};

const DAY: Span = Span::from_secs(86_400);

fn at(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

/// The connections of a node, and what they do to others.
struct Rig {
    folder: tempfile::TempDir,
    identity: Identity,
    keeper: Option<Arc<Keeper>>,
    connections: Connections,
    inputs: PendingInputs,
    events: mpsc::Receiver<NodeEvent>,
    followers: broadcast::Receiver<EventRecord>,
}

impl Rig {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap(), "", false).unwrap()
    }

    fn trusting() -> Self {
        Self::at(tempfile::tempdir().unwrap(), "", true).unwrap()
    }

    fn at(folder: tempfile::TempDir, more: &str, trusts: bool) -> Result<Self, AccessError> {
        let identity = Identity::generate().unwrap();
        let data = folder.path();
        let text = format!("[node]\nname = \"own\"\ndata = {data:?}\n{more}");
        let params = ParameterFile::parse("n.toml", &text).unwrap();
        let (sender, events) = mpsc::channel(64);
        let (told, followers) = broadcast::channel(64);
        let keeper = Arc::new(Keeper::start().unwrap());
        let own = OwnEndpoint {
            identity: &identity,
            listening: SocketAddr::from((Ipv4Addr::LOCALHOST, 7_400)),
            params: &params.node,
            trust_first_use: trusts,
            shares: Shares::of(4_096, 64),
            buffer: 1 << 16,
            rng: Rng::from_seed([7; 32]),
        };
        let connections = Connections::new(
            &own,
            &keeper,
            (Arc::default(), Arc::default()),
            (Notifier::new(Arc::new(Metrics::default()), told), sender),
            at(0),
        )?;
        Ok(Self {
            folder,
            identity,
            keeper: Some(keeper),
            connections,
            inputs: PendingInputs::default(),
            events,
            followers,
        })
    }

    /// Lists a peer with this key, as the parameter file does.
    fn list(&mut self, name: &str, key: PublicKey, more: &str) -> PeerId {
        let text = format!("[[peer]]\nname = \"{name}\"\nkey = \"{key}\"\n{more}");
        let text = format!("[node]\nname = \"own\"\n{text}");
        let params = ParameterFile::parse("n.toml", &text).unwrap();
        let peer = params.peers.into_iter().next().unwrap();
        let access = self.connections.access_mut();
        let peer = access.list(peer, at(0)).unwrap();
        access.allow(at(0));
        peer
    }

    /// What a caller is told.
    fn judge(&self, key: &PublicKey, name: &str) -> Option<RefusalCode> {
        let guests = self.connections.access.guests_mut();
        guests.judge(key, name).err().map(|refusal| refusal.code)
    }

    /// Somebody calls and proves its key. What it hears comes out of the stream.
    async fn arrives(&mut self, caller: &Identity, name: &str, now: Time) -> Secure<TcpStream> {
        let (met, theirs) = meet(&self.identity, caller, name).await;
        self.happens(ConnectionEvent::Met(Box::new(met)), now);
        theirs
    }

    fn happens(&mut self, event: ConnectionEvent, now: Time) {
        self.connections.happened(event, &mut self.inputs, now);
    }

    /// What the core is to hear.
    fn told(&mut self) -> Vec<Input> {
        std::iter::from_fn(|| self.inputs.next_of_core()).collect()
    }

    fn followed(&mut self) -> Vec<EventKind> {
        std::iter::from_fn(|| Some(self.followers.try_recv().ok()?.what)).collect()
    }

    /// Waits until all is written down that was to be.
    fn end(mut self) -> tempfile::TempDir {
        drop((self.connections, self.keeper.take()));
        self.folder
    }
}

/// A handshake over loopback: how it ended for who was called, and the caller's end of it.
async fn meet(own: &Identity, caller: &Identity, name: &str) -> (Met, Secure<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let out = TcpStream::connect(listener.local_addr().unwrap());
    let (out, come) = tokio::join!(out, listener.accept());
    let (stream, remote) = come.unwrap();
    let local = stream.local_addr().ok();
    let (us, them) = (Endpoint::new(own).unwrap(), Endpoint::new(caller).unwrap());
    let hello = them.hello(name, Some(9));
    let welcomed = us.welcome(stream, DEADLINE, |_, _| {
        Ok(Welcome {
            version: VERSION,
            name: "own".into(),
        })
    });
    let called = them.call(out.unwrap(), own.public(), &hello, DEADLINE);
    let (welcomed, called) = tokio::join!(welcomed, called);
    let (secure, hello) = welcomed.unwrap();
    let met = Met {
        by: By::Us(caller.public()),
        remote,
        local,
        result: Ok((secure, hello.name, hello.listen)),
    };
    (met, called.unwrap().0)
}

/// All that the other end of a session hears until it is over.
async fn heard(mut theirs: Secure<TcpStream>) -> String {
    let mut bytes = Vec::new();
    let mut sink = |more: &[u8]| {
        bytes.extend_from_slice(more);
        Ok::<_, Infallible>(())
    };
    while theirs.reader.read(&mut sink).await.unwrap_or(false) {}
    String::from_utf8_lossy(&bytes).into_owned()
}

fn key() -> PublicKey {
    Identity::generate().unwrap().public()
}

// ---- who may come in

#[tokio::test]
async fn a_caller_is_told_no_more_than_whether_it_may_come_in() {
    let mut rig = Rig::new();
    let (ann, bob, eve) = (key(), key(), key());
    rig.list("ann", ann, "");
    let banned = rig.list("bob", bob, "");
    assert_eq!(
        (rig.judge(&ann, "ann"), rig.judge(&bob, "bob")),
        (None, None)
    );
    assert_eq!(rig.judge(&eve, "ann"), Some(RefusalCode::NotWelcome));
    assert_eq!(
        rig.judge(&rig.identity.public(), ""),
        Some(RefusalCode::Yourself)
    );
    let access = rig.connections.access_mut();
    access.ban(banned, Misbehaviour::WrongHash, Box::new(|_| ()), at(0));
    assert_eq!(rig.judge(&bob, "bob"), Some(RefusalCode::Banned));
    let gone = rig.connections.access_mut().unlist(|_| false);
    rig.connections.access_mut().allow(at(0));
    assert_eq!(gone.len(), 2);
    assert_eq!(rig.judge(&ann, "ann"), Some(RefusalCode::NotWelcome));
    rig.connections.stop(&mut rig.inputs, at(0));
    assert_eq!(rig.judge(&ann, "ann"), Some(RefusalCode::Stopping));
}

/// A ban lasts a day, is there after a restart, and is lifted by a person.
#[tokio::test]
async fn a_ban_outlives_the_run_and_ends_after_a_day_or_when_it_is_lifted() {
    let mut rig = Rig::new();
    let (ann, bob) = (key(), key());
    for (name, key) in [("ann", ann), ("bob", bob)] {
        let peer = rig.list(name, key, "");
        let access = rig.connections.access_mut();
        access.ban(
            peer,
            Misbehaviour::WrongHash,
            Box::new(|durable| assert!(durable)),
            at(0),
        );
        // A lie only: whoever is slow comes back.
        access.ban(peer, Misbehaviour::Flood, Box::new(|_| ()), at(0));
    }
    let mut rig = Rig::at(rig.end(), "", false).unwrap();
    rig.list("ann", ann, "address = \"127.0.0.1:1\"\n");
    rig.list("bob", bob, "");
    let has =
        |rig: &Rig, key: PublicKey, now| rig.connections.access().bans().has(key.as_bytes(), now);
    assert!(has(&rig, ann, at(0)) && has(&rig, bob, at(0)));
    let access = rig.connections.access_mut();
    access.lift(&[*ann.as_bytes()], Box::new(|_| ()), at(1));
    assert_eq!(rig.judge(&ann, "ann"), None, "it may come again");
    assert_eq!(rig.judge(&bob, "bob"), Some(RefusalCode::Banned));
    assert!(rig.connections.ready_at().is_some(), "and is called again");
    rig.connections.second(at(0) + DAY);
    assert_eq!(rig.judge(&bob, "bob"), None);
    assert_eq!(rig.connections.access().bans().list(at(0) + DAY).count(), 0);
}

/// What it says is all that keeps whom it names out, or in.
#[tokio::test]
async fn a_file_of_an_earlier_run_that_cannot_be_read_keeps_the_node_from_starting() {
    for (name, trusts) in [("bans.json", false), ("trusted.json", true)] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), "{\n odd").unwrap();
        let Err(AccessError::State(why)) = Rig::at(folder, "", trusts) else {
            panic!("{name} is taken for an empty one");
        };
        assert!(why.contains(&format!("{name}:2: is no file of")), "{why}");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("trusted.json"), "odd").unwrap();
    assert!(Rig::at(folder, "", false).is_ok(), "nobody is trusted so");
}

/// Ann comes in once she is written down; who comes under her name with another key does not, and
/// the next run knows her.
#[tokio::test]
async fn a_name_belongs_to_the_key_that_came_with_it_first() {
    let mut rig = Rig::trusting();
    let (ann, eve) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    rig.connections.start(at(0));
    let theirs = rig.arrives(&ann, "ann", at(0)).await;
    assert!(rig.told().is_empty(), "she waits until she is written down");
    let Some(NodeEvent::Connection(event)) = rig.events.recv().await else {
        panic!("it is written down");
    };
    rig.happens(event, at(1));
    assert!(matches!(
        rig.told()[..],
        [Input::Connected { outbound: true, .. }, ..]
    ));
    assert_eq!(
        rig.judge(&eve.public(), "ann"),
        Some(RefusalCode::KeyChanged)
    );
    let refused = rig.arrives(&eve, "ann", at(1)).await;
    let peer = rig.connections.peers().named("ann").unwrap();
    assert_eq!(rig.connections.standing(peer), Standing::Connected);
    drop((theirs, refused));
    let mut rig = Rig::at(rig.end(), "", true).unwrap();
    rig.connections.start(at(0));
    assert_eq!(rig.judge(&ann.public(), "ann"), None);
    assert_eq!(
        rig.judge(&eve.public(), "ann"),
        Some(RefusalCode::KeyChanged)
    );
}

#[tokio::test]
async fn a_caller_that_cannot_be_written_down_is_not_trusted() {
    let mut rig = Rig::trusting();
    let ann = Identity::generate().unwrap();
    rig.connections.start(at(0));
    let theirs = rig.arrives(&ann, "ann", at(0)).await;
    let Some(NodeEvent::Connection(ConnectionEvent::FirstMet(met))) = rig.events.recv().await
    else {
        panic!("it is written down");
    };
    let failed = FirstMet {
        durable: false,
        ..*met
    };
    rig.happens(ConnectionEvent::FirstMet(Box::new(failed)), at(1));
    assert!(rig.told().is_empty() && rig.connections.peers().named("ann").is_none());
    assert!(heard(theirs).await.contains("cannot be written down"));
}

/// The line of a sender lets one receiver in, under the key that its secret gives. That of a
/// receiver calls the sender, and knows whom the sender vouches for.
#[tokio::test]
async fn a_line_lets_in_as_many_as_it_was_made_for() {
    let mut rig = Rig::new();
    let secret = Secret::generate().unwrap();
    let (one, two) = (secret.receiver(1), secret.receiver(2));
    let names = [1, 2].map(|number| receiver_name("host", number));
    assert_eq!(
        rig.judge(&one.public(), &names[0]),
        Some(RefusalCode::NotWelcome)
    );
    let guests = line::LineGuests::new(secret, 1, None);
    rig.connections.access().set_line(Some(guests));
    assert_eq!(rig.judge(&one.public(), &names[0]), None);
    assert_eq!(
        rig.judge(&one.public(), &names[1]),
        Some(RefusalCode::NotWelcome)
    );
    let first = rig.arrives(&one, &names[0], at(1)).await;
    let second = rig.arrives(&two, &names[1], at(1)).await;
    let came = rig.told();
    let came = came
        .iter()
        .filter(|input| matches!(input, Input::Connected { .. }));
    assert_eq!(came.count(), 1);
    assert_eq!(rig.connections.links().iter().count(), 1);
    assert!(!heard(second).await.is_empty());
    drop(first);
}

#[tokio::test]
async fn a_receiver_of_a_line_calls_the_sender_and_knows_whom_it_vouches_for() {
    let mut rig = Rig::new();
    let (sender, other, stranger) = (Identity::generate().unwrap(), key(), key());
    let peer = rig.list("sender", sender.public(), "");
    let told = Some((sender.public(), vec!["127.0.0.1:1".to_owned()]));
    let guests = line::LineGuests::new(Secret::generate().unwrap(), 4, told);
    rig.connections.access().set_line(Some(guests));
    rig.connections.start(at(0));
    assert!(rig.connections.ready_at().is_some());
    let known = |key: PublicKey| Known {
        key: *key.as_bytes(),
        address: "127.0.0.1:2".into(),
    };
    rig.connections.told_addresses(peer, &[known(other)], at(1));
    let digits = &other.to_string()[..8];
    assert!(
        rig.connections
            .peers()
            .named(&format!("receiver-{digits}"))
            .is_some()
    );
    let impostor = rig.connections.peers().find(&other).unwrap();
    rig.connections
        .told_addresses(impostor, &[known(stranger)], at(1));
    assert!(
        rig.connections.peers().find(&stranger).is_none(),
        "only the sender vouches"
    );
}

// ---- sessions

/// Both people and the core hear of it; of a session that has ended nothing counts.
#[tokio::test]
async fn a_session_begins_and_ends_once() {
    let mut rig = Rig::new();
    let ann = Identity::generate().unwrap();
    let peer = rig.list("ann", ann.public(), "");
    assert_eq!(rig.connections.standing(peer), Standing::Away);
    let theirs = rig.arrives(&ann, "ann", at(1)).await;
    let told = rig.told();
    let is_ann =
        |input: &Input| matches!(input, Input::Connected { peer: one, .. } if *one == peer);
    assert!(told.iter().any(is_ann), "{told:?}");
    assert!(told.iter().any(|input| matches!(
        input,
        Input::Say {
            message: Message::WantAddresses,
            ..
        }
    )));
    assert_eq!(rig.connections.standings(), [(peer, Standing::Connected)]);
    let session = |serial| SessionId { peer, serial };
    let links = rig.connections.links();
    assert!(links.is_current(session(1)) && !links.is_current(session(2)));
    rig.connections
        .part(peer, CloseCode::Shutdown, "enough", &mut rig.inputs, at(4));
    rig.connections
        .part(peer, CloseCode::Shutdown, "again", &mut rig.inputs, at(5));
    assert!(matches!(rig.told()[..], [Input::Disconnected { .. }]));
    assert!(!rig.connections.links().is_current(session(1)));
    let row = rig.connections.peers().at(peer);
    assert_eq!((row.joined, row.present), (Some(at(1)), 3_000_000_000));
    let followed = rig.followed();
    assert!(
        matches!(&followed[..], [EventKind::Connected { .. }, EventKind::Lost { reason, .. }] if reason == "Shutdown"),
        "{followed:?}"
    );
    let said = heard(theirs).await;
    assert!(said.contains("enough") && !said.contains("again"), "{said}");
}

#[tokio::test]
async fn a_newer_session_of_an_identity_takes_the_place_of_the_older() {
    let mut rig = Rig::new();
    let ann = Identity::generate().unwrap();
    let peer = rig.list("ann", ann.public(), "");
    let first = rig.arrives(&ann, "ann", at(1)).await;
    rig.told();
    let second = rig.arrives(&ann, "ann", at(100)).await;
    let told = rig.told();
    assert!(
        matches!(
            told[..],
            [Input::Disconnected { .. }, Input::Connected { .. }, ..]
        ),
        "{told:?}"
    );
    assert!(
        rig.connections
            .links()
            .is_current(SessionId { peer, serial: 2 })
    );
    assert!(heard(first).await.contains("a newer connection"));
    drop(second);
}

/// It is cut off at once, and hears why when its ban is on disk. A peer that was only slow is not
/// banned.
#[tokio::test]
async fn a_peer_that_lied_is_banned_before_it_hears_why() {
    let mut rig = Rig::new();
    let (ann, bob) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let liar = rig.list("ann", ann.public(), "");
    let slow = rig.list("bob", bob.public(), "");
    let of_liar = rig.arrives(&ann, "ann", at(1)).await;
    let of_slow = rig.arrives(&bob, "bob", at(1)).await;
    let (connections, inputs) = (&mut rig.connections, &mut rig.inputs);
    connections.close(liar, Misbehaviour::WrongHash, inputs, at(2));
    connections.ended(slow, End::Offence(Misbehaviour::Flood), inputs, at(2));
    connections.close(liar, Misbehaviour::WrongHash, inputs, at(2));
    let left = rig
        .told()
        .iter()
        .filter(|input| matches!(input, Input::Disconnected { .. }))
        .count();
    assert_eq!(left, 2);
    let bans = rig.connections.access().bans();
    assert!(bans.has(ann.public().as_bytes(), at(2)) && !bans.has(bob.public().as_bytes(), at(2)));
    assert!(!heard(of_liar).await.is_empty() && !heard(of_slow).await.is_empty());
    let text = fs::read_to_string(rig.folder.path().join("bans.json")).unwrap();
    assert!(
        text.contains(&ann.public().as_bytes()[0].to_string()),
        "{text}"
    );
}

#[tokio::test]
async fn who_said_its_last_message_leaves_when_the_core_is_done() {
    let mut rig = Rig::new();
    let ann = Identity::generate().unwrap();
    let peer = rig.list("ann", ann.public(), "");
    let _theirs = rig.arrives(&ann, "ann", at(1)).await;
    rig.told();
    rig.connections
        .leaves(peer, "the peer closed: Shutdown".to_owned());
    assert!(rig.connections.links().has(peer));
    for _ in 0..2 {
        rig.connections.settle(&mut rig.inputs, at(2));
    }
    assert!(matches!(rig.told()[..], [Input::Disconnected { .. }]));
    rig.connections
        .ended(peer, End::Closed, &mut rig.inputs, at(3));
    assert!(rig.told().is_empty(), "it has left before");
}

/// A caller with a right that the file took back during its handshake is turned away with a word,
/// and its place is free again.
#[tokio::test]
async fn who_is_not_welcome_any_more_hears_so_and_holds_no_place() {
    let mut rig = Rig::new();
    let ann = Identity::generate().unwrap();
    rig.list("ann", ann.public(), "");
    rig.connections.access_mut().unlist(|_| false);
    let theirs = rig.arrives(&ann, "ann", at(1)).await;
    assert!(rig.told().is_empty());
    assert_eq!(rig.connections.access.admission.counts().1, 0);
    assert!(!heard(theirs).await.is_empty());
}

// ---- handshakes

fn failed(by: By, error: GreetError) -> ConnectionEvent {
    ConnectionEvent::Met(Box::new(Met {
        by,
        remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
        local: None,
        result: Err(error),
    }))
}

/// Why a peer cannot be reached is kept for who waits for it; a refusal is told from a silence.
#[tokio::test]
async fn a_call_that_fails_says_why_the_peer_is_away() {
    let mut rig = Rig::new();
    let ann = key();
    let peer = rig.list("ann", ann, "address = \"127.0.0.1:1\"\n");
    rig.happens(failed(By::Us(ann), GreetError::Deadline(DEADLINE)), at(1));
    assert_eq!(rig.connections.standing(peer), Standing::Unreachable);
    let refusal = Refusal::new(RefusalCode::NotWelcome);
    rig.happens(failed(By::Us(ann), GreetError::Refused(refusal)), at(2));
    assert_eq!(rig.connections.standing(peer), Standing::Refused);
    assert!(rig.connections.ready_at().is_some(), "it is called again");
    assert!(rig.told().is_empty() && rig.followed().is_empty());
}

/// Who follows hears of each; a key that was not proved is banned if it has a right to lose.
#[tokio::test]
async fn a_caller_that_fails_is_counted_by_the_reason() {
    let mut rig = Rig::new();
    let (ann, eve) = (key(), key());
    rig.list("ann", ann, "");
    let false_key = |proved| GreetError::FalseKey {
        proved,
        claimed: [1; 32],
    };
    for (id, error) in [
        (1, GreetError::Deadline(DEADLINE)),
        (2, GreetError::WrongPart),
        (3, false_key(eve)),
        (4, false_key(ann)),
    ] {
        rig.happens(failed(By::Them(id), error), at(1));
    }
    assert_eq!(rig.followed().len(), 4);
    let bans = rig.connections.access().bans();
    assert!(bans.has(ann.as_bytes(), at(1)) && !bans.has(eve.as_bytes(), at(1)));
}

/// Somebody comes under Ann's name with another key: who waits for Ann is told both.
#[tokio::test]
async fn a_name_that_another_key_claims_is_shown_at_the_peer() {
    let mut rig = Rig::trusting();
    let peer = rig.list("ann", key(), "");
    let refused = GreetError::Refuses {
        peer: key(),
        name: "ann".into(),
        refusal: Refusal::because(RefusalCode::KeyChanged, "known is x"),
    };
    rig.happens(failed(By::Them(1), refused), at(1));
    assert_eq!(rig.connections.standing(peer), Standing::Claimed);
    let trouble = rig.connections.peers().at(peer).trouble.clone().unwrap();
    assert!(
        trouble.text.contains("the key has changed: known is x"),
        "{trouble:?}"
    );
}

#[tokio::test]
async fn a_caller_is_greeted_and_one_that_hangs_up_costs_nothing() {
    let mut rig = Rig::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let out = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (stream, remote) = listener.accept().await.unwrap();
    rig.happens(ConnectionEvent::Accepted(stream, remote), at(0));
    assert_eq!(rig.connections.access.admission.counts().0, 1);
    drop(out);
    let Some(NodeEvent::Connection(event)) = rig.events.recv().await else {
        panic!("its handshake ends");
    };
    rig.happens(event, at(1));
    assert_eq!(rig.connections.access.admission.counts(), (0, 0));
    assert!(rig.connections.access.greeting.is_empty());
}

// ---- addresses

/// A ticket names Ann, who has no address yet, and Eve, whom nobody lists.
#[tokio::test]
async fn a_ticket_says_where_a_listed_peer_is_and_brings_nobody_else() {
    let mut rig = Rig::new();
    let (ann, eve) = (key(), key());
    let peer = rig.list("ann", ann, "");
    let ticket = |key: PublicKey| {
        let at = (*key.as_bytes(), "127.0.0.1:1".to_owned());
        ContentTicket::new(ContentId([1; 32]), 1_000, vec![at]).unwrap()
    };
    let access = rig.connections.access_mut();
    assert!(!access.introduce(&ticket(eve), at(0)));
    assert!(access.introduce(&ticket(ann), at(0)));
    assert_eq!(
        access.peers().at(peer).address.as_deref(),
        Some("127.0.0.1:1")
    );
    assert!(access.peers().find(&eve).is_none());
    assert!(rig.connections.ready_at().is_some());
}

/// Peers that called us are not named to others: where they can be called is not known.
#[tokio::test]
async fn whoever_asks_hears_of_those_that_were_dialled_and_only_so_often() {
    let mut rig = Rig::new();
    let (ann, bob) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let asker = rig.list("ann", ann.public(), "");
    rig.list("bob", bob.public(), "");
    let _ann = rig.arrives(&ann, "ann", at(1)).await;
    assert!(
        rig.connections.wants_addresses(asker, at(2)).is_none(),
        "nobody else is here"
    );
    let _bob = rig.arrives(&bob, "bob", at(3)).await;
    let known = Known {
        key: *bob.public().as_bytes(),
        address: "127.0.0.1:9".into(),
    };
    assert!(
        rig.connections
            .told_addresses(asker, std::slice::from_ref(&known), at(4))
    );
    assert!(
        !rig.connections.told_addresses(asker, &[known], at(4)),
        "too soon"
    );
}

#[tokio::test]
async fn a_node_without_exchange_neither_asks_nor_tells() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::at(folder, "exchange = false\n", false).unwrap();
    let ann = Identity::generate().unwrap();
    let peer = rig.list("ann", ann.public(), "");
    let _theirs = rig.arrives(&ann, "ann", at(1)).await;
    assert!(
        rig.told()
            .iter()
            .all(|input| !matches!(input, Input::Say { .. }))
    );
    assert!(rig.connections.wants_addresses(peer, at(2)).is_none());
    assert!(rig.connections.told_addresses(peer, &[], at(2)));
}

/// Nobody answers at the first address; at the second it is the peer.
#[tokio::test]
async fn a_peer_is_called_at_each_of_its_addresses_until_it_answers() {
    let mut rig = Rig::new();
    let ann = Identity::generate().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let addresses = format!("{closed},{}", listener.local_addr().unwrap());
    let peer = rig.list("ann", ann.public(), "");
    rig.connections
        .access
        .calling
        .configure(*ann.public().as_bytes(), &addresses, at(0));
    let ready = rig.connections.ready_at().unwrap();
    rig.connections.dial(ready);
    let (stream, _) = listener.accept().await.unwrap();
    let endpoint = Endpoint::new(&ann).unwrap();
    let welcome = endpoint.welcome(stream, DEADLINE, |_, _| {
        Ok(Welcome {
            version: VERSION,
            name: "ann".into(),
        })
    });
    let (theirs, event) = tokio::join!(welcome, rig.events.recv());
    let Some(NodeEvent::Connection(event)) = event else {
        panic!("the call is over");
    };
    rig.happens(event, ready);
    let link = rig.connections.links().get(peer).expect("it answered");
    assert!(link.dialled && link.remote == listener.local_addr().unwrap());
    drop(theirs);
}

// ---- what connections measure

/// Only while something is sent, and every 50 ms.
#[tokio::test]
async fn connections_are_looked_at_while_something_is_sent_if_a_cap_is_to_be_found() {
    let mut rig = Rig::new();
    let ann = Identity::generate().unwrap();
    rig.list("ann", ann.public(), "");
    let _theirs = rig.arrives(&ann, "ann", at(1)).await;
    rig.told();
    rig.connections.look(true, &mut rig.inputs, at(2));
    assert!(rig.told().is_empty(), "no cap is to be found");
    for wanted in [true, true] {
        rig.connections.find_cap(wanted, &mut rig.inputs);
    }
    assert!(matches!(rig.told()[..], [Input::FindCap { on: true }]));
    assert_eq!(rig.connections.look_at(false), None);
    rig.connections.look(true, &mut rig.inputs, at(2));
    let told = rig.told();
    let [Input::Paths { paths }] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(paths.len(), 1);
    let next = at(2) + Span::from_millis(50);
    assert_eq!(rig.connections.look_at(true), Some(next));
    rig.connections.look(true, &mut rig.inputs, at(2));
    assert!(rig.told().is_empty(), "too soon");
    rig.connections.find_cap(false, &mut rig.inputs);
    assert!(matches!(rig.told()[..], [Input::FindCap { on: false }]));
}

#[test]
fn a_last_word_is_cut_between_two_characters() {
    let long = "\u{e9}".repeat(100);
    let Outgoing::Close(Message::Close { text, .. }) = last_word(CloseCode::Overload, &long) else {
        panic!("it closes");
    };
    assert_eq!(text.len(), 128);
    assert!(long.starts_with(&*text));
}
