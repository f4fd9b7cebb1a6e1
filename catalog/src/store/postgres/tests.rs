//! The suite on PostgreSQL, and what is particular to a server.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;
use crate::error::ErrorKind;
use crate::store::suite::{Handles, PostgresServer};

async fn fresh() -> Handles {
    let url = PostgresServer::of_this_process().database().await;
    let (one, two) = (PostgresStore::open(&url).await.unwrap(), PostgresStore::open(&url).await.unwrap());
    Handles { one: Arc::new(one), two: Arc::new(two), keep: Box::new(()) }
}

crate::store_suite!(fresh);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_at_once_migrate_once() {
    let url = PostgresServer::of_this_process().database().await;
    let mut starters = JoinSet::new();
    for _ in 0..6 {
        let url = url.clone();
        starters.spawn(async move {
            PostgresStore::open(&url).await.unwrap().load().await.unwrap().1.metastore.id
        });
    }
    let mut ids = starters.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_unavailable_and_no_error_shows_the_password() {
    let url = "postgres://weir:hunter2@127.0.0.1:1/nothing";
    let error = PostgresStore::open(url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error:?}{error}").contains("hunter2"), "{error:?}");
    let server = PostgresServer::of_this_process();
    for url in [server.url("nothing"), server.url("postgres").replace(":weir@", ":hunter2@")] {
        let error = PostgresStore::open(&url).await.unwrap_err();
        assert!(!format!("{error:?}{error}").contains("hunter2"), "{error:?}");
    }
    for url in ["sqlite://weir:hunter2@file", "postgres://weir:hunter2@[", "", "weir:hunter2"] {
        let error = PostgresStore::open(url).await.unwrap_err();
        assert!(matches!(error, Error::Address), "{error:?}");
        assert!(!format!("{error:?}{error}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_unavailable_and_answers_again() {
    let url = PostgresServer::of_this_process().database().await;
    let mut store = PostgresStore::open(&url).await.unwrap();
    let epoch = store.epoch().await.unwrap();
    store.patience = Duration::from_millis(100);
    let mut blocker = PgPoolOptions::new().connect(&url).await.unwrap().begin().await.unwrap();
    sqlx::query("LOCK TABLE metastore IN ACCESS EXCLUSIVE MODE").execute(&mut *blocker).await.unwrap();
    // More often than there are connections.
    for _ in 0..=CONNECTIONS {
        assert_eq!(store.epoch().await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    blocker.rollback().await.unwrap();
    store.patience = ANSWER_TIMEOUT;
    assert_eq!(store.epoch().await.unwrap(), epoch);
}
