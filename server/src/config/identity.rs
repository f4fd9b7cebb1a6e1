//! `[identity]`: whose tokens are believed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::refused;
use super::section::section;
use crate::error::{Error, Result};

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
    "# or the address at which the issuer publishes its keys, fetched again every few minutes",
    "jwks_url = \"https://login.example.com/keys\"",
    "# or nothing but the name: keys are found by OpenID Connect discovery below it",
    "discover = true",
    "# a token's `aud` claim must name one of these",
    "audiences = [\"weir\"]",
    "# the claim that holds the principal's name; not one that its holder can edit",
    "subject_claim = \"sub\"",
    "# scopes that a token must have, in its `scope` or `scp` claim",
    "required_scopes = [\"sql\"]",
    "# the claim within `act` that names the service principal that acts for the user; unless it is set,",
    "# tokens with `act` are refused",
    "actor_claim = \"sub\"",
    "# the claim that names the subject's groups: a name, or the way to it, as `/realm_access/roles`",
    "groups_claim = \"groups\"",
    "# the names in it that count, and the group of the catalog that each of them stands for; all others mean nothing",
    "groups = { \"Data Analysts\" = \"analysts\", \"f3a1c9\" = \"hr\" }",
];

/// The `iss` claim of the server's own issuer; no other issuer may have it.
pub const LOCAL_ISSUER_NAME: &str = "weir";

/// One trusted issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The exact value of the `iss` claim.
    pub name: String,
    /// A JSON Web Key Set; one of four places of keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// One public key in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Where the issuer publishes its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Whether the keys are found by OpenID Connect discovery below `name`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discover: bool,
    /// A token's `aud` claim must name one of these.
    pub audiences: Vec<String>,
    /// The claim that holds the principal's name.
    #[serde(default = "default_subject_claim")]
    pub subject_claim: String,
    /// Scopes that a token must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_scopes: Vec<String>,
    /// The claim within `act` that names the service principal that acts for the user; tokens with `act` are refused
    /// without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_claim: Option<String>,
    /// The claim that names the subject's groups: its name, or a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    /// The names in that claim that count, each with the group of the catalog that it stands for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyPlace<'a> {
    /// In a JSON Web Key Set.
    JwksFile(&'a Path),
    /// In PEM, one public key.
    KeyFile(&'a Path),
    /// Published at this address.
    JwksUrl(Url),
    /// Published where the discovery below the issuer's name says.
    Discovered,
}

/// An address of an issuer's: of https, or of http on this machine. The error is a sentence's end.
pub(crate) fn issuer_url(text: &str) -> std::result::Result<Url, String> {
    let url = Url::parse(text).map_err(|_| format!("`{text}` is no address"))?;
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    if has_credentials {
        return Err("an address of the issuer has credentials in it".to_owned());
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) | ("http", Some(Host::Domain("localhost"))) => Ok(url),
        ("http", Some(Host::Ipv4(address))) if address.is_loopback() => Ok(url),
        ("http", Some(Host::Ipv6(address))) if address.is_loopback() => Ok(url),
        ("http", _) => Err(format!("`{text}` is not of https: keys could be changed on the way")),
        _ => Err(format!("`{text}` is no address of https")),
    }
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
    fn refused(&self, what: &str) -> Error {
        refused(format!("issuer `{}` in `identity.issuers` {what}", self.name))
    }

    /// The one place of its keys.
    pub(crate) fn key_place(&self) -> Result<KeyPlace<'_>> {
        let published = |place: &str| {
            issuer_url(place)
                .map_err(|what| self.refused(&format!("publishes no keys that could be believed: {what}")))
        };
        match (&self.jwks_file, &self.key_file, &self.jwks_url, self.discover) {
            (Some(path), None, None, false) => Ok(KeyPlace::JwksFile(path)),
            (None, Some(path), None, false) => Ok(KeyPlace::KeyFile(path)),
            (None, None, Some(place), false) => Ok(KeyPlace::JwksUrl(published(place)?)),
            (None, None, None, true) => published(&self.name).map(|_| KeyPlace::Discovered),
            (None, None, None, false) => {
                Err(self.refused("needs `jwks_file`, `key_file`, `jwks_url` or `discover = true`"))
            }
            _ => Err(self.refused(
                "has its keys in several places: one of `jwks_file`, `key_file`, `jwks_url` and `discover` decides",
            )),
        }
    }

    fn check(&self) -> Result<()> {
        let refuse = |what: &str| Err(self.refused(what));
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
        if self.required_scopes.iter().any(|scope| scope.is_empty() || scope.contains(char::is_whitespace)) {
            return refuse("has a scope in `required_scopes` that no token could have");
        }
        if self.actor_claim.as_ref().is_some_and(|claim| claim.is_empty() || claim == "act") {
            return refuse("has an `actor_claim` that names nobody");
        }
        self.check_groups()?;
        self.key_place().map(drop)
    }

    fn check_groups(&self) -> Result<()> {
        let refuse = |what: &str| Err(self.refused(what));
        match &self.groups_claim {
            None if self.groups.is_empty() => return Ok(()),
            None => return refuse("has `groups` and no `groups_claim` that would name them"),
            Some(claim) if claim.is_empty() || claim == "/" => {
                return refuse("has a `groups_claim` that names nothing");
            }
            Some(_) if self.groups.is_empty() => {
                return refuse(
                    "has a `groups_claim` and no `groups`: none of the names in it would mean anything",
                );
            }
            Some(_) => {}
        }
        if self.groups.iter().any(|(theirs, ours)| theirs.is_empty() || ours.is_empty()) {
            return refuse("has an empty name in `groups`");
        }
        Ok(())
    }
}
