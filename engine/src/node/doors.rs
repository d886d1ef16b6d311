//! The doors of a node: who comes in, and whom it calls.
//!
//! Carries what `fairhaul_core::door` decides to sockets and back. Refuses by itself only what
//! has no key yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fairhaul_config::text::is_name;
use fairhaul_core::door::addresses::{Addresses, Range};
use fairhaul_core::door::admission::{Admission, HandshakeId, Limits as Places};
use fairhaul_core::door::bans::{Bans, Saved};
use fairhaul_core::door::descriptors::Shares;
use fairhaul_core::door::dialer::Dialer;
use fairhaul_core::door::first_use::{Distrust, FirstUse};
use fairhaul_core::door::sessions::Sessions;
use fairhaul_core::event_limit::EventLimit;
use fairhaul_core::rng::Rng;
use fairhaul_core::time::Time;
use fairhaul_core::wire::CLOSE_TEXT_MAX;
use fairhaul_core::wire::greeting::{Refusal, RefusalCode, VERSION, Welcome};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::debug;

use super::trust::Trusted;
use super::{Happening, line};
use crate::identity::{Identity, PublicKey};
use crate::store::is_out;
use crate::transport::{Endpoint, GreetError, Secure};

/// Lines of the log about callers that are turned away, in a second and at once.
const COMPLAINTS: (NonZeroU32, NonZeroU32) =
    (NonZeroU32::MIN, NonZeroU32::new(10).expect("not zero"));

/// Pause after an accept that failed, for descriptors to come back.
const PAUSE: Duration = Duration::from_millis(100);

/// Everything that stands at the doors.
pub(crate) struct Doors {
    pub(super) endpoint: Endpoint,
    pub(super) public: PublicKey,
    pub(super) listening: SocketAddr,
    pub(super) name: String,
    pub(super) admission: Admission,
    /// How many handshakes callers have begun, which numbers them, and those under way.
    pub(super) handshakes: HandshakeId,
    pub(super) greeting: BTreeMap<HandshakeId, AbortHandle>,
    pub(super) bans: Bans,
    /// Lines of the log about callers that are turned away.
    pub(super) complaints: EventLimit,
    pub(super) sessions: Sessions,
    pub(super) dialer: Dialer,
    pub(super) addresses: Addresses,
    pub(super) exchange: bool,
    /// Addresses at which dials are under way, for what was told of them.
    pub(super) calling: BTreeMap<PublicKey, Option<SocketAddr>>,
    pub(super) guests: Arc<RwLock<Guests>>,
    /// Wakes the task that accepts when there is room again.
    pub(super) room: Arc<Notify>,
    pub(super) bans_file: PathBuf,
    /// Keys that were trusted on first use, in all runs, and those that are being written down.
    pub(super) trusted: Trusted,
    pub(super) trusting: BTreeMap<PublicKey, String>,
}

/// What is known of keys while a handshake goes on.
#[derive(Debug, Default)]
pub(super) struct Guests {
    /// By key: whether it is banned.
    pub(super) allowed: BTreeMap<PublicKey, bool>,
    /// Keys that were listed, and are no longer.
    pub(super) revoked: BTreeSet<PublicKey>,
    /// Which names are taken, if keys that are not listed are trusted when they first call.
    pub(super) first_use: Option<FirstUse>,
    /// Who may come in by the line of this node, if it has one.
    pub(super) line: Option<line::Guests>,
    pub(super) name: String,
    pub(super) own: Option<PublicKey>,
    pub(super) stopping: bool,
}

/// Who began a handshake.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// We did: we called this key.
    Us(PublicKey),
    /// A caller did.
    Them(HandshakeId),
}

/// The stream of a session, what the other end calls itself, and the port at which it says that it
/// can be dialled.
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

impl Doors {
    pub(crate) fn new(
        identity: &Identity,
        listening: SocketAddr,
        (name, rng): (&str, &Rng),
        (exchange, ranges): (bool, Vec<Range>),
        (shares, buffer): (Shares, u64),
        (bans, bans_file): (Bans, PathBuf),
        trusted: Trusted,
    ) -> Result<Self, String> {
        let endpoint = Endpoint::new(identity).map_err(|error| error.to_string())?;
        let public = identity.public();
        let key = *public.as_bytes();
        let places = Places {
            pending: shares.pending,
            pending_known: shares.pending / 4,
            sessions: shares.sessions,
            ..Places::default()
        };
        let guests = Guests {
            name: name.to_owned(),
            own: Some(public),
            ..Guests::default()
        };
        Ok(Self {
            endpoint: endpoint.with_buffers(buffer),
            public,
            listening,
            name: name.to_owned(),
            admission: Admission::new(places),
            handshakes: 0,
            greeting: BTreeMap::new(),
            bans,
            complaints: EventLimit::new(COMPLAINTS.0, COMPLAINTS.1),
            sessions: Sessions::new(key),
            dialer: Dialer::new(rng),
            addresses: Addresses::new(key, ranges),
            exchange,
            calling: BTreeMap::new(),
            guests: Arc::new(RwLock::new(guests)),
            room: Arc::default(),
            bans_file,
            trusted,
            trusting: BTreeMap::new(),
        })
    }

    pub(crate) fn room(&self) -> Arc<Notify> {
        Arc::clone(&self.room)
    }

    pub(crate) const fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn listening(&self) -> String {
        self.listening.to_string()
    }

    /// When somebody is to be dialled next.
    pub(crate) fn ready_at(&self) -> Option<Time> {
        self.dialer.ready_at()
    }

