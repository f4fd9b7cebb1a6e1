//! INSERT and CTAS: a governed query's rows, cast to the table's columns and appended in one commit. UPDATE, DELETE,
//! TRUNCATE and MERGE: [`change_rows`]. Rows that the client sends: [`ingestion`].
//!
//! New rows of a table with a row filter must be ones that their writer can see; values that are masked for the writer are
//! not written back to the table they come from; what is derived from a governed table is tagged so.
//!
//! A table made by CTAS is told to the catalog after its rows are there; when anything fails
//! before, its folder is removed again. With OR REPLACE the catalog then takes the new folder for the old one at once:
//! the table keeps its policies, and until then everybody reads what was there.

mod admitted;
pub(crate) mod assigned;
mod change_rows;
mod ingestion;

use assigned::assigned;
pub use change_rows::PreparedChange;
pub use ingestion::{IfExists, IfMissing, Ingestion, PreparedIngestion, SentRows};

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use weir_catalog::metastore::{OnExisting, Storage, TableSpec, derived_from_governed};
use weir_catalog::{
    Column, Metastore, ObjectName, Privilege, SecurableId, SecurableKind, SecurableName, Snapshot, Table,
    TableId, TableKind, Tags, authorize,
};
use weir_enforce::masked_values::masked_columns;
use weir_enforce::new_rows::NewRows;
use weir_enforce::permit::Barrier;
use weir_enforce::witness::{AccessAnswer, TableAccess};
use weir_enforce::{GovernedPlan, ScannedLeaf, Scope, govern};
use weir_meter::MeteredStream;
use weir_scan::{DeltaTables, TableLocation};

use crate::context::Context;
use crate::error::{Condition, Error, Kind, Result};
use crate::location::Locations;
use crate::query::engine::Engine;
use crate::query::execute::{self, Guard};
use crate::query::gauges::StatementGauges;
use crate::query::plan::Planned;
use crate::query::staleness::check_own;
use crate::query::stored_parameters::typed;
use crate::query::wire::wire_schema;
use crate::run::Parameters;
use crate::sql::ast::Ident;
use crate::sql::{CreateTableAs, Insert, types};

