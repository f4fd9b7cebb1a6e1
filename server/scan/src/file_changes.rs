//! What the commits after a known version did to the files of its table, read from those commits alone.
//!
//! So the cost of a new version grows with what is in its commits, not with the files that there are. Where a commit does
//! more than add and remove files, nothing is told, and delta-rs replays the log.
//!
//! A file is known by its path and its deletion vector: of those with the same key the newest action holds
//! (Delta Transaction Log Protocol, "Action Reconciliation").

use std::collections::{BTreeMap, BTreeSet};

use object_store::ObjectStoreExt;
use serde_json::{Map, Value, json};

use crate::commit_info::values_at_most;
use crate::delta_tables::{DeltaTables, commit_path};
use crate::file_list::FileList;
use crate::pinned_table::PinnedTable;

/// So many commits are read at most.
const COMMITS_MAX: u64 = 32;
/// A larger commit is left to delta-rs.
const COMMIT_BYTES_MAX: u64 = 16 << 20;
/// As is one of more values: each takes many times what it takes as text.
const COMMIT_VALUES_MAX: usize = 2 << 20;
/// Actions that say nothing of files or columns.
const ASIDE: [&str; 4] = ["commitInfo", "txn", "cdc", "domainMetadata"];

/// What a file is known by in the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileKey {
    /// Its path, as the log spells it.
    pub(crate) path: String,
    /// The deletion vector's own key.
    pub(crate) vector: Option<String>,
}

/// What became of files up to a version.
struct FileChanges {
    version: u64,
    /// The `add` actions of the files that came and are still there.
    added: Vec<Value>,
    /// The files that are not there any more, and those that came anew.
    replaced: BTreeSet<FileKey>,
}

impl DeltaTables {
    /// The newest version, by `known` and by what the commits after it say alone. None where they do more than change files,
    /// where that is too much, or where it cannot be read: delta-rs goes through the log then, and says what is the matter.
    pub(crate) async fn followed(&self, known: &PinnedTable) -> Option<PinnedTable> {
        let files = known.files()?;
        let changes = self.file_changes(known).await?;
        let added = match changes.added.is_empty() {
            true => files.none(),
            false => self.listed(known, files, changes.added).await?,
        };
        known.followed_by(changes.version, files.followed_by(&changes.replaced, added)?)
    }

    /// The files of these `add` actions, listed as delta-rs lists those of a table that has no others.
    async fn listed(&self, known: &PinnedTable, files: &FileList, added: Vec<Value>) -> Option<FileList> {
        let (protocol, metadata) = (known.protocol().ok()?, known.metadata().ok()?);
        let head = [json!({ "protocol": protocol }), json!({ "metaData": metadata })];
        let actions: Vec<Value> = head.into_iter().chain(added).collect();
        let table = self.table_of(known.location(), &actions).await.ok()?;
        files.of_same_columns(table.described()).ok()
    }

    async fn file_changes(&self, known: &PinnedTable) -> Option<FileChanges> {
        let mut version = known.version();
        let mut last = BTreeMap::new();
        loop {
            let next = version.checked_add(1)?;
            match self.router().get(&commit_path(known.location(), next)).await {
                Ok(commit) if commit.meta.size <= COMMIT_BYTES_MAX => {
                    // reason: delta-rs reads it again, and says why it cannot
                    last.extend(actions(&commit.bytes().await.ok()?)?);
                }
                Err(object_store::Error::NotFound { .. }) => break,
                // reason: the same
                Ok(_) | Err(_) => return None,
            }
            version = next;
            if version - known.version() > COMMITS_MAX {
                return None;
            }
        }
        let replaced = last.keys().cloned().collect();
        let added = last.into_values().flatten().collect();
        Some(FileChanges { version, added, replaced })
    }
}

/// The files that a commit names, with the `add` action of those that it adds. None where it does more than that.
fn actions(commit: &[u8]) -> Option<BTreeMap<FileKey, Option<Value>>> {
    if values_at_most(commit) > COMMIT_VALUES_MAX {
        return None;
    }
    let mut named = BTreeMap::new();
    for line in commit.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        // reason: delta-rs says what is the matter with it
        let action: Map<String, Value> = serde_json::from_slice(line).ok()?;
        let (name, fields) = action.iter().next().filter(|_| action.len() == 1)?;
        let (key, adds) = match name.as_str() {
            "add" => (key_of(fields)?, true),
            "remove" => (key_of(fields)?, false),
            name if ASIDE.contains(&name) => continue,
            _ => return None,
        };
        let add = adds.then_some(Value::Object(action));
        // The protocol has no such commit.
        if named.insert(key, add).is_some() {
            return None;
        }
    }
    Some(named)
}

fn key_of(fields: &Value) -> Option<FileKey> {
    let path = fields.get("path")?.as_str()?.to_owned();
    let vector = match fields.get("deletionVector") {
        None | Some(Value::Null) => None,
        Some(vector) => {
            let text = |name: &str| vector.get(name).and_then(Value::as_str);
            let offset = match vector.get("offset") {
                None | Some(Value::Null) => None,
                Some(offset) => Some(offset.as_i64()?),
            };
            Some(vector_key(text("storageType")?, text("pathOrInlineDv")?, offset))
        }
    };
    Some(FileKey { path, vector })
}

/// What a deletion vector is known by: where it lies.
pub(crate) fn vector_key(storage: &str, place: &str, offset: Option<i64>) -> String {
    match offset {
        Some(offset) => format!("{storage}{place}@{offset}"),
        None => format!("{storage}{place}"),
    }
}
