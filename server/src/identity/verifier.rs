//! [`Verifier`]: the only maker of [`Identity`].
//!
//! A token passes when its header asks for nothing unusual, its issuer is configured, the key is
//! that issuer's and of the algorithm the *key* is for, the signature holds, and the claims hold
//! now. Then its subject must be a user or a service principal of the catalog, enabled, of
//! exactly that name. Signatures are remembered by the token's text; time, keys and the
//! principal are looked at anew on each call, so a disabled user is out with the next one.
//!
//! The text is in memory as long as the claims are that it said. Its digest would cost more than all else that a call with a known
//! token pays. Texts are told apart by a hash with a seed of the process, and then byte by byte: nobody can choose texts
//! that take the same place.

mod caller;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use foldhash::quality::RandomState;
use jsonwebtoken::{Header, Validation};
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::Value;
use weir_catalog::{
    AccessTokenId, ClaimedGroups, Impersonation, Metastore, Principal, PrincipalId, PrincipalKind, Snapshot,
};

use caller::{Caller, holder};

use super::access_tokens::{ACCESS_TOKEN_PREFIX, AccessTokens, Key, token_digest};
use super::claims::Claims;
use super::credential::{Credential, Credentials};
use super::grounds::Grounds;
use super::issuer::Issuer;
use super::jwks::KeySet;
use super::local_issuer::LocalIssuer;
use super::rejection::Rejection;
use super::throttle::PerMinute;
use crate::config::{self, Secret};
use crate::error::Result;

/// The longest token that is looked at.
pub(super) const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Tokens whose signature is remembered.
const REMEMBERED_MAX: u64 = 10_000;

/// How often in a minute the log is told that a group that is configured cannot be claimed.
const COMPLAINTS: u32 = 6;

/// A verified caller. Rights are those of `run_as` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    run_as: PrincipalId,
    run_as_name: String,
    run_by: Option<String>,
    claims: Arc<BTreeMap<String, Value>>,
    expires_at: DateTime<Utc>,
    by: By,
    access_tokens: Vec<AccessTokenId>,
    /// The groups of which the token makes the principal a member, for this call.
    groups: ClaimedGroups,
}

/// What an identity was shown by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    /// A token of an issuer.
    Issuer,
    /// A personal access token.
    AccessToken,
    /// A personal access token with which nothing may be changed.
    ReadOnly,
}

impl Identity {
    /// The principal whose rights and policies hold.
    pub fn principal(&self) -> PrincipalId {
        self.run_as
    }

    /// Its name, exact.
    pub fn name(&self) -> &str {
        &self.run_as_name
    }

    /// The service principal that acts for the user, if one does.
    pub fn run_by(&self) -> Option<&str> {
        self.run_by.as_deref()
    }

    /// The claims of the token that names the principal, for `jwt_claim()`.
    pub fn claims(&self) -> &BTreeMap<String, Value> {
        &self.claims
    }

    /// Whether it was shown by a personal access token.
    pub fn is_by_access_token(&self) -> bool {
        self.by != By::Issuer
    }

    /// Whether its token is for reading alone.
    pub fn is_read_only(&self) -> bool {
        self.by == By::ReadOnly
    }

    /// The groups of which its token makes the principal a member, beside the catalog's own.
    pub fn groups(&self) -> &ClaimedGroups {
        &self.groups
    }

    /// The same, of which nothing holds beyond the call: with the groups of the catalog alone.
    #[must_use]
    pub fn without_claimed_groups(&self) -> Self {
        Self { groups: ClaimedGroups::default(), ..self.clone() }
    }

    /// When the first of its tokens expires.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// What a token that is given out for it rests on.
    pub(super) fn grounds(&self) -> Grounds {
        Grounds { access_tokens: self.access_tokens.clone(), claims: Arc::clone(&self.claims) }
    }
}

impl Identity {
    /// The identity of one query that this caller runs as another user, as the catalog allowed it: the
    /// other's rights alone, none of the token's claims and groups, and the caller's name beside. `None` when it
    /// was somebody else who was allowed.
    pub fn executing_as(&self, allowed: &Impersonation) -> Option<Self> {
        (allowed.by() == self.run_as).then(|| Self {
            run_as: allowed.user(),
            run_as_name: allowed.user_name().to_owned(),
            run_by: Some(self.run_as_name.clone()),
            claims: Arc::default(),
            expires_at: self.expires_at,
            by: self.by,
            access_tokens: self.access_tokens.clone(),
            groups: ClaimedGroups::default(),
        })
    }
}

