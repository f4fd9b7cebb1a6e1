//! The one place that decides. Pure functions of a snapshot: no store, no clock, no cache.
//!
//! The rules:
//! * A privilege is had through a grant of it, or of one that gives it (ALL PRIVILEGES; MODIFY for
//!   INSERT, UPDATE and DELETE), on the securable or on a container of it, to the principal or to a
//!   group that contains it. Grants on the metastore do not reach what it contains. ALL PRIVILEGES
//!   does not mean MANAGE.
//! * The owner has every right on the securable itself. Ownership is not inherited, except that
//!   who owns a container has MANAGE on all it contains.
//! * A denial of a privilege, or of one that gives it, on the securable or a container of it, to the
//!   principal or to a group that contains it, beats grants and ownership. It does not beat rank.
//! * Beside the privilege itself, USE SCHEMA and USE CATALOG are needed on the way to the
//!   securable; owners need them too. MODIFY, UPDATE and DELETE need SELECT as well, and INSERT where it comes from MODIFY. BROWSE needs
//!   nothing else, and comes with MANAGE.
//! * MANAGE gives no access to data. Account admins and the metastore admin create catalogs, external
//!   locations and the like, and have MANAGE everywhere, without USE; their rank gives no access to data.
//!
//! Whether a principal may log in is not asked here: rights of a disabled owner go on to hold
//! for the views and functions that run with them.

use crate::decision::{Decision, Lack, Reason};
use crate::error::Error;
use crate::grant::Grant;
use crate::id::PrincipalId;
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableKind, SecurableName, Table};
use crate::snapshot::Snapshot;

mod visible;

pub use visible::{Visible, Within};

/// Whether `principal` may do what `privilege` allows on `securable`, with all that it takes.
pub fn authorize(
    snapshot: &Snapshot,
    principal: PrincipalId,
    privilege: Privilege,
    securable: SecurableId,
) -> Decision {
    let Some(kind) = snapshot.kind_of(securable) else {
        let missing = vec![Lack { privilege, on: securable, denied: None }];
        return Decision::Refused { missing, knows_of_it: false };
    };
    let asker = Asker::new(snapshot, principal);
    let mut because = Vec::new();
    let mut missing = Vec::new();
    let mut open = needed(snapshot, privilege, securable, kind);
    // MODIFY is of use to those alone who may read; INSERT by itself is not.
    let through_modify =
        |reason: &Reason| matches!(reason, Reason::Granted { privilege: Privilege::Modify, .. });
    if privilege == Privilege::Insert
        && asker.holds(privilege, securable, privilege).as_ref().is_ok_and(through_modify)
    {
        open.insert(1, (Privilege::Select, securable));
    }
    for (needed, on) in open {
        match asker.holds(needed, on, privilege) {
            Ok(reason) => because.push(reason),
            Err(denied) => missing.push(Lack { privilege: needed, on, denied }),
        }
    }
    if missing.is_empty() {
        return Decision::Allowed { because };
    }
    Decision::Refused { missing, knows_of_it: asker.sees(securable) }
}

/// Whether `principal` may be told that `securable` exists: any grant or ownership on it or on
/// a container of it (BROWSE is one), for containers also on something inside, or rank. A denial of
/// BROWSE takes that away, but not from rank.
pub fn may_see(snapshot: &Snapshot, principal: PrincipalId, securable: SecurableId) -> bool {
    Asker::new(snapshot, principal).sees(securable)
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
        let all = manages_access(snapshot, principal, on);
        let grants = snapshot.grants_on(on);
        visible.extend(grants.filter(|grant| all || snapshot.acts_as(principal, grant.principal)));
    }
    visible
}

/// The grants to exactly `to`, wherever they are, that `principal` may read: all where `to` is itself or a
/// group of its, else those where it has MANAGE.
pub fn visible_grants_to(snapshot: &Snapshot, principal: PrincipalId, to: PrincipalId) -> Vec<Grant> {
    let own = snapshot.acts_as(principal, to);
    let grants = snapshot.grants().filter(|grant| grant.principal == to);
    grants.filter(|grant| own || manages_access(snapshot, principal, grant.securable)).collect()
}

