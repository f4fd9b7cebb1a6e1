//! Binding: from a syntax tree to a logical plan, every table name through the resolver.
//!
//! The names of a statement are resolved first, all of them, subqueries and CTEs included; then
//! DataFusion plans over what was found. A name that was not resolved is not there. Joins by the
//! names of columns are written out before (`using_joins`). Calls of the
//! catalog's functions are planned as calls; then their bodies take their places.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, TableReference, internal_err, not_impl_err};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;
use weir_catalog::TableId;

use crate::error::Refusal;
use crate::resolver::{Access, Scope};
use crate::sql_function::{Budget, Calls, Spot, Uses, exists, in_expression, in_plan};
use crate::time_travel::Travels;
use crate::type_names::TypeNames;
use crate::{asking_values, common_type, exponents, three_valued, using_joins};

/// Plans a query (or `EXPLAIN`-free statement over queries) with the rights of `access`.
pub async fn bind_statement(
    scope: &Arc<Scope>,
    access: &Access,
    statement: ast::Statement,
) -> Result<LogicalPlan> {
    Ok(bind_with_uses(scope, access, statement).await?.0)
}

/// The same, with what the statement touches by names.
pub(crate) async fn bind_with_uses(
    scope: &Arc<Scope>,
    access: &Access,
    mut statement: ast::Statement,
) -> Result<(LogicalPlan, Uses)> {
    exponents::as_doubles(&mut statement);
    let travels = Travels::take(scope, access, &mut statement)?;
    let calls = Calls::resolve(scope, access, &mut statement).await?;
    let binder = Binder::new(scope, access, &statement, calls, &travels).await?;
    let planner = SqlToRel::new_with_options(&binder, parser_options(scope.state()));
    using_joins::write_out(&mut statement, &|query: ast::Query| columns_of(&planner, query))?;
    let plan = planner.statement_to_plan(ParsedStatement::Statement(Box::new(statement)))?;
    let plan = if binder.calls.is_empty() { plan } else { in_plan(plan, &Budget::default())? };
    let plan = common_type::in_plan(asking_values::in_plan(plan)?)?;
    let plan = three_valued::in_plan(plan)?;
    check_size(&plan)?;
    Ok((plan, binder.uses()))
}

/// The columns that a query gives.
fn columns_of(planner: &SqlToRel<'_, Binder<'_>>, query: ast::Query) -> Result<DFSchemaRef> {
    let statement = ast::Statement::Query(Box::new(query));
    let plan = planner.statement_to_plan(ParsedStatement::Statement(Box::new(statement)))?;
    Ok(Arc::clone(plan.schema()))
}

/// The same for a query that sees the columns of `schema` around it.
fn columns_over(
    planner: &SqlToRel<'_, Binder<'_>>,
    query: ast::Query,
    schema: &DFSchema,
) -> Result<DFSchemaRef> {
    match planner.sql_to_expr(exists(query), schema, &mut PlannerContext::new())? {
        Expr::Exists(found) => Ok(Arc::clone(found.subquery.subquery.schema())),
        other => internal_err!("a query became `{}`", other.variant_name()),
    }
}

/// The most operators of a plan, each CTE and open view counted as often as it is named.
const OPERATORS_MAX: usize = 5_000;

/// A short text can name a plan that doubles with each CTE; planning has no way to stop midway. The engine walks through a
/// subquery in an expression twice for each of those around it: its operators count so often.
fn check_size(plan: &LogicalPlan) -> Result<()> {
    let mut operators = 0_usize;
    add_operators(plan, 1, &mut operators)?;
    match operators > OPERATORS_MAX {
        true => Err(Refusal::TooLarge { operators_max: OPERATORS_MAX }.into()),
        false => Ok(()),
    }
}

/// Adds `weight` for each operator of `plan`, and twice as much for those of its subqueries, until there are too many.
fn add_operators(plan: &LogicalPlan, weight: usize, operators: &mut usize) -> Result<()> {
    plan.apply(|node| {
        *operators = operators.saturating_add(weight);
        if *operators > OPERATORS_MAX {
            return Ok(TreeNodeRecursion::Stop);
        }
        node.apply_subqueries(|subquery| {
            add_operators(subquery, weight.saturating_mul(2), operators)?;
            Ok(TreeNodeRecursion::Jump)
        })?;
        Ok(TreeNodeRecursion::Continue)
    })
    .map(drop)
}

/// Plans an expression over the columns of `schema`, subqueries with the rights of `access`.
pub async fn bind_expression(
    scope: &Arc<Scope>,
    access: &Access,
    expression: ast::Expr,
    schema: &DFSchema,
) -> Result<Expr> {
    Ok(bind_expression_with_uses(scope, access, expression, schema).await?.0)
}

