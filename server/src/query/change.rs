//! From UPDATE, DELETE, TRUNCATE and MERGE to a query that finds the rows and their new values.
//!
//! The query reads the table as its caller sees it: hidden rows are not found, conditions and new values are over masked
//! ones. What it gives is one row for each row to change, known by file and place, with values for the columns that
//! change; every other value of the row, and every other row, stays as it is stored ([`crate::query::write`]).

mod merge;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::sql::sqlparser::ast::{Visit, Visitor};
use weir_catalog::{ObjectName, Privilege, Snapshot, Table};
use weir_enforce::{Access, ChangedTable, Scope, bind_expression, counted, stretches_aside};
use weir_scan::{CLAUSE, Clause, FILE, PLACE, RowOperation};

use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::query::case_nesting::check_cases;
use crate::query::engine::Engine;
use crate::query::expansion::check_expansion;
use crate::query::fold::fold_expression;
use crate::query::function_calls::check_calls;
use crate::query::parameters::{self, parameter_schema};
use crate::query::write::assigned::assigned;
use crate::query::write::{check_unmasked, writable};
use crate::run::Parameters;
use crate::sql::ast::{Ident, Query};
use crate::sql::{Assignment, Change, ChangeKind, MergeAction, ast};

/// How [`CLAUSE`], [`FILE`] and [`PLACE`] begin.
const OWN_NAMES: &str = "weir:";

/// Before the values stand the clause, the file and the place.
const OWN_COLUMNS: usize = 3;

/// A change of rows, planned.
#[derive(Debug)]
pub struct ChangePlan {
    /// Everything the statement's names resolved to.
    pub scope: Arc<Scope>,
    /// The table, as the catalog had it.
    pub table: Table,
    /// The table, opened.
    pub changed: ChangedTable,
    /// One field for each parameter.
    pub parameters: SchemaRef,
    /// What becomes of the rows, by clause.
    pub clauses: Vec<Clause>,
    /// The columns of the table (positions) that have values in the query's rows, in that order.
    pub given: Vec<usize>,
    /// Which statement it is.
    pub operation: RowOperation,
    plan: LogicalPlan,
}

/// The table of a statement, and what its conditions and values are bound to.
struct Target<'a> {
    scope: &'a Arc<Scope>,
    access: Access,
    table: &'a Table,
    changed: ChangedTable,
    /// What its columns are called by.
    name: TableReference,
}

/// The query so far: its parts before they are put together.
struct Found {
    plan: LogicalPlan,
    /// The new values alone, where the plan has them in the arms of what chooses a clause: a choice stores nothing of what
    /// it looks at.
    stored: Option<LogicalPlan>,
    clauses: Vec<Clause>,
    given: Vec<usize>,
    operation: RowOperation,
}

impl ChangePlan {
    /// Plans `change` for the caller of `context`.
    pub async fn new(
        engine: &Engine,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        change: &Change,
    ) -> Result<Self> {
        let name = change.table.resolve(&context.session)?;
        let table = permitted(context, snapshot, &name, &change.what).await?;
        let scope = engine.scope(context, snapshot)?;
        let changed = scope.changed_table(table).await?;
        for field in changed.opened.provider.schema().fields() {
            check_name(field.name())?;
        }
        let reference = match &change.alias {
            Some(alias) => TableReference::bare(alias.value.to_lowercase()),
            None => full_reference(&name),
        };
        let access = engine.access(context, &scope);
        let target = Target { scope: &scope, access, table, changed, name: reference };
        let found = match &change.what {
            ChangeKind::Update { set, condition } => target.update(set, condition.as_ref()).await?,
            ChangeKind::Delete { condition } => target.delete(condition.as_ref()).await?,
            ChangeKind::Truncate => target.delete(None).await?,
            ChangeKind::Merge(merge) => target.merge(merge).await?,
        };
        let changed = target.changed;
        let parameters = parameter_schema(&found.plan)?;
        match &found.stored {
            Some(stored) => check_unmasked(stored, 0, table)?,
            None => check_unmasked(&found.plan, OWN_COLUMNS, table)?,
        }
        let Found { plan, clauses, given, operation, .. } = found;
        Ok(Self { scope, table: table.clone(), changed, parameters, clauses, given, operation, plan })
    }

    /// The plan whose parameters are open.
    pub fn unbound(&self) -> &LogicalPlan {
        &self.plan
    }

