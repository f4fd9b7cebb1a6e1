//! The whole catalog at one epoch, in memory.
//!
//! A snapshot never changes; every question about one statement is put to one snapshot. Lookups
//! are synchronous. Groups are flattened when the snapshot is made, so membership is one lookup
//! however deeply groups nest.
//!
//! It makes no decision about rights: that is [`crate::authorize`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use crate::function::Function;
use crate::grant::Grant;
use crate::id::{CatalogId, FunctionId, MetastoreId, PrincipalId, SchemaId, TableId};
use crate::name::{Name, ObjectName, SchemaName};
use crate::principal::Principal;
use crate::privilege::Privilege;
use crate::securable::{Catalog, Schema, SecurableId, SecurableKind, SecurableName, Table};

/// The catalog's version: every committed write moves it by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything a store holds, as rows; what a [`Snapshot`] is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the list of that noun")]
pub struct Content {
    pub metastore: MetastoreId,
    pub principals: Vec<Principal>,
    /// Group and direct member.
    pub memberships: Vec<(PrincipalId, PrincipalId)>,
    pub catalogs: Vec<Catalog>,
    pub schemas: Vec<Schema>,
    pub tables: Vec<Table>,
    pub functions: Vec<Function>,
    pub grants: Vec<Grant>,
}

/// The whole catalog at one [`Epoch`]; immutable.
#[derive(Debug)]
pub struct Snapshot {
    epoch: Epoch,
    metastore: MetastoreId,
    principals: HashMap<PrincipalId, Principal>,
    principals_by_name: BTreeMap<String, PrincipalId>,
    members: HashMap<PrincipalId, BTreeSet<PrincipalId>>,
    groups: HashMap<PrincipalId, BTreeSet<PrincipalId>>,
    catalogs: HashMap<CatalogId, Catalog>,
    catalogs_by_name: BTreeMap<Name, CatalogId>,
    schemas: HashMap<SchemaId, Schema>,
    schemas_by_name: HashMap<CatalogId, BTreeMap<Name, SchemaId>>,
    tables: HashMap<TableId, Table>,
    tables_by_name: HashMap<SchemaId, BTreeMap<Name, TableId>>,
    functions: HashMap<FunctionId, Function>,
    functions_by_name: HashMap<SchemaId, BTreeMap<Name, FunctionId>>,
    grants: BTreeMap<SecurableId, BTreeSet<Grant>>,
    /// Who has a grant on the securable or owns it.
    holders: HashMap<SecurableId, HashSet<PrincipalId>>,
    /// Who has a grant on, or owns, something inside the container.
    holders_inside: HashMap<SecurableId, HashSet<PrincipalId>>,
}

static NOBODY: BTreeSet<PrincipalId> = BTreeSet::new();

impl Snapshot {
    /// Indexes `content`.
    pub fn new(epoch: Epoch, content: Content) -> Self {
        let mut snapshot = Self {
            epoch,
            metastore: content.metastore,
            principals_by_name: content.principals.iter().map(|p| (p.name.clone(), p.id)).collect(),
            principals: content.principals.into_iter().map(|p| (p.id, p)).collect(),
            groups: transitive_groups(&content.memberships),
            members: HashMap::new(),
            catalogs_by_name: content.catalogs.iter().map(|c| (c.name.clone(), c.id)).collect(),
            catalogs: content.catalogs.into_iter().map(|c| (c.id, c)).collect(),
            schemas: HashMap::new(),
            schemas_by_name: HashMap::new(),
            tables: HashMap::new(),
            tables_by_name: HashMap::new(),
            functions: HashMap::new(),
            functions_by_name: HashMap::new(),
            grants: BTreeMap::new(),
            holders: HashMap::new(),
            holders_inside: HashMap::new(),
        };
        for (group, member) in content.memberships {
            snapshot.members.entry(group).or_default().insert(member);
        }
        for schema in content.schemas {
            let names = snapshot.schemas_by_name.entry(schema.catalog).or_default();
            names.insert(schema.name.schema.clone(), schema.id);
            snapshot.schemas.insert(schema.id, schema);
        }
        for table in content.tables {
            let names = snapshot.tables_by_name.entry(table.schema).or_default();
            names.insert(table.name.object.clone(), table.id);
            snapshot.tables.insert(table.id, table);
        }
        for function in content.functions {
            let names = snapshot.functions_by_name.entry(function.schema).or_default();
            names.insert(function.name.object.clone(), function.id);
            snapshot.functions.insert(function.id, function);
        }
        for grant in content.grants {
            snapshot.grants.entry(grant.securable).or_default().insert(grant);
        }
        snapshot.index_holders();
        snapshot
    }

