//! Grants and ownership.

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::{Metastore, Request, Write};
use crate::audit::Action;
use crate::decision::Reason;
use crate::error::{Error, Reserved};
use crate::function::Function;
use crate::grant::Grant;
use crate::id::PrincipalId;
use crate::privilege::Privilege;
use crate::securable::{Catalog, Schema, SecurableId, SecurableKind, SecurableName, Table};
use crate::store::Change;

impl Metastore {
    /// Needs MANAGE on the securable; on the metastore, rank. Granting what is granted already
    /// changes nothing.
    pub async fn grant_add(
        &self,
        by: PrincipalId,
        now: DateTime<Utc>,
        securable: &SecurableName,
        principal: &str,
        privileges: &[Privilege],
    ) -> Result<(), Error> {
        let snapshot = self.snapshot().await?;
        let to_self = snapshot.principal_by_name(principal).is_some_and(|to| snapshot.acts_as(by, to.id));
        let action = if to_self { Action::GrantAddToSelf } else { Action::GrantAdd };
        let text = format!("{securable} to `{principal}`: {}", list(privileges));
        self.write(Request::new(by, now, action, text), |caller| {
            let (id, because) = require_grantable(caller, securable)?;
            let to = caller.principal(principal)?;
            check_applicable(caller, id, privileges)?;
            let added =
                privileges.iter().filter(|privilege| !caller.snapshot.has_grant(to.id, **privilege, id));
            let changes = added.map(|privilege| {
                Change::GrantAdd(Grant { principal: to.id, privilege: *privilege, securable: id })
            });
            Ok(Write { changes: changes.collect(), because, value: () })
        })
        .await
    }

    /// Needs what granting needs. Revoking ALL PRIVILEGES revokes each one granted there, but
    /// not MANAGE. Revoking what is not granted changes nothing.
    pub async fn grant_remove(
        &self,
        by: PrincipalId,
        now: DateTime<Utc>,
        securable: &SecurableName,
        principal: &str,
        privileges: &[Privilege],
    ) -> Result<(), Error> {
        let text = format!("{securable} from `{principal}`: {}", list(privileges));
        self.write(Request::new(by, now, Action::GrantRemove, text), |caller| {
            let (id, because) = require_grantable(caller, securable)?;
            let from = caller.principal(principal)?;
            check_applicable(caller, id, privileges)?;
            let all = privileges.contains(&Privilege::AllPrivileges);
            let removed = caller.snapshot.grants_on(id).filter(|grant| {
                let named = privileges.contains(&grant.privilege);
                grant.principal == from.id && (named || (all && grant.privilege != Privilege::Manage))
            });
            Ok(Write {
                changes: removed.map(|grant| Change::GrantRemove(*grant)).collect(),
                because,
                value: (),
            })
        })
        .await
    }

    /// Needs MANAGE. A view or function runs with its owner's rights, so only an account admin
    /// gives one to a principal other than oneself or a group one is in.
    pub async fn owner_set(
        &self,
        by: PrincipalId,
        now: DateTime<Utc>,
        securable: &SecurableName,
        owner: &str,
    ) -> Result<(), Error> {
        let text = format!("{securable} to `{owner}`");
        self.write(Request::new(by, now, Action::OwnerSet, text), |caller| {
            let id = caller.securable(securable)?;
            let kind = caller.snapshot.kind_of(id).unwrap_or(SecurableKind::Metastore);
            let mut because = caller.require(Privilege::Manage, id)?;
            let to = caller.principal(owner)?.id;
            if matches!(kind, SecurableKind::View | SecurableKind::Function) && !caller.is(to) {
                because.extend(caller.require_account_admin(Reserved::GiveRightsAway)?);
            }
            if caller.snapshot.owner_of(id) == Some(to) {
                return Ok(Write::nothing(()));
            }
            let change =
                transfer(caller, id, to).ok_or_else(|| Error::NotFound { securable: securable.clone() })?;
            Ok(Write { changes: vec![change], because, value: () })
        })
        .await
    }
}

fn list(privileges: &[Privilege]) -> String {
    privileges.iter().map(|privilege| privilege.name()).collect::<Vec<_>>().join(", ")
}

fn require_grantable(
    caller: &Caller<'_>,
    securable: &SecurableName,
) -> Result<(SecurableId, Vec<Reason>), Error> {
    let id = caller.securable(securable)?;
    let because = match id {
        SecurableId::Metastore => caller.require_account_admin(Reserved::GrantOnMetastore)?,
        _ => caller.require(Privilege::Manage, id)?,
    };
    Ok((id, because))
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
        // The metastore has no owner; account admins stand in its place.
        SecurableId::Metastore => None,
        SecurableId::Catalog(id) => {
            snapshot.catalog_by_id(id).map(|catalog| Change::CatalogPut(Catalog { owner, ..catalog.clone() }))
        }
        SecurableId::Schema(id) => {
            snapshot.schema_by_id(id).map(|schema| Change::SchemaPut(Schema { owner, ..schema.clone() }))
        }
        SecurableId::Table(id) => {
            snapshot.table_by_id(id).map(|table| Change::TablePut(Box::new(Table { owner, ..table.clone() })))
        }
        SecurableId::Function(id) => snapshot
            .function_by_id(id)
            .map(|function| Change::FunctionPut(Box::new(Function { owner, ..function.clone() }))),
    }
}
