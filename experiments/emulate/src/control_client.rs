//! The player's requests to nodes. A request is tried again only if the nodes have not met yet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fairhaul_client::api::{
    Band, ControlRequest, Failure, Floor, Get, Got, InForce, LimitRequest, LimitTarget, Moves,
    Nothing, PeerStatus, ShareRequest, Shared, Transfer, WeightRequest,
};
use fairhaul_client::ask;
use fairhaul_core::units::Rate;
use fairhaul_simulator::setup::TransferSetup;
use tokio::time::{Instant, sleep, timeout};

/// How long an answer that needs nothing but the node itself may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause before another try.
const AGAIN: Duration = Duration::from_millis(100);

async fn soon<T: serde::de::DeserializeOwned>(
    socket: &Path,
    request: &ControlRequest,
) -> Result<T, Failure> {
    let late = |_| {
        let patience = PATIENCE.as_secs();
        Failure::unreachable(format!("no answer in {patience} s"))
    };
    timeout(PATIENCE, ask(socket, request, |_| {}))
        .await
        .map_err(late)?
}

pub(super) async fn share(
    socket: &Path,
    path: PathBuf,
    chunk_bytes: u64,
) -> Result<Shared, Failure> {
    let request = ControlRequest::Share(ShareRequest {
        path,
        ignore: Vec::new(),
        chunk_bytes: Some(chunk_bytes),
    });
    ask(socket, &request, |_| {}).await
}

/// Whom it knows, and whether they are connected.
pub(super) async fn peers(socket: &Path) -> Result<Vec<PeerStatus>, Failure> {
    soon(socket, &ControlRequest::Peers(Nothing {})).await
}

pub(super) async fn moves(socket: &Path) -> Result<Moves, Failure> {
    soon(socket, &ControlRequest::Moves(Nothing {})).await
}

/// Fetches until it is there, and says when the try that succeeded began. A node that knows
/// nobody yet, or nobody any more, is asked again.
pub(super) async fn get(
    socket: &Path,
    ticket: &str,
    dir: &Path,
) -> Result<(Instant, u32, Got), Failure> {
    let request = ControlRequest::Get(Get {
        ticket: ticket.to_owned(),
        dir: dir.to_owned(),
        overwrite: false,
        force: false,
    });
    let mut tries = 0;
    loop {
        let asked = Instant::now();
        tries += 1;
        match ask(socket, &request, |_| {}).await {
            Ok(got) => return Ok((asked, tries, got)),
            Err(failure) if matches!(failure.code, Failure::UNREACHABLE | Failure::IDENTITY) => {
                sleep(AGAIN).await;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Gives a transfer what the scenario gives it, at its source.
pub(super) async fn grant(socket: &Path, id: u32, setup: &TransferSetup) -> Result<(), Failure> {
    let target = || LimitTarget::Transfer(id);
    let mut requests = Vec::new();
    if setup.weight != fairhaul_core::units::Weight::ONE {
        let weight_hundredths = setup.weight.hundredths();
        requests.push(ControlRequest::Weight(WeightRequest {
            target: target(),
            weight_hundredths,
        }));
    }
    if let Some(cap) = setup.cap {
        requests.push(cap_request(target(), Some(cap)));
    }
    if let Some(floor) = setup.floor {
        let rate_bytes_s = floor.get();
        requests.push(ControlRequest::Floor(Floor {
            target: target(),
            rate_bytes_s,
        }));
    }
    if setup.band > 0 {
        let band = setup.band;
        requests.push(ControlRequest::Band(Band {
            target: target(),
            band,
        }));
    }
    for request in requests {
        let InForce { .. } = soon(socket, &request).await?;
    }
    Ok(())
}

/// Gives a peer or a group its strict priority band at a node.
pub(super) async fn band(socket: &Path, target: LimitTarget, band: u8) -> Result<(), Failure> {
    let InForce { .. } = soon(socket, &ControlRequest::Band(Band { target, band })).await?;
    Ok(())
}

fn cap_request(target: LimitTarget, cap: Option<Rate>) -> ControlRequest {
    ControlRequest::Limit(LimitRequest {
        target,
        direction: fairhaul_client::api::TransferDirection::Up,
        rate_bytes_s: cap.map(Rate::get),
    })
}

/// Changes what the node sends at most, and receives if `down` is said.
pub(super) async fn limit(
    socket: &Path,
    up: Option<Rate>,
    down: Option<Option<Rate>>,
) -> Result<(), Failure> {
    let InForce { .. } = soon(socket, &cap_request(LimitTarget::Node, up)).await?;
    if let Some(down) = down {
        let request = ControlRequest::Limit(LimitRequest {
            target: LimitTarget::Node,
            direction: fairhaul_client::api::TransferDirection::Down,
            rate_bytes_s: down.map(Rate::get),
        });
        let InForce { .. } = soon(socket, &request).await?;
    }
    Ok(())
}

/// Takes a content that is over out of a node's tables. Its files stay.
pub(super) async fn forget(socket: &Path, id: u32) {
    // A node that is gone has no tables.
    let _ = soon::<Nothing>(socket, &ControlRequest::Cancel(Transfer { id })).await;
}
