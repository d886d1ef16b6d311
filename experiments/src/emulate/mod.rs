//! Real nodes under a scenario: the second world, and the third.
//!
//! Decides nothing about transfers: the nodes do, as they would for anybody. A [`Place`] gives
//! each peer of a scenario a machine; the director plays the scenario's times on it and writes
//! down what happened, in the same record that a simulated run gives.
//!
//! [`Place`]: place::Place

mod account;
mod calls;
pub mod contents;
pub mod cpu;
pub mod director;
mod error;
mod journal;
pub mod loopback;
pub mod machines;
mod members;
pub mod parameters;
pub mod place;
mod process;
mod scale;
mod speed;
pub mod stage;
#[cfg(test)]
mod tests;
mod units;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

pub use director::{Options, Progress, play};
pub use error::{EmulateError, Unsupported};
pub use scale::scale;
pub use speed::Speed;

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
    pub fn of_signals() -> std::io::Result<Self> {
        Self::on_signals(|| ())
    }

    /// As [`Interrupt::of_signals`]; `then` is called at each of them, on a thread of its own.
    ///
    /// # Errors
    ///
    /// As [`Interrupt::of_signals`].
    pub fn on_signals(then: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let interrupt = Self::default();
        let set = interrupt.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Here and not on the thread: a signal that comes before the thread runs counts too.
        let (mut interrupted, mut terminated) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            _ = interrupted.recv() => (),
                            _ = terminated.recv() => (),
                        }
                        set.set();
                        then();
                    }
                });
            })?;
        Ok(interrupt)
    }
}
