//! Chunks that one peer begins and another finishes.

use std::collections::BTreeMap;

use super::*;

const HALF: u64 = CHUNK / 2;

fn reject(chunk: u32) -> Message {
    let transfer = TransferId(7);
    Message::Reject { transfer, chunk }
}

fn store(parts: &[(PeerId, u64)]) -> Action {
    let bytes = |&(peer, len): &(PeerId, u64)| (peer, ByteCount::new(len));
    Action::Store {
        transfer: TransferId(1),
        chunk: ChunkIndex(0),
        from: parts.last().expect("somebody sent it").0,
        parts: parts.iter().map(bytes).collect(),
    }
}

fn wrong(from: PeerId) -> Input {
    Input::Rejected {
        transfer: TransferId(1),
        chunk: ChunkIndex(0),
        from,
    }
}

fn wasted(actions: &[Action]) -> u64 {
    let len = |action: &Action| match action {
        Action::Notify(Event::Wasted(_, len)) => len.get(),
        _ => 0,
    };
    actions.iter().map(len).sum()
}

/// A begins the only chunk and refuses the rest, or leaves: B is asked for what is behind that, and
/// the shell is told who sent how much.
#[test]
fn what_one_peer_began_another_finishes_and_nothing_is_lost() {
    let ends = [
        Input::Message {
            peer: A,
            message: reject(0),
        },
        Input::Disconnected { peer: A },
        Input::Message {
            peer: A,
            message: Message::Leave {
                transfer: TransferId(7),
            },
        },
    ];
    for end in ends {
        let mut node = leecher(1, &[A, B]);
        hear(&mut node, A, Message::Unchoke, at(0));
        hear(&mut node, A, half(0, 0), at(0));
        hear(&mut node, A, Message::Choke, at(0));
        hear(&mut node, B, Message::Unchoke, at(0));
        assert_eq!(node.unfinished(), ByteCount::new(HALF));
        let said = tell(&mut node, end.clone(), at(0));
        assert_eq!(wishes(&said, B).collect::<Vec<_>>(), [(0, HALF)], "{end:?}");
        let resume = Action::Resume {
            peer: B,
            transfer: TransferId(1),
            chunk: ChunkIndex(0),
            of: A,
        };
        assert!(said.contains(&resume), "{end:?}");
        assert_eq!(wasted(&said), 0, "{end:?}");
        let said = hear(&mut node, B, half(0, HALF), at(0));
        assert_eq!(said, [store(&[(A, HALF), (B, HALF)])], "{end:?}");
    }
}

/// What a peer is asked for after a pause is what it lacks of its own chunk, and that comes before
/// all that is new.
#[test]
fn what_is_begun_comes_before_what_is_not() {
    let mut node = leecher(3, &[A]);
    let said = hear(&mut node, A, Message::Unchoke, at(0));
    assert_eq!(asked(&said), [(A, 0), (A, 1)]);
    hear(&mut node, A, half(0, 0), at(0));
    hear(&mut node, A, Message::Choke, at(0));
    hear(&mut node, A, reject(0), at(0));
    hear(&mut node, A, reject(1), at(0));
    let said = hear(&mut node, A, Message::Unchoke, at(9));
    assert_eq!(wishes(&said, A).collect::<Vec<_>>(), [(0, HALF), (1, 0)]);
}

