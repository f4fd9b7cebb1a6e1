//! [`Grounds`]: what a token that the server gave out rests on, as a claim of that token.
//!
//! The access tokens by which it was asked for, so that it ends when one of them does and may no more than they may; and
//! the claims of the user's own token, so that `jwt_claim()` says of both the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_catalog::AccessTokenId;

use super::rejection::Rejection;
use crate::error::{Error, Result};

/// The claim in which they stand.
pub(super) const GROUNDS_CLAIM: &str = "weir";

/// What a token rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grounds {
    /// Each must still be there, and belong to the subject or to who acts for it.
    pub(super) access_tokens: Vec<AccessTokenId>,
    /// What the subject's own token said; of an access token nothing.
    pub(super) claims: Arc<BTreeMap<String, Value>>,
}

/// As they stand in a token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    access_tokens: Vec<String>,
    claims: Arc<BTreeMap<String, Value>>,
}

impl Grounds {
    /// The claim's value.
    pub(super) fn written(&self) -> Result<Value> {
        let access_tokens = self.access_tokens.iter().map(ToString::to_string).collect();
        let written = Written { access_tokens, claims: Arc::clone(&self.claims) };
        serde_json::to_value(written).map_err(Error::internal)
    }

    /// From a claim of a token of the server's own.
    pub(super) fn read(value: Value) -> Result<Self, Rejection> {
        let refused = || Rejection::Claim(GROUNDS_CLAIM);
        let written: Written = serde_json::from_value(value).map_err(|_| refused())?;
        let ids = written.access_tokens.iter().map(|id| id.parse());
        let access_tokens = ids.collect::<Result<_, _>>().map_err(|_| refused())?;
        Ok(Self { access_tokens, claims: written.claims })
    }
}
