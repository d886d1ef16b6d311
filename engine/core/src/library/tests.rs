//! A library and its node, told by hand what people, peers and disks do.

use super::disk_fault::{Cause, DiskFault, RETRY};
use super::offers::PushGrant;
use super::wait_timeout::Standing;
use super::*;
use crate::bitfield::Bitfield;
use crate::id::ChunkIndex;
use crate::manifest::Manifest;
use crate::message::{Join, Message};
use crate::node::{self, Asking, Config};
use crate::rng::Rng;
use crate::units::ByteCount;
use crate::uplink::{Settings, Share};
use crate::{choke, pick, sched};

mod disks;
mod facts;
mod folders;
mod incoming;
mod manifests;
mod outgoing;
mod waits;

const A: PeerId = PeerId(0);
const B: PeerId = PeerId(1);
const ID: ContentId = ContentId([7; 32]);
const HERE: FolderId = FolderId(1);
const THERE: FolderId = FolderId(2);
/// The transfers of the first content: its bytes and its manifest.
const DATA: TransferId = TransferId(2);
const MANIFEST: TransferId = TransferId(3);
const KEY: [u8; 32] = [9; 32];
const CHUNK: u64 = 1_000;

/// A library beside a node, and what both were told.
struct Rig {
    library: Library,
    node: Node,
    now: Time,
    /// Every transfer that the node was told to leave.
    left: Vec<TransferId>,
}

impl Rig {
    fn new() -> Self {
        Self {
            library: Library::new(1, Span::from_secs(60)),
            node: node(),
            now: Time::ZERO,
            left: Vec::new(),
        }
    }

    /// Says one thing, carries to the node what is the node's, and returns the rest.
    fn tell(&mut self, input: LibraryInput) -> Vec<LibraryAction> {
        self.library.handle(input, &self.node, self.now);
        let mut rest = Vec::new();
        while let Some(action) = self.library.poll() {
            let input = match action {
                LibraryAction::Join {
                    transfer,
                    geometry,
                    have,
                    audience,
                } => node::Input::Add {
                    transfer,
                    content: ContentId([u8::try_from(transfer.0).unwrap(); 32]),
                    manifest: geometry,
                    have,
                    audience,
                },
                LibraryAction::Settle { transfer } => node::Input::Settle { transfer },
                LibraryAction::Leave { transfer } => {
                    self.left.push(transfer);
                    node::Input::Remove { transfer }
                }
                other => {
                    rest.push(other);
                    continue;
                }
            };
            self.node.handle(input, self.now);
            while self.node.poll().is_some() {}
        }
        rest
    }

    fn after(&mut self, span: Span) -> Vec<LibraryAction> {
        self.now = self.now.saturating_add(span);
        let standings = Vec::new();
        self.tell(LibraryInput::Tick { standings })
    }

    fn meets(&mut self, peer: PeerId) -> Vec<LibraryAction> {
        let outbound = false;
        self.node
            .handle(node::Input::Connected { peer, outbound }, self.now);
        self.tell(LibraryInput::Connected { peer })
    }

    /// A connected peer says something to the node.
    fn hears(&mut self, peer: PeerId, message: Message) {
        let input = node::Input::Message { peer, message };
        self.node.handle(input, self.now);
        while self.node.poll().is_some() {}
    }

    /// A connected peer says what it has of one of our transfers.
    fn has(&mut self, peer: PeerId, transfer: TransferId, have: Bitfield) {
        let join = Join {
            content: ContentId([u8::try_from(transfer.0).unwrap(); 32]),
            transfer,
            have,
            reply: false,
        };
        self.hears(peer, Message::Join(Box::new(join)));
    }

    fn get(&mut self, folder: FolderId, waiter: u64) -> Vec<LibraryAction> {
        self.get_of(folder, waiter, 100)
    }

    fn get_of(&mut self, folder: FolderId, waiter: u64, manifest_bytes: u64) -> Vec<LibraryAction> {
        self.tell(LibraryInput::Get {
            content: ID,
            manifest_bytes,
            description: None,
            placement: placement(folder, None),
            waiter: Waiter(waiter),
        })
    }