/// A token whose signature was found good.
#[derive(Debug)]
struct Verified {
    issuer: usize,
    /// The keys it was found good with; once they change, it is verified anew.
    keys: Arc<KeySet>,
    /// Which of them, as the token names it.
    key_id: Option<String>,
    claims: Claims,
}

/// What a token comes to before the catalog says whose it is.
enum Shown {
    /// A personal access token, which the catalog keeps by this.
    Kept(Key),
    /// One that an issuer signed.
    Signed(Arc<Verified>),
}

/// Verifies credentials against the configured issuers and the catalog.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<Issuer>,
    remembered: Cache<Arc<str>, Arc<Verified>, RandomState>,
    access_tokens: Option<AccessTokens>,
    complaints: PerMinute,
}

impl Verifier {
    /// Believes the configured issuers, and the local one where it is given.
    pub fn from_config(config: &config::Identity, local: Option<&LocalIssuer>) -> Result<Self> {
        let configured = config.issuers.iter().map(Issuer::from_config);
        let local = local.map(|local| Ok(local.issuer()));
        Ok(Self::of(configured.chain(local).collect::<Result<_>>()?))
    }

    /// Believes these issuers.
    pub fn of(issuers: Vec<Issuer>) -> Self {
        let remembered =
            Cache::builder().max_capacity(REMEMBERED_MAX).build_with_hasher(RandomState::default());
        let complaints = PerMinute::new(COMPLAINTS);
        Self { issuers, remembered, access_tokens: None, complaints }
    }

    /// Believes the personal access tokens of the catalog too.
    #[must_use]
    pub fn with_access_tokens(self, metastore: Arc<Metastore>) -> Self {
        Self { access_tokens: Some(AccessTokens::new(metastore)), ..self }
    }

    /// Who is calling, or a refusal, once all that is elsewhere was looked up: access tokens in the catalog, keys at issuers
    /// that publish them.
    pub async fn admit(
        &self,
        credentials: Credentials,
        snapshot: &Snapshot,
        now: DateTime<Utc>,
    ) -> Result<Identity> {
        Ok(self.known(&credentials, snapshot, now).await?)
    }

    /// As [`admit`](Self::admit), with the cause of a refusal.
    pub(super) async fn known(
        &self,
        credentials: &Credentials,
        snapshot: &Snapshot,
        now: DateTime<Utc>,
    ) -> Result<Identity, Rejection> {
        let own = match credentials.own_token() {
            Some(token) => Some(self.look_up(token, snapshot, now).await?),
            None => None,
        };
        let forwarded = match &credentials.forwarded {
            Some(token) => Some(self.look_up(token, snapshot, now).await?),
            None => None,
        };
        self.identify(credentials, own, forwarded, snapshot, now)
    }

    async fn look_up(
        &self,
        token: &Secret,
        snapshot: &Snapshot,
        now: DateTime<Utc>,
    ) -> Result<Shown, Rejection> {
        let text = text_of(token)?;
        let known = self.remembered.get(text);
        self.prepare_keys(text, known.as_deref(), now).await;
        let shown = self.shown(text, known, now)?;
        if let Some(tokens) = &self.access_tokens {
            match &shown {
                Shown::Kept(key) => tokens.prepare(*key, snapshot).await,
                Shown::Signed(verified) => {
                    for id in &verified.claims.access_tokens {
                        tokens.prepare(Key::Id(*id), snapshot).await;
                    }
                }
            }
        }
        Ok(shown)
    }

    /// Has the keys fetched that a token needs, where its issuer publishes them.
    async fn prepare_keys(&self, text: &str, known: Option<&Verified>, now: DateTime<Utc>) {
        if !self.issuers.iter().any(Issuer::publishes) {
            return;
        }
        if let Some(known) = known {
            if let Some(issuer) = self.issuers.get(known.issuer) {
                issuer.prepare(known.key_id.as_deref(), now).await;
            }
            return;
        }
        // What cannot be read is refused later.
        if let (Ok(named), Ok(header)) = (claimed_issuer(text), jsonwebtoken::decode_header(text))
            && let Some(issuer) = self.issuers.iter().find(|issuer| issuer.name == named)
        {
            issuer.prepare(header.kid.as_deref(), now).await;
        }
    }

    /// As [`admit`](Self::admit), by what is here already. Everything presented must hold; nothing is skipped.
    pub fn verify(
        &self,
        credentials: Credentials,
        snapshot: &Snapshot,
        now: DateTime<Utc>,
    ) -> Result<Identity> {
        Ok(self.known_here(&credentials, snapshot, now)?)
    }

