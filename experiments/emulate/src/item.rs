//! One name for contents of swarms and transfers between two, and for their files on machines.

use fairhaul_core::units::ByteCount;
use fairhaul_simulator::setup::Setup;

/// A content or a transfer of the setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    /// Row of the setup's contents.
    Content(u32),
    /// Row of the setup's transfers.
    Transfer(u32),
}

impl Unit {
    /// All of a setup.
    pub(super) fn all(setup: &Setup) -> Vec<Self> {
        let contents = (0..)
            .zip(&setup.contents)
            .map(|(row, _)| Self::Content(row));
        let transfers = (0..)
            .zip(&setup.transfers)
            .map(|(row, _)| Self::Transfer(row));
        contents.chain(transfers).collect()
    }

    /// Its name in the scenario.
    pub(super) fn name(self, setup: &Setup) -> &str {
        match self {
            Self::Content(row) => &setup.contents[row as usize].name,
            Self::Transfer(row) => &setup.transfers[row as usize].name,
        }
    }

    /// Its length, and that of its chunks.
    pub(super) fn lengths(self, setup: &Setup) -> (ByteCount, ByteCount) {
        match self {
            Self::Content(row) => {
                let content = &setup.contents[row as usize];
                (content.bytes, content.chunk)
            }
            Self::Transfer(row) => {
                let transfer = &setup.transfers[row as usize];
                (transfer.bytes, transfer.chunk)
            }
        }
    }

    /// Who has all of it when they join.
    pub(super) fn sources(self, setup: &Setup) -> Vec<u32> {
        match self {
            Self::Content(row) => setup.contents[row as usize].seeds.clone(),
            Self::Transfer(row) => vec![setup.transfers[row as usize].source],
        }
    }

    /// Who wants it.
    pub(super) fn takers(self, setup: &Setup) -> Vec<u32> {
        match self {
            Self::Content(row) => setup.contents[row as usize].leechers.clone(),
            Self::Transfer(row) => vec![setup.transfers[row as usize].destination],
        }
    }

    /// Its file below the folder of a peer.
    pub(super) fn file(self) -> String {
        match self {
            Self::Content(row) => format!("files/content-{row}"),
            Self::Transfer(row) => format!("files/transfer-{row}"),
        }
    }
}