    /// The content is whole in `HERE`, and no `get` waits for it any more.
    fn whole() -> Self {
        let mut rig = Self::new();
        rig.get(HERE, 1);
        rig.describe(Ok(description(4_096)));
        rig.prepare(4);
        let (number, result) = (1, Ok(()));
        rig.tell(LibraryInput::Finished { number, result });
        assert_eq!(rig.stage(), &Stage::Whole);
        rig
    }

    /// Chunks of it are there, and it is whole in `HERE`.
    fn copied(&mut self, chunks: u32) -> Vec<LibraryAction> {
        let result = Ok(Prepared {
            have: some(chunks),
            whole_in: vec![HERE],
            device: Some(1),
        });
        self.tell(LibraryInput::Prepared { number: 1, result })
    }

    /// Chunks of its bytes that the node gives.
    fn gives(&self) -> Option<u32> {
        self.node.had(DATA).map(Bitfield::count)
    }

    fn kept(&self) -> Kept {
        self.library.get(1).expect("it is known").kept()
    }

    fn describe(&mut self, result: Result<Description, ManifestFault>) -> Vec<LibraryAction> {
        let transfer = MANIFEST;
        let asked = self.tell(LibraryInput::Complete { transfer });
        let [LibraryAction::Describe { number, attempt }] = asked[..] else {
            panic!("{asked:?}");
        };
        self.tell(LibraryInput::Described {
            number,
            attempt,
            result,
        })
    }

    fn prepare(&mut self, chunks: u32) -> Vec<LibraryAction> {
        let result = Ok(Prepared {
            have: some(chunks),
            whole_in: Vec::new(),
            device: Some(1),
        });
        self.tell(LibraryInput::Prepared { number: 1, result })
    }

    fn write(&mut self, chunk: u32, result: Result<(), DiskFault>) -> Vec<LibraryAction> {
        let transfer = DATA;
        self.tell(LibraryInput::Writing {
            transfer,
            senders: vec![A],
        });
        self.tell(LibraryInput::Written {
            transfer,
            chunk: ChunkIndex(chunk),
            from: A,
            parts: vec![(A, ByteCount::new(CHUNK))],
            result,
        })
    }

    fn finish(&mut self, result: Result<(), FinishFault>) -> Vec<LibraryAction> {
        let transfer = DATA;
        let asked = self.tell(LibraryInput::Complete { transfer });
        assert!(
            asked.contains(&LibraryAction::Finish { number: 1 }),
            "{asked:?}"
        );
        self.tell(LibraryInput::Finished { number: 1, result })
    }

    /// What `peer`, whose key says its number, may push.
    fn grant(&mut self, peer: PeerId, folder: FolderId, quota: Option<u64>) {
        let folder = Some(folder);
        self.tell(LibraryInput::Grant {
            peer,
            key: [KEY[0] + u8::try_from(peer.0).unwrap(); 32],
            grant: Some(PushGrant { folder, quota }),
        });
    }

    /// A peer offers a content of `bytes`: it is refused, or its disk is to be looked at.
    fn offers(&mut self, peer: PeerId, content: ContentId, bytes: u64) -> Vec<LibraryAction> {
        let offer = Offer {
            content,
            manifest_bytes: 100,
            bytes,
            name: "a".into(),
        };
        self.tell(LibraryInput::Offer {
            peer,
            offer: Box::new(offer),
            has_memory: true,
        })
    }

    /// The disk was looked at for an offer.
    fn looked(
        &mut self,
        asked: &[LibraryAction],
        free: u64,
        device: Option<u64>,
    ) -> Vec<LibraryAction> {
        let [LibraryAction::Look { offer, .. }] = asked else {
            panic!("{asked:?}");
        };
        self.tell(LibraryInput::Looked {
            offer: *offer,
            disk: Some(Disk { free, device }),
            has_memory: true,
        })
    }

