//! Tables in buckets of a server that speaks S3, and how such a server fails.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::sql::CommandStatementQuery;
use chrono::TimeDelta;
use tempfile::TempDir;
use weir_server::config::{Bucket, Config, Period, Size};
use weir_testkit::{Fault, FaultyStore, S3Server, Setup, TestServer, block_on};

mod azure;
mod google;

const SECRET: &str = "s3cr3t-0f-th3-lake";

/// The bucket `lake` of a server that speaks S3.
fn bucket(endpoint: std::net::SocketAddr, secrets: &TempDir) -> Bucket {
    let file = secrets.path().join("lake.secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    Bucket {
        url: "s3://lake/tables/".to_owned(),
        credential: "lake".to_owned(),
        region: None,
        endpoint: Some(format!("http://{endpoint}")),
        allow_http: false,
        access_key_id: Some("AKIALAKE".to_owned()),
        secret_is: None,
        tenant_id: None,
        client_id: None,
        secret_file: Some(file),
        secret_variable: None,
        request_timeout: Period::seconds(2),
        retries: 3,
        retry_timeout: Period::seconds(10),
    }
}

/// A server that has the bucket, and an empty table `main.default.people` in it at `people`.
async fn ground(bucket: Bucket) -> TestServer {
    let url = bucket.url.clone();
    let server = lake(bucket).await;
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int32, true),
        Field::new("region", DataType::Utf8, true),
        Field::new("ssn", DataType::Utf8, true),
    ]);
    let place = server.app().locations().external(&format!("{url}people/")).unwrap();
    server.app().tables().create(&place, Arc::new(schema), &[]).await.unwrap();
    register(&server, &url).await;
    server
}

/// Registers the table that is there at `people` below `url`.
async fn register(server: &TestServer, url: &str) {
    server.prepare(&format!("CREATE TABLE main.default.people USING DELTA LOCATION '{url}people'")).await;
}

async fn lake(bucket: Bucket) -> TestServer {
    lake_with(bucket, Config::default()).await
}

async fn lake_with(bucket: Bucket, mut config: Config) -> TestServer {
    let url = bucket.url.clone();
    config.storage.buckets = vec![bucket];
    let server = TestServer::start_with(Setup { config, ..Setup::default() }).await;
    server
        .prepare(&format!(
            "CREATE STORAGE CREDENTIAL lake;
             CREATE EXTERNAL LOCATION lake URL '{url}' WITH (STORAGE CREDENTIAL lake);
             GRANT USE CATALOG, USE SCHEMA, SELECT, MODIFY ON CATALOG main TO alice"
        ))
        .await;
    server
}

async fn store() -> (S3Server, TempDir) {
    let store = S3Server::start();
    store.bucket("lake").await;
    (store, tempfile::tempdir().unwrap())
}

#[test]
fn a_table_in_a_bucket_is_a_table_like_any_other() {
    block_on(async {
        let (store, secrets) = store().await;
        is_like_any_other(&ground(bucket(store.address(), &secrets)).await).await;
    });
}

