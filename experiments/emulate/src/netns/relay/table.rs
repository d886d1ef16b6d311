//! The relay's table: which address is in which region, and the delays between regions.
//!
//! A file that is not as [`DelayTable::text`] writes it is refused, with the line and what is
//! wrong.
//!
//! ```text
//! seed 7
//! loss 0
//! regions 2
//! delay 0 1 20000000      one way, nanoseconds; pairs that are not named have none
//! peer 10.77.1.1 0        address and region
//! ```

use std::collections::HashMap;
use std::net::Ipv4Addr;

use fairhaul_simulator::setup::Setup;

use crate::netns::plan;

/// The longest delay, so that a mistake of units does not look like a network that is down.
const DELAY_MAX_NS: u64 = 60_000_000_000;

/// The most regions; their square is kept in memory.
const REGIONS_MAX: usize = 4096;

/// Who is where, and how far apart.
#[derive(Clone, Debug, PartialEq)]
pub struct DelayTable {
    /// Seed of the draws that lose packets.
    pub seed: u64,
    /// Probability that a packet is lost, from 0 to 1.
    pub loss: f64,
    regions: usize,
    /// One-way delays in nanoseconds, row after row.
    delays: Vec<u64>,
    peers: HashMap<Ipv4Addr, usize>,
}

/// What is wrong with a table: the line, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadTable {
    line: usize,
    why: String,
}

impl DelayTable {
    /// The table of a scenario. Peers beyond the address plan are left out.
    #[must_use]
    pub fn of(setup: &Setup, loss: f64) -> Self {
        let rows = 0..u32::try_from(setup.latency.regions.len()).unwrap_or(u32::MAX);
        let regions = setup.latency.regions.len();
        let delays = rows
            .clone()
            .flat_map(|from| rows.clone().map(move |to| (from, to)))
            .map(|(from, to)| setup.latency.between(from, to).as_nanos())
            .collect();
        let peers = (0_u32..)
            .zip(&setup.peers)
            .filter_map(|(row, peer)| Some((plan::address(row)?, peer.region as usize)))
            .collect();
        Self {
            seed: setup.rng_seed,
            loss,
            regions,
            delays,
            peers,
        }
    }

    /// The one-way delay of a packet in nanoseconds; none if one of the two is nobody's address.
    #[must_use]
    pub fn delay(&self, from: Ipv4Addr, to: Ipv4Addr) -> Option<u64> {
        let at = self.peers.get(&from)? * self.regions + self.peers.get(&to)?;
        // Without regions everybody is in one place.
        Some(self.delays.get(at).copied().unwrap_or(0))
    }

    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = vec![
            format!("seed {}", self.seed),
            format!("loss {}", self.loss),
            format!("regions {}", self.regions),
        ];
        for (at, delay) in self.delays.iter().enumerate().filter(|(_, ns)| **ns > 0) {
            let (from, to) = (at / self.regions, at % self.regions);
            lines.push(format!("delay {from} {to} {delay}"));
        }
        let mut peers: Vec<String> = self
            .peers
            .iter()
            .map(|(address, region)| format!("peer {address} {region}"))
            .collect();
        peers.sort_unstable();
        lines.append(&mut peers);
        lines.join("\n") + "\n"
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The first line that is not as it should be.
    pub fn read(text: &str) -> Result<Self, BadTable> {
        let mut table = Self {
            seed: 0,
            loss: 0.0,
            regions: 0,
            delays: Vec::new(),
            peers: HashMap::new(),
        };
        for (number, line) in (1..).zip(text.lines()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            table
                .take(&words)
                .map_err(|why| BadTable { line: number, why })?;
        }
        Ok(table)
    }

    fn take(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["seed", seed] => self.seed = number(seed, u64::MAX)?,
            ["loss", loss] => {
                let got: f64 = loss.parse().map_err(|_| not_a("probability", loss))?;
                if !(0.0..=1.0).contains(&got) {
                    return Err(not_a("probability", loss));
                }
                self.loss = got;
            }
            ["regions", count] => {
                self.regions = index(count, REGIONS_MAX + 1)?;
                self.delays = vec![0; self.regions * self.regions];
            }
            ["delay", from, to, delay] => {
                let at = index(from, self.regions)? * self.regions + index(to, self.regions)?;
                self.delays[at] = number(delay, DELAY_MAX_NS)?;
            }
            ["peer", address, region] => {
                let address = address
                    .parse()
                    .map_err(|_| not_a("IPv4 address", address))?;
                // A scenario without regions puts everybody at row 0.
                let region = index(region, self.regions.max(1))?;
                self.peers.insert(address, region);
            }
            _ => {
                return Err(format!(
                    "not one of seed, loss, regions, delay, peer with its values: {:?}",
                    words.join(" ")
                ));
            }
        }
        Ok(())
    }
}

fn not_a(what: &str, got: &str) -> String {
    format!("not a {what}: {got:?}")
}

fn number(word: &str, most: u64) -> Result<u64, String> {
    let number: u64 = word.parse().map_err(|_| not_a("whole number", word))?;
    if number > most {
        return Err(format!("{number} is more than {most}"));
    }
    Ok(number)
}

fn index(word: &str, below: usize) -> Result<usize, String> {
    let index: usize = word.parse().map_err(|_| not_a("whole number", word))?;
    if index >= below {
        return Err(format!("{index} is not below {below}"));
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 1);
    const B: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 2);

    #[test]
    fn a_table_reads_what_it_writes() {
        let text = "seed 9\nloss 0.25\nregions 2\ndelay 0 1 5000000\ndelay 1 0 7000000\n\
                    peer 10.77.1.1 0\npeer 10.77.1.2 1\n";
        let table = DelayTable::read(text).unwrap();
        assert_eq!(table.text(), text);
        assert_eq!(table.delay(A, B), Some(5_000_000));
        assert_eq!(table.delay(B, A), Some(7_000_000));
        assert_eq!(table.delay(A, A), Some(0));
        assert_eq!(table.delay(A, Ipv4Addr::LOCALHOST), None);
    }

    #[test]
    fn a_table_without_regions_has_no_delay() {
        let table = DelayTable::read("peer 10.77.1.1 0\npeer 10.77.1.2 0\n").unwrap();
        assert_eq!(table.delay(A, B), Some(0));
    }

    #[test]
    fn a_bad_table_is_told_by_its_line() {
        for (text, talk) in [
            ("seed x", "line 1: not a whole number: \"x\""),
            ("seed 1\nloss 1.5", "line 2: not a probability: \"1.5\""),
            ("loss NaN", "line 1: not a probability: \"NaN\""),
            ("regions 5000", "line 1: 5000 is not below 4097"),
            ("regions 2\ndelay 0 2 1", "line 2: 2 is not below 2"),
            (
                "regions 1\ndelay 0 0 60000000001",
                "line 2: 60000000001 is more than 60000000000",
            ),
            ("peer 10.77.1 0", "line 1: not a IPv4 address: \"10.77.1\""),
            ("peer 10.77.1.1 1", "line 1: 1 is not below 1"),
            (
                "mtu 1500",
                "line 1: not one of seed, loss, regions, delay, peer with its values: \"mtu 1500\"",
            ),
        ] {
            assert_eq!(DelayTable::read(text).unwrap_err().to_string(), talk);
        }
    }
}
