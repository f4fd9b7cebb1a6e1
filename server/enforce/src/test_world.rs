//! A small catalog with tables in memory, for tests: `main.hr`, owned by `root`, with `alice`
//! and `bob` who may use it. The raw tables take filters as Delta scans do, at planning and
//! while a plan runs, so that what enters a leaf is really evaluated.

mod canary;
mod raw_table;
mod showing;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::error::Result;
use datafusion::execution::context::SessionConfig;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder, SessionStateDefaults};
use datafusion::logical_expr::{LogicalPlan, ScalarUDF};
use datafusion::physical_plan::collect;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::DatabricksDialect;
use datafusion::sql::sqlparser::parser::Parser;
use weir_catalog::policy::SEMANTICS;
use weir_catalog::snapshot::Content;
use weir_catalog::{
    Catalog, Column, ColumnBinding, ColumnMask, Epoch, Function, FunctionId, Grant, MetastoreId,
    MetastoreRoot, Name, ObjectName, Parameter, PolicyArgument, PolicyFunction, Principal, PrincipalId,
    PrincipalKind, Privilege, Returns, RowFilter, Schema as CatalogSchema, SchemaId, SchemaName, SecurableId,
    Snapshot, Stamps, Table, TableId, TableKind, ViewDefinition,
};

pub(crate) use self::canary::Canary;
pub(crate) use self::raw_table::{RawTable, taken};
pub(crate) use self::showing::{numbers, show};
use crate::identity_function::identity_functions;
use crate::open_table::{
    Moment, OpenError, OpenSystemTable, OpenTable, OpenedChanges, OpenedTable, Stretch, SystemTable,
    SystemTableRequest,
};
use crate::resolver::{NoFiles, Sources};
use crate::{Access, Caller, GovernedPlan, Scope, bind_statement, govern, physical_rules};

/// Everything a test needs, changeable between statements.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) content: Content,
    pub(crate) root: PrincipalId,
    pub(crate) alice: PrincipalId,
    pub(crate) bob: PrincipalId,
    pub(crate) schema: SchemaId,
    pub(crate) partitions: usize,
    /// The name of a rule of the optimiser that is left out.
    pub(crate) without: Option<String>,
    pub(crate) books: Option<SystemTable>,
    raw: HashMap<TableId, OpenedTable>,
    functions: Vec<Arc<ScalarUDF>>,
    pub(crate) opened: Arc<AtomicUsize>,
}

/// A column of a made-up table.
pub(crate) fn ints(
    name: &str,
    values: impl IntoIterator<Item = impl Into<Option<i32>>>,
) -> (String, ArrayRef) {
    (name.to_owned(), Arc::new(values.into_iter().map(Into::into).collect::<Int32Array>()))
}

/// A column of a made-up table.
pub(crate) fn texts<'a>(
    name: &str,
    values: impl IntoIterator<Item = impl Into<Option<&'a str>>>,
) -> (String, ArrayRef) {
    (name.to_owned(), Arc::new(values.into_iter().map(Into::into).collect::<StringArray>()))
}

/// Columns as a batch; all may be NULL.
pub(crate) fn batch(columns: Vec<(String, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect())
        .unwrap()
}

