//! Taking changes in, with the indexes that say who holds something where.
//!
//! A principal holds a securable that it owns or has a grant on; denials do not count. Whoever changes
//! a securable or its grants compares the holders before and after, so that the indexes cost what
//! changed.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

use super::{ByName, Increment, Snapshot, WithinByName, probes};
use crate::function::Function;
use crate::grant::{Effect, Grant, Holding};
use crate::id::{CatalogId, PrincipalId, SchemaId};
use crate::name::{ObjectName, SchemaName};
use crate::principal::ACCOUNT_USERS;
use crate::privilege::PrivilegeSet;
use crate::securable::{Catalog, Schema, SecurableId, Table, Volume};

/// Visibility.
impl Snapshot {
    /// Whether one of the identities has a grant on the securable or owns it.
    pub(crate) fn is_held_by(&self, securable: SecurableId, identities: &[PrincipalId]) -> bool {
        self.owner_of(securable).is_some_and(|owner| identities.binary_search(&owner).is_ok())
            || self.holdings_of(securable, identities).any(|holding| !holding.allowed.is_empty())
    }

    /// Whether one of the identities has a grant on, or owns, something inside the container.
    pub(crate) fn holds_inside(&self, container: SecurableId, identities: &[PrincipalId]) -> bool {
        let Some(holders) = self.holders_inside.get(&container) else { return false };
        probes::probe(identities.len());
        identities.iter().any(|identity| holders.contains_key(identity))
    }

    /// The securables that one of the identities owns or has a grant on.
    pub(crate) fn held_by<'a>(
        &'a self,
        identities: &'a [PrincipalId],
    ) -> impl Iterator<Item = SecurableId> + 'a {
        let held = identities.iter().filter_map(|identity| self.held.get(identity));
        held.flat_map(|held| held.keys().copied()).inspect(|_| probes::probe(1))
    }

    fn holders(&self, securable: SecurableId) -> BTreeSet<PrincipalId> {
        let holdings = self.holdings.get(&securable).cloned().unwrap_or_default();
        let granted = holdings.iter().filter(|holding| !holding.allowed.is_empty());
        granted.map(|holding| holding.principal).chain(self.owner_of(securable)).collect()
    }

    /// Runs `change`, which changes who holds the securable, with its place in the tree known before or
    /// after it.
    fn holding_changes(&mut self, securable: SecurableId, change: impl FnOnce(&mut Self)) {
        probes::probe(1);
        let before = self.holders(securable);
        let containers_before: Vec<SecurableId> = self.ancestors(securable);
        change(self);
        let after = self.holders(securable);
        let containers =
            if containers_before.is_empty() { self.ancestors(securable) } else { containers_before };
        for lost in before.difference(&after) {
            self.note_lost(*lost, securable, &containers);
        }
        for won in after.difference(&before) {
            self.note_won(*won, securable, &containers);
        }
    }

    /// The containers, the metastore among them.
    fn ancestors(&self, securable: SecurableId) -> Vec<SecurableId> {
        std::iter::successors(self.parent_of(securable), |id| self.parent_of(*id)).collect()
    }

    fn note_won(&mut self, principal: PrincipalId, securable: SecurableId, containers: &[SecurableId]) {
        match self.held.get_mut(&principal) {
            Some(held) => held.insert_mut(securable, ()),
            None => {
                self.held.insert_mut(principal, RedBlackTreeMapSync::new_sync().insert(securable, ()));
            }
        }
        for container in containers {
            match self.holders_inside.get_mut(container) {
                Some(inside) => {
                    let count = inside.get(&principal).copied().unwrap_or(0);
                    inside.insert_mut(principal, count + 1);
                }
                None => {
                    let inside = HashTrieMapSync::new_sync().insert(principal, 1);
                    self.holders_inside.insert_mut(*container, inside);
                }
            }
        }
    }

    fn note_lost(&mut self, principal: PrincipalId, securable: SecurableId, containers: &[SecurableId]) {
        if let Some(held) = self.held.get_mut(&principal) {
            held.remove_mut(&securable);
        }
        for container in containers {
            let Some(inside) = self.holders_inside.get_mut(container) else { continue };
            match inside.get(&principal).copied() {
                Some(count) if count > 1 => inside.insert_mut(principal, count - 1),
                _ => {
                    inside.remove_mut(&principal);
                }
            }
        }
    }
}