    /// A peer may push `quota` bytes in all, and offers a content of `bytes`.
    fn offer(&mut self, bytes: u64, quota: Option<u64>) -> Vec<LibraryAction> {
        self.grant(A, HERE, quota);
        let asked = self.offers(A, ID, bytes);
        match asked[..] {
            [LibraryAction::Look { .. }] => self.looked(&asked, 1_000_000, Some(1)),
            _ => asked,
        }
    }

    fn stage(&self) -> &Stage {
        self.library.get(1).expect("it is known").stage()
    }
}

fn node() -> Node {
    let drr = sched::DISCIPLINES.find("drr").unwrap();
    let config = Config {
        uplink: Settings {
            outer: drr,
            inner: drr,
            share: Share::Peer,
            largest: ByteCount::new(CHUNK),
            window_node: ByteCount::new(CHUNK),
            window_peer: ByteCount::MAX,
            adapt: false,
            quantum: None,
        },
        unchoke: choke::CHOKERS.find("none").unwrap(),
        seed_rule: choke::find_seed_rule("even").unwrap(),
        picker: pick::PICKERS.find("sequential").unwrap(),
        choke: choke::ChokerParams::default(),
        capacity: None,
        slots: 1,
        rechoke: Span::from_secs(10),
        pipeline: Some(2),
        download: None,
        asking: Asking::default(),
        guard: None,
        rng: Rng::from_seed([1; 32]),
    };
    Node::new(config, Time::ZERO)
}

fn placement(folder: FolderId, pusher: Option<[u8; 32]>) -> Placement {
    Placement {
        folder,
        role: Role::fetched(false, false),
        pusher,
        offered: 0,
    }
}

/// Four chunks, which take so many bytes on disk.
fn description(space: u64) -> Description {
    let geometry = Manifest::new(ByteCount::new(4 * CHUNK), ByteCount::new(CHUNK));
    Description {
        geometry: geometry.unwrap(),
        space,
    }
}

/// The first so many of its chunks.
fn some(chunks: u32) -> Bitfield {
    let mut have = Bitfield::empty(4);
    for chunk in 0..chunks {
        have.insert(ChunkIndex(chunk));
    }
    have
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

fn fault(cause: Cause) -> DiskFault {
    DiskFault {
        cause,
        verdict: OfferVerdict::Storage,
        why: "no".into(),
    }
}

fn outcomes(actions: &[LibraryAction]) -> Vec<(u64, WaitOutcome)> {
    let told = actions.iter().filter_map(|action| match action {
        LibraryAction::Tell {
            waiter, outcome, ..
        } => Some((waiter.0, outcome.clone())),
        _ => None,
    });
    told.collect()
}

fn verdicts(actions: &[LibraryAction]) -> Vec<OfferVerdict> {
    let said = actions.iter().filter_map(|action| match action {
        LibraryAction::Answer { verdict, .. } => Some(*verdict),
        _ => None,
    });
    said.collect()
}

/// From the ticket to the final names; who waits hears of it once, at the end.
#[test]
fn a_content_goes_from_its_manifest_to_its_final_names() {
    let mut rig = Rig::new();
    assert!(outcomes(&rig.get(HERE, 1)).is_empty());
    assert_eq!(rig.node.had(MANIFEST).map(Bitfield::count), Some(0));
    let asked = rig.describe(Ok(description(1)));
    assert!(asked.contains(&LibraryAction::Prepare { number: 1 }));
    rig.prepare(1);
    assert_eq!(rig.node.had(DATA).map(Bitfield::count), Some(1));
    let stored = rig.write(1, Ok(()));
    assert!(
        matches!(stored[..], [LibraryAction::Stored { .. }]),
        "{stored:?}"
    );
    assert_eq!(rig.library.get(1).unwrap().here(), 2 * CHUNK);
    let told = rig.finish(Ok(()));
    assert_eq!(outcomes(&told), [(1, WaitOutcome::Done)]);
    assert_eq!(rig.stage(), &Stage::Whole);
    let kept = told
        .iter()
        .position(|one| *one == LibraryAction::Keep { number: 1 });
    assert!(kept.is_some(), "the next run has to know that it is whole");
}

/// A disk is full in mid transfer: nobody is told, and it is tried again until there is room.
///
/// Register: P5.
#[test]
fn a_full_disk_is_tried_again_and_nothing_is_lost() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(0);
    let told = rig.write(0, Err(fault(Cause::Full)));
    assert!(outcomes(&told).is_empty());
    assert_eq!(rig.node.had(DATA), None);
    assert!(rig.after(Span::from_secs(9)).is_empty());
    assert!(
        rig.after(RETRY)
            .contains(&LibraryAction::Prepare { number: 1 })
    );
    let told = rig.tell(LibraryInput::Prepared {
        number: 1,
        result: Err(fault(Cause::Full)),
    });
    assert!(
        outcomes(&told).is_empty(),
        "it has begun: it goes on waiting"
    );
    assert!(
        rig.after(RETRY)
            .contains(&LibraryAction::Prepare { number: 1 })
    );
    rig.prepare(2);
    assert_eq!(outcomes(&rig.finish(Ok(()))), [(1, WaitOutcome::Done)]);
}

