//! [`Claims`]: what a token says, after its signature was found good. Types are checked here:
//! a claim of a wrong type is refused, never coerced.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use weir_catalog::{AccessTokenId, ClaimedGroups};

use super::grounds::{GROUNDS_CLAIM, Grounds};
use super::issuer::Issuer;
use super::rejection::Rejection;

/// How far the issuer's clock may differ from ours.
const LEEWAY_SECONDS: i64 = 30;

/// The claims of one token, as its issuer's configuration asks for them.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    /// The principal's name, exact.
    pub(super) subject: String,
    expires_at: i64,
    not_before: Option<i64>,
    /// The name of who acts for the subject, exact (RFC 8693, section 4.1).
    pub(super) actor: Option<String>,
    /// Who may act for the subject.
    pub(super) may_act: MayAct,
    /// The access tokens that must still be there.
    pub(super) access_tokens: Vec<AccessTokenId>,
    /// Everything, for `jwt_claim()`; of a token that the server gave out for another, what that one said.
    pub(super) all: Arc<BTreeMap<String, Value>>,
    /// The groups that they name, as the issuer of `all` is configured.
    pub(super) groups: ClaimedGroups,
}

/// Who may act for the subject of a token, as the token itself has it (`may_act`; RFC 8693, section 4.4). The catalog must allow it
/// besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum MayAct {
    /// It does not say.
    #[default]
    Anyone,
    /// The one of that name, exact.
    Only(Arc<str>),
    /// Somebody of another issuer, or by claims that are not asked here: nobody.
    Nobody,
}

impl MayAct {
    /// Whether the one of that name may.
    pub(super) fn admits(&self, name: &str) -> bool {
        match self {
            Self::Anyone => true,
            Self::Only(one) => **one == *name,
            Self::Nobody => false,
        }
    }

    fn read(said: Option<&Value>, issuer: &Issuer) -> Result<Self, Rejection> {
        let Some(said) = said else { return Ok(Self::Anyone) };
        if !said.is_object() {
            return Err(Rejection::Claim("may_act"));
        }
        let claim = issuer.actor_claim.as_deref().unwrap_or("sub");
        // reason: who is named by other claims than the configured one is nobody here, and the user may come alone
        let name = party(said, "may_act", claim, issuer).ok().flatten();
        Ok(name.map_or(Self::Nobody, |name| Self::Only(name.into())))
    }
}

impl Claims {
    /// Checks everything that does not change with time.
    pub(super) fn read(mut all: BTreeMap<String, Value>, issuer: &Issuer) -> Result<Self, Rejection> {
        if all.get("iss").and_then(Value::as_str) != Some(&issuer.name) {
            return Err(Rejection::Claim("iss"));
        }
        if !names_audience(all.get("aud"), &issuer.audiences) {
            return Err(Rejection::Claim("aud"));
        }
        let sub = all.get("sub").and_then(Value::as_str).filter(|sub| !sub.is_empty());
        let sub = sub.ok_or(Rejection::Claim("sub"))?;
        let subject = if issuer.subject_claim == "sub" {
            sub
        } else {
            let named =
                all.get(&issuer.subject_claim).and_then(Value::as_str).filter(|name| !name.is_empty());
            named.ok_or(Rejection::Claim("the subject claim"))?
        };
        let subject = subject.to_owned();
        let expires_at = all.get("exp").and_then(|value| seconds(value, f64::floor));
        let expires_at = expires_at.ok_or(Rejection::Claim("exp"))?;
        let not_before = match all.get("nbf") {
            None => None,
            Some(value) => Some(seconds(value, f64::ceil).ok_or(Rejection::Claim("nbf"))?),
        };
        if let Some(scope) = missing_scope(&all, &issuer.required_scopes)? {
            return Err(Rejection::Scope(scope.to_owned()));
        }
        let actor = all.get("act").map(|act| actor(act, issuer)).transpose()?;
        let may_act = MayAct::read(all.get("may_act"), issuer)?;
        let grounds =
            if issuer.is_own { all.remove(GROUNDS_CLAIM).map(Grounds::read).transpose()? } else { None };
        let Grounds { access_tokens, claims: all } =
            grounds.unwrap_or_else(|| Grounds { access_tokens: Vec::new(), claims: Arc::new(all) });
        let groups = ClaimedGroups::default();
        Ok(Self { subject, expires_at, not_before, actor, may_act, access_tokens, all, groups })
    }

