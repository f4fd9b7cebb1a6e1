//! The suite on SQLite, and what is particular to a file.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;
use crate::error::ErrorKind;
use crate::store::suite::{Handles, event};
use std::sync::Arc;
use tokio::task::JoinSet;

async fn fresh() -> Handles {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    let (one, two) = (SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap());
    Handles { one: Arc::new(one), two: Arc::new(two), keep: Box::new(dir) }
}

crate::store_suite!(fresh);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_migrate_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    let mut starters = JoinSet::new();
    for _ in 0..6 {
        let path = path.clone();
        starters.spawn(async move {
            SqliteStore::open(&path).await.unwrap().load().await.unwrap().1.metastore.id
        });
    }
    let mut ids = starters.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    let _store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_path_that_cannot_be_opened_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let error = SqliteStore::open(&dir.path().join("missing").join("catalog.sqlite")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_damaged_row_is_named_not_defaulted() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("catalog.sqlite")).await.unwrap();
    sqlx::query("INSERT INTO principals VALUES ('not an id', 'x', 'USER', 0, 0, 0)")
        .execute(&store.pool)
        .await
        .unwrap();
    let error = store.load().await.unwrap_err();
    assert!(matches!(error, Error::Damaged { what: "principal id", .. }), "{error:?}");
}

/// The suite's rows, in a file that is closed.
async fn filled(path: &std::path::Path) -> Content {
    let store = SqliteStore::open(path).await.unwrap();
    let handles = Handles { one: Arc::new(store.clone()), two: Arc::new(store.clone()), keep: Box::new(()) };
    crate::store::suite::everything_put_is_loaded_again(handles).await;
    let content = store.load().await.unwrap().1;
    store.pool.close().await;
    content
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_another_process_writes_to_is_read_and_a_write_waits_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    let content = filled(&path).await;
    let store = SqliteStore::open(&path).await.unwrap();
    let epoch = store.epoch().await.unwrap();
    let other = SqliteStore::open(&path).await.unwrap();
    let mut lock = other.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(store.load().await.unwrap().1, content, "a lock for writing keeps no reader out");
    let owner = Change::MetastoreOwnerPut(None);
    let waiting = tokio::spawn({
        let (store, event) = (store.clone(), event("x"));
        async move { store.commit(epoch, &[owner], &event).await }
    });
    sqlx::query("UPDATE metastore SET epoch = epoch").execute(&mut *lock).await.unwrap();
    assert!(!waiting.is_finished());
    lock.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Epoch(epoch.0 + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_stays_locked_is_unavailable_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    let content = filled(&path).await;
    let patient = SqliteStore::open(&path).await.unwrap();
    let epoch = patient.epoch().await.unwrap();
    let options = SqliteConnectOptions::new().filename(&path).busy_timeout(Duration::from_millis(50));
    let store =
        SqliteStore::over(SqlitePoolOptions::new().connect_with(options).await.unwrap(), WalIndex::of(&path));
    let lock = patient.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let event = event("x");
    let error = store.commit(epoch, &[Change::MetastoreOwnerPut(None)], &event).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    drop(lock);
    assert_eq!(store.load().await.unwrap(), (epoch, content));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_turns_read_only_refuses_writes_and_answers_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    let content = filled(&path).await;
    // What SQLite does on a read-only file; the superuser would write to it all the same.
    let options = SqliteConnectOptions::new().filename(&path).read_only(true);
    let store =
        SqliteStore::over(SqlitePoolOptions::new().connect_with(options).await.unwrap(), WalIndex::of(&path));
    let (epoch, loaded) = store.load().await.unwrap();
    assert_eq!(loaded, content);
    let event = event("x");
    let error = store.commit(epoch, &[Change::MetastoreOwnerPut(None)], &event).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(store.load().await.unwrap(), (epoch, content));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_the_commit_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    let content = filled(&path).await;
    let options = SqliteConnectOptions::new().filename(&path).pragma("max_page_count", "1");
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = SqliteStore::over(pool, WalIndex::of(&path));
    let (epoch, _) = store.load().await.unwrap();
    let mut event = event("x");
    event.because = "x".repeat(1 << 20);
    let error = store.commit(epoch, &[Change::MetastoreOwnerPut(None)], &event).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(store.load().await.unwrap(), (epoch, content), "the owner was put before the disk was full");
}

#[tokio::test]
async fn a_file_that_is_no_catalog_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    let text = "this is no database, but somebody's letter".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, Error::NoCatalog(_)), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_page_is_an_error_and_never_an_empty_catalog() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    filled(&path).await;
    let mut bytes = std::fs::read(&path).unwrap();
    // All pages but the first, which says that it is a database.
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0xff;
    }
    std::fs::write(&path, &bytes).unwrap();
    SqliteStore::open(&path).await.unwrap_err();
}

#[tokio::test]
async fn a_commit_of_another_process_is_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    // Two handles share nothing but the file, as two processes do.
    let (one, two) = (SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap());
    for number in 0..300 {
        assert_eq!(two.epoch().await.unwrap(), Epoch(number));
        let writer = if number % 2 == 0 { &one } else { &two };
        writer.commit(Epoch(number), &[], &event("x")).await.unwrap();
        assert_eq!(two.epoch().await.unwrap(), Epoch(number + 1));
        if number % 50 == 0 {
            // The log begins anew.
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&one.pool).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_epoch_that_stands_still_is_not_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    let (one, two) = (SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap());
    assert_eq!(two.epoch().await.unwrap(), Epoch(0));
    two.pool.close().await;
    assert_eq!(two.epoch().await.unwrap(), Epoch(0), "without a connection");
    one.commit(Epoch(0), &[], &event("x")).await.unwrap();
    assert!(two.epoch().await.is_err(), "what has moved is asked for");
}

/// The locks that this process has on the index beside a database.
#[cfg(target_os = "linux")]
fn locks(path: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;

    let file = format!(":{} ", std::fs::metadata(path).unwrap().ino());
    let told = std::fs::read_to_string("/proc/locks").unwrap();
    let held = told.lines().filter(|line| line.contains(&file));
    let mut held: Vec<_> = held.map(|line| line.split_once(": ").unwrap().1.to_owned()).collect();
    held.sort();
    held
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn looking_at_the_index_leaves_the_process_its_locks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    let store = SqliteStore::open(&path).await.unwrap();
    let writing = store.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let index = dir.path().join("catalog.sqlite-shm");
    let held = locks(&index);
    assert!(held.iter().any(|lock| lock.contains("WRITE")), "{held:?}");
    for _ in 0..3 {
        store.index.header().unwrap();
        assert!(WalIndex::of(&path).header().is_some());
    }
    assert_eq!(locks(&index), held);
    drop(writing);
    // An index that is another's by now is read there.
    drop(store);
    let copy = std::fs::read(&index).unwrap();
    let known = WalIndex::of(&path);
    assert_eq!(known.header().unwrap().as_slice(), copy.first_chunk::<48>().unwrap());
    std::fs::remove_file(&index).unwrap();
    assert_eq!(known.header(), None);
    std::fs::write(&index, &copy).unwrap();
    assert_eq!(known.header().unwrap().as_slice(), copy.first_chunk::<48>().unwrap());
}
