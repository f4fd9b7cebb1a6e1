//! [`Entrance`]: who calls is verified by the headers of a call, before anything of its body is read, and small bodies are all that
//! most calls may have.
//!
//! A login is verified by itself, and reads no body. What [`Door::admit`] takes up is what was verified here.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_flight::flight_service_server::FlightServiceServer;
use chrono::TimeDelta;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::server::NamedService;

use super::Door;
use super::arrivals::refuse_in_the_clear;
use super::call::Call;
use super::service::Service;
use crate::error::{Condition, Error};

const HANDSHAKE: &str = "/arrow.flight.protocol.FlightService/Handshake";
const DO_PUT: &str = "/arrow.flight.protocol.FlightService/DoPut";

/// The largest message with rows; clients send their parameters in messages larger than gRPC's usual four mebibytes.
const ROWS_BYTES_MAX: usize = 64 << 20;
/// The largest other message, beside the statements in it: handles and tickets carry up to a mebibyte of bound values.
const COMMAND_BYTES_MAX: usize = 4 << 20;

/// How long the message of a call may take to come, once its headers have.
const PATIENCE: TimeDelta = TimeDelta::seconds(30);

/// A call that was let in.
#[derive(Clone)]
struct Admitted(Arc<Call>);

/// The door as gRPC, and who stands before it.
#[derive(Clone)]
pub(super) struct Entrance {
    door: Arc<Door>,
    commands: FlightServiceServer<Service>,
    rows: FlightServiceServer<Service>,
}

impl Entrance {
    /// Of `door`, which takes statements of so many bytes.
    pub(super) fn new(door: Arc<Door>, statement_bytes: u64) -> Self {
        let statement_bytes = usize::try_from(statement_bytes).unwrap_or(usize::MAX);
        // One that is somewhat too long is to be read, and refused by its name.
        let commands_max = COMMAND_BYTES_MAX.saturating_add(statement_bytes.saturating_mul(2));
        let service = |bytes_max| {
            FlightServiceServer::new(Service(Arc::clone(&door)))
                .max_decoding_message_size(bytes_max)
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
        };
        let (commands, rows) = (service(commands_max.min(ROWS_BYTES_MAX)), service(ROWS_BYTES_MAX));
        Self { door, commands, rows }
    }
}

impl tower::Service<Request<Body>> for Entrance {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let door = Arc::clone(&self.door);
        let mut service =
            if request.uri().path() == DO_PUT { self.rows.clone() } else { self.commands.clone() };
        async move {
            match door.let_in(&mut request).await {
                Ok(()) => service.call(request).await,
                Err(refusal) => Ok(refusal.into_http()),
            }
        }
        .boxed()
    }
}

impl NamedService for Entrance {
    const NAME: &'static str = <FlightServiceServer<Service> as NamedService>::NAME;
}

impl Door {
    async fn let_in(&self, request: &mut Request<Body>) -> Result<(), Status> {
        refuse_in_the_clear(request.extensions()).map_err(|error| error.into_status(None))?;
        if request.uri().path() != HANDSHAKE {
            let call = self.verified_call(request.headers().clone(), request.extensions()).await;
            let call = call.map_err(|error| error.into_status(None))?;
            request.extensions_mut().insert(Admitted(Arc::new(call)));
        }
        Ok(())
    }

    /// The verified call, and what it brings. Whoever was not let in is not here.
    pub(super) fn admit<T>(&self, request: tonic::Request<T>) -> Result<(Arc<Call>, T), Status> {
        let (_, mut extensions, message) = request.into_parts();
        match extensions.remove::<Admitted>() {
            // What was verified then need not hold now.
            Some(Admitted(call)) if self.clock.now() - call.context.started_at() > PATIENCE => {
                let late = Error::new(
                    Condition::OperationCanceled,
                    "the call's message came too long after its headers",
                );
                Err(late.with_hint("ask again").into_status(None))
            }
            Some(Admitted(call)) => Ok((call, message)),
            None => Err(Error::internal("a call passed the entrance by").into_status(None)),
        }
    }
}
