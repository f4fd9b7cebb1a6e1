//! `system.access.*`: every change, every refusal and every access is there, for whoever may know
//! of it, and tells nothing that its reader may not know.

use weir_catalog::metastore::Delegation;
use weir_testkit::{ADMIN, Program, TestServer, block_on};

const GROUND: &str = "
CREATE SCHEMA main.hr;
CREATE TABLE main.hr.people (id INT, name STRING, salary INT);
INSERT INTO main.hr.people VALUES (1, 'canary-ann', 10), (2, 'canary-bea', 20), (3, 'canary-cid', 30), (4, 'canary-dan', 40);
CREATE FUNCTION main.hr.cheap(salary INT) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR salary < 25;
CREATE FUNCTION main.hr.hide(name STRING) RETURNS STRING RETURN CASE WHEN is_account_group_member('hr') THEN name ELSE 'canary-body' END;
ALTER TABLE main.hr.people SET ROW FILTER main.hr.cheap ON (salary);
ALTER TABLE main.hr.people ALTER COLUMN name SET MASK main.hr.hide;
GRANT USE CATALOG ON CATALOG main TO alice;
GRANT USE SCHEMA ON SCHEMA main.hr TO alice;
GRANT SELECT ON TABLE main.hr.people TO alice;
GRANT USE CATALOG ON CATALOG main TO hr;
GRANT USE SCHEMA, SELECT ON SCHEMA main.hr TO hr";

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    server
}

#[test]
fn each_change_and_each_refusal_is_there_in_the_words_of_the_reference() {
    block_on(async {
        let server = ground().await;
        server.refused("alice", "SELECT * FROM main.hr.nothing_here").await;
        server.refused("bob", "SELECT * FROM main.hr.people").await;
        assert!(server.client("alice").update("DROP TABLE main.hr.people").await.is_err());
        assert!(
            server
                .client("alice")
                .update("INSERT INTO main.hr.people VALUES (9, 'canary-eve', 1)")
                .await
                .is_err()
        );
        server.rows("alice", "SELECT name FROM main.hr.people WHERE name <> 'canary-literal'").await;
        server.done(ADMIN, "CREATE TABLE main.hr.gone (id INT)").await;
        server.done(ADMIN, "DROP TABLE main.hr.gone").await;
        server.done(ADMIN, "GRANT SELECT ON TABLE main.hr.people TO admin").await;
        server.done(ADMIN, "REVOKE SELECT ON TABLE main.hr.people FROM admin").await;

        let changes = "SELECT action_name, request_params['operation'] AS op, request_params['full_name_arg'] AS on_what \
                       FROM system.access.audit WHERE audit_level = 'ACCOUNT_LEVEL' AND response.status_code = 200";
        let changes = server.rows(ADMIN, changes).await;
        for line in [
            "createSchema | createSchema | main.hr",
            "createTable | createTable | main.hr.people",
            "updateTable | setRowFilter | main.hr.people",
            "updateTable | setColumnMask | main.hr.people",
            "createFunction | createFunction | main.hr.cheap",
            "deleteTable | dropTable | main.hr.gone",
            "updatePermissions | grant | main.hr.people",
            "updatePermissions | grantToSelf | main.hr.people",
            "updatePermissions | revoke | main.hr.people",
        ] {
            assert!(changes.iter().any(|known| known == line), "{line} is not among {changes:#?}");
        }
        let accounts = "SELECT DISTINCT action_name FROM system.access.audit WHERE service_name = 'accounts'";
        assert_eq!(server.rows(ADMIN, accounts).await, ["add", "addPrincipalToGroup"]);

        let refused = "SELECT user_identity.email AS who, action_name, response.status_code AS code, \
                       request_params['full_name_arg'] AS on_what, request_params['privilege'] AS wanted, response.error_message IS NOT NULL AS told \
                       FROM system.access.audit WHERE response.status_code <> 200 AND user_identity.email <> 'admin'";
        assert_eq!(
            server.rows(ADMIN, refused).await,
            [
                "alice | deleteTable | 403 | main.hr.people | NULL | true",
                "alice | getTable | 403 | main.hr.people | INSERT | true",
                "alice | getTable | 404 | main.hr.nothing_here | SELECT | true",
                "bob | getTable | 404 | main.hr.people | SELECT | true",
            ]
        );
        let why = "SELECT DISTINCT response.result AS why FROM system.access.audit WHERE user_identity.email = 'alice' \
                   AND action_name = 'getTable' AND response.status_code = 200 AND request_params['full_name_arg'] = 'main.hr.people'";
        let why = server.rows(ADMIN, why).await;
        assert_eq!(why.len(), 1, "{why:?}");
        assert!(why[0].contains("SELECT on table `main.hr.people` granted to `alice`"), "{why:?}");
        let whence = "SELECT DISTINCT source_ip_address, identity_metadata.run_by = identity_metadata.run_as AS same, request_id IS NOT NULL AS known \
                      FROM system.access.audit WHERE user_identity.email = 'alice'";
        assert_eq!(server.rows(ADMIN, whence).await, ["127.0.0.1 | true | true"]);

        // no value, no literal of a statement, no body of a policy
        let told = "SELECT array_to_string(map_values(request_params), ' ') AS a, response.error_message AS b, response.result AS c FROM system.access.audit";
        for line in server.rows(ADMIN, told).await {
            assert!(!line.contains("canary") && !line.contains("salary < 25"), "{line}");
        }
        let ids = "SELECT count(*) = count(DISTINCT event_id) AS distinct_ids FROM system.access.audit";
        assert_eq!(server.rows(ADMIN, ids).await, ["true"]);
    });
}

