//! Changes rows of a table: files with rows that change are written anew, and one commit puts the new files in the place
//! of the old ones. Rows that do not change are copied as they are stored.
//!
//! What another writer committed meanwhile is looked at when the commit is made: if it took away a file that is written anew
//! here, or, for a MERGE, added rows that it would have had to see, nothing is committed and [`Error::Conflict`] says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::kernel::{Action, EagerSnapshot};
use deltalake::protocol::DeltaOperation;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use tokio::sync::Mutex;

use crate::change_data::{ChangeData, ChangeType};
use crate::delta_tables::DeltaTables;
use crate::error::{self, Error, Result};
use crate::identified_table::IdentifiedTable;
use crate::null_twins::Aside;
use crate::pinned_table::PinnedTable;
use crate::row_changes::{Changed, RowChanges};
use crate::table_writer::{Input, added, bytes_of, check_partitions, commit_properties};

/// Which statement changes rows, for readers of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOperation {
    /// DELETE and TRUNCATE.
    Delete,
    /// UPDATE.
    Update,
    /// MERGE: it depends on rows that are not there.
    Merge,
}

impl RowOperation {
    /// Its conditions are not told: they may hold values of the caller's.
    fn told(self) -> DeltaOperation {
        match self {
            RowOperation::Delete => DeltaOperation::Delete { predicate: None },
            RowOperation::Update => DeltaOperation::Update { predicate: None },
            RowOperation::Merge => DeltaOperation::Merge {
                predicate: None,
                merge_predicate: None,
                matched_predicates: Vec::new(),
                not_matched_predicates: Vec::new(),
                not_matched_by_source_predicates: Vec::new(),
            },
        }
    }
}

/// What a change of rows wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Files added.
    pub files_added: u64,
    /// The bytes of these files.
    pub bytes_added: u64,
    /// Files taken out of the table.
    pub files_removed: u64,
    /// Rows that were written again as they are.
    pub rows_copied: u64,
}

impl DeltaTables {
    /// The rows that are there after `changes` and were not before, whole: for whoever has to look at them first.
    pub async fn new_rows(
        &self,
        table: &PinnedTable,
        session: &dyn Session,
        changes: &Arc<RowChanges>,
    ) -> Result<SendableRecordBatchStream> {
        let changed = self.changed(table, session, changes).await?;
        let rows =
            changed.map_ok(|changed| stream::iter([Ok(changed.after), Ok(changed.inserted)])).try_flatten();
        let rows = rows.try_filter(|rows| futures::future::ready(rows.num_rows() > 0));
        Ok(Box::pin(RecordBatchStreamAdapter::new(changes.schema(), rows)))
    }

    /// Makes `changes` of `table` in one commit on the version they were found in.
    pub async fn change_rows(
        &self,
        table: &PinnedTable,
        session: &dyn Session,
        changes: &Arc<RowChanges>,
        operation: RowOperation,
        commit_metadata: Vec<(String, String)>,
    ) -> Result<Rewritten> {
        if changes.is_empty() {
            return Ok(Rewritten::default());
        }
        check_partitions(table)?;
        let snapshot = table.snapshot().await?;
        let mut actions = removed(table, &snapshot, changes)?;
        let files_removed = actions.len() as u64;
        let feed = Arc::new(Mutex::new(ChangeData::of(table, &changes.schema())?));
        let rows = recorded(self.changed(table, session, changes).await?, Arc::clone(&feed));
        let rows: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(changes.schema(), rows));
        let input = Arc::new(Input::for_writer(rows, Aside::of(table, session)));
        let written = added(table, session, &input).await?;
        let (files_added, bytes_added) = (written.len() as u64, bytes_of(&written));
        let rows_copied = input.rows().saturating_sub(changes.updated()).saturating_sub(changes.inserted());
        actions.extend(written.into_iter().map(Action::Add));
        if let Some(feed) = feed.lock().await.take() {
            actions.extend(feed.close(table).await?);
        }
        let rewritten = Rewritten { files_added, bytes_added, files_removed, rows_copied };
        let properties = properties(commit_metadata, changes, rewritten);
        // The rows are changed, whether or not the new version can be read.
        drop(self.commit(table, actions, properties, operation.told()).await?);
        Ok(rewritten)
    }

    /// What becomes of the rows of each file that changes, then those put in.
    async fn changed(
        &self,
        table: &PinnedTable,
        session: &dyn Session,
        changes: &Arc<RowChanges>,
    ) -> Result<BoxStream<'static, Result<Changed, DataFusionError>>> {
        let unread = |cause| error::read_failure(table.location(), cause);
        let inserts = stream::iter(changes.inserts().map_err(unread)?.into_iter().map(Ok));
        let files: Vec<String> = changes.files().map(str::to_owned).collect();
        if files.is_empty() {
            return Ok(inserts.boxed());
        }
        let scan = IdentifiedTable::new(table, Some(files));
        let plan = scan.scan(session, None, &[], None).await.map_err(unread)?;
        let context = session.task_ctx();
        let partitions = 0..plan.output_partitioning().partition_count();
        let streams = partitions
            .map(|partition| plan.execute(partition, Arc::clone(&context)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(unread)?;
        let changes = Arc::clone(changes);
        let apply = move |batch: RecordBatch| changes.apply(&batch);
        Ok(stream::iter(streams)
            .flatten()
            .and_then(move |batch| futures::future::ready(apply(batch)))
            .chain(inserts)
            .boxed())
    }
}

