//! One run: hosts, links and faults in virtual time, from a setup to a record.
//!
//! Events are ordered by time, then by the order in which they were planned. A run ends with an
//! error when a law is broken.
//!
//! Longer than other files: it has the state of a run and the order of its events.

use std::collections::{BTreeMap, BTreeSet};

use fairhaul_core::id::PeerId;
use fairhaul_core::library as core_library;
use fairhaul_core::message::Message;
use fairhaul_core::node::{Action, Event as News, Input};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::Block;

use crate::event_queue::EventQueue;
use crate::fluid_reference::Ideal;
use crate::host::Host;
use crate::network::block::BlockNetwork;
use crate::network::fluid::FluidNetwork;
use crate::network::{Network, Outcome};
use crate::record::Record;
use crate::setup::{NetworkModel, Setup};
use crate::trace::{Trace, describe};

mod access;
mod adversary;
mod build;
mod check;
mod counters;
mod deliveries;
mod desk;
mod error;
mod faults;
mod finish;
mod library;
mod livelock;
mod seed_share;
mod swarm;
#[cfg(test)]
pub(crate) mod tests;
mod traffic;

use access::Access;
use adversary::Mask;
pub(crate) use build::largest_block;
use check::Checks;
use counters::Counters;
use deliveries::{Deliveries, Job};
pub use error::RunError;
use livelock::Livelock;
use swarm::Swarm;

/// Events between two looks at the laws of the network and at the progress display.
const CHECK_EVERY: u64 = 65_536;

/// With work left and no byte moved for this long, somebody waits for something that will
/// never come.
const STALL_AFTER: Span = Span::from_secs(6 * 3_600);

/// How far a run is, for a progress display.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Virtual time.
    pub now: Time,
    /// Events so far.
    pub events: u64,
    /// Bytes delivered so far.
    pub delivered: ByteCount,
}

/// Something that happens at a time.
#[derive(Debug)]
enum Event {
    /// A message arrives.
    Message {
        from: u32,
        to: u32,
        peer: PeerId,
        generation: u32,
        message: Message,
    },
    /// A core asked to be told the time.
    Timer(u32),
    /// The network has something to say.
    Network,
    /// A peer joins.
    Join(u32),
    /// A peer looks for neighbours.
    Meet(u32),
    /// A peer leaves.
    Leave(u32),
    /// A core ends a connection that stands still.
    Cut {
        from: u32,
        peer: PeerId,
        generation: u32,
    },
    /// An adversary looks at what it can do, if it still is in that life.
    Scheme { host: u32, life: u32 },
    /// An adversary may send what it held back.
    Release { host: u32, peer: PeerId },
    /// One peer connects to another again.
    Dial { from: u32, to: u32 },
    /// The source of a transfer makes it known.
    Offer(u32),
    /// The destination of a transfer asks for it.
    Start(u32),
    /// A finished transfer is forgotten at its source.
    Forget(u32),
    /// A fault strikes.
    Fault(u32),
    /// A window ends, of the given row of the setup.
    Window(u32),
    /// A content is pushed or asked for, of the given row of the setup.
    Deliver(u32),
    /// A disk changes, of the given row of the setup.
    DiskSpace(u32),
    /// The process of a host does something for its library, if it still is in that life. Boxed:
    /// the queue moves events, and a job is several times as large as any other.
    Desk(u32, u32, Box<Job>),
}

/// A block on its way.
#[derive(Clone, Debug)]
struct Flight {
    from: u32,
    to: u32,
    generation: u32,
    block: Block,
    sent: bool,
    live: bool,
    /// What was said on the connection since, and must not arrive before it.
    then: Vec<(Time, Message)>,
}

/// One run.
#[derive(Debug)]
pub(crate) struct World<'a> {
    setup: &'a Setup,
    now: Time,
    queue: EventQueue<Event>,
    network: Box<dyn Network>,
    /// What the links of each peer can do now.
    access: Vec<Access>,
    /// Bytes of each transfer that its source has still to hand out.
    unsent: Vec<u64>,
    network_at: Option<Time>,
    hosts: Vec<Host>,
    /// What stands before the core of each host that departs from the protocol.
    masks: Vec<Option<Box<Mask>>>,
    /// Identities that were found out: by whom, of whom, which.
    bans: BTreeSet<(u32, u32, u32)>,
    /// Where each host is, apart from all that is known of it: every message asks.
    regions: Vec<u32>,
    flights: Vec<Flight>,
    free: Vec<u64>,
    swarm: Swarm,
    /// Transfers that wait for a peer that is away.
    waiting: BTreeMap<u32, Vec<u32>>,
    counters: Counters,
    deliveries: Deliveries,
    ideal: Ideal,
    checks: Checks,
    livelock: Livelock,
    trace: Trace,
    actions: Vec<Action>,
    inputs: Vec<(u32, Input)>,
    outcomes: Vec<Outcome>,
    events: u64,
    steps: u64,
    moved_at: Time,
}

