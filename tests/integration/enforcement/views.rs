//! Views over governed tables: their owner's access, the session user's policies.

use tonic::Code;
use weir_testkit::block_on;

use super::{Attack, People, either, refused, rows};

const VIEWS: &str = "
CREATE SCHEMA main.pub;
CREATE VIEW main.pub.v1 AS SELECT id, name, region, ssn, salary, secret FROM main.hr.people;
CREATE VIEW main.pub.v2 AS SELECT id, ssn AS number, salary * 2 AS twice, secret FROM main.pub.v1 WHERE id < 100000;
CREATE VIEW main.pub.small AS SELECT id, secret FROM main.hr.people WHERE secret < 3;
CREATE VIEW main.pub.mine AS SELECT id, name, current_user() AS who FROM main.hr.people WHERE is_account_group_member('hr') OR id = 1;
GRANT USE SCHEMA ON SCHEMA main.pub TO alice;
GRANT SELECT ON TABLE main.pub.v1 TO alice;
GRANT SELECT ON TABLE main.pub.v2 TO alice;
GRANT SELECT ON TABLE main.pub.small TO alice;
GRANT SELECT ON TABLE main.pub.mine TO alice;
GRANT USE CATALOG ON CATALOG main TO bob;
GRANT USE SCHEMA ON SCHEMA main.pub TO bob;
GRANT SELECT ON TABLE main.pub.v2 TO bob;
GRANT SELECT ON TABLE main.pub.small TO bob;
GRANT USE SCHEMA ON SCHEMA main.pub TO carol;
GRANT SELECT ON TABLE main.pub.v2 TO carol;
GRANT SELECT ON TABLE main.pub.mine TO carol
";

const ATTACKS: &[Attack] = &[
    rows("SELECT id, ssn FROM main.pub.v1", &["1 | ***", "2 | ***", "3 | ***"]),
    rows(
        "SELECT id, number, twice FROM main.pub.v2",
        &["1 | *** | 0.00", "2 | *** | 0.00", "3 | *** | 0.00"],
    ),
    rows("SELECT number, count(*) FROM main.pub.v2 GROUP BY number", &["*** | 3"]),
    rows("SELECT id FROM main.pub.v2 WHERE number LIKE 'CANARY%'", &[]),
    rows("SELECT id FROM main.pub.v2 WHERE 1 / (secret - 5) < 0", &["1", "2", "3"]),
    rows("SELECT max(id), count(*) FROM main.pub.v2", &["3 | 3"]),
    rows(
        "SELECT a.id FROM main.pub.v2 a JOIN main.hr.people b ON a.number = b.ssn AND a.id = b.id",
        &["1", "2", "3"],
    ),
    rows("SELECT id, name, who FROM main.pub.mine", &["1 | ann | alice"]),
    refused("SELECT CAST(number AS INT) FROM main.pub.v2", "CAST_INVALID_INPUT"),
    either("SELECT * FROM main.pub.v2"),
];

#[test]
fn a_view_over_a_view_keeps_filter_and_mask_with_rights_on_the_base() {
    block_on(async {
        let people = People::ground().await;
        people.server.prepare(VIEWS).await;
        people.withstands(ATTACKS).await;
    });
}

#[test]
fn a_view_over_a_view_keeps_filter_and_mask_without_rights_on_the_base() {
    block_on(async {
        let people = People::ground().await;
        people.server.prepare(VIEWS).await;
        let server = &people.server;
        assert_eq!(
            server.rows("bob", "SELECT id, number, twice FROM main.pub.v2").await,
            ["1 | *** | 0.00", "2 | *** | 0.00", "3 | *** | 0.00"]
        );
        for base in ["main.hr.people", "main.pub.v1", "main.pub.mine"] {
            let refusal = server.sql("bob", &format!("SELECT * FROM {base}")).await.unwrap_err();
            assert!([Code::NotFound, Code::PermissionDenied].contains(&refusal.code), "{base}: {refusal:?}");
        }
        assert_eq!(
            server.rows("carol", "SELECT count(*) FROM main.pub.v2 WHERE number LIKE 'CANARY%'").await,
            ["6"]
        );
        assert_eq!(server.rows("carol", "SELECT count(*), max(who) FROM main.pub.mine").await, ["6 | carol"]);
    });
}

