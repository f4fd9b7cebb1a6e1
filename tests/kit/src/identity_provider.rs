//! [`IdentityProvider`]: an issuer that publishes its keys on loopback as providers of OpenID Connect do, and goes wrong when
//! it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use weir_server::config;

use crate::tokens::ForeignIssuer;

/// What a provider answers when it is asked for one of its documents.
#[derive(Debug, Clone)]
pub enum Published {
    /// This text.
    Text(String),
    /// This status, and nothing.
    Status(u16),
    /// Elsewhere.
    MovedTo(String),
    /// This text, after a while.
    Late(Duration, String),
}

/// A provider that serves until it is dropped.
#[derive(Debug)]
pub struct IdentityProvider {
    /// The `iss` of its tokens.
    pub issuer: String,
    keys: Vec<(String, ForeignIssuer)>,
    state: Arc<Served>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Served {
    document: watch::Sender<Published>,
    jwks: watch::Sender<Published>,
    fetches: AtomicUsize,
}

impl IdentityProvider {
    /// A provider with one key, `first`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address: SocketAddr = listener.local_addr().expect("its address");
        let issuer = format!("http://{address}/realm");
        let state = Arc::new(Served {
            document: watch::Sender::new(Published::Status(404)),
            jwks: watch::Sender::new(Published::Status(404)),
            fetches: AtomicUsize::new(0),
        });
        let routes = Router::new()
            .route("/realm/.well-known/openid-configuration", get(document))
            .route("/realm/keys", get(jwks))
            .with_state(Arc::clone(&state));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        let mut provider = Self { issuer, keys: Vec::new(), state, serving };
        provider.rotate("first", 1);
        provider.publish_document(&provider.issuer, &format!("{}/keys", provider.issuer));
        provider
    }

    /// Makes a key and publishes the last `kept`.
    pub fn rotate(&mut self, key_id: &str, kept: usize) {
        self.keys.push((key_id.to_owned(), ForeignIssuer::new()));
        self.publish_keys(kept);
    }

    /// Publishes the last `kept` keys, beside some that are for others.
    pub fn publish_keys(&self, kept: usize) {
        let mut keys = vec![
            json!({"kty": "oct", "kid": "secret", "alg": "HS256", "k": "c2VjcmV0"}),
            json!({"kty": "RSA", "kid": "for encryption", "use": "enc", "n": "AQAB", "e": "AQAB"}),
            json!({"kty": "new", "kid": "of tomorrow"}),
        ];
        for (id, key) in self.keys.iter().rev().take(kept) {
            let set: Value = serde_json::from_str(&key.jwks(id)).expect("a key set");
            let set = set.get("keys").and_then(Value::as_array);
            keys.extend(set.expect("keys").iter().cloned());
        }
        self.answer_keys(Published::Text(json!({ "keys": keys }).to_string()));
    }

    /// What is answered for the keys from now on.
    pub fn answer_keys(&self, published: Published) {
        self.state.jwks.send_replace(published);
    }

    /// What the document of discovery says from now on.
    pub fn publish_document(&self, issuer: &str, keys: &str) {
        let document = json!({"issuer": issuer, "jwks_uri": keys, "authorization_endpoint": "https://x/"});
        self.answer_document(Published::Text(document.to_string()));
    }

    /// What is answered for the document of discovery from now on.
    pub fn answer_document(&self, published: Published) {
        self.state.document.send_replace(published);
    }

    /// How often its keys were fetched.
    pub fn fetches(&self) -> usize {
        self.state.fetches.load(Ordering::SeqCst)
    }

    /// A token for `subject` with a key of its, and what else it says.
    pub fn token(&self, key_id: &str, subject: &str, now: DateTime<Utc>, more: &Value) -> String {
        let mut claims = json!({
            "iss": self.issuer, "aud": "weir", "sub": subject,
            "exp": now.timestamp() + 24 * 3600, "iat": now.timestamp(),
        });
        let more = more.as_object().into_iter().flatten();
        let more = more.map(|(name, value)| (name.clone(), value.clone()));
        claims.as_object_mut().expect("claims").extend(more);
        let (_, key) = self.keys.iter().find(|(id, _)| id == key_id).expect("a key of that id");
        key.sign(key_id, &claims)
    }

    /// What a server's configuration says of it.
    pub fn configured(&self) -> config::Issuer {
        discovered(&self.issuer)
    }
}

/// An issuer of that name whose keys are found by discovery.
pub fn discovered(name: &str) -> config::Issuer {
    config::Issuer {
        name: name.to_owned(),
        jwks_file: None,
        key_file: None,
        jwks_url: None,
        discover: true,
        audiences: vec!["weir".to_owned()],
        subject_claim: "sub".to_owned(),
        required_scopes: Vec::new(),
        actor_claim: None,
        groups_claim: None,
        groups: BTreeMap::new(),
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn document(State(served): State<Arc<Served>>) -> Response {
    let published = served.document.borrow().clone();
    answer(published).await
}

async fn jwks(State(served): State<Arc<Served>>) -> Response {
    served.fetches.fetch_add(1, Ordering::SeqCst);
    let published = served.jwks.borrow().clone();
    answer(published).await
}

async fn answer(published: Published) -> Response {
    match published {
        Published::Text(text) => text.into_response(),
        Published::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Published::MovedTo(place) => (StatusCode::FOUND, [("location", place)]).into_response(),
        Published::Late(delay, text) => {
            tokio::time::sleep(delay).await;
            text.into_response()
        }
    }
}
