//! Reads what the system has measured of a connection: round trips and acknowledged bytes.
//!
//! Asks for the `tcp_info` of one connection by its two addresses, as `ss -i` does (sock_diag(7)).
//! An answer that is shorter than its header announces is refused. Needs no rights; a connection of
//! another network namespace is not found.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use fairhaul_core::time::Span;
use fairhaul_core::units::ByteCount;
use rustix::io::{Errno, Result};
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

/// Type of request and answer (`SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h).
const BY_FAMILY: u16 = 20;
/// The flag of every request (`NLM_F_REQUEST` of linux/netlink.h).
const REQUEST: u16 = 1;
/// Families and protocol as the kernel numbers them.
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
/// The attribute with `tcp_info` (`INET_DIAG_INFO` of linux/inet_diag.h).
const INFO: u16 = 2;
/// Bytes of `nlmsghdr`, of `inet_diag_req_v2` and of `inet_diag_msg`.
const HEAD: usize = 16;
const ASKED: usize = 56;
const ANSWER: usize = 72;
/// Where `tcp_info` (linux/tcp.h) has the smoothed round trip, the bytes acknowledged and the
/// least round trip.
const RTT: usize = 68;
const ACKED: usize = 120;
const LEAST: usize = 148;
/// Longest answer: a few hundred bytes today.
const ANSWER_MAX: usize = 4_096;

/// What was measured of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    /// The smoothed round trip; zero before the first one.
    pub(super) rtt: Span,
    /// The least one of the last minutes.
    pub(super) least: Span,
    /// Bytes acknowledged since the connection was made.
    pub(super) acked: ByteCount,
}

/// A way to ask.
#[derive(Debug)]
pub(super) struct Probe {
    socket: OwnedFd,
    serial: u32,
    buffer: Vec<u8>,
}

impl Probe {
    /// # Errors
    ///
    /// Where the system does not answer such questions.
    pub(super) fn new() -> Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            flags,
            Some(SOCK_DIAG),
        )?;
        Ok(Self {
            socket,
            serial: 0,
            buffer: vec![0; ANSWER_MAX],
        })
    }

    /// What was measured between `local` and `remote`. The kernel answers before this returns.
    ///
    /// # Errors
    ///
    /// If there is no such connection, or the system does not say.
    pub(super) fn ask(&mut self, local: SocketAddr, remote: SocketAddr) -> Result<Measured> {
        self.serial = self.serial.wrapping_add(1);
        let request = request(local, remote, self.serial);
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, &request, SendFlags::empty(), &kernel)?;
        loop {
            let (len, _) = recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT)?;
            let answer = self.buffer.get(..len).ok_or(Errno::MSGSIZE)?;
            // What answers an older question is late, and of no use.
            if word(answer, 8) == Some(self.serial) {
                return measured(answer).ok_or(Errno::NOENT);
            }
        }
    }
}

/// The question after the connection between two addresses.
fn request(local: SocketAddr, remote: SocketAddr, serial: u32) -> [u8; HEAD + ASKED] {
    let (from, to) = (local.ip().to_canonical(), remote.ip().to_canonical());
    let mut out = [0; HEAD + ASKED];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &72_u32.to_ne_bytes());
    put(4, &BY_FAMILY.to_ne_bytes());
    put(6, &REQUEST.to_ne_bytes());
    put(8, &serial.to_ne_bytes());
    put(HEAD, &[if from.is_ipv4() { INET } else { INET6 }, TCP]);
    put(HEAD + 2, &[1 << (INFO - 1)]);
    put(HEAD + 4, &u32::MAX.to_ne_bytes());
    put(HEAD + 8, &local.port().to_be_bytes());
    put(HEAD + 10, &remote.port().to_be_bytes());
    for (at, ip) in [(HEAD + 12, from), (HEAD + 28, to)] {
        match ip {
            IpAddr::V4(ip) => put(at, &ip.octets()),
            IpAddr::V6(ip) => put(at, &ip.octets()),
        }
    }
    // No cookie: whichever connection it is.
    put(HEAD + 48, &[0xff; 8]);
    out
}

/// Finds `tcp_info` among the attributes of an answer; none if there is none.
fn measured(answer: &[u8]) -> Option<Measured> {
    if half(answer, 4)? != BY_FAMILY {
        return None;
    }
    let mut rest = answer.get(HEAD + ANSWER..)?;
    loop {
        let len = usize::from(half(rest, 0)?);
        let value = rest.get(4..len)?;
        if half(rest, 2)? == INFO {
            return info(value);
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
}

fn info(info: &[u8]) -> Option<Measured> {
    let micros = |at| Some(Span::from_micros(u64::from(word(info, at)?)));
    let acked = info.get(ACKED..ACKED + 8)?.try_into().ok()?;
    Some(Measured {
        rtt: micros(RTT)?,
        least: micros(LEAST)?,
        acked: ByteCount::new(u64::from_ne_bytes(acked)),
    })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_ne_bytes(bytes))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// 1,000 bytes over loopback, by the addresses of both families: what was acknowledged is
    /// at least that, and the round trip at least the least one.
    #[test]
    fn the_kernel_says_what_a_connection_has_measured() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let mut out = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut come, _) = listener.accept().unwrap();
            let mut bytes = [7; 1_000];
            out.write_all(&bytes).unwrap();
            come.read_exact(&mut bytes).unwrap();
            // An answer of the other side acknowledges all of it.
            come.write_all(&[1]).unwrap();
            out.read_exact(&mut [0]).unwrap();
            let (local, remote) = (out.local_addr().unwrap(), out.peer_addr().unwrap());
            let mut probe = Probe::new().unwrap();
            for _ in 0..3 {
                let measured = probe.ask(local, remote).unwrap();
                assert!(
                    (1_000..1_002).contains(&measured.acked.get()),
                    "{measured:?}"
                );
                assert!(measured.least <= measured.rtt, "{measured:?}");
                assert!(measured.rtt < Span::from_secs(1), "{measured:?}");
            }
            drop((out, come, listener));
            assert!(probe.ask(remote, remote).is_err(), "nobody is connected so");
        }
    }

    #[test]
    fn an_answer_that_is_cut_anywhere_is_refused() {
        let mut answer = vec![0; HEAD + ANSWER];
        answer[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        answer.extend([5, 0, 8, 0, 9, 0, 0, 0]);
        answer.extend([4 + 160, 0, 2, 0]);
        answer.extend([3; 160]);
        assert!(measured(&answer).is_some());
        for len in 0..answer.len() {
            assert_eq!(measured(&answer[..len]), None, "{len} bytes");
        }
        // An attribute of no length would be read for ever.
        answer[HEAD + ANSWER] = 0;
        assert_eq!(measured(&answer), None);
    }
}
