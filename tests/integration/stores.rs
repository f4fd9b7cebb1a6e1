//! Several servers on one PostgreSQL: what one changes holds on the other from its next statement on,
//! and a database that dies and comes back takes nothing with it.

use std::path::Path;
use std::time::Duration;

use arrow_flight::sql::CommandStatementQuery;
use tempfile::TempDir;
use tonic::Code;
use weir_server::config::{Config, Period, StoreUrl};
use weir_testkit::{ADMIN, PostgresServer, Setup, TestServer, block_on, task};

/// Settings of a server on that database whose managed tables lie in `tables`.
fn shared(url: &str, tables: &Path) -> Setup {
    let mut config = Config::default();
    config.catalog.url = Some(StoreUrl::new(url));
    config.storage.data_root = Some(tables.to_owned());
    Setup { config, ..Setup::default() }
}

/// Two servers on one database, with the users and the group of every test server, and the folder of
/// their tables.
async fn replicas(url: &str) -> (TestServer, TestServer, TempDir) {
    let tables = tempfile::tempdir().unwrap();
    let one = TestServer::start_with(shared(url, tables.path())).await;
    let two = TestServer::start_in(tempfile::tempdir().unwrap(), shared(url, tables.path())).await;
    one.prepare(
        "CREATE TABLE main.default.people (name STRING, region STRING) USING DELTA;
         INSERT INTO main.default.people VALUES ('ann', 'EMEA'), ('bob', 'APAC'), ('cid', 'APAC');
         CREATE FUNCTION main.default.emea (r STRING) RETURNS BOOLEAN RETURN r = 'EMEA';
         GRANT USE CATALOG ON CATALOG main TO alice;
         GRANT USE SCHEMA ON SCHEMA main.default TO alice",
    )
    .await;
    (one, two, tables)
}

/// Not found, or seen and not to be read.
fn assert_no_right(said: &str) {
    assert!(said.contains("NOT_FOUND") || said.contains("INSUFFICIENT_PERMISSIONS"), "{said}");
}

const NAMES: &str = "SELECT name FROM main.default.people ORDER BY name";

#[test]
fn what_one_server_changes_holds_on_the_other_from_the_next_statement_on() {
    block_on(async {
        let url = PostgresServer::of_this_process().database().await;
        let (one, two, _tables) = replicas(&url).await;
        for (changer, asked) in [(&one, &two), (&two, &one)] {
            assert_no_right(&asked.refused("alice", NAMES).await);
            changer.done(ADMIN, "GRANT SELECT ON TABLE main.default.people TO alice").await;
            assert_eq!(asked.rows("alice", NAMES).await.len(), 3);
            let filter = "ALTER TABLE main.default.people SET ROW FILTER main.default.emea ON (region)";
            changer.done(ADMIN, filter).await;
            assert_eq!(asked.rows("alice", NAMES).await, ["ann"]);
            changer.done(ADMIN, "ALTER TABLE main.default.people DROP ROW FILTER").await;
            assert_eq!(asked.rows("alice", NAMES).await.len(), 3);
            changer.done(ADMIN, "REVOKE SELECT ON TABLE main.default.people FROM alice").await;
            assert_no_right(&asked.refused("alice", NAMES).await);
            changer.done(ADMIN, "GRANT SELECT ON TABLE main.default.people TO hr").await;
            changer.done(ADMIN, "ALTER GROUP hr ADD USER alice").await;
            assert_eq!(asked.rows("alice", NAMES).await.len(), 3);
            changer.done(ADMIN, "ALTER GROUP hr DROP USER alice").await;
            assert_no_right(&asked.refused("alice", NAMES).await);
            changer.done(ADMIN, "REVOKE SELECT ON TABLE main.default.people FROM hr").await;
        }
    });
}

#[test]
fn rows_written_through_one_server_are_read_through_the_other() {
    block_on(async {
        let url = PostgresServer::of_this_process().database().await;
        let (one, two, _tables) = replicas(&url).await;
        assert_eq!(two.rows(ADMIN, NAMES).await.len(), 3);
        one.done(ADMIN, "INSERT INTO main.default.people VALUES ('dan', 'EMEA')").await;
        assert_eq!(two.rows(ADMIN, NAMES).await.len(), 4);
        two.done(ADMIN, "CREATE TABLE main.default.later (x INT) USING DELTA").await;
        two.done(ADMIN, "INSERT INTO main.default.later VALUES (1)").await;
        assert_eq!(one.rows(ADMIN, "SELECT x FROM main.default.later").await, ["1"]);
    });
}

#[test]
fn a_ticket_of_one_server_is_redeemed_by_the_other_for_its_holder_alone() {
    block_on(async {
        let url = PostgresServer::of_this_process().database().await;
        let (one, two, _tables) = replicas(&url).await;
        let command = CommandStatementQuery { query: NAMES.to_owned(), transaction_id: None };
        let answer = one.client(ADMIN).info(&command).await.unwrap();
        let ticket = answer.endpoint.first().unwrap().ticket.clone().unwrap();
        two.client("alice").fetch(ticket.clone()).await.unwrap_err();
        assert_eq!(two.client(ADMIN).fetch(ticket).await.unwrap().count(), 3);
    });
}

