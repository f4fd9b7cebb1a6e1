//! Memberships that a caller's token claims: a view of the catalog that holds for one caller and one call.
//!
//! Nothing of them is stored. [`Snapshot::claiming`] shares everything with the snapshot it is made of but the answer to
//! one question, whom its caller counts as, which every other question about rights, policies and groups comes back to.
//! So a claimed group holds wherever a group does.
//!
//! A claim gives no rank: a group that is the metastore admin, or is within that group at any depth, is not claimed, nor
//! what is no group. What runs with the rights of an owner ([`Snapshot::unclaimed`]) is not of the caller's token: there
//! the caller counts as the catalog says, also where the owner is the caller.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Snapshot;
use crate::id::PrincipalId;
use crate::principal::Principal;

/// Names of groups of which a token makes its subject a member; sorted, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ClaimedGroups(Arc<[String]>);

impl ClaimedGroups {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Those that are in both.
    #[must_use]
    pub fn shared(&self, other: &Self) -> Self {
        self.iter()
            .filter(|name| other.0.binary_search_by(|known| known.as_str().cmp(name)).is_ok())
            .collect()
    }
}

impl<'a> FromIterator<&'a str> for ClaimedGroups {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let names: BTreeSet<&str> = names.into_iter().collect();
        match names.is_empty() {
            true => Self::default(),
            false => Self(names.into_iter().map(str::to_owned).collect()),
        }
    }
}

/// Why a group cannot be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unclaimable {
    /// No group has the name.
    #[error("the catalog has no group of that name")]
    NoGroup,
    /// Its members administer the metastore.
    #[error("it is the metastore admin, or a member of that group")]
    Administers,
}

/// Whom one caller counts as.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    by: PrincipalId,
    groups: ClaimedGroups,
    /// The caller, the catalog's groups and the claimed ones, sorted.
    identities: Arc<[PrincipalId]>,
    /// The snapshot without the claim.
    catalog: Arc<Snapshot>,
}

impl Claimed {
    pub(super) fn identities_of(&self, id: PrincipalId) -> Option<Arc<[PrincipalId]>> {
        (self.by == id).then(|| Arc::clone(&self.identities))
    }
}

impl Snapshot {
    /// The catalog as `by` has it, who is a member of these groups too. What of them cannot be claimed is left out.
    #[must_use]
    pub fn claiming(self: &Arc<Self>, by: PrincipalId, groups: &ClaimedGroups) -> Arc<Self> {
        if self.claimed.as_ref().is_some_and(|claimed| claimed.by == by && claimed.groups == *groups) {
            return Arc::clone(self);
        }
        let catalog = self.without_claims();
        let admitted: Vec<PrincipalId> =
            groups.iter().filter_map(|name| catalog.claimable(name).ok()).map(|group| group.id).collect();
        if admitted.is_empty() {
            return catalog;
        }
        let mut identities: BTreeSet<PrincipalId> = catalog.identities_of(by).iter().copied().collect();
        for group in admitted {
            identities.extend(catalog.identities_of(group).iter());
        }
        let identities = identities.into_iter().collect();
        let mut claiming = Self::clone(&catalog);
        claiming.claimed = Some(Claimed { by, groups: groups.clone(), identities, catalog });
        Arc::new(claiming)
    }

    /// The group of that name, if a token may make somebody a member of it.
    pub fn claimable(&self, name: &str) -> Result<&Principal, Unclaimable> {
        let group = self.principal_by_name(name).filter(|named| named.is_group());
        let group = group.ok_or(Unclaimable::NoGroup)?;
        let administers = self.metastore_owner().is_some_and(|owner| self.acts_as(group.id, owner));
        if administers { Err(Unclaimable::Administers) } else { Ok(group) }
    }

    /// The catalog itself, without what a caller's token claims.
    #[must_use]
    pub fn without_claims(self: &Arc<Self>) -> Arc<Self> {
        match &self.claimed {
            Some(claimed) => Arc::clone(&claimed.catalog),
            None => Arc::clone(self),
        }
    }

    /// The same, for a look: whom everybody counts as by the catalog alone. Texts that run with their owner's rights do so here.
    pub fn unclaimed(&self) -> &Self {
        self.claimed.as_ref().map_or(self, |claimed| &claimed.catalog)
    }
}