/// The same, with what the expression touches by names.
pub(crate) async fn bind_expression_with_uses(
    scope: &Arc<Scope>,
    access: &Access,
    mut expression: ast::Expr,
    schema: &DFSchema,
) -> Result<(Expr, Uses)> {
    exponents::as_doubles(&mut expression);
    let travels = Travels::take(scope, access, &mut expression)?;
    let calls = Calls::resolve(scope, access, &mut expression).await?;
    let binder = Binder::new(scope, access, &selection_of(expression.clone()), calls, &travels).await?;
    let planner = SqlToRel::new_with_options(&binder, parser_options(scope.state()));
    using_joins::write_out(&mut expression, &|query: ast::Query| columns_over(&planner, query, schema))?;
    let planned = planner.sql_to_expr(expression, schema, &mut PlannerContext::new())?;
    let planned = match binder.calls.is_empty() {
        true => planned,
        false => in_expression(planned, schema, Spot::Condition, &Budget::default())?,
    };
    let planned = common_type::in_expression(planned, schema)?;
    // Where a policy would tell NULL from FALSE it is refused when it is set.
    let planned = match access.is_policy() {
        true => three_valued::in_subqueries(planned)?,
        false => three_valued::in_expression(planned, schema)?,
    };
    Ok((planned, binder.uses()))
}

/// Plans a query that sees the columns of `schema` around it, as references outwards.
pub(crate) async fn bind_query_over(
    scope: &Arc<Scope>,
    access: &Access,
    query: ast::Query,
    schema: &DFSchema,
) -> Result<(LogicalPlan, Uses)> {
    match bind_expression_with_uses(scope, access, exists(query), schema).await? {
        (Expr::Exists(found), uses) => {
            let plan = Arc::unwrap_or_clone(found.subquery.subquery);
            check_size(&plan)?;
            Ok((plan, uses))
        }
        (other, _) => internal_err!("a query became `{}`", other.variant_name()),
    }
}

/// Plans a constant: an expression that names no column and no table.
pub(crate) fn bind_constant(scope: &Scope, access: &Access, mut expression: ast::Expr) -> Result<Expr> {
    exponents::as_doubles(&mut expression);
    let (tables, read, calls) = Default::default();
    let binder = Binder { state: scope.state(), access, tables, read, calls };
    let planner = SqlToRel::new_with_options(&binder, parser_options(scope.state()));
    planner.sql_to_expr(expression, &DFSchema::empty(), &mut PlannerContext::new())
}

/// `SELECT expression`, so that its table names can be collected.
fn selection_of(expression: ast::Expr) -> ast::Statement {
    let rows = vec![ast::Parens::with_empty_span(vec![expression])];
    let values = ast::Values { explicit_row: false, value_keyword: false, rows };
    ast::Statement::Query(Box::new(query_of(None, ast::SetExpr::Values(values))))
}

/// A query that is its body and nothing more.
pub(crate) fn query_of(with: Option<ast::With>, body: ast::SetExpr) -> ast::Query {
    ast::Query {
        with,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    }
}

fn parser_options(state: &SessionState) -> ParserOptions {
    ParserOptions::from(&state.config_options().sql_parser)
}

/// What DataFusion's planner may ask while it plans one statement.
struct Binder<'a> {
    state: &'a SessionState,
    access: &'a Access,
    tables: HashMap<TableReference, Arc<dyn TableSource>>,
    read: BTreeSet<TableId>,
    calls: Calls,
}

impl<'a> Binder<'a> {
    async fn new(
        scope: &'a Arc<Scope>,
        access: &'a Access,
        statement: &ast::Statement,
        calls: Calls,
        travels: &Travels,
    ) -> Result<Self> {
        let parsed = ParsedStatement::Statement(Box::new(statement.clone()));
        let (references, _ctes) = resolve_table_references(&parsed, true)?;
        let named = references.iter().filter(|reference| calls.rows(reference.table()).is_none());
        let names: HashSet<TableReference> = named.map(|reference| access.full_name(reference)).collect();
        let mut tables = HashMap::new();
        let mut read = BTreeSet::new();
        for name in names {
            let (table, moment) = travels.meaning(&name);
            let source = scope.resolve(access, table, moment).await?;
            read.extend(scope.table_id(table));
            tables.insert(name, source);
        }
        Ok(Self { state: scope.state(), access, tables, read, calls })
    }

    /// What was named, and what the called functions touch.
    fn uses(self) -> Uses {
        let mut uses = self.calls.uses;
        uses.tables.extend(self.read);
        uses
    }
}

impl ContextProvider for Binder<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let name = self.access.full_name(&name);
        match self.tables.get(&name) {
            Some(source) => Ok(Arc::clone(source)),
            None => Err(Refusal::NotFound { name: name.to_string() }.into()),
        }
    }

    fn get_table_function_source(&self, name: &str, _arguments: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        match self.calls.rows(name) {
            Some(rows) => Ok(Arc::clone(rows)),
            None => Err(Refusal::Unsupported(format!("table function `{name}`")).into()),
        }
    }

    fn create_cte_work_table(
        &self,
        _name: &str,
        _schema: datafusion::arrow::datatypes::SchemaRef,
    ) -> Result<Arc<dyn TableSource>> {
        not_impl_err!("recursive WITH")
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(TypeNames))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).or_else(|| self.calls.scalar(name)).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