    /// The plan with its parameters' values in place.
    pub fn bound(&self, parameters: &Parameters) -> Result<LogicalPlan> {
        parameters::bind(self.plan.clone(), &self.parameters, parameters)
    }

    /// The columns of the query's rows.
    pub fn schema(&self) -> SchemaRef {
        let own = self.changed.opened.provider.schema();
        let mut fields = vec![
            Field::new(CLAUSE, DataType::Int32, true),
            Field::new(FILE, DataType::Utf8, true),
            Field::new(PLACE, DataType::UInt64, true),
        ];
        let given = self.given.iter().filter_map(|column| own.fields().get(*column));
        fields.extend(given.map(|field| field.as_ref().clone().with_nullable(true)));
        Arc::new(Schema::new(fields))
    }
}

impl Target<'_> {
    async fn update(&self, set: &[Assignment], condition: Option<&ast::Expr>) -> Result<Found> {
        let found = self.rows(condition).await?;
        let visible = self.visible()?;
        let columns = self.columns_of(set)?;
        let mut values = Vec::with_capacity(set.len());
        for (assignment, column) in set.iter().zip(&columns) {
            values.push(self.value(&assignment.value, &visible, *column).await?);
        }
        let clauses = vec![Clause::Update(columns.clone())];
        self.found(found, lit(0_i32), values, clauses, (columns, RowOperation::Update))
    }

    async fn delete(&self, condition: Option<&ast::Expr>) -> Result<Found> {
        let found = self.rows(condition).await?;
        self.found(found, lit(0_i32), Vec::new(), vec![Clause::Delete], (Vec::new(), RowOperation::Delete))
    }

    /// The rows of the table for which the condition holds.
    async fn rows(&self, condition: Option<&ast::Expr>) -> Result<LogicalPlanBuilder> {
        let rows = self.scan()?;
        match condition {
            Some(condition) => Ok(rows.filter(self.bind(condition, &self.visible()?).await?)?),
            None => Ok(rows),
        }
    }

    fn scan(&self) -> Result<LogicalPlanBuilder> {
        Ok(LogicalPlanBuilder::scan(self.name.clone(), Arc::clone(&self.changed.source), None)?)
    }

    /// The columns that the statement can name.
    fn visible(&self) -> Result<DFSchema> {
        let schema = self.changed.source.schema();
        let own = schema.fields().iter().filter(|field| ![FILE, PLACE].contains(&field.name().as_str()));
        let fields = own.map(|field| (Some(self.name.clone()), Arc::clone(field))).collect();
        Ok(DFSchema::new_with_metadata(fields, Default::default())?)
    }

    fn column(&self, name: &str) -> Expr {
        Expr::Column(Column::new(Some(self.name.clone()), name))
    }

    /// The rows with their clause, what they are known by, and the new values.
    fn found(
        &self,
        rows: LogicalPlanBuilder,
        clause: Expr,
        values: Vec<Expr>,
        clauses: Vec<Clause>,
        (given, operation): (Vec<usize>, RowOperation),
    ) -> Result<Found> {
        let mut columns = vec![
            cast(clause, DataType::Int32).alias(CLAUSE),
            self.column(FILE).alias(FILE),
            self.column(PLACE).alias(PLACE),
        ];
        let own = self.changed.opened.provider.schema();
        let names = given.iter().filter_map(|column| own.fields().get(*column)).map(|field| field.name());
        columns.extend(values.into_iter().zip(names).map(|(value, name)| value.alias(name)));
        let plan = counted(rows.project(columns)?.build()?)?;
        Ok(Found { plan, stored: None, clauses, given, operation })
    }

    /// A value for a column of the table, in its type.
    async fn value(&self, value: &ast::Expr, schema: &DFSchema, column: usize) -> Result<Expr> {
        let value = self.bind(value, schema).await?;
        // A parameter has no type before it has a value, and is held to its column's then.
        let from = value.get_type(schema).unwrap_or(DataType::Null);
        assigned(value, &from, &*self.own_field(column)?)
    }

    fn typed(&self, value: Expr, column: usize) -> Result<Expr> {
        Ok(cast(value, self.own_field(column)?.data_type().clone()))
    }

    fn own_field(&self, column: usize) -> Result<FieldRef> {
        let own = self.changed.opened.provider.schema();
        own.fields().get(column).cloned().ok_or_else(|| Error::internal("a column that is not there"))
    }

    async fn bind(&self, expression: &ast::Expr, schema: &DFSchema) -> Result<Expr> {
        check_calls(expression, self.scope.state())?;
        let mut folded = expression.clone();
        fold_expression(&mut folded)?;
        check_cases(&folded)?;
        check_queries(&folded)?;
        let bound = stretches_aside(bind_expression(self.scope, &self.access, folded, schema)).await?;
        let folds = bound.exists(|part| {
            Ok(matches!(part, Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::Unnest(_)))
        })?;
        match folds {
            true => Err(Error::new(
                Condition::InvalidStatement,
                "a function over many rows cannot stand here: this is about one row",
            )
            .with_hint("put it into a subquery")),
            false => Ok(bound),
        }
    }

    /// The places of the columns that get values, each once.
    fn columns_of(&self, set: &[Assignment]) -> Result<Vec<usize>> {
        let columns = set.iter().map(|one| self.place_of(&one.column)).collect::<Result<Vec<_>>>()?;
        let distinct: BTreeSet<usize> = columns.iter().copied().collect();
        match distinct.len() == columns.len() {
            true => Ok(columns),
            false => Err(Error::new(Condition::InvalidStatement, "a column is named twice")),
        }
    }

    fn place_of(&self, written: &[Ident]) -> Result<usize> {
        let parts: Vec<String> = written.iter().map(|part| part.value.to_lowercase()).collect();
        let Some((column, before)) = parts.split_last() else {
            return Err(Error::internal("a column without a name"));
        };
        if !before.is_empty() && !self.is_called(before) {
            let text = format!("new values for a field, `{}`, are not supported", parts.join("."));
            return Err(Error::new(Condition::UnsupportedFeature, text)
                .with_hint("give the whole struct a new value, by named_struct(…)"));
        }
        let own = self.changed.opened.provider.schema();
        own.fields().iter().position(|field| field.name().to_lowercase() == *column).ok_or_else(|| {
            let text = format!("column `{column}` is not in table `{}`", self.table.name);
            Error::new(Condition::UnresolvedColumn, text)
        })
    }

    /// Whether the parts before a column's name mean the table.
    fn is_called(&self, parts: &[String]) -> bool {
        let mut own = vec![self.name.table()];
        own.extend(self.name.schema());
        own.extend(self.name.catalog());
        parts.len() <= own.len() && parts.iter().rev().zip(&own).all(|(part, own)| part == own)
    }
}

