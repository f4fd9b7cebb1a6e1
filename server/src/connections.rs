//! Connections as they come in at a door's port: how they are taken, and what they show of TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Server configurations of TLS, the newest of which holds for new connections.
pub type NewestTls = watch::Receiver<Arc<ServerConfig>>;

/// The first byte of a TLS handshake.
pub(crate) const TLS_HANDSHAKE: u8 = 0x16;

/// After a connection could not be taken, as when there are too many.
const PAUSE: Duration = Duration::from_millis(50);

/// The next connection at `listener`. What cannot be taken is told to the log, and tried again.
pub(crate) async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(taken) => return taken,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
