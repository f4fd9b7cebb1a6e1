//! The one place that decides. Pure functions of a snapshot: no store, no clock, no cache.
//!
//! The rules:
//! * A privilege is had through a grant of it, or of ALL PRIVILEGES, on the securable or on a
//!   container of it, to the principal or to a group that contains it. Grants on the metastore
//!   do not reach what it contains. ALL PRIVILEGES does not mean MANAGE.
//! * The owner has every right on the securable itself. Ownership is not inherited, except that
//!   who owns a container has MANAGE on all it contains.
//! * Beside the privilege itself, USE SCHEMA and USE CATALOG are needed on the way to the
//!   securable; owners need them too. MODIFY needs SELECT as well. BROWSE needs nothing else, and
//!   comes with MANAGE.
//! * MANAGE gives no access to data. Account admins create catalogs and have MANAGE everywhere,
//!   without USE; their rank gives no access to data either.
//!
//! Whether a principal may log in is not asked here: rights of a disabled owner go on to hold
//! for the views and functions that run with them.

use crate::decision::{Decision, Reason};
use crate::error::Error;
use crate::grant::Grant;
use crate::id::PrincipalId;
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableKind, SecurableName};
use crate::snapshot::Snapshot;

/// Whether `principal` may do what `privilege` allows on `securable`, with all that it takes.
pub fn authorize(
    snapshot: &Snapshot,
    principal: PrincipalId,
    privilege: Privilege,
    securable: SecurableId,
) -> Decision {
    let Some(kind) = snapshot.kind_of(securable) else {
        return Decision::Refused { missing: vec![(privilege, securable)], knows_of_it: false };
    };
    let mut because = Vec::new();
    let mut missing = Vec::new();
    for (needed, on) in needed(snapshot, privilege, securable, kind) {
        let reason = holds(snapshot, principal, needed, on).or_else(|| {
            (privilege == Privilege::Manage).then(|| administers(snapshot, principal, on)).flatten()
        });
        match reason {
            Some(reason) => because.push(reason),
            None => missing.push((needed, on)),
        }
    }
    if missing.is_empty() {
        return Decision::Allowed { because };
    }
    Decision::Refused { missing, knows_of_it: may_see(snapshot, principal, securable) }
}

/// Whether `principal` may be told that `securable` exists: any grant or ownership on it or on
/// a container of it (BROWSE is one), for containers also on something inside, or rank.
pub fn may_see(snapshot: &Snapshot, principal: PrincipalId, securable: SecurableId) -> bool {
    if securable == SecurableId::Metastore {
        return true;
    }
    if snapshot.kind_of(securable).is_none() {
        return false;
    }
    is_account_admin(snapshot, principal)
        || snapshot.is_held_by(securable, principal)
        || snapshot.holds_inside(securable, principal)
        || snapshot.containers_of(securable).any(|container| snapshot.is_held_by(container, principal))
}

/// What `name` means to `principal`. A securable the principal may not see is not found, with
/// the very error of one that does not exist.
pub fn resolve(
    snapshot: &Snapshot,
    principal: PrincipalId,
    name: &SecurableName,
) -> Result<SecurableId, Error> {
    snapshot
        .find(name)
        .filter(|id| may_see(snapshot, principal, *id))
        .ok_or_else(|| Error::NotFound { securable: name.clone() })
}

/// The grants on `securable` and on its containers that `principal` may read: its own and its
/// groups' always, others' where it has MANAGE.
pub fn visible_grants(snapshot: &Snapshot, principal: PrincipalId, securable: SecurableId) -> Vec<Grant> {
    let mut visible = Vec::new();
    for on in std::iter::once(securable).chain(snapshot.containers_of(securable)) {
        let all = authorize(snapshot, principal, Privilege::Manage, on).is_allowed();
        let grants = snapshot.grants_on(on);
        visible.extend(grants.filter(|grant| all || snapshot.acts_as(principal, grant.principal)));
    }
    visible
}