/// A disk is full with half of a content on it: that half is given, and nothing is fetched, until
/// there is room. A disk that breaks gives nothing.
///
/// Register: P5.
#[test]
fn what_is_on_a_full_disk_is_given_until_there_is_room() {
    let wants = |rig: &Rig| rig.node.missing(DATA) != node::Missing::default();
    for (cause, has) in [(Cause::Full, Some(1)), (Cause::Disk, None)] {
        let mut rig = Rig::new();
        rig.get(HERE, 1);
        rig.describe(Ok(description(1)));
        rig.prepare(1);
        assert!(wants(&rig));
        rig.write(1, Err(fault(cause)));
        assert_eq!(rig.node.had(DATA).map(Bitfield::count), has);
        assert!(!wants(&rig), "nothing is fetched");
        // It is tried again, and what is there is given all the while.
        rig.after(RETRY);
        assert_eq!(rig.node.had(DATA).map(Bitfield::count), has);
        rig.prepare(1);
        assert!(wants(&rig), "the rest is wanted again");
        rig.write(1, Ok(()));
        assert_eq!(
            outcomes(&rig.finish(Ok(()))).len(),
            usize::from(has.is_some())
        );
    }
}

/// What a disk refuses before anything was written is said at once, and what breaks later too.
///
/// Register: P5, P7.
#[test]
fn who_waits_hears_of_a_disk_that_takes_nothing_or_breaks() {
    for (cause, begun, told_at_once) in [
        (Cause::Full, false, true),
        (Cause::Disk, false, true),
        (Cause::Disk, true, true),
        (Cause::InTheWay, true, true),
        (Cause::Full, true, false),
    ] {
        let mut rig = Rig::new();
        rig.get(HERE, 1);
        rig.describe(Ok(description(1)));
        let told = if begun {
            rig.prepare(0);
            rig.write(0, Err(fault(cause)))
        } else {
            let result = Err(fault(cause));
            rig.tell(LibraryInput::Prepared { number: 1, result })
        };
        assert_eq!(
            !outcomes(&told).is_empty(),
            told_at_once,
            "{cause:?} {begun}"
        );
    }
}

/// A manifest of one peer is wrong: that peer is blamed, and everybody is asked again.
///
/// Register: D11.
#[test]
fn a_liar_that_sent_all_of_a_manifest_is_blamed_and_the_right_one_is_taken() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    let transfer = MANIFEST;
    let senders = vec![A];
    rig.tell(LibraryInput::Writing { transfer, senders });
    let parts = Vec::new();
    rig.tell(LibraryInput::Written {
        transfer,
        chunk: ChunkIndex(0),
        from: A,
        parts,
        result: Ok(()),
    });
    let told = rig.describe(Err(ManifestFault::Wrong));
    assert!(told.contains(&LibraryAction::Blame { peer: A }), "{told:?}");
    let (number, bytes) = (1, 100);
    assert!(told.contains(&LibraryAction::ForgetManifest { number, bytes }));
    assert_eq!(rig.stage(), &Stage::Describing);
    let told = rig.describe(Ok(description(1)));
    assert!(told.contains(&LibraryAction::Prepare { number }));
}