    fn index_holders(&mut self) {
        let owned = (self.catalogs.values().map(|c| (SecurableId::Catalog(c.id), c.owner)))
            .chain(self.schemas.values().map(|s| (SecurableId::Schema(s.id), s.owner)))
            .chain(self.tables.values().map(|t| (SecurableId::Table(t.id), t.owner)))
            .chain(self.functions.values().map(|f| (SecurableId::Function(f.id), f.owner)));
        let granted = self.grants.values().flatten().map(|grant| (grant.securable, grant.principal));
        let held: Vec<(SecurableId, PrincipalId)> = owned.chain(granted).collect();
        for (securable, principal) in held {
            self.holders.entry(securable).or_default().insert(principal);
            let mut container = self.parent_of(securable);
            while let Some(id) = container {
                self.holders_inside.entry(id).or_default().insert(principal);
                container = self.parent_of(id);
            }
        }
    }

    /// The epoch it was read at.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The id of the metastore, given when its store was made.
    pub fn metastore_id(&self) -> MetastoreId {
        self.metastore
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

    /// The groups that contain the principal, directly or through other groups.
    pub fn groups_of(&self, id: PrincipalId) -> &BTreeSet<PrincipalId> {
        self.groups.get(&id).unwrap_or(&NOBODY)
    }

    /// The names of [`groups_of`](Self::groups_of).
    pub fn group_names_of(&self, id: PrincipalId) -> BTreeSet<String> {
        self.groups_of(id).iter().filter_map(|group| Some(self.principals.get(group)?.name.clone())).collect()
    }

    /// The direct members of a group.
    pub fn members_of(&self, group: PrincipalId) -> Vec<PrincipalId> {
        self.members.get(&group).into_iter().flatten().copied().collect()
    }

    /// The principal and all its groups: those whose grants and ownership count for it.
    pub fn identities_of(&self, id: PrincipalId) -> impl Iterator<Item = PrincipalId> {
        std::iter::once(id).chain(self.groups_of(id).iter().copied())
    }

    /// Whether `principal` is `owner` or a member of it.
    pub fn acts_as(&self, principal: PrincipalId, owner: PrincipalId) -> bool {
        principal == owner || self.groups_of(principal).contains(&owner)
    }
}

/// Securables by name and id.
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
        self.schemas_by_name.get(&catalog).into_iter().flatten().filter_map(|(_, id)| self.schemas.get(id))
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
        self.tables_by_name.get(&schema).into_iter().flatten().filter_map(|(_, id)| self.tables.get(id))
    }

    /// Every table and view, in no order.
    pub fn all_tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
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
        self.functions_by_name.get(&schema).into_iter().flatten().filter_map(|(_, id)| self.functions.get(id))
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

    /// What the name means, whoever asks.
    pub fn find(&self, name: &SecurableName) -> Option<SecurableId> {
        match name {
            SecurableName::Metastore => Some(SecurableId::Metastore),
            SecurableName::Catalog(name) => self.catalog(name).map(|c| SecurableId::Catalog(c.id)),
            SecurableName::Schema(name) => self.schema(name).map(|s| SecurableId::Schema(s.id)),
            SecurableName::Table(name) => self.table(name).map(|t| SecurableId::Table(t.id)),
            SecurableName::Function(name) => self.function(name).map(|f| SecurableId::Function(f.id)),
        }
    }
}

/// Grants, ownership and the tree.
impl Snapshot {
    /// The grants on exactly that securable.
    pub fn grants_on(&self, securable: SecurableId) -> impl Iterator<Item = &Grant> {
        self.grants.get(&securable).into_iter().flatten()
    }

