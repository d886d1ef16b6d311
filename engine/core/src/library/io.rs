//! The inputs, actions and events of a library.
//!
//! Contents, folders and commands that wait for an outcome are numbers here; the shell keeps the
//! paths, the keys and the calls behind them.

use super::disk_fault::DiskFault;
use super::offers::PushGrant;
use super::pushes::Recipient;
use super::wait_timeout::Standing;
use crate::bitfield::Bitfield;
use crate::connections::Key;
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::manifest::{ContentId, Manifest};
use crate::message::{Offer, OfferVerdict};
use crate::time::Time;
use crate::units::ByteCount;

/// A folder of the shell's disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FolderId(pub u32);

/// A waiter for an outcome: the call of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiter(pub u64);

/// An offer that waits until the disk of its inbox was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OfferId(pub u64);

/// What a manifest says of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its length and how it is cut.
    pub geometry: Manifest,
    /// Bytes that its files take on a disk: see [`super::quota::space`].
    pub space: u64,
}

/// A folder in which a content lies, or is to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Which folder.
    pub folder: FolderId,
    /// How it came to be there.
    pub role: Role,
    /// The key of the peer that pushed it there; `None` for a person's own wish.
    pub pusher: Option<Key>,
    /// Bytes that it takes there, as the pusher said until the manifest said so itself.
    pub offered: u64,
}

/// How a content came to be in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It was there before, and is only read.
    Shared,
    /// It is fetched into it.
    Fetched {
        /// Whether files in the way are replaced.
        overwrite: bool,
        /// Whether a folder that is dangerous to fill may be filled.
        force: bool,
        /// Whether it is whole there, under its final names.
        whole: bool,
    },
}

impl Role {
    /// A wish to have it in a folder.
    #[must_use]
    pub const fn fetched(overwrite: bool, force: bool) -> Self {
        Self::Fetched {
            overwrite,
            force,
            whole: false,
        }
    }

    /// Whether all of it is there, as far as is known.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Shared | Self::Fetched { whole: true, .. })
    }
}

/// What is kept of a content between two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Length of its manifest, in bytes.
    pub manifest_bytes: u64,
    /// The folder that is filled, or was filled last.
    pub placement: Placement,
    /// Other folders in which it is whole.
    pub whole_in: Vec<Placement>,
    /// Whether a person has paused it.
    pub paused: bool,
}

/// The disk of a folder, as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that it can still take.
    pub free: u64,
    /// Which one it is, if that is known: folders with the same number share one disk.
    pub device: Option<u64>,
}

/// A manifest that came whole and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestFault {
    /// It is not the one that was asked for: its hash is another.
    Wrong,
    /// It is the right one and describes nothing that can be stored. Why.
    Unusable(Box<str>),
}

/// Why a content cannot get its final names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishFault {
    /// Chunks are missing after all: a file was changed under its temporary name.
    Unfinished,
    /// The disk does not let it.
    Disk(DiskFault),
}