/// Whether the principal may read and change everybody's grants there; on the metastore that is rank's.
fn manages_access(snapshot: &Snapshot, principal: PrincipalId, on: SecurableId) -> bool {
    match on {
        SecurableId::Metastore => {
            is_account_admin(snapshot, principal) || is_metastore_admin(snapshot, principal)
        }
        on => authorize(snapshot, principal, Privilege::ManageAccessControl, on).is_allowed(),
    }
}

/// The tables and views that `principal` may be told of, by name. Costs what is visible, not what there
/// is: it starts from what the principal holds.
pub fn visible_tables(snapshot: &Snapshot, principal: PrincipalId) -> Vec<&Table> {
    Visible::new(snapshot, principal).tables(&Within::default())
}

/// Whether `principal` may read the policies that stand on `scope`: by READ METADATA, which comes with
/// MANAGE and ownership; on the metastore by rank.
pub fn may_read_policies(snapshot: &Snapshot, principal: PrincipalId, scope: SecurableId) -> bool {
    match scope {
        SecurableId::Metastore => {
            is_account_admin(snapshot, principal) || is_metastore_admin(snapshot, principal)
        }
        _ => authorize(snapshot, principal, Privilege::ReadMetadata, scope).is_allowed(),
    }
}

/// Whether the principal is an account admin. This rank is the principal's own, never a group's.
pub fn is_account_admin(snapshot: &Snapshot, principal: PrincipalId) -> bool {
    snapshot.principal(principal).is_some_and(|principal| principal.account_admin)
}

/// Whether the principal is the metastore admin or in that group.
pub fn is_metastore_admin(snapshot: &Snapshot, principal: PrincipalId) -> bool {
    snapshot.metastore_owner().is_some_and(|owner| snapshot.acts_as(principal, owner))
}

/// The asked privilege first, then whatever it cannot be used without.
fn needed(
    snapshot: &Snapshot,
    privilege: Privilege,
    securable: SecurableId,
    kind: SecurableKind,
) -> Vec<(Privilege, SecurableId)> {
    let mut needed = Vec::with_capacity(4);
    needed.push((privilege, securable));
    let reads = matches!(privilege, Privilege::Modify | Privilege::Update | Privilege::Delete);
    if reads && kind == SecurableKind::Table {
        needed.push((Privilege::Select, securable));
    }
    if matches!(privilege, Privilege::Browse) {
        return needed;
    }
    // What is created in a container needs USE on the container itself.
    let itself = privilege.is_right_on(kind)
        && !matches!(privilege, Privilege::UseCatalog | Privilege::UseSchema)
        && creates(privilege);
    for container in itself.then_some(securable).into_iter().chain(snapshot.containers_of(securable)) {
        match container {
            SecurableId::Schema(_) => needed.push((Privilege::UseSchema, container)),
            SecurableId::Catalog(_) => needed.push((Privilege::UseCatalog, container)),
            _ => {}
        }
    }
    needed
}

fn creates(privilege: Privilege) -> bool {
    matches!(
        privilege,
        Privilege::CreateSchema
            | Privilege::CreateTable
            | Privilege::CreateView
            | Privilege::CreateFunction
            | Privilege::CreateVolume
            | Privilege::CreateModel
            | Privilege::CreateMaterializedView
    )
}

/// Where a denial stands: whom it names, and on what.
type Denial = (PrincipalId, SecurableId);

/// One principal before one snapshot, its groups flattened once.
struct Asker<'a> {
    snapshot: &'a Snapshot,
    principal: PrincipalId,
    identities: std::sync::Arc<[PrincipalId]>,
}

impl<'a> Asker<'a> {
    fn new(snapshot: &'a Snapshot, principal: PrincipalId) -> Self {
        Self { snapshot, principal, identities: snapshot.identities_of(principal) }
    }

    fn is(&self, owner: PrincipalId) -> bool {
        self.identities.binary_search(&owner).is_ok()
    }

    /// The rank by which the principal administers everything.
    fn rank(&self) -> Option<Reason> {
        if is_account_admin(self.snapshot, self.principal) {
            return Some(Reason::AccountAdmin);
        }
        let owner = self.snapshot.metastore_owner();
        owner.filter(|owner| self.is(*owner)).map(|_| Reason::MetastoreAdmin)
    }

