//! One version of one table, ready to be scanned. Cheap to clone, and it never changes.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use deltalake::DeltaTable;
use deltalake::delta_datafusion::{DeltaScanConfig, DeltaScanNext};
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake::kernel::{EagerSnapshot, MetadataValue, StructField};
use deltalake::logstore::LogStoreRef;

use crate::column_changes::PHYSICAL_NAME;
use crate::column_ids::ColumnIds;
use crate::error::{Error, Result};
use crate::file_list::{FileColumn, FileList};
use crate::file_scan::FileScan;
use crate::identified_table::IdentifiedTable;
use crate::late_snapshot::LateSnapshot;
use crate::location::TableLocation;
use crate::rechecked_table::RecheckedTable;
use crate::text_length::DeclaredText;
use crate::{error, table_schema};

/// The metadata key under which a field keeps its column-mapping id.
pub(crate) const FIELD_ID: &str = "delta.columnMapping.id";

/// One version of one table.
#[derive(Clone)]
pub struct PinnedTable(Arc<Pinned>);

struct Pinned {
    head: Arc<Head>,
    log: Arc<LateSnapshot>,
    provider: Arc<RecheckedTable>,
    file_count: u64,
    total_bytes: OnceLock<u64>,
    /// The entity tag of the version's commit, once it is known.
    commit_tag: OnceLock<String>,
}

/// What versions share as long as commits change files alone.
struct Head {
    location: TableLocation,
    schema: SchemaRef,
    ids: ColumnIds,
    declared_texts: HashMap<String, DeclaredText>,
    partition_columns: Vec<String>,
}

impl PinnedTable {
    /// Pins the version that `table` has loaded.
    pub(crate) fn new(location: TableLocation, table: DeltaTable) -> Result<Self> {
        let log = Arc::new(LateSnapshot::loaded(&location, table)?);
        let snapshot = log.described();
        let columns = snapshot.schema();
        let arrow_schema: datafusion::arrow::datatypes::Schema = columns
            .as_ref()
            .try_into_arrow()
            .map_err(|source| Error::CorruptLog { table: location.clone(), source: Box::new(source) })?;
        let schema = table_schema::without_metadata(&arrow_schema);
        let ids = ColumnIds::of(&columns);
        let config = DeltaScanConfig {
            file_column_name: None,
            wrap_partition_values: false,
            // The engine hands filters to the files by itself, but not to files with other names for columns; both would
            // ask each filter twice.
            enable_parquet_pushdown: !ids.columns.is_empty(),
            schema_force_view_types: false,
            schema: Some(table_schema::as_read(&schema)),
        };
        let delta = DeltaScanNext::new(Arc::clone(snapshot), config.clone())
            .map_err(|source| error::from_datafusion(&location, source))?;
        let files = snapshot.try_log_data().map_err(|source| error::from_delta(&location, source))?;
        let file_count = u64::try_from(files.num_files()).unwrap_or(u64::MAX);
        let partition_columns = snapshot.metadata().partition_columns().to_vec();
        let own_names = file_columns(snapshot, &partition_columns).map(|columns| {
            FileScan::new(location.clone(), Arc::clone(&log), table_schema::as_read(&schema), columns)
        });
        let files = own_names.transpose()?;
        let declared_texts = DeclaredText::of_fields(columns.fields());
        let head = Arc::new(Head { location, schema, ids, declared_texts, partition_columns });
        let provider = RecheckedTable { delta: Arc::new(delta), config, log: Arc::clone(&log), files };
        Ok(Self::with(head, log, provider, file_count))
    }

