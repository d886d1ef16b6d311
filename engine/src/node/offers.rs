//! Offers of peers: each is judged once the disk of its inbox has been looked at.
//!
//! Carries the facts to `fairhaul_core::door::push`, which decides. A disk may stand still: it is
//! looked at beside the driver, once for all offers that wait for it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fairhaul_core::door::memory::Kind;
use fairhaul_core::door::push::{self, Here, Inbox};
use fairhaul_core::id::PeerId;
use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::{Message, Offer, Verdict};
use fairhaul_core::node::Input;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::Happening;
use super::content::{Content, Kept, Stage, Wish};
use super::host::Host;
use super::own::Own;
use super::pushing::space_of;
use crate::session::{Held, Seat, cost};

/// Pushes of one peer that may be under way at once.
const PUSHES_MAX: usize = 64;

/// Offers of one peer that may wait for a disk: more than it can make at once (limit L6).
const WAITING_MAX: usize = 1_024;

/// An offer that waits until its inbox was looked at.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The session in which it was made.
    seat: Seat,
    offer: Offer,
    /// Its place in the books of memory.
    _held: Held,
}

/// What was found where an inbox is.
#[derive(Debug)]
pub(crate) struct Looked {
    folder: PathBuf,
    /// Whether it is there and may be used.
    usable: Result<(), String>,
    /// Bytes that its disk can still take, and which disk that is.
    free: u64,
    device: Option<u64>,
}

impl Looked {
    fn at(folder: PathBuf, own: &Own) -> Self {
        let made = fs::create_dir_all(&folder).map_err(|error| error.to_string());
        let usable = made.and_then(|()| own.refuse_folder(&folder));
        let disk = rustix::fs::statvfs(&folder);
        Self {
            usable,
            free: disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            device: device_of(&folder),
            folder,
        }
    }
}

/// The file system of a folder, if there is one.
pub(super) fn device_of(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().map(|about| about.dev())
}

impl Host {
    /// A peer offers a content: fetch it if the peer may push, once its disk was looked at.
    pub(super) fn offered(&mut self, peer: PeerId, offer: &Offer) {
        let (verdict, folder) = self.allowance(peer, offer, None);
        if verdict != Verdict::Accepted {
            return self.answer(peer, offer.content, verdict);
        }
        let Some(serial) = self.peers.link(peer).map(|link| link.serial) else {
            return;
        };
        let all = self.looks.values().flatten();
        if all.filter(|one| one.seat.peer == peer).count() >= WAITING_MAX {
            return self.answer(peer, offer.content, Verdict::Busy);
        }
        let bytes = cost(&Message::Offer(Box::new(offer.clone())));
        let waiting = Waiting {
            seat: Seat { peer, serial },
            offer: offer.clone(),
            _held: self.budget.hold(peer, Kind::Passing, bytes),
        };
        let is_first = !self.looks.contains_key(&folder);
        self.looks.entry(folder.clone()).or_default().push(waiting);
        if is_first {
            let (own, happenings) = (self.own.clone(), self.happenings.clone());
            spawn_blocking(move || {
                let looked = Looked::at(folder, &own);
                let _ = happenings.blocking_send(Happening::Looked(looked));
            });
        }
    }

    /// An inbox was looked at: what becomes of the offers that waited for that.
    pub(super) fn looked(&mut self, looked: &Looked) {
        if let Err(error) = &looked.usable {
            warn!(folder = %looked.folder.display(), %error, "the inbox cannot be used");
        }
        for waiting in self.looks.remove(&looked.folder).unwrap_or_default() {
            let peer = waiting.seat.peer;
            // It makes its offers again in its next session.
            let link = self.peers.link(peer);
            if link.is_some_and(|link| link.serial == waiting.seat.serial) {
                self.decide(peer, &waiting.offer, looked);
            }
        }
    }