    fn sees(&self, securable: SecurableId) -> bool {
        if securable == SecurableId::Metastore {
            return true;
        }
        if self.snapshot.kind_of(securable).is_none() {
            return false;
        }
        if self.rank().is_some() {
            return true;
        }
        let held = |id| self.snapshot.is_held_by(id, &self.identities);
        let seen = held(securable)
            || self.snapshot.holds_inside(securable, &self.identities)
            || self.snapshot.containers_of(securable).any(held);
        seen && self.denial(Privilege::Browse, securable).is_none()
    }

    /// Why the principal has this one privilege here, leaving aside what else it takes to use it; else
    /// the denial that takes it away. `asked` is the privilege that the whole question is about.
    fn holds(
        &self,
        privilege: Privilege,
        securable: SecurableId,
        asked: Privilege,
    ) -> Result<Reason, Option<Denial>> {
        let Some(kind) = self.snapshot.kind_of(securable) else { return Err(None) };
        if !privilege.applies_to(kind) {
            return Err(None);
        }
        let rank = || self.rank().filter(|_| administers(asked, kind) || administers(privilege, kind));
        if let Some(denial) = self.denial(privilege, securable) {
            return rank().ok_or(Some(denial));
        }
        self.owns(securable)
            // Nobody acts as another by rank: that is granted, and the grant is in the audit trail.
            .filter(|_| privilege.is_right_on(kind) && privilege != Privilege::Impersonate)
            .or_else(|| self.granted(privilege, securable))
            .or_else(|| self.owns_container(privilege, asked, securable))
            .or_else(rank)
            .ok_or(None)
    }

    fn owns(&self, securable: SecurableId) -> Option<Reason> {
        let owner = self.snapshot.owner_of(securable)?;
        self.is(owner).then_some(Reason::Owned { owner, of: securable })
    }

    /// A grant that gives `privilege`, on the securable or the nearest container that has one.
    fn granted(&self, privilege: Privilege, securable: SecurableId) -> Option<Reason> {
        let givers = privilege.givers();
        self.upwards(securable).find_map(|on| {
            let mut holdings = self.snapshot.holdings_of(on, &self.identities);
            holdings.find_map(|holding| {
                let privilege = holding.allowed.shared(givers, privilege)?;
                Some(Reason::Granted { to: holding.principal, privilege, on })
            })
        })
    }

    /// A denial of `privilege`, or of what would give it, on the securable or a container of it.
    fn denial(&self, privilege: Privilege, securable: SecurableId) -> Option<Denial> {
        let takers = privilege.deniers();
        self.upwards(securable).find_map(|on| {
            let mut holdings = self.snapshot.holdings_of(on, &self.identities);
            holdings
                .find(|holding| holding.denied.shared(takers, privilege).is_some())
                .map(|holding| (holding.principal, on))
        })
    }

    /// The securable and its containers.
    fn upwards(&self, securable: SecurableId) -> impl Iterator<Item = SecurableId> + 'a {
        std::iter::once(securable).chain(self.snapshot.containers_of(securable))
    }

    /// Who owns a container has MANAGE on all it contains, and the USE on the way to it for that.
    fn owns_container(
        &self,
        privilege: Privilege,
        asked: Privilege,
        securable: SecurableId,
    ) -> Option<Reason> {
        let manages = |privilege| {
            matches!(
                privilege,
                Privilege::Manage
                    | Privilege::ManageAccessControl
                    | Privilege::Browse
                    | Privilege::ReadMetadata
            )
        };
        let on_the_way = matches!(privilege, Privilege::UseCatalog | Privilege::UseSchema) && manages(asked);
        if !manages(privilege) && !on_the_way {
            return None;
        }
        self.upwards(securable).find_map(|of| self.owns(of))
    }
}

/// Whether rank stands for the privilege on a securable of `kind`: it administers, and gives no data.
fn administers(privilege: Privilege, kind: SecurableKind) -> bool {
    match privilege {
        Privilege::Manage | Privilege::ManageAccessControl | Privilege::Browse | Privilege::ReadMetadata => {
            true
        }
        Privilege::CreateCatalog
        | Privilege::CreateExternalLocation
        | Privilege::CreateStorageCredential
        | Privilege::CreateGovernedTag => kind == SecurableKind::Metastore,
        Privilege::Assign => kind == SecurableKind::GovernedTag,
        Privilege::CreateExternalTable | Privilege::CreateExternalVolume => {
            kind == SecurableKind::ExternalLocation
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
