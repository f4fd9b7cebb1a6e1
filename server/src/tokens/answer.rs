//! What the door answers: a token (RFC 6749, section 5.1, and RFC 8693, section 2.2.1), or a [`Problem`] (RFC 6749, section
//! 5.2). Neither is to be kept by anything on the way. No text quotes what was sent.

use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::identity::{Refusal, SignedToken};

/// A token that is given.
pub(super) struct Given {
    pub(super) signed: SignedToken,
    pub(super) now: DateTime<Utc>,
    /// What an exchange calls it.
    pub(super) issued_type: Option<&'static str>,
}

impl IntoResponse for Given {
    fn into_response(self) -> Response {
        let mut answer = json!({
            "access_token": self.signed.token.reveal(),
            "token_type": "Bearer",
            "expires_in": (self.signed.expires_at - self.now).num_seconds(),
        });
        if let (Some(issued_type), Some(answer)) = (self.issued_type, answer.as_object_mut()) {
            answer.insert("issued_token_type".to_owned(), json!(issued_type));
        }
        (headers(None), answer.to_string()).into_response()
    }
}

/// Why there is none.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    description: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, description: impl Into<String>) -> Self {
        Self { status, code, description: description.into(), header: None }
    }

    fn with(self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        Self { header: Some((name, value.into())), ..self }
    }

    pub(super) fn request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) fn client(description: impl Into<String>) -> Self {
        let challenge = HeaderValue::from_static("Basic realm=\"weir\"");
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description).with(WWW_AUTHENTICATE, challenge)
    }

    pub(super) fn grant_type() -> Self {
        let description =
            "tokens are given for client_credentials and urn:ietf:params:oauth:grant-type:token-exchange";
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", description)
    }

    pub(super) fn scope() -> Self {
        let description =
            "there are no scopes here: leave scope out; a READ ONLY secret gives a token for reading alone";
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", description)
    }

    pub(super) fn target() -> Self {
        let description =
            "tokens are given for this server alone: leave resource out, and audience, or say weir";
        Self::new(StatusCode::BAD_REQUEST, "invalid_target", description)
    }

    pub(super) fn content_type() -> Self {
        let description = "the body must be application/x-www-form-urlencoded";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request", description)
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "tokens are asked for by POST")
            .with(ALLOW, HeaderValue::from_static("POST"))
    }

    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "the body is too large or broke off")
    }

    pub(super) fn not_found() -> Self {
        let description = format!("there is nothing here: tokens are asked for by POST to {}", super::PATH);
        Self::new(StatusCode::NOT_FOUND, "invalid_request", description)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::Client => Self::client(text),
            Refusal::Wait(seconds) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "invalid_client", text).with(RETRY_AFTER, seconds)
            }
            Refusal::MayNotAct => Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", text),
            Refusal::Actor | Refusal::Subject | Refusal::MayActIsAnother | Refusal::TooLong => {
                Self::request(text)
            }
            Refusal::Unavailable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text)
            }
            Refusal::Internal(error) => {
                let cause = error.internal_context().map(ToString::to_string);
                tracing::error!(%error, cause, "a token could not be given");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", text)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let answer = json!({"error": self.code, "error_description": self.description});
        (self.status, headers(self.header), answer.to_string()).into_response()
    }
}

fn headers(more: Option<(HeaderName, HeaderValue)>) -> HeaderMap {
    let always = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    always.into_iter().chain(more).collect()
}
