//! [`ForeignIssuer`]: an issuer that the server may or may not trust, which signs whatever it is
//! told to.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// An issuer with an Ed25519 key of its own.
pub struct ForeignIssuer {
    signing: EncodingKey,
    public: Vec<u8>,
}

impl ForeignIssuer {
    /// With a fresh key.
    pub fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key pair");
        Self {
            signing: EncodingKey::from_ed_der(document.as_ref()),
            public: pair.public_key().as_ref().to_vec(),
        }
    }

    /// A token with these claims.
    pub fn sign(&self, key_id: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key_id.to_owned());
        jsonwebtoken::encode(&header, claims, &self.signing).expect("a token")
    }

    /// Its key set, as a server's configuration names it.
    pub fn jwks(&self, key_id: &str) -> String {
        let x = BASE64_URL_SAFE_NO_PAD.encode(&self.public);
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key_id, "x": x}]})
            .to_string()
    }
}

impl Default for ForeignIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ForeignIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForeignIssuer").finish_non_exhaustive()
    }
}