pub(crate) fn type_text(data_type: &DataType) -> String {
    match data_type {
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => "STRING".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(..) => "TIMESTAMP".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::Dictionary(_, value) => type_text(value),
        DataType::Struct(fields) => {
            let field = |field: &Arc<Field>| format!("{}: {}", field.name(), type_text(field.data_type()));
            format!("STRUCT<{}>", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

pub(crate) fn parse_type(text: &str) -> Option<DataType> {
    if let Some(fields) = text.strip_prefix("STRUCT<").and_then(|text| text.strip_suffix('>')) {
        let field = |text: &str| {
            let (name, type_text) = text.split_once(": ")?;
            Some(Field::new(name, parse_type(type_text)?, true))
        };
        return fields
            .split(", ")
            .map(field)
            .collect::<Option<Vec<_>>>()
            .map(|it| DataType::Struct(it.into()));
    }
    Some(match text {
        "INT" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "SMALLINT" => DataType::Int16,
        "BOOLEAN" => DataType::Boolean,
        "DOUBLE" => DataType::Float64,
        "STRING" => DataType::Utf8View,
        "DATE" => DataType::Date32,
        "TIMESTAMP" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "DECIMAL(10,2)" => DataType::Decimal128(10, 2),
        "DECIMAL(12,4)" => DataType::Decimal128(12, 4),
        _ => return None,
    })
}

fn parse_expression(text: &str) -> Result<ast::Expr> {
    Ok(Parser::new(&DatabricksDialect {}).try_with_sql(text)?.parse_expr()?)
}

/// The same without the rule of that name, logical or physical.
pub(crate) fn without(state: SessionState, rule: &str) -> SessionState {
    let logical = state.optimizers().iter().filter(|one| one.name() != rule).cloned().collect();
    let physical = state.physical_optimizers().iter().filter(|one| one.name() != rule).cloned().collect();
    SessionStateBuilder::new_from_existing(state)
        .with_optimizer_rules(logical)
        .with_physical_optimizer_rules(physical)
        .build()
}

pub(crate) fn parse_query(text: &str) -> Result<ast::Query> {
    Ok(*Parser::new(&DatabricksDialect {}).try_with_sql(text)?.parse_query()?)
}

impl World {
    pub(crate) fn new() -> Self {
        let root = PrincipalId::fresh();
        let stamps = Stamps::new(Default::default(), root);
        let main = Catalog::new(Name::new("main").unwrap(), root, stamps);
        let hr = CatalogSchema::new(main.id, SchemaName::new("main", "hr").unwrap(), root, stamps);
        let mut world = Self {
            root,
            alice: root,
            bob: root,
            schema: hr.id,
            partitions: 1,
            without: None,
            books: None,
            raw: HashMap::new(),
            functions: Vec::new(),
            opened: Arc::default(),
            content: Content {
                principals: vec![principal(root, "root", PrincipalKind::User)],
                catalogs: vec![main],
                schemas: vec![hr],
                ..Content::empty(MetastoreRoot { id: MetastoreId::fresh(), owner: None })
            },
        };
        world.use_of(root);
        world.alice = world.user("alice");
        world.bob = world.user("bob");
        world
    }

    pub(crate) fn user(&mut self, name: &str) -> PrincipalId {
        let id = PrincipalId::fresh();
        self.content.principals.push(principal(id, name, PrincipalKind::User));
        self.use_of(id);
        id
    }

    pub(crate) fn group(&mut self, name: &str, members: &[PrincipalId]) -> PrincipalId {
        let id = PrincipalId::fresh();
        self.content.principals.push(principal(id, name, PrincipalKind::Group));
        self.content.memberships.extend(members.iter().map(|member| (id, *member)));
        id
    }

    fn use_of(&mut self, principal: PrincipalId) {
        let catalog = SecurableId::Catalog(self.content.catalogs[0].id);
        self.grant(principal, Privilege::UseCatalog, catalog);
        self.grant(principal, Privilege::UseSchema, SecurableId::Schema(self.schema));
    }

    pub(crate) fn grant(&mut self, principal: PrincipalId, privilege: Privilege, securable: SecurableId) {
        self.content.grants.push(Grant::allow(principal, privilege, securable));
    }

    /// A table of `root` that `alice` may read.
    pub(crate) fn table(&mut self, name: &str, batch: RecordBatch) -> TableId {
        let id = self.hidden_table(name, batch);
        self.grant(self.alice, Privilege::Select, SecurableId::Table(id));
        id
    }

    /// A table that only `root` may read.
    pub(crate) fn hidden_table(&mut self, name: &str, batch: RecordBatch) -> TableId {
        let table = self.entry(name, TableKind::Managed { location: name.to_owned() }, Vec::new());
        let id = table.id;
        self.content.tables.push(table);
        self.set_raw(id, RawTable::new(vec![batch]));
        id
    }

    pub(crate) fn set_raw(&mut self, id: TableId, raw: RawTable) {
        let provider = Arc::new(raw);
        let opened = OpenedTable {
            provider,
            version: Some(7),
            mark: String::new(),
            field_ids: HashMap::new(),
            inner_ids: HashMap::new(),
            numbers: Arc::new(NoFiles),
            identified: None,
        };
        self.raw.insert(id, opened);
    }

    pub(crate) fn set_field_ids(&mut self, id: TableId, ids: &[(&str, i64)]) {
        let opened = self.raw.get_mut(&id).unwrap();
        opened.field_ids = ids.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect();
    }

    pub(crate) fn opened_table(&self, id: TableId) -> OpenedTable {
        self.raw[&id].clone()
    }

    fn entry(&self, name: &str, kind: TableKind, columns: Vec<Column>) -> Table {
        Table {
            id: TableId::fresh(),
            schema: self.schema,
            name: ObjectName::new("main", "hr", name).unwrap(),
            owner: self.root,
            kind,
            columns,
            row_filter: None,
            masks: Vec::new(),
            properties: BTreeMap::new(),
            comment: None,
            tags: Default::default(),
            stamps: Stamps::new(Default::default(), self.root),
        }
    }

    pub(crate) fn view(&mut self, name: &str, columns: &[&str], text: &str, reads: &[TableId]) -> TableId {
        // A column is an INT, or `name TYPE`.
        let columns = columns.iter().map(|text| text.split_once(' ').unwrap_or((text, "INT")));
        let columns = columns.map(|(name, type_text)| Column::new(name, type_text)).collect();
        let tests_identity = text.contains("current_user") || text.contains("group_member");
        let view =
            ViewDefinition { text: text.to_owned(), tests_identity, reads: reads.to_vec(), calls: vec![] };
        let table = self.entry(name, TableKind::View(view), columns);
        let id = table.id;
        self.content.tables.push(table);
        self.grant(self.alice, Privilege::Select, SecurableId::Table(id));
        id
    }

    pub(crate) fn of(&mut self, id: TableId) -> &mut Table {
        self.content.tables.iter_mut().find(|table| table.id == id).unwrap()
    }

    /// A function of `root`; parameters are `name TYPE` or `name TYPE DEFAULT text`.
    pub(crate) fn function(
        &mut self,
        name: &str,
        parameters: &[&str],
        returns: &str,
        body: &str,
    ) -> FunctionId {
        let parameters = parameters
            .iter()
            .map(|text| {
                let (text, default) = match text.split_once(" DEFAULT ") {
                    Some((text, default)) => (text, Some(default.to_owned())),
                    None => (*text, None),
                };
                let (name, type_text) = text.split_once(' ').unwrap();
                Parameter { name: name.to_owned(), type_text: type_text.to_owned(), default, comment: None }
            })
            .collect();
        let id = FunctionId::fresh();
        self.content.functions.push(Function {
            id,
            schema: self.schema,
            name: ObjectName::new("main", "hr", name).unwrap(),
            owner: self.root,
            parameters,
            returns: Returns::Scalar(returns.to_owned()),
            body: body.to_owned(),
            reads: Vec::new(),
            calls: Vec::new(),
            comment: None,
            stamps: Stamps::new(Default::default(), self.root),
        });
        id
    }

    pub(crate) fn binding(&self, table: TableId, column: &str) -> ColumnBinding {
        let Some(opened) = self.raw.get(&table) else {
            let view = self.content.tables.iter().find(|known| known.id == table).unwrap();
            let type_text = view.column(column).unwrap().type_text.clone();
            return ColumnBinding { name: column.to_owned(), field_id: None, type_text };
        };
        let schema = opened.provider.schema();
        ColumnBinding {
            name: column.to_owned(),
            field_id: opened.field_ids.get(column).copied(),
            type_text: type_text(schema.field_with_name(column).unwrap().data_type()),
        }
    }

    /// Sets a filter whose function has `parameters` and `body`, over `columns`.
    pub(crate) fn filter(
        &mut self,
        table: TableId,
        parameters: &[&str],
        body: &str,
        columns: &[&str],
    ) -> FunctionId {
        let function = self.function("keep", parameters, "BOOLEAN", body);
        let arguments =
            columns.iter().map(|column| PolicyArgument::Column(self.binding(table, column))).collect();
        self.of(table).row_filter =
            Some(RowFilter { function: PolicyFunction::Sql(function), arguments, semantics: SEMANTICS });
        function
    }

    /// Sets a mask of `column` whose function has `parameters`, `returns` and `body`; `more`
    /// columns are its further arguments.
    pub(crate) fn mask(
        &mut self,
        table: TableId,
        column: &str,
        parameters: &[&str],
        returns: &str,
        body: &str,
        more: &[&str],
    ) -> FunctionId {
        let function = self.function(&format!("mask_{}", column.to_lowercase()), parameters, returns, body);
        let arguments =
            more.iter().map(|column| PolicyArgument::Column(self.binding(table, column))).collect();
        let column = self.binding(table, column);
        self.of(table).masks.push(ColumnMask {
            column,
            path: Vec::new(),
            function: PolicyFunction::Sql(function),
            arguments,
            semantics: SEMANTICS,
        });
        function
    }

    pub(crate) fn protect(&mut self, table: TableId, level: &str) {
        self.of(table).properties.insert("governance.protection".to_owned(), level.to_owned());
    }

    /// A function that users may call.
    pub(crate) fn callable(&mut self, function: ScalarUDF) {
        self.functions.push(Arc::new(function));
    }

    pub(crate) fn state(&self, caller: &Arc<Caller>) -> SessionState {
        let mut config = SessionConfig::new()
            .with_target_partitions(self.partitions)
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        config.options_mut().sql_parser.map_string_types_to_utf8view = true;
        // As the server has it.
        config.options_mut().optimizer.enable_leaf_expression_pushdown = false;
        let mut state = SessionStateBuilder::new()
            .with_config(config)
            .with_scalar_functions(SessionStateDefaults::default_scalar_functions())
            .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
            .with_window_functions(SessionStateDefaults::default_window_functions())
            .with_expr_planners(SessionStateDefaults::default_expr_planners())
            .with_physical_optimizer_rules(physical_rules())
            .build();
        for function in identity_functions(caller).into_iter().chain(self.functions.iter().cloned()) {
            state.register_udf(function).unwrap();
        }
        match &self.without {
            Some(rule) => without(state, rule),
            None => state,
        }
    }

    pub(crate) fn scope(&self, who: PrincipalId) -> Arc<Scope> {
        self.scope_with(who, None)
    }

    /// A scope in which users may call one function more.
    pub(crate) fn scope_calling(&self, who: PrincipalId, function: Arc<ScalarUDF>) -> Arc<Scope> {
        self.scope_with(who, Some(function))
    }

    fn scope_with(&self, who: PrincipalId, function: Option<Arc<ScalarUDF>>) -> Arc<Scope> {
        let snapshot = Arc::new(Snapshot::new(Epoch(1), self.content.clone()));
        let caller = Arc::new(Caller::new(&snapshot, who, BTreeMap::new()).unwrap());
        let mut state = self.state(&caller);
        if let Some(function) = function {
            state.register_udf(function).unwrap();
        }
        let tables = Arc::new(Opener { raw: self.raw.clone(), opened: Arc::clone(&self.opened) });
        let sources = Sources {
            tables,
            system: Arc::new(Books(self.books.clone())),
            parse_type,
            parse_expression,
            parse_query,
            witness: Arc::default(),
            read_at: None,
        };
        Scope::new(snapshot, caller, sources, state)
    }

    pub(crate) async fn logical(&self, scope: &Arc<Scope>, sql: &str) -> Result<LogicalPlan> {
        let access = Access::of_caller(scope.caller(), "main", "hr");
        let statement = ast::Statement::Query(Box::new(parse_query(sql)?));
        bind_statement(scope, &access, statement).await
    }

    pub(crate) async fn plan(&self, who: PrincipalId, sql: &str) -> Result<(Arc<Scope>, GovernedPlan)> {
        let scope = self.scope(who);
        let plan = self.plan_in(&scope, sql).await?;
        Ok((scope, plan))
    }

    pub(crate) async fn plan_in(&self, scope: &Arc<Scope>, sql: &str) -> Result<GovernedPlan> {
        let logical = self.logical(scope, sql).await?;
        govern(scope, scope.state(), &logical).await
    }

    pub(crate) async fn batches(&self, who: PrincipalId, sql: &str) -> Result<Vec<RecordBatch>> {
        let (scope, plan) = self.plan(who, sql).await?;
        run(&scope, &plan).await
    }

    /// The rows as lines, in the order they come.
    pub(crate) async fn lines(&self, who: PrincipalId, sql: &str) -> Result<Vec<String>> {
        Ok(self.batches(who, sql).await?.iter().flat_map(lines_of).collect())
    }

    /// The rows as lines, sorted.
    pub(crate) async fn rows(&self, who: PrincipalId, sql: &str) -> Result<Vec<String>> {
        let mut lines = self.lines(who, sql).await?;
        lines.sort();
        Ok(lines)
    }

    /// The text of the error that the statement ends in, at whatever step.
    pub(crate) async fn error(&self, who: PrincipalId, sql: &str) -> String {
        match self.batches(who, sql).await {
            Ok(batches) => panic!("`{sql}` gave rows: {batches:?}"),
            Err(error) => error.strip_backtrace(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests run governed plans here")]
pub(crate) async fn run(scope: &Scope, plan: &GovernedPlan) -> Result<Vec<RecordBatch>> {
    collect(Arc::clone(plan.plan()), scope.state().task_ctx()).await
}

pub(crate) fn lines_of(batch: &RecordBatch) -> Vec<String> {
    (0..batch.num_rows())
        .map(|row| {
            let cells = batch.columns().iter().map(|column| match column.is_null(row) {
                true => "NULL".to_owned(),
                false => array_value_to_string(column, row).unwrap(),
            });
            cells.collect::<Vec<_>>().join("|")
        })
        .collect()
}

fn principal(id: PrincipalId, name: &str, kind: PrincipalKind) -> Principal {
    Principal {
        id,
        name: name.to_owned(),
        kind,
        disabled: false,
        account_admin: false,
        may_act_for_users: false,
    }
}

#[derive(Debug)]
struct Opener {
    raw: HashMap<TableId, OpenedTable>,
    opened: Arc<AtomicUsize>,
}

#[async_trait]
impl OpenTable for Opener {
    async fn open_within(&self, table: &Table, _age: Duration) -> Result<OpenedTable, OpenError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.raw.get(&table.id).cloned().ok_or_else(|| format!("`{}` has no files", table.name).into())
    }

    async fn open_past(
        &self,
        table: &Table,
        _newest: Option<u64>,
        _moment: Moment,
    ) -> Result<OpenedTable, OpenError> {
        Err(format!("`{}` has one version", table.name).into())
    }

    async fn open_changes(
        &self,
        table: &Table,
        _newest: Option<u64>,
        _stretch: Stretch,
    ) -> Result<OpenedChanges, OpenError> {
        Err(format!("`{}` has one version", table.name).into())
    }
}

/// One table of the books, `system.books.entries`.
#[derive(Debug)]
struct Books(Option<SystemTable>);

#[async_trait]
impl OpenSystemTable for Books {
    async fn open(&self, request: SystemTableRequest<'_>) -> Result<Option<SystemTable>, OpenError> {
        Ok(self.0.clone().filter(|_| request.schema == "books" && request.table == "entries"))
    }
}
