//! [`Engine`]: what all statements share — functions, options, memory, tables — and the scope of
//! one statement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};
use datafusion::config::Dialect;
use datafusion::execution::context::SessionConfig;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::ensure_coop::EnsureCooperative;
use weir_catalog::{PrincipalId, Snapshot};
use weir_enforce::identity_function::{identity_function_names, identity_functions};
use weir_enforce::named_casts::{NAMED_CAST, named_cast};
use weir_enforce::resolver::Sources;
use weir_enforce::{
    Access, Caller, Moment, OpenSystemTable, OpenTable, Scope, SignedZeros, Witness, is_builtin,
    physical_rules,
};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::query::case_nesting::check_cases;
use crate::query::cast_names::name_casts;
use crate::query::large_limits::LargeLimits;
use crate::query::session_functions::{session_function_names, session_functions};
use crate::query::{fold, functions};
use crate::session::SessionSettings;
use crate::sql::{self, qualify, qualify::Qualified};

/// What all statements share.
#[derive(Debug, Clone)]
pub struct Engine {
    base: SessionState,
    sources: Sources,
    /// When the statements that it plans began, where that is not now.
    began: Option<DateTime<Utc>>,
}

impl Engine {
    /// An engine on `runtime`. `partitions` is how many threads one statement may use.
    pub fn new(
        runtime: Arc<RuntimeEnv>,
        partitions: usize,
        tables: Arc<dyn OpenTable>,
        system: Arc<dyn OpenSystemTable>,
    ) -> Self {
        let mut scalar = functions::scalar();
        scalar.push(Arc::new(named_cast()));
        let base = SessionStateBuilder::new()
            .with_config(options(partitions))
            .with_runtime_env(runtime)
            .with_scalar_functions(scalar)
            .with_aggregate_functions(functions::aggregate())
            .with_window_functions(functions::window())
            .with_expr_planners(functions::expression_planners())
            .with_optimizer_rule(Arc::new(SignedZeros))
            .with_physical_optimizer_rules(rules())
            .build();
        let witness = Arc::default();
        let sources =
            Sources { tables, system, parse_type, parse_expression, parse_query, witness, read_at: None };
        Self { base, sources, began: None }
    }

    /// The same for planning a statement once more, of which `scope` was made before: where a policy asks for the time, that
    /// is the time of then.
    #[must_use]
    pub fn at_time_of(&self, scope: &Scope) -> Self {
        let began = scope.state().execution_props().query_execution_start_time;
        Self { began: began.filter(|_| scope.asks_the_time()), ..self.clone() }
    }

    /// The scope of one statement: the catalog as of now, the caller, functions that speak of
    /// the caller.
    pub fn scope(&self, context: &Context, snapshot: &Arc<Snapshot>) -> Result<Arc<Scope>> {
        let (identity, snapshot) = (context.identity(), context.catalog(snapshot));
        let caller = Caller::new(&snapshot, identity.principal(), flattened(identity.claims()))?;
        self.scope_of(&snapshot, caller, &context.session, Arc::clone(&context.witness))
    }

    /// The scope of questions about somebody else: the groups of now in the catalog, no claims of a token. What is
    /// planned in it goes to nobody but as counts and names.
    pub fn scope_about(&self, snapshot: &Arc<Snapshot>, user: PrincipalId) -> Result<Arc<Scope>> {
        let snapshot = snapshot.without_claims();
        let caller = Caller::new(&snapshot, user, BTreeMap::new())?;
        self.scope_of(&snapshot, caller, &SessionSettings::default(), Arc::default())
    }

    /// The query with its names in full, as the caller of `context` means them.
    pub fn qualified(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        query: &sql::ast::Query,
    ) -> Result<Qualified<sql::ast::Query>> {
        let scope = self.scope(context, snapshot)?;
        let is_builtin = |name: &str| is_builtin(scope.state(), name);
        qualify::query(query, qualify::Names { session: &context.session, is_builtin: &is_builtin })
    }

