//! What a stranger learns of what there is: nothing, and the same nothing for what is hidden and
//! for what does not exist.

use weir_testkit::{Way, block_on};

use super::{People, canary_in, metadata_of};

#[test]
fn metadata_for_a_stranger_names_nothing() {
    block_on(async {
        let people = People::ground().await;
        let text = metadata_of(&people.client("bob")).await;
        for hidden in ["people", "cities", "hr", "gov", "salary", "hidden_text"] {
            assert!(
                !text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == hidden),
                "{hidden}"
            );
        }
        for sql in [
            "SHOW TABLES IN main.hr",
            "SHOW SCHEMAS IN main",
            "SHOW FUNCTIONS IN main.gov",
            "DESCRIBE CATALOG main",
        ] {
            let told = people.server.refused("bob", sql).await;
            assert!(told.contains("not found"), "{sql}: {told}");
        }
        assert_eq!(people.server.rows("bob", "SHOW CATALOGS").await, ["system"]);
    });
}

#[test]
fn metadata_for_a_reader_tells_no_value() {
    block_on(async {
        let people = People::ground().await;
        let text = metadata_of(&people.client("alice")).await;
        assert!(text.contains("people") && text.contains("salary"));
        assert_eq!(canary_in(&text, ""), None);
        for sql in [
            "DESCRIBE TABLE main.hr.people",
            "DESCRIBE TABLE EXTENDED main.hr.people",
            "SHOW CREATE TABLE main.hr.people",
            "SHOW TBLPROPERTIES main.hr.people",
            "SHOW COLUMNS IN main.hr.people",
            "SHOW GRANTS ON TABLE main.hr.people",
        ] {
            for way in Way::ALL {
                let told = super::text_of(&way.ask(&people.client("alice"), sql).await);
                assert_eq!(canary_in(&told, ""), None, "{sql}: {told}");
                assert!(!told.contains("north"), "a policy's body in {sql}: {told}");
            }
        }
    });
}

#[test]
fn what_is_hidden_and_what_is_not_there_have_one_text() {
    block_on(async {
        let people = People::ground().await;
        people.server.prepare("CREATE CATALOG secrets").await;
        people.server.prepare("CREATE SCHEMA secrets.plans").await;
        people.server.prepare("CREATE TABLE secrets.plans.launch (id INT)").await;
        let bob = people.client("bob");
        // the hidden name, and one as long that does not exist
        for (hidden, absent) in [
            ("main.hr.people", "main.hr.peopla"),
            ("secrets.plans.launch", "secrets.plans.lounch"),
            ("secrets.plans.launch", "secrexs.plans.launch"),
            ("main.hr.people", "main.hx.people"),
        ] {
            for form in [
                "SELECT * FROM {}",
                "SELECT count(*) FROM {}",
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM {})",
                "WITH x AS (SELECT nothing FROM {}) SELECT * FROM x",
                "EXPLAIN SELECT * FROM {}",
                "EXPLAIN ANALYZE SELECT * FROM {}",
                "DESCRIBE TABLE {}",
                "SHOW CREATE TABLE {}",
                "SHOW COLUMNS IN {}",
                "SHOW TBLPROPERTIES {}",
                "SHOW GRANTS ON TABLE {}",
                "INSERT INTO {} VALUES (1)",
                "INSERT INTO {} VALUES (1, 2, 3)",
                "DROP TABLE {}",
                "ALTER TABLE {} SET ROW FILTER main.gov.of_region ON (region)",
                "ALTER TABLE {} DROP ROW FILTER",
                "ALTER TABLE {} ALTER COLUMN id DROP MASK",
                "ALTER TABLE {} SET TBLPROPERTIES ('a' = 'b')",
                "ALTER TABLE {} RENAME TO x",
                "ALTER TABLE {} OWNER TO bob",
                "COMMENT ON TABLE {} IS 'x'",
                "GRANT SELECT ON TABLE {} TO bob",
                "REVOKE SELECT ON TABLE {} FROM bob",
                "CREATE VIEW main.default.v AS SELECT * FROM {}",
                "CREATE TABLE main.default.t AS SELECT * FROM {}",
            ] {
                let about = |name: &str| form.replace("{}", name);
                for way in Way::ALL {
                    let of_hidden = way.ask(&bob, &about(hidden)).await.unwrap_err();
                    let of_absent = way.ask(&bob, &about(absent)).await.unwrap_err();
                    assert_eq!(of_hidden.code, of_absent.code, "{way:?} {form}");
                    assert_eq!(
                        of_hidden.text.replace(hidden, "T"),
                        of_absent.text.replace(absent, "T"),
                        "{way:?} {form}"
                    );
                }
                let of_hidden = bob.update(&about(hidden)).await.unwrap_err();
                let of_absent = bob.update(&about(absent)).await.unwrap_err();
                assert_eq!(
                    of_hidden.text.replace(hidden, "T"),
                    of_absent.text.replace(absent, "T"),
                    "update {form}"
                );
            }
        }
    });
}

#[test]
fn explain_shows_neither_policies_nor_files() {
    block_on(async {
        let people = People::ground().await;
        for sql in [
            "EXPLAIN SELECT * FROM main.hr.people WHERE id = 1",
            "EXPLAIN ANALYZE SELECT * FROM main.hr.people",
        ] {
            for way in Way::ALL {
                let text = super::text_of(&way.ask(&people.client("alice"), sql).await);
                assert_eq!(canary_in(&text, sql), None);
                for banned in
                    ["parquet", "north", "of_region", "hidden_text", "'***'", "***", "gov://", "/tmp"]
                {
                    assert!(!text.contains(banned), "`{banned}` in {text}");
                }
            }
        }
    });
}

#[test]
fn history_and_usage_of_others_are_not_shown() {
    block_on(async {
        let people = People::ground().await;
        people.server.rows("carol", "SELECT count(*) FROM main.hr.people WHERE ssn = 'CANARY-1'").await;
        people.server.rows("alice", "SELECT 1").await;
        for sql in [
            "SELECT executed_as, statement_text FROM system.query.history WHERE executed_as <> 'alice'",
            "SELECT identity_metadata.run_as FROM system.billing.usage WHERE identity_metadata.run_as <> 'alice'",
            "SELECT DISTINCT executed_as FROM system.query.history WHERE statement_text LIKE '%CANARY%'",
        ] {
            let found = people.server.rows("alice", sql).await;
            assert!(!found.iter().any(|row| row.contains("carol") || row.contains("admin")), "{found:?}");
        }
        let users =
            people.server.rows("alice", "SELECT DISTINCT executed_as FROM system.query.history").await;
        assert_eq!(users, ["alice"]);
    });
}
