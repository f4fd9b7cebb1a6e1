//! Functions, views and policies are checked before the catalog takes them: names resolve, types
//! fit, and what is stored means the same in every session.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use datafusion::datasource::empty::EmptyTable;
use datafusion::sql::sqlparser::ast::{Expr, Query, Visit, Visitor};
use weir_catalog::policy::SEMANTICS;
use weir_catalog::policy_cycle::check_closed;
use weir_catalog::policy_reading::check_readings;
use weir_catalog::{
    Column, ColumnBinding, ColumnMask, Content, Function, FunctionId, Increment, MetastoreRoot, ObjectName,
    Parameter, PolicyFunction, Returns, RowFilter, Snapshot, Stamps, Table, TableId,
};
use weir_enforce::error::PolicyKind;
use weir_enforce::identity_function::is_identity_function;
use weir_enforce::resolver::{INFORMATION_SCHEMA, SYSTEM_CATALOG};
use weir_enforce::{OpenedTable, PolicyCompiler, Scope, check_constant, is_builtin, moment_of};

use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::query::dependents;
use crate::query::engine::Engine;
use crate::query::expansion::check_expansion;
use crate::query::fold::fold_expression;
use crate::query::function_calls::check_calls;
use crate::query::plan::Planned;
use crate::sql::{CreateFunction, DataAccess, DeclaredReturns, FunctionBody, PolicyArgument, qualify, types};

/// A function's body, ready to be stored.
#[derive(Debug, Clone)]
pub struct AnalysedFunction {
    /// In order, defaults as SQL.
    pub parameters: Vec<Parameter>,
    /// The expression or query, names in three parts.
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

    /// The names of the functions that are built in, sorted.
    pub fn builtin_functions(&self) -> Vec<String> {
        self.engine.builtin_functions()
    }

    /// The moment that a constant means, in microseconds since 1970.
    pub fn moment(&self, context: &Context, snapshot: &Arc<Snapshot>, written: &Expr) -> Result<i64> {
        let scope = self.engine.scope(context, snapshot)?;
        check_calls(written, scope.state())?;
        let mut written = written.clone();
        fold_expression(&mut written)?;
        Ok(moment_of(&scope, &self.engine.access(context, &scope), written)?)
    }

    /// Whether policies take anything of the table from the caller, who may read it.
    pub async fn hides(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        table: &ObjectName,
    ) -> Result<bool> {
        // What policies do does not change with the moment at which the session reads.
        let mut context = context.clone();
        context.session.read_at = None;
        Ok(self.engine.scope(&context, snapshot)?.hides(table).await?)
    }

    /// Checks a function under the rights of the caller, who will own it.
    pub async fn function(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        definition: &CreateFunction,
    ) -> Result<AnalysedFunction> {
        let name = definition.name.resolve(&context.session)?;
        let scope = self.engine.scope(context, snapshot)?;
        let is_builtin = |name: &str| is_builtin(scope.state(), name);
        let within = qualify::Names { session: &context.session, is_builtin: &is_builtin };
        let schema = snapshot.schema(&name.schema_name());
        let schema = schema
            .ok_or_else(|| Error::not_found(Condition::SchemaNotFound, "schema", name.schema_name()))?;
        let body = body_of(&definition.body, within, &scope)?;
        refuse_system(&body.reads, "a function")?;
        let mut function = Function {
            id: FunctionId::fresh(),
            schema: schema.id,
            name,
            owner: context.identity().principal(),
            parameters: parameters_of(definition, within, &scope).await?,
            returns: declared(&definition.returns),
            body: body.text,
            reads: Vec::new(),
            calls: Vec::new(),
            comment: None,
            stamps: Stamps::new(context.clock().now(), context.identity().principal()),
        };
        let own = PolicyCompiler::new(&scope).body_type(&function).await?;
        complete(&mut function.returns, &own);
        let (reads, calls) = (read_tables(snapshot, &body.reads)?, called(snapshot, &body.calls)?);
        check_data_access(snapshot, definition.data_access, &reads, &calls)?;
        Ok(AnalysedFunction {
            parameters: function.parameters,
            body: function.body,
            reads,
            calls,
            returns: function.returns,
        })
    }