#[test]
fn an_access_token_of_one_server_holds_on_the_other_until_either_drops_it() {
    block_on(async {
        let url = PostgresServer::of_this_process().database().await;
        let (one, two, _tables) = replicas(&url).await;
        for (dropping, asked) in [(&one, &two), (&two, &one)] {
            let made = one.client("alice").statement("CREATE ACCESS TOKEN job").await.unwrap().lines();
            let cells: Vec<&str> = made[0].split(" | ").collect();
            let holder = asked.anonymous().with_token(cells[1]);
            // Asked before it is dropped, so that the server remembers it.
            assert_eq!(holder.statement("SELECT current_user()").await.unwrap().lines(), ["alice"]);
            dropping.done("alice", &format!("DROP ACCESS TOKEN '{}'", cells[0])).await;
            assert_eq!(holder.statement("SELECT 1").await.unwrap_err().code, Code::Unauthenticated);
        }
    });
}

#[test]
fn a_query_that_was_asked_before_shows_what_the_other_server_committed_since() {
    block_on(async {
        let url = PostgresServer::of_this_process().database().await;
        let (one, two, _tables) = replicas(&url).await;
        one.done(ADMIN, "CREATE TABLE main.default.counted (n INT)").await;
        let admin = two.client(ADMIN);
        let count = "SELECT count(*) FROM main.default.counted";
        let prepared = admin.prepare(count).await.unwrap();
        for committed in 1..=10 {
            one.done(ADMIN, "INSERT INTO main.default.counted VALUES (1)").await;
            let expected = [committed.to_string()];
            assert_eq!(admin.statement(count).await.unwrap().lines(), expected);
            assert_eq!(admin.run(&prepared.handle).await.unwrap().lines(), expected);
        }
    });
}

#[test]
fn of_ddl_on_both_servers_at_once_one_wins_and_nothing_is_lost() {
    block_on(async {
        let url = PostgresServer::of_this_process().database().await;
        let (one, two, _tables) = replicas(&url).await;
        for round in 0..8 {
            let sql = format!("CREATE SCHEMA main.round_{round}");
            let (left, right) = (one.client(ADMIN), two.client(ADMIN));
            let (left, right) = tokio::join!(left.update(&sql), right.update(&sql));
            let refusals: Vec<_> = [left, right].into_iter().filter_map(Result::err).collect();
            assert_eq!(refusals.len(), 1, "{refusals:?}");
            assert!(refusals[0].text.contains("SCHEMA_ALREADY_EXISTS"), "{refusals:?}");
        }
        // Different things at once: each decides again on what the other left.
        for round in 0..8 {
            let left = format!("CREATE SCHEMA main.left_{round}");
            let right = format!("GRANT USE SCHEMA ON SCHEMA main.round_{round} TO bob");
            let (one, two) = (one.client(ADMIN), two.client(ADMIN));
            let (left, right) = tokio::join!(one.update(&left), two.update(&right));
            left.unwrap();
            right.unwrap();
        }
        let snapshot = two.app().metastore().snapshot().await.unwrap();
        let main = snapshot.catalog(&weir_catalog::Name::new("main").unwrap()).unwrap();
        let made = snapshot.schemas(main.id).filter(|schema| {
            let name = schema.name.schema.as_str();
            name.starts_with("round_") || name.starts_with("left_")
        });
        assert_eq!(made.count(), 16);
    });
}

/// Statements that go on on both servers until `stop`; how many were answered and refused.
async fn load(server: &TestServer, stop: &tokio::sync::watch::Receiver<bool>) -> (usize, usize) {
    let client = server.client("alice");
    let (mut answered, mut refused) = (0, 0);
    while !*stop.borrow() {
        match client.statement(NAMES).await {
            Ok(rows) => {
                assert_eq!(rows.sorted(), ["ann"], "the filter holds whatever happens to the store");
                answered += 1;
            }
            Err(refusal) => {
                assert!(refusal.text.contains("SERVICE_UNAVAILABLE"), "{refusal:?}");
                assert_eq!(refusal.code, Code::Unavailable, "{refusal:?}");
                refused += 1;
            }
        }
    }
    (answered, refused)
}