/// Changes.
impl Snapshot {
    /// Removals from the leaves up, then puts from the root down, then grants.
    pub(super) fn apply(&mut self, increment: Increment) {
        let Increment { content, gone, groups, granted } = increment;
        let owner = content.metastore;
        self.holding_changes(SecurableId::Metastore, |next| next.metastore = owner);
        self.remove_leaves(&gone);
        for id in gone.schemas {
            self.holding_changes(SecurableId::Schema(id), |next| {
                next.holdings.remove_mut(&SecurableId::Schema(id));
                if let Some(schema) = next.schemas.get(&id).cloned() {
                    unname(&mut next.schemas_by_name, schema.catalog, &schema.name.schema, id);
                }
                next.schemas.remove_mut(&id);
            });
        }
        for id in gone.catalogs {
            self.holding_changes(SecurableId::Catalog(id), |next| {
                next.holdings.remove_mut(&SecurableId::Catalog(id));
                if let Some(catalog) = next.catalogs.get(&id).cloned() {
                    unname_in(&mut next.catalogs_by_name, &catalog.name, id);
                }
                next.catalogs.remove_mut(&id);
            });
        }
        for id in gone.principals {
            if let Some(principal) = self.principals.get(&id).cloned() {
                unname_in(&mut self.principals_by_name, &principal.name, id);
                if self.identities.everyone() == Some(id) {
                    self.identities.set_everyone(None);
                }
                self.identities.set_members(id, &[]);
            }
            self.principals.remove_mut(&id);
        }
        for principal in content.principals {
            if principal.name == ACCOUNT_USERS && principal.is_group() {
                self.identities.set_everyone(Some(principal.id));
            }
            self.principals_by_name.insert_mut(principal.name.clone(), principal.id);
            self.principals.insert_mut(principal.id, principal);
        }
        let mut members: BTreeMap<PrincipalId, Vec<PrincipalId>> =
            groups.into_iter().map(|group| (group, Vec::new())).collect();
        for (group, member) in content.memberships {
            members.entry(group).or_default().push(member);
        }
        for (group, members) in members {
            self.identities.set_members(group, &members);
        }
        content.catalogs.into_iter().for_each(|catalog| self.put_catalog(catalog));
        content.schemas.into_iter().for_each(|schema| self.put_schema(schema));
        content.tables.into_iter().for_each(|table| self.put_table(table));
        content.functions.into_iter().for_each(|function| self.put_function(function));
        content.volumes.into_iter().for_each(|volume| self.put_volume(volume));
        content.external_locations.into_iter().for_each(|location| self.put_external_location(location));
        content
            .storage_credentials
            .into_iter()
            .for_each(|credential| self.put_storage_credential(credential));
        content.governed_tags.into_iter().for_each(|tag| self.put_governed_tag(tag));
        for policy in content.tag_policies {
            name(&mut self.tag_policies_on, policy.scope, policy.name.clone(), policy.id);
            self.tag_policies.insert_mut(policy.id, policy);
        }
        for test in content.policy_tests {
            self.policy_tests_by_name.insert_mut(test.name.clone(), test.id);
            self.policy_tests.insert_mut(test.id, test);
        }
        self.put_grants(granted, content.grants);
    }

    fn put_external_location(&mut self, location: crate::securable::ExternalLocation) {
        self.holding_changes(SecurableId::ExternalLocation(location.id), |next| {
            if let Some(before) = next.external_locations.get(&location.id).cloned() {
                unname_in(&mut next.external_locations_by_name, &before.name, before.id);
            }
            next.external_locations_by_name.insert_mut(location.name.clone(), location.id);
            next.external_locations.insert_mut(location.id, location);
        });
    }

    fn put_storage_credential(&mut self, credential: crate::securable::StorageCredential) {
        self.holding_changes(SecurableId::StorageCredential(credential.id), |next| {
            if let Some(before) = next.storage_credentials.get(&credential.id).cloned() {
                unname_in(&mut next.storage_credentials_by_name, &before.name, before.id);
            }
            next.storage_credentials_by_name.insert_mut(credential.name.clone(), credential.id);
            next.storage_credentials.insert_mut(credential.id, credential);
        });
    }

    fn put_governed_tag(&mut self, tag: crate::tag::GovernedTag) {
        self.holding_changes(SecurableId::GovernedTag(tag.id), |next| {
            next.governed_tags_by_key.insert_mut(tag.key.clone(), tag.id);
            next.governed_tags.insert_mut(tag.id, tag);
        });
    }

