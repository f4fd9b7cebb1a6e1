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

use std::cell::OnceCell;

use crate::decision::{Decision, Lack, Reason};
use crate::error::Error;
use crate::grant::{Grant, Holding};
use crate::id::PrincipalId;
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableKind, SecurableName, Table};
use crate::snapshot::Snapshot;

mod hidden;
mod visible;

pub use hidden::may_count_hidden;
pub use visible::{Visible, Within};

/// Whether `principal` may do what `privilege` allows on `securable`, with all that it takes.
pub fn authorize(
    snapshot: &Snapshot,
    principal: PrincipalId,
    privilege: Privilege,
    securable: SecurableId,
) -> Decision {
    let asker = Asker::new(snapshot, principal);
    let way = asker.way(securable);
    let Some(itself) = way.first() else {
        let missing = vec![Lack { privilege, on: securable, denied: None }];
        return Decision::Refused { missing, knows_of_it: false };
    };
    let mut because = Vec::new();
    let mut missing = Vec::new();
    let mut open = needed(privilege, itself.kind, &way);
    // MODIFY is of use to those alone who may read; INSERT by itself is not.
    let through_modify =
        |reason: &Reason| matches!(reason, Reason::Granted { privilege: Privilege::Modify, .. });
    if privilege == Privilege::Insert
        && asker.holds(privilege, &way, privilege).as_ref().is_ok_and(through_modify)
    {
        open.insert(1, (Privilege::Select, &way));
    }
    for (needed, way) in open {
        match (asker.holds(needed, way, privilege), way.first()) {
            (Ok(reason), _) => because.push(reason),
            (Err(denied), Some(level)) => missing.push(Lack { privilege: needed, on: level.on, denied }),
            (Err(_), None) => {}
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

/// The asked privilege first, then whatever it cannot be used without, each with the way from the
/// securable it is needed on.
fn needed(privilege: Privilege, kind: SecurableKind, way: &[Level]) -> Vec<(Privilege, &[Level])> {
    let mut needed = Vec::with_capacity(4);
    needed.push((privilege, way));
    let reads = matches!(privilege, Privilege::Modify | Privilege::Update | Privilege::Delete);
    if reads && kind == SecurableKind::Table {
        needed.push((Privilege::Select, way));
    }
    if matches!(privilege, Privilege::Browse) {
        return needed;
    }
    // What is created in a container needs USE on the container itself.
    let itself = privilege.is_right_on(kind)
        && !matches!(privilege, Privilege::UseCatalog | Privilege::UseSchema)
        && creates(privilege);
    for from in usize::from(!itself)..way.len() {
        let outwards = way.get(from..).unwrap_or_default();
        match outwards.first().map(|level| level.on) {
            Some(SecurableId::Schema(_)) => needed.push((Privilege::UseSchema, outwards)),
            Some(SecurableId::Catalog(_)) => needed.push((Privilege::UseCatalog, outwards)),
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

/// A securable on the way outwards, as one principal finds it.
struct Level {
    on: SecurableId,
    kind: SecurableKind,
    /// The owner, where the principal is it or in that group.
    owner: Option<PrincipalId>,
    /// What the principal and its groups hold here.
    holdings: Vec<Holding>,
}

impl Level {
    fn is_held(&self) -> bool {
        self.owner.is_some() || self.holdings.iter().any(|holding| !holding.allowed.is_empty())
    }

    fn owned(&self) -> Option<Reason> {
        self.owner.map(|owner| Reason::Owned { owner, of: self.on })
    }
}

/// One principal before one snapshot, its groups flattened once.
struct Asker<'a> {
    snapshot: &'a Snapshot,
    principal: PrincipalId,
    identities: std::sync::Arc<[PrincipalId]>,
    rank: OnceCell<Option<Reason>>,
}

impl<'a> Asker<'a> {
    fn new(snapshot: &'a Snapshot, principal: PrincipalId) -> Self {
        Self { snapshot, principal, identities: snapshot.identities_of(principal), rank: OnceCell::new() }
    }

    fn is(&self, owner: PrincipalId) -> bool {
        self.identities.binary_search(&owner).is_ok()
    }

    /// The rank by which the principal administers everything.
    fn rank(&self) -> Option<Reason> {
        let find = || {
            if is_account_admin(self.snapshot, self.principal) {
                return Some(Reason::AccountAdmin);
            }
            let owner = self.snapshot.metastore_owner();
            owner.filter(|owner| self.is(*owner)).map(|_| Reason::MetastoreAdmin)
        };
        *self.rank.get_or_init(find)
    }

    /// The securable and its containers, each looked at once; empty where there is no such securable.
    fn way(&self, securable: SecurableId) -> Vec<Level> {
        let snapshot = self.snapshot;
        let mut way = Vec::with_capacity(3);
        for on in std::iter::once(securable).chain(snapshot.containers_of(securable)) {
            let Some(kind) = snapshot.kind_of(on) else { return Vec::new() };
            let owner = snapshot.owner_of(on).filter(|owner| self.is(*owner));
            way.push(Level {
                on,
                kind,
                owner,
                holdings: snapshot.holdings_of(on, &self.identities).collect(),
            });
        }
        way
    }

    fn sees(&self, securable: SecurableId) -> bool {
        if securable == SecurableId::Metastore {
            return true;
        }
        if self.rank().is_some() {
            return self.snapshot.kind_of(securable).is_some();
        }
        let way = self.way(securable);
        let seen = way.iter().any(Level::is_held) || self.snapshot.holds_inside(securable, &self.identities);
        !way.is_empty() && seen && denial(Privilege::Browse, &way).is_none()
    }

    /// Why the principal has this one privilege at the beginning of the way, leaving aside what else it
    /// takes to use it; else the denial that takes it away. `asked` is the privilege that the whole
    /// question is about.
    fn holds(&self, privilege: Privilege, way: &[Level], asked: Privilege) -> Result<Reason, Option<Denial>> {
        let Some(level) = way.first() else { return Err(None) };
        if !privilege.applies_to(level.kind) {
            return Err(None);
        }
        let administered = administers(asked, level.kind) || administers(privilege, level.kind);
        let rank = || self.rank().filter(|_| administered);
        if let Some(denial) = denial(privilege, way) {
            return rank().ok_or(Some(denial));
        }
        let owned = level.owned();
        owned
            // Nobody acts as another by rank: that is granted, and the grant is in the audit trail.
            .filter(|_| privilege.is_right_on(level.kind) && privilege != Privilege::Impersonate)
            .or_else(|| granted(privilege, way))
            .or_else(|| owns_container(privilege, asked, way))
            .or_else(rank)
            .ok_or(None)
    }
}

/// A grant that gives `privilege`, on the securable or the nearest container that has one.
fn granted(privilege: Privilege, way: &[Level]) -> Option<Reason> {
    let givers = privilege.givers();
    way.iter().find_map(|level| {
        level.holdings.iter().find_map(|holding| {
            let privilege = holding.allowed.shared(givers, privilege)?;
            Some(Reason::Granted { to: holding.principal, privilege, on: level.on })
        })
    })
}

/// A denial of `privilege`, or of what would give it, on the securable or a container of it.
fn denial(privilege: Privilege, way: &[Level]) -> Option<Denial> {
    let takers = privilege.deniers();
    way.iter().find_map(|level| {
        let mut holdings = level.holdings.iter();
        holdings
            .find(|holding| holding.denied.shared(takers, privilege).is_some())
            .map(|holding| (holding.principal, level.on))
    })
}

/// Who owns a container has MANAGE on all it contains, and the USE on the way to it for that.
fn owns_container(privilege: Privilege, asked: Privilege, way: &[Level]) -> Option<Reason> {
    let manages = |privilege| {
        matches!(
            privilege,
            Privilege::Manage | Privilege::ManageAccessControl | Privilege::Browse | Privilege::ReadMetadata
        )
    };
    let on_the_way = matches!(privilege, Privilege::UseCatalog | Privilege::UseSchema) && manages(asked);
    if !manages(privilege) && !on_the_way {
        return None;
    }
    way.iter().find_map(Level::owned)
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