    fn decide(&mut self, peer: PeerId, offer: &Offer, looked: &Looked) {
        let id = offer.content;
        let (verdict, folder) = self.allowance(peer, offer, Some(looked));
        if verdict != Verdict::Accepted {
            return self.answer(peer, id, verdict);
        }
        if looked.usable.is_err() || folder != looked.folder {
            return self.answer(peer, id, Verdict::Failed);
        }
        let key = self.peers.at(peer).key.to_string();
        let (number, bytes) = self.known(peer, offer);
        let mut wish = Wish::new(folder, false, false);
        (wish.place.from, wish.place.offered) = (Some(key), bytes);
        wish.offered.push(peer);
        self.answer(peer, id, Verdict::Accepted);
        if let Some(number) = number {
            return self.place(number, wish, offer.manifest_bytes);
        }
        let place = wish.place;
        let mut kept = Kept::new(offer.name.to_string(), offer.manifest_bytes, place.role);
        (kept.from, kept.offered) = (place.from, place.offered);
        let number = self.fetch(id, kept, None);
        let now = self.clock.now();
        if let Some(content) = self.contents.at_mut(number) {
            // Charged before a byte of it comes, and given back when it is read or given up.
            let held = self
                .budget
                .hold(peer, Kind::Announced, offer.manifest_bytes);
            content.held = Some(held);
            content.offered.push(peer);
            content.device = looked.device;
            content.fed = now;
        }
    }

    pub(super) fn answer(&mut self, peer: PeerId, content: ContentId, verdict: Verdict) {
        let message = Message::Verdict { content, verdict };
        self.tell(Input::Say { peer, message });
    }

    /// What is here of an offered content, and its length: what is here says itself how long it
    /// is, whatever the offer says. Who may not push learns nothing of what is here (H2).
    fn known(&self, peer: PeerId, offer: &Offer) -> (Option<u32>, u64) {
        let params = self.peers.at(peer).params.as_ref();
        let may_push = params.is_some_and(|params| params.accept.is_some());
        let known = self.contents.find(&offer.content).filter(|_| may_push);
        let tree = known.and_then(|content| content.files.as_ref().map(|(_, tree)| tree));
        let bytes = tree.map_or(offer.bytes, |tree| space_of(tree));
        (known.map(|content| content.number), bytes)
    }

    /// What becomes of an offer as far as is known before its disk was looked at, or after that;
    /// and where the content goes.
    fn allowance(
        &self,
        peer: PeerId,
        offer: &Offer,
        looked: Option<&Looked>,
    ) -> (Verdict, PathBuf) {
        let row = self.peers.at(peer);
        let folder = row
            .params
            .as_ref()
            .and_then(|params| params.accept.as_ref());
        let data = &*self.settings.params.node.data;
        let key = row.key.to_string();
        let charged = |content: &&Content| content.charged_to(&key) > 0;
        let target = folder.map_or_else(PathBuf::new, |folder| data.join(&**folder));
        let (known, bytes) = self.known(peer, offer);
        let offer = &Offer {
            bytes,
            ..offer.clone()
        };
        // What is in that folder already, or on its way to it, costs no more room.
        let known = known.and_then(|number| self.contents.at(number));
        let here = match known {
            Some(content) if content.goes_to(&target) => Here::Coming,
            _ => Here::Nothing,
        };
        // One that was given up takes of the quota, and no place.
        let active = |content: &&Content| {
            content.is_coming_push() && !matches!(content.stage, Stage::Failed(_))
        };
        let inbox = Inbox {
            accepts: folder.is_some(),
            quota_left: self
                .quota(peer)
                .map_or(u64::MAX, |(quota, used)| quota.saturating_sub(used)),
            disk_left: looked.map_or(u64::MAX, |looked| self.disk_left(looked)),
            bytes_max: None,
            active: self.contents.iter().filter(charged).filter(active).count(),
            active_max: PUSHES_MAX,
            memory: self.budget.books().admits(peer, offer.manifest_bytes),
            here,
        };
        (push::judge(offer, &inbox), target)
    }

    /// What a disk can still take, less what is on its way to it. What nobody knows the disk of
    /// may go to this one.
    fn disk_left(&self, looked: &Looked) -> u64 {
        let coming = self.contents.iter().filter(|content| {
            let elsewhere = content.device.is_some() && content.device != looked.device;
            content.stage != Stage::Whole && !elsewhere
        });
        let coming = coming.map(Content::lacking);
        looked
            .free
            .saturating_sub(coming.fold(0, u64::saturating_add))
    }
}
