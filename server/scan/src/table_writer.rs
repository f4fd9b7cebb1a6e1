//! Creates tables and appends rows to them, one commit each.
//!
//! Lengths of texts are checked here ([`TextLengths`]). NOT NULL, CHECK constraints, invariants and generated columns are checked by delta-rs while it writes; a table with a
//! writer feature that it lacks is refused by the feature's name. An application transaction makes an append idempotent:
//! the same one is never applied twice, whether the first try was lost, is running, or is long done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionConfig;
use deltalake::delta_datafusion::SessionFallbackPolicy;
use deltalake::delta_datafusion::planner::DeltaPlanner;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::kernel::{Action, Add, StructType, Transaction};
use deltalake::logstore::LogStoreRef;
use deltalake::operations::create::CreateBuilder;
use deltalake::operations::write::WriteBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use futures::{StreamExt, stream};
use tokio::sync::{Mutex, Notify};

use crate::caught_commit::CaughtCommit;
use crate::caught_panic::unless_panicked;
use crate::delta_tables::DeltaTables;
use crate::error::{self, Error, Result};
use crate::file_layout::writer_properties;
use crate::location::TableLocation;
use crate::null_twins::Aside;
use crate::pinned_table::PinnedTable;
use crate::text_length::{self, TextLengths};
use crate::{table_features, table_schema};

/// The definition of a table to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTable {
    /// The columns; types are narrowed to those that Delta has. Texts may be bounded ([`crate::bounded`]).
    pub schema: SchemaRef,
    /// Columns that partition the table, in order.
    pub partition_columns: Vec<String>,
    /// Delta table properties, such as `delta.columnMapping.mode`.
    pub properties: Vec<(String, String)>,
    /// What the table is, for readers of the log.
    pub comment: Option<String>,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Rows written by this call.
    pub rows: u64,
    /// Files written by this call.
    pub files: u64,
    /// The bytes of these files.
    pub bytes: u64,
    /// The table's version that holds the rows.
    pub version: u64,
    /// Whether an earlier call with the same application transaction had written the rows, so that this one wrote nothing.
    pub already_applied: bool,
}

impl DeltaTables {
    /// Creates a table without properties. Fails if there is one.
    pub async fn create(
        &self,
        location: &TableLocation,
        schema: SchemaRef,
        partition_columns: &[String],
    ) -> Result<PinnedTable> {
        let partition_columns = partition_columns.to_vec();
        let definition = NewTable { schema, partition_columns, properties: Vec::new(), comment: None };
        self.create_as(location, definition, Vec::new()).await
    }

    /// Creates a table. Fails if there is one.
    pub async fn create_as(
        &self,
        location: &TableLocation,
        definition: NewTable,
        commit_metadata: Vec<(String, String)>,
    ) -> Result<PinnedTable> {
        let invalid = |source| Error::InvalidDefinition { table: location.clone(), source };
        if has_bytes(&definition.schema, &definition.partition_columns) {
            return Err(invalid("a column of type BINARY cannot partition a table".into()));
        }
        let schema = table_schema::for_delta(&definition.schema)?;
        let columns: StructType =
            schema.as_ref().try_into_kernel().map_err(|cause| invalid(Box::new(cause)))?;
        let log_store = self.log_store(location)?;
        match log_store.is_delta_table_location().await {
            Ok(false) => {}
            Ok(true) => return Err(Error::AlreadyExists { table: location.clone() }),
            Err(failure) => return Err(error::from_delta(location, failure)),
        }
        let mut builder = CreateBuilder::new()
            .with_log_store(log_store)
            .with_columns(columns.fields().cloned())
            .with_partition_columns(definition.partition_columns)
            .with_actions(table_features::of_new_table(location, &definition.properties)?)
            .with_configuration(definition.properties.into_iter().map(|(key, value)| (key, Some(value))))
            .with_commit_properties(commit_properties(commit_metadata, None));
        if let Some(comment) = definition.comment {
            builder = builder.with_comment(comment);
        }
        let table = builder.await.map_err(|failure| match error::commit_failure(location, failure) {
            Error::Conflict { .. } => Error::AlreadyExists { table: location.clone() },
            Error::InvalidRows { source, .. } => invalid(source),
            other => other,
        })?;
        self.forget(location);
        let table = PinnedTable::new(location.clone(), table)?;
        self.committed(table.clone()).await;
        Ok(table)
    }

