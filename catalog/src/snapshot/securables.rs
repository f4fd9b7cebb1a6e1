//! Securables by name and id, and the tree they form.

use super::Snapshot;
use crate::function::Function;
use crate::id::PrincipalId;
use crate::id::{
    CatalogId, ExternalLocationId, FunctionId, GovernedTagId, PolicyTestId, SchemaId, StorageCredentialId,
    TableId, TagPolicyId, VolumeId,
};
use crate::name::{Name, ObjectName, SchemaName};
use crate::policy::PolicyFunction;
use crate::policy_test::PolicyTest;
use crate::securable::{
    Catalog, ExternalLocation, Schema, SecurableId, SecurableKind, SecurableName, StorageCredential, Table,
    Volume,
};
use crate::tag::{GovernedTag, TagKey, Tags};
use crate::tag_policy::TagPolicy;

/// Look-ups.
impl Snapshot {
    /// All catalogs by name.
    pub fn catalogs(&self) -> impl Iterator<Item = &Catalog> {
        self.catalogs_by_name.values().filter_map(|id| self.catalogs.get(id))
    }

    /// The catalog of that name.
    pub fn catalog(&self, name: &Name) -> Option<&Catalog> {
        self.catalogs_by_name.get(name).and_then(|id| self.catalogs.get(id))
    }

    /// The catalog of that id.
    pub fn catalog_by_id(&self, id: CatalogId) -> Option<&Catalog> {
        self.catalogs.get(&id)
    }

    /// A catalog's schemas by name.
    pub fn schemas(&self, catalog: CatalogId) -> impl Iterator<Item = &Schema> {
        let names = self.schemas_by_name.get(&catalog).into_iter().flat_map(|names| names.values());
        names.filter_map(|id| self.schemas.get(id))
    }

    /// The schema of that name.
    pub fn schema(&self, name: &SchemaName) -> Option<&Schema> {
        let catalog = self.catalog(&name.catalog)?;
        self.schemas.get(self.schemas_by_name.get(&catalog.id)?.get(&name.schema)?)
    }

    /// The schema of that id.
    pub fn schema_by_id(&self, id: SchemaId) -> Option<&Schema> {
        self.schemas.get(&id)
    }

    /// A schema's tables and views by name.
    pub fn tables(&self, schema: SchemaId) -> impl Iterator<Item = &Table> {
        let names = self.tables_by_name.get(&schema).into_iter().flat_map(|names| names.values());
        names.filter_map(|id| self.tables.get(id)).inspect(|_| super::probes::probe(1))
    }

