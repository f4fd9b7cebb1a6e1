//! What was acknowledged is there after a crash, once; what was not is left out cleanly.

#![expect(clippy::unwrap_used, reason = "test data is known")]

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use chrono::TimeDelta;
use tempfile::TempDir;

use super::*;
use crate::billing::Config;
use crate::query::history::{ExecutionStatus, FinishedRecord, sample};

const SEGMENT_BYTES: u64 = 1 << 20;

fn entry(status: ExecutionStatus) -> Entry {
    let record = sample::record("ann", "2026-01-01T10:00:00Z", TimeDelta::seconds(1), Duration::from_secs(1));
    Entry::new(FinishedRecord { status, ..record }, &Config::sample())
}

fn with_rows(entry: &Entry, rows_produced: u64) -> Entry {
    let mut entry = entry.clone();
    entry.record.readings.rows_produced = rows_produced;
    entry
}

fn open(dir: &Path) -> Journal {
    LockedJournal::take(dir).unwrap().start(None, SEGMENT_BYTES).unwrap()
}

fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files
}

/// The folder as a server killed at this moment leaves it.
fn after_kill(dir: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

async fn ended(journal: &Journal) -> Vec<Entry> {
    let segments = journal.pending().wait().await.unwrap();
    segments.iter().flat_map(|segment| &segment.ended).map(|entry| entry.as_ref().clone()).collect()
}

#[tokio::test]
async fn acknowledged_entries_survive_a_kill() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let entries: Vec<_> = (0..20).map(|_| entry(ExecutionStatus::Finished)).collect();
    for entry in &entries {
        journal.append(entry.clone()).wait().await.unwrap();
    }
    let copy = after_kill(dir.path());
    assert_eq!(ended(&open(copy.path())).await, entries);
}

#[tokio::test]
async fn torn_last_line_is_left_out() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let whole = entry(ExecutionStatus::Finished);
    journal.append(whole.clone()).wait().await.unwrap();
    let torn = line::encode(&entry(ExecutionStatus::Finished)).unwrap();
    for length in [1, 17, 40, torn.len() - 2] {
        let copy = after_kill(dir.path());
        let path = segment_files(copy.path()).pop().unwrap();
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(torn.get(..length).unwrap()).unwrap();
        assert_eq!(ended(&open(copy.path())).await, std::slice::from_ref(&whole));
    }
}

#[tokio::test]
async fn damaged_line_does_not_take_its_neighbours() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let entries: Vec<_> = (0..3).map(|_| entry(ExecutionStatus::Finished)).collect();
    for entry in &entries {
        journal.append(entry.clone()).wait().await.unwrap();
    }
    drop(journal);
    let path = segment_files(dir.path()).pop().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let broken = lines.get(1).unwrap().replacen("ann", "bob", 1);
    fs::write(&path, format!("{}\n{broken}\n{}\n", lines.first().unwrap(), lines.last().unwrap())).unwrap();
    assert_eq!(
        ended(&open(dir.path())).await,
        [entries.first().unwrap().clone(), entries.last().unwrap().clone()]
    );
}

#[tokio::test]
async fn latest_line_of_a_statement_wins_and_an_end_stays() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let first = entry(ExecutionStatus::Running);
    let latest = with_rows(&first, 5);
    for line in [first.clone(), latest.clone()] {
        journal.append(line).wait().await.unwrap();
    }
    let copy = after_kill(dir.path());
    let left = LockedJournal::take(copy.path()).unwrap().interrupted();
    assert_eq!(left, [Arc::new(latest.clone())]);

    let mut end = with_rows(&first, 9);
    end.record.status = ExecutionStatus::Finished;
    journal.append(end.clone()).wait().await.unwrap();
    journal.append(latest).wait().await.unwrap();
    let copy = after_kill(dir.path());
    let left = LockedJournal::take(copy.path()).unwrap();
    assert_eq!(left.interrupted(), []);
    assert_eq!(ended(&left.start(None, SEGMENT_BYTES).unwrap()).await, [end]);
}

