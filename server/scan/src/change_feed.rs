//! [`ChangeFeed`]: what some commits did to the rows of a table, one row for each change.
//!
//! The files that tell it are read as Delta tables of their own, with logs written in memory: partition values,
//! column mapping, deletion vectors and statistics mean what they mean in the table. What is the same for all rows of a
//! file is a partition value. A log names a path once, so that a file which came and went is in two of these tables.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use serde_json::{Map, Value, json};

use crate::change_range::{CHANGE_TYPE, ChangeRange, FeedFile};
use crate::delta_tables::DeltaTables;
use crate::error::{Error, Result};
use crate::metrics::{PlannedFiles, files_below, rows_read};
use crate::pinned_table::PinnedTable;

const COMMIT_VERSION: &str = "_commit_version";
const COMMIT_TIME: &str = "_commit_timestamp";

/// The columns of a change, behind those of the row.
pub const CHANGE_COLUMNS: [&str; 3] = [CHANGE_TYPE, COMMIT_VERSION, COMMIT_TIME];

/// How the names of properties begin that say how files name columns.
const MAPPING: &str = "delta.columnMapping.";
const MAPPING_MODE: &str = "delta.columnMapping.mode";
const MAX_ID: &str = "delta.columnMapping.maxColumnId";

/// The changes that some commits made.
#[derive(Debug, Clone)]
pub struct ChangeFeed {
    last: PinnedTable,
    throughout: HashSet<String>,
    parts: Vec<PinnedTable>,
    schema: SchemaRef,
    file_count: u64,
    total_bytes: u64,
}

impl DeltaTables {
    /// The changes made by the commits `first` to `last`, both of them in it.
    pub async fn changes(&self, newest: &PinnedTable, first: u64, last: u64) -> Result<ChangeFeed> {
        let ChangeRange { last, files, throughout } = self.change_range(newest, first, last).await?;
        let head = Head::of(&last)?;
        let sizes: BTreeMap<&str, u64> = files.iter().map(|file| (file.path.as_str(), size(file))).collect();
        let (file_count, total_bytes) = (sizes.len(), sizes.values().sum());
        // One table without files gives the columns where nothing happened.
        let none = self.table_of(last.location(), &head.actions(true)?).await?;
        let mut parts = Vec::new();
        for part in told_apart(&files) {
            let by_file = part.first().is_some_and(|file| file.change.is_some());
            let mut actions = head.actions(by_file)?;
            actions.extend(part.into_iter().map(added));
            parts.push(self.table_of(last.location(), &actions).await?);
        }
        let file_count = u64::try_from(file_count).unwrap_or(u64::MAX);
        Ok(ChangeFeed { last, throughout, parts, schema: none.provider().schema(), file_count, total_bytes })
    }

    /// The first version whose commit came at that moment or later, in microseconds since 1970.
    pub async fn version_from(&self, newest: &PinnedTable, moment_micros: i64) -> Result<u64> {
        // Commits have whole milliseconds.
        let before = moment_micros.saturating_sub(1).div_euclid(1000).saturating_mul(1000);
        match self.version_at(newest, before).await {
            Ok(version) => Ok(version.saturating_add(1)),
            Err(Error::BeforeFirstVersion { .. }) => {
                // The first version that can be read may have no commit any more.
                let commits = self.commit_times(newest).await?;
                Ok(commits.first().map_or(newest.version(), |(version, _)| *version))
            }
            Err(error) => Err(error),
        }
    }
}

impl ChangeFeed {
    /// The last version.
    pub fn last(&self) -> &PinnedTable {
        &self.last
    }

    /// The columns of the last version that every version of the range has.
    pub fn throughout(&self) -> &HashSet<String> {
        &self.throughout
    }

    /// Reads the changes: the columns of the last version, then [`CHANGE_COLUMNS`]. Only for reading.
    pub fn provider(&self) -> Arc<dyn TableProvider> {
        Arc::new(self.clone())
    }

    /// Counts the files of the feed that `plan` reads and those it leaves out.
    pub fn numbers(&self, plan: &Arc<dyn ExecutionPlan>) -> PlannedFiles {
        files_below(plan, self.last.location(), self.file_count, self.total_bytes)
    }

    /// Rows that scans of the feed in `plan` have read so far, as [`rows_read`] counts them.
    pub fn rows_read(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
        rows_read(plan, &self.last)
    }
}

#[async_trait]
impl TableProvider for ChangeFeed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mut scans = Vec::new();
        for part in &self.parts {
            scans.push(part.provider().scan(session, projection, filters, limit).await?);
        }
        match scans.len() {
            0 => {
                let schema = match projection {
                    Some(projection) => Arc::new(self.schema.project(projection)?),
                    None => Arc::clone(&self.schema),
                };
                Ok(Arc::new(EmptyExec::new(schema)))
            }
            _ => UnionExec::try_new(scans),
        }
    }
}