#[test]
fn users_read_their_own_rows_and_nothing_of_what_a_view_reads_for_them() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "
CREATE VIEW main.hr.names AS SELECT id, name FROM main.hr.people;
GRANT USE CATALOG ON CATALOG main TO bob;
GRANT USE SCHEMA ON SCHEMA main.hr TO bob;
GRANT SELECT ON TABLE main.hr.names TO bob",
            )
            .await;
        server.rows("bob", "SELECT * FROM main.hr.names").await;
        let read = "SELECT request_params['full_name_arg'] AS t, rights_of FROM system.access.audit \
                    WHERE action_name = 'getTable' AND user_identity.email = 'bob'";
        assert_eq!(server.rows("bob", read).await, ["main.hr.names | NULL"]);
        assert_eq!(server.rows(ADMIN, read).await, ["main.hr.names | NULL", "main.hr.people | admin"]);
        let whose = "SELECT DISTINCT user_identity.email AS who FROM system.access.audit";
        assert_eq!(server.rows("bob", whose).await, ["bob"]);
        assert!(server.rows("carol", whose).await.is_empty());
        let policies = "SELECT count(*) AS c FROM system.access.policy_decisions";
        assert_eq!(server.rows("bob", policies).await, ["0"], "bob has no right to read the table");
        assert_eq!(server.rows("carol", policies).await, ["0"]);
        assert_eq!(server.rows(ADMIN, policies).await, ["2"]);
    });
}

#[test]
fn calls_of_functions_are_there_allowed_and_refused() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "
CREATE FUNCTION main.hr.inner_one(x INT) RETURNS INT RETURN x + 1;
CREATE FUNCTION main.hr.outer_one(x INT) RETURNS INT RETURN main.hr.inner_one(x);
CREATE FUNCTION main.hr.rows_of(x INT) RETURNS TABLE (y INT) RETURN SELECT x;
GRANT EXECUTE ON FUNCTION main.hr.outer_one TO alice;
GRANT EXECUTE ON FUNCTION main.hr.rows_of TO alice",
            )
            .await;
        server.rows("alice", "SELECT main.hr.outer_one(1), * FROM main.hr.rows_of(2)").await;
        server.refused("alice", "SELECT main.hr.inner_one(1)").await;
        server.refused("bob", "SELECT main.hr.outer_one(1)").await;
        server.rows("alice", "SELECT name FROM main.hr.people").await;
        let read = "SELECT user_identity.email, request_params['full_name_arg'], request_params['privilege'], \
                    response.status_code, rights_of FROM system.access.audit WHERE action_name = 'getFunction' ORDER BY 1, 2, 4";
        let own = [
            "alice | main.hr.inner_one | EXECUTE | 403 | NULL",
            "alice | main.hr.outer_one | EXECUTE | 200 | NULL",
            "alice | main.hr.rows_of | EXECUTE | 200 | NULL",
        ];
        assert_eq!(server.rows("alice", read).await, own);
        let all = [
            "admin | main.hr.inner_one | EXECUTE | 200 | NULL",
            "alice | main.hr.inner_one | EXECUTE | 200 | admin",
            own[0],
            own[1],
            own[2],
            "bob | main.hr.outer_one | EXECUTE | 404 | NULL",
        ];
        assert_eq!(
            server.rows(ADMIN, read).await,
            all,
            "what makes the outer one calls the inner one; no function of a policy, which is no call of anybody's"
        );
    });
}

