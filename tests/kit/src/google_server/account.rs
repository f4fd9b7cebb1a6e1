//! Service accounts: a key as Google gives it out, and what a token must be to have been signed with it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

/// What a token is for, where it is for reading and writing of storage.
const SCOPES: [&str; 3] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/devstorage.full_control",
    "https://www.googleapis.com/auth/devstorage.read_write",
];

/// How many seconds a token may be good for.
const LIFE_SECONDS: i64 = 3600;

/// A service account, with the public part of its key.
#[derive(Debug)]
pub(super) struct Account {
    email: String,
    key_id: String,
    public: Vec<u8>,
}

impl Account {
    /// With a fresh key, whose private part is in the JSON beside it.
    pub(super) fn fresh(email: &str) -> (Self, String) {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("its private part");
        let public = pair.public_key().as_ref().to_vec();
        let key_id: String =
            digest(&SHA256, &public).as_ref().iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64_STANDARD.encode(private.as_ref())
        );
        let key = json!({
            "type": "service_account",
            "project_id": "weir-tests",
            "private_key_id": key_id,
            "private_key": pem,
            "client_email": email,
            "token_uri": "https://oauth2.googleapis.com/token",
        });
        (Self { email: email.to_owned(), key_id, public }, key.to_string())
    }

    pub(super) fn email(&self) -> &str {
        &self.email
    }

    /// Whether `token` names this account and its key, was signed with the key, is good now and is for storage.
    pub(super) fn signed(&self, token: &str) -> bool {
        let names_key = jsonwebtoken::decode_header(token)
            .is_ok_and(|header| header.kid.as_deref() == Some(self.key_id.as_str()));
        let mut expected = Validation::new(Algorithm::RS256);
        expected.set_required_spec_claims(&["exp", "iss", "sub"]);
        expected.set_issuer(&[&self.email]);
        expected.sub = Some(self.email.clone());
        expected.leeway = 0;
        let key = DecodingKey::from_rsa_der(&self.public);
        names_key
            && jsonwebtoken::decode::<Value>(token, &key, &expected)
                .is_ok_and(|token| is_short(&token.claims) && is_for_storage(&token.claims))
    }
}

fn is_short(claims: &Value) -> bool {
    let at = |name: &str| claims.get(name).and_then(Value::as_i64);
    at("exp").zip(at("iat")).is_some_and(|(end, begin)| (1..=LIFE_SECONDS).contains(&(end - begin)))
}

fn is_for_storage(claims: &Value) -> bool {
    let scope = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
    scope.split(' ').any(|scope| SCOPES.contains(&scope))
}
