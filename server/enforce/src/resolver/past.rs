//! Time travel: the rows of then under the policies of now.
//!
//! A version shows those columns that the table has today, under the names they have today, so that policies, which
//! speak of today's columns, meet each of them: by field id where the table has them, else by name. A column that is gone
//! today is not shown, whatever it was and whoever asks, since what governed it went with it. A column with
//! fields inside is shown while these are the same, by id where the table has them, and by name: else it is another column.
//! What a policy needs and the version lacks makes the table refuse; a mask on a column that the version lacks has
//! nothing to mask.
//!
//! The changes of some versions are rows too: each is asked by itself whether the caller sees it, and masked. What a
//! policy needs must be in every version of the stretch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::arrow::datatypes::Field;
use datafusion::common::Column;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableSource};
use weir_catalog::Table;

use super::Scope;
use super::access::Access;
use crate::error::Refusal;
use crate::inner_names::same_inner_names;
use crate::open_table::{Moment, OpenedChanges, OpenedTable, Stretch};
use crate::policy_expression::PolicyCompiler;
use crate::time_travel::Past;

impl Scope {
    /// A table as it was, or what happened to it, which the text may read.
    pub(super) async fn resolve_past(
        self: &Arc<Self>,
        access: &Access,
        table: &Table,
        past: Past,
    ) -> Result<Arc<dyn TableSource>> {
        if table.view().is_some() {
            return Err(Refusal::Unsupported(format!("{} of view `{}`", past.noun(), table.name)).into());
        }
        if access.is_policy() {
            return Err(Refusal::Unsupported(format!("{} in a policy", past.noun())).into());
        }
        self.check_text_of_definer(access, table)?;
        let newest = self.open_files(table).await?;
        let compiler = PolicyCompiler::new(self);
        let then = match past {
            Past::At(moment) => {
                under_columns_of(table, &newest, self.open_past(table, &newest, moment).await?, &[])?
            }
            Past::Changes(stretch) => {
                self.reads_changes.store(true, Ordering::Relaxed);
                let opening = self.sources.tables.open_changes(table, newest.version, stretch);
                let OpenedChanges { opened, own, throughout } = opening.await.map_err(Refusal::Open)?;
                let common = with_columns(&opened, &throughout)?;
                let common = under_columns_of(table, &newest, common, &[])?;
                Box::pin(compiler.compile_past(table, &newest, &common)).await?;
                under_columns_of(table, &newest, opened, &own)?
            }
        };
        let policies = Box::pin(compiler.compile_past(table, &newest, &then)).await?;
        let governed = self.permitted(access, table, then, policies).await?;
        self.remember_spelling(governed.raw_names()).await;
        Ok(provider_as_source(Arc::new(governed)))
    }

    /// The moment that holds for tables of the statement whose text says none.
    pub(super) fn past_of(&self, access: &Access, table: &Table) -> Option<Past> {
        let own = !access.is_policy() && table.view().is_none();
        self.sources.read_at.filter(|_| own).map(Past::At)
    }

    /// Changes up to that moment, where the text does not say until when.
    pub(super) fn bounded(&self, past: Past) -> Past {
        match past {
            Past::Changes(Stretch { from, to: None }) => {
                Past::Changes(Stretch { from, to: self.sources.read_at })
            }
            other => other,
        }
    }

    /// Pinned like the newest: one moment is one snapshot in a statement.
    async fn open_past(
        &self,
        table: &Table,
        newest: &OpenedTable,
        moment: Moment,
    ) -> Result<OpenedTable, Refusal> {
        let mut past = self.past.lock().await;
        if let Some(pinned) = past.get(&(table.id, moment)) {
            return Ok(pinned.clone());
        }
        let opening = self.sources.tables.open_past(table, newest.version, moment);
        let pinned = opening.await.map_err(Refusal::Open)?;
        past.insert((table.id, moment), pinned.clone());
        Ok(pinned)
    }
}

/// `opened` with these columns alone.
fn with_columns(opened: &OpenedTable, names: &HashSet<String>) -> Result<OpenedTable> {
    let schema = opened.provider.schema();
    let columns = schema.fields().iter().filter(|field| names.contains(field.name()));
    let columns: Vec<Expr> = columns.map(|field| Expr::Column(Column::from_name(field.name()))).collect();
    let scan = LogicalPlanBuilder::scan("weir_past", provider_as_source(Arc::clone(&opened.provider)), None)?;
    let plan = scan.project(columns)?.build()?;
    Ok(OpenedTable { provider: Arc::new(ViewTable::new(plan, None)), ..opened.clone() })
}

