//! How a node departs from the protocol: an adversary is a row of settings, not a program.
//!
//! The core of such a node is the honest one. What it says and sends is changed on its way to the
//! network, by `world/adversary`; the others keep all their defences.

use fairhaul_core::time::Span;
use fairhaul_core::units::Rate;
use serde::{Deserialize, Serialize};

/// A peer that sends nothing for this long has used up what it gives: the usual time between two
/// rounds of a choker.
pub const STARVED: Span = Span::from_secs(10);

/// What a node does that others do not. The default departs in nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What it is called in results: a bundle of [`BUNDLES`], `compliant`, or `custom`.
    pub name: &'static str,
    /// Whom it connects to.
    pub view: SwarmView,
    /// What it sends to whoever asks.
    pub serves: Serves,
    /// What it says that it has.
    pub announces: Announces,
    /// What it says that it has and does not send.
    pub withholds: Withholds,
    /// As whom others know it.
    pub identities: Identities,
    /// It leaves whenever it has been there for this long, and comes back a second later with what
    /// it had; `None` stays.
    pub rejoins: Option<Span>,
    /// It takes what it is sent no faster than this; `None` takes it as it comes.
    pub drains: Option<Rate>,
    /// Name of the class whose members vouch for it: to whoever sent it a chunk they say that
    /// they have that chunk too.
    pub colludes: Option<String>,
    /// Name of the choker that it follows instead of that of its bundle of policies.
    pub unchoke: Option<&'static str>,
}

/// Whom a node connects to in a swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SwarmView {
    /// As many others as its setup says, at random.
    #[default]
    Neighbours,
    /// Everybody who is there, as soon as they are; all of them accept it.
    All,
}

/// What a node sends to whoever asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Serves {
    /// What its policies say.
    #[default]
    Policy,
    /// Nothing: it chokes everybody.
    Nothing,
    /// What its policies say, with this part of its uplink, in percent.
    Percent(u8),
    /// What its policies say, but each peer only in the last second before that peer's rounds.
    BeforeRechoke,
    /// Bytes with the wrong hash.
    Garbage,
}

/// What a node says that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Announces {
    /// What it has.
    #[default]
    Truth,
    /// Nothing.
    Nothing,
    /// Every chunk.
    All,
    /// Half of all chunks, drawn once, whether it has them or not.
    Random,
    /// What it has, and once a second to each peer a chunk of that again.
    Repeated,
    /// One chunk to each peer: the next when that has it, or wants nothing any more.
    Late,
}

/// What a node says that it has and does not send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Withholds {
    /// Nothing.
    #[default]
    Nothing,
    /// The last chunk of a content.
    LastChunk,
    /// The last block of each chunk, so that what it sent can only be checked with what another
    /// has sent.
    LastBlock,
}

/// As whom others know a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identities {
    /// As so many at once, over the same links. At least one.
    Many(u8),
    /// As one, and as a new one wherever it wants something and has got nothing for ten seconds.
    Renewed,
}

impl Withholds {
    /// Whether a chunk of a content with so many chunks is refused to whoever asks for it.
    #[must_use]
    pub const fn keeps_chunk(self, chunk: u32, chunks: u32) -> bool {
        matches!(self, Self::LastChunk) && chunk + 1 == chunks
    }

    /// Whether a block is refused as it is to be sent; `last` if it is the end of its chunk.
    #[must_use]
    pub const fn keeps_block(self, last: bool) -> bool {
        matches!(self, Self::LastBlock) && last
    }
}

impl Default for Identities {
    fn default() -> Self {
        Self::Many(1)
    }
}

/// A behaviour that has a name.
#[derive(Clone, Copy, Debug)]
pub struct Bundle {
    /// Its name in scenario files and results.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Where it is described.
    pub source: &'static str,
    make: fn() -> Behaviour,
}

impl Bundle {
    /// The bundle of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        BUNDLES.iter().find(|bundle| bundle.name == name)
    }

    /// Its settings.
    #[must_use]
    pub fn behaviour(&self) -> Behaviour {
        Behaviour {
            name: self.name,
            ..(self.make)()
        }
    }
}

