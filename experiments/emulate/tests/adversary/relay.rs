//! The connections of an adversary: each peer's to the mask, and the mask's to the node behind it,
//! in the peer's name. Whole frames go from one to the other, as the mask changes them.
//!
//! Decides nothing: what is said instead is in `words`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fairhaul::identity::{Identity, PublicKey};
use fairhaul::transport::{DEADLINE, Endpoint, GreetError, Reader, Secure, Writer};
use fairhaul_core::id::PeerId;
use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::Message;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::time::Time;
use fairhaul_core::wire::handshake::{Refusal, RefusalCode, VERSION, Welcome};
use fairhaul_core::wire::{self, Decoder};
use tokio::net::{TcpStream, UnixDatagram};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::words::{Frame, Piece, Words};

/// Frames that wait to be written to one connection: as many as keep it busy, and so few that the
/// queue is in the node, where its policy orders it.
const QUEUE: usize = 4;

/// Where a mask hears of others that vouch for it, in the folder of its node.
const VOUCHING: &str = "vouching";
/// Bytes of what is said there: a key, a content and a chunk.
const VOUCHER: usize = 32 + 32 + 4;

/// A peer of the node; one that knows the node under several keys at once is as many.
pub(crate) struct Peer {
    key: PublicKey,
    address: String,
    /// The mask in its place.
    stand_in: Endpoint,
    /// Under which of the node's keys it is called.
    own: AtomicUsize,
}

impl Peer {
    pub(crate) fn new(key: PublicKey, address: String, stand_in: &Identity, own: usize) -> Self {
        Self {
            key,
            address,
            stand_in: Endpoint::new(stand_in).unwrap(),
            own: own.into(),
        }
    }
}

/// The mask of one node.
pub(crate) struct Relay {
    /// One for each key of the node.
    own: Vec<Endpoint>,
    name: String,
    outside: SocketAddr,
    inside: SocketAddr,
    peers: Vec<Peer>,
    words: Mutex<Words>,
    /// Whom each connection leads to, and what is written to it.
    lines: Mutex<BTreeMap<PeerId, Line>>,
    connections: AtomicU32,
    begun: Instant,
    /// Whether the node has left, to come back.
    away: watch::Sender<bool>,
    /// Where the partners of this one hear of what it has got.
    partners: Vec<PathBuf>,
    vouching: UnixDatagram,
}

/// The way to the peer of a connection.
type Line = (PublicKey, mpsc::WeakSender<Vec<u8>>);

impl Relay {
    pub(crate) fn new(
        identities: &[Identity],
        (name, outside, inside): (&str, SocketAddr, SocketAddr),
        peers: Vec<Peer>,
        (words, home, partners): (Words, &Path, &[PathBuf]),
    ) -> Self {
        // Of an earlier life, which a restart has ended.
        let _ = std::fs::remove_file(home.join(VOUCHING));
        let partners = partners.iter().map(|home| home.join(VOUCHING));
        Self {
            own: identities
                .iter()
                .map(|key| Endpoint::new(key).unwrap())
                .collect(),
            name: name.to_owned(),
            outside,
            inside,
            peers,
            words: Mutex::new(words),
            lines: Mutex::default(),
            connections: AtomicU32::new(0),
            begun: Instant::now(),
            away: watch::Sender::new(false),
            partners: partners.collect(),
            vouching: UnixDatagram::bind(home.join(VOUCHING)).unwrap(),
        }
    }

    /// Where its peers call it.
    pub(crate) const fn outside(&self) -> SocketAddr {
        self.outside
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        let mut words = self.words.lock().unwrap();
        let nanos = self.begun.elapsed().as_nanos();
        words.now = Time::from_nanos(u64::try_from(nanos).unwrap());
        words
    }

    /// A peer calls. Whoever the node does not know is refused, as it would.
    pub(crate) async fn welcome(self: Arc<Self>, stream: TcpStream) {
        let welcomed = async {
            stream.set_nodelay(true)?;
            let known = |key: &PublicKey| self.peers.iter().find(|peer| peer.key == *key);
            let (outer, hello) = self.own[0]
                .welcome(stream, DEADLINE, |key, _| match known(key) {
                    Some(_) => Ok(welcome(&self.name)),
                    None => Err(Refusal::new(RefusalCode::NotWelcome)),
                })
                .await?;
            let peer = known(&outer.peer).expect("the others are refused");
            let stream = connect(&self.inside.to_string()).await?;
            let hello = peer.stand_in.hello(&hello.name, hello.listen);
            let own = self.own[0].public();
            let called = peer.stand_in.call(stream, own, &hello, DEADLINE).await;
            Ok::<_, GreetError>((outer, called?.0))
        };
        // Who cannot be reached is called again, as between any two nodes.
        if let Ok((outer, inner)) = welcomed.await {
            self.carry(None, outer, inner).await;
        }
    }

