//! Changes of a governed table: what is hidden from whoever changes rows is neither found nor touched nor told, and what is
//! masked is never stored.

use weir_testkit::{TestServer, block_on};

/// Alice sees rows of the north with `ssn` masked; hidden rows and raw values carry canaries and share files with hers.
async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE TABLE main.default.people (id INT, name STRING, region STRING, ssn STRING, n INT);
             INSERT INTO main.default.people VALUES
               (1, 'ann', 'north', 'CANARY-1', 1), (2, 'ben', 'north', 'CANARY-2', 2), (3, 'cat', 'north', 'CANARY-3', 3),
               (4, 'CANARY-dan', 'south', 'CANARY-4', 0), (5, 'CANARY-eve', 'south', 'CANARY-5', 5),
               (6, 'CANARY-fay', NULL, 'CANARY-6', 0);
             CREATE TABLE main.default.allowed (region STRING, who STRING);
             INSERT INTO main.default.allowed VALUES ('north', 'alice'), ('north', 'carol'), ('south', 'carol');
             CREATE FUNCTION main.default.mine(r STRING) RETURNS BOOLEAN RETURN
               EXISTS (SELECT 1 FROM main.default.allowed a WHERE a.region = r AND a.who = current_user()) OR current_user() = 'admin';
             CREATE FUNCTION main.default.hidden(v STRING) RETURNS STRING RETURN CASE WHEN current_user() = 'admin' THEN v ELSE '***' END;
             ALTER TABLE main.default.people SET ROW FILTER main.default.mine ON (region);
             ALTER TABLE main.default.people ALTER COLUMN ssn SET MASK main.default.hidden;
             CREATE TABLE main.default.copies (id INT, text STRING);
             GRANT USE CATALOG ON CATALOG main TO alice;
             GRANT USE SCHEMA ON SCHEMA main.default TO alice;
             GRANT CREATE TABLE ON SCHEMA main.default TO alice;
             GRANT SELECT, MODIFY ON TABLE main.default.people TO alice;
             GRANT SELECT, MODIFY ON TABLE main.default.copies TO alice",
        )
        .await;
    server
}

const HIDDEN: [&str; 3] = [
    "4 | CANARY-dan | south | CANARY-4 | 0",
    "5 | CANARY-eve | south | CANARY-5 | 5",
    "6 | CANARY-fay | NULL | CANARY-6 | 0",
];

async fn stored(server: &TestServer) -> Vec<String> {
    server.rows("admin", "SELECT * FROM main.default.people").await
}

/// What admin finds, whose rows before and after the change are these, and the hidden ones as they were.
async fn check(server: &TestServer, own: &[&str], what: &str) {
    let mut wanted: Vec<&str> = own.iter().copied().chain(HIDDEN).collect();
    wanted.sort_unstable();
    assert_eq!(stored(server).await, wanted, "{what}");
}

#[test]
fn hidden_rows_survive_every_change() {
    for (text, count, own) in [
        ("DELETE FROM main.default.people", 3, vec![]),
        ("TRUNCATE TABLE main.default.people", 3, vec![]),
        ("DELETE FROM main.default.people WHERE n = 0 OR n = 5", 0, vec!["1 | ann | north | CANARY-1 | 1", "2 | ben | north | CANARY-2 | 2", "3 | cat | north | CANARY-3 | 3"]),
        ("DELETE FROM main.default.people WHERE id IN (SELECT id FROM main.default.people WHERE id >= 2)", 2, vec!["1 | ann | north | CANARY-1 | 1"]),
        ("UPDATE main.default.people SET n = n + 1", 3, vec!["1 | ann | north | CANARY-1 | 2", "2 | ben | north | CANARY-2 | 3", "3 | cat | north | CANARY-3 | 4"]),
        ("UPDATE main.default.people SET name = 'x' WHERE ssn = '***' AND id < 3", 2, vec!["1 | x | north | CANARY-1 | 1", "2 | x | north | CANARY-2 | 2", "3 | cat | north | CANARY-3 | 3"]),
        ("UPDATE main.default.people SET ssn = 'own' WHERE id = 1", 1, vec!["1 | ann | north | own | 1", "2 | ben | north | CANARY-2 | 2", "3 | cat | north | CANARY-3 | 3"]),
        (
            "MERGE INTO main.default.people p USING (VALUES (1, 'm'), (4, 'm'), (9, 'm')) s(id, name) ON p.id = s.id
             WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED BY SOURCE THEN DELETE",
            3,
            vec!["1 | m | north | CANARY-1 | 1"],
        ),
    ] {
        block_on(async move {
            let server = ground().await;
            assert_eq!(server.done("alice", text).await, count, "{text}");
            check(&server, &own, text).await;
        });
    }
}