/// Half of a chunk came from A and half from B, and it is wrong: either may have lied. It comes
/// whole from one of them now; of one that sent all of a wrong chunk there is no doubt.
#[test]
fn of_a_wrong_chunk_from_two_neither_is_blamed_and_each_sends_whole_chunks_from_then_on() {
    let mut node = leecher(1, &[A, B]);
    hear(&mut node, A, Message::Unchoke, at(0));
    hear(&mut node, A, half(0, 0), at(0));
    hear(&mut node, B, Message::Unchoke, at(0));
    hear(&mut node, A, Message::Choke, at(0));
    hear(&mut node, A, reject(0), at(0));
    hear(&mut node, B, half(0, HALF), at(0));
    let said = tell(&mut node, wrong(B), at(0));
    assert_eq!(closed(&said), []);
    assert_eq!(wishes(&said, B).collect::<Vec<_>>(), [(0, 0)]);
    assert_eq!(wasted(&said), CHUNK);
    // B begins it again, and A does not go on with that: it sends all of it.
    hear(&mut node, A, Message::Unchoke, at(0));
    hear(&mut node, B, half(0, 0), at(0));
    hear(&mut node, B, Message::Choke, at(0));
    let said = hear(&mut node, B, reject(0), at(0));
    assert_eq!(wishes(&said, A).collect::<Vec<_>>(), [(0, 0)]);
    hear(&mut node, A, half(0, 0), at(0));
    let said = hear(&mut node, A, half(0, HALF), at(0));
    assert_eq!(said, [store(&[(A, CHUNK)])]);
    let said = tell(&mut node, wrong(A), at(0));
    assert_eq!(closed(&said), [Misbehaviour::WrongHash]);
}

/// The half that A sent is of no use once B has sent all of it: the shell may forget it, and it is
/// counted as wasted.
#[test]
fn what_is_kept_of_a_chunk_that_came_another_way_is_wasted_and_forgotten() {
    let mut node = leecher(1, &[A, B]);
    hear(&mut node, A, Message::Unchoke, at(0));
    hear(&mut node, A, half(0, 0), at(0));
    // B is asked in the endgame, from the beginning; then A stops.
    let said = hear(&mut node, B, Message::Unchoke, at(2));
    assert_eq!(wishes(&said, B).collect::<Vec<_>>(), [(0, 0)]);
    hear(&mut node, A, Message::Choke, at(2));
    hear(&mut node, A, reject(0), at(2));
    hear(&mut node, B, half(0, 0), at(2));
    hear(&mut node, B, half(0, HALF), at(2));
    let stored = Input::Stored {
        transfer: TransferId(1),
        chunk: ChunkIndex(0),
        from: B,
    };
    let said = tell(&mut node, stored, at(2));
    let discard = Action::Discard {
        transfer: TransferId(1),
        chunk: ChunkIndex(0),
        from: A,
    };
    assert!(said.contains(&discard), "{said:?}");
    assert_eq!(wasted(&said), HALF);
    assert_eq!(node.unfinished(), ByteCount::ZERO);
}

/// A seed with one slot has sent half of a chunk to A when the slot goes to B: the other half is
/// refused, and B has all of the uplink at once. Unless nobody else has that chunk, or slots are no
/// reward and go round.
#[test]
fn a_choke_ends_the_chunk_that_was_begun_if_another_could_finish_it() {
    for others in [Bitfield::full(9), Bitfield::empty(9)] {
        let ends = others.is_full();
        choke_in_the_middle("wary-tit-for-tat", others.clone(), ends);
        choke_in_the_middle("round-robin", others, false);
    }
}

fn choke_in_the_middle(rule: &str, others: Bitfield, ends: bool) {
    // With this seed of randomness tit for tat draws B.
    let mut config = config(1, "even");
    config.seed_rule = choke::CHOKERS.find(rule).unwrap();
    config.uplink.window_node = ByteCount::new(HALF);
    let mut node = Node::new(config, at(0));
    tell(&mut node, add(1, 9, Bitfield::full(9), None), at(0));
    for peer in [A, B] {
        meet(&mut node, peer);
        hear(&mut node, peer, join(9, Bitfield::empty(9)), at(0));
        hear(&mut node, peer, Message::Interested, at(0));
    }
    meet(&mut node, C);
    hear(&mut node, C, join(9, others), at(0));
    let said = hear(&mut node, A, request(3), at(0));
    assert!(matches!(said.as_slice(), [Action::Upload(_)]), "{said:?}");
    let round = node.deadline(at(0)).unwrap();
    let said = tell(&mut node, Input::Tick, round);
    let (transfer, chunk) = (TransferId(1), 3);
    let mut expected = vec![send(A, Message::Choke)];
    if ends {
        expected.push(send(A, Message::Reject { transfer, chunk }));
    }
    expected.push(send(B, Message::Unchoke));
    assert_eq!(said, expected);
    hear(&mut node, B, rest(5, HALF), round);
    let (mut peer, mut sent) = (A, Vec::new());
    loop {
        let len = ByteCount::new(HALF);
        let said = tell(&mut node, Input::Sent { peer, len }, round);
        let [Action::Upload(block)] = said.as_slice() else {
            break;
        };
        assert!(block.last);
        peer = block.peer;
        sent.push((peer, block.chunk.get(), block.offset.get()));
    }
    let mut expected = vec![(B, 5, HALF)];
    expected.extend((!ends).then_some((A, 3, HALF)));
    assert_eq!(sent, expected);
}