/// An offer says how long a content is, and so does its manifest: both are held against the quota.
#[test]
fn a_push_over_quota_is_refused_by_its_offer_or_ended_by_its_manifest() {
    let quota = Some(5_000);
    assert_eq!(
        verdicts(&Rig::new().offer(4_901, quota)),
        [OfferVerdict::Quota]
    );
    let mut rig = Rig::new();
    rig.meets(A);
    assert_eq!(verdicts(&rig.offer(4_900, quota)), [OfferVerdict::Accepted]);
    let told = rig.describe(Ok(description(4_901)));
    assert_eq!(verdicts(&told), [OfferVerdict::Quota]);
    assert!(rig.library.get(1).is_none(), "nothing is left of it");
    assert_eq!(verdicts(&rig.offer(4_900, quota)), [OfferVerdict::Accepted]);
}

/// Register: H2.
#[test]
fn who_may_not_push_learns_nothing_of_what_is_here() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    let offer = Offer {
        content: ID,
        manifest_bytes: 100,
        bytes: 1,
        name: "a".into(),
    };
    let said = rig.tell(LibraryInput::Offer {
        peer: B,
        offer: Box::new(offer),
        has_memory: true,
    });
    assert_eq!(verdicts(&said), [OfferVerdict::NotAccepted]);
}

/// The session ends while the disk is looked at: the peer offers again in its next.
#[test]
fn an_offer_of_a_session_that_ended_is_no_longer_answered() {
    let mut rig = Rig::new();
    let grant = Some(PushGrant {
        folder: Some(HERE),
        quota: None,
    });
    let (peer, key) = (A, KEY);
    rig.tell(LibraryInput::Grant { peer, key, grant });
    let offer = Box::new(Offer {
        content: ID,
        manifest_bytes: 100,
        bytes: 1,
        name: "a".into(),
    });
    let has_memory = true;
    let asked = rig.tell(LibraryInput::Offer {
        peer,
        offer,
        has_memory,
    });
    let [LibraryAction::Look { offer, .. }] = asked[..] else {
        panic!("{asked:?}");
    };
    rig.tell(LibraryInput::Disconnected { peer });
    let disk = Some(Disk {
        free: 1_000_000,
        device: None,
    });
    let said = rig.tell(LibraryInput::Looked {
        offer,
        disk,
        has_memory,
    });
    assert!(said.is_empty(), "{said:?}");
}

/// One folder at a time: the second wish waits, and has its turn when the first is whole.
#[test]
fn a_second_folder_waits_for_the_first_and_both_are_told() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(0);
    assert!(rig.get(THERE, 2).is_empty());
    let told = rig.finish(Ok(()));
    assert_eq!(outcomes(&told), [(1, WaitOutcome::Done)]);
    assert!(told.contains(&LibraryAction::Prepare { number: 1 }));
    let have = Bitfield::full(4);
    let (whole_in, device) = (vec![HERE], Some(1));
    let result = Ok(Prepared {
        have,
        whole_in,
        device,
    });
    let told = rig.tell(LibraryInput::Prepared { number: 1, result });
    assert!(told.contains(&LibraryAction::Finish { number: 1 }));
    let result = Ok(());
    let told = rig.tell(LibraryInput::Finished { number: 1, result });
    assert_eq!(outcomes(&told), [(2, WaitOutcome::Done)]);
    let kept = rig.library.get(1).unwrap().kept();
    assert_eq!(kept.placement.folder, THERE);
    assert_eq!(kept.whole_in.len(), 1);
}

