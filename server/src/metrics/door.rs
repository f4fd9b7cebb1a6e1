//! The door for figures: `GET /metrics`, and `GET /health` for whoever asks whether the server is there.
//!
//! It asks nobody for a token, as scrapers expect, and therefore listens on this machine unless the configuration says
//! otherwise.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Metrics, Now};
use crate::error::{Error, Result};

/// The media type that scrapers of OpenMetrics ask for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers on `listener` until `closed` is cancelled; `now` reads what stands at the moment. Once `stop` is cancelled, whoever asks
/// for the server's health is told that it takes nothing new in.
pub async fn serve<N>(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    now: N,
    stop: CancellationToken,
    closed: CancellationToken,
) -> Result<()>
where
    N: Fn() -> Now + Clone + Send + Sync + 'static,
{
    let figures = move || {
        let told = metrics.text(now());
        async move { answer(told) }
    };
    let health = move || {
        let health = match stop.is_cancelled() {
            false => (StatusCode::OK, "ok\n"),
            true => (StatusCode::SERVICE_UNAVAILABLE, "the server is being stopped\n"),
        };
        async move { health }
    };
    let routes = Router::new().route("/metrics", get(figures)).route("/health", get(health));
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move { closed.cancelled().await })
        .await
        .map_err(Error::internal)
}

fn answer(told: Result<String>) -> Response {
    match told {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "figures could not be told");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
