//! Running a query as another user: who may, and the trail it leaves.
//!
//! IMPERSONATE is granted on the metastore and had by a grant alone, never by rank or ownership. It
//! gives the caller nothing of its own: what runs has the rights of the user it runs as.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::{Metastore, Request, facts};
use crate::audit::{Action, Answer, Requester};
use crate::authorize::authorize;
use crate::decision::Reason;
use crate::error::Error;
use crate::id::PrincipalId;
use crate::principal::Principal;
use crate::privilege::Privilege;
use crate::securable::SecurableId;
use crate::snapshot::Snapshot;

/// The proof that one principal may run a query as another. Made by [`Metastore`] alone, for one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impersonation {
    by: PrincipalId,
    user: PrincipalId,
    user_name: String,
}

impl Impersonation {
    /// Who may.
    pub fn by(&self) -> PrincipalId {
        self.by
    }

    /// Whose rights hold.
    pub fn user(&self) -> PrincipalId {
        self.user
    }

    /// Its name, exact.
    pub fn user_name(&self) -> &str {
        &self.user_name
    }
}

impl Metastore {
    /// Whether the caller may run a query as `user` now. A refusal is audited; to be asked at each step
    /// that tells something of what such a query would return.
    pub async fn user_impersonable(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        user: &str,
    ) -> Result<Impersonation, Error> {
        let request = request(by, now, user);
        let (_, target, _) = self.decide_impersonation(&request, user).await?;
        Ok(target)
    }

    /// The same, for a query that runs now: audited whichever way it goes. Where the trail cannot be
    /// written, nothing runs.
    pub async fn user_impersonate(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        user: &str,
    ) -> Result<Impersonation, Error> {
        let request = request(by, now, user);
        let (snapshot, target, because) = self.decide_impersonation(&request, user).await?;
        let event = request.event(&snapshot, Answer::Allowed, facts(&snapshot, &because));
        self.store.audit_add(&event).await?;
        Ok(target)
    }

    async fn decide_impersonation(
        &self,
        request: &Request,
        user: &str,
    ) -> Result<(Arc<Snapshot>, Impersonation, Vec<Reason>), Error> {
        let snapshot = request.requester.catalog(&self.newest().await?);
        let by = request.requester.by;
        let decided = Caller::new(&snapshot, by).and_then(|caller| {
            let (target, because) = impersonated(&caller, user)?;
            Ok((Impersonation { by, user: target.id, user_name: target.name.clone() }, because))
        });
        match decided {
            Ok((target, because)) => Ok((snapshot, target, because)),
            Err(error) => Err(self.refuse(&snapshot, request, error).await),
        }
    }
}

fn request(by: impl Into<Requester>, now: DateTime<Utc>, user: &str) -> Request {
    Request::new(by, now, Action::UserImpersonate, format!("user `{user}`"))
}

/// Whether `by` may run queries as others, in `snapshot`.
pub fn may_impersonate(snapshot: &Snapshot, by: PrincipalId) -> bool {
    authorize(snapshot, by, Privilege::Impersonate, SecurableId::Metastore).is_allowed()
}

/// The user to run as. The right is asked for first, so that one without it hears the same of every name;
/// groups and disabled users are not found, like names that nobody has.
pub(super) fn impersonated<'s>(
    caller: &Caller<'s>,
    user: &str,
) -> Result<(&'s Principal, Vec<Reason>), Error> {
    let because = caller.require(Privilege::Impersonate, SecurableId::Metastore)?;
    Ok((somebody(caller.snapshot, user)?, because))
}

/// The user or service principal of that name who could log in.
pub fn somebody<'s>(snapshot: &'s Snapshot, user: &str) -> Result<&'s Principal, Error> {
    let found = snapshot.principal_by_name(user);
    found
        .filter(|principal| !principal.disabled && !principal.is_group())
        .ok_or_else(|| Error::PrincipalNotFound { name: user.to_owned() })
}
