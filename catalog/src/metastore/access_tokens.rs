//! Personal access tokens: made for oneself, or by account admins for service principals; dropped and listed by whose they are
//! and by account admins.
//!
//! Each change moves the epoch, so that on every server a token that is dropped ends with the next call, and so that of tokens
//! that are made at once none is over the bound.

use chrono::{DateTime, Duration, SubsecRound, Utc};

use super::caller::Caller;
use super::{ATTEMPTS, Metastore, Request, Write};
use crate::access_token::AccessToken;
use crate::audit::{Action, Requester};
use crate::error::{Error, Reserved};
use crate::id::{AccessTokenId, PrincipalId};
use crate::name::Name;
use crate::principal::PrincipalKind;
use crate::store::Change;

/// The longest life of a token.
pub const ACCESS_TOKEN_DAYS_MAX: i64 = 365;

/// How many tokens that have not expired one principal has at most.
pub const ACCESS_TOKENS_MAX: usize = 100;

/// How long one that has expired is kept, so that who shows it is told that it has. The next that is made for its principal
/// takes it away.
const EXPIRED_DAYS: i64 = 30;

/// A token to be made.
#[derive(Debug, Clone)]
pub struct AccessTokenSpec {
    /// What it is for.
    pub name: Name,
    /// Whose it is, exact; the caller's own where it is left out.
    pub principal: Option<String>,
    /// SHA-256 of its text.
    pub digest: [u8; 32],
    /// Whether it may change nothing.
    pub read_only: bool,
    /// How long it lives, from a day to [`ACCESS_TOKEN_DAYS_MAX`].
    pub days: i64,
}

impl Metastore {
    /// Keeps a token of the caller's, or, for account admins, of a service principal; refused where whose it is to be has
    /// [`ACCESS_TOKENS_MAX`].
    pub async fn access_token_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: AccessTokenSpec,
    ) -> Result<AccessToken, Error> {
        let by = by.into();
        for _ in 0..ATTEMPTS {
            // No snapshot has tokens; those listed now are there as long as the epoch is this one.
            let epoch = self.newest().await?.epoch();
            let kept = self.store.access_token_list().await?;
            let request = Request::new(by.clone(), now, Action::AccessTokenCreate, told(&spec.name))
                .with("read_only", spec.read_only)
                .with("days", spec.days);
            let made = self.write(request, |caller| match caller.snapshot.epoch() == epoch {
                true => made(caller, now, &spec, &kept),
                false => Ok(Write::nothing(None)),
            });
            if let Some(token) = made.await? {
                return Ok(token);
            }
        }
        Err(Error::Contention)
    }

    /// The token is none from then on. For whom it is, and for account admins.
    pub async fn access_token_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        id: AccessTokenId,
    ) -> Result<(), Error> {
        let kept = self.store.access_token_list().await?;
        let token = kept.into_iter().find(|token| token.id == id);
        self.write(Request::new(by, now, Action::AccessTokenDrop, format!("access token `{id}`")), |caller| {
            let missing = || Error::AccessTokenNotFound { id };
            let token = token.as_ref().ok_or_else(missing)?;
            let because = match caller.by == token.principal {
                true => Vec::new(),
                // Others' tokens are told of to account admins alone.
                false => caller.require_account_admin(Reserved::ManageAccessTokens).map_err(|_| missing())?,
            };
            Ok(Write { changes: vec![Change::AccessTokenRemove(id)], because, value: () })
        })
        .await
    }

    /// The caller's own tokens, the last one first; all of them for account admins.
    pub async fn access_token_list(
        &self,
        by: impl Into<Requester> + Send,
    ) -> Result<Vec<AccessToken>, Error> {
        let snapshot = self.newest().await?;
        let caller = Caller::new(&snapshot, by.into().by)?;
        let mut tokens = self.store.access_token_list().await?;
        tokens.retain(|token| token.principal == caller.by || caller.is_account_admin());
        tokens.sort_by_key(|token| std::cmp::Reverse(token.created_at));
        Ok(tokens)
    }

    /// What is kept of the token with that digest.
    pub async fn access_token(&self, digest: &[u8; 32]) -> Result<Option<AccessToken>, Error> {
        Ok(self.store.access_token(digest).await?)
    }

    /// What is kept of the token of that id.
    pub async fn access_token_by_id(&self, id: AccessTokenId) -> Result<Option<AccessToken>, Error> {
        Ok(self.store.access_token_by_id(id).await?)
    }
}

fn made(
    caller: &Caller<'_>,
    now: DateTime<Utc>,
    spec: &AccessTokenSpec,
    kept: &[AccessToken],
) -> Result<Write<Option<AccessToken>>, Error> {
    let (principal, because) = match &spec.principal {
        None => (caller.by, Vec::new()),
        Some(name) => of_other(caller, name)?,
    };
    if !(1..=ACCESS_TOKEN_DAYS_MAX).contains(&spec.days) {
        return Err(Error::AccessTokenLife { days_max: ACCESS_TOKEN_DAYS_MAX });
    }
    let now = now.trunc_subsecs(6);
    let own = kept.iter().filter(|token| token.principal == principal);
    if own.clone().filter(|token| token.expires_at > now).count() >= ACCESS_TOKENS_MAX {
        return Err(Error::TooMany {
            what: "access tokens that have not expired",
            most: ACCESS_TOKENS_MAX,
            hint: "SHOW ACCESS TOKENS lists them, DROP ACCESS TOKEN lets one go",
        });
    }
    let long_gone = own.filter(|token| token.expires_at + Duration::days(EXPIRED_DAYS) <= now);
    let mut changes: Vec<Change> = long_gone.map(|token| Change::AccessTokenRemove(token.id)).collect();
    let token = AccessToken {
        id: AccessTokenId::fresh(),
        principal,
        name: spec.name.clone(),
        digest: spec.digest,
        read_only: spec.read_only,
        created_at: now,
        created_by: caller.by,
        expires_at: now + Duration::days(spec.days),
    };
    changes.push(Change::AccessTokenPut(token.clone()));
    Ok(Write { changes, because, value: Some(token) })
}

fn of_other(caller: &Caller<'_>, name: &str) -> Result<(PrincipalId, Vec<crate::decision::Reason>), Error> {
    let (principal, own, because) = caller.own_or_administered(name, Reserved::ManageAccessTokens)?;
    // Nobody acts as another user by rank; a service principal signs in nowhere by itself.
    let act = match principal.kind {
        PrincipalKind::Group => "have an access token",
        PrincipalKind::User if !own => "have access tokens that others make",
        PrincipalKind::User | PrincipalKind::ServicePrincipal => return Ok((principal.id, because)),
    };
    let (name, kind) = (principal.name.clone(), principal.kind);
    Err(Error::PrincipalKindUnfit { name, kind, act })
}

fn told(name: &Name) -> String {
    format!("access token `{name}`")
}