    /// Adds nullable columns after those the table has, in one commit.
    pub async fn add_columns(
        &self,
        location: &TableLocation,
        columns: SchemaRef,
        commit_metadata: Vec<(String, String)>,
    ) -> Result<PinnedTable> {
        let invalid = |source| Error::InvalidDefinition { table: location.clone(), source };
        let table = self.open(location).await?;
        if table.has_column_mapping() {
            return self.add_mapped_columns(&table, &columns, commit_metadata).await;
        }
        let columns = table_schema::for_delta(&columns)?;
        let columns: StructType =
            columns.as_ref().try_into_kernel().map_err(|cause| invalid(Box::new(cause)))?;
        let fields: Vec<_> = columns.fields().cloned().collect();
        let extended = table
            .table()
            .await?
            .add_columns()
            .with_fields(fields)
            .with_commit_properties(commit_properties(commit_metadata, None))
            .await
            .map_err(|failure| error::commit_failure(location, failure))?;
        let extended = PinnedTable::new(location.clone(), extended)?;
        self.committed(extended.clone()).await;
        Ok(extended)
    }

    /// Appends rows in one commit. Columns are matched by name; the session gives memory, spill space and parallelism.
    ///
    /// `commit_metadata` goes into the commit as it is. With `app_txn`, an application's name for itself and a number
    /// that grows, rows are written only if the table has not seen that number or a higher one from that application.
    pub async fn append(
        &self,
        location: &TableLocation,
        session: &dyn Session,
        input: SendableRecordBatchStream,
        commit_metadata: Vec<(String, String)>,
        app_txn: Option<(String, i64)>,
    ) -> Result<Appended> {
        let table = self.open(location).await?;
        if let Some(applied) = applied_before(&table, app_txn.as_ref()).await? {
            return Ok(applied);
        }
        check_partitions(&table)?;
        let input = TextLengths::of_all(&table)?.checked(input);
        let input = Arc::new(Input::for_writer(input, Aside::of(&table, session)));
        let added = added(&table, session, &input).await?;
        let (rows, files, bytes) = (input.rows(), added.len() as u64, bytes_of(&added));
        let metrics = serde_json::json!({
            "numFiles": files,
            "numOutputRows": rows,
            "numOutputBytes": bytes,
        });
        let mut properties = commit_properties(commit_metadata, Some(metrics));
        if let Some((app_id, version)) = &app_txn {
            properties = properties.with_application_transaction(Transaction::new(app_id, *version));
        }
        let actions = added.into_iter().map(Action::Add).collect();
        match self.commit(&table, actions, properties, appending(&table)).await {
            // The rows are there, whether or not the new version can be read.
            Ok((version, _)) => Ok(Appended { rows, files, bytes, version, already_applied: false }),
            // The same transaction may have been committed by somebody else in the meantime.
            Err(failure) => match applied_before(&self.open(location).await?, app_txn.as_ref()).await? {
                Some(applied) => Ok(applied),
                None => Err(failure),
            },
        }
    }
}

/// What a commit of more rows is called, for readers of the log.
fn appending(table: &PinnedTable) -> DeltaOperation {
    let partition_by = table.partition_columns().to_vec();
    let partition_by = (!partition_by.is_empty()).then_some(partition_by);
    DeltaOperation::Write { mode: SaveMode::Append, partition_by, predicate: None }
}

/// Whether bytes partition a table. Those that delta-rs writes are not those that are read again.
fn has_bytes(schema: &Schema, partition_columns: &[String]) -> bool {
    let mut columns = schema.fields().iter().filter(|field| partition_columns.contains(field.name()));
    columns.any(|field| field.data_type().is_binary())
}

