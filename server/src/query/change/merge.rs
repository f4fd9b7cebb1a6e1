//! MERGE INTO: the table's rows joined with a source's, and for each pair the first clause that holds.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, JoinType, ScalarValue, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit, when};
use weir_scan::{CLAUSE, Clause, PLACE, RowOperation};

use super::{Found, Target, check_name};
use crate::error::{Condition, Error, Result};
use crate::query::plan::bind_query;
use crate::query::write::assigned::assigned;
use crate::sql::ast::Ident;
use crate::sql::{Assignment, Merge, MergeAction, MergeClause, MergeRows};

/// The column of the source's rows that tells them from rows that have none.
const SOURCE: &str = "weir:source";

/// A clause, bound.
struct Bound {
    when: MergeRows,
    condition: Option<Expr>,
    clause: Clause,
    /// By column of the table.
    values: BTreeMap<usize, Expr>,
}

impl Target<'_> {
    pub(super) async fn merge(&self, merge: &Merge) -> Result<Found> {
        let name = source_reference(&merge.source_name)?;
        // The engine takes a name for another that lacks a part of it: the one side's columns would be the other's.
        if name.resolved_eq(&self.name) {
            let text = format!("the table and the source are both called `{}`", name.table());
            return Err(Error::new(Condition::InvalidStatement, text)
                .with_hint("give the source an alias: MERGE INTO t USING x AS s ON t.id = s.id"));
        }
        let source = self.source(merge, &name).await?;
        let (visible_source, visible) = (without_mark(source.schema())?, self.visible()?);
        let both = visible_source.join(&visible)?;
        let on = self.bind(&merge.on, &both).await?;
        let mut clauses = Vec::with_capacity(merge.clauses.len());
        for clause in &merge.clauses {
            let schema = match clause.when {
                MergeRows::Matched => &both,
                MergeRows::NotMatched => &visible_source,
                MergeRows::NotMatchedBySource => &visible,
            };
            clauses.push(self.clause(clause, schema, &visible_source).await?);
        }
        let of = |rows: MergeRows| clauses.iter().any(|clause| clause.when == rows);
        let join = match (of(MergeRows::NotMatched), of(MergeRows::NotMatchedBySource)) {
            (false, false) => JoinType::Inner,
            (true, false) => JoinType::Left,
            (false, true) => JoinType::Right,
            (true, true) => JoinType::Full,
        };
        let rows = LogicalPlanBuilder::from(source).join_on(self.scan()?.build()?, join, [on])?;
        let mark = Expr::Column(Column::new(Some(name), SOURCE));
        let chosen = self.chosen(&clauses, &mark)?.alias(CLAUSE);
        let mut columns: Vec<Expr> = rows.schema().columns().into_iter().map(Expr::Column).collect();
        columns.push(chosen);
        let clause = Expr::Column(Column::new_unqualified(CLAUSE));
        let stored = self.stored(rows.clone(), &clauses)?;
        // Pairs that no clause is for are left out by whoever gathers the rows: as a filter here the conditions would be
        // asked of rows that are in no pair.
        let rows = rows.project(columns)?;
        let given: Vec<usize> = given(&clauses, self.changed.opened.provider.schema().fields().len());
        let values =
            given.iter().map(|column| self.values(&clauses, *column, &clause)).collect::<Result<_>>()?;
        let told = clauses.into_iter().map(|clause| clause.clause).collect();
        let found = self.found(rows, clause, values, told, (given, RowOperation::Merge))?;
        Ok(Found { stored: Some(stored), ..found })
    }

    /// The values of all clauses over the pairs of rows.
    fn stored(&self, pairs: LogicalPlanBuilder, clauses: &[Bound]) -> Result<LogicalPlan> {
        let own = self.changed.opened.provider.schema();
        let mut values = Vec::new();
        for (position, clause) in clauses.iter().enumerate() {
            let relation = TableReference::bare(format!("clause {position}"));
            for (column, value) in &clause.values {
                let field = own.fields().get(*column);
                let field = field.ok_or_else(|| Error::internal("a column that is not there"))?;
                values.push(value.clone().alias_qualified(Some(relation.clone()), field.name()));
            }
        }
        let pairs =
            if values.is_empty() { LogicalPlanBuilder::empty(false) } else { pairs.project(values)? };
        Ok(pairs.build()?)
    }

    /// The source's rows under their name, each marked as one.
    async fn source(&self, merge: &Merge, name: &TableReference) -> Result<LogicalPlan> {
        let plan = bind_query(self.scope, &self.access, &merge.source).await?;
        let own = plan.schema().columns();
        if ![0, own.len()].contains(&merge.source_columns.len()) {
            let text =
                format!("the source has {} columns and gets {} names", own.len(), merge.source_columns.len());
            return Err(Error::new(Condition::InvalidStatement, text));
        }
        let mut names = merge.source_columns.iter().map(|name| name.value.to_lowercase());
        let mut columns: Vec<Expr> = own
            .into_iter()
            .map(|column| {
                let given = names.next();
                check_name(given.as_deref().unwrap_or(column.name()))?;
                Ok(match given {
                    Some(name) => Expr::Column(column).alias(name),
                    None => Expr::Column(column),
                })
            })
            .collect::<Result<_>>()?;
        columns.push(lit(true).alias(SOURCE));
        Ok(LogicalPlanBuilder::from(plan).project(columns)?.alias(name.clone())?.build()?)
    }

    async fn clause(&self, clause: &MergeClause, schema: &DFSchema, source: &DFSchema) -> Result<Bound> {
        let condition = match &clause.condition {
            Some(condition) => Some(self.bind(condition, schema).await?),
            None => None,
        };
        let (told, values) = match &clause.action {
            MergeAction::Delete => (Clause::Delete, BTreeMap::new()),
            MergeAction::Update(set) => {
                let values = self.assigned(set, schema).await?;
                (Clause::Update(values.keys().copied().collect()), values)
            }
            MergeAction::UpdateAll => {
                let values = self.by_name(source)?;
                (Clause::Update(values.keys().copied().collect()), values)
            }
            MergeAction::Insert(set) => (Clause::Insert, self.assigned(set, schema).await?),
            MergeAction::InsertAll => (Clause::Insert, self.by_name(source)?),
        };
        Ok(Bound { when: clause.when, condition, clause: told, values })
    }

    async fn assigned(&self, set: &[Assignment], schema: &DFSchema) -> Result<BTreeMap<usize, Expr>> {
        let columns = self.columns_of(set)?;
        let mut values = BTreeMap::new();
        for (assignment, column) in set.iter().zip(columns) {
            values.insert(column, self.value(&assignment.value, schema, column).await?);
        }
        Ok(values)
    }

    /// Every column of the table from the source's column of the same name.
    fn by_name(&self, source: &DFSchema) -> Result<BTreeMap<usize, Expr>> {
        let own = self.changed.opened.provider.schema();
        let value = |(position, field): (usize, &arrow::datatypes::FieldRef)| {
            let name = field.name().to_lowercase();
            let mut found = source.iter().filter(|(_, field)| field.name().to_lowercase() == name);
            match (found.next(), found.next()) {
                (Some((relation, field)), None) => {
                    let column = Expr::Column(Column::new(relation.cloned(), field.name()));
                    Ok((position, assigned(column, field.data_type(), &*self.own_field(position)?)?))
                }
                (Some(_), Some(_)) => Err(Error::new(
                    Condition::InvalidStatement,
                    format!("the source has more than one column `{}`", field.name()),
                )),
                (None, _) => Err(Error::new(
                    Condition::UnresolvedColumn,
                    format!("`*` takes column `{}` from the source, which has none", field.name()),
                )),
            }
        };
        own.fields().iter().enumerate().map(value).collect()
    }

    /// The position of the first clause that holds for a pair; NULL where none does. Conditions of clauses for other
    /// rows, and those after the first that holds, are not looked at.
    fn chosen(&self, clauses: &[Bound], mark: &Expr) -> Result<Expr> {
        let first = |rows: MergeRows| -> Result<Expr> {
            let mut chosen = lit(ScalarValue::Int32(None));
            let own = clauses.iter().enumerate().filter(|(_, clause)| clause.when == rows);
            for (position, clause) in own.collect::<Vec<_>>().into_iter().rev() {
                let position = lit(i32::try_from(position).unwrap_or(i32::MAX));
                chosen = match &clause.condition {
                    Some(condition) => when(condition.clone(), position).otherwise(chosen)?,
                    None => position,
                };
            }
            Ok(chosen)
        };
        let (in_source, in_table) = (mark.clone().is_not_null(), self.column(PLACE).is_not_null());
        Ok(when(in_source.clone().and(in_table), first(MergeRows::Matched)?)
            .when(in_source, first(MergeRows::NotMatched)?)
            .otherwise(first(MergeRows::NotMatchedBySource)?)?)
    }

    /// A column's value by the clause that was chosen.
    fn values(&self, clauses: &[Bound], column: usize, chosen: &Expr) -> Result<Expr> {
        let nothing = self.typed(lit(ScalarValue::Null), column)?;
        let with_value = clauses.iter().enumerate();
        let mut value = nothing;
        for (position, clause) in with_value.collect::<Vec<_>>().into_iter().rev() {
            if let Some(own) = clause.values.get(&column) {
                let position = cast(lit(i32::try_from(position).unwrap_or(i32::MAX)), DataType::Int32);
                value = when(chosen.clone().eq(position), own.clone()).otherwise(value)?;
            }
        }
        Ok(value)
    }
}

/// The columns of the table that any clause has values for; all of them where rows are put in.
fn given(clauses: &[Bound], width: usize) -> Vec<usize> {
    if clauses.iter().any(|clause| clause.clause == Clause::Insert) {
        return (0..width).collect();
    }
    let named: BTreeSet<usize> = clauses.iter().flat_map(|clause| clause.values.keys().copied()).collect();
    named.into_iter().collect()
}

fn without_mark(schema: &DFSchema) -> Result<DFSchema> {
    let own = schema.iter().filter(|(_, field)| field.name() != SOURCE);
    let fields = own.map(|(relation, field)| (relation.cloned(), field.clone())).collect();
    Ok(DFSchema::new_with_metadata(fields, Default::default())?)
}

fn source_reference(name: &[Ident]) -> Result<TableReference> {
    let parts: Vec<String> = name.iter().map(|part| part.value.to_lowercase()).collect();
    Ok(match parts.as_slice() {
        [table] => TableReference::bare(table.as_str()),
        [schema, table] => TableReference::partial(schema.as_str(), table.as_str()),
        [catalog, schema, table] => TableReference::full(catalog.as_str(), schema.as_str(), table.as_str()),
        _ => return Err(Error::internal("a source without a name")),
    })
}
