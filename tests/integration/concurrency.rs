//! Changes of one thing at once: what was acknowledged holds afterwards, what was not is a conflict to try again,
//! and at no moment is a policy lost.

use std::sync::Arc;

use weir_testkit::{ADMIN, Refusal, TestServer, block_on, task};

const GROUND: &str = "
CREATE TABLE main.default.t (id INT, a STRING, b STRING, c STRING, d STRING, e STRING, f STRING);
INSERT INTO main.default.t VALUES (1, 'raw', 'raw', 'raw', 'raw', 'raw', 'raw'), (2, 'raw', 'raw', 'raw', 'raw', 'raw', 'raw');
CREATE FUNCTION main.default.first(id INT) RETURNS BOOLEAN RETURN id = 1;
CREATE FUNCTION main.default.second(id INT) RETURNS BOOLEAN RETURN id = 2;
CREATE FUNCTION main.default.stars(v STRING) RETURNS STRING RETURN '***';
CREATE FUNCTION main.default.hashes(v STRING) RETURNS STRING RETURN '###';
CREATE GOVERNED TAG pii;
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice";

async fn ground() -> Arc<TestServer> {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    Arc::new(server)
}

/// All at once; what came of each.
async fn at_once(server: &Arc<TestServer>, statements: &[String]) -> Vec<Result<i64, Refusal>> {
    let barrier = Arc::new(tokio::sync::Barrier::new(statements.len()));
    let running: Vec<_> = statements
        .iter()
        .map(|sql| {
            let (client, sql, barrier) = (server.client(ADMIN), sql.clone(), Arc::clone(&barrier));
            task(async move {
                barrier.wait().await;
                client.update(&sql).await
            })
        })
        .collect();
    let mut told = Vec::new();
    for one in running {
        told.push(one.await.unwrap());
    }
    told
}

fn assert_conflict(refusal: &Refusal, also: &[&str]) {
    let known = refusal.text.starts_with("[CONCURRENT_MODIFICATION]")
        || also.iter().any(|known| refusal.text.starts_with(&format!("[{known}]")));
    assert!(known, "{refusal:?}");
    assert!(refusal.text.contains("SQLSTATE: "), "{refusal:?}");
}

#[test]
fn of_masks_set_on_one_table_at_once_none_that_was_acknowledged_is_lost() {
    block_on(async {
        let server = ground().await;
        for round in 0..4 {
            let columns = ["a", "b", "c", "d", "e", "f"];
            let sql = |column: &&str| {
                format!("ALTER TABLE main.default.t ALTER COLUMN {column} SET MASK main.default.stars")
            };
            let told = at_once(&server, &columns.iter().map(sql).collect::<Vec<_>>()).await;
            assert!(told.iter().any(Result::is_ok), "round {round}: {told:?}");
            for (column, told) in columns.iter().zip(&told) {
                let seen =
                    server.rows("alice", &format!("SELECT DISTINCT {column} FROM main.default.t")).await;
                match told {
                    Ok(_) => assert_eq!(seen, ["***"], "round {round}: {column}"),
                    Err(refusal) => {
                        assert_conflict(refusal, &[]);
                        assert_eq!(seen, ["raw"], "round {round}: {column}");
                    }
                }
                if told.is_ok() {
                    server
                        .done(ADMIN, &format!("ALTER TABLE main.default.t ALTER COLUMN {column} DROP MASK"))
                        .await;
                }
            }
        }
    });
}

#[test]
fn of_filters_set_at_once_one_that_was_acknowledged_holds() {
    block_on(async {
        let server = ground().await;
        for round in 0..6 {
            let sql = |function: &str| {
                format!("ALTER TABLE main.default.t SET ROW FILTER main.default.{function} ON (id)")
            };
            let told = at_once(&server, &[sql("first"), sql("second")]).await;
            told.iter().filter_map(|told| told.as_ref().err()).for_each(|refusal| {
                assert_conflict(refusal, &["ROW_LEVEL_SECURITY_FEATURE_NOT_SUPPORTED"]);
            });
            let seen = server.rows("alice", "SELECT id FROM main.default.t").await;
            match (told[0].is_ok(), told[1].is_ok()) {
                (true, true) => assert!(seen == ["1"] || seen == ["2"], "round {round}: {seen:?}"),
                (true, false) => assert_eq!(seen, ["1"], "round {round}"),
                (false, true) => assert_eq!(seen, ["2"], "round {round}"),
                (false, false) => panic!("round {round}: nobody won: {told:?}"),
            }
            server.done(ADMIN, "ALTER TABLE main.default.t DROP ROW FILTER").await;
        }
    });
}

