//! What the writer of a commit says of it (`commitInfo`), without the commit in memory.
//!
//! A commit may be as long as what is read of one file, and what stands in it is its writer's to say. So it is read line by line, as
//! far as the line that is looked for, and a line that is too long, or has too many values, tells nothing.

use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStoreExt;
use serde_json::{Map, Value};

use crate::delta_tables::{DeltaTables, commit_path};
use crate::error::{self, Result};
use crate::pinned_table::PinnedTable;

/// A longer line tells nothing.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Nor does one of more values: each takes many times what it takes as text.
const LINE_VALUES_MAX: usize = 1 << 14;
/// What a value takes beside its texts, with its place in a map.
const VALUE_BYTES: usize = 100;
/// The name of the action.
const COMMIT_INFO: &str = "commitInfo";

impl DeltaTables {
    /// What the writer says of the commit of `version`; empty where it says nothing, or too much.
    pub(crate) async fn commit_info(&self, table: &PinnedTable, version: u64) -> Result<Map<String, Value>> {
        let location = table.location();
        let path = commit_path(location, version);
        let read = async { told_in(self.router().get(&path).await?.into_stream()).await };
        read.await.map_err(|failure| error::from_store(location, failure))
    }
}

/// What the first line says that says anything.
async fn told_in(
    mut commit: BoxStream<'static, object_store::Result<Bytes>>,
) -> object_store::Result<Map<String, Value>> {
    let mut line = Line::default();
    while let Some(bytes) = commit.try_next().await? {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            line.push(part);
            if part.ends_with(b"\n")
                && let Some(told) = line.end().as_deref().and_then(told_by)
            {
                return Ok(told);
            }
        }
    }
    Ok(line.end().as_deref().and_then(told_by).unwrap_or_default())
}

fn told_by(line: &[u8]) -> Option<Map<String, Value>> {
    let names_it = line.windows(COMMIT_INFO.len()).any(|window| window == COMMIT_INFO.as_bytes());
    if !names_it || values_at_most(line) > LINE_VALUES_MAX {
        return None;
    }
    // reason: a line that cannot be read tells nothing
    match serde_json::from_slice::<Map<String, Value>>(line).ok()?.remove(COMMIT_INFO)? {
        Value::Object(told) => Some(told),
        _ => None,
    }
}

/// How many values a text in JSON can have at most.
pub(crate) fn values_at_most(text: &[u8]) -> usize {
    1 + text.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count()
}

/// What these values take in memory with their names, about.
pub(crate) fn memory_of(values: &Map<String, Value>) -> usize {
    values.iter().map(|(name, value)| name.len() + memory_of_value(value)).sum()
}

fn memory_of_value(value: &Value) -> usize {
    let within = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(memory_of_value).sum(),
        Value::Object(fields) => memory_of(fields),
    };
    VALUE_BYTES + within
}

/// A line that comes in parts.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Line {
    fn push(&mut self, part: &[u8]) {
        self.is_too_long |= self.bytes.len() + part.len() > LINE_BYTES_MAX;
        match self.is_too_long {
            true => self.bytes = Vec::new(),
            false => self.bytes.extend_from_slice(part),
        }
    }

    /// The line, unless it is too long. Another one begins.
    fn end(&mut self) -> Option<Vec<u8>> {
        let Self { bytes, is_too_long } = std::mem::take(self);
        (!is_too_long).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use futures::StreamExt;
    use futures::stream;

    use super::*;

    async fn operation(commit: &str, at_once: usize) -> Option<String> {
        let parts: Vec<_> =
            commit.as_bytes().chunks(at_once).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        let told = told_in(stream::iter(parts).boxed()).await.unwrap();
        told.get("operation").and_then(Value::as_str).map(str::to_owned)
    }

    #[tokio::test]
    async fn what_is_told_is_found_in_whatever_parts_it_comes() {
        let add = r#"{"add":{"path":"commitInfo","size":1}}"#;
        let info = r#"{"commitInfo":{"operation":"WRITE","timestamp":0}}"#;
        for commit in [
            info.to_owned(),
            format!("{info}\n"),
            format!("{add}\n\n{info}\r\n{add}\n"),
            format!("no JSON: commitInfo\n{add}\n{info}"),
            format!("{}\n{info}\n", r#"{"commitInfo":null}"#),
        ] {
            for at_once in [1, 7, 1 << 20] {
                assert_eq!(
                    operation(&commit, at_once).await.as_deref(),
                    Some("WRITE"),
                    "{at_once}: {commit}"
                );
            }
        }
        for commit in ["", "\n", add] {
            assert_eq!(operation(commit, 7).await, None, "{commit}");
        }
    }

    #[tokio::test]
    async fn a_line_that_says_too_much_tells_nothing() {
        let numbers =
            format!(r#"{{"commitInfo":{{"operation":"A","x":[{}0]}}}}"#, "0,".repeat(LINE_VALUES_MAX));
        let text = format!(r#"{{"commitInfo":{{"operation":"A","x":"{}"}}}}"#, "x".repeat(LINE_BYTES_MAX));
        let info = r#"{"commitInfo":{"operation":"B"}}"#;
        for long in [numbers, text] {
            assert_eq!(operation(&long, 8 << 10).await, None);
            assert_eq!(operation(&format!("{long}\n{info}\n"), 8 << 10).await.as_deref(), Some("B"));
        }
        let many = format!(r#"{{"commitInfo":{{"operation":"A","x":[{}0]}}}}"#, "0,".repeat(1000));
        assert_eq!(operation(&many, 8 << 10).await.as_deref(), Some("A"));
    }
}
