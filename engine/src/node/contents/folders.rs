//! The folders of contents, by the number under which the library knows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fairhaul_core::library::FolderId;

/// Every folder that was named since the node runs, each once.
#[derive(Debug, Default)]
pub(super) struct Folders {
    numbers: BTreeMap<PathBuf, FolderId>,
    paths: Vec<PathBuf>,
}

impl Folders {
    /// The number of a folder, which is new if it was not named before.
    pub(super) fn number(&mut self, path: &Path) -> FolderId {
        if let Some(known) = self.numbers.get(path) {
            return *known;
        }
        let number = FolderId(u32::try_from(self.paths.len()).expect("fewer folders than that"));
        self.paths.push(path.to_owned());
        self.numbers.insert(path.to_owned(), number);
        number
    }

    /// The path of a folder.
    pub(super) fn path(&self, folder: FolderId) -> &Path {
        &self.paths[folder.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_number_and_another_has_another() {
        let mut folders = Folders::default();
        let (a, b) = (Path::new("/a"), Path::new("/a/b"));
        let numbers = [folders.number(a), folders.number(b), folders.number(a)];
        assert_eq!(numbers[0], numbers[2]);
        assert_ne!(numbers[0], numbers[1]);
        assert_eq!([folders.path(numbers[0]), folders.path(numbers[1])], [a, b]);
    }
}
