//! DESCRIBE HISTORY and DESCRIBE DETAIL: what a table's log tells, and to whom.

use arrow::array::{Array, Int64Array, StringArray};
use weir_testkit::{ADMIN, Rows, TestServer, Way, block_on};

/// `open` has no policies, `kept` a filter and a mask that let carol of the group `hr` see all. Carol has changed both.
/// Dora manages `kept` without reading it.
const GROUND: &str = "
CREATE USER dora;
CREATE USER erin;
CREATE SCHEMA main.d;
CREATE FUNCTION main.d.north(region STRING) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR region = 'north';
CREATE TABLE main.d.open (id INT, region STRING) PARTITIONED BY (region) COMMENT 'all' TBLPROPERTIES ('team' = 'blue');
CREATE TABLE main.d.kept (id INT, region STRING);
CREATE VIEW main.d.seen AS SELECT id FROM main.d.open;
GRANT USE CATALOG ON CATALOG main TO alice;
GRANT USE SCHEMA ON SCHEMA main.d TO alice;
GRANT USE CATALOG ON CATALOG main TO carol;
GRANT USE SCHEMA ON SCHEMA main.d TO carol;
GRANT USE CATALOG ON CATALOG main TO dora;
GRANT USE SCHEMA ON SCHEMA main.d TO dora;
GRANT MANAGE ON TABLE main.d.kept TO dora;
GRANT SELECT, MODIFY ON SCHEMA main.d TO carol;
GRANT SELECT ON TABLE main.d.open TO alice;
GRANT SELECT ON TABLE main.d.seen TO alice;
GRANT SELECT, MODIFY ON TABLE main.d.kept TO alice;
ALTER TABLE main.d.kept SET ROW FILTER main.d.north ON (region)
";

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    for table in ["open", "kept"] {
        let insert = format!("INSERT INTO main.d.{table} VALUES (1, 'north'), (2, 'south')");
        server.done("carol", &insert).await;
    }
    server.done("alice", "UPDATE main.d.kept SET id = 5 WHERE id = 1").await;
    server
}

fn column(rows: &Rows, name: &str) -> Vec<Option<String>> {
    let batch = arrow::compute::concat_batches(&rows.schema, &rows.batches).unwrap();
    let column = batch.column_by_name(name).unwrap();
    let lines = weir_testkit::text_of(&[batch.project(&[batch.schema().index_of(name).unwrap()]).unwrap()]);
    lines.into_iter().enumerate().map(|(row, text)| column.is_valid(row).then_some(text)).collect()
}

async fn history(server: &TestServer, user: &str, table: &str) -> Rows {
    server.sql(user, &format!("DESCRIBE HISTORY main.d.{table}")).await.unwrap()
}

#[test]
fn whoever_reads_all_of_a_table_sees_what_its_commits_did() {
    block_on(async {
        let server = ground().await;
        for user in [ADMIN, "alice", "carol"] {
            let rows = history(&server, user, "open").await;
            assert_eq!(
                rows.columns(),
                [
                    "version",
                    "timestamp",
                    "userId",
                    "userName",
                    "operation",
                    "operationParameters",
                    "job",
                    "notebook",
                    "clusterId",
                    "readVersion",
                    "isolationLevel",
                    "isBlindAppend",
                    "operationMetrics",
                    "userMetadata",
                    "engineInfo"
                ]
            );
            assert_eq!(column(&rows, "version"), [Some("1".to_owned()), Some("0".to_owned())]);
            assert_eq!(column(&rows, "userName")[0].as_deref(), Some("carol"), "{user}");
            assert_eq!(column(&rows, "operation")[0].as_deref(), Some("WRITE"), "{user}");
            assert!(column(&rows, "operationParameters")[0].is_some(), "{user}");
            assert!(column(&rows, "operationMetrics")[0].is_some(), "{user}");
            assert!(column(&rows, "job").iter().all(Option::is_none));
            let text = format!("{:?}", rows.lines());
            assert!(!text.contains("statementId"), "{text}");
            let times = column(&rows, "timestamp");
            assert!(times[0] > times[1], "{times:?}");
        }
        let newest = server.rows("carol", "DESCRIBE HISTORY main.d.open LIMIT 1").await;
        assert_eq!(newest.len(), 1);
        assert!(newest[0].starts_with("1 | "), "{newest:?}");
        assert_eq!(server.rows("carol", "DESCRIBE HISTORY main.d.open LIMIT 0").await.len(), 0);
    });
}

#[test]
fn a_governed_table_tells_its_versions_and_not_what_they_did() {
    block_on(async {
        let server = ground().await;
        let all = history(&server, "carol", "kept").await;
        assert!(column(&all, "operationMetrics").iter().any(Option::is_some));
        let named = column(&all, "userName");
        assert_eq!(named[0].as_deref(), Some("alice"));
        assert_eq!(named[1].as_deref(), Some("carol"));
        for (user, names) in [("alice", [Some("alice"), None]), ("dora", [Some("alice"), Some("carol")])] {
            let rows = history(&server, user, "kept").await;
            assert_eq!(column(&rows, "version").len(), 3, "{user}");
            assert_eq!(column(&rows, "operation"), column(&all, "operation"), "{user}");
            for hidden in ["operationParameters", "operationMetrics", "userMetadata"] {
                assert!(column(&rows, hidden).iter().all(Option::is_none), "{user} {hidden}");
            }
            let told: Vec<_> = column(&rows, "userName").into_iter().take(2).collect();
            assert_eq!(told, names.map(|name| name.map(str::to_owned)), "{user}");
        }
    });
}

