//! The folders of a content: which one is filled now, and which wait for their turn.
//!
//! A content may lie in any number of folders. One at a time is filled, from the others and from
//! peers; the rest are only read.

use std::collections::VecDeque;

use super::content::{Content, Stage};
use super::io::{FolderId, LibraryAction, Placement, Role, Waiter};
use super::stages::Turn;
use crate::connections::Key;
use crate::id::PeerId;

/// The folders of one content.
#[derive(Debug)]
pub(super) struct Places {
    /// The one that is filled, or was filled last.
    pub(super) filled: Placement,
    /// Others in which it is whole.
    pub(super) whole: Vec<Placement>,
    /// Wishes for others, which wait for their turn.
    pub(super) wishes: VecDeque<Wish>,
}

/// A request for a content in a folder, with its waiters.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) placement: Placement,
    pub(super) waiters: Vec<Waiter>,
    pub(super) offered: Vec<PeerId>,
}

impl Wish {
    /// A request without waiters.
    pub(super) const fn new(placement: Placement) -> Self {
        Self {
            placement,
            waiters: Vec::new(),
            offered: Vec::new(),
        }
    }
}

impl Places {
    pub(super) const fn new(filled: Placement) -> Self {
        Self {
            filled,
            whole: Vec::new(),
            wishes: VecDeque::new(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Placement> {
        let waiting = self.wishes.iter().map(|wish| &wish.placement);
        std::iter::once(&self.filled)
            .chain(&self.whole)
            .chain(waiting)
    }

    /// Whether the content is in that folder, or on its way to it.
    pub(super) fn include(&self, folder: FolderId) -> bool {
        self.all().any(|one| one.folder == folder)
    }

    /// Bytes that the peer with that key has pushed of a content, whose manifest is so long, in all
    /// folders together. What is not described yet counts with what was offered, everything else
    /// with what its manifest says.
    pub(super) fn charged_to(&self, key: &Key, manifest_bytes: u64) -> u64 {
        let pushed = self.all().filter(|one| one.pusher == Some(*key));
        let bytes = pushed.map(|one| one.offered.saturating_add(manifest_bytes));
        bytes.fold(0, u64::saturating_add)
    }

    /// Whether the content is wanted in other folders than the one that is filled.
    pub(super) fn has_others(&self) -> bool {
        !self.whole.is_empty() || !self.wishes.is_empty()
    }
}

/// What the folder that was named last for a content is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filling {
    /// It is being filled.
    UnderWay,
    /// It stands still: a person, its disk or a name in the way stopped it.
    Stopped,
    /// It is whole.
    Whole,
}

/// What becomes of the wish to have a content in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wished {
    /// It is what is being done already: wait for its end.
    Join,
    /// It waits for its turn behind the folder that is being filled.
    Wait,
    /// The folder is filled from now on. What is there of it is verified first, also where all of
    /// it was there once: files can be removed or changed.
    Begin,
}

/// What becomes of the wish to have a content in a folder, which may be the `same` as the last.
pub(super) const fn wished(filling: Filling, same: bool) -> Wished {
    match (filling, same) {
        (Filling::UnderWay, true) => Wished::Join,
        (Filling::UnderWay, false) => Wished::Wait,
        (Filling::Stopped | Filling::Whole, _) => Wished::Begin,
    }
}

/// What a content does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It fills the folder that has waited longest.
    Fill,
    /// It is served from a folder in which it is whole.
    Serve,
    /// It has failed: it is in no folder, and no waiter wants it in another one.
    Fail,
}

/// What a content does when its folder is whole, or has failed, while so many others `wait` to be
/// filled and it is `whole` in so many others.
pub(super) const fn next(is_whole: bool, wait: usize, whole: usize) -> Next {
    match (is_whole, wait, whole) {
        (_, 1.., _) => Next::Fill,
        (true, 0, _) | (false, 0, 1..) => Next::Serve,
        (false, 0, 0) => Next::Fail,
    }
}