/// What is on the disk of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// What is there, and verified.
    pub have: Bitfield,
    /// Other folders in which it is whole and that could be opened.
    pub whole_in: Vec<FolderId>,
    /// The disk of its folder, if that is known.
    pub device: Option<u64>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LibraryInput {
    /// A person wants a content in a folder.
    Get {
        /// Which content.
        content: ContentId,
        /// Length of its manifest, in bytes.
        manifest_bytes: u64,
        /// What its manifest says, if that is at hand.
        description: Option<Description>,
        /// Where.
        placement: Placement,
        /// Who is told of the outcome.
        waiter: Waiter,
    },
    /// A scan found a content whole in a folder: it is served from there, too.
    Found {
        /// Which content.
        content: ContentId,
        /// Length of its manifest, in bytes.
        manifest_bytes: u64,
        /// What its manifest says.
        description: Description,
        /// Where.
        folder: FolderId,
    },
    /// An earlier run had a content.
    Remember {
        /// Which content.
        content: ContentId,
        /// What was kept of it.
        kept: Kept,
        /// What its manifest says, if that was kept and is the right one.
        description: Option<Description>,
    },
    /// What a peer may push from now on; `None` is nothing.
    Grant {
        /// Who.
        peer: PeerId,
        /// Its key, under which what it pushed is kept.
        key: Key,
        /// What.
        grant: Option<PushGrant>,
    },
    /// A peer offers a content.
    Offer {
        /// Who.
        peer: PeerId,
        /// What.
        offer: Box<Offer>,
        /// Whether there is memory for its manifest.
        has_memory: bool,
    },
    /// The disk of an inbox was looked at for an offer; `None` if the inbox cannot be used.
    Looked {
        /// Which offer.
        offer: OfferId,
        /// What was found.
        disk: Option<Disk>,
        /// Whether there is memory for its manifest.
        has_memory: bool,
    },
    /// A person pushes a content to peers.
    Push {
        /// Which content.
        number: u32,
        /// To whom.
        peers: Vec<PeerId>,
        /// Who is told of the outcome.
        waiter: Waiter,
    },
    /// A peer answers an offer of ours.
    Verdict {
        /// Who.
        peer: PeerId,
        /// Of which content.
        content: ContentId,
        /// What.
        verdict: OfferVerdict,
    },
    /// A peer is connected.
    Connected {
        /// Who.
        peer: PeerId,
    },
    /// A session ended.
    Disconnected {
        /// Whose.
        peer: PeerId,
    },
    /// Something of a transfer came.
    Received {
        /// Which.
        transfer: TransferId,
    },
    /// A manifest that came whole was read.
    Described {
        /// Of which content.
        number: u32,
        /// Which of the manifests that were fetched for it, as [`LibraryAction::Describe`] said.
        attempt: u32,
        /// What it says.
        result: Result<Description, ManifestFault>,
    },
    /// What is on disk of a content is known.
    Prepared {
        /// Of which.
        number: u32,
        /// What.
        result: Result<Prepared, DiskFault>,
    },
    /// The node has every chunk of a transfer.
    Complete {
        /// Which.
        transfer: TransferId,
    },
    /// A chunk has the right hash and is on its way to the disk.
    Writing {
        /// Of which transfer.
        transfer: TransferId,
        /// Who sent parts of it.
        senders: Vec<PeerId>,
    },
    /// A chunk was written, or could not be.
    Written {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
        /// Who sent the last of it.
        from: PeerId,
        /// Who sent how many of its bytes.
        parts: Vec<(PeerId, ByteCount)>,
        /// How it ended.
        result: Result<(), DiskFault>,
    },
    /// Chunks of a content have waited long enough to be made durable.
    SyncDue {
        /// Of which.
        number: u32,
    },
    /// A sync ended: the bytes are durable, or the disk failed.
    Synced {
        /// Of which.
        number: u32,
        /// How it ended.
        result: Result<(), DiskFault>,
    },
    /// A content has its final names, or not.
    Finished {
        /// Which.
        number: u32,
        /// How it ended.
        result: Result<(), FinishFault>,
    },
    /// A person pauses or resumes a content.
    Paused {
        /// Which.
        number: u32,
        /// Which of the two.
        paused: bool,
    },
    /// A person wants a content no longer. Its files stay.
    Cancel {
        /// Which.
        number: u32,
    },
    /// Time has passed: to be said once a second.
    Tick {
        /// How the peers stand that may connect.
        standings: Vec<(PeerId, Standing)>,
    },
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LibraryAction {
    /// A content is known from now on.
    New {
        /// Its number.
        number: u32,
        /// Its identity.
        content: ContentId,
        /// Length of its manifest, in bytes.
        manifest_bytes: u64,
        /// What the peer calls it that offered it.
        name: Option<Box<str>>,
    },
    /// Take part in a transfer, as [`crate::node::Input::Add`] says.
    Join {
        /// Which.
        transfer: TransferId,
        /// Its geometry.
        geometry: Manifest,
        /// What is here of it.
        have: Bitfield,
        /// The only peer that may know of it; `None` tells every peer.
        audience: Option<PeerId>,
    },
    /// Fetch nothing more of a transfer, and give what there is of it.
    Settle {
        /// Which.
        transfer: TransferId,
    },
    /// Take part in a transfer no longer.
    Leave {
        /// Which.
        transfer: TransferId,
    },
    /// Forget what came of a manifest; it is expected to be of this length.
    ForgetManifest {
        /// Of which content.
        number: u32,
        /// Its length, in bytes.
        bytes: u64,
    },
    /// Read a manifest that came whole, then say [`LibraryInput::Described`].
    Describe {
        /// Of which content.
        number: u32,
        /// To be repeated.
        attempt: u32,
    },
    /// Find out what is on disk of a content, copy what other folders have, then say
    /// [`LibraryInput::Prepared`].
    Prepare {
        /// Of which.
        number: u32,
    },
    /// The folders from which a content is read have changed: see [`super::Content::open`].
    Open {
        /// Of which.
        number: u32,
    },
    /// Another folder is filled from now on, or the same one again.
    Begin {
        /// Of which content.
        number: u32,
        /// Whether what was noted about the progress of the former folder is of no use.
        is_other: bool,
    },
    /// A chunk is on disk: tell the node [`crate::node::Input::Stored`], and count it.
    Stored {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
        /// Who sent the last of it.
        from: PeerId,
        /// Who sent how many of its bytes.
        parts: Vec<(PeerId, ByteCount)>,
    },
    /// Make durable what was written, then say [`LibraryInput::Synced`].
    Sync {
        /// Of which content.
        number: u32,
    },
    /// Give a content its final names, then say [`LibraryInput::Finished`].
    Finish {
        /// Which.
        number: u32,
    },
    /// Look at the disk of an inbox, then say [`LibraryInput::Looked`].
    Look {
        /// For which offer.
        offer: OfferId,
        /// Who made it.
        peer: PeerId,
        /// The inbox.
        folder: FolderId,
        /// What is offered.
        of: Box<Offer>,
    },
    /// Offer a content to a peer.
    Offer {
        /// To whom.
        peer: PeerId,
        /// Which.
        number: u32,
    },
    /// Say to a peer what becomes of its offer.
    Answer {
        /// To whom.
        peer: PeerId,
        /// Of which content.
        content: ContentId,
        /// What.
        verdict: OfferVerdict,
    },
    /// A peer sent all of a manifest that is wrong: close it.
    Blame {
        /// Who.
        peer: PeerId,
    },
    /// Charge memory for the manifest of a push, in place of what was charged before.
    Charge {
        /// For which content.
        number: u32,
        /// The peer it is held for; `None` is held for no one peer.
        peer: Option<PeerId>,
        /// Bytes; zero gives it back.
        bytes: u64,
    },
    /// Write down what the next run has to know of a content.
    Keep {
        /// Of which.
        number: u32,
    },
    /// Forget a content and what is kept of it. Its files stay.
    Forget {
        /// Which.
        number: u32,
    },
    /// Tell a waiter how it ended.
    Tell {
        /// Who.
        waiter: Waiter,
        /// Of which content.
        number: u32,
        /// How.
        outcome: WaitOutcome,
    },
    /// Something that a person or a log wants to know.
    Notify(LibraryEvent),
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitOutcome {
    /// The content is whole.
    Done,
    /// The disk does not let it go on. Why.
    Disk(Box<str>),
    /// Its manifest describes nothing that can be stored. Why.
    Unusable(Box<str>),
    /// It was a push that has ended, and is wanted in other folders still.
    PushEnded,
    /// It was a push whose rest no peer sends.
    Unfed,
    /// No peer can be reached. It goes on when one is.
    Unreachable,
    /// The identities of peers are refused.
    Identity,
    /// No connected peer has what is missing. It goes on when one has.
    Missing,
    /// A person cancelled it.
    Cancelled,
    /// A push of ours has ended.
    Pushed {
        /// When it began.
        since: Time,
        /// Each peer, whether it was offered, and its last word.
        recipients: Vec<Recipient>,
    },
}

/// An event for the log and for status clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LibraryEvent {
    /// A content is fetched from now on.
    Started(u32),
    /// A content that was fetched is whole.
    Complete(u32),
    /// A content cannot go on by itself. Why.
    Failed(u32, Box<str>),
    /// A content stands still because of its disk. Why.
    Paused(u32, Box<str>),
    /// A manifest has the wrong hash; whether a peer is blamed for it.
    WrongManifest(u32, bool),
    /// A push ends before it is whole.
    PushEnded(u32, OfferVerdict),
}