/// Refuses to write to a table that bytes partition.
pub(crate) fn check_partitions(table: &PinnedTable) -> Result<()> {
    match has_bytes(&table.schema(), table.partition_columns()) {
        true => {
            let features = vec!["partitions by a column of type BINARY".to_owned()];
            Err(Error::UnsupportedWrite { table: table.location().clone(), features })
        }
        false => Ok(()),
    }
}

/// Writes rows of `table` into new files, and commits nothing.
pub(crate) async fn added(
    table: &PinnedTable,
    session: &dyn Session,
    input: &Arc<Input>,
) -> Result<Vec<Add>> {
    let mut added = added_together(table, session, input).await?;
    for rows in input.kept_aside().await {
        let rows = stream::iter(rows.into_iter().map(Ok));
        let rows = RecordBatchStreamAdapter::new(Arc::clone(&input.schema), rows);
        let input = Arc::new(Input::for_writer(Box::pin(rows), None));
        added.extend(added_together(table, session, &input).await?);
    }
    Ok(added)
}

/// The same of rows of which no two with different values have one folder.
async fn added_together(table: &PinnedTable, session: &dyn Session, input: &Arc<Input>) -> Result<Vec<Add>> {
    let location = table.location();
    let caught = CaughtCommit::new(table.log_store());
    let store: LogStoreRef = Arc::clone(&caught) as _;
    // A stream that ends by an error lets delta-rs close the file before it hears of the error: it would stay behind.
    let written = tokio::select! {
        written = write(table, store, session, input) => Some(written),
        () = input.failed() => None,
    };
    match caught.added().await.map_err(|failure| error::commit_failure(location, failure))? {
        Some(added) => Ok(added),
        None => match (input.take_failure().await, written) {
            (Some(cause), _) => Err(text_length::refusal(&cause)
                .unwrap_or_else(|| Error::Input(Box::new(DataFusionError::Shared(cause))))),
            (None, Some(Err(failure))) => Err(failure),
            (None, Some(Ok(())) | None) => {
                let cause = "a writer that committed what it could not".into();
                Err(Error::CorruptLog { table: location.clone(), source: cause })
            }
        },
    }
}

/// Writes rows as an addition to `table`, committed in `log_store`.
async fn write(
    table: &PinnedTable,
    log_store: LogStoreRef,
    session: &dyn Session,
    input: &Arc<Input>,
) -> Result<()> {
    let unplanned = |cause: DataFusionError| Error::Input(Box::new(cause));
    let rows = LogicalPlanBuilder::scan("rows", provider_as_source(input.table()?), None)
        .and_then(LogicalPlanBuilder::build)
        .map_err(unplanned)?;
    let snapshot = table.snapshot().await?;
    let write = WriteBuilder::new(log_store, Some(snapshot.as_ref().clone()))
        .with_save_mode(SaveMode::Append)
        .with_input_plan(rows)
        .with_writer_properties(writer_properties())
        .with_session_state(Arc::new(writer_state(session, !table.partition_columns().is_empty())))
        .with_session_fallback_policy(SessionFallbackPolicy::RequireSessionState);
    // It cannot plan a subquery, nor a variable, in what a log says of its columns.
    let unplannable = || Error::UnsupportedWrite {
        table: table.location().clone(),
        features: vec!["a constraint or a generated column that is no expression over one row".to_owned()],
    };
    let written = unless_panicked(write.into_future()).await.ok_or_else(unplannable)?;
    written.map(drop).map_err(|failure| error::commit_failure(table.location(), failure))
}

/// A session of its own for the writer: the caller's memory and parallelism, none of its rules and settings.
///
/// Rows go on in the batches in which they come. The engine's operators gather rows until there are as many as a batch should have,
/// whatever their bytes, and pass on what has more than half of that: so a batch should have one. A file takes rows from one stream
/// alone, so they are dealt out to several only where values partition the table.
fn writer_state(session: &dyn Session, partitioned: bool) -> SessionState {
    let config = SessionConfig::new()
        .with_target_partitions(session.config().target_partitions())
        .with_round_robin_repartition(partitioned)
        .with_batch_size(1);
    SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(Arc::clone(session.runtime_env()))
        .with_query_planner(DeltaPlanner::new())
        .build()
}