#[test]
fn a_merge_puts_in_beside_hidden_rows() {
    block_on(async {
        let server = ground().await;
        // Row 4 is there, and hidden: for alice it is not matched.
        let text = "MERGE INTO main.default.people p USING (VALUES (1, 'm'), (4, 'm')) s(id, name) ON p.id = s.id
             WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name, region) VALUES (s.id, s.name, 'north')";
        assert_eq!(server.done("alice", text).await, 2);
        let own = [
            "1 | m | north | CANARY-1 | 1",
            "2 | ben | north | CANARY-2 | 2",
            "3 | cat | north | CANARY-3 | 3",
            "4 | m | north | NULL | NULL",
        ];
        check(&server, &own, text).await;
    });
}

#[test]
fn a_source_cannot_say_which_rows_it_means() {
    block_on(async {
        let server = ground().await;
        for (own, value) in [
            ("weir:place", "3"),
            ("weir:file", "'f'"),
            ("weir:source", "TRUE"),
            ("weir:clause", "0"),
            ("WEIR:Place", "4"),
        ] {
            for (target, source, on) in [
                ("main.default.people", "people", "main.default.people.id = people.k"),
                ("main.default.people", "default.people", "main.default.people.id = default.people.k"),
                ("main.default.people AS q", "main.default.q", "q.id = k"),
                ("main.default.people AS q", "q", "q.id = q.k"),
                ("main.default.people", "s", "main.default.people.id = s.k"),
                ("main.default.people p", "s", "p.id = s.k"),
            ] {
                for action in ["UPDATE SET region = 'north'", "DELETE"] {
                    for rows in [
                        format!("(SELECT 1 AS k, {value} AS `{own}`) AS {source}"),
                        format!("(VALUES (1, {value})) AS {source}(k, `{own}`)"),
                    ] {
                        let text =
                            format!("MERGE INTO {target} USING {rows} ON {on} WHEN MATCHED THEN {action}");
                        let refusal = server.client("alice").update(&text).await.expect_err(&text);
                        assert!(!refusal.text.contains("CANARY"), "{text}\n{}", refusal.text);
                    }
                }
            }
        }
        let own = [
            "1 | ann | north | CANARY-1 | 1",
            "2 | ben | north | CANARY-2 | 2",
            "3 | cat | north | CANARY-3 | 3",
        ];
        check(&server, &own, "nothing was changed").await;
    });
}

#[test]
fn a_source_of_the_tables_own_name_needs_an_alias() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "CREATE SCHEMA main.staging;
                 CREATE TABLE main.staging.copies (id INT, text STRING);
                 INSERT INTO main.staging.copies VALUES (1, 'new');
                 INSERT INTO main.default.copies VALUES (1, 'a'), (2, 'b')",
            )
            .await;
        let on = "ON main.default.copies.id = copies.id WHEN MATCHED THEN UPDATE SET text = copies.text";
        let told = server
            .refused(
                "admin",
                &format!(
                    "MERGE INTO main.default.copies USING (SELECT * FROM main.staging.copies) AS copies {on}"
                ),
            )
            .await;
        assert!(told.contains("are both called `copies`") && told.contains("alias"), "{told}");
        let text = "MERGE INTO main.default.copies USING main.staging.copies
            ON main.default.copies.id = main.staging.copies.id WHEN MATCHED THEN UPDATE SET text = main.staging.copies.text";
        assert_eq!(server.done("admin", text).await, 1, "whole names are told apart");
        let rows = server.rows("admin", "SELECT * FROM main.default.copies").await;
        assert_eq!(rows, ["1 | new", "2 | b"]);
    });
}