    /// Refuses to replace `existing` by `replacement` while that would break what works now and stands
    /// on it: policies, views, other functions.
    pub async fn replacement(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        existing: &Function,
        replacement: Function,
    ) -> Result<()> {
        let after = Arc::new(advanced(snapshot, |content| content.functions.push(replacement)));
        check_closed(snapshot, &after, context.identity().principal())?;
        let (before, after) = (self.engine.scope(context, snapshot)?, self.engine.scope(context, &after)?);
        dependents::check(&before, &after, existing).await
    }

    /// Checks a view's query under the rights of the caller, who will own it.
    pub async fn view(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        query: &Query,
    ) -> Result<AnalysedView> {
        // What the caller's token claims is not there when others read the view.
        let context = &context.without_claimed_groups();
        let scope = self.engine.scope(context, snapshot)?;
        let is_builtin = |name: &str| is_builtin(scope.state(), name);
        let within = qualify::Names { session: &context.session, is_builtin: &is_builtin };
        let qualified = qualify::query(query, within)?;
        refuse_system(&qualified.names, "a view")?;
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
            calls: called(snapshot, &qualified.calls)?,
            tests_identity: tests_identity(&qualified.tree),
            text: qualified.text,
            columns,
        })
    }

    /// The text of a query as it can be stored, names in full.
    pub fn query_text(&self, context: &Context, snapshot: &Arc<Snapshot>, query: &Query) -> Result<String> {
        Ok(self.engine.qualified(context, snapshot, query)?.text)
    }

    /// Checks rows of constants: they read no table and can be planned.
    pub async fn constant_rows(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        query: &Query,
    ) -> Result<()> {
        let qualified = self.engine.qualified(context, snapshot, query)?;
        if !qualified.names.is_empty() {
            return Err(Error::new(
                Condition::InvalidStatement,
                "expected values are constants: they read no table",
            ));
        }
        Planned::new(&self.engine, context, snapshot, &qualified.tree).await?;
        Ok(())
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
        let scope = self.engine.scope(context, snapshot)?;
        let opened = scope.open(table).await?;
        let arguments = bind_arguments(table, &opened, arguments)?;
        check_arguments(snapshot, table, &arguments, Condition::RowFilterIncompatible)?;
        let filter = RowFilter {
            function: PolicyFunction::Sql(function.id),
            arguments: arguments.clone(),
            semantics: SEMANTICS,
        };
        let governed = Table { row_filter: Some(filter), masks: Vec::new(), ..table.clone() };
        self.check_circle(context, snapshot, &governed)?;
        compile(&scope, &governed, &opened).await?;
        PolicyCompiler::new(&scope).check_function(function, PolicyKind::RowFilter).await?;
        Ok(arguments)
    }

    /// Binds a mask to `column` of `table` and checks that it fits.
    pub async fn mask(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        table: &Table,
        place: MaskPlace<'_>,
        arguments: &[PolicyArgument],
    ) -> Result<ColumnMask> {
        let scope = self.engine.scope(context, snapshot)?;
        let opened = scope.open(table).await?;
        self.mask_on(context, &scope, table, &opened, place, arguments).await
    }

    /// The same for a column that `table` is about to have.
    pub async fn added_mask(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        table: &Table,
        added: AddedColumns<'_>,
        place: MaskPlace<'_>,
        arguments: &[PolicyArgument],
    ) -> Result<ColumnMask> {
        let scope = self.engine.scope(context, snapshot)?;
        let opened = scope.open(table).await?;
        self.mask_on(context, &scope, table, &added.on(&opened), place, arguments).await
    }

    async fn mask_on(
        &self,
        context: &Context,
        scope: &Arc<Scope>,
        table: &Table,
        opened: &OpenedTable,
        place: MaskPlace<'_>,
        arguments: &[PolicyArgument],
    ) -> Result<ColumnMask> {
        let mask = ColumnMask {
            column: bind_column(table, opened, place.column)?,
            path: place.path.to_vec(),
            function: place.function,
            arguments: bind_arguments(table, opened, arguments)?,
            semantics: SEMANTICS,
        };
        check_arguments(scope.snapshot(), table, &mask.arguments, Condition::MaskIncompatible)?;
        let governed = Table { row_filter: None, masks: vec![mask.clone()], ..table.clone() };
        self.check_circle(context, scope.snapshot(), &governed)?;
        compile(scope, &governed, opened).await?;
        let function = place.function.sql().and_then(|id| scope.snapshot().function_by_id(id));
        if let Some(function) = function {
            PolicyCompiler::new(scope).check_function(function, PolicyKind::ColumnMask).await?;
        }
        Ok(mask)
    }

    /// Refuses policies that read in a circle, and those that read what has policies for another than its
    /// definer. Told before planning, which ends where it meets the circle.
    fn check_circle(&self, context: &Context, snapshot: &Snapshot, governed: &Table) -> Result<()> {
        let after = advanced(snapshot, |content| content.tables.push(governed.clone()));
        let by = context.identity().principal();
        check_closed(snapshot, &after, by)?;
        check_readings(snapshot, &after, by)?;
        Ok(())
    }

    /// Checks that a function can be a policy's, whatever the table.
    pub async fn policy_function(
        &self,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        function: &Function,
        kind: PolicyKind,
    ) -> Result<()> {
        let scope = self.engine.scope(context, snapshot)?;
        Ok(PolicyCompiler::new(&scope).check_function(function, kind).await?)
    }
}