/// Whether the principal is an account admin. Rank is the principal's own, never a group's.
pub fn is_account_admin(snapshot: &Snapshot, principal: PrincipalId) -> bool {
    snapshot.principal(principal).is_some_and(|principal| principal.account_admin)
}

/// The asked privilege first, then whatever it cannot be used without.
fn needed(
    snapshot: &Snapshot,
    privilege: Privilege,
    securable: SecurableId,
    kind: SecurableKind,
) -> Vec<(Privilege, SecurableId)> {
    let mut needed = vec![(privilege, securable)];
    if privilege == Privilege::Modify && kind == SecurableKind::Table {
        needed.push((Privilege::Select, securable));
    }
    if matches!(privilege, Privilege::Browse | Privilege::CreateCatalog) {
        return needed;
    }
    let creates =
        matches!(privilege, Privilege::CreateSchema | Privilege::CreateTable | Privilege::CreateFunction);
    let itself = creates.then_some(securable);
    for container in itself.into_iter().chain(snapshot.containers_of(securable)) {
        match container {
            SecurableId::Schema(_) => needed.push((Privilege::UseSchema, container)),
            SecurableId::Catalog(_) => needed.push((Privilege::UseCatalog, container)),
            SecurableId::Metastore | SecurableId::Table(_) | SecurableId::Function(_) => {}
        }
    }
    needed
}

/// Why `principal` has this one privilege here, leaving aside what else it takes to use it.
fn holds(
    snapshot: &Snapshot,
    principal: PrincipalId,
    privilege: Privilege,
    securable: SecurableId,
) -> Option<Reason> {
    let kind = snapshot.kind_of(securable)?;
    if !privilege.is_right_on(kind) && !privilege.applies_to(kind) {
        return None;
    }
    owns(snapshot, principal, securable)
        .filter(|_| privilege.is_right_on(kind))
        .or_else(|| granted(snapshot, principal, privilege, securable))
        .or_else(|| match privilege {
            Privilege::Manage => administers(snapshot, principal, securable),
            Privilege::Browse => holds(snapshot, principal, Privilege::Manage, securable),
            Privilege::CreateCatalog if is_account_admin(snapshot, principal) => Some(Reason::AccountAdmin),
            _ => None,
        })
}

fn owns(snapshot: &Snapshot, principal: PrincipalId, securable: SecurableId) -> Option<Reason> {
    let owner = snapshot.owner_of(securable)?;
    snapshot.acts_as(principal, owner).then_some(Reason::Owned { owner, of: securable })
}

/// A grant that gives `privilege`, on the securable or the nearest container that has one.
fn granted(
    snapshot: &Snapshot,
    principal: PrincipalId,
    privilege: Privilege,
    securable: SecurableId,
) -> Option<Reason> {
    for on in std::iter::once(securable).chain(snapshot.containers_of(securable)) {
        if !snapshot.kind_of(on).is_some_and(|kind| privilege.applies_to(kind)) {
            continue;
        }
        for to in snapshot.identities_of(principal) {
            if snapshot.has_grant(to, privilege, on) {
                return Some(Reason::Granted { to, privilege, on });
            }
            // INVARIANT: ALL PRIVILEGES does not contain MANAGE; who can read everything cannot
            // thereby hand it on.
            let all = Privilege::AllPrivileges;
            if privilege != Privilege::Manage && snapshot.has_grant(to, all, on) {
                return Some(Reason::Granted { to, privilege: all, on });
            }
        }
    }
    None
}

/// The right to administer that comes from owning the securable or a container of it, or from
/// rank. It stands for MANAGE and for the USE on the way to it, and for nothing else.
fn administers(snapshot: &Snapshot, principal: PrincipalId, securable: SecurableId) -> Option<Reason> {
    std::iter::once(securable)
        .chain(snapshot.containers_of(securable))
        .find_map(|of| owns(snapshot, principal, of))
        .or_else(|| is_account_admin(snapshot, principal).then_some(Reason::AccountAdmin))
}

#[cfg(test)]
mod tests;
