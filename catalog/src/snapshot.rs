//! The whole catalog at one epoch, in memory.
//!
//! A snapshot never changes; every question about one statement is put to one snapshot. Lookups
//! are synchronous. The next snapshot shares with this one all that did not change, so that a change
//! costs what it changed, however large the catalog is.
//!
//! It makes no decision about rights: that is [`crate::authorize`].

mod claimed;
mod content;
mod holders;
mod identities;
pub mod probes;
mod securables;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

use crate::function::Function;
use crate::grant::{Grant, Holding};
use crate::id::{
    CatalogId, ExternalLocationId, FunctionId, GovernedTagId, MetastoreId, PolicyTestId, PrincipalId,
    SchemaId, StorageCredentialId, TableId, TagPolicyId, VolumeId,
};
use crate::name::Name;
use crate::policy_test::PolicyTest;
use crate::principal::Principal;
use crate::privilege::Privilege;
use crate::securable::{Catalog, ExternalLocation, Schema, SecurableId, StorageCredential, Table, Volume};
use crate::tag::{GovernedTag, TagKey};
use crate::tag_policy::TagPolicy;

use claimed::Claimed;
pub use claimed::{ClaimedGroups, Unclaimable};
pub use content::{Content, Gone, Increment, MetastoreRoot};
use identities::Identities;

/// The catalog's version: every committed write moves it by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Things by id, and their ids by name within what contains them.
type ById<K, V> = HashTrieMapSync<K, V>;
type ByName<K, V> = RedBlackTreeMapSync<K, V>;
type WithinByName<C, K, V> = HashTrieMapSync<C, RedBlackTreeMapSync<K, V>>;

/// The whole catalog at one [`Epoch`]; immutable.
#[derive(Debug, Clone)]
pub struct Snapshot {
    epoch: Epoch,
    metastore: MetastoreRoot,
    principals: ById<PrincipalId, Principal>,
    principals_by_name: ByName<String, PrincipalId>,
    identities: Identities,
    /// What the token of the one caller claims for whom this is.
    claimed: Option<Claimed>,
    catalogs: ById<CatalogId, Catalog>,
    catalogs_by_name: ByName<Name, CatalogId>,
    schemas: ById<SchemaId, Schema>,
    schemas_by_name: WithinByName<CatalogId, Name, SchemaId>,
    tables: ById<TableId, Table>,
    tables_by_name: WithinByName<SchemaId, Name, TableId>,
    functions: ById<FunctionId, Function>,
    functions_by_name: WithinByName<SchemaId, Name, FunctionId>,
    volumes: ById<VolumeId, Volume>,
    volumes_by_name: WithinByName<SchemaId, Name, VolumeId>,
    external_locations: ById<ExternalLocationId, ExternalLocation>,
    external_locations_by_name: ByName<Name, ExternalLocationId>,
    storage_credentials: ById<StorageCredentialId, StorageCredential>,
    storage_credentials_by_name: ByName<Name, StorageCredentialId>,
    governed_tags: ById<GovernedTagId, GovernedTag>,
    governed_tags_by_key: ByName<TagKey, GovernedTagId>,
    tag_policies: ById<TagPolicyId, TagPolicy>,
    tag_policies_on: WithinByName<SecurableId, Name, TagPolicyId>,
    policy_tests: ById<PolicyTestId, PolicyTest>,
    policy_tests_by_name: ByName<Name, PolicyTestId>,
    /// What principals hold on the securable, sorted by principal.
    holdings: ById<SecurableId, Arc<[Holding]>>,
    /// How many securables inside the container each principal owns or has a grant on.
    holders_inside: HashTrieMapSync<SecurableId, HashTrieMapSync<PrincipalId, u32>>,
    /// The securables each principal owns or has a grant on.
    held: HashTrieMapSync<PrincipalId, RedBlackTreeMapSync<SecurableId, ()>>,
}

impl Snapshot {
    /// Indexes `content`.
    pub fn new(epoch: Epoch, content: Content) -> Self {
        // The owner comes with the content, so that it is indexed like every owner.
        let mut snapshot = Self::empty(epoch, MetastoreRoot { owner: None, ..content.metastore });
        snapshot.apply(Increment::whole(content));
        snapshot
    }

    /// This snapshot and what changed since.
    #[must_use]
    pub fn advanced(&self, epoch: Epoch, increment: Increment) -> Self {
        let mut next = self.clone();
        // Claims are of one call, and what comes after is everybody's.
        (next.epoch, next.claimed) = (epoch, None);
        next.apply(increment);
        next
    }

