//! Serving the door: a listener in, gRPC out, until told to stop.

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use super::Door;
use super::service::Service;
use crate::error::{Condition, Error, Result};

/// The largest message taken in; clients send their parameters in messages larger than gRPC's
/// usual four mebibytes.
const DECODED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much a client may have under way to us on one stream, and on one connection.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// The largest frame of HTTP/2 that clients may send; 16 KiB without it.
const FRAME_BYTES: u32 = 1024 * 1024;
/// How often a silent connection is asked for a sign of life: what stands between forgets connections that say nothing for a
/// minute, and a statement may be silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A certificate and its key, in PEM.
pub struct Tls {
    /// The certificate, and those that lead to a root.
    pub certificate_pem: Vec<u8>,
    /// Its private key.
    pub key_pem: Vec<u8>,
    /// Roots of client certificates; where given, a client must present one.
    pub client_roots_pem: Option<Vec<u8>>,
}

/// How the door is served.
pub struct Config {
    /// Encrypted, or in the clear.
    pub tls: Option<Tls>,
    /// How long running statements may go on once the server is told to stop.
    pub drain: Duration,
}

/// Serves `door` on `listener` until `stop` is cancelled. Then nothing new is taken in, and
/// what runs may end within the time of draining.
pub async fn serve(
    door: Arc<Door>,
    listener: TcpListener,
    config: Config,
    stop: CancellationToken,
) -> Result<()> {
    let service = FlightServiceServer::new(Service(door))
        .max_decoding_message_size(DECODED_BYTES_MAX)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd);
    let mut server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(Some(FRAME_BYTES))
        .http2_keepalive_interval(Some(KEEP_ALIVE));
    if let Some(tls) = config.tls {
        server = server.tls_config(tls_config(tls)).map_err(|cause| {
            Error::new(Condition::InvalidConfiguration, "the certificate or key cannot be used")
                .caused_by(cause)
        })?;
    }
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let stopping = stop.clone();
    let serving = server
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async move { stopping.cancelled().await });
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

fn tls_config(tls: Tls) -> ServerTlsConfig {
    let config = ServerTlsConfig::new().identity(Identity::from_pem(tls.certificate_pem, tls.key_pem));
    match tls.client_roots_pem {
        Some(roots) => config.client_ca_root(Certificate::from_pem(roots)),
        None => config,
    }
}
