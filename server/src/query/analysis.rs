//! Functions, views and policies are checked before the catalog takes them: names resolve, types
//! fit, and what is stored means the same in every session.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, Query, Visit, Visitor};
use weir_catalog::policy::SEMANTICS;
use weir_catalog::{
    Column, ColumnBinding, ColumnMask, Function, FunctionId, ObjectName, Parameter, PolicyFunction, Returns,
    RowFilter, Snapshot, Stamps, Table, TableId, TableKind,
};
use weir_enforce::identity_function::is_identity_function;
use weir_enforce::{OpenedTable, PolicyCompiler, Scope};

use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::query::engine::Engine;
use crate::query::function_calls::check_calls;
use crate::query::plan::Planned;
use crate::sql::{self, CreateFunction, PolicyArgument, qualify, types};

/// A function's body, ready to be stored.
#[derive(Debug, Clone)]
pub struct AnalysedFunction {
    /// The expression, names in three parts.
    pub body: String,
    /// The tables it reads.
    pub reads: Vec<TableId>,
    /// The functions it calls.
    pub calls: Vec<FunctionId>,
    /// What it gives.
    pub returns: Returns,
}

/// A view's query, ready to be stored.
#[derive(Debug, Clone)]
pub struct AnalysedView {
    /// The query, names in three parts.
    pub text: String,
    /// The columns it shows.
    pub columns: Vec<Column>,
    /// The tables and views it reads.
    pub reads: Vec<TableId>,
    /// The functions it calls.
    pub calls: Vec<FunctionId>,
    /// Whether it asks who asks.
    pub tests_identity: bool,
}

/// Checks what is to be stored.
#[derive(Debug, Clone)]
pub struct Analysis {
    engine: Engine,
}

impl Analysis {
    /// Checks with the functions and tables of `engine`.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Checks a function's body under the rights of the caller, who will own it.
    pub async fn function(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        definition: &CreateFunction,
    ) -> Result<AnalysedFunction> {
        let qualified = qualify::expression(&definition.body, &context.session)?;
        let name = definition.name.resolve(&context.session)?;
        let scope = self.engine.scope(context, snapshot)?;
        check_calls(&qualified.tree, scope.state())?;
        let schema = snapshot.schema(&name.schema_name());
        let schema = schema
            .ok_or_else(|| Error::not_found(Condition::SchemaNotFound, "schema", name.schema_name()))?;
        let mut function = Function {
            id: FunctionId::fresh(),
            schema: schema.id,
            name,
            owner: context.identity().principal(),
            parameters: definition.parameters.iter().map(parameter).collect(),
            returns: Returns::Scalar(
                definition.returns.as_ref().map(|declared| declared.text.clone()).unwrap_or_default(),
            ),
            body: qualified.text.clone(),
            reads: Vec::new(),
            calls: Vec::new(),
            comment: None,
            stamps: Stamps::new(context.clock().now(), context.identity().principal()),
        };
        let own = PolicyCompiler::new(&scope).body_type(&function).await?;
        if definition.returns.is_none() {
            function.returns = Returns::Scalar(types::text_of(&own));
        }
        let reads = read_tables(snapshot, &qualified.names)?;
        Ok(AnalysedFunction { body: qualified.text, reads, calls: Vec::new(), returns: function.returns })
    }

    /// Checks a view's query under the rights of the caller, who will own it.
    pub async fn view(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        query: &Query,
    ) -> Result<AnalysedView> {
        let qualified = qualify::query(query, &context.session)?;
        if let Some(system) = qualified.names.iter().find(|name| name.catalog.as_str() == "system") {
            return Err(Error::new(
                Condition::UnsupportedFeature,
                format!("a view over system table `{system}` is not supported"),
            ));
        }
        let planned = Planned::new(&self.engine, context, snapshot, &qualified.tree).await?;
        if !planned.parameters.fields().is_empty() {
            return Err(Error::new(Condition::InvalidStatement, "a view cannot have parameters"));
        }
        let columns = planned
            .schema
            .fields()
            .iter()
            .map(|field| Column::new(field.name(), types::text_of(field.data_type())))
            .collect();
        Ok(AnalysedView {
            reads: read_tables(snapshot, &qualified.names)?,
            calls: Vec::new(),
            tests_identity: tests_identity(&qualified.tree),
            text: qualified.text,
            columns,
        })
    }

