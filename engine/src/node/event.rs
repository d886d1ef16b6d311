//! The events of a node: one `enum` for everything that the driver handles.

use super::connections::event::ConnectionEvent;
use super::contents::event::DiskEvent;
use super::control::event::Answer;
use crate::control::api::Call;
use crate::session::FromSession;

/// One thing that happened to a node.
pub(crate) enum NodeEvent {
    /// On a session.
    Session(FromSession),
    /// Of a connection that has no session yet.
    Connection(ConnectionEvent),
    /// A connection could not be accepted for want of descriptors.
    Crowded,
    /// On a disk.
    Disk(DiskEvent),
    /// A person wants something.
    Call(Call),
    /// What a person wants was looked up on a disk.
    Answer(Answer),
    /// Read the parameter file again.
    Reload,
    /// Stop.
    Stop,
    /// A second has passed.
    Second,
}

impl From<FromSession> for NodeEvent {
    fn from(told: FromSession) -> Self {
        Self::Session(told)
    }
}

impl From<ConnectionEvent> for NodeEvent {
    fn from(event: ConnectionEvent) -> Self {
        Self::Connection(event)
    }
}

impl From<DiskEvent> for NodeEvent {
    fn from(event: DiskEvent) -> Self {
        Self::Disk(event)
    }
}

impl From<Answer> for NodeEvent {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}