    /// Every table and view, in no order.
    pub fn all_tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values().inspect(|_| super::probes::probe(1))
    }

    /// The table or view of that name.
    pub fn table(&self, name: &ObjectName) -> Option<&Table> {
        let schema = self.schema(&name.schema_name())?;
        self.tables.get(self.tables_by_name.get(&schema.id)?.get(&name.object)?)
    }

    /// The table or view of that id.
    pub fn table_by_id(&self, id: TableId) -> Option<&Table> {
        self.tables.get(&id)
    }

    /// A schema's functions by name.
    pub fn functions(&self, schema: SchemaId) -> impl Iterator<Item = &Function> {
        let names = self.functions_by_name.get(&schema).into_iter().flat_map(|names| names.values());
        names.filter_map(|id| self.functions.get(id))
    }

    /// Every function, in no order.
    pub fn all_functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.values()
    }

    /// The function of that name.
    pub fn function(&self, name: &ObjectName) -> Option<&Function> {
        let schema = self.schema(&name.schema_name())?;
        self.functions.get(self.functions_by_name.get(&schema.id)?.get(&name.object)?)
    }

    /// The function of that id.
    pub fn function_by_id(&self, id: FunctionId) -> Option<&Function> {
        self.functions.get(&id)
    }

    /// A schema's volumes by name.
    pub fn volumes(&self, schema: SchemaId) -> impl Iterator<Item = &Volume> {
        let names = self.volumes_by_name.get(&schema).into_iter().flat_map(|names| names.values());
        names.filter_map(|id| self.volumes.get(id))
    }

    /// Every volume, in no order.
    pub fn all_volumes(&self) -> impl Iterator<Item = &Volume> {
        self.volumes.values()
    }

    /// The volume of that name.
    pub fn volume(&self, name: &ObjectName) -> Option<&Volume> {
        let schema = self.schema(&name.schema_name())?;
        self.volumes.get(self.volumes_by_name.get(&schema.id)?.get(&name.object)?)
    }

    /// The volume of that id.
    pub fn volume_by_id(&self, id: VolumeId) -> Option<&Volume> {
        self.volumes.get(&id)
    }

    /// All external locations by name.
    pub fn external_locations(&self) -> impl Iterator<Item = &ExternalLocation> {
        self.external_locations_by_name.values().filter_map(|id| self.external_locations.get(id))
    }

    /// The external location of that name.
    pub fn external_location(&self, name: &Name) -> Option<&ExternalLocation> {
        self.external_locations_by_name.get(name).and_then(|id| self.external_locations.get(id))
    }

    /// The external location of that id.
    pub fn external_location_by_id(&self, id: ExternalLocationId) -> Option<&ExternalLocation> {
        self.external_locations.get(&id)
    }

    /// All storage credentials by name.
    pub fn storage_credentials(&self) -> impl Iterator<Item = &StorageCredential> {
        self.storage_credentials_by_name.values().filter_map(|id| self.storage_credentials.get(id))
    }

    /// The storage credential of that name.
    pub fn storage_credential(&self, name: &Name) -> Option<&StorageCredential> {
        self.storage_credentials_by_name.get(name).and_then(|id| self.storage_credentials.get(id))
    }

    /// The storage credential of that id.
    pub fn storage_credential_by_id(&self, id: StorageCredentialId) -> Option<&StorageCredential> {
        self.storage_credentials.get(&id)
    }

    /// All governed tags by key.
    pub fn governed_tags(&self) -> impl Iterator<Item = &GovernedTag> {
        self.governed_tags_by_key.values().filter_map(|id| self.governed_tags.get(id))
    }

    /// The governed tag of that key.
    pub fn governed_tag(&self, key: &TagKey) -> Option<&GovernedTag> {
        self.governed_tags_by_key.get(key).and_then(|id| self.governed_tags.get(id))
    }

    /// The governed tag of that id.
    pub fn governed_tag_by_id(&self, id: GovernedTagId) -> Option<&GovernedTag> {
        self.governed_tags.get(&id)
    }

    /// Every tag policy, in no order.
    pub fn all_tag_policies(&self) -> impl Iterator<Item = &TagPolicy> {
        self.tag_policies.values()
    }

    /// The tag policies set on exactly that scope, by name.
    pub fn tag_policies_on(&self, scope: SecurableId) -> impl Iterator<Item = &TagPolicy> {
        let names = self.tag_policies_on.get(&scope).into_iter().flat_map(|names| names.values());
        names.filter_map(|id| self.tag_policies.get(id)).inspect(|_| super::probes::probe(1))
    }

    /// The tag policy of that name on that scope.
    pub fn tag_policy(&self, scope: SecurableId, name: &Name) -> Option<&TagPolicy> {
        self.tag_policies.get(self.tag_policies_on.get(&scope)?.get(name)?)
    }

    /// The tag policy of that id.
    pub fn tag_policy_by_id(&self, id: TagPolicyId) -> Option<&TagPolicy> {
        self.tag_policies.get(&id)
    }

    /// All policy tests by name.
    pub fn policy_tests(&self) -> impl Iterator<Item = &PolicyTest> {
        self.policy_tests_by_name.values().filter_map(|id| self.policy_tests.get(id))
    }

    /// The policy test of that name.
    pub fn policy_test(&self, name: &Name) -> Option<&PolicyTest> {
        self.policy_tests_by_name.get(name).and_then(|id| self.policy_tests.get(id))
    }

    /// The policy test of that id.
    pub fn policy_test_by_id(&self, id: PolicyTestId) -> Option<&PolicyTest> {
        self.policy_tests.get(&id)
    }

    /// The full name of what a policy calls; empty when it does not exist.
    pub fn policy_function_name(&self, function: PolicyFunction) -> String {
        match function {
            PolicyFunction::Sql(id) => {
                self.function_by_id(id).map(|found| found.name.to_string()).unwrap_or_default()
            }
            PolicyFunction::Builtin(mask) => mask.to_string(),
        }
    }

    /// What the name means, whoever asks.
    pub fn find(&self, name: &SecurableName) -> Option<SecurableId> {
        match name {
            SecurableName::Metastore => Some(SecurableId::Metastore),
            SecurableName::Catalog(name) => self.catalog(name).map(|found| SecurableId::Catalog(found.id)),
            SecurableName::Schema(name) => self.schema(name).map(|found| SecurableId::Schema(found.id)),
            SecurableName::Table(name) => self.table(name).map(|found| SecurableId::Table(found.id)),
            SecurableName::Function(name) => self.function(name).map(|found| SecurableId::Function(found.id)),
            SecurableName::Volume(name) => self.volume(name).map(|found| SecurableId::Volume(found.id)),
            SecurableName::ExternalLocation(name) => {
                self.external_location(name).map(|found| SecurableId::ExternalLocation(found.id))
            }
            SecurableName::StorageCredential(name) => {
                self.storage_credential(name).map(|found| SecurableId::StorageCredential(found.id))
            }
            SecurableName::GovernedTag(key) => {
                self.governed_tag(key).map(|found| SecurableId::GovernedTag(found.id))
            }
        }
    }
}

