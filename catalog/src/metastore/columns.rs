//! Columns of tables and views as the catalog knows them, and what policies need of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::policies::{check_policy_cycles, require_maskable};
use super::tables::{check_columns, described, same_column};
use super::tags::{Keeping, carry_tags};
use super::{Metastore, Request, Write};
use crate::audit::{Action, Requester};
use crate::error::{Dependents, Error};
use crate::name::ObjectName;
use crate::policy::{ColumnBinding, ColumnMask, PolicyArgument};
use crate::privilege::Privilege;
use crate::securable::{Column, SecurableId, SecurableKind, SecurableName, Table};
use crate::store::Change;

/// A column to be added, with the mask it has from its first moment on.
#[derive(Debug, Clone)]
pub struct ColumnSpec {
    /// The column.
    pub column: Column,
    /// Its mask.
    pub mask: Option<ColumnMask>,
}

impl Metastore {
    /// What is known of a table's columns, after its Delta log got other ones. Needs MANAGE.
    /// Refused when a policy is bound by name to a column that would be gone, or that has tags; the tags
    /// of the others stay.
    pub async fn table_set_columns(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        columns: Vec<Column>,
    ) -> Result<(), Error> {
        check_columns(&columns)?;
        self.table_alter(by, now, name, |caller, table| {
            check_bound_columns(table, &columns)?;
            let columns = carry_tags(caller, table, columns.clone(), Keeping::Tagged)?;
            Ok(Some(Table { columns, ..table.clone() }))
        })
        .await
    }

    /// Adds columns to a table, after those it has. Needs MANAGE, and for a mask what a mask needs. The catalog
    /// knows of a column and its mask before the table's log has it, so that the column is at no time there
    /// without its mask. A conflict where a field id is another column's already: masks and tags hang on it.
    pub async fn columns_add(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        added: &[ColumnSpec],
    ) -> Result<(), Error> {
        let securable = SecurableName::Table(name.clone());
        self.write(Request::new(by, now, Action::TableAlter, securable), |caller| {
            let table = caller.table_of_kind(name, SecurableKind::Table)?;
            let mut because = caller.require(Privilege::Manage, SecurableId::Table(table.id))?;
            let mut altered = table.clone();
            altered.columns.extend(added.iter().map(|spec| spec.column.clone()));
            check_columns(&altered.columns)?;
            check_ids_free(table, added)?;
            for mask in added.iter().filter_map(|spec| spec.mask.as_ref()) {
                because.extend(require_maskable(caller, name, mask)?);
                altered.masks.push(mask.clone());
            }
            altered.stamps = caller.altered(table.stamps);
            let changes = vec![Change::TablePut(Box::new(altered))];
            check_policy_cycles(caller, &changes)?;
            Ok(Write { changes, because, value: () })
        })
        .await
    }

    /// Takes columns and their masks back that were added and did not come to be in the table's log. Needs
    /// MANAGE.
    pub async fn columns_withdraw(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        withdrawn: &[String],
    ) -> Result<(), Error> {
        let withdrawn = |column: &str| withdrawn.iter().any(|name| same_column(name, column));
        self.table_alter(by, now, name, |_, table| {
            let mut altered = table.clone();
            altered.columns.retain(|column| !withdrawn(&column.name));
            altered.masks.retain(|mask| !withdrawn(&mask.column.name));
            check_bound_columns(&altered, &altered.columns)?;
            Ok(Some(altered))
        })
        .await
    }

    /// Of a table or view. Needs MANAGE.
    pub async fn column_set_comment(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        column: &str,
        comment: Option<String>,
    ) -> Result<(), Error> {
        self.table_alter(by, now, name, |_, table| {
            let mut altered = table.clone();
            let found = altered.columns.iter_mut().find(|known| same_column(&known.name, column));
            let missing = || Error::ColumnNotFound { table: name.clone(), column: column.to_owned() };
            found.ok_or_else(missing)?.comment = comment.clone();
            Ok(Some(altered))
        })
        .await
    }
}