fn filling(content: &Content) -> Filling {
    match &content.stage {
        Stage::Describing | Stage::Checking | Stage::Moving | Stage::Finishing => Filling::UnderWay,
        Stage::Paused(_) | Stage::Failed(_) => Filling::Stopped,
        Stage::Whole => Filling::Whole,
    }
}

/// Whether a wish may have its turn: nothing is under way or on its way to a disk.
pub(super) fn is_idle(content: &Content) -> bool {
    let idle = filling(content) != Filling::UnderWay && !content.paused;
    idle && content.writing == 0 && !content.syncing
}

/// Its folder is whole: whatever was known of that folder before is known no longer.
pub(super) fn settle(content: &mut Content) {
    let folder = content.places.filled.folder;
    content.places.whole.retain(|one| one.folder != folder);
    content.others.retain(|other| *other != folder);
}

/// A content is wanted in a folder; `manifest_bytes` is the length of its manifest.
pub(super) fn wish(content: &mut Content, wish: Wish, manifest_bytes: u64, turn: &mut Turn<'_>) {
    if !content.is_open() && !content.manifest.is_whole {
        content.manifest.hear_length(manifest_bytes);
    }
    let same = content.places.filled.folder == wish.placement.folder && content.is_fetch();
    // What a person has paused goes on for a person only.
    let filling = match filling(content) {
        Filling::Stopped if content.paused && wish.waiters.is_empty() => Filling::UnderWay,
        filling => filling,
    };
    match wished(filling, same) {
        Wished::Join => {
            widen(&mut content.places.filled.role, wish.placement.role);
            content.waiters.extend(wish.waiters);
            join(&mut content.offered, wish.offered);
            content.fed = turn.now;
        }
        Wished::Wait => {
            let mut waiting = content.places.wishes.iter_mut();
            let known = waiting.find(|one| one.placement.folder == wish.placement.folder);
            if let Some(known) = known {
                widen(&mut known.placement.role, wish.placement.role);
                known.waiters.extend(wish.waiters);
                join(&mut known.offered, wish.offered);
            } else {
                content.places.wishes.push_back(wish);
            }
        }
        Wished::Begin => begin(content, wish, turn),
    }
}

/// A folder is filled from now on.
fn begin(content: &mut Content, wish: Wish, turn: &mut Turn<'_>) {
    if content.writing > 0 || content.syncing {
        // What was on its way to the disk when it was stopped ends soon.
        content.places.wishes.push_front(wish);
        content.paused = false;
        if content.stage != Stage::Whole {
            content.leave_data(turn);
        }
        return;
    }
    let is_other = content.places.filled.folder != wish.placement.folder;
    turn_to(content, wish.placement);
    content.waiters.extend(wish.waiters);
    join(&mut content.offered, wish.offered);
    (content.started, content.fed) = (turn.now, turn.now);
    let number = content.number;
    turn.act(LibraryAction::Begin { number, is_other });
    turn.act(LibraryAction::Keep { number });
    content.take_up(turn);
}

/// Its folder is another from now on. What it is in already stays one of its folders.
fn turn_to(content: &mut Content, placement: Placement) {
    let old = content.places.filled;
    let same = old.folder == placement.folder;
    let mut before = std::iter::once(&old).chain(&content.places.whole);
    let pushed = before.find(|one| one.folder == placement.folder && one.pusher.is_some());
    // The first peer that pushed it into that folder stays charged, also if another pushes it
    // again.
    let (pusher, offered) = match pushed {
        Some(pushed) => (pushed.pusher, pushed.offered),
        None => (placement.pusher, placement.offered),
    };
    content.places.filled = Placement {
        pusher,
        offered,
        ..placement
    };
    if old.role.is_whole() {
        if !same && content.reading == Some(old.folder) {
            content.others.push(old.folder);
        }
        content.places.whole.push(old);
    } else if !content.waiters.is_empty() || !content.offered.is_empty() {
        // A waiter wants the folder that is paused: its turn comes again.
        content.places.wishes.push_back(Wish {
            placement: old,
            waiters: std::mem::take(&mut content.waiters),
            offered: std::mem::take(&mut content.offered),
        });
    }
    content.paused = false;
    content.begun = false;
}

