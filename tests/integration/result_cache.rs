//! Results that are kept: whoever would get the same rows is given them again, everybody else and every other moment
//! is not. Whether a statement was answered so stands in history.

use std::sync::Arc;

use arrow::array::{Array, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use tonic::Code;
use weir_server::config::{Config, Size};
use weir_testkit::{ADMIN, Client, Rows, Setup, TestServer, Told, Way, block_on};

/// `main.default.people`, filtered by the regions that a mapping table gives to a group, `ssn` masked. Alice and dave
/// are in no group, carol is in `hr`, and bob may run statements as others.
async fn ground() -> TestServer {
    ground_of(Config::default()).await
}

async fn ground_of(config: Config) -> TestServer {
    let server = TestServer::start_with(Setup { config, ..Setup::default() }).await;
    server
        .prepare(
            "CREATE USER dave;
             CREATE TABLE main.default.people (id INT, region STRING, ssn STRING);
             INSERT INTO main.default.people VALUES (1, 'north', 'raw-1'), (2, 'south', 'raw-2'), (3, 'south', 'raw-3');
             CREATE TABLE main.default.open_regions (region STRING);
             INSERT INTO main.default.open_regions VALUES ('north');
             CREATE FUNCTION main.default.seen(region STRING) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR region IN (SELECT o.region FROM main.default.open_regions o);
             CREATE FUNCTION main.default.stars(v STRING) RETURNS STRING RETURN CASE WHEN is_account_group_member('hr') THEN v ELSE '***' END;
             ALTER TABLE main.default.people SET ROW FILTER main.default.seen ON (region);
             ALTER TABLE main.default.people ALTER COLUMN ssn SET MASK main.default.stars;
             CREATE VIEW main.default.of_north AS SELECT id, ssn FROM main.default.people WHERE region = 'north';
             GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice;
             GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO carol;
             GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO dave;
             GRANT IMPERSONATE ON METASTORE TO bob",
        )
        .await;
    server
}

const PEOPLE: &str = "SELECT id, ssn FROM main.default.people ORDER BY id";

/// How many statements were answered by what was kept, so far.
async fn hits(server: &TestServer) -> usize {
    let sql = "SELECT count(*) FROM system.query.history WHERE from_result_cache";
    server.sql(ADMIN, sql).await.unwrap().value().parse().unwrap()
}

/// The rows, and whether they had been kept.
async fn asked(server: &TestServer, client: &Client, sql: &str) -> (Vec<String>, bool) {
    let before = hits(server).await;
    let rows = client.statement(sql).await.unwrap_or_else(|refusal| panic!("{sql}: {refusal:?}"));
    (rows.lines(), hits(server).await > before)
}

async fn of(server: &TestServer, user: &str, sql: &str) -> (Vec<String>, bool) {
    asked(server, &server.client(user), sql).await
}

fn lines(rows: &[&str]) -> Vec<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

#[test]
fn a_result_is_given_again_by_every_way_in_and_to_whoever_has_the_same_policies() {
    block_on(async {
        let server = ground().await;
        let masked = lines(&["1 | ***"]);
        assert_eq!(of(&server, "alice", PEOPLE).await, (masked.clone(), false));
        assert_eq!(of(&server, "alice", PEOPLE).await, (masked.clone(), true));
        assert_eq!(of(&server, "dave", PEOPLE).await, (masked.clone(), true));
        let spaced = "select id,  ssn -- once more\nFROM main.default.people ORDER BY id";
        assert_eq!(of(&server, "dave", spaced).await, (masked.clone(), true));
        for way in Way::ALL {
            let before = hits(&server).await;
            let rows = way.ask(&server.client("dave"), PEOPLE).await.unwrap();
            assert_eq!((rows.lines(), hits(&server).await), (masked.clone(), before + 1), "{way:?}");
        }
        let open = "SELECT ssn FROM main.default.of_north";
        assert_eq!(of(&server, "alice", open).await, (lines(&["***"]), false));
        assert_eq!(of(&server, "dave", open).await, (lines(&["***"]), true));
    });
}

#[test]
fn other_policies_never_share_and_what_changes_them_makes_another_result() {
    block_on(async {
        let server = ground().await;
        let (masked, whole) = (lines(&["1 | ***"]), lines(&["1 | raw-1", "2 | raw-2", "3 | raw-3"]));
        for (user, rows) in [("carol", &whole), ("alice", &masked)] {
            assert_eq!(of(&server, user, PEOPLE).await, (rows.clone(), false), "{user}");
            assert_eq!(of(&server, user, PEOPLE).await, (rows.clone(), true), "{user}");
        }
        // leaving the group, and coming back to it
        server.prepare("ALTER GROUP hr DROP USER carol").await;
        assert_eq!(of(&server, "carol", PEOPLE).await, (masked.clone(), true), "as alice sees it");
        server.prepare("ALTER GROUP hr ADD USER carol").await;
        assert_eq!(of(&server, "carol", PEOPLE).await, (whole.clone(), true));
        // a policy, and what a policy calls
        server.prepare("ALTER TABLE main.default.people ALTER COLUMN ssn DROP MASK").await;
        assert_eq!(of(&server, "alice", PEOPLE).await, (lines(&["1 | raw-1"]), false));
        server
            .prepare(
                "CREATE OR REPLACE FUNCTION main.default.stars(v STRING) RETURNS STRING RETURN '#';
                 ALTER TABLE main.default.people ALTER COLUMN ssn SET MASK main.default.stars",
            )
            .await;
        assert_eq!(of(&server, "alice", PEOPLE).await, (lines(&["1 | #"]), false));
        let strict = "ALTER TABLE main.default.people SET TBLPROPERTIES ('governance.protection' = 'strict')";
        server.prepare(strict).await;
        assert_eq!(of(&server, "alice", PEOPLE).await, (lines(&["1 | #"]), false));
        assert_eq!(of(&server, "alice", PEOPLE).await, (lines(&["1 | #"]), true));
    });
}

#[test]
fn a_right_that_is_gone_is_gone_whatever_is_kept() {
    block_on(async {
        let server = ground().await;
        for user in ["alice", "dave"] {
            of(&server, user, PEOPLE).await;
        }
        server.prepare("REVOKE SELECT ON CATALOG main FROM alice").await;
        let told = server.refused("alice", PEOPLE).await;
        assert!(told.starts_with("[INSUFFICIENT_PERMISSIONS]"), "{told}");
        assert_eq!(of(&server, "dave", PEOPLE).await, (lines(&["1 | ***"]), true));
        server.prepare("GRANT SELECT ON CATALOG main TO alice").await;
        assert_eq!(of(&server, "alice", PEOPLE).await, (lines(&["1 | ***"]), true));
        server.prepare("ALTER USER alice DISABLE").await;
        assert_eq!(server.sql("alice", PEOPLE).await.unwrap_err().code, Code::Unauthenticated);

        // as somebody else: with the right to, and with what that user sees
        let run_as = format!("EXECUTE AS USER dave {PEOPLE}");
        assert_eq!(of(&server, "bob", &run_as).await, (lines(&["1 | ***"]), true));
        server.prepare("REVOKE IMPERSONATE ON METASTORE FROM bob").await;
        assert!(server.refused("bob", &run_as).await.contains("IMPERSONATE"));
        server.refused("bob", PEOPLE).await;
    });
}

#[test]
fn a_commit_to_a_table_or_to_what_its_policies_read_makes_another_result() {
    block_on(async {
        let server = ground().await;
        assert_eq!(of(&server, "alice", PEOPLE).await, (lines(&["1 | ***"]), false));
        server.prepare("INSERT INTO main.default.people VALUES (4, 'north', 'raw-4')").await;
        assert_eq!(of(&server, "alice", PEOPLE).await, (lines(&["1 | ***", "4 | ***"]), false));
        assert_eq!(of(&server, "alice", PEOPLE).await, (lines(&["1 | ***", "4 | ***"]), true));
        server.prepare("INSERT INTO main.default.open_regions VALUES ('south')").await;
        let all = lines(&["1 | ***", "2 | ***", "3 | ***", "4 | ***"]);
        assert_eq!(of(&server, "alice", PEOPLE).await, (all.clone(), false));
        assert_eq!(of(&server, "dave", PEOPLE).await, (all.clone(), true));
        server.prepare("DELETE FROM main.default.people WHERE id = 4").await;
        let fewer = lines(&["1 | ***", "2 | ***", "3 | ***"]);
        assert_eq!(of(&server, "dave", PEOPLE).await, (fewer, false));
        // a view under the same name that reads otherwise
        server
            .prepare(
                "DROP VIEW main.default.of_north;
                 CREATE OR REPLACE VIEW main.default.some AS SELECT id FROM main.default.people WHERE id < 2",
            )
            .await;
        assert_eq!(of(&server, "dave", "SELECT id FROM main.default.some").await, (lines(&["1"]), false));
        server
            .prepare(
                "CREATE OR REPLACE VIEW main.default.some AS SELECT id FROM main.default.people WHERE id > 2",
            )
            .await;
        assert_eq!(of(&server, "dave", "SELECT id FROM main.default.some").await, (lines(&["3"]), false));
        // a table that is replaced keeps its name and its id, and begins its versions anew
        for number in [1, 2, 3] {
            let made = format!("CREATE OR REPLACE TABLE main.default.made AS SELECT {number} AS n");
            server.prepare(&made).await;
            let rows = lines(&[&number.to_string()]);
            assert_eq!(of(&server, "dave", "SELECT n FROM main.default.made").await, (rows, false));
        }
        let past = |version: u64| format!("SELECT count(*) FROM main.default.people VERSION AS OF {version}");
        for again in [false, true] {
            assert_eq!(of(&server, "carol", &past(1)).await, (lines(&["3"]), again));
            assert_eq!(of(&server, "carol", &past(2)).await, (lines(&["4"]), again));
        }
    });
}

/// One value for the only parameter.
async fn bound(client: &Client, sql: &str, value: i32) -> Told<Rows> {
    let schema = Arc::new(Schema::new(vec![Field::new("", DataType::Int32, true)]));
    let values = RecordBatch::try_new(schema, vec![Arc::new(Int32Array::from(vec![value]))]).unwrap();
    client.bound(sql, &values).await
}

#[test]
fn statements_that_differ_in_a_value_a_letter_or_a_type_do_not_share() {
    block_on(async {
        let server = ground().await;
        let table = "FROM main.default.people";
        let mut texts = vec![
            format!("SELECT 'a' AS x {table}"),
            format!("SELECT 'A' AS x {table}"),
            format!("SELECT 'a''b' AS x {table}"),
            format!("SELECT 'a''''b' AS x {table}"),
            format!("SELECT 'a' AS X {table}"),
            format!("SELECT 1 AS x {table}"),
            format!("SELECT CAST(1 AS BIGINT) AS x {table}"),
            format!("SELECT named_struct('p', 'a, q: b') AS x {table}"),
            format!("SELECT named_struct('p', 'a', 'q', 'b') AS x {table}"),
            format!("SELECT id AS x {table} LIMIT 1"),
            format!("SELECT id AS x {table} LIMIT 0"),
        ];
        let mut first = Vec::new();
        for sql in &texts {
            let (rows, again) = of(&server, "carol", sql).await;
            assert!(!again, "{sql}");
            first.push(rows);
        }
        texts.reverse();
        for sql in &texts {
            assert_eq!(of(&server, "carol", sql).await, (first.pop().unwrap(), true), "{sql}");
        }
        let sql = "SELECT id FROM main.default.people WHERE id = ?";
        let carol = server.client("carol");
        for (value, again) in [(1, false), (2, false), (1, true), (2, true), (3, false)] {
            let before = hits(&server).await;
            assert_eq!(bound(&carol, sql, value).await.unwrap().lines(), [value.to_string()]);
            assert_eq!(hits(&server).await > before, again, "{value}");
        }
    });
}

#[test]
fn who_asks_is_answered_each_and_time_chance_and_books_are_never_kept() {
    block_on(async {
        let server = ground().await;
        let sql = "SELECT id, current_user() AS me FROM main.default.people";
        for (user, again) in [("alice", false), ("dave", false), ("alice", true), ("dave", true)] {
            assert_eq!(of(&server, user, sql).await, (lines(&[&format!("1 | {user}")]), again), "{user}");
        }
        for sql in [
            "SELECT id, now() IS NULL AS t FROM main.default.people",
            "SELECT id, current_date() IS NULL AS t FROM main.default.people",
            "SELECT id, random() < 2 AS t FROM main.default.people",
            "SELECT id FROM main.default.people WHERE id IN (SELECT id FROM main.default.people WHERE random() < 2)",
            "SELECT count(*) > 0 AS n FROM system.query.history",
            "SELECT count(*) > 0 AS n FROM main.information_schema.tables",
            "SELECT 1 AS one",
            "EXPLAIN SELECT id FROM main.default.people",
            "EXPLAIN ANALYZE SELECT id FROM main.default.people",
        ] {
            for _ in 0..2 {
                assert!(!of(&server, "alice", sql).await.1, "{sql}");
            }
        }
    });
}

#[test]
fn sessions_calls_and_configurations_can_do_without() {
    block_on(async {
        let server = ground().await;
        of(&server, "alice", PEOPLE).await;
        let plain = server.client("alice");
        assert!(asked(&server, &plain, PEOPLE).await.1);
        let once = server.client("alice").with_header("use_cached_result", "false");
        assert!(!asked(&server, &once, PEOPLE).await.1);

        let command = arrow_flight::sql::CommandStatementQuery {
            query: "SET use_cached_result = false".to_owned(),
            transaction_id: None,
        };
        let with_cookie = plain.clone().with_header("cookie", "arrow_flight_session_id=new");
        let ticket = with_cookie.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let told = with_cookie.raw().do_get(with_cookie.request(ticket)).await.unwrap();
        let cookie = told.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned();
        let session = server.client("alice").with_cookie(&cookie);
        assert_eq!(
            session.statement("SET use_cached_result").await.unwrap().lines(),
            ["use_cached_result | false"]
        );
        for _ in 0..2 {
            assert!(!asked(&server, &session, PEOPLE).await.1);
        }
        assert!(asked(&server, &plain, PEOPLE).await.1);

        let mut config = Config::default();
        config.cache.result_cache_bytes = Size::new(0);
        let without = ground_of(config).await;
        for _ in 0..2 {
            assert!(!of(&without, "alice", PEOPLE).await.1);
        }
    });
}

#[test]
fn the_cache_is_bounded_and_a_large_result_is_not_kept() {
    block_on(async {
        let mut config = Config::default();
        config.cache.result_cache_bytes = Size::new(20_000);
        config.cache.result_bytes_max = Size::new(4_000);
        let server = ground_of(config).await;
        server
            .prepare(
                "CREATE TABLE main.default.numbers (n INT, m INT);
                 CREATE TABLE main.default.digits (d INT);
                 INSERT INTO main.default.digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
                 INSERT INTO main.default.numbers SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 1, a.d FROM main.default.digits a, main.default.digits b, main.default.digits c, main.default.digits e WHERE e.d < 2",
            )
            .await;
        let large = "SELECT n FROM main.default.numbers";
        for _ in 0..2 {
            assert!(!of(&server, "alice", large).await.1);
        }
        for number in 0..40 {
            let sql = format!("SELECT n, {number} AS of FROM main.default.numbers WHERE n <= 100");
            assert!(!of(&server, "alice", &sql).await.1);
        }
        let bytes = server.app().warehouse().results().bytes();
        assert!(bytes > 0 && bytes <= 20_000, "{bytes}");
    });
}

#[test]
fn a_statement_answered_so_is_in_the_books_like_any_other() {
    block_on(async {
        let server = ground().await;
        for user in ["alice", "dave"] {
            of(&server, user, PEOPLE).await;
        }
        let history = format!(
            "SELECT executed_as, from_result_cache, produced_rows, execution_status, policy_digest IS NOT NULL AS digest, \
             cache_origin_statement_id FROM system.query.history WHERE statement_text = '{PEOPLE}'"
        );
        assert_eq!(
            server.rows(ADMIN, &history).await,
            ["alice | false | 1 | FINISHED | true | NULL", "dave | true | 1 | FINISHED | true | NULL"]
        );
        let decided = "SELECT DISTINCT principal, policy_name FROM system.access.policy_decisions WHERE principal IN ('alice', 'dave')";
        assert_eq!(
            server.rows(ADMIN, decided).await,
            [
                "alice | main.default.seen",
                "alice | main.default.stars",
                "dave | main.default.seen",
                "dave | main.default.stars"
            ]
        );
        let trail = "SELECT DISTINCT user_identity.email AS who FROM system.access.audit \
                     WHERE user_identity.email <> 'admin' AND action_name = 'getTable' AND request_params['full_name_arg'] = 'main.default.people' AND response.status_code = 200";
        assert_eq!(server.rows(ADMIN, trail).await, ["alice", "dave"]);
    });
}

#[test]
fn no_result_is_kept_of_what_reads_changes() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "CREATE TABLE main.default.moves (id INT) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');
                 INSERT INTO main.default.moves VALUES (1);
                 CREATE VIEW main.default.moved AS SELECT id FROM table_changes('main.default.moves', 0)",
            )
            .await;
        let direct = "SELECT id FROM table_changes('main.default.moves', 0)";
        let view = "SELECT id FROM main.default.moved";
        let within = "SELECT id FROM main.default.people WHERE id IN (SELECT id FROM main.default.moved)";
        for sql in [direct, view, within] {
            for _ in 0..2 {
                assert_eq!(of(&server, "alice", sql).await, (lines(&["1"]), false), "{sql}");
            }
        }
        // The table itself is kept, so that it is the changes which are not.
        let table = "SELECT id FROM main.default.moves";
        assert_eq!(of(&server, "alice", table).await, (lines(&["1"]), false));
        assert_eq!(of(&server, "alice", table).await, (lines(&["1"]), true));
    });
}