    fn empty(epoch: Epoch, metastore: MetastoreRoot) -> Self {
        Self {
            epoch,
            metastore,
            principals: ById::new_sync(),
            principals_by_name: ByName::new_sync(),
            identities: Identities::default(),
            claimed: None,
            catalogs: ById::new_sync(),
            catalogs_by_name: ByName::new_sync(),
            schemas: ById::new_sync(),
            schemas_by_name: ById::new_sync(),
            tables: ById::new_sync(),
            tables_by_name: ById::new_sync(),
            functions: ById::new_sync(),
            functions_by_name: ById::new_sync(),
            volumes: ById::new_sync(),
            volumes_by_name: ById::new_sync(),
            external_locations: ById::new_sync(),
            external_locations_by_name: ByName::new_sync(),
            storage_credentials: ById::new_sync(),
            storage_credentials_by_name: ByName::new_sync(),
            governed_tags: ById::new_sync(),
            governed_tags_by_key: ByName::new_sync(),
            tag_policies: ById::new_sync(),
            tag_policies_on: ById::new_sync(),
            policy_tests: ById::new_sync(),
            policy_tests_by_name: ByName::new_sync(),
            holdings: ById::new_sync(),
            holders_inside: HashTrieMapSync::new_sync(),
            held: HashTrieMapSync::new_sync(),
        }
    }

    /// The epoch it was read at.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The id of the metastore, given when its store was made.
    pub fn metastore_id(&self) -> MetastoreId {
        self.metastore.id
    }

    /// The metastore admin: a user or a group, where one is set.
    pub fn metastore_owner(&self) -> Option<PrincipalId> {
        self.metastore.owner
    }
}

/// Principals and groups.
impl Snapshot {
    /// The principal of that id.
    pub fn principal(&self, id: PrincipalId) -> Option<&Principal> {
        self.principals.get(&id)
    }

    /// The principal of exactly that name.
    pub fn principal_by_name(&self, exact: &str) -> Option<&Principal> {
        self.principals_by_name.get(exact).and_then(|id| self.principals.get(id))
    }

    /// All principals by name.
    pub fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.principals_by_name.values().filter_map(|id| self.principals.get(id))
    }

    /// The groups that contain the principal, directly or through other groups, in order of id.
    pub fn groups_of(&self, id: PrincipalId) -> Vec<PrincipalId> {
        self.identities_of(id).iter().copied().filter(|identity| *identity != id).collect()
    }

    /// The names of [`groups_of`](Self::groups_of).
    pub fn group_names_of(&self, id: PrincipalId) -> std::collections::BTreeSet<String> {
        let groups = self.groups_of(id);
        groups.iter().filter_map(|group| Some(self.principals.get(group)?.name.clone())).collect()
    }

    /// The direct members of a group, as they were set; of `account users`, nobody.
    pub fn members_of(&self, group: PrincipalId) -> Vec<PrincipalId> {
        self.identities.members_of(group)
    }

    /// The principal and all its groups, sorted: those whose grants and ownership count for it.
    pub fn identities_of(&self, id: PrincipalId) -> Arc<[PrincipalId]> {
        if let Some(identities) = self.claimed.as_ref().and_then(|claimed| claimed.identities_of(id)) {
            return identities;
        }
        let everyone = self.principal(id).is_some_and(|principal| !principal.is_group());
        self.identities.of(id, everyone)
    }

    /// Whether `principal` is `owner` or a member of it.
    pub fn acts_as(&self, principal: PrincipalId, owner: PrincipalId) -> bool {
        principal == owner || self.identities_of(principal).binary_search(&owner).is_ok()
    }
}

/// Grants.
impl Snapshot {
    /// The grants and denials on exactly that securable.
    pub fn grants_on(&self, securable: SecurableId) -> impl Iterator<Item = Grant> {
        let holdings = self.holdings.get(&securable).cloned().unwrap_or_default();
        let holdings: Vec<Holding> = holdings.to_vec();
        holdings.into_iter().flat_map(move |holding| holding.grants(securable))
    }

    /// All grants and denials.
    pub fn grants(&self) -> impl Iterator<Item = Grant> {
        self.holdings.keys().flat_map(|securable| self.grants_on(*securable))
    }

    /// Whether exactly that was granted or denied.
    pub fn has_grant(&self, grant: Grant) -> bool {
        let Grant { principal, privilege, securable, effect } = grant;
        self.holding(securable, principal).is_some_and(|holding| match effect {
            crate::grant::Effect::Allow => holding.allowed.contains(privilege),
            crate::grant::Effect::Deny => holding.denied.contains(privilege),
        })
    }

    /// What one principal, groups aside, holds on the securable.
    pub(crate) fn holding(&self, securable: SecurableId, principal: PrincipalId) -> Option<Holding> {
        let holdings = self.holdings.get(&securable)?;
        let at = holdings.binary_search_by_key(&principal, |holding| holding.principal).ok()?;
        holdings.get(at).copied()
    }