/// Where rows go.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// Into a table that is there.
    Insert(&'a Insert),
    /// Into a new one.
    Create(&'a CreateTableAs),
}

/// A governed query and the table that takes its rows.
#[derive(Debug)]
pub struct PreparedWrite {
    scope: Arc<Scope>,
    plan: GovernedPlan,
    location: TableLocation,
    schema: SchemaRef,
    made: Option<NewTable>,
    into: Option<Existing>,
    /// The query as it was planned, parameters open.
    asked: LogicalPlan,
}

/// A table that is there.
#[derive(Debug)]
struct Existing {
    table: Table,
    /// What new rows are put behind.
    filter: Option<NewRows>,
}

/// A table to be made for the rows, and told to the catalog after them.
#[derive(Debug)]
struct NewTable {
    spec: TableSpec,
    partition_columns: Vec<String>,
    telling: Telling,
}

/// How the catalog is told.
#[derive(Debug)]
enum Telling {
    /// There is no such table.
    Create(OnExisting),
    /// There is one, whose files lie here.
    Replace(Option<TableLocation>),
}

impl PreparedWrite {
    /// What is read.
    pub fn plan(&self) -> &GovernedPlan {
        &self.plan
    }

    /// The scope in which its query was planned, and that plan, parameters open.
    pub fn stands_on(&self) -> (&Arc<Scope>, &LogicalPlan) {
        (&self.scope, &self.asked)
    }
}

/// Writes rows into tables that the catalog knows.
#[derive(Debug, Clone)]
pub struct Writer {
    metastore: Arc<Metastore>,
    tables: Arc<DeltaTables>,
    locations: Arc<Locations>,
}

impl Writer {
    /// A writer for tables at `locations`.
    pub fn new(metastore: Arc<Metastore>, tables: Arc<DeltaTables>, locations: Arc<Locations>) -> Self {
        Self { metastore, tables, locations }
    }

    /// Plans the rows for `target`; `None` when there is nothing to do (IF NOT EXISTS).
    pub async fn prepare(
        &self,
        engine: &Engine,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        target: &Target<'_>,
        parameters: &Parameters,
    ) -> Result<Option<PreparedWrite>> {
        match target {
            Target::Insert(insert) => {
                let name = insert.table.resolve(&context.session)?;
                let table = writable(context, snapshot, &name, Privilege::Insert).await?;
                let query = typed(context, snapshot, insert)?;
                let planned = Planned::new(engine, context, snapshot, &query).await?;
                let opened = planned.scope.open(table).await?;
                let schema = opened.provider.schema();
                let plan = rows_for(planned.bound(parameters)?, &schema, &insert.columns, &name)?;
                let location = self.locations.of_stored(table)?;
                check_unmasked(&plan, 0, table)?;
                let filter = NewRows::of(&planned.scope, table, &opened).await?;
                let plan = govern(&planned.scope, planned.scope.state(), &plan).await?;
                let into = Some(Existing { table: table.clone(), filter });
                let (scope, asked, made) = (planned.scope, planned.plan, None);
                Ok(Some(PreparedWrite { scope, plan, location, schema, made, into, asked }))
            }
            Target::Create(create) => {
                self.prepare_create(engine, context, snapshot, create, parameters).await
            }
        }
    }

    async fn prepare_create(
        &self,
        engine: &Engine,
        context: &Context,
        snapshot: &Arc<Snapshot>,
        create: &CreateTableAs,
        parameters: &Parameters,
    ) -> Result<Option<PreparedWrite>> {
        if create.location.is_some() {
            return Err(Error::new(
                Condition::UnsupportedFeature,
                "CREATE TABLE AS with LOCATION is not supported",
            )
            .with_hint("leave LOCATION out for a managed table"));
        }
        let name = create.name.resolve(&context.session)?;
        check_may_create(context, snapshot, &name)?;
        let existing = snapshot.table(&name);
        if create.if_not_exists && existing.is_some() {
            return Ok(None);
        }
        let telling = match self.telling(context, snapshot, &name, create.or_replace)? {
            Telling::Create(_) if create.if_not_exists => Telling::Create(OnExisting::Keep),
            telling => telling,
        };
        let planned = Planned::new(engine, context, snapshot, &create.query).await?;
        let schema = told_apart(&planned.schema, "the query gives")?;
        let plan = rows_for(planned.bound(parameters)?, &schema, &[], &name)?;
        let partition_columns = partition_columns(&schema, &create.partitioned_by)?;
        let plan = govern(&planned.scope, planned.scope.state(), &plan).await?;
        if let Some(table) = existing {
            check_nothing_lost(&plan, table)?;
        }
        let stored = self.locations.new_managed();
        let location = self.locations.managed(&stored)?;
        let spec = TableSpec {
            name,
            storage: Storage::Managed { location: stored },
            columns: catalog_columns(&schema),
            properties: create.properties.clone(),
            comment: create.comment.clone(),
            tags: if is_derived(snapshot, &plan, None) { derived_from_governed()? } else { Tags::new() },
            row_filter: None,
            masks: Vec::new(),
        };
        let made = Some(NewTable { spec, partition_columns, telling });
        // Whoever may replace a table chooses all of its rows: its filter is asked of none.
        let into = existing.map(|table| Existing { table: table.clone(), filter: None });
        let (scope, asked) = (planned.scope, planned.plan);
        Ok(Some(PreparedWrite { scope, plan, location, schema, made, into, asked }))
    }

    /// How the catalog is to be told of a new table of that name, in the place of one that is there where it may replace.
    fn telling(
        &self,
        context: &Context,
        snapshot: &Snapshot,
        name: &ObjectName,
        replaces: bool,
    ) -> Result<Telling> {
        match snapshot.table(name) {
            None => Ok(Telling::Create(OnExisting::Fail)),
            Some(table) if replaces => {
                check_may_replace(context, snapshot, table)?;
                Ok(Telling::Replace(self.locations.of(table)?))
            }
            Some(_) => {
                let message = format!("table or view `{name}` already exists");
                Err(Error::new(Condition::TableOrViewAlreadyExists, message))
            }
        }
    }

    /// Writes the query's rows; their number.
    pub async fn write(
        &self,
        context: &Context,
        prepared: PreparedWrite,
        gauges: &Arc<StatementGauges>,
        guard: Guard,
    ) -> Result<u64> {
        let source = execute::start(&prepared.scope, &prepared.plan, gauges)?;
        self.write_rows(context, prepared, source, gauges, guard).await
    }

    /// Writes these rows; their number.
    async fn write_rows(
        &self,
        context: &Context,
        prepared: PreparedWrite,
        source: MeteredStream<SendableRecordBatchStream>,
        gauges: &Arc<StatementGauges>,
        guard: Guard,
    ) -> Result<u64> {
        let deadline = guard.deadline;
        let PreparedWrite { scope, plan, location, schema, mut made, into, .. } = prepared;
        if let Some(Existing { table, .. }) = &into {
            self.mark_derived(context, &scope, &plan, table).await?;
        }
        // The types in which policies read the table, or those of a new one.
        let own = if made.is_none() { Arc::clone(&schema) } else { wire_schema(&schema) };
        let source = execute::checked(context, source, &own, gauges, guard);
        let source = source.map_err(|error| DataFusionError::External(Box::new(error)));
        let mut input: SendableRecordBatchStream =
            Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&own), source));
        if let Some(Existing { table, filter: Some(filter) }) = &into {
            let admitted = self.admitted(context, (&scope, table), filter, input, gauges, deadline).await?;
            let names = Arc::clone(&own);
            let admitted = admitted.map(move |rows| admitted::renamed(&rows?, &names));
            let admitted = admitted.map_err(|error| DataFusionError::External(Box::new(error)));
            input = Box::pin(RecordBatchStreamAdapter::new(own, admitted));
        }
        let written = async {
            if let Some(made) = &mut made {
                self.make(context, &location, &schema, made).await?;
            }
            self.append(context, &scope, &location, input, gauges).await
        };
        let told = match (written.await, made) {
            (Ok(rows), None) => return Ok(rows),
            (Ok(rows), Some(made)) => self.tell(context, made).await.map(|()| rows),
            (Err(error), None) => return Err(error),
            (Err(error), Some(_)) => Err(error),
        };
        // Where the catalog's answer is lost, the table may be there.
        if told.as_ref().is_err_and(|error| error.condition() != Condition::Unavailable) {
            self.discard(&location).await;
        }
        told
    }

    /// The Delta log of a new table; its columns get the ids they have there.
    async fn make(
        &self,
        context: &Context,
        location: &TableLocation,
        schema: &SchemaRef,
        made: &mut NewTable,
    ) -> Result<()> {
        check_own(&made.spec.properties)?;
        let definition = weir_scan::NewTable {
            schema: Arc::clone(schema),
            partition_columns: made.partition_columns.clone(),
            properties: delta_properties(&made.spec.properties),
            comment: made.spec.comment.clone(),
        };
        let statement = ("statementId".to_owned(), context.statement_id().to_string());
        let table = self.tables.create_as(location, definition, vec![statement]).await?;
        for column in &mut made.spec.columns {
            column.field_id = table.field_ids().get(&column.name).copied();
        }
        Ok(())
    }

    async fn tell(&self, context: &Context, made: NewTable) -> Result<()> {
        let (by, now) = (context.requester(), context.clock().now());
        match made.telling {
            Telling::Create(on_existing) => {
                self.metastore.table_create(by, now, made.spec, on_existing).await?;
            }
            Telling::Replace(before) => {
                self.metastore.table_replace(by, now, made.spec).await?;
                if let Some(before) = before {
                    self.tables.forget(&before);
                }
            }
        }
        Ok(())
    }

    async fn append(
        &self,
        context: &Context,
        scope: &Arc<Scope>,
        location: &TableLocation,
        input: SendableRecordBatchStream,
        gauges: &Arc<StatementGauges>,
    ) -> Result<u64> {
        let metadata = commit_metadata(context);
        let append = self.tables.append(location, scope.state(), input, metadata, None);
        let appended = gauges.meter().future(Box::pin(append)).await?;
        gauges.wrote(appended.rows, appended.files, appended.bytes);
        Ok(appended.rows)
    }

    /// Tags `table` before rows come into it that are made of a governed table's.
    async fn mark_derived(
        &self,
        context: &Context,
        scope: &Arc<Scope>,
        plan: &GovernedPlan,
        table: &Table,
    ) -> Result<()> {
        let is_marked = derived_from_governed()?.keys().all(|key| table.tags.contains_key(key));
        if is_marked || !is_derived(scope.snapshot(), plan, Some(table.id)) {
            return Ok(());
        }
        let (by, now) = (context.requester(), context.clock().now());
        self.metastore.table_mark_derived(by, now, &table.name).await?;
        Ok(())
    }

    /// Removes the folder of a table that did not come to be.
    async fn discard(&self, location: &TableLocation) {
        let router = self.tables.router();
        let paths = router.list(Some(&location.mounted_path())).map_ok(|object| object.location);
        let removed = router.delete_stream(Box::pin(paths)).try_collect::<Vec<_>>().await;
        if let Err(error) = removed {
            tracing::warn!(%error, "the folder of a table that was not made stays behind");
        }
        self.tables.forget(location);
    }
}