    /// The node calls the peer in row `at`: it is welcome once that peer welcomes the mask.
    pub(crate) async fn call(self: Arc<Self>, at: usize, stream: TcpStream) {
        let called = async {
            stream.set_nodelay(true)?;
            let peer = &self.peers[at];
            let own = &self.own[peer.own.load(Ordering::Relaxed)];
            let hello = own.hello(&self.name, Some(self.outside.port()));
            let outer = connect(&peer.address).await?;
            let (outer, welcomed) = own.call(outer, peer.key, &hello, DEADLINE).await?;
            let judge = |_: &_, _: &_| Ok(welcome(&welcomed.name));
            let (inner, _) = peer.stand_in.welcome(stream, DEADLINE, judge).await?;
            Ok::<_, GreetError>((outer, inner))
        };
        match called.await {
            Ok((outer, inner)) => self.carry(Some(at), outer, inner).await,
            // Under this key it is banned.
            Err(GreetError::Refused(_)) => drop(self.renew(at)),
            // Who cannot be reached is called again.
            Err(_) => {}
        }
    }

    /// The node is somebody new to the peer in row `at`, if it still has a key that the peer has
    /// not seen; says whether.
    fn renew(&self, at: usize) -> bool {
        let last = self.own.len() - 1;
        let next = |own| (own < last).then_some(own + 1);
        let own = &self.peers[at].own;
        let renews = self.words().renews();
        renews
            && own
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
                .is_ok()
    }

    /// Carries frames until one of the two ends. The peer is in row `at` if the node has called.
    async fn carry(&self, at: Option<usize>, outer: Secure<TcpStream>, inner: Secure<TcpStream>) {
        let mut away = self.away.subscribe();
        if *away.borrow() {
            return;
        }
        let peer = PeerId(self.connections.fetch_add(1, Ordering::Relaxed));
        let key = outer.peer;
        let (to_peer, for_peer) = mpsc::channel(QUEUE);
        let (to_node, for_node) = mpsc::channel(QUEUE);
        let line = (key, to_peer.downgrade());
        self.lines.lock().unwrap().insert(peer, line);
        self.words().meet(peer);
        // The senders go with the readers, so that what waits is written before the end.
        let reading = async move {
            let (answers, late) = (to_peer.clone(), to_peer.clone());
            let node = read(inner.reader, async |frame| {
                let news = self.words().piece(peer, &frame.message);
                self.vouch(news).await;
                let said = self.words().says(peer, frame);
                put(&to_peer, said).await
            });
            let others = read(outer.reader, async |frame| {
                let (heard, said) = self.words().hears(peer, frame);
                put(&answers, said).await && put(&to_node, heard).await
            });
            // A window is as long as a look.
            let mut looks = ticks(self.words().every_ns() / 20);
            let released = async {
                loop {
                    looks.tick().await;
                    let said = self.words().released(peer);
                    let starved = self.words().is_starved(peer);
                    if starved && at.is_some_and(|at| self.renew(at)) || !put(&late, said).await {
                        return;
                    }
                }
            };
            tokio::select! {
                () = node => {}
                () = others => {}
                () = released => {}
                _ = away.wait_for(|away| *away) => {}
            }
        };
        let writing = async {
            tokio::join!(write(outer.writer, for_peer), write(inner.writer, for_node));
        };
        tokio::join!(reading, writing);
        self.words().part(peer);
        self.lines.lock().unwrap().remove(&peer);
    }

    /// Says again and again what an adversary says by itself.
    pub(crate) async fn look(self: Arc<Self>) {
        let mut looks = ticks(self.words().every_ns());
        loop {
            looks.tick().await;
            for (peer, frame) in self.words().again() {
                self.put_aside(peer, &frame);
            }
        }
    }

    /// Leaves whenever it has been there for `stay`, and comes back a look later.
    pub(crate) async fn rejoin(self: Arc<Self>, stay: Duration) {
        let look = Duration::from_nanos(self.words().every_ns());
        loop {
            sleep(stay).await;
            let wants = self.words().wants();
            if wants {
                self.away.send_replace(true);
                sleep(look).await;
                self.away.send_replace(false);
            }
        }
    }

