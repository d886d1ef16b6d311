//! The record of an identity: control messages, broken promises, unrequested bytes.
//!
//! It tells when control messages are a flood, when unrequested bytes are an offence, and which
//! peers are asked last. It outlives a connection.

use crate::event_limit::EventLimit;
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::time::{Span, Time};
use crate::units::ByteCount;

/// How long a peer may send more control messages than the limit allows (limit L6).
const TALK_GRACE: Span = Span::from_secs(10);

/// A peer over the limit on control messages is not read for this long: the messages of one read
/// cost milliseconds, so a flood costs a few in a hundred. It is short enough for an honest peer
/// that announces ten thousand contents at once to finish within the grace.
const LULL: Span = Span::from_millis(250);

/// After keeping to the limit for this long a peer has the whole grace again.
const TALK_PAUSE: Span = Span::SECOND;

/// Most changes of mind that our own news excuse ahead.
const EXCUSED_MAX: u32 = 1_000;

/// So many broken promises, within this span, put a peer last in order (register D5).
const BROKEN_MAX: usize = 3;
const BROKEN_WITHIN: Span = Span::from_secs(60);

/// How long a peer stays last in order after its last broken promise.
const LAST_FOR: Span = Span::from_secs(600);

/// Bytes of chunks that it began and did not finish, however little came beside them, that do
/// not put a peer last; above that, an eighth of what was received (register D10).
const LOST_FREE: u64 = 1024 * 1024;
const LOST_PART: u64 = 8;

/// Of what we gave to it alone, bytes that it need not forward; of the rest, a quarter.
const UNFORWARDED_FREE: u64 = 1024 * 1024;
const FORWARD_PART: u64 = 4;

/// Unwanted bytes that are no offence, however little came beside them: a few late blocks.
const UNWANTED_FREE: u64 = 1024 * 1024;

/// Above that, the part of what was received that may be unwanted (register D8): a hundredth.
const UNWANTED_PART: u64 = 100;

/// What is known of one identity's behaviour.
#[derive(Debug, Default)]
pub(crate) struct Reputation {
    /// It sent a chunk with the wrong hash: it is asked for nothing any more.
    pub(crate) sent_bad_hash: bool,
    /// The rate of its control messages, created with the first.
    talk: Option<Box<Talk>>,
    /// Changes of mind that answer news of ours.
    excused: u32,
    /// When it last broke a promise, latest first.
    broken: [Option<Time>; BROKEN_MAX],
    last_until: Option<Time>,
    received: u64,
    sent: u64,
    /// Of what it sent, bytes that were verified; and bytes that the uplink issued for it.
    verified: u64,
    issued: u64,
    /// Bytes of chunks that only it got from us while no other peer had them, and how many of those
    /// others have announced since.
    given: u64,
    forwarded: u64,
    lost: u64,
    unwanted: u64,
    /// Bytes that it may still send although we no longer want them: the lengths of all requests
    /// that were given up, less what came in vain. An honest peer answers each request once, so
    /// this is never less than what is on its way, whatever the order in which it comes.
    late: u64,
    /// Messages that may still arrive about transfers that we have left.
    strays: u64,
}

/// The rate of messages that nothing else bounds.
#[derive(Debug)]
struct Talk {
    limit: EventLimit,
    /// The same limit with a burst of two minutes' worth: a silent peer is closed after two
    /// minutes, so no path can hold back more than that of messages that were sent in time.
    held_back: EventLimit,
    /// When it first and last was over the limit, in one go.
    over: Option<(Time, Time)>,
    /// When it was to be read again, the last time that it was over the limit.
    lull: Option<Time>,
}

impl Reputation {
    /// A block went to it.
    pub(crate) const fn is_sent(&mut self, len: ByteCount) {
        self.sent = self.sent.saturating_add(len.get());
    }

    /// Bytes of its were verified.
    pub(crate) const fn is_verified(&mut self, len: ByteCount) {
        self.verified = self.verified.saturating_add(len.get());
    }

    /// A block was issued for it.
    pub(crate) const fn is_issued(&mut self, len: ByteCount) {
        self.issued = self.issued.saturating_add(len.get());
    }

    /// Bytes that it sent and that were verified.
    pub(crate) const fn verified(&self) -> ByteCount {
        ByteCount::new(self.verified)
    }

    /// Bytes that were issued for it.
    pub(crate) const fn issued(&self) -> ByteCount {
        ByteCount::new(self.issued)
    }

    /// Bytes that it gave, less what it was sent.
    pub(crate) fn balance(&self) -> i64 {
        let difference = i128::from(self.verified) - i128::from(self.issued);
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }

    /// A chunk that no other peer had went to it.
    pub(crate) const fn is_given(&mut self, len: ByteCount) {
        self.given = self.given.saturating_add(len.get());
    }

    /// Such a chunk has appeared at another peer.
    pub(crate) const fn forwarded(&mut self, len: ByteCount) {
        self.forwarded = self.forwarded.saturating_add(len.get());
    }

