//! The same tables at a server that speaks Azure Blob Storage. Run where there is Node.js (`make npm`).

use tempfile::TempDir;
use weir_server::clock::{Clock, SystemClock};
use weir_server::config::{Bucket, SecretIs};
use weir_testkit::{AzureServer, FaultyStore, TestServer, block_on};

use super::{fails_clearly, ground, is_like_any_other, lake, lose_no_commit, register};

const URL: &str = "abfss://sales@lake.dfs.core.windows.net/tables/";
const KEY: &[u8; 16] = b"k3y-0f-th3-lak3!";

async fn store() -> (AzureServer, TempDir) {
    let store = AzureServer::start("lake", KEY);
    store.container("sales", SystemClock.now()).await;
    (store, tempfile::tempdir().unwrap())
}

/// The container `sales` at this endpoint, with this secret.
fn container(
    endpoint: std::net::SocketAddr,
    secrets: &TempDir,
    (secret_is, secret): (SecretIs, &str),
) -> Bucket {
    let bucket = super::bucket(endpoint, secrets);
    let file = secrets.path().join("azure.secret");
    std::fs::write(&file, secret).unwrap();
    Bucket {
        url: URL.to_owned(),
        endpoint: Some(format!("http://{endpoint}/lake")),
        access_key_id: None,
        secret_is: Some(secret_is),
        secret_file: Some(file),
        ..bucket
    }
}

/// The key of the account.
fn key() -> (SecretIs, &'static str) {
    (SecretIs::AccountKey, "azN5LTBmLXRoMy1sYWszIQ==")
}

#[test]
fn a_table_at_azure_is_a_table_like_any_other() {
    block_on(async {
        let (store, secrets) = store().await;
        is_like_any_other(&ground(container(store.address(), &secrets, key())).await).await;
    });
}

#[test]
fn two_servers_on_one_container_lose_no_commit() {
    block_on(async {
        let (store, secrets) = store().await;
        let one = ground(container(store.address(), &secrets, key())).await;
        let other = lake(container(store.address(), &secrets, key())).await;
        register(&other, URL).await;
        lose_no_commit(&one, &other).await;
    });
}

#[test]
fn azure_that_fails_is_asked_again_for_a_while_and_its_failure_is_told_clearly() {
    block_on(async {
        let (store, secrets) = store().await;
        let proxy = FaultyStore::before(store.address()).await;
        fails_clearly(&ground(container(proxy.address(), &secrets, key())).await, &proxy).await;
    });
}

#[test]
fn a_shared_access_signature_reaches_what_it_is_for_and_is_never_shown() {
    block_on(async {
        let (store, secrets) = store().await;
        let until = SystemClock.now() + chrono::Duration::hours(1);
        let whole = store.shared_access("rwdlac", until);
        let server = ground(container(store.address(), &secrets, (SecretIs::SasToken, &whole))).await;
        server.prepare("INSERT INTO main.default.people VALUES (1, 'north', 'x')").await;
        let count = "SELECT count(*) FROM main.default.people";
        assert_eq!(server.rows("alice", count).await, ["1"]);

        let reading = store.shared_access("rl", until);
        let reader = lake(container(store.address(), &secrets, (SecretIs::SasToken, &reading))).await;
        register(&reader, URL).await;
        assert_eq!(reader.rows("alice", count).await, ["1"]);
        is_refused(&reader, "INSERT INTO main.default.people VALUES (2, 'north', 'x')", &reading).await;
        assert_eq!(server.rows("alice", count).await, ["1"]);

        let over = store.shared_access("rl", SystemClock.now() - chrono::Duration::hours(1));
        let late = lake(container(store.address(), &secrets, (SecretIs::SasToken, &over))).await;
        let sql = format!("CREATE TABLE main.default.people USING DELTA LOCATION '{URL}people'");
        is_refused(&late, &sql, &over).await;
    });
}

/// The store does not let the server do this, and the user is told so without the signature.
async fn is_refused(server: &TestServer, sql: &str, signature: &str) {
    let refusal = server.refused("admin", sql).await;
    assert!(refusal.starts_with("[SERVICE_UNAVAILABLE]"), "{refusal}");
    let signed = signature.split("sig=").last().unwrap();
    assert!(!refusal.contains(signed) && !refusal.contains("sig="), "{refusal}");
}