    /// Tells the partners who has sent a piece that the node has now.
    async fn vouch(&self, news: Option<Piece>) {
        let Some((content, chunk)) = news else {
            return;
        };
        let senders = self.words().came((content, chunk));
        for sender in senders {
            let Some((key, _)) = self.lines.lock().unwrap().get(&sender).cloned() else {
                continue;
            };
            let chunk = chunk.to_le_bytes();
            let voucher = [key.as_bytes().as_slice(), &content.0, &chunk].concat();
            for partner in &self.partners {
                // One that is not there says nothing.
                let _ = self.vouching.send_to(&voucher, partner).await;
            }
        }
    }

    /// Says of what partners have got that this one has it too.
    pub(crate) async fn hear_partners(self: Arc<Self>) {
        let mut voucher = [0; VOUCHER];
        while self.vouching.recv(&mut voucher).await.is_ok() {
            let (key, rest) = voucher.split_at(32);
            let (content, chunk) = rest.split_at(32);
            let content = ContentId(content.try_into().unwrap());
            let piece = (content, u32::from_le_bytes(chunk.try_into().unwrap()));
            let to = |line: &&PeerId| self.is_to(**line, key);
            let lines: Vec<PeerId> = self.lines.lock().unwrap().keys().copied().collect();
            for peer in lines.iter().filter(to) {
                if let Some(frame) = self.words().vouches(*peer, piece) {
                    self.put_aside(*peer, &frame);
                }
            }
        }
    }

    fn is_to(&self, peer: PeerId, key: &[u8]) -> bool {
        let lines = self.lines.lock().unwrap();
        lines
            .get(&peer)
            .is_some_and(|line| line.0.as_bytes() == key)
    }

    /// Says something that a connection which is busy does not hear.
    fn put_aside(&self, peer: PeerId, frame: &Frame) {
        let lines = self.lines.lock().unwrap();
        let line = lines.get(&peer).and_then(|line| line.1.upgrade());
        let _ = line.map(|line| line.try_send(frame.encode()));
    }
}

/// Every so many nanoseconds; what is missed is not made up for.
fn ticks(every_ns: u64) -> tokio::time::Interval {
    let mut ticks = interval(Duration::from_nanos(every_ns.max(1_000_000)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

fn welcome(name: &str) -> Welcome {
    Welcome {
        version: VERSION,
        name: name.into(),
    }
}

async fn connect(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// False once nobody writes them any more.
async fn put(to: &mpsc::Sender<Vec<u8>>, frames: impl IntoIterator<Item = Frame>) -> bool {
    for frame in frames {
        if to.send(frame.encode()).await.is_err() {
            return false;
        }
    }
    true
}

/// Gives `take` whole frames until the connection ends or it wants no more.
async fn read(mut reader: Reader<TcpStream>, mut take: impl AsyncFnMut(Frame) -> bool) {
    let mut decoder = Decoder::new();
    let mut begun = None;
    loop {
        let mut frames = Vec::new();
        let mut sink = |bytes: &[u8]| feed(&mut decoder, &mut begun, bytes, &mut frames);
        let more = reader.read(&mut sink).await;
        for frame in frames {
            if !take(frame).await {
                return;
            }
        }
        if !matches!(more, Ok(true)) {
            return;
        }
    }
}

fn feed(
    decoder: &mut Decoder,
    begun: &mut Option<Frame>,
    mut bytes: &[u8],
    frames: &mut Vec<Frame>,
) -> Result<(), Misbehaviour> {
    while let Some(next) = decoder.next(&mut bytes)? {
        let frame = match next {
            wire::Frame::Message(message) => Frame::from(message),
            wire::Frame::Payload(part) => {
                let mut frame = begun.take().expect("its head comes first");
                frame.payload.extend_from_slice(part);
                frame
            }
            wire::Frame::Skipped { .. } => continue,
        };
        match frame.message {
            Message::Block { len, .. } if (frame.payload.len() as u64) < len.get() => {
                *begun = Some(frame);
            }
            _ => frames.push(frame),
        }
    }
    Ok(())
}

async fn write(mut writer: Writer<TcpStream>, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = queue.recv().await {
        let written = async {
            writer.write(&bytes).await?;
            writer.flush().await
        };
        if written.await.is_err() {
            return;
        }
    }
    // The other end may be gone already.
    let _ = writer.close().await;
}
