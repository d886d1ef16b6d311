//! Events of connections before there is a session.

use std::net::SocketAddr;

use fairhaul_core::connections::admission::HandshakeId;
use fairhaul_core::connections::source_prefix::Source;
use tokio::net::TcpStream;

use crate::identity::PublicKey;
use crate::transport::{GreetError, Secure};

/// One thing that happened.
pub(crate) enum ConnectionEvent {
    /// A connection was accepted.
    Accepted(TcpStream, SocketAddr),
    /// A handshake is over.
    Met(Box<Met>),
    /// A caller that was unknown is written down as trusted, or cannot be.
    FirstMet(Box<FirstMet>),
}

/// The side that began a handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// We did: we called this key.
    Us(PublicKey),
    /// A caller did.
    Them(HandshakeId),
}

/// The stream of a session, the name that the other end gives itself, and the port at which it
/// claims to listen.
pub(super) type Greeted = (Secure<TcpStream>, Box<str>, Option<u16>);

/// How a handshake ended.
pub(crate) struct Met {
    /// Which one it was.
    pub(super) by: By,
    pub(super) remote: SocketAddr,
    /// The address of this end, if the system says.
    pub(super) local: Option<SocketAddr>,
    pub(super) result: Result<Greeted, GreetError>,
}

/// A peer whose handshake is over, accepted or dialled.
pub(crate) struct Arrived {
    pub(super) dialled: bool,
    /// The address of this end, if the system says.
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: SocketAddr,
    /// Whether the parameter file lists its key.
    pub(super) listed: bool,
    pub(super) secure: Secure<TcpStream>,
    /// What it calls itself.
    pub(super) name: Box<str>,
    /// The port at which it claims to listen.
    pub(super) port: Option<u16>,
}

/// A caller that is trusted from now on, if that could be written down.
pub(crate) struct FirstMet {
    pub(super) arrived: Arrived,
    /// What it is called here.
    pub(super) name: String,
    pub(super) durable: bool,
}

impl Met {
    /// A handshake that broke before the other key was proved.
    pub(super) fn broken(by: By, remote: SocketAddr, error: std::io::Error) -> Self {
        Self {
            by,
            remote,
            local: None,
            result: Err(GreetError::Io(error)),
        }
    }
}

impl Arrived {
    pub(super) fn source(&self) -> Source {
        Source::of(self.remote.ip())
    }
}
