//! [`Arrivals`]: connections to the door for tokens, over TLS where the server has a certificate.
//!
//! A connection has half a minute, however little it says, and so many may be open at one time: whoever is silent or slow
//! takes no place from others for long.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::connections::{self, NewestTls, TLS_HANDSHAKE};

/// How long a connection may take, from its beginning to its end.
const LIFE: Duration = Duration::from_secs(30);
/// Connections open at one time; more wait at the port.
const OPEN_MAX: usize = 256;
/// What a client in the clear is told.
const PLAINTEXT: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
    Connection: close\r\n\r\n{\"error\":\"invalid_request\",\"error_description\":\"this door speaks https, and what was \
    sent could be read on its way: make another secret\"}\n";

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Arrivals>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Arrivals>) -> Self {
        *stream.remote_addr()
    }
}

/// The connections that come in.
pub(super) struct Arrivals {
    taken: mpsc::Receiver<(Arrival, Peer)>,
    address: SocketAddr,
}

impl Arrivals {
    /// Those at `listener`.
    pub(super) fn at(listener: TcpListener, tls: Option<NewestTls>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, taken) = mpsc::channel(1);
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(OPEN_MAX));
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                let (stream, peer) = tokio::select! {
                    () = sender.closed() => break,
                    taken = connections::next(&listener) => taken,
                };
                let (sender, tls) = (sender.clone(), tls.clone());
                tokio::spawn(async move {
                    match tokio::time::timeout(LIFE, greet(stream, tls)).await {
                        Ok(Ok(Some(stream))) => {
                            let arrival =
                                Arrival { stream, end: Box::pin(tokio::time::sleep(LIFE)), _place: place };
                            drop(sender.send((arrival, Peer(peer))).await);
                        }
                        Ok(Ok(None)) => {
                            tracing::warn!(%peer, "a client speaks in the clear to the door for tokens")
                        }
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "a connection broke as it began"),
                        Err(_) => tracing::debug!(%peer, "a connection did not say what it is"),
                    }
                });
            }
        });
        Ok(Self { taken, address })
    }
}

impl Listener for Arrivals {
    type Io = Arrival;
    type Addr = Peer;

    async fn accept(&mut self) -> (Arrival, Peer) {
        match self.taken.recv().await {
            Some(taken) => taken,
            // The task that takes connections ends with this end of its channel alone.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer(self.address))
    }
}

type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// The connection once it can be served; none where it speaks in the clear and should not.
async fn greet(mut stream: TcpStream, tls: Option<NewestTls>) -> io::Result<Option<Stream>> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Some(Either::Left(stream))) };
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first != [TLS_HANDSHAKE] {
        stream.write_all(PLAINTEXT).await?;
        stream.shutdown().await?;
        return Ok(None);
    }
    let mut config = ServerConfig::clone(&tls.borrow());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
    Ok(Some(Either::Right(Box::new(stream))))
}

/// A connection that may be served until its end.
pub(super) struct Arrival {
    stream: Stream,
    end: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Arrival {
    /// Its stream, unless its time is over.
    fn stream(self: Pin<&mut Self>, context: &mut Context<'_>) -> io::Result<Pin<&mut Stream>> {
        let arrival = self.get_mut();
        match arrival.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(Pin::new(&mut arrival.stream)),
        }
    }
}

impl AsyncRead for Arrival {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Arrival {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_shutdown(context)
    }
}
