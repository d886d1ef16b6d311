//! The tables of a result, for real runs and simulated ones: rows as structs, one writer.
//!
//! A result is a folder of CSV tables and a manifest. The fields of a row are the columns of its
//! table, in order and by name; in front of them stand the keys of the run ([`Keys`]). A value
//! that a run does not have is an empty cell. The same rows give the same bytes.
//!
//! ```
//! use fairhaul_core::time::Time;
//! use fairhaul_results::{Keys, PairRow, Table};
//!
//! let keys = Keys { run: "r0", cell: "all", seed: 7, replication: 0, params: &[] };
//! let mut text = Vec::new();
//! let mut pairs = Table::begin::<PairRow>(&mut text, &keys)?;
//! pairs.put(&PairRow { sender: "a", receiver: "b", bytes: 10 })?;
//! pairs.flush()?;
//! drop(pairs);
//! assert_eq!(text, b"run,seed,replication,cell,sender,receiver,bytes\nr0,7,0,all,a,b,10\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use cell::{number, seconds, text};
pub use latency::{HLOG_HEADER, Latencies};
pub use machine::{CpuUse, Machine, TRUSTED_MAX_PCT};
pub use manifest::{EmulatedFacts, FORMAT, MANIFEST, Made, ResultManifest, digest, write_whole};
pub use rows::{FlowKind, LatencyRow, PairRow, PeerRow, TransferRow, WindowRow};
pub use sample::{Sample, mean};
pub use speed::Speed;
pub use table::{AFTER_PARAMS, KEYS, Keys, Table};

mod cell;
mod latency;
mod machine;
mod manifest;
mod rows;
mod sample;
mod speed;
mod table;
