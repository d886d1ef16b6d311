//! A part of a sweep, as a command asks for it: some values of its axes, some keys set anew.

use std::path::Path;

use fairhaul_config::document::Document;
use fairhaul_config::fault::BadValue;

use super::{BadFile, Scenario, every, sweep};

/// A part of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepPart {
    /// Axes, with the values that are kept of each; all are of an axis that is not here.
    pub values: Vec<(String, Vec<String>)>,
    /// Dotted keys, with the text that each has instead of what the file says.
    pub settings: Vec<(String, String)>,
}

/// Why a part of a scenario could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file.
    #[error(transparent)]
    File(#[from] BadFile),
    /// A value that it does not have.
    #[error("{0}")]
    Part(BadValue),
}

impl From<BadValue> for LoadError {
    fn from(fault: BadValue) -> Self {
        Self::Part(fault)
    }
}

impl Scenario {
    /// The file at `path` with some of its values: those that `part` names.
    ///
    /// # Errors
    ///
    /// A fault of the file, or a value that it does not have.
    pub fn load_part(path: &Path, part: &SweepPart) -> Result<Self, LoadError> {
        let raw = Self::document(path)?;
        let mut root = raw.root().clone();
        for (axis, wanted) in &part.values {
            every::narrow(&mut root, axis, wanted)?;
        }
        for (key, text) in &part.settings {
            sweep::set(&mut root, key, text)?;
        }
        Ok(Self::of_document(path, Document::new(raw.file(), root))?)
    }

    /// The class whose deviation is measured; `None` if no class's is.
    #[must_use]
    pub fn deviants(&self) -> Option<&str> {
        let deviation = self.0.full.file.deviation.as_ref();
        deviation.map(|deviation| &*deviation.class)
    }

    /// What the values of an axis are called, in their order; none of an axis that is not there.
    #[must_use]
    pub fn values(&self, axis: &str) -> Vec<&str> {
        let found = self.0.axes.iter().find(|own| own.key == axis);
        let values = found.into_iter().flat_map(|axis| &axis.values);
        values.map(|value| value.label.as_str()).collect()
    }

    /// Names of contents, with the bytes of each.
    #[must_use]
    pub fn contents(&self) -> Vec<(&str, u64)> {
        let contents = self.0.full.file.contents.iter();
        contents
            .map(|content| (&*content.name, content.bytes.0.get()))
            .collect()
    }
}