/// The tree.
impl Snapshot {
    /// The owner; of the metastore, the metastore admin where one is set.
    pub fn owner_of(&self, securable: SecurableId) -> Option<PrincipalId> {
        match securable {
            SecurableId::Metastore => self.metastore.owner,
            SecurableId::Catalog(id) => self.catalogs.get(&id).map(|found| found.owner),
            SecurableId::Schema(id) => self.schemas.get(&id).map(|found| found.owner),
            SecurableId::Table(id) => self.tables.get(&id).map(|found| found.owner),
            SecurableId::Function(id) => self.functions.get(&id).map(|found| found.owner),
            SecurableId::Volume(id) => self.volumes.get(&id).map(|found| found.owner),
            SecurableId::ExternalLocation(id) => self.external_locations.get(&id).map(|found| found.owner),
            SecurableId::StorageCredential(id) => self.storage_credentials.get(&id).map(|found| found.owner),
            SecurableId::GovernedTag(id) => self.governed_tags.get(&id).map(|found| found.owner),
        }
    }

    /// What contains the securable.
    pub fn parent_of(&self, securable: SecurableId) -> Option<SecurableId> {
        match securable {
            SecurableId::Metastore => None,
            SecurableId::Catalog(_)
            | SecurableId::ExternalLocation(_)
            | SecurableId::StorageCredential(_)
            | SecurableId::GovernedTag(_) => Some(SecurableId::Metastore),
            SecurableId::Schema(id) => self.schemas.get(&id).map(|found| SecurableId::Catalog(found.catalog)),
            SecurableId::Table(id) => self.tables.get(&id).map(|found| SecurableId::Schema(found.schema)),
            SecurableId::Function(id) => {
                self.functions.get(&id).map(|found| SecurableId::Schema(found.schema))
            }
            SecurableId::Volume(id) => self.volumes.get(&id).map(|found| SecurableId::Schema(found.schema)),
        }
    }

    /// The containers from the nearest outwards, without the metastore.
    pub fn containers_of(&self, securable: SecurableId) -> impl Iterator<Item = SecurableId> {
        std::iter::successors(self.parent_of(securable), |id| self.parent_of(*id))
            .filter(|id| *id != SecurableId::Metastore)
    }

