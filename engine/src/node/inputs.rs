//! What core and library are still to be told, in the order in which it came up.

use std::collections::VecDeque;

use fairhaul_core::library::LibraryInput;
use fairhaul_core::node::Input;

/// Inputs that wait for their turn. Each is handled alone: what it makes core and library want is
/// carried out before the next one.
#[derive(Debug, Default)]
pub(crate) struct PendingInputs {
    core: VecDeque<Input>,
    library: VecDeque<LibraryInput>,
}

impl PendingInputs {
    /// The core is to hear this.
    pub(crate) fn core(&mut self, input: Input) {
        self.core.push_back(input);
    }

    /// The library is to hear this.
    pub(crate) fn library(&mut self, input: LibraryInput) {
        self.library.push_back(input);
    }

    /// What the core hears next.
    pub(crate) fn next_of_core(&mut self) -> Option<Input> {
        self.core.pop_front()
    }

    /// What the library hears next.
    pub(crate) fn next_of_library(&mut self) -> Option<LibraryInput> {
        self.library.pop_front()
    }
}
