//! From a query's syntax tree to a logical plan, every name through the enforcer, and the wire
//! schema that Prepare, GetFlightInfo, GetSchema and DoGet all show.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use weir_catalog::Snapshot;
use weir_enforce::{Access, Scope, aside, bind_statement, stretches_aside};

use crate::context::Context;
use crate::error::Result;
use crate::query::case_nesting::check_cases;
use crate::query::cast_names::name_casts;
use crate::query::column_names::{column_names, tell_apart};
use crate::query::engine::Engine;
use crate::query::expansion::check_expansion;
use crate::query::fold::fold_statement;
use crate::query::function_calls::check_calls;
use crate::query::parameters::{bind, parameter_schema};
use crate::query::wire::wire_schema;
use crate::run::Parameters;
use crate::sql::ast;

/// A planned query.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Everything the statement's names resolved to.
    pub scope: Arc<Scope>,
    /// Over governed tables; parameters still open.
    pub plan: LogicalPlan,
    /// The columns as they go out. All may be NULL: what the planner proves at one step and not
    /// at another cannot make two steps differ.
    pub schema: SchemaRef,
    /// One field for each parameter.
    pub parameters: SchemaRef,
}

impl Planned {
    /// Plans `query` for the caller of `context`.
    pub async fn new(
        engine: &Engine,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        query: &ast::Query,
    ) -> Result<Self> {
        let scope = engine.scope(context, snapshot)?;
        let plan = bind_query(&scope, &engine.access(context, &scope), query).await?;
        let parameters = parameter_schema(&plan)?;
        let typed = match parameters.fields().is_empty() {
            true => with_types(&scope, plan.clone())?,
            false => plan.clone(),
        };
        let planned: Vec<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let names = column_names(query, &planned, &scope.spelling().await);
        let fields: Vec<Field> = names
            .into_iter()
            .zip(typed.schema().fields())
            .map(|(name, field)| {
                // Of a parameter whose type nothing tells: it is bound as a text.
                let untold = !parameters.fields().is_empty() && field.data_type().is_null();
                let data_type = if untold { DataType::Utf8 } else { field.data_type().clone() };
                Field::new(name, data_type, true)
            })
            .collect();
        let schema = wire_schema(&Schema::new(fields));
        Ok(Self { scope, plan, schema, parameters })
    }

    /// The plan with its parameters' values in place.
    pub fn bound(&self, parameters: &Parameters) -> Result<LogicalPlan> {
        bind(self.plan.clone(), &self.parameters, parameters)
    }
}

/// The plan with the types that its columns have when it runs.
fn with_types(scope: &Scope, plan: LogicalPlan) -> Result<LogicalPlan> {
    let state = scope.state();
    Ok(aside(|| state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {}))?)
}

/// The plan of a query in `scope`, bounded before it is bound; its columns have distinct names.
pub(crate) async fn bind_query(
    scope: &Arc<Scope>,
    access: &Access,
    query: &ast::Query,
) -> Result<LogicalPlan> {
    check_expansion(query)?;
    check_calls(query, scope.state())?;
    let mut distinct = query.clone();
    tell_apart(&mut distinct);
    let mut statement = ast::Statement::Query(Box::new(distinct));
    fold_statement(&mut statement)?;
    check_cases(&statement)?;
    name_casts(&mut statement);
    Ok(stretches_aside(bind_statement(scope, access, statement)).await?)
}
