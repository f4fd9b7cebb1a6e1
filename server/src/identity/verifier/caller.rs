//! [`Caller`]: a principal beside what names it, and how two of them come to one [`Identity`].

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use weir_catalog::{AccessToken, AccessTokenId, ClaimedGroups, Principal, PrincipalKind, Snapshot};

use super::{By, Identity, may_act};
use crate::identity::claims::MayAct;
use crate::identity::client_certificate::ShownCertificate;
use crate::identity::rejection::Rejection;

/// A principal and the token that names it.
pub(super) struct Caller<'a> {
    pub(super) principal: &'a Principal,
    claims: Arc<BTreeMap<String, Value>>,
    expires_at: DateTime<Utc>,
    by: By,
    /// Who acts for the principal, as the token itself says.
    pub(super) actor: Option<&'a Principal>,
    /// Who else may, as the token says.
    pub(super) may_act: MayAct,
    access_tokens: Vec<AccessTokenId>,
    pub(super) groups: ClaimedGroups,
}

impl<'a> Caller<'a> {
    pub(super) fn new(
        principal: &'a Principal,
        claims: Arc<BTreeMap<String, Value>>,
        expires_at: DateTime<Utc>,
    ) -> Self {
        let (may_act, groups) = (MayAct::default(), ClaimedGroups::default());
        let (by, actor, access_tokens) = (By::Issuer, None, Vec::new());
        Self { principal, claims, expires_at, by, actor, may_act, access_tokens, groups }
    }

    /// Narrowed to what an access token of the principal, or of who acts for it, may.
    pub(super) fn resting_on(mut self, kept: &AccessToken, now: DateTime<Utc>) -> Result<Self, Rejection> {
        if kept.expires_at <= now {
            return Err(Rejection::Expired);
        }
        let holders = [Some(self.principal), self.actor];
        if !holders.into_iter().flatten().any(|holder| holder.id == kept.principal) {
            return Err(Rejection::Grounds);
        }
        self.by = self.by.max(if kept.read_only { By::ReadOnly } else { By::AccessToken });
        self.expires_at = self.expires_at.min(kept.expires_at);
        self.access_tokens.push(kept.id);
        Ok(self)
    }

    /// With the service principal of that name acting for the user.
    pub(super) fn by_actor(mut self, name: &str, snapshot: &'a Snapshot) -> Result<Self, Rejection> {
        let actor = snapshot.principal_by_name(name).filter(|actor| !actor.disabled && may_act(actor));
        self.actor = Some(actor.ok_or(Rejection::Actor("it may not act for users"))?);
        if self.principal.kind != PrincipalKind::User {
            return Err(Rejection::Actor("nobody acts for its subject"));
        }
        Ok(self)
    }

    /// Of a certificate, the two callers that the call comes to, with its tokens: it stands where the call's own token would.
    /// Beside one it must be of the same principal, of the app that acts in it, or of the app that sends its user's.
    pub(super) fn beside(
        self,
        own: Option<Self>,
        forwarded: Option<Self>,
    ) -> Result<(Option<Self>, Option<Self>), Rejection> {
        // A token that comes alone is the call's, whichever header it stands in.
        let (own, forwarded) = if own.is_some() { (own, forwarded) } else { (forwarded, None) };
        let Some(mut own) = own else { return Ok((Some(self), None)) };
        let is = |other: &Principal| other.id == self.principal.id;
        if own.actor.map_or_else(|| is(own.principal), is) {
            own.expires_at = own.expires_at.min(self.expires_at);
            return Ok((Some(own), forwarded));
        }
        let sends_its_users = forwarded.is_none() && own.actor.is_none() && may_act(self.principal);
        match sends_its_users && own.principal.kind == PrincipalKind::User {
            true => Ok((Some(self), Some(own))),
            false => Err(Rejection::CertificateOfAnother),
        }
    }

    pub(super) fn identity(&self, beside: Option<&Caller<'_>>) -> Identity {
        let others = beside.into_iter().flat_map(|other| &other.access_tokens);
        let same = beside.filter(|other| other.principal.id == self.principal.id);
        Identity {
            run_as: self.principal.id,
            run_as_name: self.principal.name.clone(),
            run_by: self.actor.map(|actor| actor.name.clone()),
            claims: Arc::clone(&self.claims),
            expires_at: beside.map_or(self.expires_at, |other| self.expires_at.min(other.expires_at)),
            // Of two tokens, what the narrower one may.
            by: beside.map_or(self.by, |other| self.by.max(other.by)),
            access_tokens: self.access_tokens.iter().chain(others).copied().collect(),
            // An app's groups are its own, and give and take nothing of the user's.
            groups: same.map_or_else(|| self.groups.clone(), |other| self.groups.shared(&other.groups)),
        }
    }

    /// The user, with this application recorded beside; rights are the user's alone.
    pub(super) fn acting_for(&self, user: &Caller<'_>) -> Result<Identity, Rejection> {
        if !may_act(self.principal) || user.principal.kind != PrincipalKind::User {
            return Err(Rejection::TwoPrincipals);
        }
        if !user.may_act.admits(&self.principal.name) {
            return Err(Rejection::MayAct);
        }
        Ok(Identity { run_by: Some(self.principal.name.clone()), ..user.identity(Some(self)) })
    }
}

/// Who holds a certificate.
pub(super) fn holder<'a>(
    shown: &ShownCertificate,
    snapshot: &'a Snapshot,
    now: DateTime<Utc>,
) -> Result<Caller<'a>, Rejection> {
    let (name, expires_at) = shown.named(now)?;
    let principal = snapshot.principal_by_name(name);
    let principal = principal.filter(|known| !known.disabled && !known.is_group());
    let principal = principal.ok_or(Rejection::Certificate(
        "who it names must be a user or service principal that the server knows, spelled exactly, and enabled",
    ))?;
    Ok(Caller::new(principal, Arc::default(), expires_at))
}