/// Whether rows of `plan` come from a governed table that is not `target` itself, whatever of it the caller sees.
fn is_derived(snapshot: &Snapshot, plan: &GovernedPlan, target: Option<TableId>) -> bool {
    let governs = |leaf: &ScannedLeaf| {
        let table = leaf.permit.table.filter(|table| Some(*table) != target);
        table.and_then(|table| snapshot.table_by_id(table)).is_some_and(|table| snapshot.is_governed(table))
    };
    plan.scanned().iter().any(governs)
}

/// Who commits, for readers of the log.
fn commit_metadata(context: &Context) -> Vec<(String, String)> {
    vec![
        ("userName".to_owned(), context.identity().name().to_owned()),
        ("statementId".to_owned(), context.statement_id().to_string()),
    ]
}

/// The table that a statement writes to, if the caller has this privilege on it.
pub(crate) async fn writable<'a>(
    context: &Context,
    snapshot: &'a Snapshot,
    name: &ObjectName,
    privilege: Privilege,
) -> Result<&'a Table> {
    let missing = || Error::not_found(Condition::TableOrViewNotFound, "table or view", name);
    let decided = snapshot.table(name).ok_or_else(missing).and_then(|table| {
        let caller = context.identity().principal();
        let decision = authorize(snapshot, caller, privilege, SecurableId::Table(table.id));
        Ok((table, decision.require(snapshot, &SecurableName::Table(name.clone()))?))
    });
    let answer = match &decided {
        Ok((_, because)) => AccessAnswer::allowed(snapshot, because),
        Err(refusal) if refusal.kind() == Kind::NotFound => {
            AccessAnswer::NotFound(refusal.message().to_owned())
        }
        Err(refusal) => AccessAnswer::Denied(refusal.message().to_owned()),
    };
    let seen = TableAccess { name: name.to_string(), privilege, rights_of: None, answer };
    context.witness.access(snapshot.epoch(), seen).await;
    let (table, _) = decided?;
    if matches!(table.kind, TableKind::View(_)) {
        return Err(Error::new(Condition::UnsupportedFeature, "writing to a view is not supported"));
    }
    Ok(table)
}

