//! Sealing: what leaves as an opaque token and comes back is readable and makeable by the
//! servers of one catalog alone.
//!
//! AES-256-GCM. The key of each token is derived (HKDF) from the catalog's secret and a random
//! salt, so that the number of tokens ever made is no concern; the [`Purpose`] stands in the
//! associated data, so a token of one kind never passes as one of another.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;

use crate::error::{Condition, Error, Result};

const SALT_BYTES: usize = 16;
const KEY_INFO: &[u8] = b"weir flight token key 1";

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A ticket of DoGet.
    Ticket,
    /// A prepared statement's handle.
    Prepared,
    /// A descriptor of PollFlightInfo.
    Poll,
    /// A session's cookie.
    Session,
    /// A session's bearer.
    SessionBearer,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::Ticket => b"weir ticket 1",
            Purpose::Prepared => b"weir prepared 1",
            Purpose::Poll => b"weir poll 1",
            Purpose::Session => b"weir session 1",
            Purpose::SessionBearer => b"weir session bearer 1",
        }
    }
}

/// Seals and opens. Holds the catalog's secret; says nothing of it.
pub(crate) struct Seal {
    secret: [u8; 32],
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

/// The one text for whatever does not open.
pub(crate) fn handle_not_found() -> Error {
    Error::new(
        Condition::HandleNotFound,
        "ticket, statement handle or session not found: it is unknown, expired, or somebody else's",
    )
    .with_hint("run the statement again")
}

/// Sixteen bytes that nobody can guess.
pub(crate) fn random_id() -> Result<[u8; 16]> {
    let mut id = [0; 16];
    rand::fill(&mut id).map_err(Error::internal)?;
    Ok(id)
}

impl Seal {
    /// With the catalog's secret, of uniformly random bytes.
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// `plain`, sealed: salt, nonce, ciphertext, tag.
    pub(crate) fn seal(&self, purpose: Purpose, plain: &[u8]) -> Result<Vec<u8>> {
        let mut head = [0; SALT_BYTES + NONCE_LEN];
        rand::fill(&mut head).map_err(Error::internal)?;
        let (salt, nonce) = head.split_at(SALT_BYTES);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(Error::internal)?;
        let mut body = plain.to_vec();
        self.key(salt)?
            .seal_in_place_append_tag(nonce, Aad::from(purpose.label()), &mut body)
            .map_err(Error::internal)?;
        Ok([head.as_slice(), &body].concat())
    }

    /// What was sealed for `purpose`. Anything else, or anything changed, is *not found*.
    pub(crate) fn open(&self, purpose: Purpose, sealed: &[u8]) -> Result<Vec<u8>> {
        let (salt, rest) = sealed.split_at_checked(SALT_BYTES).ok_or_else(handle_not_found)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or_else(handle_not_found)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(Error::internal)?;
        let mut body = body.to_vec();
        let plain = self
            .key(salt)?
            .open_in_place(nonce, Aad::from(purpose.label()), &mut body)
            .map_err(|_| handle_not_found())?
            .len();
        body.truncate(plain);
        Ok(body)
    }

    fn key(&self, salt: &[u8]) -> Result<LessSafeKey> {
        let derived = Salt::new(HKDF_SHA256, salt).extract(&self.secret);
        let key = derived.expand(&[KEY_INFO], &AES_256_GCM).map_err(Error::internal)?;
        Ok(LessSafeKey::new(UnboundKey::from(key)))
    }
}
