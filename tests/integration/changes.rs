//! UPDATE, DELETE, TRUNCATE, MERGE and INSERT: what they do to the rows that their caller sees, and that they leave every
//! other row as it is stored.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use weir_testkit::{TestServer, block_on, task};

mod governed;
mod lengths;
mod merge;

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE TABLE main.default.t (id INT, name STRING, amount DECIMAL(10,2), part STRING) PARTITIONED BY (part);
             INSERT INTO main.default.t VALUES (1, 'a', 1.00, 'x'), (2, 'b', 2.00, 'x'), (3, NULL, NULL, 'y');
             INSERT INTO main.default.t VALUES (4, 'd', 4.00, 'y'), (5, 'e', 5.00, NULL)",
        )
        .await;
    server
}

async fn all(server: &TestServer) -> Vec<String> {
    server.rows("admin", "SELECT * FROM main.default.t").await
}

#[test]
fn rows_get_new_values_and_the_others_stay() {
    block_on(async {
        let server = ground().await;
        let changed =
            "UPDATE main.default.t AS u SET name = upper(u.name) || '!', amount = amount * 2 WHERE id <= 3";
        assert_eq!(server.done("admin", changed).await, 3);
        let rows = [
            "1 | A! | 2.00 | x",
            "2 | B! | 4.00 | x",
            "3 | NULL | NULL | y",
            "4 | d | 4.00 | y",
            "5 | e | 5.00 | NULL",
        ];
        assert_eq!(all(&server).await, rows);
        // A value that takes a row into another partition, and one that is another column's value of before.
        assert_eq!(
            server.done("admin", "UPDATE main.default.t SET part = 'z', name = part WHERE id = 4").await,
            1
        );
        assert_eq!(
            server.rows("admin", "SELECT * FROM main.default.t WHERE part = 'z'").await,
            ["4 | y | 4.00 | z"]
        );
        assert_eq!(server.done("admin", "UPDATE main.default.t SET id = id + 10").await, 5);
        assert_eq!(server.rows("admin", "SELECT sum(id), count(*) FROM main.default.t").await, ["65 | 5"]);
    });
}

#[test]
fn conditions_that_hold_for_nothing_change_nothing() {
    block_on(async {
        let server = ground().await;
        let before = all(&server).await;
        for condition in [
            "FALSE",
            "NULL",
            "1 = 0",
            "id > 100",
            "id IN (SELECT id FROM main.default.t WHERE id > 100)",
            "EXISTS (SELECT 1 FROM main.default.t WHERE id > 100)",
            "name = NULL",
            "id NOT IN (SELECT id FROM main.default.t)",
        ] {
            assert_eq!(
                server.done("admin", &format!("DELETE FROM main.default.t WHERE {condition}")).await,
                0,
                "{condition}"
            );
            assert_eq!(
                server.done("admin", &format!("UPDATE main.default.t SET id = 0 WHERE {condition}")).await,
                0,
                "{condition}"
            );
            assert_eq!(all(&server).await, before, "{condition}");
        }
    });
}

#[test]
fn rows_are_deleted_by_every_kind_of_condition() {
    for (condition, left) in [
        ("id IN (SELECT id + 1 FROM main.default.t WHERE id < 3)", vec!["1", "4", "5"]),
        ("EXISTS (SELECT 1 FROM main.default.t o WHERE o.id = main.default.t.id + 1)", vec!["5"]),
        ("part = 'x'", vec!["3", "4", "5"]),
        ("part IS NULL OR name IS NULL", vec!["1", "2", "4"]),
        ("amount > (SELECT avg(amount) FROM main.default.t)", vec!["1", "2", "3"]),
        ("t.id = 1 OR default.t.id = 2 OR main.default.t.id = 3", vec!["4", "5"]),
        ("TRUE", vec![]),
    ] {
        block_on(async move {
            let server = ground().await;
            let deleted =
                server.done("admin", &format!("DELETE FROM main.default.t WHERE {condition}")).await;
            assert_eq!(deleted, 5 - left.len() as i64, "{condition}");
            assert_eq!(server.rows("admin", "SELECT id FROM main.default.t").await, left, "{condition}");
        });
    }
}

