//! Personal access tokens, as far as the catalog keeps them: a digest, never the token.

use chrono::{DateTime, Utc};

use crate::id::{AccessTokenId, PrincipalId};
use crate::name::Name;

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Given once; tokens are dropped by it.
    pub id: AccessTokenId,
    /// Who whoever holds it is.
    pub principal: PrincipalId,
    /// What it is for; several may have one name.
    pub name: Name,
    /// SHA-256 of the token's text.
    pub digest: [u8; 32],
    /// Whether it may change nothing.
    pub read_only: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// By whom.
    pub created_by: PrincipalId,
    /// From when on it is none.
    pub expires_at: DateTime<Utc>,
}