    /// What the identities, which are sorted, hold on the securable. Costs the shorter of the two lists.
    pub(crate) fn holdings_of<'a>(
        &'a self,
        securable: SecurableId,
        identities: &'a [PrincipalId],
    ) -> impl Iterator<Item = Holding> + 'a {
        let holdings: &[Holding] = self.holdings.get(&securable).map_or(&[], |holdings| holdings);
        let few_holders = holdings.len() <= identities.len();
        probes::probe(1 + holdings.len().min(identities.len()));
        let (few, many) = if few_holders { (holdings, &[][..]) } else { (&[][..], identities) };
        let of_few = few.iter().filter(move |holding| identities.binary_search(&holding.principal).is_ok());
        let of_many = many.iter().filter_map(move |identity| {
            let at = holdings.binary_search_by_key(identity, |holding| holding.principal).ok()?;
            holdings.get(at)
        });
        of_few.chain(of_many).copied()
    }

    /// Properties of governance: the value at the table or the nearest of its containers that has one; but what
    /// a wider place closes no narrower one opens, so that a value other than `allow` or `standard` wins.
    pub fn governing_property<'a>(&'a self, table: &'a Table, property: &str) -> Option<&'a str> {
        let schema = self.schema_by_id(table.schema);
        let catalog = schema.and_then(|schema| self.catalog_by_id(schema.catalog));
        let own = table.properties.get(property);
        let inherited = || schema.and_then(|schema| schema.properties.get(property));
        let outer = || catalog.and_then(|catalog| catalog.properties.get(property));
        let values = [own, inherited(), outer()];
        let closes = |value: &&String| !["allow", "standard"].contains(&value.to_lowercase().as_str());
        let mut set = values.into_iter().flatten();
        let nearest = set.clone().next();
        set.find(closes).or(nearest).map(String::as_str)
    }

    /// How many securables of each kind there are, for the log of a start.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        BTreeMap::from([
            ("principals", self.principals.size()),
            ("catalogs", self.catalogs.size()),
            ("schemas", self.schemas.size()),
            ("tables", self.tables.size()),
            ("functions", self.functions.size()),
            ("volumes", self.volumes.size()),
            ("tag policies", self.tag_policies.size()),
        ])
    }

    /// Whether a principal holds the privilege itself or what gives it, on exactly that securable.
    pub fn is_granted(&self, principal: PrincipalId, privilege: Privilege, securable: SecurableId) -> bool {
        self.has_grant(Grant::allow(principal, privilege, securable))
    }

    /// Everything with every index, as text in one order, so that two snapshots can be compared.
    #[cfg(any(test, feature = "test-suite"))]
    pub fn outline(&self) -> Vec<String> {
        fn lines<K: fmt::Debug, V: fmt::Debug>(
            what: &str,
            pairs: impl Iterator<Item = (K, V)>,
        ) -> impl Iterator<Item = String> {
            pairs.map(move |(key, value)| format!("{what} {key:?}: {value:?}"))
        }
        fn sorted<'a, C: fmt::Debug + 'a, K: fmt::Debug + Ord + 'a, V: fmt::Debug + 'a>(
            containers: impl Iterator<Item = (&'a C, &'a RedBlackTreeMapSync<K, V>)>,
        ) -> impl Iterator<Item = (&'a C, String)> {
            containers.map(|(container, names)| {
                (container, format!("{:?}", names.iter().collect::<BTreeMap<_, _>>()))
            })
        }
        let inside = self.holders_inside.iter().map(|(container, holders)| {
            let holders: BTreeMap<_, _> = holders.iter().collect();
            (container, format!("{holders:?}"))
        });
        let mut outline: Vec<String> = lines("metastore", [((), self.metastore)].into_iter())
            .chain(lines("principal", self.principals.iter()))
            .chain(lines("principal named", self.principals_by_name.iter()))
            .chain(lines("identities", self.principals.keys().map(|id| (id, self.identities_of(*id)))))
            .chain(lines("catalog", self.catalogs.iter()))
            .chain(lines("catalog named", self.catalogs_by_name.iter()))
            .chain(lines("schema", self.schemas.iter()))
            .chain(lines("schemas named", sorted(self.schemas_by_name.iter())))
            .chain(lines("table", self.tables.iter()))
            .chain(lines("tables named", sorted(self.tables_by_name.iter())))
            .chain(lines("function", self.functions.iter()))
            .chain(lines("functions named", sorted(self.functions_by_name.iter())))
            .chain(lines("volume", self.volumes.iter()))
            .chain(lines("volumes named", sorted(self.volumes_by_name.iter())))
            .chain(lines("location", self.external_locations.iter()))
            .chain(lines("location named", self.external_locations_by_name.iter()))
            .chain(lines("credential", self.storage_credentials.iter()))
            .chain(lines("credential named", self.storage_credentials_by_name.iter()))
            .chain(lines("tag", self.governed_tags.iter()))
            .chain(lines("tag keyed", self.governed_tags_by_key.iter()))
            .chain(lines("policy", self.tag_policies.iter()))
            .chain(lines("policies on", sorted(self.tag_policies_on.iter())))
            .chain(lines("test", self.policy_tests.iter()))
            .chain(lines("test named", self.policy_tests_by_name.iter()))
            .chain(lines("holdings", self.holdings.iter()))
            .chain(lines("inside", inside))
            .chain(lines("held", sorted(self.held.iter())))
            // What an index keeps of things that are gone is an empty map.
            .filter(|line| !line.ends_with("{}") && !line.ends_with("\"{}\""))
            .collect();
        outline.sort();
        outline
    }
}
