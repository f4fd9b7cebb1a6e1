//! Users, service principals and groups.

use weir_catalog::PrincipalKind;
use weir_catalog::error::{Error as CatalogError, Reserved};
use weir_catalog::metastore::{Delegation, Enablement, PrincipalSpec};

use super::catalog::{on_existing, on_missing};
use super::sight::Sight;
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::PrincipalCommand;

pub(super) async fn run(call: Call<'_>, command: &PrincipalCommand) -> Result<Outcome> {
    let (metastore, by, now) = (call.metastore(), call.by(), call.now());
    match command {
        PrincipalCommand::Create { kind, name, if_not_exists } => {
            let spec = PrincipalSpec { name: name.clone(), kind: *kind };
            metastore.principal_create(by, now, spec, on_existing(*if_not_exists)).await?;
        }
        PrincipalCommand::Drop { kind, name, if_exists } => {
            metastore.principal_drop(by, now, name, *kind, on_missing(*if_exists)).await?;
        }
        PrincipalCommand::AddMember { group, kind, member } => {
            require_kind(call, member, *kind).await?;
            metastore.member_add(by, now, group, member).await?;
        }
        PrincipalCommand::RemoveMember { group, kind, member } => {
            require_kind(call, member, *kind).await?;
            metastore.member_remove(by, now, group, member).await?;
        }
        PrincipalCommand::SetDisabled { kind, name, disabled } => {
            require_kind(call, name, *kind).await?;
            let enablement = if *disabled { Enablement::Disabled } else { Enablement::Enabled };
            metastore.principal_set_enablement(by, now, name, enablement).await?;
        }
        PrincipalCommand::SetActing { name, may } => {
            require_kind(call, name, PrincipalKind::ServicePrincipal).await?;
            let delegation = if *may { Delegation::MayActForUsers } else { Delegation::OnlyForItself };
            metastore.delegation_set(by, now, name, delegation).await?;
        }
    }
    done()
}

/// A principal written as a user must be one: of another kind it is not found. Who may not manage
/// principals is refused before, and learns nothing of names.
async fn require_kind(call: Call<'_>, name: &str, kind: PrincipalKind) -> Result<()> {
    let snapshot = call.snapshot().await?;
    Sight::new(call, &snapshot).require_account_admin(Reserved::ManagePrincipals)?;
    match snapshot.principal_by_name(name) {
        Some(principal) if principal.kind == kind => Ok(()),
        _ => Err(CatalogError::PrincipalNotFound { name: name.to_owned() }.into()),
    }
}
