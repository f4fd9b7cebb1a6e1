//! A document as the catalog that it asks for: names become ids, what the document leaves out stays or
//! goes. Nothing is decided here; whether the outcome holds together is for [`crate::check`] to say.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::ids::{Ids, Told};
use super::name::{one, three, two};
use super::{ContainerEntry, Document, Removal, TableEntry, Texts, VERSION, columns};
use crate::function::{Function, Returns};
use crate::grant::{Effect, Grant};
use crate::id::{PolicyTestId, PrincipalId, TagPolicyId};
use crate::policy_test::PolicyTest;
use crate::principal::{Principal, PrincipalKind};
use crate::privilege::Privilege;
use crate::securable::{
    Catalog, Column, ExternalLocation, Schema, StorageCredential, Table, TableKind, ViewDefinition, Volume,
    VolumeKind,
};
use crate::snapshot::{Content, MetastoreRoot, Snapshot};
use crate::stamps::Stamps;
use crate::store::rows::nested::ParameterJson;
use crate::tag::{GovernedTag, TagKey, Tags};
use crate::tag_policy::TagPolicy;

impl Document {
    /// The catalog after an import on top of `snapshot`, or every reason why there is none.
    pub(crate) fn content(
        &self,
        snapshot: &Snapshot,
        removal: Removal,
        stamps: Stamps,
    ) -> Result<Content, Vec<String>> {
        if self.weir_catalog != VERSION {
            return Err(vec![format!("`weir_catalog` is {}, not {VERSION}", self.weir_catalog)]);
        }
        let ids = Ids::of(self, snapshot, removal);
        let mut import = Import { document: self, snapshot, removal, stamps, ids, problems: Vec::new() };
        let content = Content {
            metastore: import.metastore(),
            principals: import.principals(),
            memberships: import.memberships(),
            catalogs: import.catalogs(),
            schemas: import.schemas(),
            tables: import.tables(),
            functions: import.functions(),
            volumes: import.volumes(),
            external_locations: import.external_locations(),
            storage_credentials: import.storage_credentials(),
            governed_tags: import.governed_tags(),
            tag_policies: import.tag_policies(),
            policy_tests: import.policy_tests(),
            grants: import.grants(),
        };
        if import.problems.is_empty() { Ok(content) } else { Err(import.problems) }
    }
}

/// The ids in the order in which they were, where they are the same.
fn in_order<I: Ord + Copy>(ids: Vec<I>, old: Option<&Vec<I>>) -> Vec<I> {
    let set = |ids: &[I]| ids.iter().copied().collect::<BTreeSet<_>>();
    match old {
        Some(old) if set(old) == set(&ids) => old.clone(),
        _ => ids,
    }
}

fn tags_of(texts: &Texts) -> Told<Tags> {
    let tag = |(key, value): (&String, &String)| {
        let key = TagKey::new(key).map_err(|error| error.to_string())?;
        Ok((key, value.clone()))
    };
    texts.iter().map(tag).collect()
}

/// With the stamps of what was there, altered where anything else of it changed.
macro_rules! settled {
    ($import:expr, $old:expr, $built:expr) => {{
        let (old, mut built, now) = ($old, $built, $import.stamps);
        if let Some(old) = old
            && *old != built
        {
            built.stamps = old.stamps.altered(now.altered_at, now.altered_by);
        }
        built
    }};
}

struct Import<'a> {
    document: &'a Document,
    snapshot: &'a Snapshot,
    removal: Removal,
    stamps: Stamps,
    ids: Ids,
    problems: Vec<String>,
}

