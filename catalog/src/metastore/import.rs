//! A whole document at once, for account admins: all of it in one commit, or nothing.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::dependents::mentions_any;
use super::{Metastore, Request, Write};
use crate::audit::{Action, Requester};
use crate::check::findings;
use crate::decision::Reason;
use crate::document::{Difference, Document, Removal};
use crate::error::{Error, Reserved};
use crate::id::{FunctionId, TableId};
use crate::name::ObjectName;
use crate::securable::TableKind;
use crate::snapshot::{Content, Snapshot};
use crate::store::Change;

/// Functions that tell who asks. A text that has one of these words counts as one that calls it.
const IDENTITY_FUNCTIONS: [&str; 5] =
    ["current_user", "session_user", "is_account_group_member", "is_member", "user("];

impl Metastore {
    /// Makes the catalog what the document says; what it came to. Nothing changes where nothing differs.
    /// Refused whole where the outcome would not hold together in a way the catalog does now.
    pub async fn catalog_import(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        document: &Document,
        removal: Removal,
    ) -> Result<Vec<Difference>, Error> {
        let request = Request::new(by, now, Action::CatalogImport, "metastore")
            .with("removal", if removal == Removal::Prune { "prune" } else { "keep" });
        self.write(request, |caller| {
            let because = caller.require_account_admin(Reserved::ImportCatalog)?;
            decide(caller, document, removal, because)
        })
        .await
    }

    /// What [`catalog_import`](Self::catalog_import) would come to.
    pub async fn catalog_import_trial(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        document: &Document,
        removal: Removal,
    ) -> Result<Vec<Difference>, Error> {
        let request = Request::new(by, now, Action::CatalogImport, "metastore");
        let snapshot = request.requester.catalog(&self.snapshot().await?);
        let caller = Caller { stamps: request.stamps(), ..Caller::new(&snapshot, request.requester.by)? };
        let because = caller.require_account_admin(Reserved::ImportCatalog)?;
        Ok(decide(&caller, document, removal, because)?.value)
    }
}

fn decide(
    caller: &Caller<'_>,
    document: &Document,
    removal: Removal,
    because: Vec<Reason>,
) -> Result<Write<Vec<Difference>>, Error> {
    let snapshot = caller.snapshot;
    let refused = |problems| Error::ImportRefused { problems };
    let mut after = document.content(snapshot, removal, caller.stamps).map_err(refused)?;
    complete(&mut after);
    let outcome = Snapshot::new(snapshot.epoch(), after.clone());
    let before: HashSet<String> = findings(snapshot).into_iter().collect();
    let problems: Vec<_> = findings(&outcome).into_iter().filter(|one| !before.contains(one)).collect();
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let differences = crate::document::between(&Document::of(snapshot), &Document::of(&outcome));
    let differences = differences.map_err(|error| refused(vec![error.to_string()]))?;
    Ok(Write { changes: changes(snapshot, after), because, value: differences })
}

/// What a text uses is what the document says and what the text mentions: whoever changed a text and
/// left its uses as they were hides nothing from the checks.
fn complete(content: &mut Content) {
    let tables: Vec<(ObjectName, TableId)> = content.tables.iter().map(|x| (x.name.clone(), x.id)).collect();
    let functions: Vec<(ObjectName, FunctionId)> =
        content.functions.iter().map(|x| (x.name.clone(), x.id)).collect();
    for table in &mut content.tables {
        let id = table.id;
        if let TableKind::View(view) = &mut table.kind {
            add_mentioned(&mut view.reads, &view.text, tables.iter().filter(|(_, other)| *other != id));
            add_mentioned(&mut view.calls, &view.text, functions.iter());
            let text = view.text.to_lowercase();
            view.tests_identity |= IDENTITY_FUNCTIONS.iter().any(|name| text.contains(name));
        }
    }
    for function in &mut content.functions {
        let id = function.id;
        add_mentioned(&mut function.reads, &function.body, tables.iter());
        add_mentioned(
            &mut function.calls,
            &function.body,
            functions.iter().filter(|(_, other)| *other != id),
        );
    }
}