/// Refuses field ids by which the table knows something already: it got columns since its log was looked at.
fn check_ids_free(table: &Table, added: &[ColumnSpec]) -> Result<(), Error> {
    let mut taken: BTreeSet<i64> = table.field_ids().collect();
    let mut ids = added.iter().filter_map(|spec| spec.column.field_id);
    if ids.all(|id| taken.insert(id)) { Ok(()) } else { Err(Error::Contention) }
}

fn check_bound_columns(table: &Table, columns: &[Column]) -> Result<(), Error> {
    let gone = |binding: &ColumnBinding| {
        binding.field_id.is_none() && !columns.iter().any(|column| same_column(&column.name, &binding.name))
    };
    let bound = bindings(table).into_iter().find(|(binding, _)| gone(binding));
    match bound {
        Some((column, policy)) => Err(Error::DependentsExist {
            what: format!("column `{}`", column.name),
            dependents: Dependents { visible: vec![policy], hidden: 0 },
        }),
        None => Ok(()),
    }
}

/// Refuses when with these columns a policy would have no column or one of another type.
pub(super) fn check_policies_kept(table: &Table, columns: &[Column]) -> Result<(), Error> {
    let by_name: BTreeMap<String, &Column> =
        columns.iter().map(|column| (column.name.to_lowercase(), column)).collect();
    let found = |name: &str| by_name.get(&name.to_lowercase());
    let orphaned = bindings(table).into_iter().filter_map(|(binding, policy)| match found(&binding.name) {
        None => Some(format!("{policy} (needs column `{}`)", binding.name)),
        Some(column) if !column.value_type().eq_ignore_ascii_case(&binding.type_text) => {
            Some(format!("{policy} (needs column `{}` of type {})", binding.name, binding.type_text))
        }
        Some(_) => None,
    });
    let mut visible: Vec<String> = orphaned.collect();
    if visible.is_empty() {
        return Ok(());
    }
    visible.sort();
    visible.dedup();
    let what = format!("the definition of {}", described(table));
    Err(Error::DependentsExist { what, dependents: Dependents { visible, hidden: 0 } })
}

/// The table with its policies bound by name: new files have other field ids or none.
pub(super) fn rebound(mut table: Table) -> Table {
    bindings_mut(&mut table).for_each(|binding| binding.field_id = None);
    table
}

/// Every column that a policy of the table is bound to, to be bound otherwise.
pub(super) fn bindings_mut(table: &mut Table) -> impl Iterator<Item = &mut ColumnBinding> {
    fn columns(arguments: &mut [PolicyArgument]) -> impl Iterator<Item = &mut ColumnBinding> {
        arguments.iter_mut().filter_map(|argument| match argument {
            PolicyArgument::Column(binding) => Some(binding),
            PolicyArgument::Literal(_) => None,
        })
    }
    let filters = table.row_filter.iter_mut().flat_map(|filter| columns(&mut filter.arguments));
    let masks = table.masks.iter_mut();
    let masked = masks.flat_map(|mask| std::iter::once(&mut mask.column).chain(columns(&mut mask.arguments)));
    filters.chain(masked)
}

/// Every column that a policy of the table is bound to, with the policy.
pub(super) fn bindings(table: &Table) -> Vec<(&ColumnBinding, String)> {
    fn columns(arguments: &[PolicyArgument]) -> impl Iterator<Item = &ColumnBinding> {
        arguments.iter().filter_map(|argument| match argument {
            PolicyArgument::Column(binding) => Some(binding),
            PolicyArgument::Literal(_) => None,
        })
    }
    let filter = format!("the row filter of {}", described(table));
    let filters = table.row_filter.iter().flat_map(|filter| columns(&filter.arguments));
    let mut bindings: Vec<_> = filters.map(|binding| (binding, filter.clone())).collect();
    for mask in &table.masks {
        let policy = format!("the mask of column `{}` of {}", mask.place(), described(table));
        let bound = std::iter::once(&mask.column).chain(columns(&mask.arguments));
        bindings.extend(bound.map(|binding| (binding, policy.clone())));
    }
    bindings
}