    /// The kind, where the securable exists.
    pub fn kind_of(&self, securable: SecurableId) -> Option<SecurableKind> {
        let (exists, kind) = match securable {
            SecurableId::Metastore => (true, SecurableKind::Metastore),
            SecurableId::Catalog(id) => (self.catalogs.contains_key(&id), SecurableKind::Catalog),
            SecurableId::Schema(id) => (self.schemas.contains_key(&id), SecurableKind::Schema),
            SecurableId::Table(id) => return self.tables.get(&id).map(Table::securable_kind),
            SecurableId::Function(id) => (self.functions.contains_key(&id), SecurableKind::Function),
            SecurableId::Volume(id) => (self.volumes.contains_key(&id), SecurableKind::Volume),
            SecurableId::ExternalLocation(id) => {
                (self.external_locations.contains_key(&id), SecurableKind::ExternalLocation)
            }
            SecurableId::StorageCredential(id) => {
                (self.storage_credentials.contains_key(&id), SecurableKind::StorageCredential)
            }
            SecurableId::GovernedTag(id) => {
                (self.governed_tags.contains_key(&id), SecurableKind::GovernedTag)
            }
        };
        exists.then_some(kind)
    }

    /// The full name as a statement would write it.
    pub fn name_of(&self, securable: SecurableId) -> Option<SecurableName> {
        match securable {
            SecurableId::Metastore => Some(SecurableName::Metastore),
            SecurableId::Catalog(id) => {
                self.catalogs.get(&id).map(|found| SecurableName::Catalog(found.name.clone()))
            }
            SecurableId::Schema(id) => {
                self.schemas.get(&id).map(|found| SecurableName::Schema(found.name.clone()))
            }
            SecurableId::Table(id) => {
                self.tables.get(&id).map(|found| SecurableName::Table(found.name.clone()))
            }
            SecurableId::Function(id) => {
                self.functions.get(&id).map(|found| SecurableName::Function(found.name.clone()))
            }
            SecurableId::Volume(id) => {
                self.volumes.get(&id).map(|found| SecurableName::Volume(found.name.clone()))
            }
            SecurableId::ExternalLocation(id) => self
                .external_locations
                .get(&id)
                .map(|found| SecurableName::ExternalLocation(found.name.clone())),
            SecurableId::StorageCredential(id) => self
                .storage_credentials
                .get(&id)
                .map(|found| SecurableName::StorageCredential(found.name.clone())),
            SecurableId::GovernedTag(id) => {
                self.governed_tags.get(&id).map(|found| SecurableName::GovernedTag(found.key.clone()))
            }
        }
    }

    /// The full name without the kind, e.g. `main.hr.people`; empty when it does not exist.
    pub fn display_name(&self, securable: SecurableId) -> String {
        match self.name_of(securable) {
            None => String::new(),
            Some(SecurableName::Metastore) => "metastore".to_owned(),
            Some(
                SecurableName::Catalog(name)
                | SecurableName::ExternalLocation(name)
                | SecurableName::StorageCredential(name),
            ) => name.to_string(),
            Some(SecurableName::Schema(name)) => name.to_string(),
            Some(SecurableName::GovernedTag(key)) => key.to_string(),
            Some(
                SecurableName::Table(name) | SecurableName::Function(name) | SecurableName::Volume(name),
            ) => name.to_string(),
        }
    }

    /// The tags set on exactly that securable.
    pub fn own_tags(&self, securable: SecurableId) -> Option<&Tags> {
        match securable {
            SecurableId::Catalog(id) => self.catalogs.get(&id).map(|found| &found.tags),
            SecurableId::Schema(id) => self.schemas.get(&id).map(|found| &found.tags),
            SecurableId::Table(id) => self.tables.get(&id).map(|found| &found.tags),
            SecurableId::Volume(id) => self.volumes.get(&id).map(|found| &found.tags),
            SecurableId::Metastore
            | SecurableId::Function(_)
            | SecurableId::ExternalLocation(_)
            | SecurableId::StorageCredential(_)
            | SecurableId::GovernedTag(_) => None,
        }
    }

    /// The tags in force on the securable: its own, and its containers' where it does not set the key.
    pub fn tags_of(&self, securable: SecurableId) -> Tags {
        let mut tags = Tags::new();
        for on in std::iter::once(securable).chain(self.containers_of(securable)) {
            for (key, value) in self.own_tags(on).into_iter().flatten() {
                tags.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        tags
    }
}
