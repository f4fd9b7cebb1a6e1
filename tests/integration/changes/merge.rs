//! MERGE INTO.

use weir_testkit::{TestServer, block_on};

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE TABLE main.default.t (id INT, name STRING, n INT);
             INSERT INTO main.default.t VALUES (1, 'a', 10), (2, 'b', 20);
             INSERT INTO main.default.t VALUES (3, 'c', 30), (4, NULL, 40);
             CREATE TABLE main.default.s (id INT, name STRING, n INT);
             INSERT INTO main.default.s VALUES (2, 'B', 21), (4, 'D', 41), (7, 'G', 71), (8, NULL, NULL)",
        )
        .await;
    server
}

#[test]
fn the_first_clause_that_holds_is_done() {
    for (text, changed, rows) in [
        (
            "MERGE INTO main.default.t USING main.default.s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
            4,
            vec!["1 | a | 10", "2 | B | 21", "3 | c | 30", "4 | D | 41", "7 | G | 71", "8 | NULL | NULL"],
        ),
        (
            "MERGE INTO main.default.t AS x USING (SELECT id, n FROM main.default.s) AS y ON x.id = y.id
             WHEN MATCHED AND y.n > 40 THEN DELETE
             WHEN MATCHED THEN UPDATE SET x.n = x.n + y.n
             WHEN NOT MATCHED BY TARGET AND y.id = 7 THEN INSERT (id, name) VALUES (y.id, 'new')
             WHEN NOT MATCHED BY SOURCE AND x.id = 1 THEN DELETE
             WHEN NOT MATCHED BY SOURCE THEN UPDATE SET name = 'left'",
            5,
            vec!["2 | b | 41", "3 | left | 30", "7 | new | NULL"],
        ),
        (
            "MERGE INTO main.default.t USING main.default.s ON t.id = s.id WHEN MATCHED AND 1 / (s.n - 21) > 0 AND s.id <> 2 THEN DELETE",
            0,
            vec![],
        ),
        (
            "MERGE INTO main.default.t USING main.default.s ON FALSE WHEN NOT MATCHED BY SOURCE THEN DELETE",
            4,
            vec![],
        ),
        (
            "MERGE INTO main.default.t x USING main.default.t y ON x.id = y.id + 1 WHEN MATCHED THEN UPDATE SET n = y.n",
            3,
            vec!["1 | a | 10", "2 | b | 10", "3 | c | 20", "4 | NULL | 30"],
        ),
    ] {
        block_on(async move {
            let server = ground().await;
            if changed == 0 {
                let refusal = server.refused("admin", text).await;
                assert!(refusal.starts_with("[DIVIDE_BY_ZERO]"), "{refusal}");
                return;
            }
            assert_eq!(server.done("admin", text).await, changed, "{text}");
            assert_eq!(server.rows("admin", "SELECT * FROM main.default.t").await, rows, "{text}");
        });
    }
}

#[test]
fn conditions_of_other_rows_are_not_looked_at() {
    block_on(async {
        let server = ground().await;
        // It would divide by zero for the rows that are not matched.
        let text = "MERGE INTO main.default.t USING main.default.s ON t.id = s.id WHEN MATCHED AND 1 / (s.id - 7) < 1 THEN UPDATE SET n = 0";
        assert_eq!(server.done("admin", text).await, 2);
    });
}

#[test]
fn two_rows_of_the_source_for_one_are_refused() {
    block_on(async {
        let server = ground().await;
        server.done("admin", "INSERT INTO main.default.s VALUES (2, 'again', 1)").await;
        let update = "MERGE INTO main.default.t USING main.default.s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = s.n";
        let refusal = server.refused("admin", update).await;
        assert!(refusal.starts_with("[MERGE_CARDINALITY_VIOLATION]"), "{refusal}");
        let delete = "MERGE INTO main.default.t USING main.default.s ON t.id = s.id WHEN MATCHED THEN DELETE";
        assert_eq!(server.done("admin", delete).await, 2);
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    block_on(async {
        let server = ground().await;
        for (text, told) in [
            ("MERGE INTO main.default.t USING main.default.s ON t.id = s.id", "[PARSE_SYNTAX_ERROR]"),
            (
                "MERGE INTO main.default.t USING main.default.s ON t.id = s.id WHEN MATCHED THEN INSERT *",
                "[PARSE_SYNTAX_ERROR]",
            ),
            (
                "MERGE INTO main.default.t USING main.default.s ON t.id = s.id WHEN NOT MATCHED THEN DELETE",
                "[PARSE_SYNTAX_ERROR]",
            ),
            (
                "MERGE INTO main.default.t USING (SELECT 1 AS id) ON t.id = id WHEN MATCHED THEN DELETE",
                "[PARSE_SYNTAX_ERROR]",
            ),
            (
                "MERGE INTO main.default.t USING (SELECT 1 AS id) s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *",
                "[UNRESOLVED_COLUMN",
            ),
            (
                "MERGE INTO main.default.t USING main.default.s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (t.id)",
                "[UNRESOLVED_COLUMN",
            ),
            (
                "MERGE WITH SCHEMA EVOLUTION INTO main.default.t USING main.default.s ON TRUE WHEN MATCHED THEN DELETE",
                "[UNSUPPORTED_FEATURE]",
            ),
        ] {
            let refusal = server.refused("admin", text).await;
            assert!(refusal.starts_with(told), "{text}\n{refusal}");
        }
    });
}
