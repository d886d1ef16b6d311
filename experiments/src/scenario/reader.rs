//! Reading typed values out of the tree, with the place of each for messages.
//!
//! Decides what a text or a number may be for each kind of key; refuses the rest with the
//! file, the line and the dotted key.

use fairhaul_config::fault::{BadFile, BadValue, did_you_mean, nearest};
use fairhaul_config::text::{NAME_ALLOWED, is_name};
use fairhaul_core::quantity::{self as core_quantity, WeightError};
use fairhaul_core::units::Rate;
use fairhaul_simulator::setup::NewRate;

use super::quantity::{self, Quantity};
use super::tree::{Item, Table, Value};
use crate::inputs::Inputs;

/// Longest free text, in bytes.
const TEXT_MAX: usize = 4_096;

/// The scenario file and the data files beside it.
#[derive(Debug)]
pub(crate) struct Context {
    /// The scenario file, as the user named it.
    pub(crate) file: String,
    /// The data files.
    pub(crate) inputs: Inputs,
}

/// A table with the path to it.
#[derive(Clone, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) table: &'a Table,
}

/// A value with the path to it.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) value: &'a Value,
}

impl<'a> Row<'a> {
    /// The value of `key`; none if the table has none.
    pub(crate) fn get(&self, key: &str) -> Option<At<'a>> {
        let entry = self.table.get(key)?;
        Some(At {
            cx: self.cx,
            path: join(&self.path, key),
            line: entry.line,
            value: &entry.item.value,
        })
    }

    /// The value of `key`, which must be there.
    pub(crate) fn need(&self, key: &str) -> Result<At<'a>, BadFile> {
        self.get(key).ok_or_else(|| {
            BadFile::new(
                &self.cx.file,
                self.line,
                &join(&self.path, key),
                "is missing",
                "nothing",
                format!("a value for {key}"),
            )
        })
    }

    /// Refuses keys that are not in `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), BadFile> {
        for entry in &self.table.entries {
            if !known.contains(&entry.key.as_str()) {
                let what = did_you_mean("unknown key", &entry.key, known.iter().copied());
                let path = join(&self.path, &entry.key);
                let allowed = known.join(", ");
                return Err(BadFile::new(
                    &self.cx.file,
                    entry.line,
                    &path,
                    what,
                    &entry.key,
                    allowed,
                ));
            }
        }
        Ok(())
    }

    /// The fault of this table as a whole.
    pub(crate) fn bad(&self, what: &str, got: &str, allowed: &str) -> BadFile {
        BadFile::new(&self.cx.file, self.line, &self.path, what, got, allowed)
    }
}

impl<'a> At<'a> {
    /// The fault of this value.
    pub(crate) fn bad(&self, what: impl Into<String>, allowed: impl Into<String>) -> BadFile {
        self.bad_got(what, &self.value.shown(), allowed)
    }

    /// The fault of a part of this value.
    pub(crate) fn bad_got(
        &self,
        what: impl Into<String>,
        got: &str,
        allowed: impl Into<String>,
    ) -> BadFile {
        BadFile::new(&self.cx.file, self.line, &self.path, what, got, allowed)
    }

    /// What reading a data file gave. A file that cannot be opened is a fault of this value;
    /// a fault inside has a place of its own.
    pub(crate) fn opened<T>(&self, result: Result<T, BadFile>) -> Result<T, BadFile> {
        result.map_err(|bad| bad.named_by(&self.cx.file, self.line, &self.path))
    }

    fn fault(&self, fault: BadValue) -> BadFile {
        self.bad(fault.what, fault.allowed.unwrap_or_default())
    }

