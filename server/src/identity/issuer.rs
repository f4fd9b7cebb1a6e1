//! [`Issuer`]: whose tokens are believed, by which keys, for which audiences.
//!
//! Keys come from the configured place only, a file or what the [issuer publishes](super::published_keys); what a token's
//! header offers (`jku`, `jwk`, `x5u`) is refused by the verifier. A file that changes is read again within seconds, so keys rotate
//! without a restart; a file that becomes unreadable counts as unchanged for a few minutes, and
//! after that verifies nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use chrono::{DateTime, Duration, Utc};
use tokio::sync::watch;

use super::groups::GroupsOfIssuer;
use super::jwks::KeySet;
use super::published_keys::{Place, PublishedKeys};
use super::rejection::Rejection;
use crate::config::{self, KeyPlace};
use crate::error::Result;

/// How old the keys in memory may be.
const REREAD_AFTER: Duration = Duration::seconds(30);

/// How long keys outlive a file that cannot be read.
const KEEP_WITHOUT_FILE: Duration = Duration::minutes(5);

/// A trusted issuer of tokens.
#[derive(Debug)]
pub struct Issuer {
    pub(super) name: String,
    pub(super) audiences: Vec<String>,
    pub(super) subject_claim: String,
    pub(super) required_scopes: Vec<String>,
    /// The claim within `act` that names who acts for the subject; without it no token with `act` is believed.
    pub(super) actor_claim: Option<String>,
    /// What its tokens say of groups.
    pub(super) groups: Option<GroupsOfIssuer>,
    /// Whether it is the server's own, whose tokens may say what they rest on.
    pub(super) is_own: bool,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    Fixed(Arc<KeySet>),
    Published(Arc<PublishedKeys>),
    File { path: PathBuf, form: Form, held: watch::Sender<Held> },
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Jwks,
    Pem,
}

/// Keys in memory.
#[derive(Debug, Clone)]
struct Held {
    keys: Arc<KeySet>,
    fingerprint: Vec<u8>,
    /// When the file was last looked at; never at the start.
    looked_at: Option<DateTime<Utc>>,
    /// When the file was last found good.
    good_at: Option<DateTime<Utc>>,
}

impl Issuer {
    /// The issuer of a configuration; its file must be good at the start.
    pub fn from_config(config: &config::Issuer) -> Result<Self> {
        let published = |place| Ok(Keys::Published(Arc::new(PublishedKeys::new(&config.name, place)?)));
        let keys = match config.key_place()? {
            KeyPlace::JwksFile(path) => Self::of_file(config, path, Form::Jwks),
            KeyPlace::KeyFile(path) => Self::of_file(config, path, Form::Pem),
            KeyPlace::JwksUrl(place) => published(Place::Fixed(place)),
            KeyPlace::Discovered => published(Place::Discovered),
        }?;
        Ok(Self {
            name: config.name.clone(),
            audiences: config.audiences.clone(),
            subject_claim: config.subject_claim.clone(),
            required_scopes: config.required_scopes.clone(),
            actor_claim: config.actor_claim.clone(),
            groups: GroupsOfIssuer::of(config),
            is_own: false,
            keys,
        })
    }

    fn of_file(config: &config::Issuer, path: &Path, form: Form) -> Result<Keys> {
        let (keys, fingerprint) = read(path, form).map_err(|what| {
            config::refused(format!("the key file `{}` of issuer `{}` {what}", path.display(), config.name))
        })?;
        let held = Held { keys: Arc::new(keys), fingerprint, looked_at: None, good_at: None };
        Ok(Keys::File { path: path.to_owned(), form, held: watch::Sender::new(held) })
    }

    /// An issuer whose keys never change while the server runs.
    pub(super) fn fixed(name: &str, audience: &str, keys: KeySet) -> Self {
        Self {
            name: name.to_owned(),
            audiences: vec![audience.to_owned()],
            subject_claim: "sub".to_owned(),
            required_scopes: Vec::new(),
            actor_claim: None,
            groups: None,
            is_own: false,
            keys: Keys::Fixed(Arc::new(keys)),
        }
    }

    /// Whether its keys are fetched from where it publishes them.
    pub(super) fn publishes(&self) -> bool {
        matches!(self.keys, Keys::Published(_))
    }

    /// Fetches the keys that a token with this key id needs, where they are published.
    pub(super) async fn prepare(&self, key_id: Option<&str>, now: DateTime<Utc>) {
        if let Keys::Published(keys) = &self.keys {
            keys.prepare(key_id, now).await;
        }
    }

    /// The keys as of now. As long as nothing changed, it is the same `Arc`.
    pub(super) fn keys(&self, now: DateTime<Utc>) -> Result<Arc<KeySet>, Rejection> {
        match &self.keys {
            Keys::Fixed(keys) => Ok(Arc::clone(keys)),
            Keys::Published(keys) => keys.keys(now),
            Keys::File { path, form, held } => {
                let current = held.borrow().clone();
                let fresh = current.looked_at.is_some_and(|at| (now - at).abs() < REREAD_AFTER);
                if fresh {
                    return Ok(current.keys);
                }
                let reread = reread(current, path, *form, now);
                let keys = Arc::clone(&reread.keys);
                held.send_replace(reread);
                Ok(keys)
            }
        }
    }
}

fn reread(held: Held, path: &Path, form: Form, now: DateTime<Utc>) -> Held {
    match read(path, form) {
        Ok((_, fingerprint)) if fingerprint == held.fingerprint => {
            Held { looked_at: Some(now), good_at: Some(now), ..held }
        }
        Ok((keys, fingerprint)) => {
            tracing::info!(file = %path.display(), "the issuer's keys changed");
            Held { keys: Arc::new(keys), fingerprint, looked_at: Some(now), good_at: Some(now) }
        }
        Err(what) => {
            let good_at = held.good_at.unwrap_or(now);
            let keep = now - good_at < KEEP_WITHOUT_FILE;
            tracing::error!(file = %path.display(), keep, "the issuer's key file {what}");
            let keys = if keep { held.keys } else { Arc::new(KeySet::empty()) };
            let fingerprint = if keep { held.fingerprint } else { Vec::new() };
            Held { keys, fingerprint, looked_at: Some(now), good_at: Some(good_at) }
        }
    }
}

fn read(path: &Path, form: Form) -> Result<(KeySet, Vec<u8>), String> {
    let text = std::fs::read_to_string(path)
        .map_err(|cause| format!("cannot be read: {}", config::reason(&cause)))?;
    let keys = match form {
        Form::Jwks => KeySet::from_jwks(&text)?,
        Form::Pem => KeySet::from_pem(&text)?,
    };
    Ok((keys, digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()))
}
