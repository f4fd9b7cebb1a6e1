//! [`AccessTokens`]: what the catalog keeps of personal access tokens, looked up by their digest, or by their id where a token
//! of the local issuer rests on one.
//!
//! What was found is believed as long as the catalog's epoch stands still: a token that is dropped on any server ends with the
//! next call on every one.

use std::sync::Arc;

use aws_lc_rs::digest;
use moka::sync::Cache;
use weir_catalog::{AccessToken, AccessTokenId, Epoch, Metastore, Snapshot};

use super::rejection::Rejection;
use crate::error::{Error, Result};

/// What tokens begin with; so a leaked one is found by tools that look for secrets.
pub(crate) const ACCESS_TOKEN_PREFIX: &str = "weir_pat_";

/// Tokens remembered, those that are none among them.
const REMEMBERED_MAX: u64 = 10_000;

/// What the catalog keeps in the place of a token.
pub(crate) fn access_token_digest(token: &str) -> Result<[u8; 32]> {
    token_digest(token).map_err(|_| Error::internal("a digest has another length"))
}

/// SHA-256 of a token, by which it is remembered.
pub(super) fn token_digest(token: &str) -> Result<[u8; 32], Rejection> {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().map_err(|_| Rejection::Malformed("no digest"))
}

/// What an access token is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The digest of its text.
    Digest([u8; 32]),
    /// Its id, from a claim that was verified.
    Id(AccessTokenId),
}

/// The tokens of a catalog.
#[derive(Debug)]
pub(super) struct AccessTokens {
    metastore: Arc<Metastore>,
    known: Cache<Key, (Epoch, Option<Arc<AccessToken>>)>,
}

impl AccessTokens {
    pub(super) fn new(metastore: Arc<Metastore>) -> Self {
        Self { metastore, known: Cache::new(REMEMBERED_MAX) }
    }

    /// Looks up what is needed to find the token of `key` as of `snapshot`.
    pub(super) async fn prepare(&self, key: Key, snapshot: &Snapshot) {
        if self.known.get(&key).is_some_and(|(epoch, _)| epoch == snapshot.epoch()) {
            return;
        }
        let found = match &key {
            Key::Digest(digest) => self.metastore.access_token(digest).await,
            Key::Id(id) => self.metastore.access_token_by_id(*id).await,
        };
        match found {
            Ok(found) => self.known.insert(key, (snapshot.epoch(), found.map(Arc::new))),
            Err(error) => tracing::warn!(%error, "access tokens cannot be looked up"),
        }
    }

    /// What is kept of the token of `key` as of `snapshot`.
    pub(super) fn find(&self, key: Key, snapshot: &Snapshot) -> Result<Arc<AccessToken>, Rejection> {
        match self.known.get(&key) {
            Some((epoch, found)) if epoch == snapshot.epoch() => found.ok_or(Rejection::AccessToken),
            _ => Err(Rejection::NoAccessTokens),
        }
    }
}