/// Rows are written, changed, governed and read in their past.
async fn is_like_any_other(server: &TestServer) {
    server
        .prepare(
            "INSERT INTO main.default.people VALUES (1, 'north', 'CANARY-1'), (2, 'south', 'CANARY-2'), (3, 'north', 'CANARY-3');
             UPDATE main.default.people SET region = 'north' WHERE id = 2;
             DELETE FROM main.default.people WHERE id = 3;
             MERGE INTO main.default.people t USING (VALUES (2), (4)) s(id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET region = 'south' WHEN NOT MATCHED THEN INSERT (id, region) VALUES (s.id, 'north');
             CREATE FUNCTION main.default.of_north(region STRING) RETURNS BOOLEAN RETURN region = 'north';
             CREATE FUNCTION main.default.hidden(v STRING) RETURNS STRING RETURN '***';
             ALTER TABLE main.default.people SET ROW FILTER main.default.of_north ON (region);
             ALTER TABLE main.default.people ALTER COLUMN ssn SET MASK main.default.hidden",
        )
        .await;
    let people = "SELECT id, ssn FROM main.default.people ORDER BY id";
    assert_eq!(server.rows("alice", people).await, ["1 | ***", "4 | ***"]);
    let past = "SELECT id FROM main.default.people VERSION AS OF 1 ORDER BY id";
    assert_eq!(server.rows("alice", past).await, ["1", "3"]);
    assert_eq!(server.rows("admin", "DESCRIBE HISTORY main.default.people").await.len(), 5);
    assert_eq!(
        server.done("alice", "UPDATE main.default.people SET id = 9 WHERE ssn = '***' AND id = 4").await,
        1
    );
    server.prepare("ALTER TABLE main.default.people DROP ROW FILTER;\nALTER TABLE main.default.people ALTER COLUMN ssn DROP MASK").await;
    let all = ["1 | north | CANARY-1", "2 | south | CANARY-2", "9 | north | NULL"];
    assert_eq!(server.rows("alice", "SELECT * FROM main.default.people").await, all);
}

#[test]
fn two_servers_on_one_bucket_lose_no_commit() {
    block_on(async {
        let (store, secrets) = store().await;
        let one = ground(bucket(store.address(), &secrets)).await;
        let other = lake(bucket(store.address(), &secrets)).await;
        register(&other, "s3://lake/tables/").await;
        lose_no_commit(&one, &other).await;
    });
}

/// Two servers that have one table write to it at once.
async fn lose_no_commit(one: &TestServer, other: &TestServer) {
    const EACH: i32 = 8;
    let write = async |server: &TestServer, first: i32| {
        for id in first..first + EACH {
            let sql = format!("INSERT INTO main.default.people VALUES ({id}, 'x', 'y')");
            assert_eq!(server.done("admin", &sql).await, 1);
        }
    };
    tokio::join!(write(one, 0), write(other, 100));
    let count = "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM main.default.people";
    let expected = format!("{} | {} | 0 | {}", 2 * EACH, 2 * EACH, 99 + EACH);
    for server in [one, other] {
        assert_eq!(server.rows("admin", count).await, [expected.as_str()]);
    }
}

#[test]
fn nothing_outside_the_places_of_the_configuration_is_reached_and_no_secret_is_shown() {
    block_on(async {
        let (store, secrets) = store().await;
        let server = ground(bucket(store.address(), &secrets)).await;
        for location in [
            "s3://s3://lake/tables/people",
            "s3://lake/people",
            "s3://lake/tablesx/people",
            "s3://lake/tables",
            "s3://lake/tables/../people",
            "s3://lake/tables//people",
            "s3://lake/tables/people?x=1",
            "s3://lake/tables/%2e%2e/people",
            "s3://other/tables/people",
            "gs://lake/tables/people",
            "http://127.0.0.1/lake/tables/people",
        ] {
            let sql = format!("CREATE TABLE main.default.t USING DELTA LOCATION '{location}'");
            let refusal = server.refused("admin", &sql).await;
            assert!(!refusal.contains(SECRET), "{refusal}");
            let told =
                ["[LOCATION_NOT_ALLOWED]", "[INSUFFICIENT_PERMISSIONS]", "[INVALID_", "[EXTERNAL_LOCATION"];
            assert!(told.iter().any(|told| refusal.starts_with(told)), "{location}\n{refusal}");
        }
        server.prepare("CREATE STORAGE CREDENTIAL another").await;
        for sql in [
            "CREATE EXTERNAL LOCATION deeper URL 's3://lake/tables/deep' WITH (STORAGE CREDENTIAL another)",
            "ALTER EXTERNAL LOCATION lake SET STORAGE CREDENTIAL another",
        ] {
            let refusal = server.refused("admin", sql).await;
            assert!(refusal.starts_with("[LOCATION_NOT_ALLOWED]"), "{refusal}");
        }
        for sql in [
            "SHOW EXTERNAL LOCATIONS",
            "DESCRIBE EXTERNAL LOCATION lake",
            "DESCRIBE STORAGE CREDENTIAL lake",
            "DESCRIBE DETAIL main.default.people",
            "SHOW CREATE TABLE main.default.people",
        ] {
            let told = server.sql("admin", sql).await;
            let text = format!("{:?}", told.as_ref().map(weir_testkit::Rows::lines));
            assert!(!text.contains(SECRET) && !text.contains("AKIALAKE"), "{sql}\n{text}");
        }
    });
}

#[test]
fn a_store_that_fails_is_asked_again_for_a_while_and_its_failure_is_told_clearly() {
    block_on(async {
        let (store, secrets) = store().await;
        let proxy = FaultyStore::before(store.address()).await;
        fails_clearly(&ground(bucket(proxy.address(), &secrets)).await, &proxy).await;
    });
}

/// The store behind `proxy` fails in ways that pass and in ways that do not.
async fn fails_clearly(server: &TestServer, proxy: &FaultyStore) {
    server
        .prepare("CREATE TABLE main.default.local (id INT);\nINSERT INTO main.default.local VALUES (7)")
        .await;
    server.prepare("INSERT INTO main.default.people VALUES (1, 'north', 'CANARY-1')").await;
    let count = "SELECT count(*) FROM main.default.people";
    // What passes is asked again, and nobody notices.
    for fault in [Fault::Status(503), Fault::Status(500), Fault::Late(Duration::from_secs(3))] {
        proxy.fail(2, fault);
        assert_eq!(server.rows("admin", count).await, ["1"], "{fault:?}");
        assert_eq!(proxy.left(), 0, "{fault:?}");
    }
    // What does not is told, and nothing else waits for it.
    for fault in [Fault::Status(503), Fault::Status(403), Fault::Cut] {
        proxy.fail(1000, fault);
        let (refusal, rows) = tokio::join!(
            server.refused("admin", "SELECT max(ssn) FROM main.default.people"),
            server.rows("admin", "SELECT id FROM main.default.local")
        );
        proxy.fail(0, fault);
        assert_eq!(rows, ["7"]);
        assert!(refusal.starts_with("[SERVICE_UNAVAILABLE]"), "{fault:?}\n{refusal}");
        assert!(!refusal.contains("CANARY") && !refusal.contains(SECRET), "{refusal}");
        assert_eq!(server.rows("admin", count).await, ["1"], "{fault:?}");
    }
    // A store that gives files and takes none.
    for fault in [Fault::NoData(403), Fault::NoData(503)] {
        for sql in [
            "INSERT INTO main.default.people VALUES (2, 'x', 'y')",
            "UPDATE main.default.people SET region = 'south'",
        ] {
            proxy.fail(1000, fault);
            let refusal = server.refused("admin", sql).await;
            assert!(refusal.starts_with("[SERVICE_UNAVAILABLE]"), "{fault:?}: {sql}\n{refusal}");
            proxy.fail(0, fault);
            let rows = server.rows("admin", "SELECT id, region FROM main.default.people").await;
            assert_eq!(rows, ["1 | north"], "{fault:?}: {sql}");
        }
    }
    // A commit whose answer is lost is there once, or told as not done.
    proxy.fail(1000, Fault::Status(503));
    let refusal = server.refused("admin", "INSERT INTO main.default.people VALUES (2, 'x', 'y')").await;
    assert!(refusal.starts_with("[SERVICE_UNAVAILABLE]"), "{refusal}");
    proxy.fail(0, Fault::Status(503));
    assert_eq!(server.rows("admin", count).await, ["1"]);
}

#[test]
fn ranges_on_disk_serve_while_the_store_is_away_until_the_caches_are_cleared() {
    block_on(async {
        let (store, secrets) = store().await;
        let proxy = FaultyStore::before(store.address()).await;
        ground(bucket(store.address(), &secrets))
            .await
            .prepare("INSERT INTO main.default.people VALUES (1, 'north', 'CANARY-1')")
            .await;
        let folder = secrets.path().join("ranges");
        let mut config = Config::default();
        config.storage.range_cache_bytes = Size::new(0);
        config.storage.range_cache_disk_bytes = Size::mebibytes(16);
        config.storage.range_cache_directory = Some(folder.clone());
        config.cache.result_cache_bytes = Size::new(0);
        let server = lake_with(bucket(proxy.address(), &secrets), config).await;
        register(&server, "s3://lake/tables/").await;
        server
            .prepare("ALTER TABLE main.default.people SET TBLPROPERTIES ('weir.maxStaleness' = '1h')")
            .await;
        let people = "SELECT id, ssn FROM main.default.people";
        assert_eq!(server.rows("alice", people).await, ["1 | CANARY-1"]);
        while server.app().tables().router().disk().unwrap().used_bytes() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        proxy.fail(1000, Fault::Status(503));
        assert_eq!(server.rows("alice", people).await, ["1 | CANARY-1"]);
        assert_eq!(proxy.left(), 1000, "nothing was asked of the store");
        server.prepare("CLEAR CACHE").await;
        let refusal = server.refused("alice", people).await;
        assert!(refusal.starts_with("[SERVICE_UNAVAILABLE]"), "{refusal}");
    });
}

#[test]
fn a_statement_asks_a_far_store_once_whether_its_table_is_at_its_newest() {
    block_on(async {
        let (store, secrets) = store().await;
        let proxy = FaultyStore::before(store.address()).await;
        let server = ground(bucket(proxy.address(), &secrets)).await;
        server.prepare("INSERT INTO main.default.people VALUES (1, 'north', 'CANARY-1')").await;
        let (alice, people) = (server.client("alice"), "SELECT id FROM main.default.people");
        assert_eq!(server.rows("alice", people).await, ["1"]);
        let before = proxy.asked().len();
        let command = CommandStatementQuery { query: people.to_owned(), transaction_id: None };
        let info = alice.info(&command).await.unwrap();
        let looked = proxy.asked();
        assert!(looked.len() > before, "storage is asked for the newest version");
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        // The clock of the test stands still by itself, that of the caches does not.
        server.clock().advance(TimeDelta::seconds(1));
        assert_eq!(alice.fetch(ticket).await.unwrap().lines(), ["1"]);
        let more = proxy.asked().split_off(looked.len());
        assert!(more.is_empty(), "{more:?}: the rows are of the version of then, and in memory");
    });
}
