//! What shows policies at work shows nothing else: strangers, hidden tables, masked values, rights that
//! are not the target's, and rights that were revoked between two steps.

use arrow_flight::sql::CommandStatementQuery;
use tonic::Code;
use weir_testkit::{TestServer, block_on};

/// A table with a filter and a mask that hide from all but `hr`; alice and carol may read it, bob may not;
/// `secret.hidden.vault` is hidden from all, but a view of the administrator's reads it.
async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE FUNCTION main.default.kept(id INT) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR id = 1;
             CREATE FUNCTION main.default.masked(ssn STRING) RETURNS STRING RETURN CASE WHEN is_account_group_member('hr') THEN ssn ELSE 'secret-body' END;
             CREATE TABLE main.default.people (id INT, ssn STRING);
             INSERT INTO main.default.people VALUES (1, 'raw-1'), (2, 'raw-2'), (3, 'raw-3');
             ALTER TABLE main.default.people SET ROW FILTER main.default.kept ON (id);
             ALTER TABLE main.default.people ALTER COLUMN ssn SET MASK main.default.masked;
             CREATE CATALOG secret;
             CREATE SCHEMA secret.hidden;
             CREATE TABLE secret.hidden.vault (id INT);
             INSERT INTO secret.hidden.vault VALUES (1), (2);
             ALTER TABLE secret.hidden.vault SET ROW FILTER main.default.kept ON (id);
             CREATE VIEW main.default.front AS SELECT id FROM secret.hidden.vault;
             GRANT USE CATALOG ON CATALOG main TO alice;
             GRANT USE SCHEMA, SELECT ON SCHEMA main.default TO alice;
             GRANT USE CATALOG ON CATALOG main TO carol;
             GRANT USE SCHEMA, SELECT ON SCHEMA main.default TO carol",
        )
        .await;
    server
}

fn query(text: &str) -> CommandStatementQuery {
    CommandStatementQuery { query: text.to_owned(), transaction_id: None }
}

const AS_CAROL: &str = "EXECUTE AS USER carol SELECT id, ssn FROM main.default.people";

#[test]
fn a_hidden_table_is_told_like_a_missing_one_by_every_proof() {
    block_on(async {
        let server = ground().await;
        server.prepare("GRANT IMPERSONATE ON METASTORE TO alice").await;
        for text in [
            "EXPLAIN POLICY FOR SELECT * FROM secret.hidden.NAME",
            "EXPLAIN POLICY FOR TABLE secret.hidden.NAME",
            "EXPLAIN POLICY FOR TABLE secret.hidden.NAME AS USER carol",
            "ALTER TABLE secret.hidden.NAME SET ROW FILTER main.default.kept ON (id) DRY RUN",
            "ALTER TABLE secret.hidden.NAME ALTER COLUMN id SET MASK main.default.kept DRY RUN FOR USERS (carol)",
            "RUN POLICY TESTS ON TABLE secret.hidden.NAME",
            "REQUEST ACCESS ON TABLE secret.hidden.NAME",
            "SHOW ACCESS REQUESTS ON TABLE secret.hidden.NAME",
            "EXECUTE AS USER carol SELECT * FROM secret.hidden.NAME",
            "EXECUTE AS USER carol DESCRIBE TABLE secret.hidden.NAME",
        ] {
            let hidden = server.refused("alice", &text.replace("NAME", "vault")).await;
            let missing = server.refused("alice", &text.replace("NAME", "nothere")).await;
            assert_eq!(hidden.replace("vault", "nothere"), missing, "{text}");
            assert!(missing.contains("TABLE_OR_VIEW_NOT_FOUND"), "{text}: {missing}");
        }
    });
}

