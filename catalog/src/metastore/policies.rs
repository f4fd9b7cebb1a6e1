//! Row filters and column masks.
//!
//! What is checked here: rights, the number of arguments, and that no policies read in a circle. Types
//! are the server's concern, before it asks.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::columns::bindings_mut;
use super::tables::same_column;
use super::{Metastore, Request, Write};
use crate::audit::{Action, Requester};
use crate::decision::Reason;
use crate::error::Error;
use crate::function::Function;
use crate::id::TableId;
use crate::name::ObjectName;
use crate::policy::{ColumnBinding, ColumnMask, PolicyArgument, PolicyFunction, RowFilter, SEMANTICS};
use crate::policy_cycle::check_closed;
use crate::policy_reading::check_readings;
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
            let governed = respelled(Table { row_filter: Some(filter), ..table.clone() });
            let changes = vec![Change::TablePut(Box::new(governed))];
            check_policy_cycles(caller, &changes)?;
            Ok(Write { changes, because, value: () })
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
        let request = Request::new(by, now, Action::MaskSet, securable).with("column", mask.place());
        self.write(request, |caller| {
            let found = caller.table_or_view(table)?;
            let because = require_maskable(caller, table, &mask)?;
            let mut masked = found.clone();
            put_mask(&mut masked.masks, &mask)?;
            let changes = vec![Change::TablePut(Box::new(respelled(masked)))];
            check_policy_cycles(caller, &changes)?;
            Ok(Write { changes, because, value: () })
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

/// With each column that policies are bound to by field id under the name it has now: it may have been renamed
/// since the caller looked.
pub(crate) fn respelled(mut table: Table) -> Table {
    let named = table.columns.iter().filter_map(|column| Some((column.field_id?, column.name.clone())));
    let names: HashMap<i64, String> = named.collect();
    for binding in bindings_mut(&mut table) {
        if let Some(name) = binding.field_id.and_then(|id| names.get(&id)) {
            name.clone_into(&mut binding.name);
        }
    }
    table
}

/// Adds a mask, in the place of one at the same place; refused beside one that covers it or is covered.
pub(super) fn put_mask(masks: &mut Vec<ColumnMask>, mask: &ColumnMask) -> Result<(), Error> {
    masks.retain(|known| !is_on(known, &mask.column) || !same_path(&known.path, &mask.path));
    let other = masks.iter().find(|known| is_on(known, &mask.column) && covers(&known.path, &mask.path));
    if let Some(other) = other {
        return Err(Error::MaskOverlap { place: mask.place(), other: other.place() });
    }
    masks.push(mask.clone());
    Ok(())
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

/// What setting a mask needs: MANAGE on the table and, where the function is the catalog's, EXECUTE on it.
pub(super) fn require_maskable(
    caller: &Caller<'_>,
    table: &ObjectName,
    mask: &ColumnMask,
) -> Result<Vec<Reason>, Error> {
    match mask.function {
        PolicyFunction::Builtin(_) => {
            let found = caller.table_or_view(table)?;
            caller.require(Privilege::Manage, SecurableId::Table(found.id))
        }
        PolicyFunction::Sql(id) => {
            let function = caller.snapshot.function_by_id(id).ok_or(Error::SourceDropped)?;
            Ok(check_settable(caller, table, &function.name, mask.arguments.len() + 1)?.2)
        }
    }
}

fn check_settable<'s>(
    caller: &Caller<'s>,
    table: &ObjectName,
    function: &ObjectName,
    arguments: usize,
) -> Result<(&'s Table, &'s Function, Vec<Reason>), Error> {
    let table = caller.table_or_view(table)?;
    let mut because = caller.require(Privilege::Manage, SecurableId::Table(table.id))?;
    let (function, reasons) = check_callable(caller, function, arguments)?;
    because.extend(reasons);
    Ok((table, function, because))
}

/// EXECUTE on the function, which must take so many arguments.
pub(super) fn check_callable<'s>(
    caller: &Caller<'s>,
    function: &ObjectName,
    arguments: usize,
) -> Result<(&'s Function, Vec<Reason>), Error> {
    let function = caller.function(function)?;
    let because = caller.require(Privilege::Execute, SecurableId::Function(function.id))?;
    check_arity(function, arguments)?;
    Ok((function, because))
}

pub(super) fn check_arity(function: &Function, found: usize) -> Result<(), Error> {
    let most = function.parameters.len();
    let least = function.parameters.iter().filter(|parameter| parameter.default.is_none()).count();
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(Error::WrongArgumentCount { function: function.name.clone(), least, most, found })
}

/// INVARIANT: no policies read in a circle, and none reads what has policies but by its definer's will.
/// Refuses changes after which one would.
pub(super) fn check_policy_cycles(caller: &Caller<'_>, changes: &[Change]) -> Result<(), Error> {
    let after = with_changes(caller.snapshot, changes);
    check_closed(caller.snapshot, &after, caller.by)?;
    check_readings(caller.snapshot, &after, caller.by)
}

/// The catalog as it would be with these puts of catalogs, schemas, tables, functions, volumes and tag
/// policies.
fn with_changes(snapshot: &Snapshot, changes: &[Change]) -> Snapshot {
    let root = MetastoreRoot { id: snapshot.metastore_id(), owner: snapshot.metastore_owner() };
    let mut content = Content::empty(root);
    for change in changes {
        match change {
            Change::CatalogPut(catalog) => content.catalogs.push(catalog.clone()),
            Change::SchemaPut(schema) => content.schemas.push(schema.clone()),
            Change::TablePut(table) => content.tables.push(table.as_ref().clone()),
            Change::FunctionPut(function) => content.functions.push(function.as_ref().clone()),
            Change::VolumePut(volume) => content.volumes.push(volume.clone()),
            Change::TagPolicyPut(policy) => content.tag_policies.push(policy.as_ref().clone()),
            _ => {}
        }
    }
    snapshot.advanced(snapshot.epoch(), Increment::whole(content))
}

/// `start` and all that its views read, at any depth. `replaced` is a view that is about to read something
/// else.
pub(super) fn reads_of(
    snapshot: &Snapshot,
    start: &[TableId],
    replaced: Option<(TableId, &[TableId])>,
) -> BTreeSet<TableId> {
    let mut read = BTreeSet::new();
    let mut open: Vec<TableId> = start.to_vec();
    while let Some(id) = open.pop() {
        if !read.insert(id) {
            continue;
        }
        match replaced {
            Some((view, reads)) if view == id => open.extend(reads),
            _ => {
                let view = snapshot.table_by_id(id).and_then(Table::view);
                open.extend(view.into_iter().flat_map(|view| &view.reads));
            }
        }
    }
    read
}
