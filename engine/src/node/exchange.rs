//! Address exchange: whom peers ask about, and what they tell.
//!
//! Carries the facts to `fairhaul_core::door::addresses`, which decides what to believe and what
//! to pass on.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use fairhaul_core::id::PeerId;
use fairhaul_core::message::{Known, Message};
use fairhaul_core::node::Input;

use super::host::Host;
use super::peers::Link;

impl Host {
    /// A peer asks whom we know.
    pub(super) fn wants_addresses(&mut self, peer: PeerId) {
        let now = self.clock.now();
        if !self.doors.exchange {
            return;
        }
        let key = *self.peers.at(peer).key.as_bytes();
        let own = self.known_links(peer);
        for (key, at) in own {
            self.doors.addresses.worked(key, at, now);
        }
        if let Some(known) = self.doors.addresses.share(key, now)
            && !known.is_empty()
        {
            let message = Message::Addresses(known);
            self.later.push_back(Input::Say { peer, message });
        }
    }

    /// Where the peers that we dialled are, but for one.
    fn known_links(&self, but: PeerId) -> Vec<([u8; 32], SocketAddr)> {
        let dialled = self
            .peers
            .linked()
            .filter(|(id, link)| *id != but && link.dialled);
        let of = |(id, link): (PeerId, &Link)| (*self.peers.at(id).key.as_bytes(), link.remote);
        dialled.map(of).collect()
    }

    /// A peer says whom it knows.
    pub(super) fn told_addresses(&mut self, peer: PeerId, known: &[Known]) {
        let now = self.clock.now();
        if !self.doors.exchange {
            return;
        }
        let teller = *self.peers.at(peer).key.as_bytes();
        self.vouched_for(&teller, known);
        self.doors
            .addresses
            .set_own(own_addresses(self.doors.listening.ip()));
        match self.doors.addresses.learn(teller, known, now) {
            Ok(learned) => {
                for (key, at) in learned.added {
                    self.doors.dialer.told(key, at, now);
                }
            }
            Err(_) => self.later.push_back(Input::Skipped { peer }),
        }
    }
}

fn own_addresses(listening: IpAddr) -> Vec<IpAddr> {
    let mut own = vec![listening];
    let socket = UdpSocket::bind("0.0.0.0:0");
    let out = socket.and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    own.extend(out.map(|out| out.ip()));
    own
}