/// Columns that a table is about to have.
#[derive(Debug, Clone, Copy)]
pub struct AddedColumns<'a> {
    /// After those it has.
    pub schema: &'a SchemaRef,
    /// The field ids they will have, by name; none where the table has no column mapping.
    pub field_ids: &'a HashMap<String, i64>,
}

impl AddedColumns<'_> {
    /// The table with these columns and no rows: to plan on, never to read.
    fn on(self, opened: &OpenedTable) -> OpenedTable {
        let known = opened.provider.schema();
        let fields = known.fields().iter().chain(self.schema.fields()).cloned();
        let schema = Arc::new(Schema::new(fields.collect::<Fields>()));
        let mut field_ids = opened.field_ids.clone();
        field_ids.extend(self.field_ids.clone());
        OpenedTable { provider: Arc::new(EmptyTable::new(schema)), field_ids, ..opened.clone() }
    }
}

/// The catalog with a change in it.
fn advanced(snapshot: &Snapshot, change: impl FnOnce(&mut Content)) -> Snapshot {
    let root = MetastoreRoot { id: snapshot.metastore_id(), owner: snapshot.metastore_owner() };
    let mut content = Content::empty(root);
    change(&mut content);
    snapshot.advanced(snapshot.epoch(), Increment::whole(content))
}

/// What is to be masked, and by what.
#[derive(Debug, Clone, Copy)]
pub struct MaskPlace<'a> {
    /// The column, as written.
    pub column: &'a str,
    /// The fields down to the masked one, as written.
    pub path: &'a [String],
    /// What gives the value in its place.
    pub function: PolicyFunction,
}

/// A body as it is stored.
struct Body {
    text: String,
    reads: Vec<ObjectName>,
    calls: Vec<ObjectName>,
}

fn body_of(body: &FunctionBody, within: qualify::Names<'_>, scope: &Scope) -> Result<Body> {
    Ok(match body {
        FunctionBody::Value(expression) => {
            let qualified = qualify::expression(expression, within)?;
            check_calls(&qualified.tree, scope.state())?;
            Body { text: qualified.text, reads: qualified.names, calls: qualified.calls }
        }
        FunctionBody::Rows(query) => {
            let qualified = qualify::query(query, within)?;
            check_expansion(&qualified.tree)?;
            check_calls(&qualified.tree, scope.state())?;
            Body { text: qualified.text, reads: qualified.names, calls: qualified.calls }
        }
    })
}

async fn parameters_of(
    definition: &CreateFunction,
    within: qualify::Names<'_>,
    scope: &Arc<Scope>,
) -> Result<Vec<Parameter>> {
    let mut parameters = Vec::new();
    for written in &definition.parameters {
        let default = match &written.default {
            Some(default) => {
                let qualified = qualify::expression(default, within)?;
                check_calls(&qualified.tree, scope.state())?;
                let text = qualified.text;
                if !check_constant(scope, &text, &written.sql_type.text).await? {
                    let message = format!("the DEFAULT of `{}` is not a constant of its type", written.name);
                    return Err(Error::new(Condition::InvalidStatement, message));
                }
                Some(text)
            }
            None => None,
        };
        parameters.push(Parameter {
            name: written.name.to_lowercase(),
            type_text: written.sql_type.text.clone(),
            default,
            comment: written.comment.clone(),
        });
    }
    Ok(parameters)
}

