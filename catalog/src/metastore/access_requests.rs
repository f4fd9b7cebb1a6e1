//! Asking for access: a request is kept for those who may grant it to read. It gives nothing and moves
//! no epoch. Lists show the latest, so nobody may fill them.

use chrono::{DateTime, Duration, SubsecRound, Utc};

use super::caller::Caller;
use super::{Metastore, Request, facts};
use crate::access_request::AccessRequest;
use crate::audit::{Action, Answer, Requester};
use crate::authorize::authorize;
use crate::error::Error;
use crate::id::AccessRequestId;
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableKind, SecurableName};
use crate::snapshot::Snapshot;

/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 4096;

/// How far back requests are listed.
const LISTED_MAX: u32 = 10_000;

/// How many requests one principal makes at most in [`ACCESS_REQUEST_DAYS`].
pub const ACCESS_REQUESTS_MAX: usize = 100;

/// For how many days a request counts.
pub const ACCESS_REQUEST_DAYS: i64 = 7;

impl Metastore {
    /// Needs that the caller may be told of the securable: BROWSE suffices. Without `privileges` it is
    /// what the kind is for: SELECT, of a function EXECUTE, of a volume READ VOLUME. Refused after
    /// [`ACCESS_REQUESTS_MAX`] of late.
    pub async fn access_request_add(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        securable: &SecurableName,
        privileges: &[Privilege],
        reason: Option<String>,
    ) -> Result<AccessRequest, Error> {
        let request = Request::new(by, now, Action::AccessRequestAdd, securable);
        let snapshot = request.requester.catalog(&self.newest().await?);
        let asked = Caller::new(&snapshot, request.requester.by)
            .and_then(|caller| asked(&caller, now, securable, privileges, reason));
        let kept = self.store.access_request_list(LISTED_MAX).await?;
        let asked = match asked.and_then(|asked| bounded(asked, &kept)) {
            Ok(asked) => asked,
            Err(error) => return Err(self.refuse(&snapshot, &request, error).await),
        };
        let names: Vec<&str> = asked.privileges.iter().map(|privilege| privilege.name()).collect();
        let request = request.with("privileges", names.join(", ")).with("request_id", asked.id);
        self.store.access_request_add(&asked).await?;
        self.store.audit_add(&request.event(&snapshot, Answer::Allowed, facts(&snapshot, &[]))).await?;
        Ok(asked)
    }

    /// The latest requests, the last one first: one's own, those on what one may grant, all for account
    /// admins. `on` must be something that the caller may be told of.
    pub async fn access_request_list(
        &self,
        by: impl Into<Requester> + Send,
        on: Option<&SecurableName>,
    ) -> Result<Vec<AccessRequest>, Error> {
        let by = by.into();
        let snapshot = by.catalog(&self.newest().await?);
        let caller = Caller::new(&snapshot, by.by)?;
        let on = on.map(|name| caller.securable(name)).transpose()?;
        let mut requests = self.store.access_request_list(LISTED_MAX).await?;
        requests.retain(|request| {
            on.is_none_or(|on| request.securable == on) && may_read(&caller, &snapshot, request)
        });
        Ok(requests)
    }
}

fn asked(
    caller: &Caller<'_>,
    now: DateTime<Utc>,
    securable: &SecurableName,
    privileges: &[Privilege],
    reason: Option<String>,
) -> Result<AccessRequest, Error> {
    let id = caller.securable(securable)?;
    let kind = caller.snapshot.kind_of(id).unwrap_or(SecurableKind::Metastore);
    let mut wanted: Vec<Privilege> = match privileges {
        [] => vec![purpose_of(kind)],
        some => some.to_vec(),
    };
    wanted.sort();
    wanted.dedup();
    if let Some(unfit) = wanted.iter().find(|privilege| !privilege.applies_to(kind)) {
        return Err(Error::PrivilegeNotApplicable { privilege: *unfit, kind });
    }
    if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(Error::ReasonTooLong { bytes_max: REASON_BYTES_MAX });
    }
    Ok(AccessRequest {
        id: AccessRequestId::fresh(),
        at: now.trunc_subsecs(6),
        by: caller.by,
        securable: id,
        securable_name: securable.to_string(),
        privileges: wanted,
        reason,
    })
}

/// Refuses one more than its asker may make.
fn bounded(asked: AccessRequest, kept: &[AccessRequest]) -> Result<AccessRequest, Error> {
    let since = asked.at - Duration::days(ACCESS_REQUEST_DAYS);
    let own = kept.iter().filter(|request| request.by == asked.by && request.at > since);
    if own.count() < ACCESS_REQUESTS_MAX {
        return Ok(asked);
    }
    Err(Error::TooMany {
        what: "requests for access within a week",
        most: ACCESS_REQUESTS_MAX,
        hint: "ask for a schema or catalog instead of each table in it, or wait",
    })
}

/// What one asks for who does not say.
fn purpose_of(kind: SecurableKind) -> Privilege {
    match kind {
        SecurableKind::Function => Privilege::Execute,
        SecurableKind::Volume => Privilege::ReadVolume,
        SecurableKind::ExternalLocation => Privilege::ReadFiles,
        SecurableKind::GovernedTag => Privilege::Assign,
        SecurableKind::Metastore
        | SecurableKind::Catalog
        | SecurableKind::Schema
        | SecurableKind::Table
        | SecurableKind::View
        | SecurableKind::StorageCredential => Privilege::Select,
    }
}

fn may_read(caller: &Caller<'_>, snapshot: &Snapshot, request: &AccessRequest) -> bool {
    let grants =
        |on: SecurableId| authorize(snapshot, caller.by, Privilege::ManageAccessControl, on).is_allowed();
    request.by == caller.by || caller.is_account_admin() || grants(request.securable)
}