    /// Bytes that we alone gave to it and that have appeared at nobody else yet.
    pub(crate) const fn unforwarded(&self) -> ByteCount {
        ByteCount::new(self.given.saturating_sub(self.forwarded))
    }

    /// Whether we sent it something and it never sent us anything.
    pub(crate) const fn only_takes(&self) -> bool {
        self.sent > 0 && self.received == 0
    }

    /// Whether hardly anything that we alone had and gave it has appeared at others.
    pub(crate) const fn free_rides(&self) -> bool {
        let forwarded = self.forwarded.saturating_mul(FORWARD_PART);
        self.given > UNFORWARDED_FREE && forwarded < self.given
    }

    /// Whether enough of what we alone had and gave it has appeared at others.
    pub(crate) const fn forwards(&self) -> bool {
        let forwarded = self.forwarded.saturating_mul(FORWARD_PART);
        self.forwarded > 0 && forwarded >= self.given
    }

    /// Whether nothing would be lost by forgetting it.
    pub(crate) fn is_blank(&self) -> bool {
        !self.sent_bad_hash
            && self.talk.is_none()
            && self.broken[0].is_none()
            && self.unwanted + self.lost + self.given + self.sent == 0
    }

    /// It said something that does no work. Over the limit for longer than the grace is an
    /// offence.
    pub(crate) fn talks(&mut self, now: Time) -> Result<(), Misbehaviour> {
        if let Some(left) = self.strays.checked_sub(1) {
            self.strays = left;
            return Ok(());
        }
        let talk = self.talk.get_or_insert_with(|| {
            Box::new(Talk {
                limit: EventLimit::control_frames(),
                held_back: EventLimit::control_frames_held_back(),
                over: None,
                lull: None,
            })
        });
        let in_all = talk.held_back.check(now).is_ok();
        if talk.limit.check(now).is_ok() {
            return Ok(());
        }
        let quiet = |&(_, last): &(Time, Time)| now.since(last) > TALK_PAUSE;
        let since = match talk.over.filter(|over| !quiet(over)) {
            Some((since, _)) => since,
            None => now,
        };
        talk.over = Some((since, now));
        talk.lull = Some(now.saturating_add(LULL));
        if now.since(since) >= TALK_GRACE && !in_all {
            return Err(Misbehaviour::Flood);
        }
        Ok(())
    }

    /// Until when it should not be read, because it talked too much; that may be over.
    pub(crate) fn lull(&self) -> Option<Time> {
        self.talk.as_ref()?.lull
    }

    /// We have left a transfer: this many messages about it may still come, and are free.
    pub(crate) fn may_stray(&mut self, messages: u64) {
        self.strays = self.strays.saturating_add(messages);
    }

    /// It changed its mind about interest or service. What follows from our own news is free:
    /// with small chunks an honest peer's interest comes and goes with each.
    pub(crate) fn changes_mind(&mut self, now: Time) -> Result<(), Misbehaviour> {
        match self.excused.checked_sub(1) {
            Some(left) => {
                self.excused = left;
                Ok(())
            }
            None => self.talks(now),
        }
    }

    /// We said something to it that may change its mind.
    pub(crate) fn heard(&mut self, message: &Message) {
        let excuses = match message {
            // It may become interested, and later no longer.
            Message::Join(_) | Message::Have { .. } | Message::Lost { .. } => 2,
            Message::Interested | Message::NotInterested => 1,
            _ => 0,
        };
        self.excused = (self.excused + excuses).min(EXCUSED_MAX);
    }

    /// It did not give what it had promised.
    pub(crate) fn breaks_promise(&mut self, now: Time) {
        self.broken.rotate_right(1);
        self.broken[0] = Some(now);
        let third = self.broken[BROKEN_MAX - 1];
        if third.is_some_and(|third| now.since(third) <= BROKEN_WITHIN) {
            self.put_last(now.saturating_add(LAST_FOR));
        }
    }

    /// It began chunks and did not finish them: `len` bytes are worth nothing.
    pub(crate) fn loses(&mut self, len: ByteCount, now: Time) {
        self.lost = self.lost.saturating_add(len.get());
        if self.lost > LOST_FREE && self.lost > self.received / LOST_PART {
            self.put_last(now.saturating_add(LAST_FOR));
        }
    }

    /// Others are asked before it, until then at least.
    pub(crate) fn put_last(&mut self, until: Time) {
        self.last_until = self.last_until.max(Some(until));
    }

    /// Whether others are asked before it.
    pub(crate) fn is_last(&self, now: Time) -> bool {
        self.last_until.is_some_and(|until| now < until)
    }

    /// It sent bytes that were asked for.
    pub(crate) fn gives(&mut self, len: ByteCount) {
        self.received = self.received.saturating_add(len.get());
    }

    /// We no longer want `len` bytes that we asked it for: they may be on their way.
    pub(crate) fn may_be_late(&mut self, len: ByteCount) {
        self.late = self.late.saturating_add(len.get());
    }

