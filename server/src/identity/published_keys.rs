//! [`PublishedKeys`]: the keys that an issuer publishes, at an address that is configured or found by OpenID Connect
//! discovery (OpenID Connect Discovery 1.0, section 4).
//!
//! They are fetched when the first token needs them, again when a token names a key that is not among them, and behind a
//! call's back when they are some minutes old: so keys rotate without a restart and nobody waits for it. However many calls
//! ask, one fetch is under way at a time, and none within seconds of the last: names of keys that nobody has cost nothing.
//! Keys that could not be fetched again for an hour verify nothing.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use aws_lc_rs::digest;
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use tokio::sync::{Mutex, watch};
use url::Url;

use super::jwks::KeySet;
use super::rejection::Rejection;
use crate::config;
use crate::error::{Error, Result};

/// From this age on they are fetched again.
const FRESH: Duration = Duration::minutes(5);
/// From this age on they verify nothing.
const KEPT: Duration = Duration::hours(1);
/// Between two fetches, whatever the first one brought.
const PAUSE: Duration = Duration::seconds(10);
/// How long one answer may take.
const PATIENCE: StdDuration = StdDuration::from_secs(5);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Where keys are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At this address.
    Fixed(Url),
    /// Where the issuer's own document says, which lies below its name.
    Discovered,
}

/// The keys of one issuer as they were last fetched.
#[derive(Debug)]
pub(super) struct PublishedKeys {
    issuer: String,
    place: Place,
    client: reqwest::Client,
    held: watch::Sender<Held>,
    turn: Arc<Mutex<()>>,
}

#[derive(Debug, Clone)]
struct Held {
    keys: Arc<KeySet>,
    fingerprint: Vec<u8>,
    tried_at: Option<DateTime<Utc>>,
    fetched_at: Option<DateTime<Utc>>,
}

/// What is read of an issuer's document.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

impl PublishedKeys {
    /// Nothing is fetched yet: a server starts without its issuers.
    pub(super) fn new(issuer: &str, place: Place) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Error::internal)?;
        let (keys, fingerprint) = (Arc::new(KeySet::empty()), Vec::new());
        let held = watch::Sender::new(Held { keys, fingerprint, tried_at: None, fetched_at: None });
        Ok(Self { issuer: issuer.to_owned(), place, client, held, turn: Arc::default() })
    }

    /// The keys as of now; the same `Arc` as long as nothing changed.
    pub(super) fn keys(&self, now: DateTime<Utc>) -> Result<Arc<KeySet>, Rejection> {
        let held = self.held.borrow();
        match held.fetched_at {
            Some(at) if now - at < KEPT => Ok(Arc::clone(&held.keys)),
            _ => Err(Rejection::NoKeys),
        }
    }

    /// Fetches what a token with this key id needs, if it may be there.
    pub(super) async fn prepare(self: &Arc<Self>, key_id: Option<&str>, now: DateTime<Utc>) {
        if self.has(key_id, now) {
            return self.renew(now);
        }
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have brought it.
        if !self.has(key_id, now) && self.may_try(now) {
            self.fetch(now).await;
        }
    }

    /// Fetches old keys again behind the caller's back.
    fn renew(self: &Arc<Self>, now: DateTime<Utc>) {
        let is_fresh = self.held.borrow().fetched_at.is_some_and(|at| now - at < FRESH);
        if is_fresh || !self.may_try(now) {
            return;
        }
        // Whoever has the turn does the same.
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            let keys = Arc::clone(self);
            tokio::spawn(async move {
                let _turn = turn;
                keys.fetch(now).await;
            });
        }
    }

    fn has(&self, key_id: Option<&str>, now: DateTime<Utc>) -> bool {
        self.keys(now).is_ok_and(|keys| keys.find(key_id).is_ok())
    }

    fn may_try(&self, now: DateTime<Utc>) -> bool {
        self.held.borrow().tried_at.is_none_or(|at| (now - at).abs() >= PAUSE)
    }

    async fn fetch(&self, now: DateTime<Utc>) {
        let fetched = self.download().await;
        self.held.send_modify(|held| {
            held.tried_at = Some(now);
            match fetched {
                Ok((keys, fingerprint)) => {
                    held.fetched_at = Some(now);
                    if fingerprint != held.fingerprint {
                        tracing::info!(issuer = self.issuer, "the issuer's keys were fetched");
                        (held.keys, held.fingerprint) = (Arc::new(keys), fingerprint);
                    }
                }
                Err(what) => tracing::warn!(issuer = self.issuer, "the issuer's keys cannot be had: {what}"),
            }
        });
    }

    async fn download(&self) -> Result<(KeySet, Vec<u8>), String> {
        let place = match &self.place {
            Place::Fixed(place) => place.clone(),
            Place::Discovered => self.discovered().await?,
        };
        let text = self.answer(&place).await?;
        let keys = KeySet::published(&text).map_err(|what| format!("{place} {what}"))?;
        Ok((keys, digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()))
    }

    async fn discovered(&self) -> Result<Url, String> {
        let below = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let place = config::issuer_url(&below)?;
        let text = self.answer(&place).await?;
        let document: Document = serde_json::from_str(&text)
            .map_err(|_| format!("{place} is not a document of OpenID Connect discovery"))?;
        if document.issuer != self.issuer {
            return Err(format!("{place} is the document of another issuer"));
        }
        config::issuer_url(&document.jwks_uri)
    }

    async fn answer(&self, place: &Url) -> Result<String, String> {
        let failed = |error: reqwest::Error| format!("{place} does not answer: {}", error.without_url());
        let mut answer = self.client.get(place.clone()).send().await.map_err(failed)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("{place} answers with {}", answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(format!("{place} answers with more than {ANSWER_BYTES_MAX} bytes"));
            }
        }
        String::from_utf8(bytes).map_err(|_| format!("{place} does not answer in UTF-8"))
    }
}
