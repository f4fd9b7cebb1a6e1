//! `[identity]`: whose tokens are believed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::refused;
use super::section::section;
use crate::error::Result;

section! {
    /// Whose tokens are believed. There is no anonymous access and no implicit administrator.
    Identity {
        /// The server's own issuer: signs tokens for `weir token`, for the demo, and for users who log in
        /// with a password. Turn it off to believe the issuers below alone.
        local_issuer: bool = true,
        /// The issuers of your identity provider, each a table of its own.
        issuers: Vec<Issuer> = Vec::new(),
    }
}

/// What the reference shows of an issuer.
pub(super) const ISSUER_EXAMPLE: &[&str] = &[
    "[[identity.issuers]]",
    "# the exact value of the tokens' `iss` claim",
    "name = \"https://login.example.com/\"",
    "# keys by id: a JSON Web Key Set file, read again when it changes (RS256, ES256 and EdDSA keys)",
    "jwks_file = \"/etc/weir/jwks.json\"",
    "# or, instead of jwks_file, one public key in PEM",
    "key_file = \"/etc/weir/issuer.pem\"",
    "# a token's `aud` claim must name one of these",
    "audiences = [\"weir\"]",
    "# the claim that holds the principal's name; not one that its holder can edit",
    "subject_claim = \"sub\"",
];

/// The `iss` claim of the server's own issuer; no other issuer may have it.
pub const LOCAL_ISSUER_NAME: &str = "weir";

/// One trusted issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The exact value of the `iss` claim.
    pub name: String,
    /// A JSON Web Key Set; this or `key_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// One public key in PEM; this or `jwks_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// A token's `aud` claim must name one of these.
    pub audiences: Vec<String>,
    /// The claim that holds the principal's name.
    #[serde(default = "default_subject_claim")]
    pub subject_claim: String,
}

fn default_subject_claim() -> String {
    "sub".to_owned()
}

impl Identity {
    pub(super) fn check(&self) -> Result<()> {
        if !self.local_issuer && self.issuers.is_empty() {
            return Err(refused(
                "`identity.local_issuer` is off and `identity.issuers` is empty: nobody could log in",
            )
            .with_hint("name an issuer, or turn the local issuer on"));
        }
        let mut names = BTreeSet::new();
        for issuer in &self.issuers {
            issuer.check()?;
            if !names.insert(&issuer.name) {
                return Err(refused(format!("`identity.issuers` names `{}` twice", issuer.name)));
            }
        }
        Ok(())
    }
}

impl Issuer {
    fn check(&self) -> Result<()> {
        let refuse =
            |what: &str| Err(refused(format!("issuer `{}` in `identity.issuers` {what}", self.name)));
        if self.name.is_empty() {
            return refuse("has an empty `name`");
        }
        if self.name == LOCAL_ISSUER_NAME {
            return refuse("has the name of the server's own issuer");
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return refuse("needs `audiences`: without them any token of the issuer would do");
        }
        if self.subject_claim.is_empty() {
            return refuse("has an empty `subject_claim`");
        }
        match (&self.jwks_file, &self.key_file) {
            (None, None) => refuse("needs `jwks_file` or `key_file`"),
            (Some(_), Some(_)) => refuse("has both `jwks_file` and `key_file`: one decides"),
            _ => Ok(()),
        }
    }
}