#[test]
fn policy_decisions_count_rows_for_who_manages_the_table() {
    block_on(async {
        let server = ground().await;
        server.rows("alice", "SELECT id FROM main.hr.people").await;
        server.rows("carol", "SELECT id FROM main.hr.people").await;
        let decided = "SELECT principal, policy_kind, function_name, array_to_string(columns_masked, ',') AS masked, rows_in, rows_out, exempt, table_version \
                       FROM system.access.policy_decisions WHERE table_name = 'main.hr.people'";
        assert_eq!(
            server.rows(ADMIN, decided).await,
            [
                "alice | COLUMN_MASK | main.hr.hide | name | 4 | 2 | false | 1",
                "alice | ROW_FILTER | main.hr.cheap |  | 4 | 2 | false | 1",
                "carol | COLUMN_MASK | main.hr.hide | name | 4 | 4 | true | 1",
                "carol | ROW_FILTER | main.hr.cheap |  | 4 | 4 | true | 1",
            ]
        );
        assert_eq!(
            server.rows("alice", decided).await,
            [
                "alice | COLUMN_MASK | main.hr.hide | name | NULL | 2 | false | 1",
                "alice | ROW_FILTER | main.hr.cheap |  | NULL | 2 | false | 1",
            ]
        );
        let guess = "SELECT count(*) AS c FROM system.access.policy_decisions WHERE rows_in = 4";
        assert_eq!(server.rows("alice", guess).await, ["0"], "no predicate reaches what is withheld");
        server.done(ADMIN, "GRANT MANAGE ON TABLE main.hr.people TO alice").await;
        assert_eq!(server.rows("alice", guess).await, ["4"]);
    });
}

#[test]
fn an_app_that_acts_for_a_user_stands_beside_the_user() {
    block_on(async {
        let server = ground().await;
        server.done(ADMIN, "CREATE SERVICE PRINCIPAL portal").await;
        let metastore = server.app().metastore();
        let admin = metastore.snapshot().await.unwrap().principal_by_name(ADMIN).unwrap().id;
        let now = weir_server::clock::Clock::now(server.clock());
        metastore.delegation_set(admin, now, "portal", Delegation::MayActForUsers).await.unwrap();
        let portal = server.client("portal").with_header("x-forwarded-access-token", server.token("alice"));
        portal.statement("SELECT id FROM main.hr.people").await.unwrap();
        assert!(portal.update("DROP TABLE main.hr.people").await.is_err());
        let rows = "SELECT action_name, response.status_code AS code, identity_metadata.run_by AS by, identity_metadata.run_as AS for_whom \
                    FROM system.access.audit WHERE identity_metadata.run_by = 'portal'";
        let expected = ["deleteTable | 403 | portal | alice", "getTable | 200 | portal | alice"];
        assert_eq!(server.rows(ADMIN, rows).await, expected);
        assert_eq!(server.rows("alice", rows).await, expected);
        assert!(server.rows("portal", rows).await.is_empty(), "the app has no claim on its users' rows");
    });
}

#[test]
fn a_statement_refused_before_it_runs_is_in_history_once() {
    block_on(async {
        let server = ground().await;
        server.refused("alice", "SELECT * FROM main.hr.nothing_here").await;
        assert!(server.client("alice").prepare("SELECT wrong FROM main.hr.people").await.is_err());
        let history =
            "SELECT execution_status, statement_text FROM system.query.history WHERE executed_as = 'alice'";
        assert_eq!(
            server.rows("alice", history).await[..2],
            ["FAILED | SELECT * FROM main.hr.nothing_here", "FAILED | SELECT wrong FROM main.hr.people"]
        );
    });
}

#[test]
fn kill_nine_keeps_what_was_acknowledged() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("weir.toml");
        let data = directory.path().join("data");
        std::fs::write(
            &config,
            format!(
                "[server]\nflight_address = \"127.0.0.1:0\"\ndata_directory = \"{}\"\n[catalog]\ninitial_admin = \"admin\"\n",
                data.display()
            ),
        )
        .unwrap();
        let program = Program::serve(&config);
        let admin = program.client(&config, "admin");
        admin.update("CREATE TABLE main.default.t (id INT)").await.unwrap();
        admin.statement("SELECT count(*) FROM main.default.t").await.unwrap();
        assert!(admin.statement("SELECT * FROM main.default.missing").await.is_err());
        program.kill();
        let program = Program::serve(&config);
        let admin = program.client(&config, "admin");
        let rows = "SELECT action_name, request_params['full_name_arg'] AS t, response.status_code AS code FROM system.access.audit \
                    WHERE request_params['full_name_arg'] LIKE 'main.default.%'";
        assert_eq!(
            admin.statement(rows).await.unwrap().sorted(),
            [
                "createTable | main.default.t | 200",
                "getTable | main.default.missing | 404",
                "getTable | main.default.t | 200",
            ]
        );
        program.kill();
    });
}
