//! Rows of access tokens.

use sqlx::FromRow;

use super::{id, moment, stored_name};
use crate::access_token::AccessToken;
use crate::store::Error;

#[derive(FromRow)]
pub(in crate::store) struct AccessTokenRow {
    id: String,
    principal_id: String,
    name: String,
    digest: String,
    read_only: bool,
    created_at_us: i64,
    created_by: String,
    expires_at_us: i64,
}

impl AccessTokenRow {
    pub(in crate::store) fn into_model(self) -> Result<AccessToken, Error> {
        Ok(AccessToken {
            id: id("access token id", &self.id)?,
            principal: id("principal id", &self.principal_id)?,
            name: stored_name(&self.name)?,
            digest: digest(&self.digest)?,
            read_only: self.read_only,
            created_at: moment("created_at_us", self.created_at_us)?,
            created_by: id("principal id", &self.created_by)?,
            expires_at: moment("expires_at_us", self.expires_at_us)?,
        })
    }
}

/// A digest as it is stored.
pub(in crate::store) fn digest_cell(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(text: &str) -> Result<[u8; 32], Error> {
    let damaged = || Error::Damaged { what: "digest of an access token", value: String::new() };
    let mut digest = [0; 32];
    if text.len() != 64 {
        return Err(damaged());
    }
    for (place, byte) in digest.iter_mut().enumerate() {
        let pair = text.get(place * 2..place * 2 + 2).ok_or_else(damaged)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| damaged())?;
    }
    Ok(digest)
}