    /// All grants.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values().flatten()
    }

    /// Whether exactly that was granted.
    pub fn has_grant(&self, principal: PrincipalId, privilege: Privilege, securable: SecurableId) -> bool {
        let grant = Grant { principal, privilege, securable };
        self.grants.get(&securable).is_some_and(|grants| grants.contains(&grant))
    }

    /// The owner; the metastore has none.
    pub fn owner_of(&self, securable: SecurableId) -> Option<PrincipalId> {
        match securable {
            SecurableId::Metastore => None,
            SecurableId::Catalog(id) => self.catalogs.get(&id).map(|c| c.owner),
            SecurableId::Schema(id) => self.schemas.get(&id).map(|s| s.owner),
            SecurableId::Table(id) => self.tables.get(&id).map(|t| t.owner),
            SecurableId::Function(id) => self.functions.get(&id).map(|f| f.owner),
        }
    }

    /// What contains the securable.
    pub fn parent_of(&self, securable: SecurableId) -> Option<SecurableId> {
        match securable {
            SecurableId::Metastore => None,
            SecurableId::Catalog(_) => Some(SecurableId::Metastore),
            SecurableId::Schema(id) => self.schemas.get(&id).map(|s| SecurableId::Catalog(s.catalog)),
            SecurableId::Table(id) => self.tables.get(&id).map(|t| SecurableId::Schema(t.schema)),
            SecurableId::Function(id) => self.functions.get(&id).map(|f| SecurableId::Schema(f.schema)),
        }
    }

    /// The containers from the nearest outwards, without the metastore.
    pub fn containers_of(&self, securable: SecurableId) -> impl Iterator<Item = SecurableId> {
        std::iter::successors(self.parent_of(securable), |id| self.parent_of(*id))
            .filter(|id| *id != SecurableId::Metastore)
    }

    /// The kind, where the securable exists.
    pub fn kind_of(&self, securable: SecurableId) -> Option<SecurableKind> {
        match securable {
            SecurableId::Metastore => Some(SecurableKind::Metastore),
            SecurableId::Catalog(id) => self.catalogs.get(&id).map(|_| SecurableKind::Catalog),
            SecurableId::Schema(id) => self.schemas.get(&id).map(|_| SecurableKind::Schema),
            SecurableId::Table(id) => self.tables.get(&id).map(Table::securable_kind),
            SecurableId::Function(id) => self.functions.get(&id).map(|_| SecurableKind::Function),
        }
    }

    /// The full name as a statement would write it.
    pub fn name_of(&self, securable: SecurableId) -> Option<SecurableName> {
        match securable {
            SecurableId::Metastore => Some(SecurableName::Metastore),
            SecurableId::Catalog(id) => {
                self.catalogs.get(&id).map(|c| SecurableName::Catalog(c.name.clone()))
            }
            SecurableId::Schema(id) => self.schemas.get(&id).map(|s| SecurableName::Schema(s.name.clone())),
            SecurableId::Table(id) => self.tables.get(&id).map(|t| SecurableName::Table(t.name.clone())),
            SecurableId::Function(id) => {
                self.functions.get(&id).map(|f| SecurableName::Function(f.name.clone()))
            }
        }
    }

    /// The full name without the kind, e.g. `main.hr.people`; empty when it does not exist.
    pub fn display_name(&self, securable: SecurableId) -> String {
        match self.name_of(securable) {
            None => String::new(),
            Some(SecurableName::Metastore) => "metastore".to_owned(),
            Some(SecurableName::Catalog(name)) => name.to_string(),
            Some(SecurableName::Schema(name)) => name.to_string(),
            Some(SecurableName::Table(name) | SecurableName::Function(name)) => name.to_string(),
        }
    }

    /// Whether the principal has a grant on the securable or owns it.
    pub(crate) fn is_held_by(&self, securable: SecurableId, principal: PrincipalId) -> bool {
        self.any_identity(self.holders.get(&securable), principal)
    }

    /// Whether the principal has a grant on, or owns, something inside the container.
    pub(crate) fn holds_inside(&self, container: SecurableId, principal: PrincipalId) -> bool {
        self.any_identity(self.holders_inside.get(&container), principal)
    }

    fn any_identity(&self, holders: Option<&HashSet<PrincipalId>>, principal: PrincipalId) -> bool {
        holders.is_some_and(|holders| self.identities_of(principal).any(|id| holders.contains(&id)))
    }
}

/// For each principal, every group that contains it at any depth.
fn transitive_groups(
    memberships: &[(PrincipalId, PrincipalId)],
) -> HashMap<PrincipalId, BTreeSet<PrincipalId>> {
    let mut direct: HashMap<PrincipalId, Vec<PrincipalId>> = HashMap::new();
    for (group, member) in memberships {
        direct.entry(*member).or_default().push(*group);
    }
    let mut all = HashMap::with_capacity(direct.len());
    for member in direct.keys() {
        let mut groups = BTreeSet::new();
        let mut open = vec![*member];
        while let Some(id) = open.pop() {
            for group in direct.get(&id).into_iter().flatten() {
                // The set is also what makes this end if a store should ever hold a cycle.
                if groups.insert(*group) {
                    open.push(*group);
                }
            }
        }
        all.insert(*member, groups);
    }
    all
}