/// Runs `setup` to its end. `progress` is called now and then.
///
/// # Errors
///
/// A broken law, a run that cannot go on, or a budget that is used up; each names who.
pub fn run(setup: &Setup, progress: &mut dyn FnMut(Progress)) -> Result<Record, RunError> {
    let mut world = World::new(setup)?;
    world.go(progress)?;
    world.finish()
}

impl<'a> World<'a> {
    fn new(setup: &'a Setup) -> Result<Self, RunError> {
        let mut network: Box<dyn Network> = match setup.network {
            NetworkModel::Block { window } => Box::new(BlockNetwork::new(window)),
            NetworkModel::Fluid => Box::new(FluidNetwork::of(setup)),
        };
        build::links(setup, network.as_mut());
        let mut world = Self {
            setup,
            now: Time::ZERO,
            queue: EventQueue::default(),
            network,
            network_at: None,
            access: setup.peers.iter().map(Access::of).collect(),
            unsent: vec![0; setup.transfers.len()],
            hosts: setup.peers.iter().map(|_| Host::default()).collect(),
            masks: Mask::all(setup),
            bans: BTreeSet::new(),
            regions: setup.peers.iter().map(|peer| peer.region).collect(),
            flights: Vec::new(),
            free: Vec::new(),
            swarm: Swarm::new(setup),
            waiting: BTreeMap::new(),
            counters: Counters::new(setup),
            deliveries: Deliveries::new(setup),
            ideal: Ideal::new(setup),
            checks: Checks::new(setup),
            livelock: Livelock::new(setup),
            trace: Trace::new(),
            actions: Vec::new(),
            inputs: Vec::new(),
            outcomes: Vec::new(),
            events: 0,
            steps: 0,
            moved_at: Time::ZERO,
        };
        world.plan();
        Ok(world)
    }

    /// Puts everything that the setup plans into the queue.
    fn plan(&mut self) {
        for (row, peer) in rows(&self.setup.peers) {
            self.queue.push(peer.join, Event::Join(row));
            if let Some(leave) = peer.leave {
                self.queue.push(leave, Event::Leave(row));
            }
        }
        for (row, transfer) in rows(&self.setup.transfers) {
            self.queue
                .push(self.offer_time(transfer), Event::Offer(row));
            self.queue.push(transfer.start, Event::Start(row));
        }
        for (row, fault) in rows(&self.setup.faults) {
            self.queue.push(fault.at, Event::Fault(row));
        }
        for (row, window) in rows(&self.setup.windows) {
            self.queue.push(Time::ZERO + *window, Event::Window(row));
        }
        self.plan_deliveries();
    }

    fn go(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), RunError> {
        while let Some((at, event)) = self.queue.pop() {
            if at > self.setup.horizon || self.is_done() {
                break;
            }
            let is_new_instant = at != self.now;
            if is_new_instant {
                self.check_instant()?;
            }
            self.now = at;
            self.events += 1;
            let more = self.queue.len_at_present();
            if !self.livelock.goes_on(is_new_instant, more) {
                return Err(RunError::Livelock {
                    at,
                    event: format!("{event:?}"),
                });
            }
            if self.events > self.setup.event_budget {
                return Err(RunError::Budget {
                    at,
                    budget: self.setup.event_budget,
                });
            }
            self.happen(event)?;
            self.watch_network();
            if self.events.is_multiple_of(CHECK_EVERY) {
                self.network.check(self.now).map_err(RunError::Network)?;
                let delivered = self.counters.delivered();
                progress(Progress {
                    now: self.now,
                    events: self.events,
                    delivered,
                });
            }
        }
        let is_over = self.is_done() || self.stands_still();
        if self.now < self.setup.horizon && !is_over && self.queue.is_empty() {
            return Err(self.stuck());
        }
        self.check_instant()?;
        self.network.check(self.now).map_err(RunError::Network)
    }

    fn happen(&mut self, event: Event) -> Result<(), RunError> {
        match event {
            Event::Message {
                from,
                to,
                peer,
                generation,
                message,
            } => {
                if self.hosts[to as usize].hears(peer, generation) {
                    self.trace.event(self.now, 1, from, to, describe(&message));
                    self.hear(to, peer, message);
                }
            }
            Event::Timer(host) => {
                if self.hosts[host as usize].timer == Some(self.now) {
                    self.hosts[host as usize].timer = None;
                    self.trace.event(self.now, 2, host, 0, [0; 2]);
                    self.tell(host, Input::Tick);
                }
            }
            Event::Network => self.network_event()?,
            Event::Join(peer) => {
                self.moved_at = self.now;
                self.join(peer);
            }
            Event::Meet(peer) => self.meet_neighbours(peer),
            Event::Leave(peer) => {
                self.go_away(peer);
                self.counters.gone(self.setup, peer);
            }
            Event::Cut {
                from,
                peer,
                generation,
            } => self.cut(from, peer, generation),
            Event::Scheme { host, life } => self.scheme(host, life),
            Event::Release { host, peer } => self.release_held(host, peer),
            Event::Dial { from, to } => self.dial(from, to),
            Event::Offer(transfer) => self.offer(transfer),
            Event::Start(transfer) => {
                self.moved_at = self.now;
                self.start(transfer);
            }
            Event::Forget(transfer) => self.forget(transfer),
            Event::Fault(fault) => {
                self.moved_at = self.now;
                self.fault(fault);
            }
            Event::Window(row) => self.window(row),
            Event::Deliver(row) => self.deliver(row),
            Event::DiskSpace(row) => self.disk_space(row),
            Event::Desk(host, life, job) => self.job(host, life, *job),
        }
        Ok(())
    }

