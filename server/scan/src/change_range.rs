//! The commits between two versions as a change data feed: which files tell what happened to rows, and whether all of
//! it is told.
//!
//! A commit that wrote files of changes is told by these alone; of any other the files it added are insertions and those
//! it removed deletions. That holds only while the table keeps a feed: where it did not, a file written anew would
//! look like rows that went and came. So a version without a feed makes the range unreadable.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};

use crate::column_changes::PHYSICAL_NAME;
use crate::delta_tables::DeltaTables;
use crate::error::{Error, Result};
use crate::past_versions::told_from;
use crate::pinned_table::{PinnedTable, name_in_files};
use crate::table_history::{READ_AT_ONCE, actions};

/// The table property by which a table keeps a feed.
const KEEPS_FEED: &str = "delta.enableChangeDataFeed";
/// What happened to a row, as the feed calls it.
pub(crate) const CHANGE_TYPE: &str = "_change_type";

/// A file of the feed.
pub(crate) struct FeedFile {
    /// The version whose commit it tells of.
    pub(crate) version: u64,
    /// The commit's time, in milliseconds.
    pub(crate) time_millis: i64,
    /// What happened to all of its rows; `None` where each row says it.
    pub(crate) change: Option<&'static str>,
    /// The file as the log names it.
    pub(crate) path: String,
    /// The fields by which a log names a file.
    pub(crate) fields: Map<String, Value>,
}

/// The feed of some commits.
pub(crate) struct ChangeRange {
    /// The last version.
    pub(crate) last: PinnedTable,
    /// In the order of the commits.
    pub(crate) files: Vec<FeedFile>,
    /// The columns of the last version that each version has.
    pub(crate) throughout: HashSet<String>,
}

/// What the versions so far have in common.
struct Columns {
    table: PinnedTable,
    id: String,
    /// The types of columns so far, by the names that files have them by.
    types: BTreeMap<String, Value>,
    /// Those that every version has.
    throughout: HashSet<String>,
    /// Those that partition the table, by the same names, once they are known.
    partitions: Option<Vec<String>>,
}

impl DeltaTables {
    /// The feed of the commits `first` to `last`, both of them in it.
    pub(crate) async fn change_range(
        &self,
        newest: &PinnedTable,
        first: u64,
        last: u64,
    ) -> Result<ChangeRange> {
        if last < first {
            return Err(Error::ChangeRange { first, last });
        }
        let last = self.open_version(newest, last).await?;
        let start = self.open_version(newest, first).await?;
        let mut columns = Columns {
            table: last.clone(),
            id: last.described().metadata().id().to_owned(),
            types: BTreeMap::new(),
            throughout: file_names(&last).into_iter().map(|(_, file_name)| file_name).collect(),
            partitions: None,
        };
        columns.meet(&start.metadata()?, first)?;
        let told_from = told_from(newest.properties());
        let mut files = Vec::new();
        let times = self.commit_times(newest).await?;
        let wanted = first..=last.version();
        let within = times.iter().copied().filter(|(version, _)| wanted.contains(version));
        let texts = within.map(|(version, time)| async move {
            Ok::<_, Error>((version, time, self.commit_text(newest, version).await?))
        });
        let mut texts = std::pin::pin!(stream::iter(texts).buffered(READ_AT_ONCE));
        let mut next = first;
        while let Some((version, time, text)) = texts.try_next().await? {
            if version != next {
                break;
            }
            next += 1;
            let mut commit = CommitFiles::default();
            for action in actions(&text) {
                let action = action.map_err(|_| last.corrupt("a commit is not readable"))?;
                commit.take(action, version, &mut columns)?;
            }
            let time_millis = commit.told_millis.filter(|_| version >= told_from).unwrap_or(time);
            files.extend(commit.files(&last, version, time_millis)?);
        }
        if next <= last.version() {
            let there = times.iter().map(|(version, _)| *version);
            let earliest = there.filter(|version| *version > next).min().unwrap_or(newest.version());
            return Err(Error::VersionNotFound { version: next, earliest, latest: newest.version() });
        }
        let shown = file_names(&last).into_iter();
        let shown = shown.filter(|(_, file_name)| columns.throughout.contains(file_name));
        let throughout = shown.map(|(name, _)| name).collect();
        Ok(ChangeRange { last, files, throughout })
    }
}

