//! What a log asks of its readers, found out when it cannot be opened.
//!
//! The kernel answers many different troubles with one kind of error. A log that merely needs a newer reader is not damaged,
//! and its user needs to know what it needs; so the newest protocol action is looked up in the commits.

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;

use crate::error::Error;
use crate::location::TableLocation;
use crate::router::Router;

/// The newest reader version there is support for.
const READER_VERSION: i64 = 3;
/// The newest writer version there is support for.
const WRITER_VERSION: i64 = 7;
/// Reader features there is support for, as the Delta protocol spells them.
const READER_FEATURES: [&str; 6] = [
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "v2Checkpoint",
    "variantType",
    "variantType-preview",
];
/// How many commits are looked at, newest first.
const COMMITS: usize = 1000;

/// The error that says so, if the table at the location asks for a version or for features that are not supported.
pub(crate) async fn unsupported(router: &Router, location: &TableLocation) -> Option<Error> {
    let files: Vec<_> = router.list(Some(&location.log_path())).try_collect().await.ok()?;
    let commits =
        files.iter().rev().map(|file| &file.location).filter(|path| path.extension() == Some("json"));
    for commit in commits.take(COMMITS) {
        let Ok(read) = router.get(commit).await else { continue };
        let Ok(contents) = read.bytes().await else { continue };
        if let Some(protocol) = protocol_in(&contents) {
            return refusal(&protocol, location);
        }
    }
    None
}

fn refusal(protocol: &Value, location: &TableLocation) -> Option<Error> {
    let table = location.clone();
    let version = |key: &str| protocol.get(key).and_then(Value::as_i64).unwrap_or(0);
    let (reader, writer) = (version("minReaderVersion"), version("minWriterVersion"));
    if reader > READER_VERSION || writer > WRITER_VERSION {
        return Some(Error::UnsupportedProtocol { table, reader, writer });
    }
    let asked = protocol.get("readerFeatures").and_then(Value::as_array)?;
    let unknown = |feature: &&str| !READER_FEATURES.contains(feature);
    let features: Vec<_> =
        asked.iter().filter_map(Value::as_str).filter(unknown).map(str::to_owned).collect();
    if features.is_empty() { None } else { Some(Error::UnsupportedFeature { table, features }) }
}

fn protocol_in(commit: &[u8]) -> Option<Value> {
    commit.split(|byte| *byte == b'\n').find_map(|line| {
        let mut action: Value = serde_json::from_slice(line).ok()?;
        action.get_mut("protocol").map(Value::take)
    })
}
