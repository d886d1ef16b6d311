//! What was looked up on a disk for somebody who waits for it.

use crate::content::scan::Scanned;
use crate::control::api::{Call, Get};

/// What was found.
pub(crate) enum Answer {
    /// A folder that a person named for a ticket can be used, or why it cannot.
    Named(Call, Get, Result<(), String>),
    /// A tree was read.
    Scanned(Call, Result<Scanned, String>),
}
