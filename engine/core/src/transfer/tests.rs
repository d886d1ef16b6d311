use super::*;
use crate::pick;

impl Transfer {
    /// Every chunk is in exactly one place.
    pub(crate) fn check(&self) {
        for position in 0..self.manifest.chunks() {
            let chunk = self.manifest.index(position);
            let chunk = chunk.expect("below the number of chunks");
            let places = u32::from(self.had.has(chunk))
                + u32::from(self.wanted.has(chunk))
                + u32::from(self.unwanted.has(chunk))
                + u32::from(self.in_flight.contains_key(&chunk));
            assert_eq!(places, 1, "chunk {position} is in {places} places");
        }
    }
}

fn transfer(chunks: u64) -> Transfer {
    let manifest = Manifest::new(ByteCount::new(chunks * 4), ByteCount::new(4)).unwrap();
    Transfer::new(
        ContentId([0; 32]),
        manifest,
        Bitfield::empty(manifest.chunks()),
        None,
    )
}

fn ask(transfer: &mut Transfer, peer: u32, now: Time) -> Option<ChunkIndex> {
    let all = Bitfield::full(transfer.manifest.chunks());
    let mut picker = (pick::PICKERS.find("sequential").unwrap().make)();
    let mut rng = Rng::from_seed([0; 32]);
    let draw = (picker.as_mut(), &mut rng);
    let pick = transfer.ask((PeerId(peer), &all), |_| true, draw, now);
    transfer.check();
    pick.map(|pick| pick.chunk)
}

/// A chunk that one peer alone was given is passed on when it appears at another; not when
/// we had to give it twice, and not by the peer's own word.
#[test]
fn what_appears_at_others_was_passed_on() {
    let mut transfer = transfer(3);
    let [first, second] = [PeerId(1), PeerId(2)];
    let len = ByteCount::new(4);
    for chunk in 0..3 {
        assert_eq!(transfer.gives(first, ChunkIndex(chunk)), Some(len));
    }
    let chunk = ChunkIndex(0);
    assert_eq!(transfer.appears(first, chunk), None);
    assert_eq!(transfer.appears(second, chunk), Some((first, len)));
    assert_eq!(transfer.appears(second, chunk), None);
    let twice = ChunkIndex(1);
    assert_eq!(transfer.gives(second, twice), None);
    assert_eq!(transfer.appears(second, twice), None);
    transfer.count_holder(chunk, true);
    assert_eq!(transfer.gives(second, chunk), None);
}

/// What stood longest with another is moved first; what has begun, is asked of two, or is not had
/// by whom could take it over, is not.
#[test]
fn what_stands_in_the_queue_of_another_can_be_taken_over() {
    let mut transfer = transfer(4);
    let at = |secs| Time::ZERO + Span::from_secs(secs);
    let (mut theirs, waited) = (Bitfield::full(4), Span::SECOND);
    for secs in 0..3 {
        ask(&mut transfer, 1, at(secs));
    }
    let stuck = |transfer: &Transfer, peer, theirs: &Bitfield, now| {
        transfer.stuck(PeerId(peer), theirs, |_| waited, now)
    };
    let (first, second) = (ChunkIndex(0), ChunkIndex(1));
    assert_eq!(stuck(&transfer, 2, &theirs, Time::ZERO), None);
    assert_eq!(stuck(&transfer, 1, &theirs, at(3)), None);
    assert_eq!(
        stuck(&transfer, 2, &theirs, at(3)),
        Some((first, PeerId(1)))
    );
    let (zero, one) = (ByteCount::ZERO, ByteCount::new(1));
    transfer
        .block(PeerId(1), first, (zero, one), false)
        .unwrap();
    assert_eq!(
        stuck(&transfer, 2, &theirs, at(3)),
        Some((second, PeerId(1)))
    );
    theirs.remove(second);
    assert_eq!(
        stuck(&transfer, 2, &theirs, at(3)),
        Some((ChunkIndex(2), PeerId(1)))
    );
    assert_eq!(stuck(&transfer, 2, &theirs, at(2)), None);
    // Once only: it would come from nobody if all were slow.
    transfer.withdraw(PeerId(1), ChunkIndex(2));
    assert_eq!(ask(&mut transfer, 3, at(3)), Some(ChunkIndex(2)));
    assert_eq!(stuck(&transfer, 2, &theirs, at(9)), None);
}

/// A request was given up while its answer was on its way, and made again. What comes of the first
/// answer may fit, until the second one begins; of a peer that owes no such answer it is a lie.
///
/// Register: D3, D8.
#[test]
fn an_answer_to_what_was_given_up_is_no_offence() {
    let mut transfer = transfer(1);
    let (peer, chunk) = (PeerId(1), ChunkIndex(0));
    let (zero, half) = (ByteCount::ZERO, ByteCount::new(2));
    ask(&mut transfer, 1, Time::ZERO);
    let begun = transfer.block(peer, chunk, (zero, half), false);
    assert_eq!(begun, Ok((Progress::Partial, zero)));
    transfer.release(peer, chunk);
    ask(&mut transfer, 1, Time::ZERO);
    for (offset, progress) in [
        (2, (Progress::Late, zero)),
        (0, (Progress::Partial, zero)),
        (0, (Progress::Partial, half)),
        (2, (Progress::Whole, zero)),
    ] {
        let place = (ByteCount::new(offset), half);
        let honest = progress != (Progress::Late, zero) && progress.1 == zero;
        if !honest {
            let lie = transfer.block(peer, chunk, place, false);
            assert_eq!(lie, Err(Misbehaviour::BlockOutOfOrder));
        }
        assert_eq!(transfer.block(peer, chunk, place, true), Ok(progress));
    }
}