#[test]
fn a_view_over_a_hidden_table_is_explained_without_naming_it() {
    block_on(async {
        let server = ground().await;
        let rows =
            server.rows("alice", "EXPLAIN POLICY FOR SELECT * FROM main.default.front").await.join("\n");
        assert!(rows.contains("main.default.front"), "{rows}");
        assert!(rows.contains("may not look into"), "{rows}");
        assert!(!rows.contains("vault") && !rows.contains("hidden"), "{rows}");
        let rows =
            server.rows("admin", "EXPLAIN POLICY FOR SELECT * FROM main.default.front").await.join("\n");
        assert!(rows.contains("secret.hidden.vault"), "{rows}");
    });
}

#[test]
fn no_proof_tells_a_value_or_a_body() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "GRANT IMPERSONATE ON METASTORE TO alice;
                 CREATE FUNCTION main.default.other(ssn STRING) RETURNS STRING RETURN 'other-body'",
            )
            .await;
        for (user, text) in [
            ("alice", "EXPLAIN POLICY FOR SELECT ssn FROM main.default.people"),
            ("alice", "EXPLAIN POLICY FOR SELECT ssn FROM main.default.people AS USER carol"),
            ("admin", "EXPLAIN POLICY FOR TABLE main.default.people"),
            ("admin", "ALTER TABLE main.default.people ALTER COLUMN ssn SET MASK main.default.other DRY RUN"),
        ] {
            let rows = server.rows(user, text).await.join("\n");
            for secret in ["raw-", "secret-body", "other-body", "CASE"] {
                assert!(!rows.contains(secret), "{text}: {rows}");
            }
        }
        // Numbers of rows are the governor's.
        let own = server.rows("alice", "EXPLAIN POLICY FOR TABLE main.default.people").await.join("\n");
        assert!(own.contains("| NULL | NULL | NULL") && !own.contains("| 3 |"), "{own}");
    });
}

#[test]
fn the_runner_of_tests_learns_counts_and_no_values() {
    block_on(async {
        let server = ground().await;
        server.prepare("GRANT IMPERSONATE ON METASTORE TO bob").await;
        server
            .done("bob", "CREATE POLICY TEST t AS USER carol EXPECT VALUES ('guess') FOR SELECT ssn FROM main.default.people WHERE id = 2")
            .await;
        server
            .done("bob", "CREATE POLICY TEST u AS USER carol EXPECT NO ROWS FOR SELECT CAST(ssn AS INT) FROM main.default.people")
            .await;
        let rows = server.rows("bob", "RUN POLICY TESTS").await.join("\n");
        assert!(rows.contains("1 row: 1 others, 1 missing"), "{rows}");
        assert!(rows.contains("error CAST_INVALID_INPUT"), "{rows}");
        assert!(!rows.contains("raw-"), "{rows}");
        // The owner without the right runs nothing and reads no text of the test.
        server.prepare("REVOKE IMPERSONATE ON METASTORE FROM bob").await;
        server.refused("bob", "RUN POLICY TESTS").await;
        let text = server.rows("bob", "DESCRIBE POLICY TEST t").await.join("\n");
        assert!(!text.contains("guess") && !text.contains("SELECT"), "{text}");
        server.done("bob", "DROP POLICY TEST t").await;
        assert!(server.refused("alice", "DROP POLICY TEST u").await.contains("POLICY_TEST_NOT_FOUND"));
    });
}

