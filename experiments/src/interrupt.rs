//! ^C and SIGTERM.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Whether a person wants everything to end; looked at wherever something takes long.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks for the end.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// One that ^C and SIGTERM set, from now on and for the life of the process.
    ///
    /// # Errors
    ///
    /// If no thread can be made for it, or a signal cannot be taken.
    pub fn of_signals() -> io::Result<Self> {
        Self::on_signals(|| ())
    }

    /// As [`Interrupt::of_signals`]; `then` is called at each of them, on a thread of its own.
    ///
    /// # Errors
    ///
    /// As [`Interrupt::of_signals`].
    pub fn on_signals(then: impl Fn() + Send + 'static) -> io::Result<Self> {
        let interrupt = Self::default();
        let set = interrupt.clone();
        // Here and not on the thread: a signal that comes before the thread runs counts too.
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for _ in signals.forever() {
                    set.set();
                    then();
                }
            })?;
        Ok(interrupt)
    }
}