    fn known_here(
        &self,
        credentials: &Credentials,
        snapshot: &Snapshot,
        now: DateTime<Utc>,
    ) -> Result<Identity, Rejection> {
        let shown = |token: &Secret| {
            let text = text_of(token)?;
            self.shown(text, self.remembered.get(text), now)
        };
        let own = credentials.own_token().map(shown).transpose()?;
        let forwarded = credentials.forwarded.as_ref().map(shown).transpose()?;
        self.identify(credentials, own, forwarded, snapshot, now)
    }

    /// What a token comes to. `known` is what is remembered of it.
    fn shown(
        &self,
        text: &str,
        known: Option<Arc<Verified>>,
        now: DateTime<Utc>,
    ) -> Result<Shown, Rejection> {
        match self.access_tokens.is_some() && text.starts_with(ACCESS_TOKEN_PREFIX) {
            true => Ok(Shown::Kept(Key::Digest(token_digest(text)?))),
            false => self.verified(text, known, now).map(Shown::Signed),
        }
    }

    /// Who is calling, by what the call's tokens came to.
    fn identify(
        &self,
        credentials: &Credentials,
        own: Option<Shown>,
        forwarded: Option<Shown>,
        snapshot: &Snapshot,
        now: DateTime<Utc>,
    ) -> Result<Identity, Rejection> {
        if matches!(credentials.own, Some(Credential::Basic { .. })) {
            return Err(Rejection::PasswordOutsideHandshake);
        }
        let own = own.map(|shown| self.caller(&shown, snapshot, now)).transpose()?;
        let forwarded = forwarded.map(|shown| self.caller(&shown, snapshot, now)).transpose()?;
        let certificate = credentials.certificate.as_ref().map(|shown| holder(shown, snapshot, now));
        let (own, forwarded) = match certificate.transpose()? {
            Some(certificate) => certificate.beside(own, forwarded)?,
            None => (own, forwarded),
        };
        if let (Some(own), Some(user)) = (&own, &forwarded)
            && (own.actor.is_some() || user.actor.is_some())
        {
            return Err(Rejection::Actor("it came beside another token"));
        }
        match (own, forwarded) {
            (None, None) => Err(Rejection::Missing),
            (Some(caller), None) | (None, Some(caller)) => Ok(caller.identity(None)),
            (Some(own), Some(user)) if own.principal.id == user.principal.id => Ok(user.identity(Some(&own))),
            (Some(app), Some(user)) => app.acting_for(&user),
        }
    }