    fn remove_leaves(&mut self, gone: &super::Gone) {
        for id in &gone.tag_policies {
            if let Some(policy) = self.tag_policies.get(id).cloned() {
                unname(&mut self.tag_policies_on, policy.scope, &policy.name, *id);
            }
            self.tag_policies.remove_mut(id);
        }
        for id in &gone.policy_tests {
            if let Some(test) = self.policy_tests.get(id).cloned() {
                unname_in(&mut self.policy_tests_by_name, &test.name, *id);
            }
            self.policy_tests.remove_mut(id);
        }
        for id in &gone.tables {
            self.holding_changes(SecurableId::Table(*id), |next| {
                next.holdings.remove_mut(&SecurableId::Table(*id));
                if let Some(table) = next.tables.get(id).cloned() {
                    unname(&mut next.tables_by_name, table.schema, &table.name.object, *id);
                }
                next.tables.remove_mut(id);
            });
        }
        for id in &gone.functions {
            self.holding_changes(SecurableId::Function(*id), |next| {
                next.holdings.remove_mut(&SecurableId::Function(*id));
                if let Some(function) = next.functions.get(id).cloned() {
                    unname(&mut next.functions_by_name, function.schema, &function.name.object, *id);
                }
                next.functions.remove_mut(id);
            });
        }
        for id in &gone.volumes {
            self.holding_changes(SecurableId::Volume(*id), |next| {
                next.holdings.remove_mut(&SecurableId::Volume(*id));
                if let Some(volume) = next.volumes.get(id).cloned() {
                    unname(&mut next.volumes_by_name, volume.schema, &volume.name.object, *id);
                }
                next.volumes.remove_mut(id);
            });
        }
        for id in &gone.external_locations {
            self.holding_changes(SecurableId::ExternalLocation(*id), |next| {
                next.holdings.remove_mut(&SecurableId::ExternalLocation(*id));
                if let Some(location) = next.external_locations.get(id).cloned() {
                    unname_in(&mut next.external_locations_by_name, &location.name, *id);
                }
                next.external_locations.remove_mut(id);
            });
        }
        for id in &gone.storage_credentials {
            self.holding_changes(SecurableId::StorageCredential(*id), |next| {
                next.holdings.remove_mut(&SecurableId::StorageCredential(*id));
                if let Some(credential) = next.storage_credentials.get(id).cloned() {
                    unname_in(&mut next.storage_credentials_by_name, &credential.name, *id);
                }
                next.storage_credentials.remove_mut(id);
            });
        }
        for id in &gone.governed_tags {
            self.holding_changes(SecurableId::GovernedTag(*id), |next| {
                next.holdings.remove_mut(&SecurableId::GovernedTag(*id));
                if let Some(tag) = next.governed_tags.get(id).cloned() {
                    unname_in(&mut next.governed_tags_by_key, &tag.key, *id);
                }
                next.governed_tags.remove_mut(id);
            });
        }
    }

    fn put_catalog(&mut self, catalog: Catalog) {
        let (id, before) = (catalog.id, self.catalogs.get(&catalog.id).map(|before| before.name.clone()));
        self.holding_changes(SecurableId::Catalog(id), |next| {
            if let Some(before) = &before {
                unname_in(&mut next.catalogs_by_name, before, id);
            }
            next.catalogs_by_name.insert_mut(catalog.name.clone(), id);
            next.catalogs.insert_mut(id, catalog);
        });
        if before.is_some() {
            self.rename_below_catalog(id);
        }
    }

    fn put_schema(&mut self, schema: Schema) {
        let (id, before) = (schema.id, self.schemas.get(&schema.id).map(|before| before.name.clone()));
        self.holding_changes(SecurableId::Schema(id), |next| {
            if let Some(before) = &before {
                unname(&mut next.schemas_by_name, schema.catalog, &before.schema, id);
            }
            name(&mut next.schemas_by_name, schema.catalog, schema.name.schema.clone(), id);
            next.schemas.insert_mut(id, schema);
        });
        if before.is_some() {
            self.rename_below_schema(id);
        }
    }

    /// Full names of schemas carry their catalog's name.
    fn rename_below_catalog(&mut self, id: CatalogId) {
        let Some(catalog) = self.catalogs.get(&id).map(|catalog| catalog.name.clone()) else { return };
        let stale: Vec<Schema> =
            self.schemas(id).filter(|schema| schema.name.catalog != catalog).cloned().collect();
        for schema in stale {
            let name = SchemaName { catalog: catalog.clone(), schema: schema.name.schema.clone() };
            let id = schema.id;
            self.schemas.insert_mut(id, Schema { name, ..schema });
            self.rename_below_schema(id);
        }
    }

