//! EXECUTE AS USER in the books, and at its bounds: what it leaves in history, trail and policy decisions, who
//! may do it, and that it is never more than the target.

use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use weir_testkit::{TestServer, Way, block_on};

/// `main.default.people` with a row filter and a mask by tags that leave `hr` out. Alice may read it and is not in
/// `hr`; carol may and is; bob may do nothing, but run statements as others.
async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE TABLE main.default.people (id INT, region STRING, ssn STRING);
             INSERT INTO main.default.people VALUES (1, 'north', 'raw-1'), (2, 'south', 'raw-2'), (3, 'south', 'raw-3');
             CREATE FUNCTION main.default.north(region STRING) RETURNS BOOLEAN RETURN region = 'north';
             CREATE GOVERNED TAG geo;
             CREATE GOVERNED TAG pii;
             ALTER TABLE main.default.people ALTER COLUMN region SET TAGS ('geo');
             ALTER TABLE main.default.people ALTER COLUMN ssn SET TAGS ('pii');
             CREATE POLICY own_region ON SCHEMA main.default ROW FILTER main.default.north TO `account users` EXCEPT hr FOR TABLES MATCH COLUMNS has_tag('geo') r ON NO MATCH SKIP USING COLUMNS (r);
             CREATE POLICY hide_pii ON CATALOG main COLUMN MASK system.policy.mask_null TO `account users` EXCEPT hr FOR TABLES MATCH COLUMNS has_tag('pii') m ON COLUMN m;
             GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice;
             GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO carol;
             GRANT IMPERSONATE ON METASTORE TO bob",
        )
        .await;
    server
}

const PEOPLE: &str = "SELECT id, ssn FROM main.default.people";

/// The same, to be run as the user.
fn of(user: &str) -> String {
    format!("EXECUTE AS USER {user} {PEOPLE}")
}

#[test]
fn history_trail_and_decisions_name_who_asked_and_whose_rights_held() {
    block_on(async {
        let server = ground().await;
        let bob = server.client("bob");
        for way in Way::ALL {
            assert_eq!(way.ask(&bob, &of("alice")).await.unwrap().sorted(), ["1 | NULL"], "{way:?}");
            assert_eq!(way.ask(&bob, &of("carol")).await.unwrap().count(), 3, "{way:?}");
        }
        let history = "SELECT executed_by, executed_as, statement_type, count(*) AS n FROM system.query.history \
                       WHERE statement_text LIKE 'EXECUTE AS%' AND execution_status = 'FINISHED' GROUP BY ALL";
        let ran = ["bob | alice | SELECT | 4", "bob | carol | SELECT | 4"];
        assert_eq!(server.rows("admin", history).await, ran);
        // To the users the rows are theirs: somebody ran statements with their rights.
        assert_eq!(server.rows("alice", history).await, [ran[0]]);
        assert_eq!(server.rows("carol", history).await, [ran[1]]);

        let trail = "SELECT DISTINCT identity_metadata.run_by AS who, identity_metadata.run_as AS for_whom, request_params['full_name_arg'] AS on_what, response.status_code AS code \
                     FROM system.access.audit WHERE action_name = 'getTable' AND identity_metadata.run_by = 'bob'";
        assert_eq!(
            server.rows("admin", trail).await,
            ["bob | alice | main.default.people | 200", "bob | carol | main.default.people | 200"]
        );
        assert_eq!(server.rows("alice", trail).await, ["bob | alice | main.default.people | 200"]);
        let used = "SELECT user_identity.email AS who, request_params['full_name_arg'] AS whom, response.status_code AS code, count(*) > 3 AS often \
                    FROM system.access.audit WHERE action_name = 'executeAsUser' GROUP BY ALL";
        assert_eq!(
            server.rows("admin", used).await,
            ["bob | alice | 200 | true", "bob | carol | 200 | true"]
        );

        let decisions = "SELECT DISTINCT principal, run_by, policy_name, policy_scope, rows_out, exempt \
                         FROM system.access.policy_decisions WHERE run_by = 'bob'";
        assert_eq!(
            server.rows("admin", decisions).await,
            [
                "alice | bob | hide_pii | catalog `main` | 1 | false",
                "alice | bob | own_region | schema `main.default` | 1 | false",
                "carol | bob | hide_pii | catalog `main` | 3 | true",
                "carol | bob | own_region | schema `main.default` | 3 | true",
            ]
        );
        // Who asked has no right to read the table, and so none to its decisions.
        assert!(server.rows("bob", decisions).await.is_empty());
        // Usage is the target's, with the sender beside it.
        let usage = "SELECT DISTINCT identity_metadata.run_as AS a, identity_metadata.run_by AS b FROM system.billing.usage WHERE identity_metadata.run_by = 'bob'";
        let billed = server.rows("admin", usage).await;
        assert!(billed.iter().all(|row| row == "alice | bob" || row == "carol | bob"), "{billed:?}");
    });
}

