//! External locations: roots under which external tables and volumes may lie, as the catalog knows them.
//! That a URL lies under what the server's configuration allows is the server's check.

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::places::{check_location_url, uncovered};
use super::{Created, Metastore, OnExisting, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::decision::Reason;
use crate::error::Error;
use crate::id::{ExternalLocationId, StorageCredentialId};
use crate::name::Name;
use crate::privilege::Privilege;
use crate::securable::{ExternalLocation, SecurableId, SecurableKind, SecurableName};
use crate::store::Change;

/// An external location to be made.
#[derive(Debug, Clone)]
pub struct ExternalLocationSpec {
    /// Unique in the metastore among external locations.
    pub name: Name,
    /// Absolute URL, canonical, ending in `/`.
    pub url: String,
    /// The storage credential with which its files are read.
    pub credential: Option<Name>,
    /// A remark for people.
    pub comment: Option<String>,
}

impl Metastore {
    /// Needs CREATE EXTERNAL LOCATION on the metastore, and on the credential where there is one; rank has
    /// both. Refused when its URL overlaps another location's or lies within a table or volume.
    pub async fn external_location_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: ExternalLocationSpec,
        on_existing: OnExisting,
    ) -> Result<Created<ExternalLocation>, Error> {
        let securable = SecurableName::ExternalLocation(spec.name.clone());
        let request = Request::new(by, now, Action::ExternalLocationCreate, securable);
        self.write(request.with("url", &spec.url), |caller| {
            let mut because = caller.require(Privilege::CreateExternalLocation, SecurableId::Metastore)?;
            if let Some(existing) = caller.snapshot.external_location(&spec.name) {
                return match on_existing {
                    OnExisting::Keep if caller.sees(SecurableId::ExternalLocation(existing.id)) => {
                        Ok(Write::nothing(Created::Kept(existing.clone())))
                    }
                    _ => Err(exists(&spec.name)),
                };
            }
            let credential = require_credential(caller, spec.credential.as_ref(), &mut because)?;
            check_location_url(caller, &spec.url, None)?;
            let location = ExternalLocation {
                id: ExternalLocationId::fresh(),
                name: spec.name.clone(),
                url: spec.url.clone(),
                credential,
                owner: caller.by,
                comment: spec.comment.clone(),
                stamps: caller.stamps,
            };
            let changes = vec![Change::ExternalLocationPut(location.clone())];
            Ok(Write { changes, because, value: Created::Made(location) })
        })
        .await
    }

    /// Needs MANAGE. Refused while tables or volumes lie under it. Returns whether there was anything to drop.
    pub async fn external_location_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        on_missing: OnMissing,
    ) -> Result<bool, Error> {
        let securable = SecurableName::ExternalLocation(name.clone());
        self.write(Request::new(by, now, Action::ExternalLocationDrop, &securable), |caller| {
            let location = match caller.external_location(name) {
                Err(Error::NotFound { .. }) if on_missing == OnMissing::Ignore => {
                    return Ok(Write::nothing(false));
                }
                found => found?,
            };
            let because = caller.require(Privilege::Manage, SecurableId::ExternalLocation(location.id))?;
            let dependents = uncovered(caller, &location.url, None);
            if !dependents.is_empty() {
                return Err(Error::DependentsExist { what: securable.to_string(), dependents });
            }
            Ok(Write { changes: vec![Change::ExternalLocationRemove(location.id)], because, value: true })
        })
        .await
    }

    /// Needs MANAGE; grants stay.
    pub async fn external_location_rename(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        to: &Name,
    ) -> Result<(), Error> {
        self.external_location_alter(by, now, name, |caller, location, _| {
            if name != to && caller.snapshot.external_location(to).is_some() {
                return Err(exists(to));
            }
            Ok(ExternalLocation { name: to.clone(), ..location.clone() })
        })
        .await
    }

    /// Needs MANAGE, and CREATE EXTERNAL LOCATION on the metastore, since grants on it then hold for other
    /// files. Refused when a table or volume would lie outside.
    pub async fn external_location_set_url(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        url: &str,
    ) -> Result<(), Error> {
        self.external_location_alter(by, now, name, |caller, location, because| {
            because.extend(caller.require(Privilege::CreateExternalLocation, SecurableId::Metastore)?);
            check_location_url(caller, url, Some(location.id))?;
            let dependents = uncovered(caller, &location.url, Some(url));
            if !dependents.is_empty() {
                let what = format!("the URL of external location `{name}`");
                return Err(Error::DependentsExist { what, dependents });
            }
            Ok(ExternalLocation { url: url.to_owned(), ..location.clone() })
        })
        .await
    }

    /// Needs MANAGE, and CREATE EXTERNAL LOCATION on the credential or rank.
    pub async fn external_location_set_credential(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        credential: Option<&Name>,
    ) -> Result<(), Error> {
        self.external_location_alter(by, now, name, |caller, location, because| {
            let credential = require_credential(caller, credential, because)?;
            Ok(ExternalLocation { credential, ..location.clone() })
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn external_location_set_comment(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        comment: Option<String>,
    ) -> Result<(), Error> {
        self.external_location_alter(by, now, name, |_, location, _| {
            Ok(ExternalLocation { comment: comment.clone(), ..location.clone() })
        })
        .await
    }

    async fn external_location_alter(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        alter: impl Fn(&Caller<'_>, &ExternalLocation, &mut Vec<Reason>) -> Result<ExternalLocation, Error>,
    ) -> Result<(), Error> {
        let securable = SecurableName::ExternalLocation(name.clone());
        self.write(Request::new(by, now, Action::ExternalLocationAlter, securable), |caller| {
            let location = caller.external_location(name)?;
            let mut because =
                caller.require(Privilege::Manage, SecurableId::ExternalLocation(location.id))?;
            let altered = alter(caller, location, &mut because)?;
            if altered == *location {
                return Ok(Write::nothing(()));
            }
            let stamps = caller.altered(location.stamps);
            let changes = vec![Change::ExternalLocationPut(ExternalLocation { stamps, ..altered })];
            Ok(Write { changes, because, value: () })
        })
        .await
    }
}

/// The credential of that name, if the caller may hand it to a location.
fn require_credential(
    caller: &Caller<'_>,
    name: Option<&Name>,
    because: &mut Vec<Reason>,
) -> Result<Option<StorageCredentialId>, Error> {
    let Some(name) = name else { return Ok(None) };
    let credential = caller.storage_credential(name)?;
    let id = SecurableId::StorageCredential(credential.id);
    because.extend(match caller.rank() {
        Some(rank) => vec![rank],
        None => caller.require(Privilege::CreateExternalLocation, id)?,
    });
    Ok(Some(credential.id))
}

fn exists(name: &Name) -> Error {
    Error::AlreadyExists { kind: SecurableKind::ExternalLocation, name: name.to_string() }
}