#[tokio::test]
async fn running_statements_are_carried_into_the_next_segment() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let running = entry(ExecutionStatus::Running);
    journal.append(running.clone()).wait().await.unwrap();
    journal.append(entry(ExecutionStatus::Finished)).wait().await.unwrap();
    let closed = journal.rotate().wait().await.unwrap();
    assert_eq!(closed.len(), 1);
    for segment in closed {
        journal.remove(segment.number).wait().await.unwrap();
    }
    let copy = after_kill(dir.path());
    assert_eq!(segment_files(copy.path()).len(), 1);
    let left = LockedJournal::take(copy.path()).unwrap();
    assert_eq!(left.interrupted(), [Arc::new(running)]);
}

#[tokio::test]
async fn segments_are_closed_when_they_are_full_and_numbers_grow_over_restarts() {
    let dir = TempDir::new().unwrap();
    let journal = LockedJournal::take(dir.path()).unwrap().start(None, 1).unwrap();
    for _ in 0..3 {
        journal.append(entry(ExecutionStatus::Finished)).wait().await.unwrap();
    }
    let closed: Vec<_> =
        journal.rotate().wait().await.unwrap().into_iter().map(|segment| segment.number).collect();
    assert_eq!(closed, [1, 2, 3]);
    for number in closed {
        journal.remove(number).wait().await.unwrap();
    }
    drop(journal);
    let journal = LockedJournal::take(dir.path()).unwrap().start(Some(40), SEGMENT_BYTES).unwrap();
    journal.append(entry(ExecutionStatus::Finished)).wait().await.unwrap();
    let numbers: Vec<_> = journal
        .pending()
        .wait()
        .await
        .unwrap()
        .into_iter()
        .filter(|segment| !segment.ended.is_empty())
        .map(|segment| segment.number)
        .collect();
    assert_eq!(numbers, [41]);
}

#[tokio::test]
async fn entries_ordered_at_once_are_all_written() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let answers: Vec<_> = (0..500).map(|_| journal.append(entry(ExecutionStatus::Finished))).collect();
    for answer in answers {
        answer.wait().await.unwrap();
    }
    let copy = after_kill(dir.path());
    assert_eq!(ended(&open(copy.path())).await.len(), 500);
}

#[tokio::test]
async fn what_is_held_is_let_go_with_its_segment() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    journal.append(entry(ExecutionStatus::Running)).wait().await.unwrap();
    let is_empty =
        async || tokio::time::timeout(Duration::from_millis(50), journal.holds_beyond(0)).await.is_err();
    assert!(is_empty().await);
    journal.append(entry(ExecutionStatus::Finished)).wait().await.unwrap();
    assert!(!is_empty().await);
    for segment in journal.rotate().wait().await.unwrap() {
        journal.remove(segment.number).wait().await.unwrap();
    }
    assert!(is_empty().await);
}

#[tokio::test]
async fn of_a_long_text_that_was_written_whole_the_beginning_is_read() {
    let dir = TempDir::new().unwrap();
    let mut long = entry(ExecutionStatus::Finished);
    long.record.statement_text = "x".repeat(1 << 20).into();
    open(dir.path()).append(long).wait().await.unwrap();
    let read = ended(&open(dir.path())).await;
    let text = read.first().unwrap().record.statement_text.clone();
    assert!(text.len() <= 64 << 10 && text.ends_with("… (1048576 bytes)"), "{}", text.len());
}

#[test]
fn second_server_is_refused() {
    let dir = TempDir::new().unwrap();
    let _first = open(dir.path());
    assert!(matches!(LockedJournal::take(dir.path()), Err(Error::InUse(_))));
}

#[test]
fn segment_of_another_journal_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    fs::write(dir.path().join(format!("{}.00000000000000000001.jsonl", Uuid::new_v4())), "").unwrap();
    assert!(matches!(LockedJournal::take(dir.path()), Err(Error::Foreign(_))));
}
