//! The door for tokens: `POST /oauth/token` (RFC 6749, sections 3.2 and 4.4, and RFC 8693).
//!
//! Service principals get a short-lived token there, for themselves or for a user for whom they act. The door reads a form
//! and answers in JSON; what is given to whom is decided by [`TokenService`]. It is off unless it is configured, and speaks
//! TLS by the server's certificate or listens on this machine: secrets do not cross a network in the clear.
//!
//! What it does not do: parameters of other standards are refused by name, never passed over; it reads no header that names
//! somebody, and no parameter from an address.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::connections::NewestTls;
use crate::context::ClientDescription;
use crate::error::{Error, Result};
use crate::identity::TokenService;

mod answer;
mod arrivals;
mod form;

use answer::{Given, Problem};
use arrivals::{Arrivals, Peer};

/// Where tokens are asked for.
pub const PATH: &str = "/oauth/token";

/// The longest form; two tokens of the longest kind fit in.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// What a request needs.
struct Door {
    service: TokenService,
    clock: Arc<dyn Clock>,
}

/// Answers on `listener` until `stop` is cancelled, over TLS where there are certificates.
pub async fn serve(
    listener: TcpListener,
    tls: Option<NewestTls>,
    service: TokenService,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<()> {
    let arrivals = Arrivals::at(listener, tls).map_err(Error::internal)?;
    let routes = Router::new().route(PATH, any(tell)).fallback(elsewhere);
    let routes = routes.with_state(Arc::new(Door { service, clock }));
    axum::serve(arrivals, routes.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
        .map_err(Error::internal)
}

async fn elsewhere() -> Response {
    Problem::not_found().into_response()
}

async fn tell(
    State(door): State<Arc<Door>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    match door.answer(peer, request).await {
        Ok(given) => given.into_response(),
        Err(problem) => problem.into_response(),
    }
}

impl Door {
    async fn answer(&self, peer: Peer, request: Request) -> Result<Given, Problem> {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            return Err(Problem::method());
        }
        // A secret there is in somebody's log already.
        if head.uri.query().is_some() {
            return Err(Problem::request("parameters stand in the body, not in the address"));
        }
        let asked = form::read(&head.headers, &read(body).await?)?;
        let client = described(&head.headers, peer);
        let now = self.clock.now();
        let signed = self.service.give(asked.request, (peer.0.ip(), client.origin()), now).await?;
        Ok(Given { signed, now, issued_type: asked.issued_type })
    }
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    to_bytes(body, FORM_BYTES_MAX).await.map(Vec::from).map_err(|_| Problem::too_large())
}

fn described(headers: &HeaderMap, peer: Peer) -> ClientDescription {
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    ClientDescription::new(user_agent, Some(peer.0.ip()))
}