/// The table, if the caller may read it and do with its rows what the statement does.
async fn permitted<'a>(
    context: &Context,
    snapshot: &'a Snapshot,
    name: &ObjectName,
    what: &ChangeKind,
) -> Result<&'a Table> {
    let mut privileges = BTreeSet::new();
    match what {
        ChangeKind::Update { .. } => privileges.extend([Privilege::Update]),
        ChangeKind::Delete { .. } | ChangeKind::Truncate => privileges.extend([Privilege::Delete]),
        ChangeKind::Merge(merge) => {
            privileges.extend(merge.clauses.iter().map(|clause| match clause.action {
                MergeAction::Delete => Privilege::Delete,
                MergeAction::Update(_) | MergeAction::UpdateAll => Privilege::Update,
                MergeAction::Insert(_) | MergeAction::InsertAll => Privilege::Insert,
            }))
        }
    }
    let mut table = writable(context, snapshot, name, Privilege::Select).await?;
    for privilege in privileges {
        table = writable(context, snapshot, name, privilege).await?;
    }
    Ok(table)
}

/// Refuses a column that is called like those by which rows and clauses are known: it would be taken for one of them.
fn check_name(column: &str) -> Result<()> {
    match column.to_lowercase().starts_with(OWN_NAMES) {
        false => Ok(()),
        true => {
            let text = format!("column `{column}`: names that begin with `{OWN_NAMES}` are the server's own");
            Err(Error::new(Condition::InvalidStatement, text).with_hint("give the column another name"))
        }
    }
}

fn full_reference(name: &ObjectName) -> TableReference {
    TableReference::full(name.catalog.as_str(), name.schema.as_str(), name.object.as_str())
}

/// Bounds the queries within an expression.
fn check_queries(expression: &ast::Expr) -> Result<()> {
    struct Queries(Result<()>);
    impl Visitor for Queries {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            self.0 = check_expansion(query);
            if self.0.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
    }
    let mut queries = Queries(Ok(()));
    // What breaks it off is the error kept within.
    let _: ControlFlow<()> = expression.visit(&mut queries);
    queries.0
}