#[test]
fn a_database_that_dies_under_load_refuses_statements_and_comes_back_whole() {
    block_on(async {
        let mut database = PostgresServer::start();
        let url = database.database().await;
        let (one, two, _tables) = replicas(&url).await;
        one.done(ADMIN, "GRANT SELECT ON TABLE main.default.people TO alice").await;
        one.done(ADMIN, "ALTER TABLE main.default.people SET ROW FILTER main.default.emea ON (region)").await;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let servers = std::sync::Arc::new((one, two));
        let loads: Vec<_> = [0, 1, 0, 1]
            .into_iter()
            .map(|which| {
                let (servers, stopped) = (std::sync::Arc::clone(&servers), stopped.clone());
                task(async move { load(if which == 0 { &servers.0 } else { &servers.1 }, &stopped).await })
            })
            .collect();
        let (one, two) = (&servers.0, &servers.1);
        for round in 0..2 {
            one.done(ADMIN, &format!("CREATE SCHEMA main.before_{round}")).await;
            database.kill();
            let (ask, write) = (NAMES, "CREATE SCHEMA main.while_away");
            let (left, right) = (one.client(ADMIN), two.client(ADMIN));
            let (one_said, two_said, one_wrote, two_wrote) = tokio::join!(
                one.refused("alice", ask),
                two.refused("alice", ask),
                left.update(write),
                right.update(write)
            );
            for said in [one_said, two_said, one_wrote.unwrap_err().text, two_wrote.unwrap_err().text] {
                assert!(said.contains("SERVICE_UNAVAILABLE"), "{said}");
            }
            database.restart();
            assert_eq!(one.rows("alice", NAMES).await, ["ann"]);
            assert_eq!(two.rows("alice", NAMES).await, ["ann"]);
        }
        stop.send(true).unwrap();
        let mut total = (0, 0);
        for running in loads {
            let (answered, refused) = running.await.unwrap();
            total = (total.0 + answered, total.1 + refused);
        }
        assert!(total.0 > 0, "{total:?}");
        two.done(ADMIN, "REVOKE SELECT ON TABLE main.default.people FROM alice").await;
        assert_no_right(&one.refused("alice", NAMES).await);
        let snapshot = one.app().metastore().snapshot().await.unwrap();
        let schema = |name: &str| snapshot.schema(&weir_catalog::SchemaName::new("main", name).unwrap());
        assert!(schema("before_0").is_some() && schema("before_1").is_some());
        assert!(schema("while_away").is_none());
    });
}

#[test]
fn a_catalog_that_may_be_a_second_old_is_answered_from_that_long_and_then_refused() {
    block_on(async {
        let mut database = PostgresServer::start();
        let url = database.database().await;
        let tables = tempfile::tempdir().unwrap();
        let mut setup = shared(&url, tables.path());
        setup.config.catalog.staleness = Period::seconds(1);
        let server = TestServer::start_with(setup).await;
        server.done(ADMIN, "CREATE TABLE main.default.people (name STRING) USING DELTA").await;
        assert_eq!(server.rows(ADMIN, NAMES).await.len(), 0);
        database.kill();
        // Whatever is answered meanwhile rests on a catalog that was confirmed less than a second ago.
        let refused = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                if let Err(refusal) = server.sql(ADMIN, NAMES).await {
                    break refusal;
                }
            }
        });
        let refusal = refused.await.expect("an old catalog is not answered from for long");
        assert!(refusal.text.contains("SERVICE_UNAVAILABLE"), "{refusal:?}");
        database.restart();
        assert_eq!(server.rows(ADMIN, NAMES).await.len(), 0);
    });
}

/// Reports how long a revocation takes to hold on the other server while both are asked all the time.
#[test]
fn a_revocation_under_load_holds_for_the_next_statement_on_the_other_server() {
    block_on(async {
        let url = PostgresServer::of_this_process().database().await;
        let (one, two, _tables) = replicas(&url).await;
        one.done(ADMIN, "ALTER TABLE main.default.people SET ROW FILTER main.default.emea ON (region)").await;
        let servers = std::sync::Arc::new((one, two));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        servers.0.done(ADMIN, "GRANT SELECT ON TABLE main.default.people TO hr").await;
        servers.0.done(ADMIN, "GRANT USE CATALOG ON CATALOG main TO hr").await;
        servers.0.done(ADMIN, "GRANT USE SCHEMA ON SCHEMA main.default TO hr").await;
        let busy = task({
            let (servers, stopped) = (std::sync::Arc::clone(&servers), stopped.clone());
            async move {
                let client = servers.1.client("carol");
                let mut answered = 0;
                while !*stopped.borrow() {
                    assert_eq!(client.statement(NAMES).await.unwrap().sorted(), ["ann"]);
                    answered += 1;
                }
                answered
            }
        });
        let mut longest = Duration::ZERO;
        for _ in 0..10 {
            servers.0.done(ADMIN, "GRANT SELECT ON TABLE main.default.people TO alice").await;
            assert_eq!(servers.1.rows("alice", NAMES).await, ["ann"]);
            servers.0.done(ADMIN, "REVOKE SELECT ON TABLE main.default.people FROM alice").await;
            let acknowledged = tokio::time::Instant::now();
            assert_no_right(&servers.1.refused("alice", NAMES).await);
            longest = longest.max(acknowledged.elapsed());
        }
        stop.send(true).unwrap();
        assert!(busy.await.unwrap() > 0);
        println!("a revocation was in force on the other server {} ms after its answer", longest.as_millis());
    });
}
