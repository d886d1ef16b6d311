//! `[deviation]`: the class whose deviation is measured, checked against the sweep.

use fairhaul_config::document::Document;

use super::BadFile;
use super::behaviour::COMPLIANT;
use super::file::File;
use super::names::unknown;
use super::sweep::Axis;

/// The axis of the behaviour of `class`.
pub(crate) fn axis_of(class: &str) -> String {
    format!("class.{class}.behaviour")
}

/// Refuses a class that is not there, and a sweep without a cell in which it complies.
pub(super) fn check(document: &Document, file: &File, axes: &[Axis]) -> Result<(), BadFile> {
    let Some(deviation) = &file.deviation else {
        return Ok(());
    };
    let class = &*deviation.class;
    let at = document.place().key("deviation").key("class");
    let classes = file.classes.iter().map(|row| &*row.own.name);
    if !classes.clone().any(|known| known == class) {
        return Err(at.refuse(unknown("class", class, classes)));
    }
    // A cell alone is a scenario too: it has one behaviour, and nothing that it is compared with.
    if axes.is_empty() {
        return Ok(());
    }
    let key = axis_of(class);
    let found = axes.iter().find(|axis| axis.key == key);
    let complies = found.is_some_and(|axis| axis.values.iter().any(|one| one.label == COMPLIANT));
    if complies {
        return Ok(());
    }
    let allowed = format!("\"{key}\" in [sweep], with {COMPLIANT} among its values");
    Err(at.bad("has nothing that its deviation is compared with", allowed))
}
