//! The ids of all that an import names: those that are there, and fresh ones for what is new.

use std::collections::BTreeMap;

use super::name::{one, securable_of, three, two};
use super::{Document, Removal};
use crate::id::{
    CatalogId, ExternalLocationId, FunctionId, GovernedTagId, PrincipalId, SchemaId, StorageCredentialId,
    TableId, VolumeId,
};
use crate::name::{Name, ObjectName, SchemaName};
use crate::policy::BuiltinMask;
use crate::securable::{SecurableId, SecurableName};
use crate::snapshot::Snapshot;
use crate::tag::TagKey;

/// One thing of a document, or the sentence why it is none.
pub(super) type Told<T> = Result<T, String>;

/// The ids of all that will be there, by name.
pub(super) struct Ids {
    pub(super) principals: BTreeMap<String, PrincipalId>,
    pub(super) catalogs: BTreeMap<Name, CatalogId>,
    pub(super) schemas: BTreeMap<SchemaName, SchemaId>,
    pub(super) tables: BTreeMap<ObjectName, TableId>,
    pub(super) functions: BTreeMap<ObjectName, FunctionId>,
    pub(super) volumes: BTreeMap<ObjectName, VolumeId>,
    pub(super) locations: BTreeMap<Name, ExternalLocationId>,
    pub(super) credentials: BTreeMap<Name, StorageCredentialId>,
    pub(super) tags: BTreeMap<TagKey, GovernedTagId>,
}

fn assign<K: Ord + Clone, I: Copy>(
    known: impl Iterator<Item = (K, I)>,
    named: impl Iterator<Item = K>,
    removal: Removal,
    fresh: fn() -> I,
) -> BTreeMap<K, I> {
    let known: BTreeMap<K, I> = known.collect();
    let of_named: Vec<(K, I)> =
        named.map(|name| (name.clone(), known.get(&name).copied().unwrap_or_else(fresh))).collect();
    let mut ids = if removal == Removal::Keep { known } else { BTreeMap::new() };
    ids.extend(of_named);
    ids
}

impl Ids {
    pub(super) fn of(document: &Document, old: &Snapshot, removal: Removal) -> Self {
        let schemas = old.catalogs().flat_map(|catalog| old.schemas(catalog.id));
        Self {
            principals: assign(
                old.principals().map(|x| (x.name.clone(), x.id)),
                document.principals.keys().cloned(),
                removal,
                PrincipalId::fresh,
            ),
            catalogs: assign(
                old.catalogs().map(|x| (x.name.clone(), x.id)),
                document.catalogs.keys().filter_map(|name| one(name)),
                removal,
                CatalogId::fresh,
            ),
            schemas: assign(
                schemas.map(|x| (x.name.clone(), x.id)),
                document.schemas.keys().filter_map(|name| two(name)),
                removal,
                SchemaId::fresh,
            ),
            tables: assign(
                old.all_tables().map(|x| (x.name.clone(), x.id)),
                document.tables.keys().filter_map(|name| three(name)),
                removal,
                TableId::fresh,
            ),
            functions: assign(
                old.all_functions().map(|x| (x.name.clone(), x.id)),
                document.functions.keys().filter_map(|name| three(name)),
                removal,
                FunctionId::fresh,
            ),
            volumes: assign(
                old.all_volumes().map(|x| (x.name.clone(), x.id)),
                document.volumes.keys().filter_map(|name| three(name)),
                removal,
                VolumeId::fresh,
            ),
            locations: assign(
                old.external_locations().map(|x| (x.name.clone(), x.id)),
                document.external_locations.keys().filter_map(|name| one(name)),
                removal,
                ExternalLocationId::fresh,
            ),
            credentials: assign(
                old.storage_credentials().map(|x| (x.name.clone(), x.id)),
                document.storage_credentials.keys().filter_map(|name| one(name)),
                removal,
                StorageCredentialId::fresh,
            ),
            tags: assign(
                old.governed_tags().map(|x| (x.key.clone(), x.id)),
                document.governed_tags.keys().filter_map(|key| TagKey::new(key).ok()),
                removal,
                GovernedTagId::fresh,
            ),
        }
    }

    pub(super) fn principal(&self, name: &str) -> Told<PrincipalId> {
        self.principals.get(name).copied().ok_or_else(|| format!("principal `{name}` not found"))
    }

    pub(super) fn principals(&self, names: &[String]) -> Told<Vec<PrincipalId>> {
        names.iter().map(|name| self.principal(name)).collect()
    }

    pub(super) fn table(&self, name: &str) -> Told<TableId> {
        let found = three(name).and_then(|name| self.tables.get(&name).copied());
        found.ok_or_else(|| format!("table or view `{name}` not found"))
    }

    pub(super) fn function(&self, name: &str) -> Told<FunctionId> {
        let found = three(name).and_then(|name| self.functions.get(&name).copied());
        found.ok_or_else(|| format!("function `{name}` not found"))
    }

    /// As stores keep what a policy calls.
    pub(super) fn called(&self, name: &str) -> Told<String> {
        if BuiltinMask::ALL.into_iter().any(|mask| mask.to_string() == name) {
            return Ok(name.to_owned());
        }
        self.function(name).map(|id| id.to_string())
    }

    pub(super) fn schema_of(&self, name: &ObjectName) -> Told<SchemaId> {
        let schema = name.schema_name();
        self.schemas.get(&schema).copied().ok_or_else(|| format!("schema `{schema}` not found"))
    }

    pub(super) fn securable(&self, key: &str) -> Told<SecurableId> {
        let named = securable_of(key).ok_or_else(|| format!("`{key}` names no kind of securable"))?;
        let found = match &named {
            SecurableName::Metastore => Some(SecurableId::Metastore),
            SecurableName::Catalog(name) => self.catalogs.get(name).copied().map(SecurableId::Catalog),
            SecurableName::Schema(name) => self.schemas.get(name).copied().map(SecurableId::Schema),
            SecurableName::Table(name) => self.tables.get(name).copied().map(SecurableId::Table),
            SecurableName::Function(name) => self.functions.get(name).copied().map(SecurableId::Function),
            SecurableName::Volume(name) => self.volumes.get(name).copied().map(SecurableId::Volume),
            SecurableName::ExternalLocation(name) => {
                self.locations.get(name).copied().map(SecurableId::ExternalLocation)
            }
            SecurableName::StorageCredential(name) => {
                self.credentials.get(name).copied().map(SecurableId::StorageCredential)
            }
            SecurableName::GovernedTag(key) => self.tags.get(key).copied().map(SecurableId::GovernedTag),
        };
        found.ok_or_else(|| format!("{named} not found"))
    }
}