fn add_mentioned<'a, I: Copy + PartialEq + 'a>(
    used: &mut Vec<I>,
    text: &str,
    all: impl Iterator<Item = &'a (ObjectName, I)>,
) {
    for (name, id) in all {
        if !used.contains(id) && mentions_any(text, &[name.to_string()]) {
            used.push(*id);
        }
    }
}

/// What is there after and not before, and the other way round, by id.
fn moved<'a, T: PartialEq + 'a, I: Ord>(
    before: impl Iterator<Item = &'a T>,
    after: Vec<T>,
    id: impl Fn(&T) -> I,
    put: impl Fn(T) -> Change,
    remove: impl Fn(I) -> Change,
    changes: &mut Changes,
) {
    let mut known: BTreeMap<I, &T> = before.map(|thing| (id(thing), thing)).collect();
    for thing in after {
        if known.remove(&id(&thing)) != Some(&thing) {
            changes.puts.push(put(thing));
        }
    }
    changes.removals.extend(known.into_keys().map(remove));
}

/// Removals come first: a name may go to another thing.
#[derive(Default)]
struct Changes {
    removals: Vec<Change>,
    puts: Vec<Change>,
}

fn changes(old: &Snapshot, new: Content) -> Vec<Change> {
    let mut all = Changes::default();
    if old.metastore_owner() != new.metastore.owner {
        all.puts.push(Change::MetastoreOwnerPut(new.metastore.owner));
    }
    let held: HashSet<_> = old.grants().collect();
    let holds: HashSet<_> = new.grants.iter().copied().collect();
    all.removals.extend(held.difference(&holds).map(|grant| Change::GrantRemove(*grant)));
    let groups = old.principals().filter(|one| one.is_group());
    let were: HashSet<_> = groups
        .flat_map(|group| old.members_of(group.id).into_iter().map(|member| (group.id, member)))
        .collect();
    let are: HashSet<_> = new.memberships.iter().copied().collect();
    let left = were.difference(&are);
    all.removals.extend(left.map(|(group, member)| Change::MemberRemove { group: *group, member: *member }));
    moved(
        old.policy_tests(),
        new.policy_tests,
        |x| x.id,
        Change::PolicyTestPut,
        Change::PolicyTestRemove,
        &mut all,
    );
    let policy = |x| Change::TagPolicyPut(Box::new(x));
    moved(old.all_tag_policies(), new.tag_policies, |x| x.id, policy, Change::TagPolicyRemove, &mut all);
    let table = |x| Change::TablePut(Box::new(x));
    moved(old.all_tables(), new.tables, |x| x.id, table, Change::TableRemove, &mut all);
    let function = |x| Change::FunctionPut(Box::new(x));
    moved(old.all_functions(), new.functions, |x| x.id, function, Change::FunctionRemove, &mut all);
    moved(old.all_volumes(), new.volumes, |x| x.id, Change::VolumePut, Change::VolumeRemove, &mut all);
    let schemas = old.catalogs().flat_map(|catalog| old.schemas(catalog.id));
    moved(schemas, new.schemas, |x| x.id, Change::SchemaPut, Change::SchemaRemove, &mut all);
    moved(old.catalogs(), new.catalogs, |x| x.id, Change::CatalogPut, Change::CatalogRemove, &mut all);
    let (put, remove) = (Change::ExternalLocationPut, Change::ExternalLocationRemove);
    moved(old.external_locations(), new.external_locations, |x| x.id, put, remove, &mut all);
    let (put, remove) = (Change::StorageCredentialPut, Change::StorageCredentialRemove);
    moved(old.storage_credentials(), new.storage_credentials, |x| x.id, put, remove, &mut all);
    let (put, remove) = (Change::GovernedTagPut, Change::GovernedTagRemove);
    moved(old.governed_tags(), new.governed_tags, |x| x.id, put, remove, &mut all);
    moved(
        old.principals(),
        new.principals,
        |x| x.id,
        Change::PrincipalPut,
        Change::PrincipalRemove,
        &mut all,
    );
    let joined = are.difference(&were);
    all.puts.extend(joined.map(|(group, member)| Change::MemberAdd { group: *group, member: *member }));
    all.puts.extend(holds.difference(&held).map(|grant| Change::GrantAdd(*grant)));
    all.removals.into_iter().chain(all.puts).collect()
}