#[test]
fn a_list_that_is_empty_is_not_one_that_is_not_there() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.lists (id INT, a ARRAY<INT>);
                 INSERT INTO main.default.lists VALUES (1, make_array(1)), (2, NULL), (3, make_array())",
            )
            .await;
        let client = server.client(ADMIN);
        let element = Arc::new(Field::new_list_field(DataType::Int32, true));
        let value = |length: Option<i32>| {
            let offsets = arrow::buffer::OffsetBuffer::new(vec![0, length.unwrap_or(0)].into());
            let items = Arc::new(Int32Array::from(vec![1; usize::try_from(length.unwrap_or(0)).unwrap()]));
            let nulls = length.is_none().then(|| vec![false].into());
            let list = arrow::array::ListArray::new(Arc::clone(&element), offsets, items, nulls);
            let field = Field::new("1", list.data_type().clone(), true);
            RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(list)]).unwrap()
        };
        let sql = "SELECT id FROM main.default.lists WHERE a IS NOT DISTINCT FROM ?";
        let (empty, none, one) = (value(Some(0)), value(None), value(Some(1)));
        for (given, id) in [(&empty, "3"), (&none, "2"), (&one, "1"), (&empty, "3"), (&none, "2")] {
            assert_eq!(client.bound(sql, given).await.unwrap().lines(), [id]);
        }
    });
}