    /// Full names of objects carry their schema's and catalog's name.
    fn rename_below_schema(&mut self, id: SchemaId) {
        let Some(schema) = self.schemas.get(&id).map(|schema| schema.name.clone()) else { return };
        let stale = |name: &ObjectName| name.catalog != schema.catalog || name.schema != schema.schema;
        let renamed = |name: &ObjectName| ObjectName {
            catalog: schema.catalog.clone(),
            schema: schema.schema.clone(),
            object: name.object.clone(),
        };
        let tables: Vec<Table> = self.tables(id).filter(|table| stale(&table.name)).cloned().collect();
        for table in tables {
            let name = renamed(&table.name);
            self.tables.insert_mut(table.id, Table { name, ..table });
        }
        let functions: Vec<Function> =
            self.functions(id).filter(|function| stale(&function.name)).cloned().collect();
        for function in functions {
            let name = renamed(&function.name);
            self.functions.insert_mut(function.id, Function { name, ..function });
        }
        let volumes: Vec<Volume> = self.volumes(id).filter(|volume| stale(&volume.name)).cloned().collect();
        for volume in volumes {
            let name = renamed(&volume.name);
            self.volumes.insert_mut(volume.id, Volume { name, ..volume });
        }
    }

    fn put_table(&mut self, table: Table) {
        self.holding_changes(SecurableId::Table(table.id), |next| {
            if let Some(before) = next.tables.get(&table.id).map(|before| before.name.object.clone()) {
                unname(&mut next.tables_by_name, table.schema, &before, table.id);
            }
            name(&mut next.tables_by_name, table.schema, table.name.object.clone(), table.id);
            next.tables.insert_mut(table.id, table);
        });
    }

    fn put_function(&mut self, function: Function) {
        self.holding_changes(SecurableId::Function(function.id), |next| {
            if let Some(before) = next.functions.get(&function.id).map(|before| before.name.object.clone()) {
                unname(&mut next.functions_by_name, function.schema, &before, function.id);
            }
            name(&mut next.functions_by_name, function.schema, function.name.object.clone(), function.id);
            next.functions.insert_mut(function.id, function);
        });
    }

    fn put_volume(&mut self, volume: Volume) {
        self.holding_changes(SecurableId::Volume(volume.id), |next| {
            if let Some(before) = next.volumes.get(&volume.id).map(|before| before.name.object.clone()) {
                unname(&mut next.volumes_by_name, volume.schema, &before, volume.id);
            }
            name(&mut next.volumes_by_name, volume.schema, volume.name.object.clone(), volume.id);
            next.volumes.insert_mut(volume.id, volume);
        });
    }

    fn put_grants(&mut self, granted: BTreeSet<SecurableId>, grants: Vec<Grant>) {
        let mut holdings: BTreeMap<SecurableId, BTreeMap<PrincipalId, Holding>> =
            granted.into_iter().map(|securable| (securable, BTreeMap::new())).collect();
        for Grant { principal, privilege, securable, effect } in grants {
            let of_securable = holdings.entry(securable).or_default();
            let none = PrivilegeSet::default();
            let holding =
                of_securable.entry(principal).or_insert(Holding { principal, allowed: none, denied: none });
            match effect {
                Effect::Allow => holding.allowed.insert(privilege),
                Effect::Deny => holding.denied.insert(privilege),
            }
        }
        for (securable, holdings) in holdings {
            // A securable that is gone by now has no grants.
            if self.kind_of(securable).is_none() {
                continue;
            }
            let holdings: Arc<[Holding]> = holdings.into_values().collect();
            self.holding_changes(securable, |next| match holdings.is_empty() {
                true => {
                    next.holdings.remove_mut(&securable);
                }
                false => next.holdings.insert_mut(securable, holdings),
            });
        }
    }
}

/// Gives the id its name within a container.
fn name<C, K, V>(names: &mut WithinByName<C, K, V>, container: C, key: K, id: V)
where
    C: Eq + Hash + Clone,
    K: Ord + Clone,
    V: Clone,
{
    match names.get_mut(&container) {
        Some(within) => within.insert_mut(key, id),
        None => {
            names.insert_mut(container, RedBlackTreeMapSync::new_sync().insert(key, id));
        }
    }
}

/// Takes the name from the id, unless another has it by now.
fn unname<C, K, V>(names: &mut WithinByName<C, K, V>, container: C, key: &K, id: V)
where
    C: Eq + Hash + Clone,
    K: Ord + Clone,
    V: PartialEq + Clone,
{
    if let Some(within) = names.get_mut(&container) {
        unname_in(within, key, id);
    }
}

fn unname_in<K, V>(names: &mut ByName<K, V>, key: &K, id: V)
where
    K: Ord + Clone,
    V: PartialEq + Clone,
{
    if names.get(key) == Some(&id) {
        names.remove_mut(key);
    }
}