    /// Binds a row filter to the columns of `table` and checks that it fits.
    pub async fn row_filter(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        table: &Table,
        function: &Function,
        arguments: &[PolicyArgument],
    ) -> Result<Vec<weir_catalog::PolicyArgument>> {
        refuse_view(table, Condition::RowFilterUnsupported)?;
        let scope = self.engine.scope(context, snapshot)?;
        let opened = scope.open(table).await?;
        let arguments = bind_arguments(table, &opened, arguments)?;
        let filter = RowFilter {
            function: PolicyFunction::Sql(function.id),
            arguments: arguments.clone(),
            semantics: SEMANTICS,
        };
        let governed = Table { row_filter: Some(filter), masks: Vec::new(), ..table.clone() };
        compile(&scope, &governed, &opened).await?;
        Ok(arguments)
    }

    /// Binds a mask to `column` of `table` and checks that it fits.
    pub async fn mask(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        table: &Table,
        column: &str,
        function: &Function,
        arguments: &[PolicyArgument],
    ) -> Result<ColumnMask> {
        refuse_view(table, Condition::MaskUnsupported)?;
        let scope = self.engine.scope(context, snapshot)?;
        let opened = scope.open(table).await?;
        let mask = ColumnMask {
            column: bind_column(table, &opened, column)?,
            path: Vec::new(),
            function: PolicyFunction::Sql(function.id),
            arguments: bind_arguments(table, &opened, arguments)?,
            semantics: SEMANTICS,
        };
        let governed = Table { row_filter: None, masks: vec![mask.clone()], ..table.clone() };
        compile(&scope, &governed, &opened).await?;
        Ok(mask)
    }
}

fn parameter(definition: &sql::FunctionParameter) -> Parameter {
    Parameter {
        name: definition.name.to_lowercase(),
        type_text: definition.sql_type.text.clone(),
        default: definition.default.clone(),
        comment: None,
    }
}

async fn compile(scope: &Arc<Scope>, table: &Table, opened: &OpenedTable) -> Result<()> {
    PolicyCompiler::new(scope).compile(table, opened).await?;
    Ok(())
}

fn refuse_view(table: &Table, condition: Condition) -> Result<()> {
    match table.kind {
        TableKind::View(_) => Err(Error::new(condition, "policies on views are not supported")
            .with_hint("set the policy on the tables that the view reads: it holds in the view too")),
        TableKind::Managed { .. } | TableKind::External { .. } => Ok(()),
    }
}

fn bind_arguments(
    table: &Table,
    opened: &OpenedTable,
    arguments: &[PolicyArgument],
) -> Result<Vec<weir_catalog::PolicyArgument>> {
    arguments
        .iter()
        .map(|argument| match argument {
            PolicyArgument::Column(name) => {
                bind_column(table, opened, name).map(weir_catalog::PolicyArgument::Column)
            }
            PolicyArgument::Literal(literal) => Ok(weir_catalog::PolicyArgument::Literal(literal.clone())),
        })
        .collect()
}

fn bind_column(table: &Table, opened: &OpenedTable, name: &str) -> Result<ColumnBinding> {
    let schema = opened.provider.schema();
    let field = schema.fields().iter().find(|field| field.name().to_lowercase() == name.to_lowercase());
    let field = field.ok_or_else(|| {
        Error::new(Condition::UnresolvedColumn, format!("column `{name}` is not in table `{}`", table.name))
    })?;
    Ok(ColumnBinding {
        name: field.name().clone(),
        field_id: opened.field_ids.get(field.name()).copied(),
        type_text: types::text_of(field.data_type()),
    })
}

/// The ids behind the names; a name the caller could not read has failed in planning before.
fn read_tables(snapshot: &Snapshot, names: &[ObjectName]) -> Result<Vec<TableId>> {
    names
        .iter()
        .map(|name| {
            let table = snapshot.table(name);
            let missing = || Error::not_found(Condition::TableOrViewNotFound, "table or view", name);
            table.map(|table| table.id).ok_or_else(missing)
        })
        .collect()
}

/// Whether a query calls a function that speaks of the session user.
fn tests_identity(query: &Query) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            let name = match expression {
                Expr::Function(function) => function.name.0.last().map(ToString::to_string),
                _ => None,
            };
            match name {
                Some(name) if is_identity_function(name.trim_matches('`')) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    query.visit(&mut Search).is_break()
}
