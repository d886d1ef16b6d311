//! The TLS connections that streams are made of.
//!
//! They have TLS 1.3 with raw Ed25519 keys on both sides, one protocol name, and a fixed order of
//! ciphers. Host names, tickets, resumption, early data, compression and the logging of keys are
//! off, and nothing falls back.

use std::ops::Deref;
use std::sync::Arc;

use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption, UnbufferedClientConnection};
use rustls::crypto::aws_lc_rs::{self as provider, cipher_suite, kx_group, sign};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{
    AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage, UnbufferedServerConnection,
};
use rustls::sign::CertifiedKey;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::version::TLS13;
use rustls::{ClientConfig, CommonState, ContentType, Error, ServerConfig, SupportedCipherSuite};

use super::verify::{self, Only, Proved};
use crate::identity::{Identity, PublicKey};

/// The name of the protocol, with its version, which both sides must name.
pub const PROTOCOL: &[u8] = b"fairhaul/1";

/// Most bytes of one record's content (RFC 8446, section 5.1).
const RECORD: usize = 16 * 1024;
/// What a record takes besides: head, type, tag.
const RECORD_OVERHEAD: usize = 5 + 1 + 16;
/// Room for the records that the protocol itself sends, so that few are tried twice.
const CONTROL_ROOM: usize = 256;

/// What every connection is made from.
pub(super) struct Configs {
    dial: ClientConfig,
    accept: Arc<ServerConfig>,
    own: PublicKey,
}

impl Configs {
    pub(super) fn new(identity: &Identity) -> Result<Self, Error> {
        Self::on(&Processor::found(), identity)
    }

    fn on(processor: &Processor, identity: &Identity) -> Result<Self, Error> {
        let own = identity.public();
        let provider = Arc::new(provider(processor));
        let secret = identity.to_pkcs8();
        let secret = sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(secret.as_slice()))?;
        let spki = CertificateDer::from(verify::spki(own));
        let key = Arc::new(CertifiedKey::new(vec![spki], secret));

        let mut dial = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            // Replaced for each peer that is dialled; our own key is never one of them.
            .with_custom_certificate_verifier(Arc::new(Only(own)))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                Arc::clone(&key),
            )));
        dial.alpn_protocols = vec![PROTOCOL.to_vec()];
        dial.enable_sni = false;
        dial.resumption = Resumption::disabled();
        dial.enable_early_data = false;
        dial.cert_compressors = Vec::new();
        dial.cert_decompressors = Vec::new();

        let mut accept = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(Proved))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
        accept.alpn_protocols = vec![PROTOCOL.to_vec()];
        accept.send_tls13_tickets = 0;
        accept.max_early_data_size = 0;
        accept.session_storage = Arc::new(NoServerSessionStorage {});
        accept.cert_compressors = Vec::new();
        accept.cert_decompressors = Vec::new();
        let accept = Arc::new(accept);
        Ok(Self { dial, accept, own })
    }

    pub(super) const fn own(&self) -> PublicKey {
        self.own
    }

    pub(super) fn dial(&self, expected: PublicKey) -> Result<Tls, Error> {
        let mut config = self.dial.clone();
        let only = Arc::new(Only(expected));
        config.dangerous().set_certificate_verifier(only);
        // A name is needed here, is not sent and is not looked at.
        let nobody = ServerName::try_from("peer.invalid").expect("a name of two labels");
        let connection = UnbufferedClientConnection::new(Arc::new(config), nobody)?;
        Ok(Tls::Dialler(Box::new(connection)))
    }

    pub(super) fn accept(&self) -> Result<Tls, Error> {
        let connection = UnbufferedServerConnection::new(Arc::clone(&self.accept))?;
        Ok(Tls::Acceptor(Box::new(connection)))
    }
}

/// The algorithms that are used, best first.
fn provider(processor: &Processor) -> CryptoProvider {
    CryptoProvider {
        cipher_suites: suites(processor),
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519],
        ..provider::default_provider()
    }
}

/// What a processor has for AES.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Processor {
    /// Instructions for a block.
    aes: bool,
    /// Instructions for two blocks in 256 bits (VAES and VPCLMULQDQ with AVX2).
    two_blocks: bool,
    /// The same for four blocks in 512 bits (AVX-512).
    four_blocks: bool,
}

