//! Who counts as whom: a principal, the groups that contain it at any depth, and the group of all.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use moka::sync::Cache;
use rpds::{HashTrieMapSync, RedBlackTreeSetSync};

use crate::id::PrincipalId;

/// How many principals' groups are kept flattened at once.
const FLATTENED_MAX: u64 = 100_000;

/// Memberships and what follows from them. Groups are flattened when they are first asked for and kept
/// until a membership changes.
#[derive(Clone)]
pub(super) struct Identities {
    members: HashTrieMapSync<PrincipalId, RedBlackTreeSetSync<PrincipalId>>,
    groups: HashTrieMapSync<PrincipalId, RedBlackTreeSetSync<PrincipalId>>,
    everyone: Option<PrincipalId>,
    flattened: Cache<PrincipalId, Arc<[PrincipalId]>>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").field("groups", &self.members.size()).finish_non_exhaustive()
    }
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            members: HashTrieMapSync::new_sync(),
            groups: HashTrieMapSync::new_sync(),
            everyone: None,
            flattened: Cache::new(FLATTENED_MAX),
        }
    }
}

impl Identities {
    pub(super) fn members_of(&self, group: PrincipalId) -> Vec<PrincipalId> {
        self.members.get(&group).into_iter().flat_map(|members| members.iter()).copied().collect()
    }

    /// Sorted; `in_everyone` says whether the principal is in the group of all.
    pub(super) fn of(&self, id: PrincipalId, in_everyone: bool) -> Arc<[PrincipalId]> {
        self.flattened.get_with(id, || self.flatten(id, in_everyone))
    }

    fn flatten(&self, id: PrincipalId, in_everyone: bool) -> Arc<[PrincipalId]> {
        let mut identities = BTreeSet::from([id]);
        let everyone = self.everyone.filter(|_| in_everyone);
        let mut open: Vec<PrincipalId> = std::iter::once(id).chain(everyone).collect();
        identities.extend(everyone);
        while let Some(member) = open.pop() {
            for group in self.groups.get(&member).into_iter().flat_map(|groups| groups.iter()) {
                // The set is also what makes this end if a store should ever hold a cycle.
                if identities.insert(*group) {
                    open.push(*group);
                }
            }
        }
        identities.into_iter().collect()
    }

    pub(super) fn set_everyone(&mut self, group: Option<PrincipalId>) {
        if self.everyone != group {
            self.everyone = group;
            self.forget();
        }
    }

    /// The group of all, where there is one.
    pub(super) fn everyone(&self) -> Option<PrincipalId> {
        self.everyone
    }

    pub(super) fn set_members(&mut self, group: PrincipalId, members: &[PrincipalId]) {
        for gone in self.members_of(group) {
            if let Some(mut groups) = self.groups.get(&gone).cloned() {
                groups.remove_mut(&group);
                self.groups.insert_mut(gone, groups);
            }
        }
        let mut set = RedBlackTreeSetSync::new_sync();
        for member in members {
            set.insert_mut(*member);
            let mut groups = self.groups.get(member).cloned().unwrap_or_else(RedBlackTreeSetSync::new_sync);
            groups.insert_mut(group);
            self.groups.insert_mut(*member, groups);
        }
        self.members.insert_mut(group, set);
        self.forget();
    }

    /// Snapshots before this one keep what they have flattened.
    fn forget(&mut self) {
        self.flattened = Cache::new(FLATTENED_MAX);
    }
}
