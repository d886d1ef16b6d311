//! Contents that stand still, go on again, fail or are cancelled.
//!
//! Decides nothing about its own: `fairhaul_core::standstill` says what becomes of a content that
//! its disk stops. Refuses to forget what arrived: it stays on disk for whoever goes on.

use std::sync::Arc;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::message::Verdict;
use fairhaul_core::node::Input;
use fairhaul_core::standstill::{self, Standstill};
use tracing::warn;

use super::content::{Content, Stage};
use super::host::Host;
use super::placing;
use crate::content::Tree;
use crate::content::manifest::content_id;
use crate::control::api::Failure;
use crate::store::StoreError;

impl Host {
    /// A content cannot go on by itself in the folder that is filled. Who waits for that is told;
    /// other folders do not notice.
    pub(super) fn fail(&mut self, number: u32, code: u8, verdict: Verdict, why: &str) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        let folder = content.kept.role.folder().display();
        warn!(content = %content.kept.name, %folder, why, "cannot go on");
        content.stage = Stage::Failed(why.to_owned());
        let name = content.kept.name.clone();
        let transfers = [content.data(), content.description()];
        for call in std::mem::take(&mut content.watchers) {
            call.fail(Failure::new(code, why));
        }
        self.watch.failed(number, name, why.to_owned());
        self.judge(number, verdict);
        if self.go_on(number, false) {
            return;
        }
        for transfer in transfers {
            self.tell(Input::Remove { transfer });
        }
    }

    /// The disk does not let a content go on. Nothing is lost; what may pass is tried again from
    /// time to time.
    pub(super) fn stop_for(&mut self, number: u32, error: &StoreError) {
        let now = self.clock.now();
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        if matches!(content.stage, Stage::Paused(_) | Stage::Failed(_)) {
            return;
        }
        let why = error.to_string();
        let verdict = standstill::judge(error.cause(), content.begun);
        if verdict == Standstill::Fail {
            return self.fail(number, Failure::STORAGE, placing::verdict(error), &why);
        }
        if content.trouble.as_ref() != Some(&why) {
            warn!(content = %content.kept.name, why, "paused");
        }
        content.trouble = Some(why.clone());
        content.stopped = now;
        content.stage = Stage::Paused(Some(why.clone()));
        let calls = match verdict {
            Standstill::PauseAndTell => std::mem::take(&mut content.watchers),
            _ => Vec::new(),
        };
        for call in calls {
            call.fail(Failure::storage(why.clone()));
        }
        if !self.serve_meanwhile(number)
            && let Some(content) = self.contents.at(number)
        {
            let transfer = content.data();
            self.tell(Input::Remove { transfer });
        }
    }

    /// Serves a content from the other folders in which it is whole while the one that is filled
    /// stands still. False if there is none.
    fn serve_meanwhile(&mut self, number: u32) -> bool {
        let Some(content) = self.contents.at_mut(number) else {
            return false;
        };
        let (Some((_, store)), Some((files, tree))) = (content.others.first(), &mut content.files)
        else {
            return false;
        };
        *files = Arc::clone(store);
        let all = Bitfield::full(tree.geometry().chunks());
        // What is on its way to the disk that stands still is looked for when it goes on.
        content.stale = content.writing;
        let transfer = content.data();
        if self.core.had(transfer).is_some_and(|had| !had.is_full()) {
            self.tell(Input::Remove { transfer });
        }
        self.join(number, Some(all));
        true
    }

    /// Tries again what stood still because of its disk.
    pub(super) fn retry(&mut self) {
        let now = self.clock.now();
        let due = |content: &&Content| {
            matches!(content.stage, Stage::Paused(Some(_)))
                && standstill::is_due(content.stopped, now)
        };
        let due: Vec<u32> = self
            .contents
            .iter()
            .filter(due)
            .map(|content| content.number)
            .collect();
        for number in due {
            self.restart(number);
        }
    }

    /// Looks again at what is on disk, and fetches the rest.
    pub(super) fn step_back(&mut self, number: u32) {
        let Some(content) = self.contents.at(number) else {
            return;
        };
        let transfer = content.data();
        self.tell(Input::Remove { transfer });
        self.restart(number);
    }

    /// A person says that a content should stand still, or that it should go on.
    pub(super) fn set_paused(&mut self, number: u32, paused: bool) -> Result<(), Failure> {
        let unknown = || Failure::error(format!("transfer {number} is unknown"));
        let content = self.contents.at_mut(number).ok_or_else(unknown)?;
        content.kept.paused = paused;
        if paused {
            content.stage = Stage::Paused(None);
            let transfers = [content.data(), content.description()];
            for transfer in transfers {
                self.tell(Input::Remove { transfer });
            }
        } else if matches!(content.stage, Stage::Paused(_) | Stage::Failed(_)) {
            self.restart(number);
        }
        self.keep(number);
        Ok(())
    }

    /// Goes on with a content that stood still, from what is on disk.
    pub(super) fn restart(&mut self, number: u32) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        if content.writing > 0 {
            // Tried again with the next second.
            return;
        }
        if !content.is_served_from_others() {
            content.files = None;
        }
        self.take_up(number);
    }

    /// Looks at what is on disk of a content, or fetches its manifest first.
    pub(super) fn take_up(&mut self, number: u32) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        let bytes = content.manifest.bytes();
        let tree = (content_id(&bytes) == content.id)
            .then(|| Tree::decode(&bytes).ok())
            .flatten();
        match tree {
            Some(tree) => self.prepare(number, Arc::new(tree)),
            None => {
                content.stage = Stage::Describing;
                self.join(number, None);
            }
        }
    }

    /// Ends a content. What arrived stays on disk for a later one.
    pub(super) fn cancel(&mut self, number: u32) -> Result<(), Failure> {
        let unknown = || Failure::error(format!("transfer {number} is unknown"));
        let content = self.contents.at_mut(number).ok_or_else(unknown)?;
        let transfers = [content.data(), content.description()];
        let waiting = content.wishes.iter_mut();
        let waiting = waiting.flat_map(|wish| std::mem::take(&mut wish.offered));
        content.offered.extend(waiting.collect::<Vec<_>>());
        self.judge(number, Verdict::Failed);
        for transfer in transfers {
            self.tell(Input::Remove { transfer });
        }
        let content = self.contents.remove(number).ok_or_else(unknown)?;
        self.watch.forget(number);
        let waiting = content.wishes.into_iter().flat_map(|wish| wish.watchers);
        for call in content.watchers.into_iter().chain(waiting) {
            call.fail(Failure::new(Failure::ERROR, "the transfer was cancelled"));
        }
        Ok(())
    }
}
