//! The TOML files of fairhaul as serde structs, and the loader that reads them.
//!
//! The fields of a struct and their doc comments are the only list of keys: the reader, the
//! defaults, the JSON schema, the commented template and the reference page come from them. A
//! value type parses itself and says what it allows ([`value::Value`]). [`document::Document`]
//! reads a text into a struct and reports the first fault as one line:
//! `file:line:key: what; got X; allowed Y` ([`BadFile`]).

pub use fault::{BadFile, BadValue};

pub mod amount;
pub mod calendar;
mod de;
pub mod defaults;
pub mod document;
pub mod fault;
pub mod file;
pub mod named;
pub mod number;
pub mod params;
pub mod parts;
pub mod policy;
pub mod printable;
pub mod range;
pub mod schema;
pub mod text;
pub mod tree;
pub mod value;