/// A node that may fetch so much a second and two peers that have the same content, of which
/// neither gives anything yet.
fn capped(download: Option<u64>) -> Node {
    let mut config = config(1, "even");
    config.download = download.map(crate::units::Rate::new);
    config.pipeline = Some(256);
    let mut node = Node::new(config, at(0));
    let all = 1_024;
    tell(&mut node, add(1, 9, Bitfield::empty(all), None), at(0));
    for peer in [A, B] {
        meet(&mut node, peer);
        hear(&mut node, peer, join(9, Bitfield::full(all)), at(0));
    }
    node
}

/// A chokes and refuses these chunks. Returns what B is asked for then.
fn a_refuses(node: &mut Node, chunks: u32, now: Time) -> Vec<(u32, u64)> {
    hear(node, A, Message::Choke, now);
    let refuse = |chunk| wishes(&hear(node, A, reject(chunk), now), B).collect::<Vec<_>>();
    (0..chunks).flat_map(refuse).collect()
}

/// A cap of 2.5 MiB/s catches up on a quarter of a MiB at most. A is asked for that much twice and
/// refuses it all: B may be asked for the same at once, although it is more than the bucket holds.
#[test]
fn what_does_not_come_counts_for_no_download_cap() {
    let depth = 64;
    let mut node = capped(Some(10 * u64::from(depth) * CHUNK));
    let said = hear(&mut node, A, Message::Unchoke, at(0));
    assert_eq!(asked(&said).len(), depth as usize);
    let said = tell(&mut node, Input::Tick, at(1));
    assert_eq!(asked(&said).len(), depth as usize);
    assert_eq!(asked(&hear(&mut node, B, Message::Unchoke, at(1))), []);
    hear(&mut node, A, half(0, 0), at(1));
    let again = a_refuses(&mut node, 2 * depth, at(1));
    let bytes: u64 = again.iter().map(|(_, offset)| CHUNK - offset).sum();
    let all = 2 * u64::from(depth) * CHUNK;
    assert_eq!(bytes, all - HALF, "all but what came");
}

/// What was asked for before there was a cap was not charged, so nothing is given back.
#[test]
fn what_was_asked_for_without_a_cap_is_no_credit_under_one() {
    let mut node = capped(None);
    let said = hear(&mut node, A, Message::Unchoke, at(0));
    assert_eq!(asked(&said).len(), 256);
    let rate = Some(crate::units::Rate::new(CHUNK));
    tell(&mut node, Input::Download { rate }, at(1));
    assert_eq!(asked(&hear(&mut node, B, Message::Unchoke, at(1))), []);
    assert_eq!(a_refuses(&mut node, 256, at(1)), []);
}

/// A peer that sends wrong bytes, or right ones.
struct Sender {
    peer: PeerId,
    lies: bool,
    owes: Vec<(u32, u64)>,
}

