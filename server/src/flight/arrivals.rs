//! [`arrivals`]: connections as they come in, each seen by its first byte: TLS, HTTP/2 in the clear, or neither.
//!
//! Who speaks otherwise than the server is told so as far as its protocol lets it: a client in the clear of a server with TLS by
//! the answer to each of its calls, none of which reaches the door; a browser by a page; a client with TLS of a server without by
//! an alert, since a sentence could only follow upon a handshake. The log has a sentence for each.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Extensions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::certificates::NewestOffer;
use crate::connections::{self, TLS_HANDSHAKE};
use crate::error::{Condition, Error, Result};
use crate::identity::ShownCertificate;

/// How long a connection may take until it has said what it is, TLS and the beginning of HTTP/2.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that have not said what they are yet; the oldest of more is closed.
const UNDER_WAY_MAX: usize = 1024;
/// With this each client of HTTP/2 begins (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A fatal alert `handshake_failure` (RFC 8446, section 6).
const TLS_ALERT: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];
/// What a browser is told.
const PAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This is a Weir warehouse server. It speaks Arrow Flight SQL: ask it with ADBC, JDBC or `weir sql`.\n";

/// A connection that may be served.
pub(super) struct Arrival {
    stream: Stream,
    peer: Peer,
    /// What was read of it already, and whoever serves it has not seen yet.
    seen: &'static [u8],
}

type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

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
) -> impl futures::Stream<Item = io::Result<Arrival>> {
    arrivals_within(listener, certificates, PATIENCE)
}

fn arrivals_within(
    listener: TcpListener,
    certificates: Option<NewestOffer>,
    patience: Duration,
) -> impl futures::Stream<Item = io::Result<Arrival>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut silent = Silent::default();
        loop {
            let (stream, address) = tokio::select! {
                () = sender.closed() => break,
                taken = connections::next(&listener) => taken,
            };
            let place = silent.place();
            let (sender, certificates) = (sender.clone(), certificates.clone());
            tokio::spawn(async move {
                let greeting = tokio::time::timeout(patience, greet(stream, address, certificates));
                let greeted = place.run_until_cancelled(greeting).await;
                place.cancel();
                let Some(greeted) = greeted else {
                    tracing::debug!(%address, "a connection that had not said what it is gave way to others");
                    return;
                };
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

/// The connections that have not said what they are, each cancelled when that is over, the oldest first.
#[derive(Default)]
struct Silent(VecDeque<CancellationToken>);

impl Silent {
    /// A place for one more; where there is none, the oldest gives way.
    fn place(&mut self) -> CancellationToken {
        if self.0.len() >= UNDER_WAY_MAX {
            self.0.retain(|place| !place.is_cancelled());
        }
        if self.0.len() >= UNDER_WAY_MAX
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.cancel();
        }
        let place = CancellationToken::new();
        self.0.push_back(place.clone());
        place
    }
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
    let plain =
        |stream, in_the_clear| begun(Either::Left(stream), Peer { address, in_the_clear, certificate: None });
    match (first, certificates) {
        ([TLS_HANDSHAKE], Some(certificates)) => {
            let newest = Arc::clone(&certificates.borrow());
            let stream = TlsAcceptor::from(Arc::clone(&newest.config)).accept(stream).await?;
            let shown = stream.get_ref().1.peer_certificates().zip(newest.clients.clone());
            let shown = shown.map(|(chain, authorities)| ShownCertificate::new(chain, authorities));
            let peer = Peer { address, in_the_clear: false, certificate: shown.zip(Some(certificates)) };
            begun(Either::Right(Box::new(stream)), peer).await
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
            plain(stream, true).await
        }
        (_, None) => plain(stream, false).await,
    }
}

/// The connection once HTTP/2 has begun on it; none where something else did.
async fn begun(mut stream: Stream, peer: Peer) -> io::Result<Option<Arrival>> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    match &preface == PREFACE {
        true => Ok(Some(Arrival { stream, peer, seen: PREFACE })),
        false => {
            tracing::debug!(address = %peer.address, "a connection does not speak HTTP/2");
            Ok(None)
        }
    }
}

/// Refuses a call that comes in the clear to a server with TLS, before anything of it is read.
pub(super) fn refuse_in_the_clear(connection: &Extensions) -> Result<()> {
    match connection.get::<Peer>() {
        Some(peer) if peer.in_the_clear => {
            let hint = "connect with grpc+tls:// (ADBC, weir sql) or useEncryption=true (JDBC); what was sent could be read on \
                 its way";
            Err(Error::new(Condition::EncryptionRequired, "this server wants TLS").with_hint(hint))
        }
        _ => Ok(()),
    }
}

/// The address that a call comes from.
pub(super) fn address_of(connection: &Extensions) -> Option<std::net::IpAddr> {
    connection.get::<Peer>().map(|peer| peer.address.ip())
}

/// The certificate that the connection of a call showed, before the authorities of now.
pub(super) fn certificate_of(connection: &Extensions) -> Option<ShownCertificate> {
    let (shown, newest) = connection.get::<Peer>()?.certificate.as_ref()?;
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
        let arrival = self.get_mut();
        if arrival.seen.is_empty() {
            return Pin::new(&mut arrival.stream).poll_read(context, buffer);
        }
        let (now, later) = arrival.seen.split_at(arrival.seen.len().min(buffer.remaining()));
        buffer.put_slice(now);
        arrival.seen = later;
        Poll::Ready(Ok(()))
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]

    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn who_does_not_begin_is_closed_and_who_does_is_served_with_every_byte() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut taken = std::pin::pin!(arrivals_within(listener, None, Duration::from_millis(100)));
        for beginning in [&b"P"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(beginning).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert!(answer.is_empty(), "it is closed without a word");
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&[&PREFACE[..], b"and so on"].concat()).await.unwrap();
        let mut arrival = taken.next().await.unwrap().unwrap();
        let (mut first, mut rest) = ([0; 5], [0; 28]);
        arrival.read_exact(&mut first).await.unwrap();
        arrival.read_exact(&mut rest).await.unwrap();
        assert_eq!([&first[..], &rest].concat(), [&PREFACE[..], b"and so on"].concat());
    }

    #[test]
    fn of_too_many_silent_connections_the_oldest_gives_way() {
        let mut silent = Silent::default();
        let first: Vec<_> = (0..UNDER_WAY_MAX).map(|_| silent.place()).collect();
        assert!(first.iter().all(|place| !place.is_cancelled()));
        let second = silent.place();
        let gave_way: Vec<_> = first.iter().map(CancellationToken::is_cancelled).collect();
        assert!(gave_way[0] && !gave_way[1..].contains(&true) && !second.is_cancelled());
        // One that has said what it is takes no place.
        first[5].cancel();
        silent.place();
        assert!(!first[1].is_cancelled());
    }
}