#[test]
fn every_row_goes_without_a_condition() {
    for text in ["DELETE FROM main.default.t", "TRUNCATE TABLE main.default.t"] {
        block_on(async move {
            let server = ground().await;
            assert_eq!(server.done("admin", text).await, 5);
            assert!(all(&server).await.is_empty());
            server.done("admin", "INSERT INTO main.default.t VALUES (1, 'a', 1, 'x')").await;
            assert_eq!(all(&server).await, ["1 | a | 1.00 | x"]);
            let kind = text.split(' ').next().unwrap();
            let history = format!(
                "SELECT statement_type, written_rows FROM system.query.history WHERE statement_text = '{text}'"
            );
            assert_eq!(server.rows("admin", &history).await, [format!("{kind} | 5")]);
        });
    }
}

#[test]
fn the_books_tell_the_bytes_that_were_written() {
    block_on(async {
        let server = ground().await;
        let texts = [
            "UPDATE main.default.t SET name = 'other' WHERE id = 2",
            "INSERT INTO main.default.t SELECT id + 100, name, amount, part FROM main.default.t",
            "DELETE FROM main.default.t WHERE id = -1",
        ];
        for text in texts {
            server.done("admin", text).await;
        }
        let told = texts.map(|text| {
            let text = text.replace('\'', "''");
            format!(
                "SELECT written_files > 0, written_bytes > 300 * written_files FROM system.query.history WHERE statement_text = '{text}'"
            )
        });
        assert_eq!(server.rows("admin", &told[0]).await, ["true | true"]);
        assert_eq!(server.rows("admin", &told[1]).await, ["true | true"]);
        assert_eq!(server.rows("admin", &told[2]).await, ["false | false"]);
    });
}

#[test]
fn parameters_stand_in_conditions_and_values() {
    block_on(async {
        let server = ground().await;
        let client = server.client("admin");
        let prepared = client.prepare("UPDATE main.default.t SET name = ? WHERE id = ?").await.unwrap();
        let columns: Vec<(&str, ArrayRef)> =
            vec![("a", Arc::new(StringArray::from(vec!["new"]))), ("b", Arc::new(Int32Array::from(vec![2])))];
        let values = RecordBatch::try_from_iter(columns).unwrap();
        assert_eq!(client.run_update(&prepared.handle, Some(&values)).await.unwrap(), 1);
        assert_eq!(server.rows("admin", "SELECT name FROM main.default.t WHERE id = 2").await, ["new"]);
    });
}

