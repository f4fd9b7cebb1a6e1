//! [`KeySet`]: the public keys of one issuer, each with the one algorithm it is for.
//!
//! Accepted are RS256, ES256 and EdDSA (Ed25519). A symmetric key, a private key or a key for
//! another use in the file refuses the file: whoever put it there meant something else.

use std::collections::BTreeMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::rejection::Rejection;

/// A public key and what it verifies.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) enum KeySet {
    /// One key, whatever id a token names.
    One(Key),
    /// Keys by id; a token must name one.
    ById(BTreeMap<String, Key>),
}

impl KeySet {
    /// A set that verifies nothing.
    pub(super) fn empty() -> Self {
        Self::ById(BTreeMap::new())
    }

    /// The key for a token whose header names `id`.
    pub(super) fn find(&self, id: Option<&str>) -> Result<&Key, Rejection> {
        match self {
            Self::One(key) => Ok(key),
            Self::ById(keys) => id.and_then(|id| keys.get(id)).ok_or(Rejection::UnknownKey),
        }
    }

    /// Reads a JSON Web Key Set of which each key is one for us. The error is a sentence's end: "the file … {error}".
    pub(super) fn from_jwks(text: &str) -> Result<Self, String> {
        Self::read(text, Err)
    }

    /// Reads the JSON Web Key Set that an issuer publishes for everybody: keys for another use or of a kind that is not
    /// accepted here are passed over. The error is a sentence's end.
    pub(super) fn published(text: &str) -> Result<Self, String> {
        Self::read(text, |_| Ok(()))
    }

    /// `other` decides what becomes of a key that is none for us.
    fn read(text: &str, other: fn(String) -> Result<(), String>) -> Result<Self, String> {
        let set: Value = serde_json::from_str(text).map_err(|_| "is not JSON".to_owned())?;
        let list = set.get("keys").and_then(Value::as_array);
        let list = list.ok_or_else(|| "is not a JSON Web Key Set: it has no list `keys`".to_owned())?;
        let mut keys = BTreeMap::new();
        for (index, raw) in list.iter().enumerate() {
            let nth = index + 1;
            if raw.get("d").is_some() {
                return Err(format!("holds a private key (key {nth}); give public keys only"));
            }
            let (id, key) = match named_key(raw) {
                Ok(named) => named,
                Err(what) => {
                    other(format!("holds a key {what} (key {nth})"))?;
                    continue;
                }
            };
            if keys.insert(id, key).is_some() {
                return Err(format!("gives one `kid` to two keys (key {nth})"));
            }
        }
        Ok(Self::ById(keys))
    }

    /// Reads one public key in PEM. The error is a sentence's end.
    pub(super) fn from_pem(text: &str) -> Result<Self, String> {
        if text.contains("PRIVATE KEY") {
            return Err("holds a private key; give the public one".to_owned());
        }
        let bytes = text.as_bytes();
        let key = if let Ok(decoding) = DecodingKey::from_ed_pem(bytes) {
            Key { algorithm: Algorithm::EdDSA, decoding }
        } else if let Ok(decoding) = DecodingKey::from_ec_pem(bytes) {
            // reason: a key without bytes is of no curve, and refused
            if decoding.try_get_as_bytes().map(<[u8]>::len).ok() != Some(P256_POINT_BYTES) {
                return Err("holds an elliptic curve key of another curve than P-256".to_owned());
            }
            Key { algorithm: Algorithm::ES256, decoding }
        } else if let Ok(decoding) = DecodingKey::from_rsa_pem(bytes) {
            Key { algorithm: Algorithm::RS256, decoding }
        } else {
            return Err("holds no public key in PEM (RSA, P-256 or Ed25519)".to_owned());
        };
        Ok(Self::One(key))
    }
}

/// The error is a sentence's end: "holds a key {error}".
fn named_key(raw: &Value) -> Result<(String, Key), String> {
    let jwk: Jwk = serde_json::from_value(raw.clone()).map_err(|_| "that cannot be read".to_owned())?;
    let id = jwk.common.key_id.clone().ok_or_else(|| "without `kid`".to_owned())?;
    let key = public_key(&jwk).map_err(|what| format!("that {what}"))?;
    Ok((id, key))
}

/// An uncompressed point of P-256: a tag and two coordinates.
const P256_POINT_BYTES: usize = 65;

/// The error is a sentence's end: "holds a key that {error}".
fn public_key(jwk: &Jwk) -> Result<Key, &'static str> {
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return Err("is not for signatures");
    }
    if let Some(operations) = &jwk.common.key_operations
        && !operations.contains(&KeyOperations::Verify)
    {
        return Err("is not for verifying");
    }
    let (algorithm, declared) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::OctetKey(_) => return Err("is a shared secret, not a public key"),
        _ => return Err("is of a kind that is not accepted (RSA, P-256 and Ed25519 are)"),
    };
    if jwk.common.key_algorithm.as_ref().is_some_and(|named| *named != declared) {
        return Err("is for an algorithm that is not accepted (RS256, ES256 and EdDSA are)");
    }
    let decoding = DecodingKey::from_jwk(jwk).map_err(|_| "cannot be read")?;
    Ok(Key { algorithm, decoding })
}