/// It lies in `folder`, too, as a scan has found: it is served from there from now on.
pub(super) fn found(content: &mut Content, folder: FolderId, turn: &mut Turn<'_>) {
    let placement = Placement {
        folder,
        role: Role::Shared,
        pusher: None,
        offered: 0,
    };
    let number = content.number;
    if filling(content) == Filling::UnderWay {
        content.places.whole.push(placement);
        return turn.act(LibraryAction::Keep { number });
    }
    turn_to(content, placement);
    let is_other = false;
    turn.act(LibraryAction::Begin { number, is_other });
    turn.act(LibraryAction::Keep { number });
    content.take_up(turn);
}

/// Its folder is whole, or has failed: what comes next. False if nothing does.
pub(super) fn go_on(content: &mut Content, is_whole: bool, turn: &mut Turn<'_>) -> bool {
    match next(
        is_whole,
        content.places.wishes.len(),
        content.places.whole.len(),
    ) {
        Next::Fill => {
            let wish = content.places.wishes.pop_front().expect("somebody waits");
            begin(content, wish, turn);
        }
        Next::Serve if is_whole => {}
        Next::Serve => serve_from_another(content, turn),
        Next::Fail => return false,
    }
    true
}

/// The folder that was to be filled could not be: it is served from another again.
fn serve_from_another(content: &mut Content, turn: &mut Turn<'_>) {
    let Some(placement) = content.places.whole.pop() else {
        return;
    };
    content.places.filled = placement;
    let known = content
        .others
        .iter()
        .position(|one| *one == placement.folder);
    if let Some(at) = known {
        let folder = content.others.remove(at);
        content.reading = content.reading.map(|_| folder);
    }
    content.stage = Stage::Whole;
    content.begun = true;
    let number = content.number;
    turn.act(LibraryAction::Open { number });
    turn.act(LibraryAction::Keep { number });
    let had = turn
        .node
        .had(content.data())
        .map(crate::bitfield::Bitfield::is_full);
    match had {
        Some(false) => content.leave_data(turn),
        Some(true) if content.is_open() => return,
        _ => {}
    }
    content.take_up(turn);
}

/// Peers that wait for the same, each once.
fn join(offered: &mut Vec<PeerId>, more: Vec<PeerId>) {
    for peer in more {
        if !offered.contains(&peer) {
            offered.push(peer);
        }
    }
}

/// A second wish for the same folder may ask for more.
fn widen(role: &mut Role, other: Role) {
    let Role::Fetched {
        overwrite: also,
        force: insists,
        ..
    } = other
    else {
        return;
    };
    if let Role::Fetched {
        overwrite, force, ..
    } = role
    {
        *overwrite |= also;
        *force |= insists;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_for_the_folder_that_is_filled_joins_and_for_another_waits() {
        assert_eq!(wished(Filling::UnderWay, true), Wished::Join);
        assert_eq!(wished(Filling::UnderWay, false), Wished::Wait);
        for same in [true, false] {
            // A folder that was whole may not be any more: it is looked at again.
            assert_eq!(wished(Filling::Whole, same), Wished::Begin);
            assert_eq!(wished(Filling::Stopped, same), Wished::Begin);
        }
    }

    #[test]
    fn whoever_waits_comes_next_and_a_failure_costs_no_other_folder() {
        for whole in [0, 1, 5] {
            assert_eq!(next(true, 1, whole), Next::Fill);
            assert_eq!(next(false, 2, whole), Next::Fill);
            assert_eq!(next(true, 0, whole), Next::Serve);
        }
        assert_eq!(next(false, 0, 1), Next::Serve);
        assert_eq!(next(false, 0, 0), Next::Fail);
    }
}
