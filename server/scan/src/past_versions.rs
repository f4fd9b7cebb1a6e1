//! Versions of a table before its newest, by number or by the moment at which they were the newest.
//!
//! What counts as a table's history ends with the version that the statement has pinned: a commit that came after
//! is not there. A version can be read while the log still has a checkpoint or the first commit before it and every
//! commit up to it.
//!
//! A commit's time is the one it says itself (`inCommitTimestamp`) where the table has that feature, else its file's. Times of files
//! need not rise from commit to commit; each is taken to be a millisecond after the one before where it does not.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use deltalake::DeltaTable;
use futures::StreamExt;
use object_store::ObjectStore;

use crate::delta_tables::DeltaTables;
use crate::error::{self, Error, Result};
use crate::pinned_table::PinnedTable;

/// The table property by which commits say their own times.
const COMMITS_TELL_TIME: &str = "delta.enableInCommitTimestamps";
/// The first version that does.
const TELL_TIME_FROM: &str = "delta.inCommitTimestampEnablementVersion";
/// Its time, in milliseconds.
const TELL_TIME_SINCE: &str = "delta.inCommitTimestampEnablementTimestamp";

/// What a table's log still has.
struct Log {
    /// The first version that can be read.
    earliest: u64,
    /// Times of the commits' files in milliseconds, up to the newest version and without a gap.
    commits: BTreeMap<u64, i64>,
}

impl Log {
    /// Every commit with a time that rises.
    fn rising(&self) -> Vec<(u64, i64)> {
        let mut last = i64::MIN;
        let rise = |(version, time): (&u64, &i64)| {
            last = (*time).max(last.saturating_add(1));
            (*version, last)
        };
        self.commits.iter().map(rise).collect()
    }
}

impl DeltaTables {
    /// Version `version` of the table whose newest one is `newest`.
    pub async fn open_version(&self, newest: &PinnedTable, version: u64) -> Result<PinnedTable> {
        if version == newest.version() {
            return Ok(newest.clone());
        }
        let location = newest.location();
        if version > newest.version() {
            let earliest = self.log(newest).await?.earliest;
            return Err(missing(newest, version, earliest));
        }
        // A commit that has been cleaned up has no tag to know its version by.
        let key = self.commit_tag(newest, version).await?.map(|tag| (location.clone(), version, tag));
        if let Some(known) = key.as_ref().and_then(|key| self.past().get(key)) {
            return Ok(known);
        }
        let earliest = self.log(newest).await?.earliest;
        if version < earliest {
            return Err(missing(newest, version, earliest));
        }
        let mut table = DeltaTable::new(self.log_store(location)?);
        if let Err(failure) = table.load_version(version).await {
            return Err(self.explain(location, failure).await);
        }
        let pinned = PinnedTable::new(location.clone(), table)?;
        if let Some(key) = key {
            pinned.tagged(Some(&key.2));
            self.past().insert(key, pinned.clone());
        }
        Ok(pinned)
    }

    /// The version that was the newest at a moment, in microseconds since 1970. The last one is that still.
    pub async fn version_at(&self, newest: &PinnedTable, moment_micros: i64) -> Result<u64> {
        let log = self.log(newest).await?;
        let moment = moment_micros.div_euclid(1000);
        let properties = newest.properties();
        let (told_from, told) = (told_from(properties), told_from(properties) < u64::MAX);
        let mut earliest = None;
        if told && number(properties, TELL_TIME_SINCE).is_none_or(|since| moment >= since) {
            let versions: Vec<u64> =
                log.commits.keys().copied().filter(|v| *v >= told_from && *v >= log.earliest).collect();
            match self.last_told(newest, &versions, moment).await? {
                (Some(version), _) => return Ok(version),
                (None, first) => earliest = first,
            }
        }
        let rising = log.rising();
        let known = || rising.iter().filter(|(version, _)| *version >= log.earliest && *version < told_from);
        match known().rev().find(|(_, time)| *time <= moment) {
            Some((version, _)) => Ok(*version),
            None => Err(Error::BeforeFirstVersion {
                earliest: text_of(known().next().map(|(_, time)| *time).or(earliest)),
            }),
        }
    }

    /// The last of `versions` whose commit tells a time up to `moment`, else the first time told.
    pub(crate) async fn last_told(
        &self,
        newest: &PinnedTable,
        versions: &[u64],
        moment: i64,
    ) -> Result<(Option<u64>, Option<i64>)> {
        let (mut first, mut low, mut high) = (None, 0, versions.len());
        while low < high {
            let middle = low.midpoint(high);
            let Some(version) = versions.get(middle) else { break };
            let time = self.told_time(newest, *version).await?;
            if middle == 0 {
                first = Some(time);
            }
            if time <= moment { low = middle + 1 } else { high = middle }
        }
        Ok((low.checked_sub(1).and_then(|last| versions.get(last).copied()), first))
    }

    /// The time that a commit tells of itself, in milliseconds.
    async fn told_time(&self, newest: &PinnedTable, version: u64) -> Result<i64> {
        let told = self.commit_info(newest, version).await?;
        let time = told.get("inCommitTimestamp").and_then(serde_json::Value::as_i64);
        time.ok_or_else(|| Error::CorruptLog {
            table: newest.location().clone(),
            source: format!("version {version} tells no time").into(),
        })
    }

    /// The commits up to `newest` whose files are there, with times of their files that rise.
    pub(crate) async fn commit_times(&self, newest: &PinnedTable) -> Result<Vec<(u64, i64)>> {
        Ok(self.log(newest).await?.rising())
    }

    async fn log(&self, newest: &PinnedTable) -> Result<Log> {
        let location = newest.location();
        let mut found = BTreeMap::new();
        let mut checkpoints = BTreeSet::new();
        let folder = location.log_path();
        let mut files = self.router().list(Some(&folder));
        while let Some(file) = files.next().await {
            let file = file.map_err(|failure| error::from_store(location, failure))?;
            let name = file.location.filename().unwrap_or_default();
            let Some((number, kind)) = name.split_once('.') else { continue };
            let Some(version) = number.parse::<u64>().ok().filter(|v| *v <= newest.version()) else {
                continue;
            };
            if kind == "json" {
                found.insert(version, file.last_modified.timestamp_millis());
            } else if kind.starts_with("checkpoint") {
                checkpoints.insert(version);
            }
        }
        let newest = newest.version();
        let gap = (0..newest).rev().find(|version| !found.contains_key(version));
        let start = gap.map_or(0, |gap| gap + 1);
        let commits = found.split_off(&start);
        let earliest = match start {
            0 => 0,
            start => checkpoints.range(start - 1..).next().copied().unwrap_or(newest),
        };
        Ok(Log { earliest, commits })
    }
}

/// The first version whose commit tells its own time; of tables whose commits do not, the last that there can be.
pub(crate) fn told_from(properties: &HashMap<String, String>) -> u64 {
    match properties.get(COMMITS_TELL_TIME).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        true => number(properties, TELL_TIME_FROM).and_then(|from| u64::try_from(from).ok()).unwrap_or(0),
        false => u64::MAX,
    }
}

fn number(properties: &HashMap<String, String>, key: &str) -> Option<i64> {
    properties.get(key).and_then(|value| value.parse().ok())
}

fn missing(newest: &PinnedTable, version: u64, earliest: u64) -> Error {
    Error::VersionNotFound { version, earliest, latest: newest.version() }
}

fn text_of(millis: Option<i64>) -> Option<String> {
    let time = chrono::DateTime::from_timestamp_millis(millis?)?;
    Some(time.format("%Y-%m-%d %H:%M:%S%.3fZ").to_string())
}
