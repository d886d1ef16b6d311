//! Figures, a page and a script from a finished result.

pub mod headline;