#[test]
fn nothing_of_what_is_hidden_comes_out_of_a_change() {
    block_on(async {
        let server = ground().await;
        for (text, answers) in [
            ("DELETE FROM main.default.people WHERE 1 / (n - 5) > 100", true),
            ("DELETE FROM main.default.people WHERE 1 / n > 100", true),
            ("UPDATE main.default.people SET n = 10 / n WHERE FALSE", true),
            ("UPDATE main.default.people SET n = 6 / n", true),
            ("DELETE FROM main.default.people WHERE CAST(name AS INT) > 0 AND region = 'south'", true),
            ("DELETE FROM main.default.people WHERE CAST(ssn AS INT) > 0", false),
            ("UPDATE main.default.people SET n = CAST(ssn AS INT)", false),
            ("DELETE FROM main.default.people WHERE ssn LIKE 'CANARY%'", true),
            (
                "UPDATE main.default.people SET n = 1 WHERE EXISTS (SELECT 1 FROM main.default.people o WHERE o.name = 'CANARY-dan')",
                true,
            ),
            (
                "MERGE INTO main.default.people p USING (SELECT 0 AS n) s ON 1 / (p.n - s.n) > 5 WHEN MATCHED THEN DELETE",
                true,
            ),
        ] {
            let told = server.client("alice").update(text).await;
            match told {
                Ok(_) => assert!(answers, "{text}"),
                Err(refusal) => {
                    // A cast of what alice sees may fail, and shows what she sees.
                    let text_of = refusal.text.replace("region = 'south'", "");
                    assert!(!text_of.contains("CANARY-"), "{text}\n{text_of}");
                    assert!(!answers || text.contains("CAST(name"), "{text}\n{text_of}");
                }
            }
        }
        let hidden = server.rows("admin", "SELECT * FROM main.default.people WHERE id > 3").await;
        assert_eq!(hidden, HIDDEN);
    });
}

#[test]
fn a_masked_value_is_not_written_back() {
    block_on(async {
        let server = ground().await;
        let before = stored(&server).await;
        for text in [
            "UPDATE main.default.people SET ssn = ssn",
            "UPDATE main.default.people SET ssn = upper(ssn) WHERE id = 1",
            "UPDATE main.default.people SET name = ssn",
            "UPDATE main.default.people SET name = CASE WHEN ssn = 'x' THEN 'a' ELSE 'b' END",
            "UPDATE main.default.people SET name = (SELECT max(ssn) FROM main.default.people)",
            "UPDATE main.default.people SET name = (SELECT s FROM (SELECT ssn AS s, id FROM main.default.people) o WHERE o.id = main.default.people.id)",
            "INSERT INTO main.default.people SELECT id + 10, name, region, ssn, n FROM main.default.people",
            "INSERT INTO main.default.people WITH x AS (SELECT * FROM main.default.people) SELECT id, name, region, lower(ssn), n FROM x UNION ALL SELECT 1, 'a', 'north', 'b', 1",
            "MERGE INTO main.default.people p USING (SELECT id, ssn FROM main.default.people) s ON p.id = s.id WHEN MATCHED THEN UPDATE SET ssn = s.ssn",
            "MERGE INTO main.default.people p USING (VALUES (1)) s(id) ON p.id = s.id WHEN MATCHED THEN UPDATE SET name = p.ssn",
            "MERGE INTO main.default.people p USING (SELECT DISTINCT ON (id) ssn AS a, name AS b, id AS k FROM main.default.people) s ON p.id = s.k WHEN MATCHED THEN UPDATE SET ssn = s.a",
            "UPDATE main.default.people SET name = (SELECT max(a) FROM (SELECT DISTINCT ON (id) ssn AS a, name AS b FROM main.default.people) s)",
            "INSERT INTO main.default.people SELECT DISTINCT ON (id) id + 10, ssn, region, name, n FROM main.default.people",
            "INSERT INTO main.default.people VALUES (9, (SELECT max(ssn) FROM main.default.people), 'north', 's', 1)",
            "UPDATE main.default.people SET name = CAST(CAST(ssn AS STRING) AS STRING)",
            "UPDATE main.default.people SET name = CASE WHEN name IN (SELECT ssn FROM main.default.people) THEN 'a' ELSE 'b' END",
        ] {
            let refusal = server.refused("alice", text).await;
            assert!(refusal.starts_with("[MASKED_VALUE_WRITE]"), "{text}\n{refusal}");
        }
        assert_eq!(stored(&server).await, before);
        // What is not masked for its writer is a value like any other, and a condition stores nothing.
        server.done("admin", "UPDATE main.default.people SET ssn = ssn || '+' WHERE id = 1").await;
        server.done("alice", "INSERT INTO main.default.people SELECT id + 10, name, region, 'own', n FROM main.default.people WHERE ssn = '***' AND id = 1").await;
        let rows = server.rows("admin", "SELECT id, ssn FROM main.default.people WHERE id IN (1, 11)").await;
        assert_eq!(rows, ["1 | CANARY-1+", "11 | own"]);
        let merge = "MERGE INTO main.default.people p USING (VALUES (1), (12)) s(id) ON p.id = s.id WHEN MATCHED AND p.ssn = '***' THEN UPDATE SET n = 7, ssn = 'mine' WHEN NOT MATCHED THEN INSERT (id, region, ssn) VALUES (s.id, 'north', 'other')";
        assert_eq!(server.done("alice", merge).await, 2);
        let rows =
            server.rows("admin", "SELECT id, n, ssn FROM main.default.people WHERE id IN (1, 12)").await;
        assert_eq!(rows, ["1 | 7 | mine", "12 | NULL | other"]);
    });
}

