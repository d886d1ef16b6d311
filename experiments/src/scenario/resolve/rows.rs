//! What tables of different sections say alike.

use fairhaul_config::amount::FileWeight;
use fairhaul_config::text::Name;
use fairhaul_core::units::{ByteCount, Rate};

use super::super::file::{Class, Conduct, Names, Peer, Transfer, Workload};
use super::super::values::Burst;
use super::small;

/// Who has a right to a proportion, and limits.
pub(super) trait Limited {
    fn name(&self) -> &Name;
    fn weight(&self) -> FileWeight;
    fn band(&self) -> u8;
    fn group(&self) -> Option<&Name>;
    fn cap(&self) -> Option<Rate>;
    fn floor(&self) -> Option<Rate>;
}

/// One node, or each of a kind.
pub(super) trait Node: Limited {
    fn upload(&self) -> Option<Rate>;
    fn download(&self) -> Option<Rate>;
    fn burst(&self) -> Option<Burst>;
    fn neighbours(&self) -> u32;
    fn behaviour(&self) -> Conduct;
    fn policy(&self) -> &Name;
}

/// Transfers that are listed, or that arrive.
pub(super) trait Flow: Limited {
    /// The class that they are reported under.
    fn class(&self) -> &Name;
    fn source(&self) -> &Names;
    fn destination(&self) -> &Names;
    fn chunk(&self) -> ByteCount;
}

macro_rules! limited {
    ($($table:ty),+) => {$(
        impl Limited for $table {
            fn name(&self) -> &Name {
                &self.name
            }

            fn weight(&self) -> FileWeight {
                self.weight
            }

            fn band(&self) -> u8 {
                small(self.band)
            }

            fn group(&self) -> Option<&Name> {
                self.group.as_ref()
            }

            fn cap(&self) -> Option<Rate> {
                self.cap.get()
            }

            fn floor(&self) -> Option<Rate> {
                self.floor.get()
            }
        }
    )+};
}

macro_rules! node {
    ($($table:ty),+) => {$(
        impl Node for $table {
            fn upload(&self) -> Option<Rate> {
                self.upload.get()
            }

            fn download(&self) -> Option<Rate> {
                self.download.get()
            }

            fn burst(&self) -> Option<Burst> {
                self.burst
            }

            fn neighbours(&self) -> u32 {
                self.neighbours.get()
            }

            fn behaviour(&self) -> Conduct {
                self.behaviour
            }

            fn policy(&self) -> &Name {
                &self.policy
            }
        }
    )+};
}

macro_rules! flow {
    ($($table:ty),+) => {$(
        impl Flow for $table {
            fn class(&self) -> &Name {
                self.class.as_ref().unwrap_or(&self.name)
            }

            fn source(&self) -> &Names {
                &self.source
            }

            fn destination(&self) -> &Names {
                &self.destination
            }

            fn chunk(&self) -> ByteCount {
                self.chunk.0
            }
        }
    )+};
}

limited!(Peer, Class, Transfer, Workload);
node!(Peer, Class);
flow!(Transfer, Workload);
