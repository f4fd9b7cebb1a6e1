//! The ledger in one process: many statements of several users, errors, cancels, a restart.

use arrow_flight::sql::CommandStatementQuery;
use chrono::{TimeZone, Utc};
use weir_testkit::{Setup, TestServer, block_on};

use super::reconcile;

const GROUND: &str = "
CREATE TABLE main.default.t (id INT, region STRING);
INSERT INTO main.default.t VALUES (1, 'north'), (2, 'south'), (3, NULL);
CREATE FUNCTION main.default.north(region STRING) RETURNS BOOLEAN RETURN region = 'north';
ALTER TABLE main.default.t SET ROW FILTER main.default.north ON (region);
GRANT USE CATALOG ON CATALOG main TO alice;
GRANT USE SCHEMA ON SCHEMA main.default TO alice;
GRANT SELECT ON TABLE main.default.t TO alice;
GRANT USE CATALOG ON CATALOG main TO bob;
GRANT USE SCHEMA ON SCHEMA main.default TO bob;
GRANT SELECT ON TABLE main.default.t TO bob;
";

/// The seed document's query, as it stands there.
const SEED_QUERY: &str = "SELECT usage_date,
sku_name,
identity_metadata.run_as,
SUM(usage_quantity) AS `DBUs consumed by FGAC`
FROM system.billing.usage
WHERE usage_date BETWEEN '2024-08-01' AND '2024-09-01'
AND billing_origin_product = 'FINE_GRAINED_ACCESS_CONTROL'
GROUP BY 1, 2, 3 ORDER BY 1;";

fn numbers(count: usize) -> String {
    (0..count).map(|n| format!("({n})")).collect::<Vec<_>>().join(", ")
}

/// Statements that end well, badly, and in the middle.
async fn load(server: &TestServer) {
    for user in ["alice", "bob", "carol"] {
        let client = server.client(user);
        for sql in [
            "SELECT * FROM main.default.t",
            "SELECT count(*) FROM main.default.t a JOIN main.default.t b ON a.id = b.id",
            "SELECT FROM",
            "SELECT * FROM main.default.nothing",
            "SELECT 1 / (id - 1) FROM main.default.t",
            "SHOW CATALOGS",
            "EXPLAIN ANALYZE SELECT * FROM main.default.t",
            "INSERT INTO main.default.t VALUES (1, 'x')",
        ] {
            // some of these are refused to some
            let _told = client.statement(sql).await;
            let _told = client.prepared(sql).await;
            let _told = client.update(sql).await;
        }
        let v = numbers(200);
        let query = format!("SELECT a.c FROM (VALUES {v}) a(c), (VALUES {v}) b(c), (VALUES {v}) d(c)");
        let command = CommandStatementQuery { query, transaction_id: None };
        let ticket = client.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let mut stream = client.open(ticket).await.unwrap();
        futures::StreamExt::next(&mut stream).await.unwrap().unwrap();
        drop(stream);
    }
}

/// Waits until every dropped stream stands in history; each question is a round trip.
async fn until_dropped_streams_are_entered(server: &TestServer, streams: usize) {
    let sql = "SELECT count(*) FROM system.query.history WHERE execution_status = 'CANCELED'";
    for _ in 0..10_000 {
        if server.rows("admin", sql).await == [streams.to_string()] {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("a dropped stream is not in the books");
}

#[test]
fn usage_and_history_agree_to_the_last_digit() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        load(&server).await;
        until_dropped_streams_are_entered(&server, 3).await;
        reconcile(&server.client("admin")).await;
        let failed = "SELECT count(*) > 10 FROM system.query.history WHERE execution_status = 'FAILED'";
        assert_eq!(server.rows("admin", failed).await, ["true"]);

        // the same after the books went to their tables and the server came again
        let before = server
            .rows(
                "admin",
                "SELECT count(*), sum(filtering_dbus) FROM system.query.history WHERE executed_as <> 'admin'",
            )
            .await;
        let directory = server.stop().await;
        let server = TestServer::start_in(directory, Setup::default()).await;
        let after = server
            .rows(
                "admin",
                "SELECT count(*), sum(filtering_dbus) FROM system.query.history WHERE executed_as <> 'admin'",
            )
            .await;
        assert_eq!(before, after);
        reconcile(&server.client("admin")).await;
    });
}

#[test]
fn users_see_their_own_rows_and_administrators_all() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        load(&server).await;
        for user in ["alice", "bob", "carol"] {
            let usage = "SELECT DISTINCT identity_metadata.run_as AS who FROM system.billing.usage";
            assert_eq!(server.rows(user, usage).await, [user]);
            let history = "SELECT DISTINCT executed_as FROM system.query.history";
            assert_eq!(server.rows(user, history).await, [user]);
            let others =
                "SELECT count(*) FROM system.billing.usage WHERE identity_metadata.run_as <> current_user()";
            assert_eq!(server.rows(user, others).await, ["0"]);
        }
        let all = server
            .rows("admin", "SELECT DISTINCT identity_metadata.run_as AS who FROM system.billing.usage")
            .await;
        assert_eq!(all, ["admin", "alice", "bob", "carol"]);
    });
}

#[test]
fn the_seeds_query_runs_as_it_stands() {
    block_on(async {
        let time = Utc.with_ymd_and_hms(2024, 8, 14, 9, 30, 0).unwrap();
        let server = TestServer::start_with(Setup { time, ..Setup::default() }).await;
        server.prepare(GROUND).await;
        for user in ["alice", "bob"] {
            // Each reads the table: a result that was kept costs no filtering.
            let client = server.client(user).with_header("use_cached_result", "false");
            client.statement("SELECT * FROM main.default.t").await.unwrap();
        }
        server.clock().set(Utc.with_ymd_and_hms(2024, 10, 1, 0, 0, 0).unwrap());
        server.rows("alice", "SELECT * FROM main.default.t").await;
        for told in [
            server.client("admin").statement(SEED_QUERY).await.unwrap(),
            server.client("admin").prepared(SEED_QUERY).await.unwrap(),
        ] {
            assert_eq!(told.columns(), ["usage_date", "sku_name", "run_as", "DBUs consumed by FGAC"]);
            let lines = told.sorted();
            assert!(lines.iter().all(|line| line.starts_with("2024-08-14 | ")), "{lines:?}");
            for user in ["alice", "bob"] {
                let of_user: Vec<_> =
                    lines.iter().filter(|line| line.contains(&format!(" | {user} | 0.0"))).collect();
                assert_eq!(of_user.len(), 1, "{user} in {lines:?}");
            }
        }
        let own = server.client("bob").statement(SEED_QUERY).await.unwrap().lines();
        assert!(own.len() == 1 && own[0].contains(" | bob | "), "{own:?}");
    });
}

#[test]
fn only_governed_reads_cost_filtering() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        server.prepare("CREATE TABLE main.default.open (id INT);\nINSERT INTO main.default.open VALUES (1);\nGRANT SELECT ON TABLE main.default.open TO bob").await;
        server.rows("alice", "SELECT * FROM main.default.t").await;
        server.rows("bob", "SELECT * FROM main.default.open").await;
        let filtering = "SELECT DISTINCT identity_metadata.run_as AS who FROM system.billing.usage \
                         WHERE billing_origin_product = 'FINE_GRAINED_ACCESS_CONTROL' AND usage_quantity > 0";
        assert_eq!(server.rows("admin", filtering).await, ["alice"]);
    });
}
