//! Serving the door: a listener in, gRPC out, until told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::Door;
use super::arrivals::arrivals;
use super::certificates::Certificates;
use super::entrance::Entrance;
use crate::error::{Error, Result};

/// How much a client may have under way to us on one stream, and on one connection.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// The largest frame of HTTP/2 that clients may send; 16 KiB without it.
const FRAME_BYTES: u32 = 1024 * 1024;
/// How often a silent connection is asked for a sign of life: what stands between forgets connections that say nothing for a
/// minute, and a statement may be silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How the door is served.
pub struct Config {
    /// Encrypted, or in the clear.
    pub tls: Option<Certificates>,
    /// How long running statements may go on once the server is told to stop.
    pub drain: Duration,
    /// How long a statement may be; a message that carries one may be somewhat longer.
    pub statement_bytes: u64,
}

/// Serves `door` on `listener` until `stop` is cancelled. Then calls that come are told to go elsewhere, and
/// what runs may end within the time of draining.
pub async fn serve(
    door: Arc<Door>,
    listener: TcpListener,
    config: Config,
    stop: CancellationToken,
) -> Result<()> {
    let leaving = door.leaving.clone();
    let service = Entrance::new(door, config.statement_bytes);
    let mut server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(Some(FRAME_BYTES))
        .http2_keepalive_interval(Some(KEEP_ALIVE));
    let newest = config.tls.as_ref().map(Certificates::newest_offer);
    if let Some(tls) = config.tls {
        tokio::spawn(tls.keep(stop.clone()));
    }
    let incoming = arrivals(listener, newest);
    let stopping = stop.clone();
    let serving = server.add_service(service).serve_with_incoming_shutdown(incoming, async move {
        stopping.cancelled().await;
        leaving.leave(config.drain).await;
    });
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(config.drain).await;
    };
    tokio::select! {
        served = serving => served.map_err(Error::internal),
        () = drained => {
            tracing::warn!("statements still ran when the time of draining was over");
            Ok(())
        }
    }
}
