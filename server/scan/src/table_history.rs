//! What a table's log tells of its commits, and what its newest version is made of.

use std::collections::BTreeMap;

use bytes::Bytes;
use deltalake::kernel::Action;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use serde_json::{Map, Value};

use crate::commit_info::memory_of;
use crate::delta_tables::{DeltaTables, commit_path};
use crate::error::{self, Error, Result};
use crate::past_versions::told_from;
use crate::pinned_table::PinnedTable;

/// How many commits are read together.
pub(crate) const READ_AT_ONCE: usize = 16;
/// What commits say takes so much memory at most; of those before them only versions and times are told.
const TOLD_BYTES_MAX: usize = 64 << 20;

/// One commit of a table's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The version that it made.
    pub version: u64,
    /// When, in milliseconds since 1970: the time by which time travel finds it.
    pub time_millis: i64,
    /// What the writer says of it (`commitInfo`); empty where it says nothing, or more than is told.
    pub told: Map<String, Value>,
}

/// What a version is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDetail {
    /// The table's id in its own log.
    pub id: String,
    /// When the table was made, in milliseconds since 1970, where the log says it.
    pub created_millis: Option<i64>,
    /// The oldest protocol that a reader must know.
    pub min_reader_version: i32,
    /// The oldest protocol that a writer must know.
    pub min_writer_version: i32,
    /// Features of the protocol by name, sorted.
    pub features: Vec<String>,
}

impl DeltaTables {
    /// The commits up to the version `newest`, that one first; at most `limit`. Those that were cleaned up are not there.
    pub async fn history(&self, newest: &PinnedTable, limit: Option<usize>) -> Result<Vec<Commit>> {
        let mut times = self.commit_times(newest).await?;
        times.reverse();
        times.truncate(limit.unwrap_or(usize::MAX));
        let told_from = told_from(newest.properties());
        let commits = times.into_iter().map(|(version, time)| async move {
            let told = self.commit_info(newest, version).await?;
            let own = told.get("inCommitTimestamp").and_then(Value::as_i64);
            let time_millis = own.filter(|_| version >= told_from).unwrap_or(time);
            Ok::<_, Error>(Commit { version, time_millis, told })
        });
        let mut commits = std::pin::pin!(stream::iter(commits).buffered(READ_AT_ONCE));
        let (mut history, mut told_bytes) = (Vec::new(), 0_usize);
        while let Some(mut commit) = commits.try_next().await? {
            told_bytes = told_bytes.saturating_add(memory_of(&commit.told));
            if told_bytes > TOLD_BYTES_MAX {
                commit.told = Map::new();
            }
            history.push(commit);
        }
        Ok(history)
    }

    /// The text of a commit.
    pub(crate) async fn commit_text(&self, table: &PinnedTable, version: u64) -> Result<Bytes> {
        let location = table.location();
        let path = commit_path(location, version);
        let read = async { self.router().get(&path).await?.bytes().await };
        read.await.map_err(|failure| error::from_store(location, failure))
    }
}

impl PinnedTable {
    /// What this version is made of.
    pub fn detail(&self) -> Result<TableDetail> {
        let (metadata, protocol) = (self.metadata()?, self.protocol()?);
        let number = |key: &str| protocol.get(key).and_then(Value::as_i64);
        let version = |key: &str| number(key).and_then(|number| i32::try_from(number).ok());
        let unsaid = || self.corrupt("the protocol has no versions");
        let lists = ["readerFeatures", "writerFeatures"].into_iter().filter_map(|key| protocol.get(key));
        let mut features: Vec<String> = lists
            .filter_map(Value::as_array)
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        features.sort();
        features.dedup();
        Ok(TableDetail {
            id: self.described().metadata().id().to_owned(),
            created_millis: metadata.get("createdTime").and_then(Value::as_i64),
            min_reader_version: version("minReaderVersion").ok_or_else(unsaid)?,
            min_writer_version: version("minWriterVersion").ok_or_else(unsaid)?,
            features,
        })
    }

    /// Its metadata, as a log has it.
    pub(crate) fn metadata(&self) -> Result<Map<String, Value>> {
        self.action(Action::Metadata(self.described().metadata().clone()))
    }

    /// Its protocol, as a log has it.
    pub(crate) fn protocol(&self) -> Result<Map<String, Value>> {
        self.action(Action::Protocol(self.described().protocol().clone()))
    }

    /// An action's own fields, as a log has them.
    fn action(&self, action: Action) -> Result<Map<String, Value>> {
        let fields = match serde_json::to_value(action) {
            Ok(Value::Object(named)) => named.into_iter().next().map(|(_, fields)| fields),
            _ => None,
        };
        match fields {
            Some(Value::Object(fields)) => Ok(fields),
            _ => Err(self.corrupt("an action cannot be written down")),
        }
    }

    pub(crate) fn corrupt(&self, what: &str) -> Error {
        Error::CorruptLog { table: self.location().clone(), source: what.into() }
    }
}

/// The actions of a commit's text, each by its name.
pub(crate) fn actions(text: &[u8]) -> impl Iterator<Item = serde_json::Result<BTreeMap<String, Value>>> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.map(serde_json::from_slice)
}
