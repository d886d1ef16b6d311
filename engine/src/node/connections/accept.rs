//! Accepts connections on the listening socket and hands them to the driver, one after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;
use tracing::debug;

use super::event::ConnectionEvent;
use crate::node::event::NodeEvent;
use crate::store::is_out;

/// Pause after an accept that failed, for descriptors to come back.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes that a socket may hold unsent: the queue is kept where the discipline orders it.
const UNSENT_MAX: u32 = 64 * 1024;

/// Accepts connections, each once the driver has signalled that there is room.
pub(crate) async fn accept(
    listener: TcpListener,
    room: Arc<Notify>,
    events: mpsc::Sender<NodeEvent>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let accepted = ConnectionEvent::Accepted(stream, from);
                if events.send(accepted.into()).await.is_err() {
                    return;
                }
                room.notified().await;
            }
            Err(error) => {
                debug!(%error, "accept");
                // Of those that files keep open some are closed for it.
                if is_out(&error) && events.send(NodeEvent::Crowded).await.is_err() {
                    return;
                }
                sleep(PAUSE).await;
            }
        }
    }
}

/// What every connection has set.
pub(super) fn set_up(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    // A system that knows none of these serves all the same.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
}
