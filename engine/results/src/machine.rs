//! What a result was computed on, and how busy that was under real nodes.

use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};

/// A machine, as far as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor; empty if unknown.
    pub cpu: String,
    /// Cores that the program may use.
    pub cores: usize,
    /// Operating system and architecture.
    pub os: String,
}

impl Machine {
    /// The machine that this runs on.
    #[must_use]
    pub fn here() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            cpu: cpu_model(&info).unwrap_or_default().to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

/// Above this share of all processors, in percent, a result of real nodes is not trustworthy.
pub const TRUSTED_MAX_PCT: f64 = 80.0;

/// Busy time of all processors of the machine, in percent of the time they had.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuUse {
    /// Over the whole time.
    pub mean_pct: f64,
    /// In the worst second.
    pub worst_second_pct: f64,
}

impl CpuUse {
    /// Whether times measured meanwhile are those of the links and policies.
    #[must_use]
    pub fn is_trustworthy(&self) -> bool {
        self.mean_pct <= TRUSTED_MAX_PCT
    }
}

fn cpu_model(info: &str) -> Option<&str> {
    info.lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map(|(_, model)| model.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_where_the_system_names_it() {
        let info = "processor\t: 0\nmodel name\t: Abacus 3000 @ 1 Hz\n";
        assert_eq!(cpu_model(info), Some("Abacus 3000 @ 1 Hz"));
        assert_eq!(cpu_model("processor : 0"), None);
        assert!(Machine::here().cores > 0);
    }

    #[test]
    fn above_eighty_percent_nothing_is_trusted() {
        let used = |mean_pct| CpuUse {
            mean_pct,
            worst_second_pct: 100.0,
        };
        assert!(used(80.0).is_trustworthy());
        assert!(!used(80.1).is_trustworthy());
    }
}
