//! How the nodes of a run depart from the protocol: settings that fit together, and names that lead
//! somewhere.

use fairhaul_config::BadFile;
use fairhaul_config::document::Place;
use fairhaul_core::choke::CHOKERS;
use fairhaul_simulator::behaviour::{Announces, Behaviour, Serves, Withholds};
use fairhaul_simulator::setup::{PeerSetup, TransferSetup};

use super::super::behaviour::Conduct;
use super::super::names::unknown;
use super::Build;

/// The behaviour of the nodes of the table at `at`, which are reported under `class`.
pub(super) fn behaviour(
    build: &Build<'_>,
    at: &Place<'_>,
    conduct: &Conduct,
    class: &str,
) -> Result<Behaviour, BadFile> {
    let mut behaviour = conduct.behaviour();
    if let Some(partners) = &mut behaviour.colludes {
        if partners.is_empty() {
            // The bundle means its own class, which it cannot know.
            class.clone_into(partners);
        }
        let classes = build.file.classes.iter().map(|row| &*row.own.name);
        let peers = build.file.peers.iter().map(|row| &*row.own.class);
        let all = classes.chain(peers);
        if !all.clone().any(|known| known == partners) {
            return Err(at.key("colludes").refuse(unknown("class", partners, all)));
        }
    }
    if let Some(choker) = behaviour
        .unchoke
        .filter(|name| CHOKERS.find(name).is_none())
    {
        let known = CHOKERS.all().into_iter().map(|row| row.name);
        return Err(at.refuse(unknown("choker", choker, known)));
    }
    check(at, conduct, &behaviour)?;
    Ok(behaviour)
}

/// Refuses settings of which one makes another mean nothing.
fn check(at: &Place<'_>, conduct: &Conduct, behaviour: &Behaviour) -> Result<(), BadFile> {
    // The table may have the key from its bundle.
    let said = conduct.settings();
    let key = |key: &str, is_said: bool| if is_said { at.key(key) } else { at.clone() };
    if behaviour.serves == Serves::Nothing && behaviour.withholds != Withholds::Nothing {
        let at = key(
            "withholds",
            said.is_some_and(|said| said.withholds.is_some()),
        );
        let what = "keeps back what is never sent";
        return Err(at.bad(what, "withholds beside serves that sends something"));
    }
    let sends = !matches!(behaviour.serves, Serves::Nothing | Serves::Policy);
    if sends && behaviour.announces == Announces::Nothing {
        let at = key(
            "announces",
            said.is_some_and(|said| said.announces.is_some()),
        );
        let what = "leaves nobody who would ask";
        return Err(at.bad(what, "announces other than nothing beside that serves"));
    }
    Ok(())
}

/// Refuses a part of an uplink that has no end.
pub(super) fn check_part(at: &Place<'_>, peer: &PeerSetup) -> Result<(), BadFile> {
    match (peer.behaviour.serves, peer.up) {
        (Serves::Percent(_), None) => {
            Err(at.bad("serves a part of an unlimited uplink", "a part beside up"))
        }
        _ => Ok(()),
    }
}

/// Refuses adversaries among the ends of transfers: only a swarm has others beside them.
pub(super) fn check_transfers(
    build: &Build<'_>,
    peers: &[PeerSetup],
    transfers: &[TransferSetup],
) -> Result<(), BadFile> {
    let departs = |row: u32| {
        let behaviour = &peers[row as usize].behaviour;
        !behaviour.is_compliant() && !behaviour.only_rides()
    };
    let mut ends = transfers
        .iter()
        .flat_map(|row| [row.source, row.destination]);
    let Some(row) = ends.find(|row| departs(*row)) else {
        return Ok(());
    };
    let peer = &peers[row as usize];
    let nodes = build.nodes();
    let is_its = |name: &str| name == peer.name || name == peer.class;
    let own = nodes.iter().find(|(_, name, _)| is_its(name));
    let at = own.map_or_else(
        || build.document.place().key("transfer"),
        |(at, ..)| at.key("behaviour"),
    );
    Err(at.bad(
        "is of a peer that takes part in transfers",
        "compliant and free-rider there; others in [[content]]",
    ))
}