#[test]
fn a_history_tells_the_same_every_way_in() {
    block_on(async {
        let server = ground().await;
        let client = server.client("alice");
        for statement in ["DESCRIBE HISTORY main.d.kept", "DESCRIBE DETAIL main.d.kept"] {
            let first = client.statement(statement).await.unwrap();
            for way in Way::ALL {
                let rows = way.ask(&client, statement).await.unwrap();
                assert_eq!(rows.lines(), first.lines(), "{way:?} {statement}");
                assert_eq!(rows.schema, first.schema, "{way:?} {statement}");
            }
        }
    });
}

#[test]
fn sizes_are_for_whoever_reads_all_and_places_for_whoever_administers() {
    block_on(async {
        let server = ground().await;
        for (user, table, sizes, place) in [
            (ADMIN, "open", true, true),
            ("alice", "open", true, false),
            ("carol", "kept", true, false),
            ("alice", "kept", false, false),
            ("dora", "kept", false, true),
        ] {
            let rows = server.sql(user, &format!("DESCRIBE DETAIL main.d.{table}")).await.unwrap();
            assert_eq!(rows.count(), 1);
            for name in ["numFiles", "sizeInBytes"] {
                assert_eq!(column(&rows, name)[0].is_some(), sizes, "{user} {table} {name}");
            }
            assert_eq!(column(&rows, "location")[0].is_some(), place, "{user} {table}");
            assert_eq!(column(&rows, "name")[0], Some(format!("main.d.{table}")));
            assert_eq!(column(&rows, "format")[0].as_deref(), Some("delta"));
            for name in ["id", "createdAt", "lastModified", "minReaderVersion", "minWriterVersion"] {
                assert!(column(&rows, name)[0].is_some(), "{user} {table} {name}");
            }
        }
        let rows = server.sql("alice", "DESCRIBE DETAIL main.d.open").await.unwrap();
        assert_eq!(column(&rows, "partitionColumns")[0].as_deref(), Some("[region]"));
        assert_eq!(column(&rows, "description")[0].as_deref(), Some("all"));
        assert!(column(&rows, "properties")[0].as_deref().unwrap().contains("team: blue"));
        let files: &Int64Array =
            rows.batches[0].column_by_name("numFiles").unwrap().as_any().downcast_ref().unwrap();
        assert_eq!(files.value(0), 2);
        let format: &StringArray = rows.batches[0].column(0).as_any().downcast_ref().unwrap();
        assert_eq!(format.value(0), "delta");
    });
}

#[test]
fn a_log_that_one_may_not_see_is_not_found() {
    block_on(async {
        let server = ground().await;
        for what in ["HISTORY", "DETAIL"] {
            let hidden = server.refused("bob", &format!("DESCRIBE {what} main.d.kept")).await;
            let missing = server.refused("bob", &format!("DESCRIBE {what} main.d.kapt")).await;
            assert_eq!(hidden.replace("kept", "kapt"), missing);
            let view = server.refused("alice", &format!("DESCRIBE {what} main.d.seen")).await;
            assert!(view.starts_with("[WRONG_COMMAND_FOR_OBJECT_TYPE]"), "{view}");
            let books = server.refused(ADMIN, &format!("DESCRIBE {what} system.query.history")).await;
            assert!(books.starts_with("[WRONG_COMMAND_FOR_OBJECT_TYPE]"), "{books}");
            let path = server.refused(ADMIN, &format!("DESCRIBE {what} delta.`/etc`")).await;
            assert!(path.starts_with("[UNSUPPORTED_FEATURE]"), "{path}");
            server.prepare("GRANT BROWSE ON CATALOG main TO erin").await;
            let browsing = server.refused("erin", &format!("DESCRIBE {what} main.d.kept")).await;
            assert!(browsing.starts_with("[INSUFFICIENT_PERMISSIONS]"), "{browsing}");
        }
    });
}

#[test]
fn a_limit_is_a_whole_number() {
    block_on(async {
        let server = ground().await;
        for limit in ["-1", "1.5", "'1'", "x", ""] {
            let refusal = server.refused(ADMIN, &format!("DESCRIBE HISTORY main.d.open LIMIT {limit}")).await;
            assert!(refusal.starts_with("[PARSE_SYNTAX_ERROR]"), "{limit}: {refusal}");
        }
        server.prepare("CREATE TABLE main.d.history (id INT)").await;
        let client = server.client(ADMIN).with_header("catalog", "main").with_header("schema", "d");
        assert_eq!(client.statement("DESCRIBE history").await.unwrap().lines(), ["id | INT | NULL"]);
    });
}
