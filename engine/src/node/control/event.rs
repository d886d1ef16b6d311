//! Results of disk look-ups that a command waits for.

use crate::content::scan::Scanned;
use crate::control::api::{Call, Get};

/// What was found.
pub(crate) enum Answer {
    /// A folder that a person named for a ticket can be used, or why it cannot.
    Named(Call, Get, Result<(), String>),
    /// A tree was read.
    Scanned(Call, Result<Scanned, String>),
}
