//! Tables whose policies cannot be applied are closed, and the refusal names policies, scopes and tags to those
//! alone who may read them; how many files a policy pruned is told in `standard` and not in `strict`.

use tonic::Code;
use weir_testkit::{Way, block_on};

use super::{People, text_of};

/// Each closes `main.hr.people` for alice in its own way; names that she may not know hold `zebra`.
const CLOSED: &[(&str, &str)] = &[
    (
        "CREATE POLICY zebra_filter ON CATALOG main ROW FILTER main.gov.zebra TO `account users` FOR TABLES WHEN has_tag('zebra_kind') MATCH COLUMNS has_tag('zebra_column') AS zebra_alias USING COLUMNS (zebra_alias)",
        "INSUFFICIENT_PERMISSIONS",
    ),
    (
        "CREATE POLICY zebra_mask ON METASTORE COLUMN MASK system.policy.mask_null TO `account users` FOR TABLES WHEN has_tag('zebra_kind') MATCH COLUMNS has_tag('zebra_column') AS zebra_alias ON NO MATCH DENY ON COLUMN zebra_alias",
        "INSUFFICIENT_PERMISSIONS",
    ),
    (
        "CREATE POLICY zebra_masks ON SCHEMA main.hr AS PERMISSIVE COLUMN MASK system.policy.mask_null TO `account users` FOR TABLES WHEN has_tag('zebra_kind') MATCH COLUMNS has_tag('zebra_ssn') AS zebra_alias ON COLUMN zebra_alias",
        "COLUMN_MASKS_FEATURE_NOT_SUPPORTED",
    ),
];

async fn ground() -> People {
    let people = People::ground().await;
    people
        .server
        .prepare(
            "CREATE GOVERNED TAG zebra_kind;
             CREATE GOVERNED TAG zebra_column;
             CREATE GOVERNED TAG zebra_ssn;
             ALTER TABLE main.hr.people SET TAGS ('zebra_kind');
             ALTER TABLE main.hr.people ALTER COLUMN ssn SET TAGS ('zebra_ssn');
             CREATE FUNCTION main.gov.zebra(v STRING) RETURNS BOOLEAN RETURN v = 'zebra';
             CREATE SCHEMA main.pub;
             CREATE VIEW main.pub.front AS SELECT id, ssn FROM main.hr.people;
             GRANT USE CATALOG ON CATALOG main TO bob;
             GRANT USE SCHEMA, SELECT ON SCHEMA main.pub TO bob",
        )
        .await;
    people
}

#[test]
fn a_closed_table_tells_its_reader_that_it_is_closed_and_its_manager_why() {
    block_on(async {
        for (policy, condition) in CLOSED {
            let people = ground().await;
            people.server.prepare(policy).await;
            let name = policy.split(' ').nth(2).unwrap();
            let sql = "SELECT id, ssn FROM main.hr.people";
            for way in Way::ALL {
                let refusal = way.ask(&people.client("alice"), sql).await.unwrap_err();
                assert!(refusal.text.starts_with(&format!("[{condition}]")), "{policy}: {refusal:?}");
                assert!(refusal.text.contains("main.hr.people"), "{refusal:?}");
                assert!(refusal.text.contains("hint: ask whoever manages the table"), "{refusal:?}");
                assert!(!refusal.text.contains("zebra"), "{policy}: {refusal:?}");
            }
            for told in people.told_about(&people.client("alice"), sql).await {
                assert!(!told.contains("zebra"), "{policy}: {told}");
            }
            for sql in [
                "EXPLAIN POLICY FOR TABLE main.hr.people",
                "SELECT response FROM system.access.audit",
                "SELECT error_message FROM system.query.history",
            ] {
                let told = text_of(&people.client("alice").statement(sql).await);
                assert!(!told.contains("zebra"), "{sql}: {told}");
            }
            // Those who may read the policies are told which one it is.
            let told = people.server.refused("admin", sql).await;
            assert!(told.starts_with(&format!("[{condition}]")), "{told}");
            assert!(told.contains(name), "{told}");
            let told =
                people.server.rows("admin", "EXPLAIN POLICY FOR TABLE main.hr.people AS USER alice").await;
            assert!(told.join("\n").contains(name), "{told:?}");
            people.server.prepare("GRANT MANAGE ON TABLE main.hr.people TO alice").await;
            let told = people.server.refused("alice", sql).await;
            assert!(told.contains(name), "{told}");
        }
    });
}