    fn scope_of(
        &self,
        snapshot: &Arc<Snapshot>,
        caller: Caller,
        session: &SessionSettings,
        witness: Arc<Witness>,
    ) -> Result<Arc<Scope>> {
        let caller = Arc::new(caller);
        let mut state = self.base.clone();
        let functions = identity_functions(&caller).into_iter();
        for function in functions.chain(session_functions(session, snapshot)) {
            state.register_udf(function)?;
        }
        state.mark_start_execution();
        if self.began.is_some() {
            state.execution_props_mut().query_execution_start_time = self.began;
        }
        let sources = Sources { witness, read_at: session.read_at.map(Moment::Time), ..self.sources.clone() };
        Ok(Scope::new(Arc::clone(snapshot), caller, sources, state))
    }

    /// The names of the functions that are built in, sorted.
    pub fn builtin_functions(&self) -> Vec<String> {
        let mut names: BTreeSet<String> = self.base.scalar_functions().keys().cloned().collect();
        names.extend(self.base.aggregate_functions().keys().cloned());
        names.extend(self.base.window_functions().keys().cloned());
        names.extend(identity_function_names().map(str::to_owned));
        names.extend(session_function_names().map(str::to_owned));
        // Not for users: it stands around what a cast is of.
        names.remove(NAMED_CAST);
        names.into_iter().collect()
    }

    /// The caller's own access in `context`.
    pub fn access(&self, context: &Context, scope: &Scope) -> Access {
        Access::of_caller(scope.caller(), &context.session.catalog, &context.session.schema)
    }
}

/// The rules for plans that run. Filters are told to scans last: a sort without a heap has none for them.
fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = physical_rules();
    let cooperative = rules.iter().position(|rule| rule.name() == EnsureCooperative::new().name());
    rules.insert(cooperative.unwrap_or(rules.len()), Arc::new(LargeLimits));
    rules
}

fn options(partitions: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .set_bool("datafusion.execution.parquet.pushdown_filters", true);
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::Databricks;
    options.sql_parser.map_string_types_to_utf8view = true;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.collect_spans = true;
    // NULLs sort low, first in ascending order.
    options.sql_parser.default_null_ordering = "nulls_min".to_owned();
    // Lists of join keys handed to a scan may panic over dictionary-encoded partition columns.
    options.optimizer.hash_join_inlist_pushdown_max_size = 0;
    options.optimizer.hash_join_inlist_pushdown_max_distinct_values = 0;
    // Fields of structs that are taken out of joins and filters lose columns that stand beside them.
    options.optimizer.enable_leaf_expression_pushdown = false;
    // Conditions that are never NULL are told so by one of the two planners alone (`x IS NOT TRUE`).
    options.execution.skip_physical_aggregate_schema_check = true;
    config
}

fn parse_type(text: &str) -> Option<DataType> {
    sql::types::parse(text).ok().map(|known| known.arrow)
}

fn parse_expression(text: &str) -> datafusion::error::Result<sql::ast::Expr> {
    let mut expression = sql::parse_expression(text).map_err(external)?;
    fold::fold_expression(&mut expression).map_err(external)?;
    check_cases(&expression).map_err(external)?;
    Ok(expression)
}

fn parse_query(text: &str) -> datafusion::error::Result<sql::ast::Query> {
    let query = sql::parse_query(text).map_err(external)?;
    let mut statement = sql::ast::Statement::Query(query);
    fold::fold_statement(&mut statement).map_err(external)?;
    check_cases(&statement).map_err(external)?;
    name_casts(&mut statement);
    match statement {
        sql::ast::Statement::Query(query) => Ok(*query),
        other => Err(external(Error::internal(format!("a query became {other}")))),
    }
}

fn external(error: Error) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error))
}

/// Claims by dotted path; lists and nulls have none.
fn flattened(claims: &BTreeMap<String, serde_json::Value>) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    for (name, value) in claims {
        flatten_into(&mut flat, name.clone(), value);
    }
    flat
}

fn flatten_into(flat: &mut BTreeMap<String, String>, path: String, value: &serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            flat.insert(path, text.clone());
        }
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            flat.insert(path, value.to_string());
        }
        serde_json::Value::Object(fields) => {
            for (name, inner) in fields {
                flatten_into(flat, format!("{path}.{name}"), inner);
            }
        }
        serde_json::Value::Null | serde_json::Value::Array(_) => {}
    }
}
