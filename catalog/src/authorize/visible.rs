//! What a principal may be told of, found from what it holds rather than by asking about everything
//! there is: the cost is what is visible, however much is not.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::Asker;
use crate::function::Function;
use crate::id::{CatalogId, PrincipalId};
use crate::name::Name;
use crate::securable::{Catalog, ExternalLocation, Schema, SecurableId, StorageCredential, Table, Volume};
use crate::snapshot::Snapshot;

/// Names that a listing is narrowed to; all where there is none.
#[derive(Debug, Clone, Default)]
pub struct Within {
    /// The catalog.
    pub catalog: Option<Name>,
    /// The schema, in any catalog.
    pub schema: Option<Name>,
    /// The object, in any schema.
    pub object: Option<Name>,
}

/// The eyes of one principal on one snapshot.
pub struct Visible<'a> {
    asker: Asker<'a>,
    snapshot: &'a Snapshot,
    considered: Cell<u64>,
}

impl std::fmt::Debug for Visible<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visible").field("principal", &self.asker.principal).finish_non_exhaustive()
    }
}

impl<'a> Visible<'a> {
    /// What `principal` may be told of in `snapshot`.
    pub fn new(snapshot: &'a Snapshot, principal: PrincipalId) -> Self {
        Self { asker: Asker::new(snapshot, principal), snapshot, considered: Cell::new(0) }
    }

    /// Whether that is visible; the answer of [`may_see`](super::may_see).
    pub fn sees(&self, securable: SecurableId) -> bool {
        self.considered.set(self.considered.get().saturating_add(1));
        self.asker.sees(securable)
    }

    /// How many securables were asked about.
    pub fn considered(&self) -> u64 {
        self.considered.get()
    }

