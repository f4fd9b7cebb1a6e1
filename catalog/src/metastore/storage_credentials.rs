//! Storage credentials: keys to stores, by name. No secret passes here: what a name opens is in the
//! server's configuration.

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::{Created, Metastore, OnExisting, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::error::{Dependents, Error};
use crate::id::StorageCredentialId;
use crate::name::Name;
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableKind, SecurableName, StorageCredential};
use crate::store::Change;

/// A storage credential to be made.
#[derive(Debug, Clone)]
pub struct StorageCredentialSpec {
    /// Unique in the metastore among storage credentials.
    pub name: Name,
    /// A remark for people.
    pub comment: Option<String>,
}

impl Metastore {
    /// Needs CREATE STORAGE CREDENTIAL on the metastore, or rank.
    pub async fn storage_credential_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: StorageCredentialSpec,
        on_existing: OnExisting,
    ) -> Result<Created<StorageCredential>, Error> {
        let securable = SecurableName::StorageCredential(spec.name.clone());
        self.write(Request::new(by, now, Action::StorageCredentialCreate, securable), |caller| {
            let because = caller.require(Privilege::CreateStorageCredential, SecurableId::Metastore)?;
            if let Some(existing) = caller.snapshot.storage_credential(&spec.name) {
                return match on_existing {
                    OnExisting::Keep if caller.sees(SecurableId::StorageCredential(existing.id)) => {
                        Ok(Write::nothing(Created::Kept(existing.clone())))
                    }
                    _ => Err(exists(&spec.name)),
                };
            }
            let credential = StorageCredential {
                id: StorageCredentialId::fresh(),
                name: spec.name.clone(),
                owner: caller.by,
                comment: spec.comment.clone(),
                stamps: caller.stamps,
            };
            let changes = vec![Change::StorageCredentialPut(credential.clone())];
            Ok(Write { changes, because, value: Created::Made(credential) })
        })
        .await
    }

    /// Needs MANAGE. Refused while an external location uses it. Returns whether there was anything to drop.
    pub async fn storage_credential_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        on_missing: OnMissing,
    ) -> Result<bool, Error> {
        let securable = SecurableName::StorageCredential(name.clone());
        self.write(Request::new(by, now, Action::StorageCredentialDrop, &securable), |caller| {
            let credential = match caller.storage_credential(name) {
                Err(Error::NotFound { .. }) if on_missing == OnMissing::Ignore => {
                    return Ok(Write::nothing(false));
                }
                found => found?,
            };
            let because = caller.require(Privilege::Manage, SecurableId::StorageCredential(credential.id))?;
            let dependents = users(caller, credential);
            if !dependents.is_empty() {
                return Err(Error::DependentsExist { what: securable.to_string(), dependents });
            }
            let changes = vec![Change::StorageCredentialRemove(credential.id)];
            Ok(Write { changes, because, value: true })
        })
        .await
    }

    /// Needs MANAGE; grants and the locations that use it stay.
    pub async fn storage_credential_rename(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        to: &Name,
    ) -> Result<(), Error> {
        self.storage_credential_alter(by, now, name, |caller, credential| {
            if name != to && caller.snapshot.storage_credential(to).is_some() {
                return Err(exists(to));
            }
            Ok(StorageCredential { name: to.clone(), ..credential.clone() })
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn storage_credential_set_comment(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        comment: Option<String>,
    ) -> Result<(), Error> {
        self.storage_credential_alter(by, now, name, |_, credential| {
            Ok(StorageCredential { comment: comment.clone(), ..credential.clone() })
        })
        .await
    }

    async fn storage_credential_alter(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        alter: impl Fn(&Caller<'_>, &StorageCredential) -> Result<StorageCredential, Error>,
    ) -> Result<(), Error> {
        let securable = SecurableName::StorageCredential(name.clone());
        self.write(Request::new(by, now, Action::StorageCredentialAlter, securable), |caller| {
            let credential = caller.storage_credential(name)?;
            let because = caller.require(Privilege::Manage, SecurableId::StorageCredential(credential.id))?;
            let altered = alter(caller, credential)?;
            if altered == *credential {
                return Ok(Write::nothing(()));
            }
            let stamps = caller.altered(credential.stamps);
            let changes = vec![Change::StorageCredentialPut(StorageCredential { stamps, ..altered })];
            Ok(Write { changes, because, value: () })
        })
        .await
    }
}

/// The external locations whose files are read with it.
fn users(caller: &Caller<'_>, credential: &StorageCredential) -> Dependents {
    let mut dependents = Dependents::default();
    for location in caller.snapshot.external_locations() {
        match location.credential {
            Some(used) if used == credential.id => {}
            _ => continue,
        }
        match caller.sees(SecurableId::ExternalLocation(location.id)) {
            true => dependents.visible.push(format!("external location `{}`", location.name)),
            false => dependents.hidden += 1,
        }
    }
    dependents
}

fn exists(name: &Name) -> Error {
    Error::AlreadyExists { kind: SecurableKind::StorageCredential, name: name.to_string() }
}