    /// A message has arrived. That an adversary hears it may have consequences of its own.
    fn hear(&mut self, host: u32, peer: PeerId, message: Message) {
        if !self.is_adversary(host) {
            return self.tell(host, Input::Message { peer, message });
        }
        if self.overhear(host, peer, &message) {
            let heard = message.clone();
            self.tell(host, Input::Message { peer, message });
            self.heard(host, peer, &heard);
        }
    }

    /// Tells a core what happened, and does all that follows at this instant.
    fn tell(&mut self, host: u32, input: Input) {
        let mut inputs = std::mem::take(&mut self.inputs);
        let mut actions = std::mem::take(&mut self.actions);
        inputs.push((host, input));
        // A stack, not a recursion: a stored chunk may follow a block, and so on.
        while let Some((host, input)) = inputs.pop() {
            self.steps += 1;
            if !self.hosts[host as usize].handle(input, self.now, &mut actions) {
                continue;
            }
            self.checks.touch(host);
            for action in actions.drain(..) {
                self.act(host, action, &mut inputs);
            }
            if inputs.last().is_none_or(|(next, _)| *next != host)
                && let Some(at) = self.hosts[host as usize].rearm(self.now)
            {
                self.queue.push(at, Event::Timer(host));
            }
        }
        self.inputs = inputs;
        self.actions = actions;
    }

    fn act(&mut self, host: u32, action: Action, inputs: &mut Vec<(u32, Input)>) {
        match action {
            Action::Send { peer, message } if self.is_adversary(host) => {
                self.say_masked(host, peer, message, inputs);
            }
            Action::Send { peer, message } => self.say(host, peer, message),
            Action::Upload(block) if self.keeps_back(host, block, inputs) => {}
            Action::Upload(block) => {
                if !self.upload(host, block) {
                    inputs.push((host, Input::Stalled { peer: block.peer }));
                }
                self.gave(host, &block);
            }
            Action::Store {
                transfer,
                chunk,
                from,
                parts,
            } if self.deliveries.own(transfer) => {
                self.receive(host, (transfer, chunk), from, parts);
            }
            Action::Store {
                transfer,
                chunk,
                from,
                parts,
            } if self.is_garbage(host, &parts) => inputs.push((
                host,
                Input::Rejected {
                    transfer,
                    chunk,
                    from,
                },
            )),
            Action::Store {
                transfer,
                chunk,
                from,
                parts,
            } => {
                self.store(host, transfer, &parts);
                self.vouch(host, (transfer, chunk), &parts);
                inputs.push((
                    host,
                    Input::Stored {
                        transfer,
                        chunk,
                        from,
                    },
                ));
            }
            Action::Close { peer, why } if why.is_timeout() => {
                let generation = self.hosts[host as usize].links[peer.index()].generation;
                let cut = Event::Cut {
                    from: host,
                    peer,
                    generation,
                };
                // After all that the core wants done at this instant.
                self.queue.push(self.now, cut);
            }
            Action::Close { peer, why } => self.accuse(host, peer, why),
            Action::Notify(news) => inputs.extend(self.notice(host, news).map(|one| (host, one))),
            Action::Resume { .. } | Action::Discard { .. } | Action::Name { .. } => {}
        }
    }

    /// A core has news. What it hears of that at once.
    fn notice(&mut self, host: u32, news: News) -> Option<Input> {
        let for_library = match news {
            News::Complete(transfer) if self.deliveries.own(transfer) => {
                core_library::LibraryInput::Complete { transfer }
            }
            News::Complete(transfer) => return self.completed(host, transfer),
            News::Wasted(_, bytes) => {
                self.counters.wasted(host, bytes);
                return None;
            }
            News::Offer(peer, offer) => core_library::LibraryInput::Offer {
                peer,
                offer,
                has_memory: true,
            },
            News::Verdict(peer, content, verdict) => core_library::LibraryInput::Verdict {
                peer,
                content,
                verdict,
            },
            _ => return None,
        };
        self.library_hears(host, for_library);
        None
    }

    /// Whether everybody who can still want something has it.
    fn is_done(&self) -> bool {
        self.counters.open_work() == 0 && self.deliveries.are_over()
    }
}

/// Rows of a table with their numbers.
fn rows<T>(table: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (0..).zip(table)
}

fn index(id: u64) -> usize {
    usize::try_from(id).expect("an id is a place in a table")
}
