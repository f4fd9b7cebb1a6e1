//! [`LocalIssuer`]: the server's own issuer, for the demo, for tests, and for local users who log
//! in with a password. Its Ed25519 key lies in the data directory, readable by its owner only.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::grounds::{GROUNDS_CLAIM, Grounds};
use super::issuer::Issuer;
use super::jwks::{Key, KeySet};
use crate::config::{LOCAL_ISSUER_NAME, Secret, reason, refused};
use crate::error::{Condition, Error, Result};
/// The `aud` claim of the server's own tokens.
pub(crate) const AUDIENCE: &str = "weir";

const KEY_FILE: &str = "local-issuer.pem";
const PUBLIC_FILE: &str = "local-issuer.jwks.json";

/// The longest life of a token signed here.
const TTL_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// A token and its end.
pub struct SignedToken {
    /// The token.
    pub token: Secret,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
}

/// Signs tokens with the key in the data directory.
pub struct LocalIssuer {
    signing: EncodingKey,
    public: Vec<u8>,
    key_id: String,
}

impl LocalIssuer {
    /// The issuer whose key lies in `directory`.
    pub fn open(directory: &Path) -> Result<Self> {
        let path = directory.join(KEY_FILE);
        let pem = std::fs::read(&path).map_err(|cause| unreadable(&path, &cause))?;
        let mode = std::fs::metadata(&path).map_err(|cause| unreadable(&path, &cause))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(refused(format!("the signing key `{}` is open to other users", path.display()))
                .with_hint(format!("run `chmod 600 {}`", path.display())));
        }
        Self::from_pem(&pem).ok_or_else(|| {
            refused(format!("`{}` holds no Ed25519 key", path.display()))
                .with_hint("remove it: the server makes another at its next start, and older tokens end")
        })
    }

    /// The issuer whose key lies in `directory`; makes the key at the first start.
    pub fn open_or_create(directory: &Path) -> Result<Self> {
        let path = directory.join(KEY_FILE);
        if !path.exists() {
            std::fs::create_dir_all(directory).map_err(|cause| unwritable(directory, &cause))?;
            create_key(&path)?;
        }
        let issuer = Self::open(directory)?;
        let public = directory.join(PUBLIC_FILE);
        let text = issuer.jwks();
        // reason: what cannot be read is written anew
        if std::fs::read_to_string(&public).ok().as_deref() != Some(&text) {
            std::fs::write(&public, text).map_err(|cause| unwritable(&public, &cause))?;
        }
        Ok(issuer)
    }

    fn from_pem(pem: &[u8]) -> Option<Self> {
        let signing = EncodingKey::from_ed_pem(pem).ok()?;
        let pair = Ed25519KeyPair::from_pkcs8(signing.as_bytes()).ok()?;
        let public = pair.public_key().as_ref().to_vec();
        let thumb = digest::digest(&digest::SHA256, &public);
        let key_id = BASE64_URL_SAFE_NO_PAD.encode(thumb.as_ref().get(..12)?);
        Some(Self { signing, public, key_id })
    }

    /// Signs a token for `subject`.
    pub fn sign(&self, subject: &str, ttl: Duration, now: DateTime<Utc>) -> Result<SignedToken> {
        if ttl.is_zero() || ttl > TTL_MAX {
            return Err(Error::new(
                Condition::InvalidParameterValue,
                "a token of the local issuer lives between 1 second and 30 days",
            ));
        }
        self.signed(claims(subject, now, now + ttl), now + ttl)
    }

    /// Signs a token for `subject` that rests on `grounds`, in which `actor` acts for the subject.
    pub(super) fn sign_on(
        &self,
        grounds: &Grounds,
        subject: &str,
        actor: Option<&str>,
        (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<SignedToken> {
        let mut claims = claims(subject, now, expires_at);
        claims.insert(GROUNDS_CLAIM.to_owned(), grounds.written()?);
        if let Some(actor) = actor {
            claims.insert("act".to_owned(), json!({ "sub": actor }));
        }
        self.signed(claims, expires_at)
    }

    fn signed(&self, claims: Map<String, Value>, expires_at: DateTime<Utc>) -> Result<SignedToken> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.key_id.clone());
        let token = jsonwebtoken::encode(&header, &claims, &self.signing).map_err(Error::internal)?;
        Ok(SignedToken { token: Secret::new(token), expires_at })
    }

    /// What the verifier must know to believe these tokens.
    pub fn issuer(&self) -> Issuer {
        let key = Key { algorithm: Algorithm::EdDSA, decoding: DecodingKey::from_ed_der(&self.public) };
        let keys = KeySet::ById([(self.key_id.clone(), key)].into());
        let mut issuer = Issuer::fixed(LOCAL_ISSUER_NAME, AUDIENCE, keys);
        (issuer.actor_claim, issuer.is_own) = (Some("sub".to_owned()), true);
        issuer
    }

    /// The public key, as other programs read it.
    fn jwks(&self) -> String {
        let set = json!({"keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": self.key_id,
            "x": BASE64_URL_SAFE_NO_PAD.encode(&self.public),
        }]});
        format!("{set:#}\n")
    }
}

impl fmt::Debug for LocalIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalIssuer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

fn claims(subject: &str, now: DateTime<Utc>, expires_at: DateTime<Utc>) -> Map<String, Value> {
    [
        ("iss", json!(LOCAL_ISSUER_NAME)),
        ("aud", json!(AUDIENCE)),
        ("sub", json!(subject)),
        ("iat", json!(now.timestamp())),
        ("exp", json!(expires_at.timestamp())),
        ("jti", json!(Uuid::new_v4())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

fn create_key(path: &PathBuf) -> Result<()> {
    let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())
        .map_err(|_| Error::internal("no random numbers for a key"))?;
    let encoded = BASE64_STANDARD.encode(document.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{encoded}\n-----END PRIVATE KEY-----\n");
    // 0600 from the start: there is no moment at which others could read it
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|cause| unwritable(path, &cause))
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    refused(format!("cannot read the signing key `{}`: {}", path.display(), reason(cause))).with_hint(
        "the server makes it at its first start (`weir demo` or `weir serve`); name its data directory with \
         `--data-dir` or its configuration with `--config`",
    )
}

fn unwritable(path: &Path, cause: &std::io::Error) -> Error {
    refused(format!("cannot write `{}`: {}", path.display(), reason(cause)))
        .with_hint("make it writable for this user, or name another directory with `server.data_directory`")
}
