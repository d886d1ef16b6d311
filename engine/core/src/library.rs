//! The life of a content in its places: which folder is filled now, which wait, and when nobody
//! waits any longer for chunks that nobody has.
//!
//! A content may lie in any number of folders. One at a time is filled, from the others and from
//! peers; the rest are only read. The shell keeps the folders and their files, and asks here what
//! becomes of them.

use crate::time::{Span, Time};

/// What the folder that was named last for a content is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// It is being filled.
    UnderWay,
    /// It stands still: a person, its disk or a name in the way stopped it.
    Stopped,
    /// It is whole.
    Whole,
}

/// What becomes of the wish to have a content in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wished {
    /// It is what is being done already: wait for its end.
    Join,
    /// It waits for its turn behind the folder that is being filled.
    Wait,
    /// The folder is filled from now on. What is there of it is verified first, also where all of
    /// it was there once: files can be removed or changed.
    Begin,
}

/// What becomes of the wish to have a content in a folder, which may be the `same` as the last.
#[must_use]
pub const fn wish(filling: Filling, same: bool) -> Wished {
    match (filling, same) {
        (Filling::UnderWay, true) => Wished::Join,
        (Filling::UnderWay, false) => Wished::Wait,
        (Filling::Stopped | Filling::Whole, _) => Wished::Begin,
    }
}

/// What a content does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It fills the folder that has waited longest.
    Fill,
    /// It is served from a folder in which it is whole.
    Serve,
    /// It has failed: it is nowhere, and nobody waits for another folder.
    Fail,
}

/// What a content does when its folder is whole, or has failed, while so many others `wait` to be
/// filled and it is `whole` in so many others.
#[must_use]
pub const fn next(is_whole: bool, wait: usize, whole: usize) -> Next {
    match (is_whole, wait, whole) {
        (_, 1.., _) => Next::Fill,
        (true, 0, _) | (false, 0, 1..) => Next::Serve,
        (false, 0, 0) => Next::Fail,
    }
}

/// For how long nobody has had what is still missing of a content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drought {
    since: Option<Time>,
}

impl Drought {
    /// Looks at what is missing: `on_its_way` if anything of it comes or waits for a disk,
    /// `held` if a connected peer has any of it. True if neither has been so for `patience`:
    /// whoever waits for the content is told so.
    pub fn is_over(&mut self, on_its_way: bool, held: bool, patience: Span, now: Time) -> bool {
        if on_its_way || held {
            self.since = None;
            return false;
        }
        now.since(*self.since.get_or_insert(now)) >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_for_the_folder_that_is_filled_joins_and_for_another_waits() {
        assert_eq!(wish(Filling::UnderWay, true), Wished::Join);
        assert_eq!(wish(Filling::UnderWay, false), Wished::Wait);
        for same in [true, false] {
            // A folder that was whole may not be any more: it is looked at again.
            assert_eq!(wish(Filling::Whole, same), Wished::Begin);
            assert_eq!(wish(Filling::Stopped, same), Wished::Begin);
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

    /// Peers come and go. The wait ends when nobody has had anything of it for the whole span.
    #[test]
    fn a_drought_begins_anew_with_whatever_comes() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let patience = Span::from_secs(60);
        let mut drought = Drought::default();
        let mut over =
            |on_its_way, held, secs| drought.is_over(on_its_way, held, patience, at(secs));
        assert!(!over(false, false, 0));
        assert!(!over(false, false, 59));
        assert!(!over(false, true, 60), "a peer has some of it");
        assert!(!over(false, false, 100));
        assert!(!over(true, false, 159), "some is on its way");
        assert!(!over(false, false, 160));
        assert!(over(false, false, 220));
        assert!(over(false, false, 221));
    }
}