impl Columns {
    /// Takes in what a version's metadata says, and refuses what no feed can be made of.
    fn meet(&mut self, metadata: &Map<String, Value>, version: u64) -> Result<()> {
        let keeps = metadata.get("configuration").and_then(|all| all.get(KEEPS_FEED)).and_then(Value::as_str);
        if !keeps.is_some_and(|keeps| keeps.eq_ignore_ascii_case("true")) {
            return Err(Error::NoChangeData { version });
        }
        let changed = || Error::ChangedColumns { version };
        if metadata.get("id").and_then(Value::as_str) != Some(self.id.as_str()) {
            return Err(changed());
        }
        let schema = metadata.get("schemaString").and_then(Value::as_str).unwrap_or_default();
        let schema: Value =
            serde_json::from_str(schema).map_err(|_| self.table.corrupt("a schema is not readable"))?;
        let fields = schema.get("fields").and_then(Value::as_array);
        let fields = fields.ok_or_else(|| self.table.corrupt("a schema has no fields"))?;
        let mut here = HashSet::new();
        let mut in_files = HashMap::new();
        for field in fields {
            let name = field.get("metadata").and_then(|metadata| metadata.get(PHYSICAL_NAME));
            let name = name.or_else(|| field.get("name")).and_then(Value::as_str).unwrap_or_default();
            let data_type = field.get("type").cloned().unwrap_or_default();
            let known = self.types.entry(name.to_owned()).or_insert_with(|| data_type.clone());
            if *known != data_type {
                return Err(changed());
            }
            here.insert(name.to_owned());
            in_files.insert(field.get("name").and_then(Value::as_str).unwrap_or_default(), name.to_owned());
        }
        // A feed's files are read with the partitions of one version.
        let partitions = metadata.get("partitionColumns").and_then(Value::as_array).into_iter().flatten();
        let partitions = partitions.filter_map(Value::as_str).filter_map(|name| in_files.get(name).cloned());
        let partitions: Vec<String> = partitions.collect();
        if *self.partitions.get_or_insert_with(|| partitions.clone()) != partitions {
            return Err(changed());
        }
        self.throughout.retain(|name| here.contains(name));
        Ok(())
    }
}

/// What one commit says of files.
#[derive(Default)]
struct CommitFiles {
    told_millis: Option<i64>,
    changes: Vec<Map<String, Value>>,
    added: Vec<Map<String, Value>>,
    removed: Vec<Map<String, Value>>,
}

impl CommitFiles {
    fn take(&mut self, action: BTreeMap<String, Value>, version: u64, columns: &mut Columns) -> Result<()> {
        for (name, fields) in action {
            let Value::Object(fields) = fields else { continue };
            let of_data = fields.get("dataChange").and_then(Value::as_bool).unwrap_or(true);
            match name.as_str() {
                "metaData" => columns.meet(&fields, version)?,
                "commitInfo" => self.told_millis = fields.get("inCommitTimestamp").and_then(Value::as_i64),
                "cdc" => self.changes.push(fields),
                "add" if of_data => self.added.push(fields),
                "remove" if of_data => self.removed.push(fields),
                _ => {}
            }
        }
        Ok(())
    }

    fn files(self, table: &PinnedTable, version: u64, time_millis: i64) -> Result<Vec<FeedFile>> {
        let told: Vec<(Option<&'static str>, Map<String, Value>)> = match self.changes.is_empty() {
            false => self.changes.into_iter().map(|file| (None, file)).collect(),
            true => {
                let path = |file: &Map<String, Value>| file.get("path").cloned();
                let added: Vec<_> = self.added.iter().filter_map(path).collect();
                if self.removed.iter().filter_map(path).any(|removed| added.contains(&removed)) {
                    let features =
                        vec!["changeDataFeed of deletion vectors without files of changes".to_owned()];
                    return Err(Error::UnsupportedFeature { table: table.location().clone(), features });
                }
                let inserted = self.added.into_iter().map(|file| (Some("insert"), file));
                let deleted = self.removed.into_iter().map(|file| (Some("delete"), file));
                inserted.chain(deleted).collect()
            }
        };
        let file = |(change, fields): (Option<&'static str>, Map<String, Value>)| {
            let path = fields.get("path").and_then(Value::as_str).map(str::to_owned);
            let whole = fields.contains_key("partitionValues") && fields.contains_key("size");
            match path.filter(|_| whole) {
                Some(path) => Ok(FeedFile { version, time_millis, change, path, fields }),
                None => Err(table.corrupt("a file is named without its size and partition")),
            }
        };
        told.into_iter().map(file).collect()
    }
}

/// The columns of a version, and the names that files have them by.
fn file_names(table: &PinnedTable) -> Vec<(String, String)> {
    let (schema, is_mapped) = (table.described().schema(), table.has_column_mapping());
    let names =
        schema.fields().map(|field| (field.name().clone(), name_in_files(field, is_mapped).to_owned()));
    names.collect()
}