/// Two chunks are had; one can no longer be given and is not fetched again, the other is.
#[test]
fn what_is_not_fetched_again_is_not_lacked() {
    let mut transfer = transfer(2);
    for chunk in [ChunkIndex(0), ChunkIndex(1)] {
        transfer.stored(chunk, Time::ZERO);
    }
    transfer.lost(ChunkIndex(0), false);
    transfer.check();
    assert!(transfer.is_complete() && !transfer.lacks(ChunkIndex(0)));
    assert_eq!(transfer.count_useful(&Bitfield::full(2)), 0);
    transfer.lost(ChunkIndex(1), true);
    transfer.check();
    assert!(!transfer.is_complete() && transfer.lacks(ChunkIndex(1)));
    assert_eq!(transfer.count_useful(&Bitfield::full(2)), 1);
    let missing = |coming, held, alone| Missing {
        coming,
        held,
        alone,
    };
    assert_eq!(transfer.missing(), missing(0, 0, 1));
    transfer.count_holder(ChunkIndex(1), true);
    assert_eq!(transfer.missing(), missing(0, 1, 0));
    ask(&mut transfer, 1, Time::ZERO);
    assert_eq!(transfer.missing(), missing(1, 0, 0));
}

#[test]
fn a_chunk_goes_from_wanted_to_in_flight_to_had() {
    let mut transfer = transfer(1);
    let chunk = ask(&mut transfer, 1, Time::ZERO).unwrap();
    let (two, zero) = (ByteCount::new(2), ByteCount::ZERO);
    for (offset, progress) in [(zero, Progress::Partial), (two, Progress::Whole)] {
        let said = transfer.block(PeerId(1), chunk, (offset, two), false);
        assert_eq!(said, Ok((progress, zero)));
    }
    assert_eq!(transfer.stored(chunk, Time::ZERO), (Vec::new(), None));
    transfer.check();
    assert!(transfer.is_complete());
}

#[test]
fn the_endgame_asks_a_second_peer_only_after_a_wait_and_never_a_third() {
    let mut transfer = transfer(1);
    let chunk = ask(&mut transfer, 1, Time::ZERO).unwrap();
    assert_eq!(ask(&mut transfer, 2, Time::ZERO), None);
    let later = Time::ZERO + ENDGAME_AFTER;
    assert_eq!(ask(&mut transfer, 2, later), Some(chunk));
    assert_eq!(ask(&mut transfer, 3, later + ENDGAME_AFTER), None);
    let others = [1, 2].map(|peer| (PeerId(peer), ByteCount::ZERO, Begun::default()));
    assert_eq!(transfer.stored(chunk, Time::ZERO), (others.to_vec(), None));
    transfer.check();
}

/// The first chunk takes 5 s, so the second is asked again after 10 s only.
#[test]
fn where_answers_take_long_the_endgame_waits_for_twice_as_long() {
    let mut transfer = transfer(2);
    let chunk = ask(&mut transfer, 1, Time::ZERO).unwrap();
    let four = ByteCount::new(4);
    transfer
        .block(PeerId(1), chunk, (ByteCount::ZERO, four), false)
        .unwrap();
    transfer.stored(chunk, Time::ZERO + Span::from_secs(5));
    let at = |secs| Time::ZERO + Span::from_secs(secs);
    let chunk = ask(&mut transfer, 1, at(20));
    assert!(chunk.is_some());
    assert_eq!(ask(&mut transfer, 2, at(29)), None);
    assert_eq!(ask(&mut transfer, 2, at(30)), chunk);
}

#[test]
fn a_released_chunk_is_wanted_again_unless_another_was_asked() {
    let mut transfer = transfer(1);
    let chunk = ask(&mut transfer, 1, Time::ZERO).unwrap();
    let later = Time::ZERO + ENDGAME_AFTER;
    ask(&mut transfer, 2, later);
    assert!(transfer.release(PeerId(1), chunk).is_some());
    transfer.check();
    assert_eq!(ask(&mut transfer, 3, later), None);
    assert!(transfer.release(PeerId(2), chunk).is_some());
    transfer.check();
    assert_eq!(ask(&mut transfer, 3, later), Some(chunk));
}

#[test]
fn blocks_that_lie_about_their_place_are_offences_and_late_ones_are_not() {
    let mut transfer = transfer(2);
    let chunk = ask(&mut transfer, 1, Time::ZERO).unwrap();
    let (one, four) = (ByteCount::new(1), ByteCount::new(4));
    let out_of_order = transfer.block(PeerId(1), chunk, (one, one), false);
    assert_eq!(out_of_order, Err(Misbehaviour::BlockOutOfOrder));
    let too_long = transfer.block(PeerId(1), chunk, (one, four), true);
    assert_eq!(too_long, Err(Misbehaviour::BlockLength));
    let far = transfer.block(PeerId(1), chunk, (ByteCount::MAX, four), true);
    assert_eq!(far, Err(Misbehaviour::BlockLength));
    let late = transfer.block(PeerId(9), chunk, (ByteCount::ZERO, four), false);
    assert_eq!(late, Ok((Progress::Late, ByteCount::ZERO)));
}
