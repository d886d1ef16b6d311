//! A peer that a test plays: TLS and greeting as they should be, and then anything.
//!
//! Decides nothing about right and wrong: it says what the test tells it to.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use fairhaul::identity::{Identity, PublicKey};
use fairhaul::transport::{Endpoint, GreetError, Reader, Writer};
use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::TransferId;
use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::{CloseCode, Join, Message, OfferVerdict};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire::{self, Decoder, Frame};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::content::Content;
use crate::rig::{PATIENCE, Rig};

/// What an evil peer calls the manifest and the bytes of what it serves.
const MANIFEST: TransferId = TransferId(0);
const DATA: TransferId = TransferId(1);
/// What it calls what it fetches.
pub(crate) const WANTED: TransferId = TransferId(2);

/// An identity without a node.
pub(crate) struct Evil {
    pub(crate) endpoint: Endpoint,
    pub(crate) key: PublicKey,
}

impl Evil {
    pub(crate) fn new() -> Self {
        Self::of(&Identity::generate().unwrap())
    }

    pub(crate) fn of(identity: &Identity) -> Self {
        Self {
            endpoint: Endpoint::new(identity).unwrap(),
            key: identity.public(),
        }
    }

    /// Calls a node and greets it.
    pub(crate) async fn call(&self, rig: &Rig) -> Result<Wire, GreetError> {
        self.call_from(rig, 1).await
    }

    /// The same from another source: 127.0.`from`.1.
    pub(crate) async fn call_from(&self, rig: &Rig, from: u8) -> Result<Wire, GreetError> {
        let stream = connect(rig, from).await?;
        let hello = self.endpoint.hello("evil", None);
        let called = self.endpoint.call(stream, rig.key, &hello, PATIENCE).await;
        let (secure, _) = called?;
        Ok(Wire {
            reader: secure.reader,
            writer: secure.writer,
            heard: VecDeque::new(),
            input: Input::default(),
        })
    }

    /// Calls a node that is sure to let it in.
    pub(crate) async fn enter(&self, rig: &Rig) -> Wire {
        self.call(rig)
            .await
            .map_err(|error| error.to_string())
            .unwrap()
    }

    /// Why it is not let in.
    pub(crate) async fn refused(&self, rig: &Rig) -> String {
        match self.call(rig).await {
            Ok(_) => panic!("it was let in"),
            Err(error) => error.to_string(),
        }
    }
}

/// A connection to a node, before any byte.
pub(crate) fn connect(rig: &Rig, from: u8) -> impl Future<Output = io::Result<TcpStream>> + use<> {
    let to = rig.listens();
    async move {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, from, 1), 0)))?;
        socket.connect(to).await
    }
}

/// An accepted session with a node.
pub(crate) struct Wire {
    pub(crate) reader: Reader<TcpStream>,
    pub(crate) writer: Writer<TcpStream>,
    heard: VecDeque<Heard>,
    input: Input,
}

#[derive(Default)]
struct Input {
    decoder: Decoder,
    block: Option<(Message, Vec<u8>)>,
}

/// What a node said.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    Said(Message),
    /// Position, offset, bytes.
    Block(u32, u64, Vec<u8>),
}

/// What is asked of an evil peer.
pub(crate) struct Ask {
    pub(crate) is_manifest: bool,
    pub(crate) chunk: u32,
    /// The honest answer.
    pub(crate) bytes: Vec<u8>,
}

/// What it answers.
pub(crate) enum Answer {
    /// These bytes, whole or not.
    Bytes(Vec<u8>),
    Reject,
    Silence,
    /// These bytes, and then the end of the connection.
    Last(Vec<u8>),
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Verdict(OfferVerdict),
    Closed(CloseCode),
    /// The connection ended without a word.
    Over,
}