    fn with(head: Arc<Head>, log: Arc<LateSnapshot>, provider: RecheckedTable, file_count: u64) -> Self {
        let (total_bytes, commit_tag) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Pinned {
            head,
            log,
            provider: Arc::new(provider),
            file_count,
            total_bytes,
            commit_tag,
        }))
    }

    /// The files, as far as they are listed here.
    pub(crate) fn files(&self) -> Option<&FileList> {
        // reason: what cannot be listed is read by delta-rs, which says why
        self.0.provider.files.as_ref()?.list().ok()
    }

    /// The later version that has these files, and is described as this one is.
    pub(crate) fn followed_by(&self, version: u64, files: FileList) -> Option<Self> {
        let log = Arc::new(self.0.log.followed_by(version));
        let file_count = u64::try_from(files.count()).unwrap_or(u64::MAX);
        let before = &self.0.provider;
        let files = before.files.as_ref()?.followed_by(Arc::clone(&log), files);
        let (delta, config) = (Arc::clone(&before.delta), before.config.clone());
        let provider = RecheckedTable { delta, config, log: Arc::clone(&log), files: Some(files) };
        Some(Self::with(Arc::clone(&self.0.head), log, provider, file_count))
    }

    /// Where the table lies.
    pub fn location(&self) -> &TableLocation {
        &self.0.head.location
    }

    /// The version of the table's log.
    pub fn version(&self) -> u64 {
        self.0.log.version()
    }

    /// What tells this version from one with the same number of another table that came to the place.
    pub fn mark(&self) -> String {
        format!("{} {}", self.described().metadata().id(), self.tag().unwrap_or_default())
    }

    /// The entity tag of this version's commit; none where it is not known, or was cleaned up.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.0.commit_tag.get().map(String::as_str)
    }

    /// Is told the entity tag of this version's commit.
    pub(crate) fn tagged(&self, tag: Option<&str>) {
        if let Some(tag) = tag {
            self.0.commit_tag.get_or_init(|| tag.to_owned());
        }
    }

    /// The columns in plain Arrow types, without metadata, as they are written. The provider gives the same columns,
    /// strings as views.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.head.schema)
    }

    /// Column-mapping ids of the top-level columns, by name; empty for tables without column mapping.
    pub fn field_ids(&self) -> &HashMap<String, i64> {
        &self.ids().columns
    }

    /// Column-mapping ids of the columns and of the fields inside them.
    pub fn ids(&self) -> &ColumnIds {
        &self.0.head.ids
    }

    /// What columns of texts were declared as, by name, where it is more than a text.
    pub fn declared_texts(&self) -> &HashMap<String, DeclaredText> {
        &self.0.head.declared_texts
    }

    /// The ids that the columns of this version, and the fields inside them, have in `newest`. Where it is from before column
    /// mapping, each is known by the name that its files have it by. None where another table came to the place.
    pub fn ids_in(&self, newest: &PinnedTable) -> Option<ColumnIds> {
        if self.described().metadata().id() != newest.described().metadata().id() {
            return None;
        }
        if !self.field_ids().is_empty() || newest.field_ids().is_empty() {
            return Some(self.ids().clone());
        }
        let (columns, later) = (self.described().schema(), newest.described().schema());
        Some(ColumnIds::of_unmapped(&columns, &later, newest.has_column_mapping()))
    }

    /// The columns that partition the table, in order.
    pub fn partition_columns(&self) -> &[String] {
        &self.0.head.partition_columns
    }

    /// Scans this version. Reads through the object store that is registered for `gov://mount` in the session's
    /// environment. Only for reading: its `insert_into` fails.
    pub fn provider(&self) -> Arc<dyn TableProvider> {
        Arc::clone(&self.0.provider) as _
    }

    /// Scans this version as [`PinnedTable::provider`] does, each row with what it is known by while it is changed: its
    /// columns, then [`crate::FILE`] and [`crate::PLACE`].
    pub fn identified(&self) -> Arc<dyn TableProvider> {
        Arc::new(IdentifiedTable::new(self, None))
    }

    /// The version whose rows `identified` gives.
    pub fn of(identified: &dyn TableProvider) -> Option<Self> {
        let identified: &dyn Any = identified;
        identified.downcast_ref::<IdentifiedTable>().map(|table| table.pinned.clone())
    }

    /// Files of this version.
    pub fn file_count(&self) -> u64 {
        self.0.file_count
    }

    /// Size on storage of the files of this version.
    pub fn total_bytes(&self) -> u64 {
        *self.0.total_bytes.get_or_init(|| {
            if let Some(files) = self.files() {
                return files.total_bytes();
            }
            // reason: a log that could be opened has its files in memory
            let Ok(files) = self.described().try_log_data() else { return 0 };
            // reason: a size below zero is not one
            files.iter().map(|file| u64::try_from(file.size()).unwrap_or(0)).sum()
        })
    }

    /// Table properties of this version, as its log has them.
    pub fn properties(&self) -> &HashMap<String, String> {
        self.described().metadata().configuration()
    }

    /// The version that an application last committed with its own transaction id, at this version of the table.
    pub async fn txn_version(&self, app_id: &str) -> Result<Option<i64>> {
        let seen = self.snapshot().await?.transaction_version(self.log_store().as_ref(), app_id).await;
        seen.map_err(|source| error::from_delta(self.location(), source))
    }

    pub(crate) fn log_store(&self) -> LogStoreRef {
        self.0.log.log_store()
    }

    /// delta-rs's snapshot with the columns, properties and protocol of this version. Its files and its number may be those of an
    /// earlier one.
    pub(crate) fn described(&self) -> &EagerSnapshot {
        self.0.log.described()
    }

    pub(crate) fn log(&self) -> &Arc<LateSnapshot> {
        &self.0.log
    }

    /// delta-rs's snapshot of this version.
    pub(crate) async fn snapshot(&self) -> Result<Arc<EagerSnapshot>> {
        self.0.log.snapshot().await
    }

    /// delta-rs's table at this version.
    pub(crate) async fn table(&self) -> Result<DeltaTable> {
        self.0.log.table().await
    }
}

/// How files name the columns of a table; none where they know them by number.
fn file_columns(snapshot: &EagerSnapshot, partition_columns: &[String]) -> Option<Vec<FileColumn>> {
    // A mapping of which the protocol does not know holds for nobody, whatever the properties say.
    let mode = snapshot.table_configuration().column_mapping_mode();
    let is = |name: &str| name.parse().is_ok_and(|named| mode == named);
    let is_mapped = is("name");
    if !is_mapped && !is("none") {
        return None;
    }
    let schema = snapshot.schema();
    let columns = schema.fields().map(|field| FileColumn {
        name: field.name().clone(),
        in_files: name_in_files(field, is_mapped).to_owned(),
        partitions: partition_columns.contains(field.name()),
    });
    Some(columns.collect())
}

/// The name that files have a column by, in a table with column mapping or without.
pub(crate) fn name_in_files(field: &StructField, is_mapped: bool) -> &str {
    match field.metadata().get(PHYSICAL_NAME) {
        Some(MetadataValue::String(name)) if is_mapped => name,
        _ => field.name(),
    }
}

impl fmt::Debug for PinnedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedTable")
            .field("location", self.location())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}
