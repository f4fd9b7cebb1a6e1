//! Columns renamed and dropped, and what stands on a column.
//!
//! Policies and tags are bound to a column by its field id and go with it through a rename. A text that names
//! the column does not: views, functions and policy tests are told by the words in them, so that a mention in a
//! string, or a `*`, counts as a use too; it refuses once too often rather than once too seldom.

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::columns::{bindings, bindings_mut};
use super::dependents::{Found, mentions_any};
use super::tables::{check_columns, described, same_column};
use super::tags::{Keeping, carry_tags};
use super::{Metastore, Request, Write};
use crate::audit::{Action, Requester};
use crate::effective::matches_column;
use crate::error::Error;
use crate::name::ObjectName;
use crate::privilege::Privilege;
use crate::securable::{Column, SecurableId, SecurableKind, SecurableName, Table};
use crate::store::Change;

impl Metastore {
    /// Gives a column another name, and binds it and the policies on it to `field_id`. Needs MANAGE. Refused
    /// while a view, function or policy test names the column. A column that has the new name already changes
    /// nothing: the log was left behind. One that the catalog does not know may have policies all the same.
    pub async fn column_rename(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        table: &ObjectName,
        (from, to): (&str, &str),
        field_id: i64,
    ) -> Result<(), Error> {
        let securable = SecurableName::Table(table.clone());
        let request =
            Request::new(by, now, Action::TableAlter, securable).with("column", from).with("to", to);
        self.write(request, |caller| {
            let found = caller.table_of_kind(table, SecurableKind::Table)?;
            let because = caller.require(Privilege::Manage, SecurableId::Table(found.id))?;
            let known = found.columns.iter().find(|column| column.field_id == Some(field_id));
            let column =
                known.or_else(|| found.column(from)).map_or_else(|| Column::new(from, ""), Column::clone);
            if column.name == to {
                return Ok(Write::nothing(()));
            }
            let mut uses = Found::new(caller);
            texts_that_name(&mut uses, found, &column.name);
            uses.refuse(format!("column `{}` of {}", column.name, described(found)))?;
            let mut altered = renamed(found, &column, to, field_id);
            check_columns(&altered.columns)?;
            altered.stamps = caller.altered(found.stamps);
            Ok(Write { changes: vec![Change::TablePut(Box::new(altered))], because, value: () })
        })
        .await
    }

    /// Lets go of columns. Needs MANAGE. Refused while a policy is bound to one, finds one by tags or in
    /// another way, while one has tags or is in the primary key, and while a view, function or policy test names one. Returns them with
    /// their places, for [`Metastore::columns_restore`].
    pub async fn columns_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        table: &ObjectName,
        dropped: &[(String, i64)],
    ) -> Result<Vec<(usize, Column)>, Error> {
        let securable = SecurableName::Table(table.clone());
        let names = dropped.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let request = Request::new(by, now, Action::TableAlter, securable).with("dropped columns", names);
        self.write(request, |caller| {
            let found = caller.table_of_kind(table, SecurableKind::Table)?;
            let because = caller.require(Privilege::Manage, SecurableId::Table(found.id))?;
            let mut going = Vec::new();
            for (name, field_id) in dropped {
                let known =
                    found.columns.iter().enumerate().find(|(_, column)| same_column(&column.name, name));
                // A column that the catalog does not know may have policies all the same.
                let column = known.map_or_else(|| Column::new(name, ""), |(_, column)| column.clone());
                check_unused(caller, found, &Column { field_id: Some(*field_id), ..column })?;
                going.extend(known.map(|(at, column)| (at, column.clone())));
            }
            if going.is_empty() {
                return Ok(Write::nothing(going));
            }
            let stays = |column: &&Column| !going.iter().any(|(_, gone)| gone.name == column.name);
            let columns: Vec<Column> = found.columns.iter().filter(stays).cloned().collect();
            let columns = carry_tags(caller, found, columns, Keeping::Tagged)?;
            let altered = Table { columns, stamps: caller.altered(found.stamps), ..found.clone() };
            Ok(Write { changes: vec![Change::TablePut(Box::new(altered))], because, value: going })
        })
        .await
    }

    /// Takes columns back that were dropped here and did not come to be gone from the table's log. Needs MANAGE.
    pub async fn columns_restore(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        table: &ObjectName,
        dropped: &[(usize, Column)],
    ) -> Result<(), Error> {
        self.table_alter(by, now, table, |_, found| {
            let mut altered = found.clone();
            for (at, column) in dropped {
                if altered.column(&column.name).is_none() {
                    altered.columns.insert((*at).min(altered.columns.len()), column.clone());
                }
            }
            Ok(Some(altered))
        })
        .await
    }
}

fn renamed(table: &Table, column: &Column, to: &str, field_id: i64) -> Table {
    let mut altered = table.clone();
    let known = Column { field_id: column.field_id.or(Some(field_id)), ..column.clone() };
    for binding in bindings_mut(&mut altered).filter(|binding| binding.is_on(&known)) {
        to.clone_into(&mut binding.name);
        binding.field_id = Some(field_id);
    }
    if let Some(same) = altered.columns.iter_mut().find(|same| same.name == column.name) {
        to.clone_into(&mut same.name);
        same.field_id = Some(field_id);
    }
    altered
}

fn check_unused(caller: &Caller<'_>, table: &Table, column: &Column) -> Result<(), Error> {
    let mut uses = Found::new(caller);
    let id = SecurableId::Table(table.id);
    if let Some(part) = &column.primary_key {
        uses.add(id, format!("primary key `{}`", part.constraint));
    }
    for (binding, policy) in bindings(table) {
        if binding.is_on(column) {
            uses.add(id, policy);
        }
    }
    for policy in caller.snapshot.tag_policies_over(table) {
        let speaks = caller.snapshot.covered(policy, table).is_some();
        if speaks && policy.matches.iter().any(|wanted| matches_column(&wanted.condition, &column.tags)) {
            uses.add_policy(policy);
        }
    }
    texts_that_name(&mut uses, table, &column.name);
    uses.refuse(format!("column `{}` of {}", column.name, described(table)))
}

/// Views, functions and policy tests that read the table and have the column's name, or a `*`, in their texts.
fn texts_that_name(found: &mut Found<'_, '_>, table: &Table, column: &str) {
    let snapshot = found.caller.snapshot;
    for view in snapshot.all_tables() {
        let names = view.view().is_some_and(|definition| {
            definition.reads.contains(&table.id) && names(&definition.text, column)
        });
        if names {
            found.add(SecurableId::Table(view.id), format!("view `{}`", view.name));
        }
    }
    for function in snapshot.all_functions() {
        if function.reads.contains(&table.id) && names(&function.body, column) {
            found.add(SecurableId::Function(function.id), format!("function `{}`", function.name));
        }
    }
    let full = [table.name.to_string()];
    for test in snapshot.policy_tests() {
        if mentions_any(&test.query, &full) && names(&test.query, column) {
            found.add_policy_test(test);
        }
    }
}

fn names(text: &str, column: &str) -> bool {
    let fold = |text: &str| text.replace('`', "").to_lowercase();
    let (text, column) = (fold(text), fold(column));
    let in_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.contains('*')
        || text.match_indices(&column).any(|(at, found)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
            !in_name(before) && !in_name(after)
        })
}
