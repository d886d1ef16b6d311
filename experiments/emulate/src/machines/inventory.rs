//! The inventory: which machines there are, and where each is found.
//!
//! It has the form that `deploy/` writes and reads: `name,zone,internal_ip,external_ip,key`, one
//! row a machine; all but the name may be empty. Whatever could mean something else to ssh, to a
//! shell or to a parameter file is refused, with its row.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The first row.
const HEADER: &str = "name,zone,internal_ip,external_ip,key";
/// Longest name of a machine.
const NAME_MAX: usize = 63;
/// Most machines that one run is led on: each has a connection and a thread of its own.
pub const MACHINES_MAX: usize = 1_000;
/// Longest inventory that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// The machines of a file, in its order; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The file, as the person named it.
    pub path: PathBuf,
    /// One for each row.
    pub machines: Vec<InventoryMachine>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryMachine {
    /// Row of the file, the header being 1.
    pub row: usize,
    /// Its name, which no other one has.
    pub name: String,
    /// Where its peers reach it; may be empty.
    pub internal: String,
    /// Where it is reached from elsewhere; may be empty.
    pub external: String,
}

/// What is wrong with an inventory: one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadInventory(pub String);

impl Inventory {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The first row that is wrong, or why the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, BadInventory> {
        let file = path.display();
        let unread = |error| BadInventory(format!("{file}: {error}"));
        let len = fs::metadata(path).map_err(unread)?.len();
        if len > FILE_MAX {
            return Err(BadInventory(format!(
                "{file}: {len} bytes; allowed {FILE_MAX}"
            )));
        }
        let text = fs::read(path).map_err(unread)?;
        Self::parse(path, &String::from_utf8_lossy(&text))
    }

    /// Reads the text of a file that is called `path`.
    ///
    /// # Errors
    ///
    /// The first row that is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Self, BadInventory> {
        let file = path.display();
        let mut machines = Vec::new();
        let mut seen = BTreeSet::new();
        for (row, line) in (1..).zip(text.lines()) {
            let bad = |what: String| BadInventory(format!("{file} row {row}: {what}"));
            let line = line.strip_suffix('\r').unwrap_or(line);
            if row == 1 {
                if line != HEADER {
                    return Err(bad(format!("got {line:?}, allowed is {HEADER}")));
                }
            } else if !line.is_empty() {
                let machine = InventoryMachine::parse(row, line).map_err(bad)?;
                if !seen.insert(machine.name.clone()) {
                    return Err(bad(format!("a second {}", machine.name)));
                }
                machines.push(machine);
            }
        }
        match machines.len() {
            0 => Err(BadInventory(format!("{file} names no machine"))),
            1..=MACHINES_MAX => Ok(Self {
                path: path.to_owned(),
                machines,
            }),
            many => Err(BadInventory(format!(
                "{file} names {many} machines; allowed {MACHINES_MAX}"
            ))),
        }
    }

    /// What a line about one of its machines begins with.
    #[must_use]
    pub fn at(&self, machine: &InventoryMachine) -> String {
        let file = self.path.display();
        format!("{file} row {}, {}", machine.row, machine.name)
    }
}