    fn caller<'a>(
        &self,
        shown: &Shown,
        snapshot: &'a Snapshot,
        now: DateTime<Utc>,
    ) -> Result<Caller<'a>, Rejection> {
        let kept = |key: Key| match &self.access_tokens {
            Some(tokens) => tokens.find(key, snapshot),
            None => Err(Rejection::NoAccessTokens),
        };
        let caller = match shown {
            Shown::Kept(key) => {
                let kept = kept(*key)?;
                let principal = snapshot.principal(kept.principal).ok_or(Rejection::Subject)?;
                Caller::new(principal, Arc::default(), kept.expires_at).resting_on(&kept, now)?
            }
            Shown::Signed(verified) => {
                let claims = &verified.claims;
                let principal = snapshot.principal_by_name(&claims.subject).ok_or(Rejection::Subject)?;
                let mut caller = Caller::new(principal, Arc::clone(&claims.all), claims.expires_at());
                caller.groups = self.claimable(&claims.groups, snapshot, now);
                caller.may_act = claims.may_act.clone();
                if let Some(actor) = &claims.actor {
                    caller = caller.by_actor(actor, snapshot)?;
                }
                for id in &claims.access_tokens {
                    let kept = kept(Key::Id(*id)).map_err(Rejection::of_grounds)?;
                    caller = caller.resting_on(&kept, now)?;
                }
                caller
            }
        };
        if caller.principal.disabled || caller.principal.kind == PrincipalKind::Group {
            return Err(Rejection::Subject);
        }
        Ok(caller)
    }

    /// Those of the groups that a token may make somebody a member of.
    fn claimable(&self, named: &ClaimedGroups, snapshot: &Snapshot, now: DateTime<Utc>) -> ClaimedGroups {
        let claimable = named.iter().filter(|group| match snapshot.claimable(group) {
            Ok(_) => true,
            Err(cause) => {
                if self.complaints.admit(now) {
                    tracing::warn!(group, %cause, "a group that `identity.issuers` names gives nothing");
                }
                false
            }
        });
        claimable.collect()
    }

    /// A token whose signature and times hold. `known` is what is remembered of it.
    fn verified(
        &self,
        text: &str,
        known: Option<Arc<Verified>>,
        now: DateTime<Utc>,
    ) -> Result<Arc<Verified>, Rejection> {
        if let Some(known) = known {
            let keys = self.issuers.get(known.issuer).map(|issuer| issuer.keys(now)).transpose()?;
            if keys.is_some_and(|keys| Arc::ptr_eq(&keys, &known.keys)) {
                known.claims.check_time(now).inspect_err(|_| self.remembered.invalidate(text))?;
                return Ok(known);
            }
            self.remembered.invalidate(text);
        }
        let verified = Arc::new(self.check(text, now)?);
        verified.claims.check_time(now)?;
        self.remembered.insert(Arc::from(text), Arc::clone(&verified));
        Ok(verified)
    }

    /// Whose the claims are that a token of `issuer` says of its subject: of a token that the server gave out for another,
    /// that one's issuer, as far as it is still believed.
    fn issuer_of<'a>(&'a self, claims: &Claims, issuer: &'a Issuer) -> Option<&'a Issuer> {
        if !issuer.is_own {
            return Some(issuer);
        }
        let named = claims.all.get("iss").and_then(Value::as_str)?;
        self.issuers.iter().find(|known| known.name == named && !known.is_own)
    }

    /// Everything about a token that does not change with time.
    fn check(&self, token: &str, now: DateTime<Utc>) -> Result<Verified, Rejection> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Rejection::Malformed("header"))?;
        check_header(&header)?;
        let named = claimed_issuer(token)?;
        let (index, issuer) = self
            .issuers
            .iter()
            .enumerate()
            .find(|(_, issuer)| issuer.name == named)
            .ok_or(Rejection::UnknownIssuer)?;
        let keys = issuer.keys(now)?;
        let key = keys.find(header.kid.as_deref())?;
        if header.alg != key.algorithm {
            return Err(Rejection::Algorithm);
        }
        let mut validation = Validation::new(key.algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&issuer.name]);
        validation.set_audience(&issuer.audiences);
        // the crate reads the system's clock; ours is a value, so `Claims` checks both
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let decoded = jsonwebtoken::decode::<BTreeMap<String, Value>>(token, &key.decoding, &validation)
            .map_err(|_| Rejection::Signature)?;
        let mut claims = Claims::read(decoded.claims, issuer)?;
        if let Some(groups) = self.issuer_of(&claims, issuer).and_then(|said| said.groups.as_ref()) {
            claims.groups = groups.claimed(&claims.all)?;
        }
        Ok(Verified { issuer: index, keys, key_id: header.kid, claims })
    }
}

/// Whether it is a service principal with the right to act for users.
pub(super) fn may_act(principal: &Principal) -> bool {
    principal.kind == PrincipalKind::ServicePrincipal && principal.may_act_for_users
}

/// Refuses headers that bring their own keys, or ask for what is not done here.
fn check_header(header: &Header) -> Result<(), Rejection> {
    let unusual = [
        ("crit", header.crit.is_some()),
        ("jku", header.jku.is_some()),
        ("jwk", header.jwk.is_some()),
        ("x5u", header.x5u.is_some()),
        ("x5c", header.x5c.is_some()),
        ("enc", header.enc.is_some()),
        ("zip", header.zip.is_some()),
        ("cty", header.cty.is_some()),
        ("b64", header.extras.inner().contains_key("b64")),
    ];
    if let Some((field, _)) = unusual.into_iter().find(|(_, present)| *present) {
        return Err(Rejection::HeaderField(field));
    }
    let kind = header.typ.as_deref().map(str::to_ascii_lowercase);
    match kind.as_deref() {
        None | Some("jwt" | "at+jwt" | "application/at+jwt") => Ok(()),
        Some(_) => Err(Rejection::HeaderField("typ")),
    }
}

/// The text of a token that is not too long to be looked at.
fn text_of(token: &Secret) -> Result<&str, Rejection> {
    let text = token.reveal();
    match text.len() > TOKEN_BYTES_MAX {
        true => Err(Rejection::Malformed("too long")),
        false => Ok(text),
    }
}

/// The issuer a token claims to be of: read before the signature, only to choose the keys that
/// decide about it.
fn claimed_issuer(token: &str) -> Result<String, Rejection> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    let payload = token.split('.').nth(1).ok_or(Rejection::Malformed("parts"))?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| Rejection::Malformed("payload"))?;
    let claimed: Claimed = serde_json::from_slice(&payload).map_err(|_| Rejection::Claim("iss"))?;
    Ok(claimed.iss)
}

#[cfg(test)]
mod tests;