/// A commit after which delta-rs does nothing: what it does would, where it fails, tell a commit that is made as one that is not.
/// [`DeltaTables::keep_log`] does it.
fn without_upkeep() -> CommitProperties {
    CommitProperties::default().with_create_checkpoint(false).with_cleanup_expired_logs(Some(false))
}

/// What a commit says of itself: words, and what it did in numbers.
pub(crate) fn commit_properties(
    metadata: Vec<(String, String)>,
    metrics: Option<serde_json::Value>,
) -> CommitProperties {
    let words = metadata.into_iter().map(|(key, value)| (key, value.into()));
    let metrics = metrics.map(|metrics| ("operationMetrics".to_owned(), metrics));
    without_upkeep().with_metadata(words.chain(metrics))
}

async fn applied_before(table: &PinnedTable, app_txn: Option<&(String, i64)>) -> Result<Option<Appended>> {
    let Some((app_id, version)) = app_txn else { return Ok(None) };
    let seen = table.txn_version(app_id).await?;
    Ok(seen.filter(|seen| seen >= version).map(|_| Appended {
        rows: 0,
        files: 0,
        bytes: 0,
        version: table.version(),
        already_applied: true,
    }))
}

pub(crate) fn bytes_of(files: &[Add]) -> u64 {
    files.iter().map(|file| u64::try_from(file.size).unwrap_or(0)).sum()
}

/// Somebody's rows as the only partition of a table that can be read once.
#[derive(Debug)]
pub struct Input {
    schema: SchemaRef,
    begun: AtomicBool,
    rows: Arc<AtomicU64>,
    failure: Arc<Mutex<Option<Arc<DataFusionError>>>>,
    /// Told of an error in place of the reader, where there is one.
    told: Option<Arc<Notify>>,
    /// Keeps rows from the reader that are written after the others.
    aside: Option<Arc<Aside>>,
    stream: Arc<Mutex<InputStream>>,
}

struct InputStream(SendableRecordBatchStream);

impl std::fmt::Debug for InputStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InputStream")
    }
}

impl Input {
    /// The rows of `stream`.
    pub fn new(stream: SendableRecordBatchStream) -> Self {
        Self {
            schema: stream.schema(),
            begun: AtomicBool::new(false),
            rows: Arc::default(),
            failure: Arc::default(),
            told: None,
            aside: None,
            stream: Arc::new(Mutex::new(InputStream(stream))),
        }
    }

    /// The same for a reader that never hears of an error: who started it waits for [`Input::failed`] beside it, and stops it.
    pub(crate) fn for_writer(stream: SendableRecordBatchStream, aside: Option<Aside>) -> Self {
        Self { told: Some(Arc::default()), aside: aside.map(Arc::new), ..Self::new(stream) }
    }

    /// The rows that were kept from the reader, in parts.
    async fn kept_aside(&self) -> Vec<Vec<RecordBatch>> {
        match &self.aside {
            Some(aside) => aside.take().await,
            None => Vec::new(),
        }
    }

    /// Until an error came that the reader is not told.
    async fn failed(&self) {
        match &self.told {
            Some(told) => told.notified().await,
            None => std::future::pending().await,
        }
    }

    /// The rows as a table, for one reader.
    pub fn table(self: &Arc<Self>) -> Result<Arc<dyn TableProvider>> {
        let partition: Arc<dyn PartitionStream> = Arc::clone(self) as _;
        let table = StreamingTable::try_new(Arc::clone(&self.schema), vec![partition]);
        Ok(Arc::new(table.map_err(|cause| Error::Input(Box::new(cause)))?))
    }

