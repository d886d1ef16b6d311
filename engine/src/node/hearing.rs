//! What sessions tell: messages, chunks, blocks that have left, and their ends.
//!
//! Decides nothing: each piece of news is one input of the core, or concerns tables that the
//! core does not have.

use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::library::{self, Stage};
use fairhaul_core::message::CloseCode;
use fairhaul_core::node::{Event, Input};
use fairhaul_core::units::ByteCount;
use tracing::{debug, info, warn};

use super::host::Host;
use crate::content::path::shown;
use crate::session::{End, Heard, News, Seat};
use crate::store::ReadError;

impl Host {
    /// News of a session; of one that is over it counts no longer.
    pub(super) fn news(&mut self, seat: Seat, news: News) {
        let link = self.peers.link(seat.peer);
        if link.is_none_or(|link| link.serial != seat.serial) {
            return;
        }
        match news {
            News::Heard {
                heard, received, ..
            } => {
                for (transfer, bytes) in received {
                    self.count_received(seat.peer, transfer, bytes);
                }
                for one in heard {
                    // An offence among these ends the session: the rest counts no longer.
                    if self.peers.link(seat.peer).is_none() {
                        break;
                    }
                    self.heard(seat.peer, one);
                }
                self.hush(seat.peer);
                self.count_claims(seat.peer);
            }
            News::Sent {
                transfer,
                len,
                beside,
            } => {
                let peer = seat.peer;
                self.peers.at_mut(peer).traffic.up += len.get();
                self.count_sent(peer, len.get() + beside);
                self.tell(Input::Sent { peer, len });
                if beside > 0 {
                    let len = ByteCount::new(beside);
                    let transfer = Some(transfer);
                    self.tell(Input::Overhead {
                        peer,
                        transfer,
                        len,
                    });
                }
            }
            News::Stalled => self.tell(Input::Stalled { peer: seat.peer }),
            News::Unreadable {
                transfer,
                chunk,
                len,
                why,
            } => {
                let peer = seat.peer;
                self.tell(Input::Sent { peer, len });
                let input = if self.unreadable(transfer, &why) {
                    Input::Lost { transfer, chunk }
                } else {
                    Input::Withdraw { transfer, chunk }
                };
                self.tell(input);
            }
            News::Ended(end) => self.ended(seat.peer, end),
        }
    }

    /// A peer that says too much is not read for a while (limit L6).
    fn hush(&self, peer: PeerId) {
        if let (Some(link), Some(until)) = (self.peers.link(peer), self.core.lull(peer)) {
            let until = self.clock.instant(until);
            link.shared.hush(tokio::time::Instant::from_std(until));
        }
    }

    /// Brings the books in line with the bitfields that the core keeps of a peer (limit L4).
    pub(super) fn count_claims(&mut self, peer: PeerId) {
        let claimed = self.core.claimed(peer).get();
        if let Some(link) = self.peers.link_mut(peer) {
            link.claimed.resize(claimed);
        }
    }

    fn heard(&mut self, peer: PeerId, heard: Heard) {
        self.tell(match heard {
            Heard::Skipped => Input::Skipped { peer },
            Heard::Message(message) => Input::Message { peer, message },
        });
    }

    fn count_sent(&mut self, peer: PeerId, bytes: u64) {
        if let Some(counters) = &self.peers.at(peer).counters {
            counters.sent.inc_by(bytes);
            counters.blocks.inc();
        }
    }

    /// Bytes of a transfer came, if it is one of ours.
    fn count_received(&mut self, peer: PeerId, transfer: Option<TransferId>, bytes: u64) {
        self.peers.at_mut(peer).traffic.down += bytes;
        if let Some(transfer) = transfer {
            let received = library::Input::Received { transfer };
            self.for_library.push_back(received);
        }
        let data = transfer.filter(|transfer| transfer.0.is_multiple_of(2));
        if let Some(number) = data.map(|transfer| transfer.0 / 2) {
            self.watch.moved(peer, number, 0, bytes);
            let now = self.clock.now();
            if let Some(row) = self.contents.row_mut(number) {
                row.counts.first_byte.get_or_insert(now);
            }
        }
        if let Some(counters) = &self.peers.at(peer).counters {
            counters.received.inc_by(bytes);
        }
    }

    /// A chunk that we have cannot be read, or is no longer what it was. Whether it is fetched
    /// again: only into a folder that is being filled, for what lies in the others belongs to who
    /// put it there.
    fn unreadable(&mut self, transfer: TransferId, why: &ReadError) -> bool {
        let number = transfer.0 / 2;
        let Some((content, is_manifest)) = self.contents.library().of(transfer) else {
            return true;
        };
        let again = is_manifest || *content.stage() == Stage::Moving;
        let file = match why {
            ReadError::Changed { path, .. } | ReadError::Io { path, .. } => path.as_str(),
            // It was told when the chunk was found missing.
            ReadError::Absent(_) | ReadError::Range { .. } => "",
        };
        let row = self.contents.row_mut(number);
        if let Some(row) = row.filter(|_| !file.is_empty())
            && row.is_news(file)
        {
            warn!(content = %row.name, %why, "chunks are withdrawn");
            self.watch.trouble(number, why.to_string());
        }
        again
    }

    /// A session is over, and not because we ended it.
    fn ended(&mut self, peer: PeerId, end: End) {
        let row = self.peers.at_mut(peer);
        let name = row.name.clone();
        let reason = match end {
            End::Closed => "the peer ended the connection".to_owned(),
            End::Broken(error) => error.to_string(),
            End::Offence(why) => {
                self.close(peer, why);
                return self.drain();
            }
        };
        info!(peer = %name, reason, "disconnected");
        if let Some(link) = self.peers.at_mut(peer).link.take() {
            self.parted(peer, &link, reason);
        }
        self.drain();
    }

    /// Something that the core wants people or the shell to know.
    pub(super) fn notice(&mut self, event: Event) {
        match event {
            Event::Complete(transfer) => {
                let complete = library::Input::Complete { transfer };
                self.for_library.push_back(complete);
            }
            Event::Text(peer, text) => {
                let name = self.peers.at(peer).name.clone();
                info!(peer = %name, text = %shown(&text), "text");
                self.watch.text(name, text.into());
            }
            Event::Pong(peer, number) => self.ponged(peer, number),
            Event::Wasted(peer, len) => {
                self.watch.wasted += len.get();
                let name = &self.peers.at(peer).name;
                debug!(peer = %name, bytes = len.get(), "came in vain");
            }
            Event::Closed(peer, code, text) => {
                let name = &self.peers.at(peer).name;
                info!(peer = %name, ?code, text = %shown(&text), "closed by the peer");
                if code == CloseCode::Revoked {
                    warn!(peer = %name, "the peer no longer accepts this node");
                }
                // It need not hold its place until it hangs up.
                let why = format!("the peer closed: {code:?}");
                self.leaving.push((peer, why));
            }
            Event::Offer(peer, offer) => {
                let has_memory = self.budget.books().admits(peer, offer.manifest_bytes);
                self.for_library.push_back(library::Input::Offer {
                    peer,
                    offer,
                    has_memory,
                });
            }
            Event::Verdict(peer, content, verdict) => {
                self.for_library.push_back(library::Input::Verdict {
                    peer,
                    content,
                    verdict,
                });
            }
            Event::WantAddresses(peer) => self.wants_addresses(peer),
            Event::Addresses(peer, known) => self.told_addresses(peer, &known),
        }
    }
}