/// Refuses to store in `table` what the caller was shown in the place of its values: a mask would become the value. The
/// columns of `plan` from the one at `first` on are stored.
pub(crate) fn check_unmasked(plan: &LogicalPlan, first: usize, table: &Table) -> Result<()> {
    let masked = masked_columns(plan, table.id)?;
    let mut stored = plan.schema().fields().iter().zip(masked).skip(first);
    let Some((field, _)) = stored.find(|(_, masked)| *masked) else { return Ok(()) };
    let text = format!(
        "the new value of `{}` would be made of values of `{}` that are masked for you",
        field.name(),
        table.name
    );
    Err(Error::new(Condition::MaskedValueWrite, text)
        .with_hint("leave masked columns as they are, or write values of your own"))
}

fn check_may_create(context: &Context, snapshot: &Snapshot, name: &ObjectName) -> Result<()> {
    let schema_name = name.schema_name();
    let schema = snapshot
        .schema(&schema_name)
        .ok_or_else(|| Error::not_found(Condition::SchemaNotFound, "schema", &schema_name))?;
    let principal = context.identity().principal();
    authorize(snapshot, principal, Privilege::CreateTable, SecurableId::Schema(schema.id))
        .require(snapshot, &SecurableName::Schema(schema_name))?;
    Ok(())
}

fn check_may_replace(context: &Context, snapshot: &Snapshot, table: &Table) -> Result<()> {
    let principal = context.identity().principal();
    let name = SecurableName::Table(table.name.clone());
    authorize(snapshot, principal, Privilege::Manage, SecurableId::Table(table.id))
        .require(snapshot, &name)?;
    match table.kind {
        TableKind::Managed { .. } => Ok(()),
        TableKind::External { .. } => {
            Err(weir_catalog::Error::ReplacesExternal { table: table.name.clone() }.into())
        }
        TableKind::View(_) => Err(weir_catalog::Error::WrongKind {
            name: table.name.to_string(),
            expected: SecurableKind::Table,
            found: table.securable_kind(),
        }
        .into()),
    }
}