#[test]
fn writers_that_meet_lose_nothing() {
    block_on(async {
        let server = Arc::new(ground().await);
        server.done("admin", "CREATE TABLE main.default.counters (id INT, n INT)").await;
        server.done("admin", "INSERT INTO main.default.counters VALUES (1, 0), (2, 0)").await;
        let writers = (0..4).map(|writer| {
            let server = Arc::clone(&server);
            task(async move {
                let mut done = 0;
                for _ in 0..5 {
                    let id = writer % 2 + 1;
                    let text = format!("UPDATE main.default.counters SET n = n + 1 WHERE id = {id}");
                    match server.client("admin").update(&text).await {
                        Ok(rows) => {
                            assert_eq!(rows, 1);
                            done += 1;
                        }
                        Err(refusal) => {
                            let text = refusal.text;
                            assert!(text.starts_with("[CONCURRENT_MODIFICATION]"), "{text}");
                        }
                    }
                }
                done
            })
        });
        let mut done = 0;
        for writer in writers.collect::<Vec<_>>() {
            done += writer.await.unwrap();
        }
        let sum = server.rows("admin", "SELECT sum(n) FROM main.default.counters").await;
        assert_eq!(sum, [done.to_string()]);
        assert!(done >= 5, "{done} of 20");
    });
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    block_on(async {
        let server = ground().await;
        server.done("admin", "CREATE VIEW main.default.v AS SELECT * FROM main.default.t").await;
        for (text, told) in [
            ("UPDATE main.default.v SET id = 1", "[UNSUPPORTED_FEATURE] writing to a view"),
            ("DELETE FROM main.default.nothing", "[TABLE_OR_VIEW_NOT_FOUND]"),
            ("UPDATE main.default.t SET nothing = 1", "[UNRESOLVED_COLUMN"),
            ("UPDATE main.default.t SET id = nothing", "[UNRESOLVED_COLUMN"),
            ("UPDATE main.default.t SET id = 1, ID = 2", "[INVALID_STATEMENT] a column is named twice"),
            ("UPDATE main.default.t SET id = max(id)", "[INVALID_STATEMENT] a function over many rows"),
            ("DELETE FROM main.default.t WHERE sum(id) > 1", "[INVALID_STATEMENT] a function over many rows"),
            ("UPDATE main.default.t SET id = `weir:place`", "[UNRESOLVED_COLUMN"),
            ("DELETE FROM main.default.t WHERE `weir:file` = 'a'", "[UNRESOLVED_COLUMN"),
            ("UPDATE main.default.t SET id = DEFAULT", "[UNSUPPORTED_FEATURE] DEFAULT as a value"),
            ("UPDATE main.default.t SET id = 1 FROM main.default.v", "[UNSUPPORTED_FEATURE] UPDATE … FROM"),
            ("DELETE FROM system.query.history", "[TABLE_OR_VIEW_NOT_FOUND]"),
            ("UPDATE main.default.t SET name.first = 'a'", "[UNSUPPORTED_FEATURE] new values for a field"),
            ("COPY INTO main.default.t FROM '/x'", "[UNSUPPORTED_FEATURE] COPY"),
            (
                "EXECUTE AS USER admin FOR DELETE FROM main.default.t",
                "[UNSUPPORTED_FEATURE] DELETE within EXECUTE AS",
            ),
        ] {
            let refusal = server.refused("admin", text).await;
            assert!(refusal.starts_with(told), "{text}\n{refusal}");
        }
        assert_eq!(all(&server).await.len(), 5);
    });
}

#[test]
fn each_statement_needs_its_privilege_and_select() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "GRANT USE CATALOG ON CATALOG main TO alice;\nGRANT USE SCHEMA ON SCHEMA main.default TO alice",
            )
            .await;
        let texts = [
            ("UPDATE", "UPDATE main.default.t SET id = 1 WHERE id = 1"),
            ("DELETE", "DELETE FROM main.default.t WHERE id = 100"),
            ("DELETE", "TRUNCATE TABLE main.default.t"),
            (
                "INSERT",
                "MERGE INTO main.default.t USING (SELECT 9 AS id) s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)",
            ),
        ];
        for (_, text) in texts {
            let refusal = server.refused("alice", text).await;
            assert!(refusal.contains("you need SELECT"), "{text}\n{refusal}");
        }
        server.done("admin", "GRANT SELECT ON TABLE main.default.t TO alice").await;
        for (privilege, text) in texts {
            let refusal = server.refused("alice", text).await;
            assert!(refusal.starts_with("[INSUFFICIENT_PERMISSIONS]"), "{text}\n{refusal}");
            assert!(refusal.contains(privilege), "{text}\n{refusal}");
        }
        server.done("admin", "GRANT MODIFY ON TABLE main.default.t TO alice").await;
        for (_, text) in texts {
            server.done("alice", text).await;
        }
        server.done("admin", "REVOKE SELECT ON TABLE main.default.t FROM alice").await;
        for (_, text) in texts {
            let refusal = server.refused("alice", text).await;
            assert!(refusal.contains("you need SELECT"), "{text}\n{refusal}");
        }
    });
}