    /// How many have been read, those kept aside among them.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Whether there are rows that the reader left unread; it may have needed none to know its answer. For when the
    /// reader is done.
    pub async fn has_unread(&self) -> Result<bool> {
        let InputStream(stream) = &mut *self.stream.lock().await;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|cause| Error::Input(Box::new(cause)))?;
            if batch.num_rows() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The error with which the rows ended, if they did.
    pub async fn take_failure(&self) -> Option<Arc<DataFusionError>> {
        self.failure.lock().await.take()
    }
}

impl PartitionStream for Input {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        if self.begun.swap(true, Ordering::Relaxed) {
            let failure = DataFusionError::Execution("rows to write can be read only once".to_owned());
            return Box::pin(RecordBatchStreamAdapter::new(schema, stream::once(async { Err(failure) })));
        }
        let (rows, failure) = (Arc::clone(&self.rows), Arc::clone(&self.failure));
        let (told, aside) = (self.told.clone(), self.aside.clone());
        let counted = stream::unfold(Arc::clone(&self.stream), move |shared| {
            let (rows, failure) = (Arc::clone(&rows), Arc::clone(&failure));
            let (told, aside) = (told.clone(), aside.clone());
            async move {
                let batch = shared.lock().await.0.next().await?;
                let batch = observe(batch, &rows, &failure, aside.as_deref()).await;
                if let (Err(_), Some(told)) = (&batch, told) {
                    told.notify_one();
                    std::future::pending::<()>().await;
                }
                Some((batch, shared))
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, counted))
    }
}

async fn observe(
    batch: Result<RecordBatch, DataFusionError>,
    rows: &AtomicU64,
    failure: &Mutex<Option<Arc<DataFusionError>>>,
    aside: Option<&Aside>,
) -> Result<RecordBatch, DataFusionError> {
    let passed = match batch {
        Ok(batch) => {
            rows.fetch_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX), Ordering::Relaxed);
            match aside {
                Some(aside) => aside.others(&batch).await,
                None => Ok(batch),
            }
        }
        Err(error) => Err(error),
    };
    match passed {
        Ok(batch) => Ok(batch),
        Err(error) => {
            let error = Arc::new(error);
            *failure.lock().await = Some(Arc::clone(&error));
            Err(DataFusionError::Shared(error))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use datafusion::arrow::array::Int32Array;
    use datafusion::arrow::datatypes::{DataType, Field};
    use datafusion::physical_expr::expressions::col;
    use datafusion::physical_plan::repartition::RepartitionExec;
    use datafusion::physical_plan::{ExecutionPlan, Partitioning};
    use datafusion::prelude::SessionContext;

    use super::*;

    #[tokio::test]
    async fn rows_go_on_in_the_batches_in_which_they_come() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, false)]));
        let batch = |start: i32| {
            let numbers = Int32Array::from_iter_values(start..start + 3);
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(numbers)]).map_err(DataFusionError::from)
        };
        let batches: Vec<_> = (0..5).map(|place| batch(place * 3)).collect();
        let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), stream::iter(batches));
        let input = Arc::new(Input::new(Box::pin(rows)));
        let state = writer_state(&SessionContext::new().state(), true);
        let scan = LogicalPlanBuilder::scan("rows", provider_as_source(input.table().unwrap()), None);
        let plan = state.create_physical_plan(&scan.unwrap().build().unwrap()).await.unwrap();
        let by_value = Partitioning::Hash(vec![col("n", &schema).unwrap()], 2);
        let dealt = RepartitionExec::try_new(plan, by_value).unwrap();
        let mut sizes = Vec::new();
        for partition in 0..2 {
            let dealt: Vec<_> = dealt.execute(partition, state.task_ctx()).unwrap().collect().await;
            sizes.extend(dealt.into_iter().map(|batch| batch.unwrap().num_rows()));
        }
        assert_eq!(sizes.iter().sum::<usize>(), 15);
        assert!(sizes.iter().all(|rows| *rows <= 3), "{sizes:?}");
    }
}
