//! Real nodes under a scenario: the second world, and the third.
//!
//! Decides nothing about transfers: the nodes do, as they would for anybody. An [`Environment`]
//! gives each peer of a scenario a machine; the player plays the scenario's times on it and writes
//! down what happened, in the same record that a simulated run gives.
//!
//! [`Environment`]: environment::Environment

mod assemble;
pub mod contents;
mod control_client;
pub mod cpu;
pub mod environment;
mod error;
mod item;
pub mod loopback;
pub mod machines;
pub mod netns;
mod observations;
pub mod parameters;
pub mod player;
mod process;
mod scale;
mod speed;
#[cfg(test)]
mod tests;
mod topology;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

pub use error::{EmulateError, Unsupported};
pub use player::{Options, Progress, play};
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