#[test]
fn the_right_stands_on_the_metastore_and_is_given_by_grants_alone() {
    block_on(async {
        let server = ground().await;
        for on in ["CATALOG main", "SCHEMA main.default", "TABLE main.default.people"] {
            let told = server.client("admin").update(&format!("GRANT IMPERSONATE ON {on} TO alice")).await;
            let told = told.expect_err(on).text;
            assert!(told.starts_with('[') && told.contains("IMPERSONATE"), "{on}: {told}");
        }
        server
            .prepare("GRANT ALL PRIVILEGES ON CATALOG main TO alice;\nGRANT MANAGE ON CATALOG main TO alice")
            .await;
        for user in ["alice", "admin"] {
            let told = server.refused(user, &of("carol")).await;
            assert!(
                told.contains("INSUFFICIENT_PERMISSIONS") && told.contains("IMPERSONATE"),
                "{user}: {told}"
            );
        }
        // Through a group; a denial to one of its members wins.
        server.prepare("CREATE GROUP helpers;\nALTER GROUP helpers ADD USER alice;\nGRANT IMPERSONATE ON METASTORE TO helpers").await;
        assert_eq!(server.rows("alice", &of("carol")).await.len(), 3);
        server.prepare("DENY IMPERSONATE ON METASTORE TO alice").await;
        assert!(server.refused("alice", &of("carol")).await.contains("IMPERSONATE"));
    });
}

#[test]
fn it_is_never_more_than_the_target() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "GRANT IMPERSONATE ON METASTORE TO carol;
                 GRANT IMPERSONATE ON METASTORE TO admin;
                 CREATE CATALOG carols;
                 CREATE SCHEMA carols.s;
                 CREATE TABLE carols.s.own (id INT);
                 ALTER CATALOG carols OWNER TO carol;
                 REVOKE SELECT ON CATALOG main FROM alice;
                 GRANT SELECT ON SCHEMA main.default TO alice",
            )
            .await;
        for caller in ["carol", "admin"] {
            let as_alice = |sql: &str| format!("EXECUTE AS USER alice {sql}");
            assert_eq!(server.rows(caller, &as_alice(PEOPLE)).await, ["1 | NULL"], "{caller}");
            for (sql, expected) in [
                (
                    "SELECT current_user(), session_user(), is_account_group_member('hr')",
                    "alice | alice | false",
                ),
                (
                    "SELECT count(*) FROM system.information_schema.catalogs WHERE catalog_name <> 'system'",
                    "1",
                ),
                ("SELECT count(*) FROM main.information_schema.policies", "0"),
                ("SELECT count(*) FROM system.information_schema.tables WHERE table_catalog = 'carols'", "0"),
                ("SELECT count(*) FROM system.query.history WHERE executed_as <> 'alice'", "0"),
                ("SELECT count(*) FROM system.access.audit WHERE user_identity.email <> 'alice'", "0"),
                ("SELECT count(*) FROM system.access.policy_decisions WHERE principal <> 'alice'", "0"),
                ("SELECT count(*) FROM system.billing.usage WHERE identity_metadata.run_as <> 'alice'", "0"),
            ] {
                assert_eq!(server.rows(caller, &as_alice(sql)).await, [expected], "{caller}: {sql}");
            }
            for sql in [
                "SELECT * FROM carols.s.own",
                "SHOW TABLES IN carols.s",
                "SHOW POLICIES ON CATALOG main",
                "SHOW EFFECTIVE POLICIES ON TABLE main.default.people",
                "DESCRIBE POLICY hide_pii ON CATALOG main",
                "SHOW CREATE TABLE carols.s.own",
            ] {
                let told = server.refused(caller, &as_alice(sql)).await;
                assert!(
                    told.contains("NOT_FOUND") || told.contains("INSUFFICIENT_PERMISSIONS"),
                    "{caller}: {sql}: {told}"
                );
            }
        }
    });
}

