//! Grants and ownership.

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::policies::check_policy_cycles;
use super::{Metastore, Request, Write};
use crate::audit::{Action, Requester};
use crate::decision::Reason;
use crate::error::{Error, Reserved};
use crate::function::Function;
use crate::grant::{Effect, Grant};
use crate::id::PrincipalId;
use crate::privilege::Privilege;
use crate::securable::{
    Catalog, ExternalLocation, Schema, SecurableId, SecurableKind, SecurableName, StorageCredential, Table,
    Volume,
};
use crate::store::Change;
use crate::tag::GovernedTag;

impl Metastore {
    /// Needs MANAGE or MANAGE ACCESS CONTROL on the securable; on the metastore, rank. EXTERNAL USE SCHEMA is
    /// granted by the catalog's owner alone. Granting what is granted already changes nothing.
    pub async fn grant_add(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        securable: &SecurableName,
        principal: &str,
        privileges: &[Privilege],
    ) -> Result<(), Error> {
        let by = by.into();
        let snapshot = by.catalog(&self.snapshot().await?);
        let to_self = snapshot.principal_by_name(principal).is_some_and(|to| snapshot.acts_as(by.by, to.id));
        let action = if to_self { Action::GrantAddToSelf } else { Action::GrantAdd };
        let request = grant_request(by, now, action, securable, principal, privileges);
        self.write(request, |caller| added(caller, securable, principal, privileges, Grant::allow)).await
    }

    /// Takes privileges away, whatever else is granted. Needs what granting needs. Denying what is denied
    /// already changes nothing.
    pub async fn deny_add(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        securable: &SecurableName,
        principal: &str,
        privileges: &[Privilege],
    ) -> Result<(), Error> {
        let request = grant_request(by, now, Action::DenyAdd, securable, principal, privileges);
        self.write(request, |caller| added(caller, securable, principal, privileges, Grant::deny)).await
    }

    /// Needs what granting needs. Revoking ALL PRIVILEGES revokes each one it means that is granted there.
    /// Revoking what is not granted changes nothing. Denials stay.
    pub async fn grant_remove(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        securable: &SecurableName,
        principal: &str,
        privileges: &[Privilege],
    ) -> Result<(), Error> {
        let request = grant_request(by, now, Action::GrantRemove, securable, principal, privileges);
        self.write(request, |caller| {
            let (id, because) = require_grantable(caller, securable, privileges)?;
            let from = caller.principal(principal)?.id;
            check_applicable(caller, id, privileges)?;
            let changes = removed(caller, id, from, Effect::Allow, privileges);
            Ok(Write { changes, because, value: () })
        })
        .await
    }

    /// Lifts denials. Needs what granting needs; and nobody but one of rank lifts a denial that holds for
    /// oneself.
    pub async fn deny_remove(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        securable: &SecurableName,
        principal: &str,
        privileges: &[Privilege],
    ) -> Result<(), Error> {
        let request = grant_request(by, now, Action::DenyRemove, securable, principal, privileges);
        self.write(request, |caller| {
            let (id, mut because) = require_grantable(caller, securable, privileges)?;
            let from = caller.principal(principal)?.id;
            check_applicable(caller, id, privileges)?;
            if caller.is(from) {
                because.extend(caller.require_rank(Reserved::LiftOwnDenial)?);
            }
            let changes = removed(caller, id, from, Effect::Deny, privileges);
            Ok(Write { changes, because, value: () })
        })
        .await
    }

    /// Needs MANAGE; of the metastore, whose owner is the metastore admin, account admin. A view or function
    /// runs with its owner's rights, so only one of rank gives it to a principal other than oneself or a
    /// group one is in.
    pub async fn owner_set(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        securable: &SecurableName,
        owner: &str,
    ) -> Result<(), Error> {
        let text = format!("{securable} to `{owner}`");
        self.write(Request::new(by, now, Action::OwnerSet, text), |caller| {
            let id = caller.securable(securable)?;
            let kind = caller.snapshot.kind_of(id).unwrap_or(SecurableKind::Metastore);
            let mut because = match id {
                SecurableId::Metastore => caller.require_account_admin(Reserved::SetMetastoreAdmin)?,
                _ => caller.require(Privilege::Manage, id)?,
            };
            let to = caller.principal(owner)?.id;
            if matches!(kind, SecurableKind::View | SecurableKind::Function) && !caller.is(to) {
                because.extend(caller.require_rank(Reserved::GiveRightsAway)?);
            }
            if caller.snapshot.owner_of(id) == Some(to) {
                return Ok(Write::nothing(()));
            }
            let change =
                transfer(caller, id, to).ok_or_else(|| Error::NotFound { securable: securable.clone() })?;
            let changes = vec![change];
            // What policies read is read in the name of their functions' owners.
            if kind == SecurableKind::Function {
                check_policy_cycles(caller, &changes)?;
            }
            Ok(Write { changes, because, value: () })
        })
        .await
    }
}

fn list(privileges: &[Privilege]) -> String {
    privileges.iter().map(|privilege| privilege.name()).collect::<Vec<_>>().join(", ")
}

fn grant_request(
    by: impl Into<Requester>,
    now: DateTime<Utc>,
    action: Action,
    securable: &SecurableName,
    principal: &str,
    privileges: &[Privilege],
) -> Request {
    let request = Request::new(by, now, action, securable);
    request.with("principal", principal).with("privileges", list(privileges))
}

