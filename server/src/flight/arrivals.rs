//! [`arrivals`]: connections as they come in, each seen by its first byte: TLS, HTTP/2 in the clear, or neither.
//!
//! Who speaks otherwise than the server is told so as far as its protocol lets it: a client in the clear of a server with TLS by
//! the answer to each of its calls, none of which reaches the door; a browser by a page; a client with TLS of a server without by
//! an alert, since a sentence could only follow upon a handshake. The log has a sentence for each.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::either::Either;
use tonic::transport::server::Connected;
use tonic::{Request, Status};

use super::certificates::NewestOffer;
use crate::connections::{self, TLS_HANDSHAKE};
use crate::error::{Condition, Error};
use crate::identity::ShownCertificate;

/// How long a connection may take until it has said what it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that have not said what they are yet; more wait at the port.
const UNDER_WAY_MAX: usize = 1024;

/// A fatal alert `handshake_failure` (RFC 8446, section 6).
const TLS_ALERT: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];
/// What a browser is told.
const PAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This is a Weir warehouse server. It speaks Arrow Flight SQL: ask it with ADBC, JDBC or `weir sql`.\n";

/// A connection that may be served.
pub(super) struct Arrival {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    peer: Peer,
}

/// Who is at the other end; calls carry it.
#[derive(Clone)]
pub(super) struct Peer {
    /// Its address.
    pub(super) address: SocketAddr,
    /// Whether it speaks in the clear and the server does not.
    in_the_clear: bool,
    /// The certificate it showed, and where the authorities of each moment are found.
    certificate: Option<(ShownCertificate, NewestOffer)>,
}

/// The connections that come in at `listener`, with TLS where there are certificates.
pub(super) fn arrivals(
    listener: TcpListener,
    certificates: Option<NewestOffer>,
) -> impl Stream<Item = io::Result<Arrival>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        loop {
            let (stream, address) = tokio::select! {
                () = sender.closed() => break,
                taken = connections::next(&listener) => taken,
            };
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            let (sender, certificates) = (sender.clone(), certificates.clone());
            tokio::spawn(async move {
                let greeted = tokio::time::timeout(PATIENCE, greet(stream, address, certificates)).await;
                drop(place);
                match greeted {
                    Ok(Ok(Some(arrival))) => drop(sender.send(Ok(arrival)).await),
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => tracing::debug!(%address, %error, "a connection broke as it began"),
                    Err(_) => tracing::debug!(%address, "a connection did not say what it is"),
                }
            });
        }
    });
    ReceiverStream::new(receiver)
}

async fn greet(
    mut stream: TcpStream,
    address: SocketAddr,
    certificates: Option<NewestOffer>,
) -> io::Result<Option<Arrival>> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    let plain = |stream, in_the_clear| Arrival {
        stream: Either::Left(stream),
        peer: Peer { address, in_the_clear, certificate: None },
    };
    match (first, certificates) {
        ([TLS_HANDSHAKE], Some(certificates)) => {
            let newest = Arc::clone(&certificates.borrow());
            let stream = TlsAcceptor::from(Arc::clone(&newest.config)).accept(stream).await?;
            let shown = stream.get_ref().1.peer_certificates().zip(newest.clients.clone());
            let shown = shown.map(|(chain, authorities)| ShownCertificate::new(chain, authorities));
            let peer = Peer { address, in_the_clear: false, certificate: shown.zip(Some(certificates)) };
            Ok(Some(Arrival { stream: Either::Right(Box::new(stream)), peer }))
        }
        ([TLS_HANDSHAKE], None) => {
            tracing::warn!(
                %address,
                "a client speaks TLS, and this server does not: connect with grpc:// (ADBC, weir sql) or \
                 useEncryption=false (JDBC), or set server.tls_certificate and server.tls_key"
            );
            stream.write_all(&TLS_ALERT).await?;
            stream.shutdown().await?;
            Ok(None)
        }
        // GET and HEAD: whoever speaks HTTP/2 begins with PRI.
        ([b'G' | b'H'], _) => {
            stream.write_all(PAGE).await?;
            stream.shutdown().await?;
            Ok(None)
        }
        (_, Some(_)) => {
            tracing::warn!(%address, "a client speaks in the clear, and this server wants TLS");
            Ok(Some(plain(stream, true)))
        }
        (_, None) => Ok(Some(plain(stream, false))),
    }
}

/// Refuses each call that comes in the clear to a server with TLS, before anything of it is read.
pub(super) fn refuse_in_the_clear(call: Request<()>) -> Result<Request<()>, Status> {
    match call.extensions().get::<Peer>() {
        Some(peer) if peer.in_the_clear => {
            let error = Error::new(Condition::EncryptionRequired, "this server wants TLS").with_hint(
                "connect with grpc+tls:// (ADBC, weir sql) or useEncryption=true (JDBC); what was sent could be read on \
                 its way",
            );
            Err(error.into_status(None))
        }
        _ => Ok(call),
    }
}

/// The address that a call comes from.
pub(super) fn address_of<T>(call: &Request<T>) -> Option<std::net::IpAddr> {
    call.extensions().get::<Peer>().map(|peer| peer.address.ip())
}

/// The certificate that the connection of a call showed, before the authorities of now.
pub(super) fn certificate_of<T>(call: &Request<T>) -> Option<ShownCertificate> {
    let (shown, newest) = call.extensions().get::<Peer>()?.certificate.as_ref()?;
    let authorities = newest.borrow().clients.clone();
    // Whether certificates are asked for does not change while the server runs.
    Some(authorities.map_or_else(|| shown.clone(), |authorities| shown.clone().before(authorities)))
}

impl Connected for Arrival {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Arrival {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Arrival {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