impl<'a> Import<'a> {
    /// Those of the document, each told or a problem, and those that stay.
    fn list<E, T: 'a>(
        &mut self,
        kind: &str,
        entries: &'a BTreeMap<String, E>,
        old: impl Iterator<Item = T>,
        name_of: impl Fn(&T) -> String,
        build: impl Fn(&Self, &'a str, &'a E) -> Told<T>,
    ) -> Vec<T> {
        let mut list = Vec::new();
        for (name, entry) in entries {
            match build(self, name, entry) {
                Ok(thing) => list.push(thing),
                Err(problem) => self.problems.push(format!("{kind} `{name}`: {problem}")),
            }
        }
        if self.removal == Removal::Keep {
            let named: BTreeSet<String> = list.iter().map(&name_of).collect();
            list.extend(old.filter(|thing| !named.contains(&name_of(thing))));
        }
        list
    }

    fn keeps(&self) -> bool {
        self.removal == Removal::Keep
    }

    /// What was said on top of what was there, or alone.
    fn merged<K: Ord + Clone>(
        &self,
        old: Option<&BTreeMap<K, String>>,
        said: BTreeMap<K, String>,
    ) -> BTreeMap<K, String> {
        let mut merged = old.filter(|_| self.keeps()).cloned().unwrap_or_default();
        merged.extend(said);
        merged
    }

    fn metastore(&mut self) -> MetastoreRoot {
        let id = self.snapshot.metastore_id();
        let owner = match &self.document.metastore_admin {
            None if self.keeps() => self.snapshot.metastore_owner(),
            None => None,
            Some(name) => match self.ids.principal(name) {
                Ok(id) => Some(id),
                Err(problem) => {
                    self.problems.push(format!("metastore_admin: {problem}"));
                    None
                }
            },
        };
        MetastoreRoot { id, owner }
    }

    fn principals(&mut self) -> Vec<Principal> {
        let old = self.snapshot.principals().cloned();
        self.list(
            "principal",
            &self.document.principals,
            old,
            |x| x.name.clone(),
            |import, name, entry| {
                crate::metastore::check_principal_name(name).map_err(|error| error.to_string())?;
                let kind = match entry.kind.as_str() {
                    "user" => PrincipalKind::User,
                    "service principal" => PrincipalKind::ServicePrincipal,
                    "group" => PrincipalKind::Group,
                    other => return Err(format!("`{other}` is none of user, service principal, group")),
                };
                let old = import.snapshot.principal_by_name(name);
                if let Some(old) = old.filter(|old| old.kind != kind) {
                    return Err(format!("it is a {} and stays one", old.kind.noun()));
                }
                Ok(Principal {
                    id: import.ids.principal(name)?,
                    name: name.to_owned(),
                    kind,
                    disabled: entry.disabled,
                    account_admin: entry.account_admin,
                    may_act_for_users: entry.may_act_for_users,
                })
            },
        )
    }

    fn memberships(&mut self) -> Vec<(PrincipalId, PrincipalId)> {
        let mut pairs = BTreeSet::new();
        for (name, entry) in &self.document.principals {
            match (self.ids.principal(name), self.ids.principals(&entry.members)) {
                (Ok(group), Ok(members)) => pairs.extend(members.into_iter().map(|member| (group, member))),
                (_, Err(problem)) | (Err(problem), _) => {
                    self.problems.push(format!("members of `{name}`: {problem}"));
                }
            }
        }
        if self.keeps() {
            for group in self.snapshot.principals().filter(|one| one.is_group()) {
                pairs.extend(self.snapshot.members_of(group.id).into_iter().map(|member| (group.id, member)));
            }
        }
        pairs.into_iter().collect()
    }

    fn catalogs(&mut self) -> Vec<Catalog> {
        let old = self.snapshot.catalogs().cloned();
        self.list(
            "catalog",
            &self.document.catalogs,
            old,
            |x| x.name.to_string(),
            |import, name, entry| {
                let name = one(name).ok_or("invalid name")?;
                let old = import.snapshot.catalog(&name);
                let ContainerEntry { owner, comment, properties, tags } = entry;
                let built = Catalog {
                    id: *import.ids.catalogs.get(&name).ok_or("not found")?,
                    owner: import.ids.principal(owner)?,
                    comment: comment.clone(),
                    properties: import.merged(old.map(|old| &old.properties), properties.clone()),
                    tags: import.merged(old.map(|old| &old.tags), tags_of(tags)?),
                    stamps: old.map_or(import.stamps, |old| old.stamps),
                    name,
                };
                Ok(settled!(import, old, built))
            },
        )
    }

    fn schemas(&mut self) -> Vec<Schema> {
        let snapshot = self.snapshot;
        let old = snapshot.catalogs().flat_map(|catalog| snapshot.schemas(catalog.id)).cloned();
        self.list(
            "schema",
            &self.document.schemas,
            old,
            |x| x.name.to_string(),
            |import, name, entry| {
                let name = two(name).ok_or("invalid name")?;
                let old = import.snapshot.schema(&name);
                let ContainerEntry { owner, comment, properties, tags } = entry;
                let built = Schema {
                    id: *import.ids.schemas.get(&name).ok_or("not found")?,
                    catalog: *import.ids.catalogs.get(&name.catalog).ok_or("its catalog is not found")?,
                    owner: import.ids.principal(owner)?,
                    comment: comment.clone(),
                    properties: import.merged(old.map(|old| &old.properties), properties.clone()),
                    tags: import.merged(old.map(|old| &old.tags), tags_of(tags)?),
                    stamps: old.map_or(import.stamps, |old| old.stamps),
                    name,
                };
                Ok(settled!(import, old, built))
            },
        )
    }

    fn tables(&mut self) -> Vec<Table> {
        let old = self.snapshot.all_tables().cloned();
        self.list(
            "table",
            &self.document.tables,
            old,
            |x| x.name.to_string(),
            |import, name, entry| {
                let name = three(name).ok_or("invalid name")?;
                let old = import.snapshot.table(&name);
                let kind = import.table_kind(entry, old)?;
                let imported = import.columns(entry, old)?;
                let (row_filter, masks) = import.policies(entry, old, &imported)?;
                let built = Table {
                    id: *import.ids.tables.get(&name).ok_or("not found")?,
                    schema: import.ids.schema_of(&name)?,
                    owner: import.ids.principal(&entry.owner)?,
                    kind,
                    columns: imported.columns,
                    row_filter,
                    masks,
                    properties: import.merged(old.map(|old| &old.properties), entry.properties.clone()),
                    comment: entry.comment.clone(),
                    tags: import.merged(old.map(|old| &old.tags), tags_of(&entry.tags)?),
                    stamps: old.map_or(import.stamps, |old| old.stamps),
                    name,
                };
                Ok(settled!(import, old, crate::metastore::respelled(built)))
            },
        )
    }

    /// An import makes, moves and removes no files.
    fn table_kind(&self, entry: &TableEntry, old: Option<&Table>) -> Told<TableKind> {
        let location = || entry.location.clone().ok_or("it has no location");
        let kind = match entry.kind.as_str() {
            "managed" => TableKind::Managed { location: location()? },
            "external" => TableKind::External { location: location()? },
            "view" => {
                let was = old.and_then(Table::view);
                let reads = entry.reads.iter().map(|name| self.ids.table(name)).collect::<Told<_>>()?;
                let calls = entry.calls.iter().map(|name| self.ids.function(name)).collect::<Told<_>>()?;
                TableKind::View(ViewDefinition {
                    text: entry.text.clone().ok_or("it has no text")?,
                    tests_identity: entry.tests_identity,
                    reads: in_order(reads, was.map(|view| &view.reads)),
                    calls: in_order(calls, was.map(|view| &view.calls)),
                })
            }
            other => return Err(format!("`{other}` is none of managed, external, view")),
        };
        crate::metastore::check_location(&kind).map_err(|error| error.to_string())?;
        match old.map(|old| &old.kind) {
            Some(TableKind::View(_)) if !matches!(kind, TableKind::View(_)) => {
                Err("it is a view and stays one".to_owned())
            }
            Some(old @ (TableKind::Managed { .. } | TableKind::External { .. })) if *old != kind => {
                Err("its files lie elsewhere, and an import moves no files".to_owned())
            }
            _ => Ok(kind),
        }
    }

    fn columns(&self, entry: &TableEntry, old: Option<&Table>) -> Told<columns::Imported> {
        let said =
            entry.columns.iter().map(|one| one.clone().into_model().map_err(|error| error.to_string()));
        columns::imported(said.collect::<Told<Vec<Column>>>()?, old, self.removal, self.snapshot)
    }

    fn policies(
        &self,
        entry: &TableEntry,
        old: Option<&Table>,
        imported: &columns::Imported,
    ) -> Told<(Option<crate::policy::RowFilter>, Vec<crate::policy::ColumnMask>)> {
        let old = old.filter(|_| self.keeps());
        let filter = match &entry.row_filter {
            None => old.and_then(|old| old.row_filter.clone()),
            Some(filter) => {
                let mut filter = filter.clone();
                filter.function = self.ids.called(&filter.function)?;
                let mut filter = filter.into_model().map_err(|error| error.to_string())?;
                imported.bind_arguments(&mut filter.arguments)?;
                Some(filter)
            }
        };
        let masks = entry.masks.iter().map(|mask| {
            let mut mask = mask.clone();
            mask.function = self.ids.called(&mask.function)?;
            mask.into_model().map_err(|error| error.to_string())
        });
        let kept = old.map(|old| old.masks.as_slice()).unwrap_or_default();
        Ok((filter, imported.masks(masks.collect::<Told<Vec<_>>>()?, kept)?))
    }

    fn functions(&mut self) -> Vec<Function> {
        let old = self.snapshot.all_functions().cloned();
        self.list(
            "function",
            &self.document.functions,
            old,
            |x| x.name.to_string(),
            |import, name, entry| {
                let name = three(name).ok_or("invalid name")?;
                let old = import.snapshot.function(&name);
                let parameters =
                    |list: &[ParameterJson]| list.iter().cloned().map(ParameterJson::into_model).collect();
                let reads = entry.reads.iter().map(|name| import.ids.table(name)).collect::<Told<_>>()?;
                let calls = entry.calls.iter().map(|name| import.ids.function(name)).collect::<Told<_>>()?;
                let built = Function {
                    id: *import.ids.functions.get(&name).ok_or("not found")?,
                    schema: import.ids.schema_of(&name)?,
                    owner: import.ids.principal(&entry.owner)?,
                    parameters: parameters(&entry.parameters),
                    returns: match (&entry.returns, &entry.returns_table) {
                        (Some(text), None) => Returns::Scalar(text.clone()),
                        (None, Some(columns)) => Returns::Table(parameters(columns)),
                        _ => return Err("it has one of `returns` and `returns_table`".to_owned()),
                    },
                    body: entry.body.clone(),
                    reads: in_order(reads, old.map(|old| &old.reads)),
                    calls: in_order(calls, old.map(|old| &old.calls)),
                    comment: entry.comment.clone(),
                    stamps: old.map_or(import.stamps, |old| old.stamps),
                    name,
                };
                Ok(settled!(import, old, built))
            },
        )
    }

    fn volumes(&mut self) -> Vec<Volume> {
        let old = self.snapshot.all_volumes().cloned();
        self.list(
            "volume",
            &self.document.volumes,
            old,
            |x| x.name.to_string(),
            |import, name, entry| {
                let name = three(name).ok_or("invalid name")?;
                let old = import.snapshot.volume(&name);
                let location = entry.location.clone();
                let kind = match entry.kind.as_str() {
                    "managed" => VolumeKind::Managed { location },
                    "external" => VolumeKind::External { location },
                    other => return Err(format!("`{other}` is none of managed, external")),
                };
                if old.is_some_and(|old| old.kind != kind) {
                    return Err("its files lie elsewhere, and an import moves no files".to_owned());
                }
                let built = Volume {
                    id: *import.ids.volumes.get(&name).ok_or("not found")?,
                    schema: import.ids.schema_of(&name)?,
                    owner: import.ids.principal(&entry.owner)?,
                    kind,
                    comment: entry.comment.clone(),
                    tags: import.merged(old.map(|old| &old.tags), tags_of(&entry.tags)?),
                    stamps: old.map_or(import.stamps, |old| old.stamps),
                    name,
                };
                Ok(settled!(import, old, built))
            },
        )
    }

    fn external_locations(&mut self) -> Vec<ExternalLocation> {
        let (old, entries) = (self.snapshot.external_locations().cloned(), &self.document.external_locations);
        self.list(
            "external location",
            entries,
            old,
            |x| x.name.to_string(),
            |import, name, entry| {
                let name = one(name).ok_or("invalid name")?;
                let old = import.snapshot.external_location(&name);
                let credential = entry.credential.as_ref().map(|credential| {
                    let found = one(credential).and_then(|name| import.ids.credentials.get(&name).copied());
                    found.ok_or_else(|| format!("storage credential `{credential}` not found"))
                });
                let built = ExternalLocation {
                    id: *import.ids.locations.get(&name).ok_or("not found")?,
                    url: entry.url.clone(),
                    credential: credential.transpose()?,
                    owner: import.ids.principal(&entry.owner)?,
                    comment: entry.comment.clone(),
                    stamps: old.map_or(import.stamps, |old| old.stamps),
                    name,
                };
                Ok(settled!(import, old, built))
            },
        )
    }

    fn storage_credentials(&mut self) -> Vec<StorageCredential> {
        let (old, entries) =
            (self.snapshot.storage_credentials().cloned(), &self.document.storage_credentials);
        self.list(
            "storage credential",
            entries,
            old,
            |x| x.name.to_string(),
            |import, name, entry| {
                let name = one(name).ok_or("invalid name")?;
                let old = import.snapshot.storage_credential(&name);
                let built = StorageCredential {
                    id: *import.ids.credentials.get(&name).ok_or("not found")?,
                    owner: import.ids.principal(&entry.owner)?,
                    comment: entry.comment.clone(),
                    stamps: old.map_or(import.stamps, |old| old.stamps),
                    name,
                };
                Ok(settled!(import, old, built))
            },
        )
    }

    fn governed_tags(&mut self) -> Vec<GovernedTag> {
        let old = self.snapshot.governed_tags().cloned();
        let entries = &self.document.governed_tags;
        self.list(
            "governed tag",
            entries,
            old,
            |x| x.key.to_string(),
            |import, key, entry| {
                let key = TagKey::new(key).map_err(|error| error.to_string())?;
                let old = import.snapshot.governed_tag(&key);
                let built = GovernedTag {
                    id: *import.ids.tags.get(&key).ok_or("not found")?,
                    values: entry.values.clone(),
                    owner: import.ids.principal(&entry.owner)?,
                    comment: entry.comment.clone(),
                    stamps: old.map_or(import.stamps, |old| old.stamps),
                    key,
                };
                Ok(settled!(import, old, built))
            },
        )
    }

    fn tag_policies(&mut self) -> Vec<TagPolicy> {
        let mut list = Vec::new();
        for (scope, policies) in &self.document.tag_policies {
            for (name, entry) in policies {
                match self.tag_policy(scope, name, entry) {
                    Ok(policy) => list.push(policy),
                    Err(problem) => self.problems.push(format!("tag policy `{name}` on {scope}: {problem}")),
                }
            }
        }
        if self.keeps() {
            let named: BTreeSet<TagPolicyId> = list.iter().map(|policy| policy.id).collect();
            list.extend(self.snapshot.all_tag_policies().filter(|old| !named.contains(&old.id)).cloned());
        }
        list
    }

    fn tag_policy(&self, scope: &str, name: &str, entry: &super::TagPolicyEntry) -> Told<TagPolicy> {
        let scope = self.ids.securable(scope)?;
        let name = one(name).ok_or("invalid name")?;
        let old = self.snapshot.tag_policy(scope, &name);
        let audience = |names: &[String], old: Option<&Vec<PrincipalId>>| -> Told<Vec<String>> {
            let ids = in_order(self.ids.principals(names)?, old);
            Ok(ids.iter().map(ToString::to_string).collect())
        };
        let mut definition = entry.definition.clone();
        definition.function = self.ids.called(&definition.function)?;
        definition.to = audience(&definition.to, old.map(|old| &old.audience.to))?;
        definition.except = audience(&definition.except, old.map(|old| &old.audience.except))?;
        let id = old.map_or_else(TagPolicyId::fresh, |old| old.id);
        let stamps = old.map_or(self.stamps, |old| old.stamps);
        let built = definition.into_model(id, name, scope, entry.comment.clone(), stamps);
        let built = built.map_err(|error| error.to_string())?;
        Ok(settled!(self, old, built))
    }

    fn policy_tests(&mut self) -> Vec<PolicyTest> {
        let (old, entries) = (self.snapshot.policy_tests().cloned(), &self.document.policy_tests);
        self.list(
            "policy test",
            entries,
            old,
            |x| x.name.to_string(),
            |import, name, entry| {
                let name = one(name).ok_or("invalid name")?;
                let old = import.snapshot.policy_test(&name);
                let built = PolicyTest {
                    id: old.map_or_else(PolicyTestId::fresh, |old| old.id),
                    as_user: import.ids.principal(&entry.as_user)?,
                    query: entry.query.clone(),
                    expectation: entry.expectation.clone().into_model(),
                    owner: import.ids.principal(&entry.owner)?,
                    comment: entry.comment.clone(),
                    stamps: old.map_or(import.stamps, |old| old.stamps),
                    name,
                };
                Ok(settled!(import, old, built))
            },
        )
    }

    fn grants(&mut self) -> Vec<Grant> {
        let mut grants: HashSet<Grant> = self.snapshot.grants().filter(|_| self.keeps()).collect();
        let document = self.document;
        for (effect, list) in [(Effect::Allow, &document.grants), (Effect::Deny, &document.denials)] {
            for (key, holders) in list {
                for (holder, privileges) in holders {
                    for privilege in privileges {
                        match self.grant(effect, key, holder, privilege) {
                            Ok(grant) => {
                                grants.insert(grant);
                            }
                            Err(problem) => {
                                self.problems.push(format!("{privilege} on {key} for `{holder}`: {problem}"));
                            }
                        }
                    }
                }
            }
        }
        grants.into_iter().collect()
    }

    fn grant(&self, effect: Effect, key: &str, holder: &str, privilege: &str) -> Told<Grant> {
        Ok(Grant {
            principal: self.ids.principal(holder)?,
            privilege: Privilege::parse(privilege).ok_or("there is no such privilege")?,
            securable: self.ids.securable(key)?,
            effect,
        })
    }
}