#[test]
fn a_new_row_is_one_that_its_writer_can_see() {
    block_on(async {
        let server = ground().await;
        let before = stored(&server).await;
        for text in [
            "INSERT INTO main.default.people VALUES (7, 'g', 'south', 's', 1)",
            "INSERT INTO main.default.people VALUES (7, 'g', 'north', 's', 1), (8, 'h', NULL, 's', 1)",
            "INSERT INTO main.default.people (id) VALUES (7)",
            "UPDATE main.default.people SET region = 'south' WHERE id = 1",
            "UPDATE main.default.people SET region = NULL",
            "MERGE INTO main.default.people p USING (VALUES (1)) s(id) ON p.id = s.id WHEN MATCHED THEN UPDATE SET region = 'west'",
            "MERGE INTO main.default.people p USING (VALUES (7)) s(id) ON p.id = s.id WHEN NOT MATCHED THEN INSERT (id, region) VALUES (s.id, 'south')",
        ] {
            let refusal = server.refused("alice", text).await;
            assert!(refusal.starts_with("[ROW_FILTER_CHECK_VIOLATION]"), "{text}\n{refusal}");
            assert!(!refusal.contains("CANARY"), "{refusal}");
        }
        assert_eq!(stored(&server).await, before);
        assert_eq!(
            server.done("alice", "INSERT INTO main.default.people VALUES (7, 'g', 'north', 's', 1)").await,
            1
        );
        assert_eq!(
            server.rows("alice", "SELECT * FROM main.default.people WHERE id = 7").await,
            ["7 | g | north | *** | 1"]
        );
        assert_eq!(server.rows("admin", "SELECT ssn FROM main.default.people WHERE id = 7").await, ["s"]);
        // A failure of the rows themselves is told as theirs.
        let refusal = server.refused("alice", "INSERT INTO main.default.people SELECT 1 / (id - 1), 'x', 'north', 'y', 1 FROM main.default.people").await;
        assert!(refusal.starts_with("[DIVIDE_BY_ZERO]"), "{refusal}");
    });
}

#[test]
fn rows_that_a_filter_need_not_look_at_are_judged_too() {
    block_on(async {
        let server = ground().await;
        // No region is bob's, so that her filter is answered before it reads a new row.
        server
            .prepare(
                "GRANT USE CATALOG ON CATALOG main TO bob;
                 GRANT USE SCHEMA ON SCHEMA main.default TO bob;
                 GRANT SELECT, MODIFY ON TABLE main.default.people TO bob",
            )
            .await;
        let before = stored(&server).await;
        for text in [
            "INSERT INTO main.default.people VALUES (7, 'g', 'north', 's', 1)",
            "INSERT INTO main.default.people SELECT v.i, 'x', 'north', 's', 1 FROM (VALUES (1), (2)) v(i)",
            "MERGE INTO main.default.people p USING (VALUES (7)) s(id) ON p.id = s.id WHEN NOT MATCHED THEN INSERT (id, region) VALUES (s.id, 'north')",
        ] {
            let refusal = server.refused("bob", text).await;
            assert!(refusal.starts_with("[ROW_FILTER_CHECK_VIOLATION]"), "{text}\n{refusal}");
        }
        let failing = "INSERT INTO main.default.people SELECT 1 / (id - 1), 'x', 'north', 'y', 1 FROM (VALUES (1)) v(id)";
        let refusal = server.refused("bob", failing).await;
        assert!(refusal.starts_with("[DIVIDE_BY_ZERO]"), "{refusal}");
        let none = "INSERT INTO main.default.people SELECT id, 'x', 'north', 'y', 1 FROM main.default.copies";
        server.client("admin").update("GRANT SELECT ON TABLE main.default.copies TO bob").await.unwrap();
        assert_eq!(server.done("bob", none).await, 0);
        assert_eq!(stored(&server).await, before);
    });
}