    /// Whether the token holds now.
    pub(super) fn check_time(&self, now: DateTime<Utc>) -> Result<(), Rejection> {
        let now = now.timestamp();
        if now >= self.expires_at.saturating_add(LEEWAY_SECONDS) {
            return Err(Rejection::Expired);
        }
        if self.not_before.is_some_and(|start| start > now.saturating_add(LEEWAY_SECONDS)) {
            return Err(Rejection::NotYetValid);
        }
        Ok(())
    }

    /// When the token expires.
    pub(super) fn expires_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.expires_at, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// Who acts, as the issuer's configuration says where that stands. An actor of another issuer, and one for whom somebody
/// acts in turn, is refused: the books have room for one.
fn actor(act: &Value, issuer: &Issuer) -> Result<String, Rejection> {
    let claim = issuer.actor_claim.as_ref().ok_or(Rejection::Actor("its issuer may name none"))?;
    if act.get("act").is_some() {
        return Err(Rejection::Actor("it names more than one"));
    }
    let name = party(act, "act", claim, issuer)?;
    name.map(str::to_owned).ok_or(Rejection::Actor("it is another issuer's"))
}

/// Whom `said`, the value of the claim `kind`, names by `claim` within it; none where that is somebody of another issuer.
fn party<'a>(
    said: &'a Value,
    kind: &'static str,
    claim: &str,
    issuer: &Issuer,
) -> Result<Option<&'a str>, Rejection> {
    let Value::Object(said) = said else { return Err(Rejection::Claim(kind)) };
    if said.get("iss").is_some_and(|iss| iss.as_str() != Some(&issuer.name)) {
        return Ok(None);
    }
    let name = said.get(claim).and_then(Value::as_str).filter(|name| !name.is_empty());
    name.map(Some).ok_or(Rejection::Claim(kind))
}

/// `aud` is a text or a list of texts; one of them must be ours.
fn names_audience(claim: Option<&Value>, audiences: &[String]) -> bool {
    let ours = |name: &str| audiences.iter().any(|audience| audience == name);
    match claim {
        Some(Value::String(name)) => ours(name),
        Some(Value::Array(names)) => {
            names.iter().all(Value::is_string) && names.iter().filter_map(Value::as_str).any(ours)
        }
        _ => false,
    }
}

/// The first of these scopes that the token lacks. They stand in `scope`, divided by spaces (RFC 8693, section 4.2), or in
/// `scp`, as a list or likewise.
fn missing_scope<'a>(
    all: &BTreeMap<String, Value>,
    required: &'a [String],
) -> Result<Option<&'a str>, Rejection> {
    if required.is_empty() {
        return Ok(None);
    }
    let mut granted: Vec<&str> = Vec::new();
    for (claim, name) in [(all.get("scope"), "scope"), (all.get("scp"), "scp")] {
        match claim {
            None => {}
            Some(Value::String(text)) => granted.extend(text.split(' ')),
            Some(Value::Array(scopes)) if scopes.iter().all(Value::is_string) => {
                granted.extend(scopes.iter().filter_map(Value::as_str));
            }
            Some(_) => return Err(Rejection::Claim(name)),
        }
    }
    Ok(required.iter().map(String::as_str).find(|scope| !granted.contains(scope)))
}

/// A point in time: a number of seconds since 1970, whole or not.
fn seconds(value: &Value, round: fn(f64) -> f64) -> Option<i64> {
    // above this, doubles skip whole seconds
    const MAX: f64 = 9_007_199_254_740_992.0;
    let Value::Number(number) = value else { return None };
    if let Some(whole) = number.as_i64() {
        return Some(whole).filter(|seconds| *seconds >= 0);
    }
    let rounded = number.as_f64().map(round).filter(|seconds| (0.0..MAX).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, reason = "within the range of whole doubles, and rounded")]
    let whole = rounded as i64;
    Some(whole)
}