    /// Whether bytes of requests that were given up may still come.
    pub(crate) const fn is_late(&self) -> bool {
        self.late > 0
    }

    /// It sent bytes that were not requested. Late ones are free.
    ///
    /// # Errors
    ///
    /// [`Misbehaviour::Unrequested`] if the others are too many by now.
    pub(crate) fn unrequested(&mut self, len: ByteCount) -> Result<(), Misbehaviour> {
        let free = self.late.min(len.get());
        self.late -= free;
        self.unwanted = self.unwanted.saturating_add(len.get() - free);
        if self.unwanted > UNWANTED_FREE && self.unwanted > self.received / UNWANTED_PART {
            return Err(Misbehaviour::Unrequested);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Span::from_millis(millis)
    }

    /// A hundred lines a second are allowed, and five hundred at once. A thousand a second are
    /// tolerated for ten seconds, and until 12,500 are more than two minutes' worth.
    ///
    /// Register: W6. Limit: L6.
    #[test]
    fn a_flood_of_talk_is_an_offence_after_a_grace() {
        let mut peer = Reputation::default();
        assert!((0..400).all(|_| peer.talks(Time::ZERO).is_ok()));
        assert!(
            (0..3_000)
                .step_by(10)
                .all(|millis| peer.talks(at(millis)).is_ok())
        );
        let flood = (3_000..30_000).find(|millis| peer.talks(at(*millis)).is_err());
        assert!((16_000..17_000).contains(&flood.unwrap()), "{flood:?}");
    }

    /// A thousand chunks of ours in a second make it interested and not interested a thousand
    /// times, for a minute; without news of ours the same is a flood.
    ///
    /// Register: D7.
    #[test]
    fn a_change_of_mind_that_our_news_explain_is_free() {
        let mut peer = Reputation::default();
        let news = Message::Interested;
        for millis in 0..60_000 {
            peer.heard(&news);
            assert_eq!(peer.changes_mind(at(millis)), Ok(()));
        }
        assert!(peer.is_blank());
        let flood = (60_000..100_000).find(|millis| peer.changes_mind(at(*millis)).is_err());
        assert!(flood.is_some());
    }

    /// Register: D5.
    #[test]
    fn three_broken_promises_in_a_minute_put_a_peer_last_for_a_while() {
        let mut peer = Reputation::default();
        for secs in [0, 30, 61, 120] {
            peer.breaks_promise(at(secs * 1_000));
            assert!(!peer.is_last(at(secs * 1_000)), "{secs}");
        }
        peer.breaks_promise(at(121_000));
        assert!(peer.is_last(at(121_000)));
        assert!(peer.is_last(at(720_999)));
        assert!(!peer.is_last(at(721_000)));
    }

    /// Four mebibytes were of use, so half a mebibyte may be lost, or else the free one.
    ///
    /// Register: D10.
    #[test]
    fn whoever_begins_chunks_and_does_not_finish_them_is_put_last() {
        let mut peer = Reputation::default();
        peer.gives(ByteCount::mib(4));
        peer.loses(ByteCount::mib(1), at(0));
        assert!(!peer.is_last(at(0)));
        peer.loses(ByteCount::new(1), at(0));
        assert!(peer.is_last(at(0)));
        assert!(!peer.is_blank());
    }

    /// 200 MiB asked for, of which 1 MiB was withdrawn, allow 1 MiB of late bytes and 2 MiB of
    /// others.
    ///
    /// Register: D8.
    #[test]
    fn late_bytes_are_free_and_a_hundredth_may_be_unwanted() {
        let mut peer = Reputation::default();
        let kib = ByteCount::kib(1);
        peer.gives(ByteCount::mib(200));
        peer.may_be_late(ByteCount::mib(1));
        assert!((0..3 * 1024).all(|_| peer.unrequested(kib).is_ok()));
        assert_eq!(peer.unrequested(kib), Err(Misbehaviour::Unrequested));
        // A peer that never sent anything may be late by a mebibyte.
        let mut peer = Reputation::default();
        assert!((0..1024).all(|_| peer.unrequested(kib).is_ok()));
        assert_eq!(peer.unrequested(kib), Err(Misbehaviour::Unrequested));
    }

    #[test]
    fn a_peer_that_forwards_less_than_a_quarter_free_rides() {
        let mut peer = Reputation::default();
        peer.is_given(ByteCount::mib(1));
        assert!(!peer.free_rides());
        peer.is_given(ByteCount::mib(3));
        assert!(peer.free_rides());
        peer.forwarded(ByteCount::mib(1));
        assert!(!peer.free_rides());
        assert!(!peer.is_blank());
    }

    #[test]
    fn who_was_served_and_gave_nothing_only_takes() {
        let mut peer = Reputation::default();
        assert!(!peer.only_takes());
        peer.is_sent(ByteCount::new(1));
        assert!(peer.only_takes());
        peer.gives(ByteCount::new(1));
        assert!(!peer.only_takes());
    }
}