impl Processor {
    #[cfg(target_arch = "x86_64")]
    fn found() -> Self {
        use std::arch::is_x86_feature_detected as has;
        let wide = has!("vaes") && has!("vpclmulqdq");
        Self {
            aes: has!("aes"),
            two_blocks: wide && has!("avx2"),
            four_blocks: wide && has!("avx512f") && has!("avx512bw") && has!("avx512vl"),
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn found() -> Self {
        Self {
            aes: std::arch::is_aarch64_feature_detected!("aes"),
            ..Self::default()
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn found() -> Self {
        Self::default()
    }
}

/// AES with 128 bits is the fastest where the processor has it, `ChaCha20` where it has not. Of
/// the two implementations aws-lc is faster but where there are instructions for two blocks and not
/// for four: it has no code for those, ring has.
fn suites(processor: &Processor) -> Vec<SupportedCipherSuite> {
    let aes = match processor.two_blocks && !processor.four_blocks {
        true => ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
        false => cipher_suite::TLS13_AES_128_GCM_SHA256,
    };
    let chacha = cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
    if processor.aes {
        vec![aes, chacha]
    } else {
        vec![chacha, aes]
    }
}

/// Where a connection stands when there is nothing more to do for it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The handshake goes on when more bytes come.
    Handshake,
    /// Bytes may be sent and received.
    Open,
    /// The peer has said that it sends nothing more.
    PeerClosed,
}

/// Bytes for the socket: what `start..end` holds has not been written yet.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Outgoing {
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn written(&mut self, bytes: usize) {
        self.start += bytes;
        debug_assert!(self.start <= self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Moves what waits in `other`, which is little, behind what waits here.
    pub(super) fn append(&mut self, other: &mut Self) {
        let bytes = other.waiting().len();
        self.room(bytes)[..bytes].copy_from_slice(other.waiting());
        self.end += bytes;
        other.written(bytes);
    }

    /// Room after what waits, at least `bytes` of it. It grows, and is kept.
    fn room(&mut self, bytes: usize) -> &mut [u8] {
        let needed = self.end + bytes;
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        &mut self.bytes[self.end..]
    }
}

/// One connection, of either side.
pub(super) enum Tls {
    Dialler(Box<UnbufferedClientConnection>),
    Acceptor(Box<UnbufferedServerConnection>),
}

/// What the two sides have in common.
trait Side: Deref<Target: Deref<Target = CommonState>> {
    type Data;

    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Side for UnbufferedClientConnection {
    type Data = rustls::client::ClientConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl Side for UnbufferedServerConnection {
    type Data = rustls::server::ServerConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

/// Why records cannot be taken.
pub(super) enum RecordError<E> {
    /// The peer broke the protocol; what it shall be told is in the bytes that go out.
    Tls(Error),
    /// Who takes the bytes refuses them.
    Sink(E),
}

impl Tls {
    /// Takes every whole record at the front of `incoming`, gives `sink` what is in them, and
    /// appends to `out` what must be answered. Returns how many bytes were used.
    pub(super) fn take<E>(
        &mut self,
        incoming: &mut [u8],
        out: &mut Outgoing,
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(usize, Standing), RecordError<E>> {
        match self {
            Self::Dialler(side) => take(&mut **side, incoming, out, sink),
            Self::Acceptor(side) => take(&mut **side, incoming, out, sink),
        }
    }

    /// Appends the records of `bytes` to `out`.
    pub(super) fn seal(&mut self, bytes: &[u8], out: &mut Outgoing) -> Result<(), Error> {
        match self {
            Self::Dialler(side) => seal(&mut **side, Seal::Bytes(bytes), out),
            Self::Acceptor(side) => seal(&mut **side, Seal::Bytes(bytes), out),
        }
    }

    /// Appends the record that says that nothing more is sent.
    pub(super) fn seal_end(&mut self, out: &mut Outgoing) -> Result<(), Error> {
        match self {
            Self::Dialler(side) => seal(&mut **side, Seal::End, out),
            Self::Acceptor(side) => seal(&mut **side, Seal::End, out),
        }
    }

    /// What both sides agreed on.
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Self::Dialler(side) => side,
            Self::Acceptor(side) => side,
        }
    }
}

fn take<C: Side, E>(
    side: &mut C,
    incoming: &mut [u8],
    out: &mut Outgoing,
    sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(usize, Standing), RecordError<E>> {
    let mut used = 0;
    let standing = loop {
        let UnbufferedStatus { mut discard, state } = side.process(&mut incoming[used..]);
        let mut standing = None;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(RecordError::Tls)?;
                    discard += record.discard;
                    sink(record.payload).map_err(RecordError::Sink)?;
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => append(|room| data.encode(room), out),
            // Nothing overtakes what is in `out`, so that it counts as sent.
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::BlockedHandshake) => standing = Some(Standing::Handshake),
            Ok(ConnectionState::WriteTraffic(_)) => standing = Some(Standing::Open),
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                standing = Some(Standing::PeerClosed);
            }
            // Early data is switched off, so nothing else can come up.
            Ok(_) => return Err(RecordError::Tls(Error::HandshakeNotComplete)),
            Err(error) => {
                let rest = used + discard;
                last_words(side, &mut incoming[rest..], out);
                return Err(RecordError::Tls(error));
            }
        }
        used += discard;
        if let Some(standing) = standing {
            break standing;
        }
    };
    if standing == Standing::Open && has_record(&incoming[used..]) {
        // A whole record was read but not used up: it holds a part of a handshake message. No
        // honest peer splits the few that come after the handshake, and rustls would look for
        // the part again at the same place, in a buffer that has moved by then.
        return Err(RecordError::Tls(Error::InappropriateMessage {
            expect_types: vec![ContentType::ApplicationData],
            got_type: ContentType::Handshake,
        }));
    }
    Ok((used, standing))
}

/// Whether a whole record is at the front of `bytes`.
fn has_record(bytes: &[u8]) -> bool {
    const HEAD: usize = 5;
    match bytes {
        [_, _, _, high, low, ..] => {
            bytes.len() >= HEAD + usize::from(u16::from_be_bytes([*high, *low]))
        }
        _ => false,
    }
}

/// Appends the alert that a failed connection sends. `rest` is what it failed at.
fn last_words<C: Side>(side: &mut C, rest: &mut [u8], out: &mut Outgoing) {
    // Only as long as something waits: without, `rest` would be read, and fail, again.
    while side.wants_write() {
        match side.process(rest).state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => append(|room| data.encode(room), out),
            _ => return,
        }
    }
}

fn append(mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>, out: &mut Outgoing) {
    let mut room = CONTROL_ROOM;
    loop {
        match encode(out.room(room)) {
            Ok(bytes) => return out.end += bytes,
            Err(EncodeError::InsufficientSize(short)) => room = short.required_size,
            // Each is encoded once, by this loop.
            Err(EncodeError::AlreadyEncoded) => return,
        }
    }
}

#[derive(Clone, Copy)]
enum Seal<'a> {
    Bytes(&'a [u8]),
    End,
}

/// Nothing may have come in that was not taken whole: see the end of [`take`].
fn seal<C: Side>(side: &mut C, what: Seal<'_>, out: &mut Outgoing) -> Result<(), Error> {
    let mut room = match what {
        Seal::Bytes(bytes) => bytes.len() + (bytes.len() / RECORD + 1) * RECORD_OVERHEAD,
        Seal::End => 0,
    } + CONTROL_ROOM;
    loop {
        match side.process(&mut []).state? {
            ConnectionState::EncodeTlsData(mut data) => append(|room| data.encode(room), out),
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::WriteTraffic(mut traffic) => {
                let sealed = match what {
                    Seal::Bytes(bytes) => traffic.encrypt(bytes, out.room(room)),
                    Seal::End => traffic.queue_close_notify(out.room(room)),
                };
                match sealed {
                    Ok(bytes) => {
                        out.end += bytes;
                        return Ok(());
                    }
                    Err(EncryptError::InsufficientSize(short)) => room = short.required_size,
                    Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
                }
            }
            _ => return Err(Error::HandshakeNotComplete),
        }
    }
}

#[cfg(test)]
mod tests;