    /// Any string.
    pub(crate) fn text(&self, allowed: &str) -> Result<&'a str, BadFile> {
        match self.value {
            Value::Text(text) => Ok(text),
            other => Err(self.bad(format!("is {}, not a string", other.kind()), allowed)),
        }
    }

    /// Free text: what a person reads.
    pub(crate) fn prose(&self) -> Result<&'a str, BadFile> {
        const ALLOWED: &str = "text of at most 4096 bytes without control characters";
        let text = self.text(ALLOWED)?;
        let control = |c: char| c.is_control() && c != '\n';
        if text.len() > TEXT_MAX || text.contains(control) {
            return Err(self.bad("is not plain text", ALLOWED));
        }
        Ok(text)
    }

    /// A name: letters, digits and `_.:-`, which no spreadsheet takes for a formula.
    pub(crate) fn name(&self) -> Result<&'a str, BadFile> {
        let text = self.text(NAME_ALLOWED)?;
        if is_name(text) {
            Ok(text)
        } else {
            Err(self.bad("is not a name", NAME_ALLOWED))
        }
    }

    /// One of `choices`.
    pub(crate) fn choice(&self, choices: &[&str]) -> Result<&'a str, BadFile> {
        let text = self.text(&choices.join(", "))?;
        if choices.contains(&text) {
            return Ok(text);
        }
        let what = did_you_mean("is not a choice", text, choices.iter().copied());
        Err(self.bad(what, choices.join(", ")))
    }

    /// A policy of `list`.
    pub(crate) fn policy(&self, list: super::names::PolicyList) -> Result<&'a str, BadFile> {
        let text = self.text(&list.names().join(", "))?;
        list.check(text).map_err(|fault| self.fault(fault))?;
        Ok(text)
    }

    /// An amount with its unit.
    pub(crate) fn amount(&self, quantity: Quantity) -> Result<u64, BadFile> {
        if let Value::Number(_) = self.value {
            return Err(self.bad("has no unit", quantity.allowed()));
        }
        let text = self.text(quantity.allowed())?;
        let amount = quantity.parse(text);
        amount.map_err(|error| self.fault(quantity::fault(text, &error)))
    }

    /// A rate, or none for `unlimited`.
    pub(crate) fn limit(&self) -> Result<Option<u64>, BadFile> {
        match self.value {
            Value::Text(text) if text == "unlimited" => Ok(None),
            Value::Text(text) if nearest(text, ["unlimited"]).is_some() => Err(self.bad(
                "is not a rate, did you mean \"unlimited\"",
                format!("{}, or \"unlimited\"", Quantity::Rate.allowed()),
            )),
            _ => self.amount(Quantity::Rate).map(Some),
        }
    }

    /// What a rate becomes.
    pub(crate) fn changed(&self) -> Result<NewRate, BadFile> {
        match self.value {
            Value::Text(text) if text == "0 B/s" => Ok(NewRate::At(Rate::new(0))),
            _ => self.limit().map(|rate| rate.map(Rate::new).into()),
        }
    }

    /// A guaranteed rate, or none for `0 B/s`.
    pub(crate) fn floor(&self) -> Result<Option<u64>, BadFile> {
        match self.value {
            Value::Text(text) if text == "0 B/s" => Ok(None),
            _ => self.amount(Quantity::Rate).map(Some),
        }
    }

    /// A weight in hundredths; 0 is best effort.
    pub(crate) fn weight(&self) -> Result<u32, BadFile> {
        let text = match self.value {
            Value::Number(text) => text,
            other => other_number(other),
        };
        core_quantity::weight(text)
            .map_err(|error| self.bad(error.to_string(), WeightError::ALLOWED))
    }

    /// A mean gap in nanoseconds, from a frequency.
    pub(crate) fn mean_gap(&self) -> Result<f64, BadFile> {
        let text = match self.value {
            Value::Number(text) | Value::Text(text) => text,
            other => other_number(other),
        };
        quantity::mean_gap(text).map_err(|fault| self.fault(fault))
    }

    /// A whole number from `least` to `greatest`.
    pub(crate) fn count(&self, least: u64, greatest: u64) -> Result<u64, BadFile> {
        let allowed = format!("a whole number from {least} to {greatest}");
        let Value::Number(text) = self.value else {
            return Err(self.bad("is not a whole number", allowed));
        };
        match text.parse::<i128>() {
            Ok(number) if (i128::from(least)..=i128::from(greatest)).contains(&number) => {
                Ok(u64::try_from(number).expect("inside a range of u64"))
            }
            Ok(_) => Err(self.bad("is out of range", allowed)),
            Err(_) => Err(self.bad("is not a whole number", allowed)),
        }
    }

    /// A number from `least` to `greatest`.
    pub(crate) fn real(&self, least: f64, greatest: f64) -> Result<f64, BadFile> {
        let allowed = format!("a number from {least} to {greatest}");
        let number = match self.value {
            Value::Number(text) => text.parse::<f64>().ok(),
            _ => None,
        };
        match number {
            // A negative zero is inside the range but is nobody's intention.
            Some(number) if (least..=greatest).contains(&number) && !is_negative_zero(number) => {
                Ok(number)
            }
            Some(_) => Err(self.bad("is out of range", allowed)),
            None => Err(self.bad("is not a number", allowed)),
        }
    }

    /// The members of a list.
    pub(crate) fn list(&self, allowed: &str) -> Result<Vec<Self>, BadFile> {
        match self.value {
            Value::List(items) if !items.is_empty() => Ok(self.members(items)),
            Value::List(_) => Err(self.bad("is an empty list", allowed)),
            other => Err(self.bad(format!("is {}, not a list", other.kind()), allowed)),
        }
    }

    /// The members of a list, or the one value that stands for a list of one.
    pub(crate) fn one_or_more(&self, allowed: &str) -> Result<Vec<Self>, BadFile> {
        match self.value {
            Value::List(_) => self.list(allowed),
            _ => Ok(vec![self.clone()]),
        }
    }

    fn members(&self, items: &'a [Item]) -> Vec<Self> {
        items
            .iter()
            .enumerate()
            .map(|(index, item)| At {
                cx: self.cx,
                path: format!("{}[{}]", self.path, index + 1),
                line: item.line,
                value: &item.value,
            })
            .collect()
    }

    /// A list of exactly two.
    pub(crate) fn pair(&self, allowed: &str) -> Result<[Self; 2], BadFile> {
        let list = self.list(allowed)?;
        let found = list.len();
        list.try_into()
            .map_err(|_| self.bad_got("is not a list of two", &format!("{found} values"), allowed))
    }

    /// The table that this value is.
    pub(crate) fn row(&self, allowed: &str) -> Result<Row<'a>, BadFile> {
        match self.value {
            Value::Table(table) => Ok(Row {
                cx: self.cx,
                path: self.path.clone(),
                line: self.line,
                table,
            }),
            other => Err(self.bad(format!("is {}, not a table", other.kind()), allowed)),
        }
    }

    /// A table with exactly one key, one of `known`; the key and its value.
    pub(crate) fn tagged(&self, known: &[&'static str]) -> Result<(&'static str, Self), BadFile> {
        let allowed = format!("a table with one of {}", known.join(", "));
        let row = self.row(&allowed)?;
        row.only(known)?;
        if row.table.entries.len() != 1 {
            let got = format!("{} keys", row.table.entries.len());
            return Err(self.bad_got("must have exactly one key", &got, allowed));
        }
        let key = row.table.entries[0].key.as_str();
        let tag = known.iter().find(|tag| **tag == key);
        let value = row.need(key)?;
        Ok((tag.expect("only() passed"), value))
    }
}

/// A path of keys with one more.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key = if key.contains('.') {
        format!("\"{key}\"")
    } else {
        key.to_owned()
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// The text of a value that is no number: never the text of a number.
const fn other_number(_: &Value) -> &'static str {
    ""
}

fn is_negative_zero(number: f64) -> bool {
    number.to_bits() == (-0.0_f64).to_bits()
}