#[test]
fn execute_as_gives_the_targets_rights_and_not_the_callers() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "GRANT IMPERSONATE ON METASTORE TO carol;
                 CREATE CATALOG carols;
                 CREATE SCHEMA carols.s;
                 CREATE TABLE carols.s.own (id INT);
                 GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG carols TO carol",
            )
            .await;
        // carol is in hr and may read carols.s; as alice she is not and may not.
        assert_eq!(
            server.rows("carol", "EXECUTE AS USER alice SELECT id, ssn FROM main.default.people").await,
            ["1 | secret-body"]
        );
        for text in [
            "EXECUTE AS USER alice SELECT * FROM carols.s.own",
            "EXECUTE AS USER alice SELECT * FROM carols.s.own JOIN main.default.people USING (id)",
        ] {
            assert!(server.refused("carol", text).await.contains("TABLE_OR_VIEW_NOT_FOUND"), "{text}");
        }
        // The books show what the target may know of; an administrator's rank is left behind.
        server.prepare("GRANT IMPERSONATE ON METASTORE TO admin").await;
        let all = "SELECT count(DISTINCT executed_as) FROM system.query.history";
        assert_eq!(server.rows("admin", &format!("EXECUTE AS USER alice {all}")).await, ["1"]);
        assert_eq!(server.rows("carol", "EXECUTE AS USER alice SELECT current_user()").await, ["alice"]);
        // The next statement of the same caller is the caller's again.
        assert_eq!(server.rows("carol", "SELECT count(*) FROM main.default.people").await, ["3"]);
    });
}

#[test]
fn the_right_is_asked_for_at_every_step() {
    block_on(async {
        let server = ground().await;
        server.prepare("GRANT IMPERSONATE ON METASTORE TO alice").await;
        let (alice, bob, carol) = (server.client("alice"), server.client("bob"), server.client("carol"));
        let prepared = alice.prepare(AS_CAROL).await.unwrap();
        let ticket =
            || async { alice.info(&query(AS_CAROL)).await.unwrap().endpoint.remove(0).ticket.unwrap() };
        let (first, second) = (ticket().await, ticket().await);
        assert_eq!(alice.run(&prepared.handle).await.unwrap().count(), 3);
        assert_eq!(alice.fetch(first.clone()).await.unwrap().count(), 3);
        // Bound to the real caller: neither a thief's nor the target's.
        for other in [&bob, &carol] {
            assert_eq!(other.fetch(second.clone()).await.unwrap_err().code, Code::NotFound);
            assert_eq!(other.run(&prepared.handle).await.unwrap_err().code, Code::NotFound);
        }
        server.prepare("REVOKE IMPERSONATE ON METASTORE FROM alice").await;
        for told in [
            alice.run(&prepared.handle).await.map(drop),
            alice.fetch(second).await.map(drop),
            alice.statement(AS_CAROL).await.map(drop),
            alice.prepare(AS_CAROL).await.map(drop),
            alice.schema(&query(AS_CAROL)).await.map(drop),
            alice.info(&query(AS_CAROL)).await.map(drop),
        ] {
            let refusal = told.unwrap_err();
            assert_eq!(refusal.code, Code::PermissionDenied, "{refusal:?}");
            assert!(refusal.text.contains("IMPERSONATE"), "{refusal:?}");
        }
        // A target that is disabled later is told like one that never was.
        server.prepare("GRANT IMPERSONATE ON METASTORE TO alice;\nALTER USER carol DISABLE").await;
        let disabled = alice.run(&prepared.handle).await.unwrap_err();
        let unknown = alice.statement(&AS_CAROL.replace("carol", "caro")).await.unwrap_err();
        assert_eq!(disabled.text.replace("carol", "caro"), unknown.text);
        let group = alice.statement(&AS_CAROL.replace("carol", "hr")).await.unwrap_err();
        assert_eq!(group.text.replace("`hr`", "`caro`"), unknown.text);
    });
}

#[test]
fn a_claim_of_the_callers_token_is_none_of_the_targets() {
    block_on(async {
        let server = ground().await;
        server.prepare("GRANT IMPERSONATE ON METASTORE TO alice").await;
        assert_eq!(server.rows("alice", "SELECT jwt_claim('sub')").await, ["alice"]);
        assert_eq!(server.rows("alice", "EXECUTE AS USER carol SELECT jwt_claim('sub')").await, ["NULL"]);
    });
}