#[test]
fn what_is_made_of_a_governed_table_is_tagged() {
    block_on(async {
        let server = ground().await;
        let tags = "SELECT table_name, tag_name, tag_value FROM main.information_schema.table_tags";
        server.done("alice", "INSERT INTO main.default.copies VALUES (1, 'own')").await;
        server.done("admin", "DELETE FROM main.default.people WHERE id = 1").await;
        assert!(server.rows("admin", tags).await.is_empty());
        server.done("alice", "INSERT INTO main.default.copies SELECT id, ssn FROM main.default.people").await;
        assert_eq!(server.rows("admin", tags).await, ["copies | derived_from_governed | true"]);
        assert_eq!(
            server.rows("admin", "SELECT * FROM main.default.copies").await,
            ["1 | own", "2 | ***", "3 | ***"]
        );
        // Also of somebody from whom nothing is hidden.
        server.done("admin", "CREATE TABLE main.default.raw AS SELECT id FROM main.default.people").await;
        server.done("admin", "CREATE TABLE main.default.plain AS SELECT 1 AS id").await;
        let merged = "MERGE INTO main.default.plain t USING (SELECT id FROM main.default.people) s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *";
        server.done("admin", merged).await;
        let wanted =
            ["copies", "plain", "raw"].map(|table| format!("{table} | derived_from_governed | true"));
        assert_eq!(server.rows("admin", tags).await, wanted);
    });
}

#[test]
fn rows_of_one_large_file_are_changed_where_they_lie_and_hidden_ones_are_not() {
    block_on(async {
        let server = ground().await;
        let digits: Vec<String> = (0..200).map(|n| format!("({n})")).collect();
        let digits = digits.join(", ");
        server
            .prepare(&format!(
                "CREATE TABLE main.default.many (id INT, n INT);
                 INSERT INTO main.default.many SELECT a.i * 200 + b.i, 0 FROM (VALUES {digits}) a(i), (VALUES {digits}) b(i) ORDER BY 1;
                 CREATE FUNCTION main.default.even(i INT) RETURNS BOOLEAN RETURN i % 2 = 0 OR current_user() = 'admin';
                 ALTER TABLE main.default.many SET ROW FILTER main.default.even ON (id);
                 GRANT SELECT, MODIFY ON TABLE main.default.many TO alice",
            ))
            .await;
        // Far behind the first batch of the file.
        assert_eq!(server.done("alice", "DELETE FROM main.default.many WHERE id IN (30000, 30001)").await, 1);
        assert_eq!(
            server.done("alice", "UPDATE main.default.many SET n = 1 WHERE id BETWEEN 39990 AND 39995").await,
            3
        );
        let merged = "MERGE INTO main.default.many AS t USING (SELECT 20002 AS id) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = 2";
        assert_eq!(server.done("alice", merged).await, 1);
        let changed = "SELECT id, n FROM main.default.many WHERE n <> 0";
        assert_eq!(server.rows("admin", changed).await, ["20002 | 2", "39990 | 1", "39992 | 1", "39994 | 1"]);
        let left = "SELECT count(*), count(DISTINCT id), count(CASE WHEN id = 30000 THEN 1 END) FROM main.default.many";
        assert_eq!(server.rows("admin", left).await, ["39999 | 39999 | 0"]);
        assert_eq!(server.done("admin", "UPDATE main.default.many SET n = id").await, 39_999);
        assert_eq!(server.rows("admin", "SELECT count(*) FROM main.default.many WHERE n <> id").await, ["0"]);
    });
}