/// A person pauses at each stage, and says that it should go on: it always does, and an outcome
/// that came meanwhile changes nothing.
#[test]
fn a_pause_at_any_stage_is_survived() {
    for stop in 0..4 {
        let mut rig = Rig::new();
        let (number, paused) = (1, true);
        rig.get(HERE, 1);
        for step in 0..4 {
            if step == stop {
                rig.tell(LibraryInput::Paused { number, paused });
                assert_eq!(rig.stage(), &Stage::Paused(None));
                assert!(rig.after(RETRY).is_empty(), "only a person lets it go on");
                let paused = false;
                rig.tell(LibraryInput::Paused { number, paused });
            }
            match step {
                0 => drop(rig.describe(Ok(description(1)))),
                1 => drop(rig.prepare(0)),
                2 => drop(rig.write(0, Ok(()))),
                _ => {
                    if *rig.stage() == Stage::Checking {
                        rig.prepare(4);
                    }
                    rig.tell(LibraryInput::Complete { transfer: DATA });
                    let result = Ok(());
                    rig.tell(LibraryInput::Finished { number, result });
                }
            }
        }
        assert_eq!(rig.stage(), &Stage::Whole, "paused before step {stop}");
    }
}

/// It is paused while its whole manifest is read, and goes on afterwards: the manifest is read
/// again, for nobody sends one that is here.
#[test]
fn a_manifest_that_was_read_during_a_pause_is_not_waited_for() {
    for is_read_late in [true, false] {
        let mut rig = Rig::new();
        rig.get(HERE, 1);
        let (number, transfer) = (1, MANIFEST);
        rig.tell(LibraryInput::Complete { transfer });
        let mut paused = true;
        rig.tell(LibraryInput::Paused { number, paused });
        let read = LibraryInput::Described {
            number,
            attempt: 0,
            result: Ok(description(1)),
        };
        if is_read_late {
            rig.tell(read.clone());
        }
        paused = false;
        let told = rig.tell(LibraryInput::Paused { number, paused });
        let prepare = LibraryAction::Prepare { number };
        if is_read_late {
            assert!(told.contains(&prepare), "{told:?}");
        } else {
            let attempt = 0;
            assert!(told.contains(&LibraryAction::Describe { number, attempt }));
            assert!(rig.tell(read).contains(&prepare));
        }
    }
}

/// The process is killed between any two steps. What the next run remembers leads to the end, and
/// nothing is said to be whole that is not.
///
/// Register: P1, P12.
#[test]
fn a_kill_between_any_two_steps_leads_to_the_same_end() {
    for killed_after in 0..5 {
        let mut rig = Rig::new();
        rig.get(HERE, 1);
        let mut kept = rig.library.get(1).unwrap().kept();
        let mut known = None;
        for step in 0..killed_after {
            let done = match step {
                0 => {
                    known = Some(description(1));
                    rig.describe(Ok(description(1)))
                }
                1 => rig.prepare(0),
                2 => rig.write(0, Ok(())),
                3 => rig.finish(Ok(())),
                _ => Vec::new(),
            };
            if done.contains(&LibraryAction::Keep { number: 1 }) {
                kept = rig.library.get(1).unwrap().kept();
            }
        }
        let is_whole = rig.stage() == &Stage::Whole;
        assert_eq!(kept.placement.role.is_whole(), is_whole);
        let mut next = Rig::new();
        let asked = next.tell(LibraryInput::Remember {
            content: ID,
            kept,
            description: known,
        });
        if known.is_none() {
            next.describe(Ok(description(1)));
        } else {
            assert!(asked.contains(&LibraryAction::Prepare { number: 1 }));
        }
        next.prepare(4);
        if !is_whole {
            let result = Ok(());
            next.tell(LibraryInput::Finished { number: 1, result });
        }
        assert_eq!(next.stage(), &Stage::Whole, "killed after {killed_after}");
    }
}

/// Nobody who is connected has what is missing: who waits is told after a minute, once.
#[test]
fn a_wait_for_what_nobody_has_ends_and_the_content_goes_on() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(0);
    let standings = vec![(A, Standing::Connected)];
    let tick = LibraryInput::Tick { standings };
    assert!(rig.tell(tick.clone()).is_empty());
    rig.now = Time::ZERO + Span::from_secs(60);
    assert_eq!(
        outcomes(&rig.tell(tick.clone())),
        [(1, WaitOutcome::Missing)]
    );
    assert!(rig.tell(tick).is_empty());
    assert_eq!(rig.stage(), &Stage::Moving);
}