/// The files as sets in which no path stands twice; in each either all rows of a file share a change, or none need do.
fn told_apart(files: &[FeedFile]) -> Vec<Vec<&FeedFile>> {
    let mut parts: Vec<(bool, BTreeSet<&str>, Vec<&FeedFile>)> = Vec::new();
    for file in files {
        let by_file = file.change.is_some();
        let path = file.path.as_str();
        let free = parts.iter_mut().find(|(kind, paths, _)| *kind == by_file && !paths.contains(path));
        match free {
            Some((_, paths, part)) => {
                paths.insert(path);
                part.push(file);
            }
            None => parts.push((by_file, BTreeSet::from([path]), vec![file])),
        }
    }
    parts.into_iter().map(|(_, _, part)| part).collect()
}

fn size(file: &FeedFile) -> u64 {
    file.fields.get("size").and_then(Value::as_u64).unwrap_or(0)
}

/// The action that names a file of the feed in the log that is written for it.
fn added(file: &FeedFile) -> Value {
    let mut values = match file.fields.get("partitionValues") {
        Some(Value::Object(values)) => values.clone(),
        _ => Map::new(),
    };
    let time = DateTime::from_timestamp_millis(file.time_millis);
    let time = time.map(|time| time.format("%Y-%m-%d %H:%M:%S%.3f").to_string());
    values.insert(COMMIT_VERSION.to_owned(), json!(file.version.to_string()));
    values.insert(COMMIT_TIME.to_owned(), json!(time));
    if let Some(change) = file.change {
        values.insert(CHANGE_TYPE.to_owned(), json!(change));
    }
    let mut fields = Map::from_iter([
        ("path".to_owned(), json!(file.path)),
        ("partitionValues".to_owned(), Value::Object(values)),
        ("size".to_owned(), json!(size(file))),
        ("modificationTime".to_owned(), json!(0)),
        ("dataChange".to_owned(), json!(true)),
    ]);
    for name in ["stats", "deletionVector"] {
        if let Some(value) = file.fields.get(name).filter(|value| !value.is_null()) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    json!({ "add": fields })
}

/// How a log begins whose rows are changes of a table.
struct Head {
    protocol: Map<String, Value>,
    metadata: Map<String, Value>,
}

impl Head {
    fn of(last: &PinnedTable) -> Result<Self> {
        let refused = |feature: &str| Error::UnsupportedFeature {
            table: last.location().clone(),
            features: vec![feature.to_owned()],
        };
        let schema = last.schema();
        if CHANGE_COLUMNS.iter().any(|own| schema.field_with_name(own).is_ok()) {
            return Err(refused("changeDataFeed over columns named like its own"));
        }
        // Files of changes need not have the ids.
        if last.properties().get(MAPPING_MODE).is_some_and(|mode| mode == "id") {
            return Err(refused("changeDataFeed together with columnMapping by id"));
        }
        Ok(Self { protocol: last.protocol()?, metadata: with_changes(last, last.metadata()?)? })
    }

    /// Protocol and metadata; what happened is told by each file, or by each row.
    fn actions(&self, by_file: bool) -> Result<Vec<Value>> {
        let mut metadata = self.metadata.clone();
        if let Some(Value::Array(columns)) = metadata.get_mut("partitionColumns") {
            let own = CHANGE_COLUMNS.iter().filter(|name| by_file || **name != CHANGE_TYPE);
            columns.extend(own.map(|name| json!(name)));
        }
        Ok(vec![json!({ "protocol": self.protocol }), json!({ "metaData": metadata })])
    }
}

/// The metadata of a table with the columns of a change behind its own, and no properties but those of column mapping.
fn with_changes(last: &PinnedTable, mut metadata: Map<String, Value>) -> Result<Map<String, Value>> {
    let text = metadata.get("schemaString").and_then(Value::as_str).unwrap_or_default();
    let mut schema: Value =
        serde_json::from_str(text).map_err(|_| last.corrupt("a schema is not readable"))?;
    let fields = schema.get_mut("fields").and_then(Value::as_array_mut);
    let fields = fields.ok_or_else(|| last.corrupt("a schema has no fields"))?;
    let known = last.properties().iter().filter(|(name, _)| name.starts_with(MAPPING));
    let mut properties: HashMap<String, String> =
        known.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut max_id = properties.get(MAX_ID).and_then(|id| id.parse::<i64>().ok());
    for (name, data_type) in CHANGE_COLUMNS.iter().zip(["string", "long", "timestamp"]) {
        max_id = max_id.map(|id| id.saturating_add(1));
        let told = match max_id {
            Some(id) => json!({ "delta.columnMapping.id": id, "delta.columnMapping.physicalName": name }),
            None => json!({}),
        };
        fields.push(json!({ "name": name, "type": data_type, "nullable": true, "metadata": told }));
    }
    properties.extend(max_id.map(|id| (MAX_ID.to_owned(), id.to_string())));
    metadata.insert("schemaString".to_owned(), json!(schema.to_string()));
    metadata.insert("configuration".to_owned(), json!(properties));
    Ok(metadata)
}