    /// Where others reach this node, as far as it can tell.
    pub(crate) fn address(&self) -> String {
        if !self.listening.ip().is_unspecified() {
            return self.listening.to_string();
        }
        // Connecting a datagram socket sends nothing; it names the address of the way out.
        let own = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
            socket.connect("192.0.2.1:9")?;
            socket.local_addr()
        });
        let ip = own.map_or_else(|_| self.listening.ip(), |own| own.ip());
        SocketAddr::new(ip, self.listening.port()).to_string()
    }

    /// Who is banned, as the next run reads it.
    pub(super) fn bans_text(&self, now: Time) -> Vec<u8> {
        serde_json::to_vec(&self.bans.save(now)).expect("bans are plain values")
    }

    /// Nobody new comes in.
    pub(super) fn stop(&self) {
        self.guests_mut().stopping = true;
    }

    /// Whether this node lets keys in by a line.
    pub(super) fn has_line(&self) -> bool {
        self.guests_mut().line.is_some()
    }

    pub(super) fn guests_mut(&self) -> std::sync::RwLockWriteGuard<'_, Guests> {
        self.guests.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bans of earlier runs; none if there was no such run.
///
/// # Errors
///
/// One line about a file that cannot be read, or is none of bans. Whoever it bans would be let in
/// if that were taken for a file without bans.
pub(super) fn kept_bans(file: &Path, now: Time) -> Result<Bans, String> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Bans::default()),
        Err(error) => return Err(format!("{}: cannot be read: {error}", file.display())),
    };
    let saved: Saved = serde_json::from_slice(&text).map_err(|error| {
        format!(
            "{}:{}: is no file of bans: {error}; got {} bytes; allowed is what a node wrote: to \
             start with nobody banned, remove it",
            file.display(),
            error.line().max(1),
            text.len()
        )
    })?;
    Ok(Bans::restore(saved, now))
}

impl Guests {
    /// What a caller with a proved key is told. Whether it is unknown or has no right is not
    /// said (H2).
    pub(super) fn judge(&self, key: &PublicKey, name: &str) -> Result<Welcome, Refusal> {
        let refuse = |code| Err(Refusal::new(code));
        if self.stopping {
            return refuse(RefusalCode::Stopping);
        }
        if self.own == Some(*key) {
            return refuse(RefusalCode::Yourself);
        }
        match self.allowed.get(key) {
            Some(false) => {}
            Some(true) => return refuse(RefusalCode::Banned),
            None => self.meets(key, name)?,
        }
        Ok(Welcome {
            version: VERSION,
            name: self.name.as_str().into(),
        })
    }
}

/// Lines, and trust on first use for who asked for it.
impl Guests {
    /// What a caller whose key is not listed is told.
    fn meets(&self, key: &PublicKey, name: &str) -> Result<(), Refusal> {
        if let Some(line) = &self.line {
            return line.judge(key, name);
        }
        let names = self.first_use.as_ref();
        let names = names.filter(|_| !self.revoked.contains(key));
        let not_welcome = || Refusal::new(RefusalCode::NotWelcome);
        let names = names.ok_or_else(not_welcome)?;
        let name = name_of(key, name);
        names.judge(key.as_bytes(), &name).map_err(distrusted)
    }
}

/// What a caller whose key is not listed is called here.
pub(super) fn name_of(key: &PublicKey, claimed: &str) -> String {
    FirstUse::name(Some(claimed).filter(|name| is_name(name)), &key.to_string())
}

/// What a caller is told that is not trusted. If its name belongs to another key, that is named,
/// so that a person can compare it with the caller's own: a refusal has no room for both.
pub(super) fn distrusted(why: Distrust) -> Refusal {
    match why {
        Distrust::Changed { known } => {
            let known = PublicKey::from_bytes(known);
            let known = known.map_or_else(|error| error.to_string(), |known| known.to_string());
            Refusal::because(RefusalCode::KeyChanged, &format!("known is {known}"))
        }
        Distrust::Full => Refusal::new(RefusalCode::Busy),
    }
}

/// Accepts callers. After each the driver says whether there is room for another.
pub(super) async fn accept(
    listener: TcpListener,
    room: Arc<Notify>,
    happenings: mpsc::Sender<Happening>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let knock = Happening::Knock(Some((stream, from)));
                if happenings.send(knock).await.is_err() {
                    return;
                }
                room.notified().await;
            }
            Err(error) => {
                debug!(%error, "accept");
                // Of those that files keep open some are closed for it.
                if is_out(&error) && happenings.send(Happening::Knock(None)).await.is_err() {
                    return;
                }
                sleep(PAUSE).await;
            }
        }
    }
}

/// At most 128 bytes of `text`, at a boundary of characters.
pub(super) fn short(text: &str) -> Box<str> {
    let mut end = text.len().min(CLOSE_TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An earlier version kept bans of addresses beside those of identities. Whatever is not known
    /// at all is refused: it may be a ban.
    ///
    /// Register: P12, J14.
    #[test]
    fn a_file_of_bans_of_an_earlier_version_is_read() {
        let key = vec!["7"; 32].join(",");
        let earlier =
            format!("{{\"identities\":[[[{key}],5000000000]],\"sources\":[[\"192.0.2.1\",7]]}}");
        let saved: Saved = serde_json::from_str(&earlier).unwrap();
        let bans = Bans::restore(saved, Time::ZERO);
        assert!(bans.left(&[7; 32], Time::ZERO).is_some());
        let kept = serde_json::to_string(&bans.save(Time::ZERO)).unwrap();
        assert!(!kept.contains("sources"), "{kept}");
        assert!(serde_json::from_str::<Saved>("{\"identities\":[],\"more\":[]}").is_err());
    }
}