/// `then` with the columns that `newest` has, under the names they have there, and behind them those of its `own`.
fn under_columns_of(
    table: &Table,
    newest: &OpenedTable,
    then: OpenedTable,
    own: &[&str],
) -> Result<OpenedTable> {
    let (today, old) = (newest.provider.schema(), then.provider.schema());
    if today.fields().iter().any(|field| own.contains(&field.name().to_lowercase().as_str())) {
        let what =
            format!("change data of `{}`, which has columns named like those of a change,", table.name);
        return Err(Refusal::Unsupported(what).into());
    }
    let mut columns = Vec::new();
    let (mut field_ids, mut inner_ids) = (HashMap::new(), HashMap::new());
    for field in today.fields() {
        let id = newest.field_ids.get(field.name());
        let same = |before: &&Arc<Field>| match (id, then.field_ids.get(before.name())) {
            (Some(id), Some(own)) => id == own,
            (None, None) => before.name() == field.name(),
            _ => false,
        };
        let before = old.fields().iter().find(same);
        let Some(before) = before.filter(|before| has_same_fields((&then, before), (newest, field))) else {
            continue;
        };
        columns.push(Expr::Column(Column::from_name(before.name())).alias(field.name()));
        field_ids.extend(id.map(|id| (field.name().clone(), *id)));
        let inside = newest.inner_ids.get(field.name());
        inner_ids.extend(inside.map(|ids| (field.name().clone(), ids.clone())));
    }
    if columns.is_empty() {
        let what = format!("a version of `{}` that has no column of today's table", table.name);
        return Err(Refusal::Unsupported(what).into());
    }
    columns.extend(own.iter().map(|name| Expr::Column(Column::from_name(*name))));
    let scan = LogicalPlanBuilder::scan("weir_past", provider_as_source(Arc::clone(&then.provider)), None)?;
    let plan = scan.project(columns)?.build()?;
    Ok(OpenedTable { provider: Arc::new(ViewTable::new(plan, None)), field_ids, inner_ids, ..then })
}

/// A type of its own may have changed; what lies inside a column may not: a field that is gone would be told again, and one
/// that has given its name to another would escape its mask.
fn has_same_fields((then, before): (&OpenedTable, &Field), (newest, now): (&OpenedTable, &Field)) -> bool {
    let (old, today) = (before.data_type(), now.data_type());
    if !old.is_nested() && !today.is_nested() {
        return true;
    }
    let (old_ids, ids) = (then.inner_ids.get(before.name()), newest.inner_ids.get(now.name()));
    let is_known = ids.is_some() || !newest.field_ids.contains_key(now.name());
    is_known && old_ids == ids && old.equals_datatype(today) && same_inner_names(old, today)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests {
    use datafusion::arrow::array::{ArrayRef, StructArray};
    use datafusion::arrow::datatypes::DataType;

    use super::*;
    use crate::test_world::{World, batch, ints, texts};

    /// A version with a column `home`, whose fields have these names and ids.
    fn version(fields: &[(&str, Option<i64>)]) -> OpenedTable {
        let arrays = fields.iter().map(|(name, _)| {
            let (name, values) = texts(name, ["a"]);
            (Arc::new(Field::new(name, DataType::Utf8, true)), values)
        });
        let home: ArrayRef = Arc::new(StructArray::from(arrays.collect::<Vec<_>>()));
        let mut world = World::new();
        let id = world.table("t", batch(vec![ints("id", [1]), ("home".to_owned(), home)]));
        let ids: Option<Vec<i64>> = fields.iter().map(|(_, id)| *id).collect();
        OpenedTable {
            inner_ids: ids.into_iter().map(|ids| ("home".to_owned(), ids)).collect(),
            ..world.opened_table(id)
        }
    }

    /// The same of a table that knows its columns by ids.
    fn mapped(fields: &[(&str, Option<i64>)]) -> OpenedTable {
        let field_ids = [("id".to_owned(), 1), ("home".to_owned(), 2)];
        OpenedTable { field_ids: field_ids.into_iter().collect(), ..version(fields) }
    }

    /// Whether the older version shows `home` under the columns of the newest.
    fn shows(newest: &OpenedTable, then: OpenedTable) -> bool {
        let mut world = World::new();
        let id = world.table("t", batch(vec![ints("id", [1])]));
        let shown = under_columns_of(world.of(id), newest, then, &[]).unwrap();
        let schema = shown.provider.schema();
        assert!(schema.field_with_name("id").is_ok());
        let shows = schema.field_with_name("home").is_ok();
        assert_eq!(shown.inner_ids.contains_key("home"), shows && newest.inner_ids.contains_key("home"));
        shows
    }

    #[test]
    fn a_field_inside_a_column_is_known_by_its_id_and_its_name() {
        let newest = mapped(&[("ssn", Some(3)), ("code", Some(4))]);
        assert!(shows(&newest, mapped(&[("ssn", Some(3)), ("code", Some(4))])));
        for other in [
            [("code", Some(3)), ("ssn", Some(4))],
            [("ssn", Some(4)), ("code", Some(3))],
            [("code", Some(4)), ("ssn", Some(3))],
            [("ssn", Some(5)), ("code", Some(4))],
            [("ssn", None), ("code", Some(4))],
            [("x", Some(3)), ("code", Some(4))],
        ] {
            assert!(!shows(&newest, mapped(&other)), "{other:?}");
        }
        assert!(!shows(&newest, mapped(&[("ssn", Some(3))])));
        let unknown = [("ssn", None), ("code", Some(4))];
        assert!(!shows(&mapped(&unknown), mapped(&unknown)), "nothing tells that it is the same");
    }

    #[test]
    fn without_ids_a_field_inside_a_column_is_its_name() {
        let newest = version(&[("ssn", None), ("code", None)]);
        assert!(shows(&newest, version(&[("ssn", None), ("code", None)])));
        assert!(!shows(&newest, version(&[("code", None), ("ssn", None)])));
        assert!(!shows(&newest, version(&[("ssn", None), ("x", None)])));
    }
}