#[test]
fn the_books_and_the_trail_name_both() {
    block_on(async {
        let server = ground().await;
        server.refused("alice", AS_CAROL).await;
        server.prepare("GRANT IMPERSONATE ON METASTORE TO alice").await;
        server.rows("alice", AS_CAROL).await;
        let ran = "SELECT executed_by, executed_as FROM system.query.history WHERE statement_text LIKE 'EXECUTE AS%' AND execution_status = 'FINISHED'";
        assert_eq!(server.rows("admin", ran).await, ["alice | carol"]);
        let metastore = server.app().metastore();
        let snapshot = metastore.snapshot().await.unwrap();
        let admin = snapshot.principal_by_name("admin").unwrap().id;
        let events = metastore.audit_list(admin, 50).await.unwrap();
        let answers: Vec<(String, String, String)> = events
            .into_iter()
            .filter(|event| event.action == "executeAsUser")
            .map(|event| (event.by_name, event.securable, event.answer))
            .collect();
        let of = |answer: &str| ("alice".to_owned(), "user `carol`".to_owned(), answer.to_owned());
        assert_eq!(answers, [of("allowed"), of("refused")]);
    });
}

#[test]
fn requests_are_read_by_askers_and_those_who_may_grant() {
    block_on(async {
        let server = ground().await;
        server.prepare("GRANT BROWSE ON CATALOG main TO bob;\nGRANT BROWSE ON CATALOG secret TO bob").await;
        let asked = server
            .rows("bob", "REQUEST ACCESS ON TABLE main.default.people COMMENT 'the yearly report'")
            .await;
        assert!(asked[0].ends_with("| table `main.default.people` | SELECT"), "{asked:?}");
        server.rows("bob", "REQUEST ACCESS ON TABLE secret.hidden.vault PRIVILEGES (SELECT, MODIFY)").await;
        assert_eq!(server.rows("bob", "SHOW ACCESS REQUESTS").await.len(), 2);
        assert_eq!(server.rows("admin", "SHOW ACCESS REQUESTS").await.len(), 2);
        assert_eq!(server.rows("admin", "SHOW ACCESS REQUESTS ON TABLE secret.hidden.vault").await.len(), 1);
        assert_eq!(server.rows("alice", "SHOW ACCESS REQUESTS").await, Vec::<String>::new());
        server.prepare("GRANT MANAGE ON TABLE main.default.people TO alice").await;
        let read = server.rows("alice", "SHOW ACCESS REQUESTS").await;
        assert!(read.len() == 1 && read[0].contains("| bob |") && read[0].contains("yearly"), "{read:?}");
    });
}

#[test]
fn a_dry_run_for_too_many_says_how_to_name_them() {
    block_on(async {
        let server = ground().await;
        server
            .prepare("CREATE GROUP many;\nGRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO many")
            .await;
        for number in 0..101 {
            server.prepare(&format!("CREATE USER u{number};\nALTER GROUP many ADD USER u{number}")).await;
        }
        let text = "ALTER TABLE main.default.people SET ROW FILTER main.default.kept ON (id) DRY RUN";
        let refusal = server.refused("admin", text).await;
        assert!(refusal.contains("RESOURCE_EXHAUSTED") && refusal.contains("FOR USERS"), "{refusal}");
        assert_eq!(
            server.rows("admin", &format!("{text} FOR USERS (u1, u2)")).await,
            ["u1 | 1 | 1 | 0 | NULL", "u2 | 1 | 1 | 0 | NULL"]
        );
    });
}

#[test]
fn nobody_asks_for_access_without_end() {
    block_on(async {
        let server = ground().await;
        server.prepare("GRANT BROWSE ON CATALOG main TO bob").await;
        let ask = "REQUEST ACCESS ON TABLE main.default.people";
        for _ in 0..weir_catalog::metastore::ACCESS_REQUESTS_MAX {
            server.rows("bob", ask).await;
        }
        let refusal = server.refused("bob", ask).await;
        assert!(refusal.starts_with("[RESOURCE_EXHAUSTED]") && refusal.contains("wait"), "{refusal}");
    });
}