impl Wire {
    pub(crate) async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write(bytes).await?;
        self.writer.flush().await
    }

    /// Says something. That the node has gone shows in what is heard.
    pub(crate) async fn say(&mut self, message: &Message) {
        let mut bytes = Vec::new();
        wire::encode(message, &mut bytes);
        let _ = self.raw(&bytes).await;
    }

    pub(crate) async fn block(
        &mut self,
        transfer: TransferId,
        chunk: u32,
        offset: u64,
        bytes: &[u8],
    ) {
        let mut frame = Vec::new();
        let head = Message::Block {
            transfer,
            chunk,
            offset: ByteCount::new(offset),
            len: ByteCount::new(bytes.len() as u64),
        };
        wire::encode(&head, &mut frame);
        frame.extend(bytes);
        let _ = self.raw(&frame).await;
    }

    /// The next thing that the node says; none after its end.
    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        let heard = timeout(PATIENCE, self.hear_for_ever()).await;
        heard.expect("the node says nothing")
    }

    pub(crate) async fn hear_for_ever(&mut self) -> Option<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Some(heard);
            }
            let (input, heard) = (&mut self.input, &mut self.heard);
            let more = self
                .reader
                .read(&mut |bytes: &[u8]| input.feed(bytes, heard))
                .await;
            if !matches!(more, Ok(true)) && self.heard.is_empty() {
                return None;
            }
        }
    }

    /// Hears until `wanted` is said.
    pub(crate) async fn hear_that<T>(&mut self, mut wanted: impl FnMut(&Heard) -> Option<T>) -> T {
        loop {
            let heard = self.hear().await.expect("the node ended the session");
            if let Some(found) = wanted(&heard) {
                return found;
            }
        }
    }

    /// Hears until the end. What the node said it was for.
    pub(crate) async fn end(&mut self) -> Option<CloseCode> {
        let mut code = None;
        while let Some(heard) = self.hear().await {
            if let Heard::Said(Message::Close { code: said, .. }) = heard {
                code = Some(said);
            }
        }
        code
    }

    /// The offence for which the node ends the session.
    pub(crate) async fn offence(&mut self) -> Option<Misbehaviour> {
        match self.end().await {
            Some(CloseCode::Misbehaviour(why)) => Some(why),
            _ => None,
        }
    }

    /// What the node said last before it ended the session; none if it answers a ping.
    pub(crate) async fn last_word(&mut self) -> Option<CloseCode> {
        let mut code = CloseCode::Shutdown;
        while let Some(heard) = self.hear().await {
            match heard {
                Heard::Said(Message::Pong(77)) => return None,
                Heard::Said(Message::Close { code: said, .. }) => code = said,
                _ => {}
            }
        }
        Some(code)
    }

    /// Whether the node answers.
    pub(crate) async fn is_alive(&mut self) -> bool {
        self.say(&Message::Ping(77)).await;
        while let Some(heard) = self.hear().await {
            if matches!(heard, Heard::Said(Message::Pong(77))) {
                return true;
            }
        }
        false
    }

    pub(crate) async fn offer(&mut self, content: &Content) {
        self.say(&Message::Offer(Box::new(content.offer()))).await;
    }

    /// What becomes of the next offer.
    pub(crate) async fn verdict(&mut self) -> OfferVerdict {
        self.hear_that(|heard| match heard {
            Heard::Said(Message::Verdict { verdict, .. }) => Some(*verdict),
            _ => None,
        })
        .await
    }

    /// Claims all of `content`.
    pub(crate) async fn claim(&mut self, content: &Content, reply: bool) {
        for is_manifest in [true, false] {
            self.join(content, is_manifest, reply).await;
        }
        self.say(&Message::Unchoke).await;
    }

    async fn join(&mut self, content: &Content, is_manifest: bool, reply: bool) {
        let (id, transfer) = if is_manifest {
            (content.manifest_id(), MANIFEST)
        } else {
            (content.id, DATA)
        };
        let chunks = content.chunks(is_manifest);
        if chunks == 0 {
            return;
        }
        let join = Join {
            content: id,
            transfer,
            have: Bitfield::full(chunks),
            reply,
        };
        self.say(&Message::Join(Box::new(join))).await;
    }

    /// Claims all of `content` and answers what is asked with `twist`, until the node has a
    /// verdict or ends the session.
    pub(crate) async fn serve(
        &mut self,
        content: &Content,
        mut twist: impl FnMut(Ask) -> Answer,
    ) -> Outcome {
        let mut theirs = BTreeMap::new();
        self.claim(content, true).await;
        let mut code = None;
        while let Some(heard) = self.hear_for_ever().await {
            let Heard::Said(message) = heard else {
                continue;
            };
            match message {
                Message::Join(join) => {
                    let is_manifest = join.content == content.manifest_id();
                    theirs.insert(join.transfer, is_manifest);
                    if join.reply {
                        self.join(content, is_manifest, false).await;
                    }
                }
                Message::Request {
                    transfer,
                    chunk,
                    offset,
                } => {
                    let Some(&is_manifest) = theirs.get(&transfer) else {
                        continue;
                    };
                    // The node has what comes before, from whoever began it.
                    let offset = offset.get();
                    let bytes = content.chunk(is_manifest, chunk).split_off(offset as usize);
                    let answer = twist(Ask {
                        is_manifest,
                        chunk,
                        bytes,
                    });
                    if !self.answer(is_manifest, chunk, offset, answer).await {
                        return Outcome::Over;
                    }
                }
                Message::Verdict { verdict, .. } if verdict != OfferVerdict::Accepted => {
                    return Outcome::Verdict(verdict);
                }
                Message::Close { code: said, .. } => code = Some(said),
                _ => {}
            }
        }
        code.map_or(Outcome::Over, Outcome::Closed)
    }

    /// False if the session is over with it.
    async fn answer(&mut self, is_manifest: bool, chunk: u32, offset: u64, answer: Answer) -> bool {
        let transfer = if is_manifest { MANIFEST } else { DATA };
        match answer {
            Answer::Bytes(bytes) => self.block(transfer, chunk, offset, &bytes).await,
            Answer::Reject => self.say(&Message::Reject { transfer, chunk }).await,
            Answer::Silence => {}
            Answer::Last(bytes) => {
                self.block(transfer, chunk, offset, &bytes).await;
                return false;
            }
        }
        true
    }

    /// Takes part in a content without having any of it. What the node calls it.
    pub(crate) async fn want(&mut self, content: ContentId, chunks: u32) -> TransferId {
        let join = Join {
            content,
            transfer: WANTED,
            have: Bitfield::empty(chunks),
            reply: true,
        };
        self.say(&Message::Join(Box::new(join))).await;
        self.say(&Message::Interested).await;
        let (mut theirs, mut open) = (None, false);
        while theirs.is_none() || !open {
            match self.hear().await.expect("the node ended the session") {
                Heard::Said(Message::Join(join)) if join.content == content => {
                    theirs = Some(join.transfer);
                }
                Heard::Said(Message::Unchoke) => open = true,
                _ => {}
            }
        }
        theirs.unwrap()
    }

    /// Takes part in a content of which the node has something, and asks for a chunk of that as
    /// often as the node says what it has. The first block that comes: its chunk, its place in it,
    /// and its bytes.
    pub(crate) async fn take_any(
        &mut self,
        content: ContentId,
        chunks: u32,
    ) -> (u32, u64, Vec<u8>) {
        let join = |reply| {
            Message::Join(Box::new(Join {
                content,
                transfer: WANTED,
                have: Bitfield::empty(chunks),
                reply,
            }))
        };
        self.say(&join(true)).await;
        let mut has = None;
        loop {
            match self.hear().await.expect("the node ended the session") {
                Heard::Said(Message::Join(theirs)) if theirs.content == content => {
                    has = theirs.have.iter().next();
                    if theirs.reply {
                        self.say(&join(false)).await;
                    }
                    self.say(&Message::Interested).await;
                }
                Heard::Said(Message::Unchoke) => {}
                Heard::Block(chunk, offset, bytes) => return (chunk, offset, bytes),
                _ => continue,
            }
            if let Some(chunk) = has {
                self.request(chunk.get()).await;
            }
        }
    }

    pub(crate) async fn request(&mut self, chunk: u32) {
        let transfer = WANTED;
        let offset = ByteCount::ZERO;
        self.say(&Message::Request {
            transfer,
            chunk,
            offset,
        })
        .await;
    }

    /// Asks for chunks of `range` over and over, `depth` at once, until so many bytes of them have
    /// come. A chunk has `len` bytes.
    pub(crate) async fn leech(
        &mut self,
        range: std::ops::Range<u32>,
        depth: u32,
        len: u64,
        bytes: u64,
    ) {
        let mut next = range.clone().cycle();
        for chunk in next.by_ref().take(depth as usize) {
            self.request(chunk).await;
        }
        let (mut came, mut whole) = (0, 0);
        while came < bytes {
            let heard = self.hear().await.expect("the node ended the session");
            if let Heard::Block(_, _, block) = heard {
                came += block.len() as u64;
                while came / len > whole {
                    whole += 1;
                    self.request(next.next().unwrap()).await;
                }
            }
        }
    }
}

impl Input {
    fn feed(&mut self, mut bytes: &[u8], heard: &mut VecDeque<Heard>) -> Result<(), Misbehaviour> {
        while let Some(frame) = self.decoder.next(&mut bytes)? {
            match frame {
                Frame::Message(message @ Message::Block { .. }) => {
                    self.block = Some((message, Vec::new()));
                }
                Frame::Message(message) => heard.push_back(Heard::Said(message)),
                Frame::Payload(payload) => {
                    let (message, mut got) = self.block.take().unwrap();
                    got.extend_from_slice(payload);
                    let Message::Block {
                        chunk, offset, len, ..
                    } = message
                    else {
                        unreachable!("only blocks are kept");
                    };
                    if (got.len() as u64) < len.get() {
                        self.block = Some((message, got));
                    } else {
                        heard.push_back(Heard::Block(chunk, offset.get(), got));
                    }
                }
                Frame::Skipped { .. } => {}
            }
        }
        Ok(())
    }
}
