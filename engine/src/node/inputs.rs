//! The queue of inputs that core and library have still to get, in order.

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
    /// Queues an input of the core.
    pub(crate) fn core(&mut self, input: Input) {
        self.core.push_back(input);
    }

    /// Queues an input of the library.
    pub(crate) fn library(&mut self, input: LibraryInput) {
        self.library.push_back(input);
    }

    /// The next input of the core.
    pub(crate) fn next_of_core(&mut self) -> Option<Input> {
        self.core.pop_front()
    }

    /// The next input of the library.
    pub(crate) fn next_of_library(&mut self) -> Option<LibraryInput> {
        self.library.pop_front()
    }
}