#[test]
fn through_a_view_not_even_the_closed_table_is_named() {
    block_on(async {
        for (policy, _) in CLOSED {
            let people = ground().await;
            assert_eq!(people.server.rows("bob", "SELECT id FROM main.pub.front").await, ["1", "2", "3"]);
            people.server.prepare(policy).await;
            for way in Way::ALL {
                let refusal =
                    way.ask(&people.client("bob"), "SELECT id FROM main.pub.front").await.unwrap_err();
                assert_ne!(refusal.code, Code::Internal, "{refusal:?}");
                for hidden in ["zebra", "people", "main.hr"] {
                    assert!(!refusal.text.contains(hidden), "{policy}: {refusal:?}");
                }
            }
        }
    });
}

#[test]
fn a_policy_deleted_with_its_tag_is_not_to_be_had() {
    block_on(async {
        let people = ground().await;
        people.server.prepare(CLOSED[2].0).await;
        for sql in ["DROP GOVERNED TAG zebra_ssn", "DROP GOVERNED TAG zebra_kind"] {
            let told = people.client("admin").update(sql).await.unwrap_err().text;
            assert!(
                told.starts_with("[DEPENDENT_OBJECTS_STILL_EXIST]") && told.contains("zebra_masks"),
                "{told}"
            );
        }
        people
            .server
            .prepare(
                "DROP POLICY zebra_masks ON SCHEMA main.hr;
                 ALTER TABLE main.hr.people ALTER COLUMN ssn UNSET TAGS ('zebra_ssn');
                 DROP GOVERNED TAG zebra_ssn",
            )
            .await;
        assert_eq!(
            people.server.rows("alice", "SELECT ssn FROM main.hr.people").await,
            ["***", "***", "***"]
        );
    });
}

#[test]
fn files_that_the_policy_pruned_are_told_in_standard_and_not_in_strict() {
    block_on(async {
        let people = People::ground().await;
        let files = async |user: &str, sql: &str| {
            let lines = people.server.sql(user, &format!("EXPLAIN ANALYZE {sql}")).await.unwrap().lines();
            lines
                .iter()
                .filter(|line| line.contains("files pruned:") || line.contains("files read:"))
                .map(|line| line.trim().to_owned())
                .filter(|line| !line.starts_with("size"))
                .collect::<Vec<_>>()
        };
        let history = async |user: &str| {
            let sql = "SELECT pruned_files, read_files FROM system.query.history WHERE statement_text LIKE 'EXPLAIN ANALYZE%' AND executed_as = 'alice' ORDER BY start_time DESC";
            people.server.sql(user, sql).await.unwrap().lines()
        };
        let all = "SELECT id FROM main.hr.people";
        // The two partitions that her filter leaves out were not read, and she is told so: no predicate of hers.
        assert_eq!(files("alice", all).await, ["files pruned: 2", "files read: 1"]);
        assert_eq!(files("carol", all).await, ["files pruned: 0", "files read: 3"]);
        assert_eq!(history("alice").await, ["2 | 1"]);
        // Her own predicate counts together with it; which of them pruned a file is not told.
        assert_eq!(
            files("alice", &format!("{all} WHERE region = 'south'")).await,
            ["files pruned: 3", "files read: 0"]
        );
        people
            .server
            .prepare("ALTER TABLE main.hr.people SET TBLPROPERTIES ('governance.protection' = 'strict')")
            .await;
        for predicate in ["TRUE", "region = 'south'", "id = 77700"] {
            assert_eq!(files("alice", &format!("{all} WHERE {predicate}")).await, Vec::<String>::new());
        }
        let own = history("alice").await;
        assert_eq!(own.iter().filter(|row| *row == "NULL | NULL").count(), 3, "{own:?}");
        let of_all = history("admin").await;
        assert!(of_all.iter().all(|row| !row.contains("NULL")), "{of_all:?}");
    });
}