impl InventoryMachine {
    fn parse(row: usize, line: &str) -> Result<Self, String> {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() > 5 {
            return Err("more than five columns".to_owned());
        }
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        let (name, zone, internal, external, key) = (cell(0), cell(1), cell(2), cell(3), cell(4));
        let plain = |text: &str, signs: &[u8]| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || signs.contains(&byte))
        };
        let first = name.bytes().next();
        if !first.is_some_and(|byte| byte.is_ascii_alphanumeric())
            || name.len() > NAME_MAX
            || !plain(name, b"_.-")
        {
            return Err(format!(
                "name {name:?}, allowed are 1 to {NAME_MAX} of A-Z a-z 0-9 _ . -, not starting \
                 with a sign"
            ));
        }
        let all = [zone, internal, external];
        if !all.iter().all(|text| plain(text, b"_.:-"))
            || internal.starts_with('-')
            || external.starts_with('-')
        {
            return Err(format!(
                "a zone or address of {name} has other signs than A-Z a-z 0-9 _ . : -"
            ));
        }
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !key.is_empty() && (key.len() != 64 || !key.bytes().all(digit)) {
            return Err(format!(
                "the key of {name} is not 64 hexadecimal digits (leave it empty)"
            ));
        }
        Ok(Self {
            row,
            name: name.to_owned(),
            internal: internal.to_owned(),
            external: external.to_owned(),
        })
    }

    /// Where ssh goes.
    #[must_use]
    pub fn host(&self) -> &str {
        first([&self.external, &self.internal, &self.name])
    }

    /// Where its peers dial, without a port.
    #[must_use]
    pub fn reach(&self) -> &str {
        first([&self.internal, &self.external, &self.name])
    }
}

/// The first that is not empty; a name never is.
fn first(texts: [&str; 3]) -> &str {
    let mut said = texts.into_iter().filter(|text| !text.is_empty());
    said.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rows: &str) -> Result<Inventory, String> {
        let text = format!("{HEADER}\n{rows}");
        Inventory::parse(Path::new("i.csv"), &text).map_err(|BadInventory(line)| line)
    }

    #[test]
    fn ssh_goes_to_the_outer_address_and_peers_to_the_inner_one() {
        let rows = "a,zone,10.0.0.1,192.0.2.1,\nb,,10.0.0.2,,\n\nc,,,192.0.2.3,\r\nd\n";
        let machines = parse(rows).unwrap().machines;
        let all: Vec<_> = machines
            .iter()
            .map(|machine| (machine.row, machine.host(), machine.reach()))
            .collect();
        assert_eq!(
            all,
            [
                (2, "192.0.2.1", "10.0.0.1"),
                (3, "10.0.0.2", "10.0.0.2"),
                (5, "192.0.2.3", "192.0.2.3"),
                (6, "d", "d"),
            ]
        );
    }

    #[test]
    fn a_row_that_is_wrong_is_named_in_one_line() {
        let key = "f".repeat(63);
        for (rows, line) in [
            ("", "i.csv names no machine"),
            ("a\na", "i.csv row 3: a second a"),
            ("a,,,,,x", "i.csv row 2: more than five columns"),
            (
                "a,,,-oProxyCommand=x,",
                "i.csv row 2: a zone or address of a has other signs than A-Z a-z 0-9 _ . : -",
            ),
            (
                "a,,-1,,",
                "i.csv row 2: a zone or address of a has other signs than A-Z a-z 0-9 _ . : -",
            ),
            (
                "a,,1 2,,",
                "i.csv row 2: a zone or address of a has other signs than A-Z a-z 0-9 _ . : -",
            ),
            (
                "a b",
                "i.csv row 2: name \"a b\", allowed are 1 to 63 of A-Z a-z 0-9 _ . -, not starting with a sign",
            ),
            (
                ",,1.1.1.1,,",
                "i.csv row 2: name \"\", allowed are 1 to 63 of A-Z a-z 0-9 _ . -, not starting with a sign",
            ),
            (
                &format!("a,,,,{key}"),
                "i.csv row 2: the key of a is not 64 hexadecimal digits (leave it empty)",
            ),
        ] {
            assert_eq!(parse(rows).unwrap_err(), line);
        }
        let other = Inventory::parse(Path::new("i.csv"), "a,b\n").unwrap_err();
        assert_eq!(
            other.0,
            format!("i.csv row 1: got \"a,b\", allowed is {HEADER}")
        );
        let many: String = (0..=MACHINES_MAX).map(|at| format!("m{at}\n")).collect();
        assert_eq!(
            parse(&many).unwrap_err(),
            "i.csv names 1001 machines; allowed 1000"
        );
    }
}