/// Twelve peers send blocks of a quarter of a chunk and refuse the rest as chance has it, so that
/// most chunks have several senders; some of them lie in every byte. No honest one is ever closed,
/// each liar is, and then the content comes whole.
#[test]
fn whoever_lies_is_found_and_nobody_else_is_accused() {
    for (seed, liars) in [(1, 0), (2, 1), (3, 3), (4, 6), (5, 11)] {
        let mut rng = Rng::from_seed([seed; 32]);
        let peers: Vec<PeerId> = (0..12).map(PeerId).collect();
        let chunks = 60;
        let mut node = leecher(chunks, &peers);
        let mut senders = BTreeMap::new();
        for peer in peers {
            let said = hear(&mut node, peer, Message::Unchoke, at(0));
            let owes = wishes(&said, peer).collect();
            let lies = peer.0 < liars;
            senders.insert(peer, Sender { peer, lies, owes });
        }
        let mut accused = Vec::new();
        for step in 0..40_000 {
            let now = at(step / 1_000);
            let said = step_of(&mut node, (&mut senders, chunks), &mut rng, now);
            let closes = |action: &Action| matches!(action, Action::Close { .. });
            accused.extend(said.into_iter().filter(closes));
            if node.is_seed() {
                break;
            }
        }
        let guilty = |action: &Action| match action {
            Action::Close { peer, why } => {
                assert_eq!(*why, Misbehaviour::WrongHash);
                assert!(peer.0 < liars, "{peer:?} is honest");
                peer.0
            }
            _ => unreachable!("only closes were taken"),
        };
        let mut found: Vec<u32> = accused.iter().map(guilty).collect();
        found.sort_unstable();
        assert!(
            node.is_seed(),
            "seed {seed}: {found:?} of {liars} were found"
        );
    }
}

/// One of the senders, as chance has it, sends a quarter of a chunk or refuses the rest.
fn step_of(
    node: &mut Node,
    (senders, chunks): (&mut BTreeMap<PeerId, Sender>, u32),
    rng: &mut Rng,
    now: Time,
) -> Vec<Action> {
    let place = rng.below(senders.len());
    let sender = senders.values_mut().nth(place).expect("below their number");
    let Some((chunk, offset)) = sender.owes.first_mut() else {
        return Vec::new();
    };
    let chunk = *chunk;
    let said = if rng.below(4) == 0 {
        sender.owes.remove(0);
        hear(node, sender.peer, reject(chunk), now)
    } else {
        let block = Message::Block {
            transfer: TransferId(7),
            chunk,
            offset: ByteCount::new(*offset),
            len: ByteCount::new(CHUNK / 4),
        };
        *offset += CHUNK / 4;
        if *offset == CHUNK {
            sender.owes.remove(0);
        }
        hear(node, sender.peer, block, now)
    };
    let mut said = judge(node, said, senders, now);
    for peer in senders.keys() {
        // A refusal says that it lacks the chunk; it has it all the same.
        for chunk in 0..chunks {
            let transfer = TransferId(7);
            said.extend(hear(node, *peer, Message::Have { transfer, chunk }, now));
        }
    }
    for (peer, sender) in senders {
        let cancels = |chunk: u32| {
            let transfer = TransferId(1);
            said.contains(&send(*peer, Message::Cancel { transfer, chunk }))
        };
        sender.owes.retain(|(chunk, _)| !cancels(*chunk));
        sender.owes.extend(wishes(&said, *peer));
    }
    said
}

/// What the shell says to the chunks that became whole: right if none of its senders lies.
fn judge(
    node: &mut Node,
    mut said: Vec<Action>,
    senders: &BTreeMap<PeerId, Sender>,
    now: Time,
) -> Vec<Action> {
    let mut at = 0;
    while at < said.len() {
        if let Action::Store {
            transfer,
            chunk,
            from,
            parts,
        } = &said[at]
        {
            let (transfer, chunk, from) = (*transfer, *chunk, *from);
            let wrong = parts.iter().any(|(peer, _)| senders[peer].lies);
            let input = if wrong {
                Input::Rejected {
                    transfer,
                    chunk,
                    from,
                }
            } else {
                Input::Stored {
                    transfer,
                    chunk,
                    from,
                }
            };
            said.extend(tell(node, input, now));
        }
        at += 1;
    }
    said
}