fn require_grantable(
    caller: &Caller<'_>,
    securable: &SecurableName,
    privileges: &[Privilege],
) -> Result<(SecurableId, Vec<Reason>), Error> {
    let id = caller.securable(securable)?;
    let mut because = match id {
        SecurableId::Metastore => caller.require_rank(Reserved::GrantOnMetastore)?,
        _ => caller
            .require(Privilege::ManageAccessControl, id)
            // Most callers know the wider privilege.
            .map_err(|denied| caller.require(Privilege::Manage, id).err().unwrap_or(denied))?,
    };
    // Data then leaves past the warehouse, so that it is the catalog owner's own decision.
    if privileges.contains(&Privilege::ExternalUseSchema) {
        let itself = std::iter::once(id).chain(caller.snapshot.containers_of(id));
        let catalog = itself.into_iter().find(|id| matches!(id, SecurableId::Catalog(_)));
        let owner = catalog.and_then(|catalog| Some((catalog, caller.snapshot.owner_of(catalog)?)));
        match owner.filter(|(_, owner)| caller.is(*owner)) {
            Some((of, owner)) => because.push(Reason::Owned { owner, of }),
            None => return Err(Error::Reserved { act: Reserved::GrantExternalUse }),
        }
    }
    Ok((id, because))
}

/// The changes that make of the privileges what `grant` says, where that is not so yet.
fn added(
    caller: &Caller<'_>,
    securable: &SecurableName,
    principal: &str,
    privileges: &[Privilege],
    grant: fn(PrincipalId, Privilege, SecurableId) -> Grant,
) -> Result<Write<()>, Error> {
    let (id, because) = require_grantable(caller, securable, privileges)?;
    let to = caller.principal(principal)?.id;
    check_applicable(caller, id, privileges)?;
    let wanted = privileges.iter().map(|privilege| grant(to, *privilege, id));
    let added = wanted.filter(|grant| !caller.snapshot.has_grant(*grant));
    Ok(Write { changes: added.map(Change::GrantAdd).collect(), because, value: () })
}

/// The changes that take the named privileges, or all that ALL PRIVILEGES means, from one principal.
fn removed(
    caller: &Caller<'_>,
    id: SecurableId,
    from: PrincipalId,
    effect: Effect,
    privileges: &[Privilege],
) -> Vec<Change> {
    let all = privileges.contains(&Privilege::AllPrivileges);
    let removed = caller.snapshot.grants_on(id).filter(|grant| {
        let named = privileges.contains(&grant.privilege) || (all && grant.privilege.is_of_all());
        grant.principal == from && grant.effect == effect && named
    });
    removed.map(Change::GrantRemove).collect()
}

fn check_applicable(caller: &Caller<'_>, id: SecurableId, privileges: &[Privilege]) -> Result<(), Error> {
    let kind = caller.snapshot.kind_of(id).unwrap_or(SecurableKind::Metastore);
    match privileges.iter().find(|privilege| !privilege.applies_to(kind)) {
        Some(privilege) => Err(Error::PrivilegeNotApplicable { privilege: *privilege, kind }),
        None => Ok(()),
    }
}

fn transfer(caller: &Caller<'_>, id: SecurableId, owner: PrincipalId) -> Option<Change> {
    let snapshot = caller.snapshot;
    match id {
        SecurableId::Metastore => Some(Change::MetastoreOwnerPut(Some(owner))),
        SecurableId::Catalog(id) => snapshot.catalog_by_id(id).map(|catalog| {
            Change::CatalogPut(Catalog { owner, stamps: caller.altered(catalog.stamps), ..catalog.clone() })
        }),
        SecurableId::Schema(id) => snapshot.schema_by_id(id).map(|schema| {
            Change::SchemaPut(Schema { owner, stamps: caller.altered(schema.stamps), ..schema.clone() })
        }),
        SecurableId::Table(id) => snapshot.table_by_id(id).map(|table| {
            Change::TablePut(Box::new(Table { owner, stamps: caller.altered(table.stamps), ..table.clone() }))
        }),
        SecurableId::Function(id) => snapshot.function_by_id(id).map(|function| {
            Change::FunctionPut(Box::new(Function {
                owner,
                stamps: caller.altered(function.stamps),
                ..function.clone()
            }))
        }),
        SecurableId::Volume(id) => snapshot.volume_by_id(id).map(|volume| {
            Change::VolumePut(Volume { owner, stamps: caller.altered(volume.stamps), ..volume.clone() })
        }),
        SecurableId::ExternalLocation(id) => snapshot.external_location_by_id(id).map(|location| {
            Change::ExternalLocationPut(ExternalLocation {
                owner,
                stamps: caller.altered(location.stamps),
                ..location.clone()
            })
        }),
        SecurableId::StorageCredential(id) => snapshot.storage_credential_by_id(id).map(|credential| {
            Change::StorageCredentialPut(StorageCredential {
                owner,
                stamps: caller.altered(credential.stamps),
                ..credential.clone()
            })
        }),
        SecurableId::GovernedTag(id) => snapshot.governed_tag_by_id(id).map(|tag| {
            Change::GovernedTagPut(GovernedTag { owner, stamps: caller.altered(tag.stamps), ..tag.clone() })
        }),
    }
}