    /// Catalogs by name.
    pub fn catalogs(&self, within: &Within) -> Vec<&'a Catalog> {
        let found: Vec<&Catalog> = match &within.catalog {
            Some(name) => self.snapshot.catalog(name).into_iter().collect(),
            None if self.asker.rank().is_some() => self.snapshot.catalogs().collect(),
            None => {
                let ids: BTreeSet<CatalogId> = self.held().filter_map(|held| self.catalog_of(held)).collect();
                ids.into_iter().filter_map(|id| self.snapshot.catalog_by_id(id)).collect()
            }
        };
        let mut found: Vec<&Catalog> =
            found.into_iter().filter(|catalog| self.sees(SecurableId::Catalog(catalog.id))).collect();
        found.sort_by(|left, right| left.name.cmp(&right.name));
        found
    }

    /// Schemas by name.
    pub fn schemas(&self, within: &Within) -> Vec<&'a Schema> {
        let mut found: Vec<&Schema> = self
            .candidates(within)
            .into_iter()
            .filter(|schema| self.sees(SecurableId::Schema(schema.id)))
            .collect();
        found.sort_by(|left, right| left.name.cmp(&right.name));
        found
    }

    /// Tables and views by name.
    pub fn tables(&self, within: &Within) -> Vec<&'a Table> {
        let snapshot = self.snapshot;
        let mut found = self.objects(
            within,
            |schema| snapshot.tables(schema.id).collect(),
            |held| match held {
                SecurableId::Table(id) => snapshot.table_by_id(id).map(|table| (table, table.schema)),
                _ => None,
            },
            |table| (SecurableId::Table(table.id), &table.name.object),
        );
        found.sort_by(|left, right| left.name.cmp(&right.name));
        found
    }

    /// Functions by name.
    pub fn functions(&self, within: &Within) -> Vec<&'a Function> {
        let snapshot = self.snapshot;
        let mut found = self.objects(
            within,
            |schema| snapshot.functions(schema.id).collect(),
            |held| match held {
                SecurableId::Function(id) => {
                    snapshot.function_by_id(id).map(|function| (function, function.schema))
                }
                _ => None,
            },
            |function| (SecurableId::Function(function.id), &function.name.object),
        );
        found.sort_by(|left, right| left.name.cmp(&right.name));
        found
    }

    /// Volumes by name.
    pub fn volumes(&self, within: &Within) -> Vec<&'a Volume> {
        let snapshot = self.snapshot;
        let mut found = self.objects(
            within,
            |schema| snapshot.volumes(schema.id).collect(),
            |held| match held {
                SecurableId::Volume(id) => snapshot.volume_by_id(id).map(|volume| (volume, volume.schema)),
                _ => None,
            },
            |volume| (SecurableId::Volume(volume.id), &volume.name.object),
        );
        found.sort_by(|left, right| left.name.cmp(&right.name));
        found
    }

    /// External locations by name.
    pub fn external_locations(&self) -> Vec<&'a ExternalLocation> {
        let all = self.snapshot.external_locations();
        all.filter(|location| self.sees(SecurableId::ExternalLocation(location.id))).collect()
    }

    /// Storage credentials by name.
    pub fn storage_credentials(&self) -> Vec<&'a StorageCredential> {
        let all = self.snapshot.storage_credentials();
        all.filter(|credential| self.sees(SecurableId::StorageCredential(credential.id))).collect()
    }

    /// What the principal or a group of it owns or has a grant on.
    fn held(&self) -> impl Iterator<Item = SecurableId> + '_ {
        self.snapshot.held_by(&self.asker.identities)
    }

    fn catalog_of(&self, securable: SecurableId) -> Option<CatalogId> {
        std::iter::once(securable).chain(self.snapshot.containers_of(securable)).find_map(|on| match on {
            SecurableId::Catalog(id) => Some(id),
            _ => None,
        })
    }

    /// The schemas in which something may be visible, each once.
    fn candidates(&self, within: &Within) -> Vec<&'a Schema> {
        let snapshot = self.snapshot;
        let mut ids = BTreeSet::new();
        if self.asker.rank().is_some() || (within.catalog.is_some() && within.schema.is_some()) {
            let catalogs: Vec<&Catalog> = match &within.catalog {
                Some(name) => snapshot.catalog(name).into_iter().collect(),
                None => snapshot.catalogs().collect(),
            };
            let inside = catalogs.into_iter().flat_map(|catalog| self.schemas_in(catalog, within));
            return inside.collect();
        }
        for held in self.held() {
            match held {
                SecurableId::Catalog(id) => {
                    let catalog = snapshot.catalog_by_id(id).into_iter();
                    ids.extend(
                        catalog.flat_map(|found| self.schemas_in(found, within)).map(|schema| schema.id),
                    );
                }
                SecurableId::Schema(id) => {
                    ids.insert(id);
                }
                inside => {
                    if let Some(SecurableId::Schema(id)) = snapshot.parent_of(inside) {
                        ids.insert(id);
                    }
                }
            }
        }
        ids.into_iter()
            .filter_map(|id| snapshot.schema_by_id(id))
            .filter(|schema| fits(schema, within))
            .collect()
    }

    fn schemas_in(&self, catalog: &'a Catalog, within: &Within) -> Vec<&'a Schema> {
        if within.catalog.as_ref().is_some_and(|wanted| *wanted != catalog.name) {
            return Vec::new();
        }
        match &within.schema {
            Some(name) => {
                let named = crate::name::SchemaName { catalog: catalog.name.clone(), schema: name.clone() };
                self.snapshot.schema(&named).into_iter().collect()
            }
            None => self.snapshot.schemas(catalog.id).collect(),
        }
    }

    /// Objects of one kind: all of the schemas that are held as a whole, and those held by themselves.
    fn objects<T>(
        &self,
        within: &Within,
        in_schema: impl Fn(&'a Schema) -> Vec<&'a T>,
        held_object: impl Fn(SecurableId) -> Option<(&'a T, crate::id::SchemaId)>,
        identify: impl Fn(&'a T) -> (SecurableId, &'a Name),
    ) -> Vec<&'a T> {
        let whole = self.asker.rank().is_some();
        let mut seen = BTreeSet::new();
        let mut found: Vec<&'a T> = Vec::new();
        let mut consider = |object: &'a T| {
            let (id, name) = identify(object);
            let named = within.object.as_ref().is_none_or(|wanted| wanted == name);
            if named && seen.insert(id) && self.sees(id) {
                found.push(object);
            }
        };
        for schema in self.candidates(within) {
            if whole || self.holds_whole(schema) {
                in_schema(schema).into_iter().for_each(&mut consider);
            }
        }
        if !whole {
            for (object, schema) in self.held().filter_map(held_object) {
                if self.snapshot.schema_by_id(schema).is_some_and(|schema| fits(schema, within)) {
                    consider(object);
                }
            }
        }
        found
    }

    /// Whether the principal holds something on the schema or its catalog, and so sees all in it.
    fn holds_whole(&self, schema: &Schema) -> bool {
        let held = |id| self.snapshot.is_held_by(id, &self.asker.identities);
        held(SecurableId::Schema(schema.id)) || held(SecurableId::Catalog(schema.catalog))
    }
}

fn fits(schema: &Schema, within: &Within) -> bool {
    within.catalog.as_ref().is_none_or(|wanted| *wanted == schema.name.catalog)
        && within.schema.as_ref().is_none_or(|wanted| *wanted == schema.name.schema)
}
