//! Row filters and column masks.
//!
//! What is checked here: rights, the number of arguments, and that no policy reads a governed
//! table, not through a view either. Types are the server's concern, before it asks.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::tables::same_column;
use super::tag_policies::described;
use super::{Metastore, Request, Write};
use crate::audit::{Action, Requester};
use crate::decision::Reason;
use crate::error::Error;
use crate::function::Function;
use crate::id::{FunctionId, TableId};
use crate::name::ObjectName;
use crate::policy::{ColumnBinding, ColumnMask, PolicyArgument, PolicyFunction, RowFilter, SEMANTICS};
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableName, Table};
use crate::snapshot::{Content, Increment, MetastoreRoot, Snapshot};
use crate::store::Change;

impl Metastore {
    /// Needs MANAGE on the table, EXECUTE on the function, and USE on the way to both. Takes
    /// the place of a row filter that is there.
    pub async fn row_filter_set(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        table: &ObjectName,
        function: &ObjectName,
        arguments: Vec<PolicyArgument>,
    ) -> Result<(), Error> {
        let securable = SecurableName::Table(table.clone());
        self.write(Request::new(by, now, Action::RowFilterSet, securable), |caller| {
            let (table, function, because) = check_settable(caller, table, function, arguments.len())?;
            let filter = RowFilter {
                function: PolicyFunction::Sql(function.id),
                arguments: arguments.clone(),
                semantics: SEMANTICS,
            };
            let governed = Table { row_filter: Some(filter), ..table.clone() };
            Ok(Write { changes: vec![Change::TablePut(Box::new(governed))], because, value: () })
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn row_filter_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        table: &ObjectName,
    ) -> Result<(), Error> {
        let securable = SecurableName::Table(table.clone());
        self.write(Request::new(by, now, Action::RowFilterDrop, securable), |caller| {
            let found = caller.table_or_view(table)?;
            let because = caller.require(Privilege::Manage, SecurableId::Table(found.id))?;
            if found.row_filter.is_none() {
                return Err(Error::RowFilterNotFound { table: table.clone() });
            }
            let altered = Table { row_filter: None, ..found.clone() };
            Ok(Write { changes: vec![Change::TablePut(Box::new(altered))], because, value: () })
        })
        .await
    }

    /// Needs MANAGE on the table, EXECUTE on the function where it is the catalog's, and USE on the way to
    /// both. Takes the place of a mask at the same place of the column; refused beside one that covers it or
    /// is covered.
    pub async fn mask_set(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        table: &ObjectName,
        mask: ColumnMask,
    ) -> Result<(), Error> {
        let securable = SecurableName::Table(table.clone());
        let request = Request::new(by, now, Action::MaskSet, securable).with("column", place_of(&mask));
        self.write(request, |caller| {
            let found = caller.table_or_view(table)?;
            let because = match mask.function {
                PolicyFunction::Builtin(_) => {
                    caller.require(Privilege::Manage, SecurableId::Table(found.id))?
                }
                PolicyFunction::Sql(id) => {
                    let function = caller.snapshot.function_by_id(id).ok_or(Error::SourceDropped)?;
                    check_settable(caller, table, &function.name.clone(), mask.arguments.len() + 1)?.2
                }
            };
            let mut masked = found.clone();
            masked.masks.retain(|known| !is_on(known, &mask.column) || !same_path(&known.path, &mask.path));
            if let Some(other) = masked
                .masks
                .iter()
                .find(|known| is_on(known, &mask.column) && covers(&known.path, &mask.path))
            {
                return Err(Error::MaskOverlap { place: place_of(&mask), other: place_of(other) });
            }
            masked.masks.push(mask.clone());
            Ok(Write { changes: vec![Change::TablePut(Box::new(masked))], because, value: () })
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn mask_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        table: &ObjectName,
        column: &str,
        path: &[String],
    ) -> Result<(), Error> {
        let securable = SecurableName::Table(table.clone());
        self.write(Request::new(by, now, Action::MaskDrop, securable).with("column", column), |caller| {
            let found = caller.table_or_view(table)?;
            let because = caller.require(Privilege::Manage, SecurableId::Table(found.id))?;
            let mut altered = found.clone();
            altered
                .masks
                .retain(|mask| !same_column(&mask.column.name, column) || !same_path(&mask.path, path));
            if altered.masks.len() == found.masks.len() {
                return Err(Error::MaskNotFound { table: table.clone(), column: column.to_owned() });
            }
            Ok(Write { changes: vec![Change::TablePut(Box::new(altered))], because, value: () })
        })
        .await
    }
}

/// The same column: by field id where both have one, else by name.
fn is_on(mask: &ColumnMask, column: &ColumnBinding) -> bool {
    match (mask.column.field_id, column.field_id) {
        (Some(left), Some(right)) => left == right,
        _ => same_column(&mask.column.name, &column.name),
    }
}

fn same_path(left: &[String], right: &[String]) -> bool {
    left.len() == right.len() && covers(left, right)
}

/// Whether one of the places is the other or lies within it.
fn covers(left: &[String], right: &[String]) -> bool {
    left.iter().zip(right).all(|(left, right)| same_column(left, right))
}

/// A masked place, e.g. `address.street`.
fn place_of(mask: &ColumnMask) -> String {
    let parts = std::iter::once(mask.column.name.as_str()).chain(mask.path.iter().map(String::as_str));
    parts.collect::<Vec<_>>().join(".")
}

pub(super) fn check_settable<'s>(
    caller: &Caller<'s>,
    table: &ObjectName,
    function: &ObjectName,
    arguments: usize,
) -> Result<(&'s Table, &'s Function, Vec<Reason>), Error> {
    let table = caller.table_or_view(table)?;
    let mut because = caller.require(Privilege::Manage, SecurableId::Table(table.id))?;
    let function = caller.function(function)?;
    because.extend(caller.require(Privilege::Execute, SecurableId::Function(function.id))?);
    check_arity(function, arguments)?;
    let sources = Sources { governed: Some(table.id), policy: Some(function.id), ..Sources::default() };
    check_policy_sources(caller, &sources)?;
    Ok((table, function, because))
}

pub(super) fn check_arity(function: &Function, found: usize) -> Result<(), Error> {
    let most = function.parameters.len();
    let least = function.parameters.iter().filter(|parameter| parameter.default.is_none()).count();
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(Error::WrongArgumentCount { function: function.name.clone(), least, most, found })
}

/// What a write would change about who reads what.
#[derive(Default)]
pub(super) struct Sources<'a> {
    /// A view gets another text, which reads these.
    pub(super) view: Option<(TableId, &'a Vec<TableId>)>,
    /// A function gets another body.
    pub(super) function: Option<&'a Function>,
    /// A table gets a policy.
    pub(super) governed: Option<TableId>,
    /// A function becomes a policy's.
    pub(super) policy: Option<FunctionId>,
}

/// INVARIANT: no policy reads a governed table, directly or through views. Whose policies would
/// hold inside a policy is a question that must not come up.
pub(super) fn check_policy_sources(caller: &Caller<'_>, sources: &Sources<'_>) -> Result<(), Error> {
    check_reads(caller, caller.snapshot, sources)
}

/// The same of the catalog as it would be `after` a write.
pub(super) fn check_policy_reads(caller: &Caller<'_>, after: &Snapshot) -> Result<(), Error> {
    check_reads(caller, after, &Sources::default())
}

/// The catalog as it would be with these puts of catalogs, schemas, tables, volumes and tag policies.
pub(super) fn with_changes(snapshot: &Snapshot, changes: &[Change]) -> Snapshot {
    let root = MetastoreRoot { id: snapshot.metastore_id(), owner: snapshot.metastore_owner() };
    let mut content = Content::empty(root);
    for change in changes {
        match change {
            Change::CatalogPut(catalog) => content.catalogs.push(catalog.clone()),
            Change::SchemaPut(schema) => content.schemas.push(schema.clone()),
            Change::TablePut(table) => content.tables.push(table.as_ref().clone()),
            Change::VolumePut(volume) => content.volumes.push(volume.clone()),
            Change::TagPolicyPut(policy) => content.tag_policies.push(policy.as_ref().clone()),
            _ => {}
        }
    }
    snapshot.advanced(snapshot.epoch(), Increment::whole(content))
}

fn check_reads(caller: &Caller<'_>, snapshot: &Snapshot, sources: &Sources<'_>) -> Result<(), Error> {
    let mut called: BTreeSet<FunctionId> = snapshot.all_tables().flat_map(Table::policy_functions).collect();
    called.extend(snapshot.all_tag_policies().filter_map(|policy| policy.function.sql()));
    called.extend(sources.policy);
    for id in with_calls(snapshot, called, sources) {
        let replacement = sources.function.filter(|function| function.id == id);
        let Some(function) = replacement.or_else(|| snapshot.function_by_id(id)) else {
            continue;
        };
        for read in reads_of(snapshot, &function.reads, sources) {
            let Some(table) = snapshot.table_by_id(read) else { continue };
            if snapshot.is_governed(table) || sources.governed == Some(read) {
                return Err(reads_governed(caller, snapshot, function, table));
            }
        }
    }
    Ok(())
}

/// `functions` and all that they call, at any depth.
fn with_calls(
    snapshot: &Snapshot,
    functions: BTreeSet<FunctionId>,
    sources: &Sources<'_>,
) -> BTreeSet<FunctionId> {
    let mut known = BTreeSet::new();
    let mut open: Vec<FunctionId> = functions.into_iter().collect();
    while let Some(id) = open.pop() {
        let replacement = sources.function.filter(|function| function.id == id);
        let function = replacement.or_else(|| snapshot.function_by_id(id));
        if known.insert(id)
            && let Some(function) = function
        {
            open.extend(&function.calls);
        }
    }
    known
}

/// Names the way round where the table is governed by the very function that reads it.
fn reads_governed(caller: &Caller<'_>, snapshot: &Snapshot, function: &Function, table: &Table) -> Error {
    let visible = caller.sees(SecurableId::Table(table.id));
    let itself = snapshot.tag_policies_over(table).into_iter().find(|policy| {
        policy.function.sql() == Some(function.id) && snapshot.covered(policy, table).is_some()
    });
    if let Some(policy) = itself.filter(|policy| visible && caller.reads_policies(policy.scope)) {
        let scope = snapshot.name_of(policy.scope).unwrap_or(SecurableName::Metastore);
        let (function, table) = (&function.name, &table.name);
        let policy = described(&policy.name, &scope);
        return Error::PolicyReadsItself {
            path: format!(
                "{policy} calls function `{function}`, which reads table `{table}`, which {policy} governs"
            ),
        };
    }
    Error::PolicyReadsGoverned { function: function.name.clone(), table: visible.then(|| table.name.clone()) }
}

/// `start` and all that its views read, at any depth.
pub(super) fn reads_of(snapshot: &Snapshot, start: &[TableId], sources: &Sources<'_>) -> BTreeSet<TableId> {
    let mut read = BTreeSet::new();
    let mut open: Vec<TableId> = start.to_vec();
    while let Some(id) = open.pop() {
        if !read.insert(id) {
            continue;
        }
        match sources.view {
            Some((view, reads)) if view == id => open.extend(reads),
            _ => {
                let view = snapshot.table_by_id(id).and_then(Table::view);
                open.extend(view.into_iter().flat_map(|view| &view.reads));
            }
        }
    }
    read
}