#[test]
fn it_does_not_nest_and_hides_in_no_other_statement() {
    block_on(async {
        let server = ground().await;
        server.prepare("GRANT IMPERSONATE ON METASTORE TO alice").await;
        let bob = server.client("bob");
        let inner = of("carol");
        for sql in [
            format!("EXECUTE AS USER alice {inner}"),
            format!("EXECUTE AS USER alice FOR {inner}"),
            format!("EXPLAIN {inner}"),
            format!("EXPLAIN ANALYZE {inner}"),
            format!("EXPLAIN POLICY FOR {inner}"),
            format!("EXECUTE AS USER alice EXPLAIN {inner}"),
            format!("SELECT * FROM ({inner})"),
            format!("WITH x AS ({inner}) SELECT * FROM x"),
            format!("CREATE VIEW main.default.v AS {inner}"),
            format!("CREATE TABLE main.default.t AS {inner}"),
            format!("INSERT INTO main.default.people {inner}"),
            format!("EXECUTE AS USER alice CREATE TABLE main.default.t AS {PEOPLE}"),
            format!("EXECUTE AS USER alice INSERT INTO main.default.people {PEOPLE}"),
            "EXECUTE AS USER alice USE CATALOG main".to_owned(),
            "EXECUTE AS USER alice SET double_quoted_identifiers = true".to_owned(),
            "EXECUTE AS USER alice RUN POLICY TESTS".to_owned(),
            "EXECUTE AS USER alice DENY SELECT ON TABLE main.default.people TO carol".to_owned(),
            "EXECUTE AS USER alice ALTER USER carol DISABLE".to_owned(),
            format!("CREATE POLICY TEST t AS USER carol EXPECT NO ROWS FOR {inner}"),
        ] {
            let mut told = vec![bob.update(&sql).await.map(drop), bob.prepare(&sql).await.map(drop)];
            for way in Way::ALL {
                told.push(way.ask(&bob, &sql).await.map(drop));
            }
            for told in told {
                let text = told.expect_err(&sql).text;
                let known = ["UNSUPPORTED_FEATURE", "PARSE_SYNTAX_ERROR", "INVALID_STATEMENT"];
                assert!(known.iter().any(|known| text.contains(known)), "{sql}: {text}");
                assert!(!text.contains("raw-"), "{sql}: {text}");
            }
        }
        let used = "SELECT count(*) AS n FROM system.access.audit WHERE action_name = 'executeAsUser'";
        assert_eq!(
            server.rows("admin", used).await,
            ["0"],
            "what is refused by its form is no use of the right"
        );
    });
}

#[test]
fn values_are_bound_inside_it_like_in_any_query() {
    block_on(async {
        let server = ground().await;
        let bob = server.client("bob");
        let field = Field::new("1", DataType::Int32, true);
        let value = |id: i32| {
            let schema = Arc::new(Schema::new(vec![field.clone()]));
            RecordBatch::try_new(schema, vec![Arc::new(Int32Array::from(vec![id]))]).unwrap()
        };
        let sql = |user: &str| format!("{} WHERE id = ?", of(user));
        assert_eq!(bob.bound(&sql("carol"), &value(2)).await.unwrap().lines(), ["2 | raw-2"]);
        assert_eq!(bob.bound(&sql("alice"), &value(1)).await.unwrap().lines(), ["1 | NULL"]);
        assert!(bob.bound(&sql("alice"), &value(2)).await.unwrap().lines().is_empty());
        // The schema that was told is the target's, and so is the handle's when the policies change under it.
        let prepared = bob.prepare(&of("carol")).await.unwrap();
        assert_eq!(bob.run(&prepared.handle).await.unwrap().count(), 3);
        server.prepare("ALTER GROUP hr DROP USER carol").await;
        assert_eq!(bob.run(&prepared.handle).await.unwrap().sorted(), ["1 | NULL"]);
    });
}