#[test]
fn a_reader_without_rights_on_the_base_cannot_reach_below_the_views_condition() {
    block_on(async {
        let people = People::ground().await;
        people.server.prepare(VIEWS).await;
        // secret 3 is visible to bob by the policy, and left out by the view
        for sql in [
            "SELECT id FROM main.pub.small WHERE 1 / (secret - 3) < 0",
            "SELECT id FROM main.pub.small ORDER BY 1 / (secret - 3)",
            "SELECT id FROM main.pub.small WHERE CASE WHEN secret = 3 THEN 1 / (id - id) ELSE 1 END = 1",
        ] {
            assert_eq!(people.server.rows("bob", sql).await, ["1", "2"], "{sql}");
        }
    });
}

#[test]
fn a_view_loses_what_its_owner_loses() {
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server.done("alice", "CREATE SCHEMA main.alices").await;
        server.done("alice", "CREATE VIEW main.alices.v AS SELECT id, ssn FROM main.hr.people").await;
        server.prepare("GRANT USE CATALOG ON CATALOG main TO bob").await;
        server.done("alice", "GRANT USE SCHEMA ON SCHEMA main.alices TO bob").await;
        server.done("alice", "GRANT SELECT ON TABLE main.alices.v TO bob").await;
        server.done("alice", "GRANT USE SCHEMA, CREATE TABLE ON SCHEMA main.alices TO admin").await;
        server.done("alice", "GRANT SELECT ON TABLE main.alices.v TO admin").await;
        server.prepare("CREATE VIEW main.alices.over AS SELECT id FROM main.alices.v").await;
        let sql = "SELECT id, ssn FROM main.alices.v";
        for user in ["alice", "bob"] {
            assert_eq!(server.rows(user, sql).await, ["1 | ***", "2 | ***", "3 | ***"]);
        }
        server.prepare("REVOKE SELECT ON TABLE main.hr.people FROM alice").await;
        for user in ["alice", "bob"] {
            for way in weir_testkit::Way::ALL {
                let refusal = way.ask(&server.client(user), sql).await.unwrap_err();
                assert!(super::canary_in(&refusal.text, "").is_none(), "{refusal:?}");
                assert!(!refusal.text.contains("main.hr"), "{refusal:?}");
            }
        }
        // Why it fails is for administrators, also where one view stands on another.
        for sql in [sql, "SELECT id FROM main.alices.over"] {
            let refusal = server.refused("admin", sql).await;
            assert!(refusal.contains("`alice`") && refusal.contains("main.hr.people"), "{refusal}");
        }
        server.prepare("GRANT SELECT ON TABLE main.hr.people TO alice").await;
        server.prepare("REVOKE USE CATALOG ON CATALOG main FROM bob").await;
        server.refused("bob", sql).await;
    });
}

#[test]
fn a_view_is_no_way_to_rows_one_may_not_read() {
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server.prepare("GRANT USE CATALOG, CREATE SCHEMA ON CATALOG main TO bob").await;
        server.done("bob", "CREATE SCHEMA main.bobs").await;
        let refusal =
            server.client("bob").update("CREATE VIEW main.bobs.v AS SELECT * FROM main.hr.people").await;
        assert_eq!(refusal.unwrap_err().code, Code::PermissionDenied);
        let copy =
            server.client("bob").update("CREATE TABLE main.bobs.t AS SELECT * FROM main.hr.people").await;
        assert_eq!(copy.unwrap_err().code, Code::PermissionDenied);
        assert_eq!(server.rows("bob", "SHOW TABLES IN main.bobs").await, Vec::<String>::new());
    });
}

#[test]
fn a_copy_holds_visible_rows_and_masks_alone() {
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server.done("alice", "CREATE SCHEMA main.alices").await;
        server
            .done(
                "alice",
                "CREATE TABLE main.alices.copy AS SELECT id, name, ssn, salary FROM main.hr.people",
            )
            .await;
        server
            .done("alice", "INSERT INTO main.alices.copy SELECT id, name, ssn, salary FROM main.hr.people")
            .await;
        let found = server.rows("alice", "SELECT DISTINCT * FROM main.alices.copy").await;
        assert_eq!(found, ["1 | ann | *** | 0.00", "2 | ben | *** | 0.00", "3 | cat | *** | 0.00"]);
        // the files hold nothing else either
        let rows = weir_testkit::read_parquet_folder(&server.folder("main.alices.copy").await);
        assert_eq!(weir_testkit::text_of(&rows).len(), 6);
        assert!(super::canary_in(&weir_testkit::text_of(&rows).join("\n"), "").is_none());
    });
}