/// A recipient that is busy is asked again; one that cannot be reached is given up.
#[test]
fn a_push_is_over_when_every_recipient_has_said_its_last_word() {
    let mut rig = Rig::new();
    rig.tell(LibraryInput::Found {
        content: ID,
        manifest_bytes: 100,
        description: description(1),
        folder: HERE,
    });
    let (number, waiter) = (1, Waiter(4));
    let peers = vec![A, B];
    rig.tell(LibraryInput::Push {
        number,
        peers,
        waiter,
    });
    rig.prepare(4);
    let offer = LibraryAction::Offer { peer: A, number };
    rig.node.handle(
        node::Input::Connected {
            peer: A,
            outbound: true,
        },
        rig.now,
    );
    assert!(
        rig.tell(LibraryInput::Connected { peer: A })
            .contains(&offer)
    );
    let says = |verdict| LibraryInput::Verdict {
        peer: A,
        content: ID,
        verdict,
    };
    rig.tell(says(OfferVerdict::Busy));
    assert!(rig.after(Span::from_secs(9)).is_empty());
    rig.after(Span::from_secs(1));
    assert!(rig.after(Span::from_secs(1)).contains(&offer));
    rig.tell(says(OfferVerdict::Done));
    let told = rig.after(Span::from_secs(30));
    let [(4, WaitOutcome::Pushed { recipients, .. })] = &outcomes(&told)[..] else {
        panic!("{told:?}");
    };
    let last: Vec<_> = recipients.iter().map(|one| one.verdict).collect();
    assert_eq!(last, [Some(OfferVerdict::Done), Some(OfferVerdict::Failed)]);
}

/// Everybody who waits for a content, in any folder, hears that it was cancelled.
#[test]
fn a_cancel_tells_everybody_and_forgets_it() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.get(THERE, 2);
    let told = rig.tell(LibraryInput::Cancel { number: 1 });
    let cancelled = |waiter| (waiter, WaitOutcome::Cancelled);
    assert_eq!(outcomes(&told), [cancelled(1), cancelled(2)]);
    assert!(told.contains(&LibraryAction::Forget { number: 1 }));
    assert!(rig.library.find(&ID).is_none());
    assert_eq!(rig.node.had(MANIFEST), None);
}

/// Nobody sends the rest of a push: what is on disk waits, and its memory is given back.
#[test]
fn a_push_that_nobody_feeds_is_set_aside_until_it_is_offered_again() {
    let mut rig = Rig::new();
    rig.meets(A);
    rig.offer(4_000, None);
    rig.describe(Ok(description(4_096)));
    rig.prepare(1);
    rig.node
        .handle(node::Input::Disconnected { peer: A }, rig.now);
    rig.tell(LibraryInput::Disconnected { peer: A });
    let told = rig.after(Span::from_secs(60));
    assert_eq!(verdicts(&told), [OfferVerdict::Failed]);
    assert!(matches!(rig.stage(), Stage::Failed(_)));
    let (number, peer, bytes) = (1, None, 0);
    assert!(told.contains(&LibraryAction::Charge {
        number,
        peer,
        bytes
    }));
    rig.meets(A);
    assert_eq!(verdicts(&rig.offer(4_000, None)), [OfferVerdict::Accepted]);
    assert_eq!(rig.stage(), &Stage::Describing);
}

/// Chunks are made durable one call at a time, and only while chunks come.
#[test]
fn chunks_are_synced_while_they_come_and_never_twice_at_once() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    let number = 1;
    assert!(rig.tell(LibraryInput::SyncDue { number }).is_empty());
    rig.describe(Ok(description(1)));
    rig.prepare(0);
    let due = LibraryInput::SyncDue { number };
    assert_eq!(rig.tell(due.clone()), [LibraryAction::Sync { number }]);
    assert!(rig.tell(due.clone()).is_empty());
    let result = Ok(());
    rig.tell(LibraryInput::Synced { number, result });
    assert_eq!(rig.tell(due), [LibraryAction::Sync { number }]);
}
