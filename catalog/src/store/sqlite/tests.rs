//! The suite on SQLite, and what is particular to a file.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;
use crate::error::ErrorKind;
use crate::store::suite::Handles;
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