#[test]
fn what_a_policy_needs_is_not_dropped_while_the_policy_is_made() {
    block_on(async {
        let server = ground().await;
        for round in 0..6 {
            let (function, tag) = (format!("main.default.mask_{round}"), format!("tag_{round}"));
            server
                .prepare(&format!(
                    "CREATE FUNCTION {function}(v STRING) RETURNS STRING RETURN '***';\nCREATE GOVERNED TAG {tag}"
                ))
                .await;
            let told = at_once(
                &server,
                &[
                    format!("CREATE POLICY p{round} ON SCHEMA main.default COLUMN MASK {function} TO alice FOR TABLES MATCH COLUMNS has_tag('{tag}') m ON COLUMN m"),
                    format!("DROP FUNCTION {function}"),
                    format!("DROP GOVERNED TAG {tag}"),
                ],
            )
            .await;
            let [made, function_gone, tag_gone] = told.as_slice() else { panic!("three answers") };
            assert!(
                made.is_err() || (function_gone.is_err() && tag_gone.is_err()),
                "round {round}: a policy without what it needs: {told:?}"
            );
            let known = [
                "DEPENDENT_OBJECTS_STILL_EXIST",
                "ROUTINE_NOT_FOUND",
                "INVALID_PARAMETER_VALUE.UC_ABAC_UNKNOWN_TAG_POLICY",
                "GOVERNED_TAG_DOES_NOT_EXIST",
            ];
            told.iter()
                .filter_map(|told| told.as_ref().err())
                .for_each(|refusal| assert_conflict(refusal, &known));
            assert_eq!(server.rows("alice", "SELECT count(*) FROM main.default.t").await, ["2"]);
        }
    });
}

#[test]
fn a_renamed_column_keeps_the_mask_that_is_set_meanwhile() {
    block_on(async {
        let server = ground().await;
        for round in 0..4 {
            let (old, new) = (format!("x{round}"), format!("y{round}"));
            server
                .prepare(&format!("CREATE TABLE main.default.r{round} (id INT, {old} STRING) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"))
                .await;
            let told = at_once(
                &server,
                &[
                    format!("ALTER TABLE main.default.r{round} RENAME COLUMN {old} TO {new}"),
                    format!(
                        "ALTER TABLE main.default.r{round} ALTER COLUMN {old} SET MASK main.default.stars"
                    ),
                ],
            )
            .await;
            if let [_, Ok(_)] = told.as_slice() {
                let masks = format!(
                    "SELECT column_name FROM main.information_schema.column_masks WHERE table_name = 'r{round}'"
                );
                let columns = format!(
                    "SELECT column_name FROM main.information_schema.columns WHERE table_name = 'r{round}' AND column_name <> 'id'"
                );
                assert_eq!(
                    server.rows(ADMIN, &masks).await,
                    server.rows(ADMIN, &columns).await,
                    "round {round}: {told:?}"
                );
            }
        }
    });
}

#[test]
fn a_policy_that_is_replaced_lapses_at_no_moment() {
    block_on(async {
        let server = ground().await;
        let policy = |function: &str| {
            format!(
                "CREATE OR REPLACE POLICY hide ON SCHEMA main.default COLUMN MASK main.default.{function} TO alice FOR TABLES MATCH COLUMNS has_tag('pii') m ON COLUMN m"
            )
        };
        let filter = |function: &str| {
            format!("ALTER TABLE main.default.t SET ROW FILTER main.default.{function} ON (id)")
        };
        server
            .prepare(&format!(
                "ALTER TABLE main.default.t ALTER COLUMN a SET TAGS ('pii');\n{};\n{}",
                policy("stars"),
                filter("first")
            ))
            .await;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (server, stopped) = (Arc::clone(&server), stopped.clone());
                task(async move {
                    let client = server.client("alice");
                    let mut answers = 0;
                    while !*stopped.borrow() {
                        let rows =
                            client.statement("SELECT id, a FROM main.default.t").await.unwrap().sorted();
                        assert_eq!(rows.len(), 1, "{rows:?}");
                        assert!(rows[0].ends_with("***") || rows[0].ends_with("###"), "{rows:?}");
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        for round in 0..10 {
            let (mask, kept) = if round % 2 == 0 { ("hashes", "second") } else { ("stars", "first") };
            server.done(ADMIN, &policy(mask)).await;
            server.done(ADMIN, &filter(kept)).await;
        }
        stop.send(true).unwrap();
        for reader in readers {
            assert!(reader.await.unwrap() > 0);
        }
    });
}

#[test]
fn of_columns_added_at_once_each_has_its_own_mask_or_does_not_come() {
    block_on(async {
        let server = ground().await;
        let mapping = "TBLPROPERTIES ('delta.columnMapping.mode' = 'name')";
        server.prepare(&format!("CREATE TABLE main.default.grown (id INT) {mapping}")).await;
        for round in 0..10 {
            let (plain, secret) = (format!("p{round}"), format!("s{round}"));
            let statements = [
                format!("ALTER TABLE main.default.grown ADD COLUMN ({plain} STRING)"),
                format!(
                    "ALTER TABLE main.default.grown ADD COLUMN ({secret} STRING MASK main.default.stars)"
                ),
            ];
            let told = at_once(&server, &statements).await;
            assert!(told.iter().any(Result::is_ok), "round {round}: {told:?}");
            for ((sql, column), told) in statements.iter().zip([&plain, &secret]).zip(&told) {
                let Err(refusal) = told else { continue };
                assert_conflict(refusal, &[]);
                let query = format!("SELECT {column} FROM main.default.grown");
                let missing = server.refused("alice", &query).await;
                assert!(missing.starts_with("[UNRESOLVED_COLUMN]"), "round {round}: {missing}");
                server.done(ADMIN, sql).await;
            }
            let insert = "INSERT INTO main.default.grown";
            server
                .done(ADMIN, &format!("{insert} (id, {plain}, {secret}) VALUES ({round}, 'raw', 'raw')"))
                .await;
            let query = format!("SELECT {plain}, {secret} FROM main.default.grown WHERE id = {round}");
            assert_eq!(server.rows("alice", &query).await, ["raw | ***"], "round {round}: {told:?}");
        }
    });
}