fn declared(returns: &DeclaredReturns) -> Returns {
    match returns {
        DeclaredReturns::Value(declared) => {
            Returns::Scalar(declared.as_ref().map(|declared| declared.text.clone()).unwrap_or_default())
        }
        DeclaredReturns::Rows(columns) => Returns::Table(
            columns
                .iter()
                .flatten()
                .map(|column| Parameter {
                    name: column.name.clone(),
                    type_text: column.sql_type.text.clone(),
                    default: None,
                    comment: column.comment.clone(),
                })
                .collect(),
        ),
    }
}

/// What was left to the body.
fn complete(returns: &mut Returns, own: &DataType) {
    match (returns, own) {
        (Returns::Scalar(text), own) if text.is_empty() => *text = types::text_of(own),
        (Returns::Table(columns), DataType::Struct(fields)) if columns.is_empty() => {
            columns.extend(fields.iter().map(|field| Parameter {
                name: field.name().clone(),
                type_text: types::text_of(field.data_type()),
                default: None,
                comment: None,
            }));
        }
        _ => {}
    }
}

fn refuse_system(names: &[ObjectName], what: &str) -> Result<()> {
    let is_system = |name: &&ObjectName| {
        name.catalog.as_str() == SYSTEM_CATALOG || name.schema.as_str() == INFORMATION_SCHEMA
    };
    match names.iter().find(is_system) {
        Some(system) => {
            let message = format!("{what} over system table `{system}` is not supported");
            Err(Error::new(Condition::UnsupportedFeature, message))
        }
        None => Ok(()),
    }
}

/// What a function says of data must be true.
fn check_data_access(
    snapshot: &Snapshot,
    said: Option<DataAccess>,
    reads: &[TableId],
    calls: &[FunctionId],
) -> Result<()> {
    let reads = dependents::reads_data(snapshot, reads, calls);
    let message = match said {
        Some(DataAccess::ContainsSql) if reads => "CONTAINS SQL is not true: the function reads tables",
        Some(DataAccess::ReadsSqlData) if !reads => "READS SQL DATA is not true: the function reads no table",
        _ => return Ok(()),
    };
    Err(Error::new(Condition::InvalidStatement, message))
}

/// The ids behind the names of functions; one the caller could not call has failed in planning before.
fn called(snapshot: &Snapshot, names: &[ObjectName]) -> Result<Vec<FunctionId>> {
    let id = |name| {
        let function = snapshot.function(name);
        let missing = || Error::not_found(Condition::RoutineNotFound, "function", name);
        function.map(|function| function.id).ok_or_else(missing)
    };
    names.iter().map(id).collect()
}

async fn compile(scope: &Arc<Scope>, table: &Table, opened: &OpenedTable) -> Result<()> {
    PolicyCompiler::new(scope).compile_own(table, opened).await?;
    Ok(())
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

/// Refuses a column as an argument that a policy of a wider scope masks: those whom it masks it for would be
/// refused the table.
fn check_arguments(
    snapshot: &Snapshot,
    table: &Table,
    arguments: &[weir_catalog::PolicyArgument],
    condition: Condition,
) -> Result<()> {
    let masked = snapshot.columns_masked_from_above(table);
    let reached = arguments.iter().find_map(|argument| match argument {
        weir_catalog::PolicyArgument::Column(binding) => {
            masked.iter().any(|column| binding.is_on(column)).then_some(&binding.name)
        }
        weir_catalog::PolicyArgument::Literal(_) => None,
    });
    match reached {
        Some(name) => {
            let text = format!("column `{name}` is an argument, which a policy of a wider scope masks");
            Err(Error::new(condition, text).with_hint("set it as a tag policy of that scope"))
        }
        None => Ok(()),
    }
}

fn bind_column(table: &Table, opened: &OpenedTable, name: &str) -> Result<ColumnBinding> {
    let schema = opened.provider.schema();
    let field = schema.fields().iter().find(|field| field.name().to_lowercase() == name.to_lowercase());
    let field = field.ok_or_else(|| {
        Error::new(
            Condition::UnresolvedColumn,
            format!("column `{name}` is not in {} `{}`", table.securable_kind().noun(), table.name),
        )
    })?;
    // A view as it is opened has its columns folded.
    let spelled = table.column(field.name()).filter(|_| table.view().is_some());
    Ok(ColumnBinding {
        name: spelled.map_or_else(|| field.name().clone(), |column| column.name.clone()),
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