/// Every adversary that has a name.
pub static BUNDLES: &[Bundle] = &[
    Bundle {
        name: "free-rider",
        about: "takes and never gives",
        source: "E. Adar and B. Huberman, Free Riding on Gnutella, 2000",
        make: rider,
    },
    Bundle {
        name: "large-view",
        about: "a free rider that connects to everybody",
        source: "M. Sirivianos et al., Free-riding in BitTorrent Networks with the Large SwarmView Exploit, 2007",
        make: || Behaviour {
            view: SwarmView::All,
            ..rider()
        },
    },
    Bundle {
        name: "bitthief",
        about: "a free rider that connects to everybody and says that it has nothing",
        source: "T. Locher et al., Free Riding in BitTorrent is Cheap, 2006",
        make: || Behaviour {
            view: SwarmView::All,
            announces: Announces::Nothing,
            ..rider()
        },
    },
    Bundle {
        name: "garbage",
        about: "sends wrong bytes, and no chunk to its end, so that none can be checked alone",
        source: "BitThief, 2006",
        make: || Behaviour {
            serves: Serves::Garbage,
            withholds: Withholds::LastBlock,
            ..Behaviour::default()
        },
    },
    Bundle {
        name: "bitrebel",
        about: "says again and again what it has, so that it seems fast",
        source: "an attack on estimates of rates from announcements, as BitTyrant makes them",
        make: || Behaviour {
            announces: Announces::Repeated,
            ..Behaviour::default()
        },
    },
    Bundle {
        name: "under-reporter",
        about: "says of one chunk at a time that it has it, so that others stay interested",
        source: "strategic revelation of chunks",
        make: || Behaviour {
            announces: Announces::Late,
            ..Behaviour::default()
        },
    },
    Bundle {
        name: "whitewasher",
        about: "a free rider that comes back as somebody new wherever it gets nothing",
        source: "M. Feldman et al., Free-Riding and Whitewashing in Peer-to-Peer Systems, 2004",
        make: || Behaviour {
            identities: Identities::Renewed,
            ..rider()
        },
    },
    Bundle {
        name: "sybil",
        about: "a free rider with four identities at once",
        source: "J. Douceur, The Sybil Attack, 2002",
        make: || Behaviour {
            identities: Identities::Many(4),
            ..rider()
        },
    },
    Bundle {
        name: "oscillator",
        about: "serves each peer only in the last second before that peer's rounds",
        source: "an attack on rates that are measured over a round",
        make: || Behaviour {
            serves: Serves::BeforeRechoke,
            ..Behaviour::default()
        },
    },
    Bundle {
        name: "slow-reader",
        about: "takes what it is sent at 1 KiB/s",
        source: "an attack on slots that are held while bytes wait",
        make: || Behaviour {
            drains: Some(Rate::new(1_024)),
            ..Behaviour::default()
        },
    },
    Bundle {
        name: "colluders",
        about: "free riders of a class, who say of each other that they pass chunks on",
        source: "an attack on evidence that others give",
        make: || Behaviour {
            // Its own class, which the bundle cannot know.
            colludes: Some(String::new()),
            ..rider()
        },
    },
    Bundle {
        name: "bittyrant",
        about: "serves whom it gets most from for what it gives, and with no more than that takes",
        source: "M. Piatek et al., Do Incentives Build Robustness in BitTorrent?, NSDI 2007",
        make: || Behaviour {
            unchoke: Some("bittyrant"),
            ..Behaviour::default()
        },
    },
];

fn rider() -> Behaviour {
    Behaviour {
        serves: Serves::Nothing,
        ..Behaviour::default()
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            name: "compliant",
            view: SwarmView::default(),
            serves: Serves::default(),
            announces: Announces::default(),
            withholds: Withholds::default(),
            identities: Identities::default(),
            rejoins: None,
            drains: None,
            colludes: None,
            unchoke: None,
        }
    }
}

impl Behaviour {
    /// Whether it departs in nothing.
    #[must_use]
    pub fn is_compliant(&self) -> bool {
        let named = Self {
            name: self.name,
            ..Self::default()
        };
        *self == named
    }

    /// Whether it departs in nothing but what it serves, and that is nothing.
    #[must_use]
    pub fn only_rides(&self) -> bool {
        let named = Self {
            name: self.name,
            ..rider()
        };
        *self == named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundle_has_a_name_of_its_own_and_departs_in_something() {
        for (at, bundle) in BUNDLES.iter().enumerate() {
            assert!(!bundle.behaviour().is_compliant(), "{}", bundle.name);
            assert_eq!(bundle.behaviour().name, bundle.name);
            let found = Bundle::find(bundle.name).unwrap();
            assert_eq!(found.name, BUNDLES[at].name);
            let same = BUNDLES.iter().filter(|other| {
                let mut settings = other.behaviour();
                settings.name = bundle.name;
                settings == bundle.behaviour()
            });
            assert_eq!(same.count(), 1, "{}", bundle.name);
        }
        assert!(Behaviour::default().is_compliant());
        assert!(Bundle::find("free-rider").unwrap().behaviour().only_rides());
        assert!(Bundle::find("compliant").is_none());
    }
}