/// The rows to write; what changes goes into the feed as it passes.
fn recorded(
    changed: BoxStream<'static, Result<Changed, DataFusionError>>,
    feed: Arc<Mutex<Option<ChangeData>>>,
) -> impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send {
    changed.and_then(move |changed| {
        let feed = Arc::clone(&feed);
        async move {
            if let Some(feed) = feed.lock().await.as_mut() {
                feed.write(ChangeType::Delete, &changed.deleted).await?;
                feed.write(ChangeType::Before, &changed.before).await?;
                feed.write(ChangeType::After, &changed.after).await?;
                feed.write(ChangeType::Insert, &changed.inserted).await?;
            }
            Ok(changed.rows)
        }
    })
}

/// The files with rows that change, taken out.
fn removed(table: &PinnedTable, snapshot: &EagerSnapshot, changes: &RowChanges) -> Result<Vec<Action>> {
    let location = table.location();
    let lost = || {
        let cause = "a file with changed rows is not one of the version's".into();
        Error::CorruptLog { table: location.clone(), source: cause }
    };
    let root = location.url()?;
    let path = |file: &str| {
        let url = url::Url::parse(file).ok()?;
        Path::from_url_path(url.path().strip_prefix(root.path())?).ok()
    };
    let wanted = changes.files().map(path).collect::<Option<BTreeSet<Path>>>().ok_or_else(lost)?;
    let files = snapshot.try_log_data().map_err(|cause| error::from_delta(location, cause))?;
    let changed = files.iter().filter(|file| wanted.contains(&file.object_store_path()));
    let actions: Vec<Action> = changed.map(|file| Action::Remove(file.remove_action(true))).collect();
    if actions.len() != wanted.len() {
        return Err(lost());
    }
    check_spelling(table, snapshot, &actions)?;
    Ok(actions)
}

/// Refuses to take out a file whose path would be spelled otherwise than the log has it. Readers of a log compare the spelling: they
/// would still read the file, and its rows beside those that were written in their place.
fn check_spelling(table: &PinnedTable, snapshot: &EagerSnapshot, removes: &[Action]) -> Result<()> {
    let location = table.location();
    let damaged = |source: Box<dyn std::error::Error + Send + Sync>| Error::CorruptLog {
        table: location.clone(),
        source,
    };
    let mut spelled = BTreeSet::new();
    for action in removes {
        let action = serde_json::to_value(action).map_err(|cause| damaged(cause.into()))?;
        let path = action.pointer("/remove/path").and_then(serde_json::Value::as_str);
        spelled.insert(path.ok_or_else(|| damaged("a file without a path".into()))?.to_owned());
    }
    let listed = snapshot.add_actions_batches(false);
    for batch in listed.map_err(|cause| error::from_delta(location, cause))? {
        let paths = batch.column_by_name("path").and_then(|paths| paths.as_string_opt::<i32>());
        for path in paths.into_iter().flatten().flatten() {
            spelled.remove(path);
        }
    }
    match spelled.is_empty() {
        true => Ok(()),
        false => Err(Error::UnsupportedWrite {
            table: location.clone(),
            features: vec!["files whose paths are escaped otherwise than is written here".to_owned()],
        }),
    }
}

/// The commit's own words, and the numbers of rows and files.
fn properties(
    metadata: Vec<(String, String)>,
    changes: &RowChanges,
    rewritten: Rewritten,
) -> CommitProperties {
    let metrics = serde_json::json!({
        "numUpdatedRows": changes.updated(),
        "numDeletedRows": changes.deleted(),
        "numInsertedRows": changes.inserted(),
        "numCopiedRows": rewritten.rows_copied,
        "numAddedFiles": rewritten.files_added,
        "numRemovedFiles": rewritten.files_removed,
    });
    commit_properties(metadata, Some(metrics))
}