/// Refuses rows that are read from the very table they replace, through policies that hide something: hidden rows
/// would be gone, and masked values stored in the place of real ones.
fn check_nothing_lost(plan: &GovernedPlan, table: &Table) -> Result<()> {
    let hides =
        |leaf: &ScannedLeaf| leaf.permit.table == Some(table.id) && leaf.permit.barrier != Barrier::None;
    match plan.scanned().iter().any(hides) {
        true => Err(Error::new(
            Condition::MaskedValueWrite,
            format!("the query reads `{}`, and policies hide rows or values of it from you", table.name),
        )
        .with_hint("whoever sees all of the table can replace it by a query on it")),
        false => Ok(()),
    }
}

/// Those properties that Delta's own log keeps as well.
pub(crate) fn delta_properties(properties: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let delta = properties.iter().filter(|(key, _)| key.starts_with("delta."));
    delta.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The query's rows as rows of `table`: matched by position or by `columns`, cast to its types;
/// a column that is not named is NULL.
fn rows_for(plan: LogicalPlan, table: &Schema, columns: &[Ident], name: &ObjectName) -> Result<LogicalPlan> {
    let given = plan.schema().columns();
    let positions = match columns {
        [] => (0..table.fields().len()).collect::<Vec<_>>(),
        named => named.iter().map(|column| position_of(table, column, name)).collect::<Result<_>>()?,
    };
    if given.len() != positions.len() {
        return Err(Error::new(
            Condition::DatatypeMismatch,
            format!("table `{name}` takes {} columns and the query gives {}", positions.len(), given.len()),
        ));
    }
    let mut sources: Vec<Option<Expr>> = vec![None; table.fields().len()];
    for (position, column) in positions.into_iter().zip(given) {
        match sources.get_mut(position) {
            Some(source @ None) => *source = Some(Expr::Column(column)),
            _ => return Err(Error::new(Condition::InvalidStatement, "a column is named twice")),
        }
    }
    let value = |(field, source): (&FieldRef, Option<Expr>)| -> Result<Expr> {
        let value = source.unwrap_or_else(|| lit(ScalarValue::Null));
        let from = value.get_type(plan.schema())?;
        Ok(assigned(value, &from, field)?.alias(field.name()))
    };
    let values = table.fields().iter().zip(sources).map(value).collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlanBuilder::from(plan).project(values)?.build()?)
}

fn position_of(table: &Schema, column: &Ident, name: &ObjectName) -> Result<usize> {
    let folded = column.value.to_lowercase();
    table.fields().iter().position(|field| field.name().to_lowercase() == folded).ok_or_else(|| {
        Error::new(Condition::UnresolvedColumn, format!("column `{}` is not in table `{name}`", column.value))
    })
}

/// The columns of a new table, if their names are distinct in any case; `given` begins the sentence otherwise.
fn told_apart(columns: &SchemaRef, given: &str) -> Result<SchemaRef> {
    let mut known = HashSet::new();
    match columns.fields().iter().find(|field| !known.insert(field.name().to_lowercase())) {
        Some(field) => {
            let text = format!("{given} two columns named `{}`", field.name());
            Err(Error::new(Condition::InvalidStatement, text).with_hint("give one of them another name"))
        }
        None => Ok(Arc::clone(columns)),
    }
}

fn catalog_columns(schema: &Schema) -> Vec<Column> {
    schema
        .fields()
        .iter()
        .map(|field| Column {
            nullable: field.is_nullable(),
            ..Column::new(field.name(), types::text_of(field.data_type()))
        })
        .collect()
}

/// The partition columns as the table spells them.
fn partition_columns(schema: &Schema, named: &[String]) -> Result<Vec<String>> {
    named
        .iter()
        .map(|name| {
            let folded = name.to_lowercase();
            let field = schema.fields().iter().find(|field| field.name().to_lowercase() == folded);
            field.map(|field| field.name().clone()).ok_or_else(|| {
                let text = format!("partition column `{name}` is not among the query's columns");
                Error::new(Condition::UnresolvedColumn, text)
            })
        })
        .collect()
}
