//! Whoever sets policies on their own table reads through them no more than without: not what a mask of a wider
//! scope hides, not what the owner of a function sees, not what nobody hides from a group, and not by counting
//! what others see. The attackers are owners of a table and a schema, with CREATE FUNCTION and SELECT.

use weir_testkit::{ADMIN, TestServer, block_on};

/// Alice owns `x.own`, in which she may make what she likes.
const GROUND: &str = "
CREATE CATALOG x;
CREATE SCHEMA x.own;
CREATE SCHEMA x.s;
CREATE SCHEMA x.f;
GRANT USE CATALOG ON CATALOG x TO alice;
GRANT USE SCHEMA, SELECT ON SCHEMA x.s TO alice;
GRANT USE SCHEMA, SELECT ON SCHEMA x.f TO alice;
ALTER SCHEMA x.own OWNER TO alice;
GRANT USE SCHEMA, SELECT, CREATE TABLE, CREATE FUNCTION ON SCHEMA x.own TO alice;
CREATE GOVERNED TAG pii;
CREATE GOVERNED TAG regional;
CREATE TABLE x.s.t (note STRING, ssn STRING, region STRING);
INSERT INTO x.s.t VALUES ('n1', 'CANARY-1', 'north'), ('n2', 'CANARY-2', 'south');
ALTER TABLE x.s.t ALTER COLUMN ssn SET TAGS ('pii');
CREATE POLICY hide ON SCHEMA x.s COLUMN MASK system.policy.mask_value TO `account users` EXCEPT admin
  FOR TABLES MATCH COLUMNS has_tag('pii') AS m ON COLUMN m";

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    server
}

#[test]
fn a_tables_own_policies_get_no_value_below_a_mask_of_a_wider_scope() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "GRANT APPLY TAG, SELECT ON TABLE x.s.t TO admin;
ALTER TABLE x.s.t OWNER TO alice;
CREATE FUNCTION x.s.late(s STRING) RETURNS BOOLEAN RETURN s LIKE 'CANARY-1%';
GRANT EXECUTE ON FUNCTION x.s.late TO alice",
            )
            .await;
        for function in [
            "x.own.out(n STRING, s STRING) RETURNS STRING RETURN s",
            "x.own.guess(s STRING) RETURNS BOOLEAN RETURN s LIKE 'CANARY-1%'",
        ] {
            server.done("alice", &format!("CREATE FUNCTION {function}")).await;
        }
        for attempt in [
            "ALTER TABLE x.s.t ALTER COLUMN note SET MASK x.own.out USING COLUMNS (ssn)",
            "ALTER TABLE x.s.t SET ROW FILTER x.own.guess ON (ssn)",
            "ALTER TABLE x.s.t ADD COLUMN extra STRING MASK x.own.out USING COLUMNS (ssn)",
        ] {
            let told = server.refused("alice", attempt).await;
            assert!(told.contains("a policy of a wider scope masks"), "{attempt}: {told}");
        }
        let dry = "ALTER TABLE x.s.t SET ROW FILTER x.own.guess ON (ssn) DRY RUN FOR USERS (alice)";
        let counted = server.sql("alice", dry).await.map(|rows| rows.lines());
        assert!(
            counted.as_ref().map_or(true, |rows| rows.iter().all(|row| !row.contains(" | 1 | "))),
            "{counted:?}"
        );
        let told = server.refused(ADMIN, "ALTER TABLE x.s.t SET ROW FILTER x.s.late ON (ssn)").await;
        assert!(told.contains("a policy of a wider scope masks"), "{told}");
        // Where it came first, those whom the mask hides the column from are refused the table.
        server.done(ADMIN, "ALTER TABLE x.s.t ALTER COLUMN ssn UNSET TAGS ('pii')").await;
        server.done("alice", "ALTER TABLE x.s.t SET ROW FILTER x.s.late ON (ssn)").await;
        server.done(ADMIN, "ALTER TABLE x.s.t ALTER COLUMN ssn SET TAGS ('pii')").await;
        assert_eq!(server.rows(ADMIN, "SELECT note FROM x.s.t").await, ["n1"]);
        let told = server.refused("alice", "SELECT note FROM x.s.t").await;
        assert!(told.contains("a policy of a wider scope masks") && !told.contains("CANARY"), "{told}");
        // A policy of the same scope reads what it masks.
        server.done(ADMIN, "ALTER TABLE x.s.t DROP ROW FILTER").await;
        server.done(ADMIN, "CREATE POLICY rows ON SCHEMA x.s ROW FILTER x.s.late TO `account users` FOR TABLES MATCH COLUMNS has_tag('pii') AS s USING COLUMNS (s) ON NO MATCH SKIP").await;
        assert_eq!(server.rows("alice", "SELECT note, ssn FROM x.s.t").await, ["n1 | ***"]);
    });
}

/// A table of which `look` tells rows, hidden from everybody but admin.
const SECRETS: &str = "
CREATE TABLE x.f.m (k INT, v STRING);
INSERT INTO x.f.m VALUES (1, 'CANARY-M1'), (2, 'CANARY-M2');
CREATE FUNCTION x.f.adm(k INT) RETURNS BOOLEAN RETURN session_user() = 'admin';
CREATE FUNCTION x.f.look(v STRING, kk INT) RETURNS STRING RETURN (SELECT max(m.v) FROM x.f.m m WHERE m.k = kk);
CREATE FUNCTION x.f.known(kk INT) RETURNS BOOLEAN RETURN EXISTS (SELECT 1 FROM x.f.m m WHERE m.k = kk);
GRANT EXECUTE ON FUNCTION x.f.look TO alice;
GRANT EXECUTE ON FUNCTION x.f.known TO alice";

#[test]
fn execute_on_a_function_gives_nothing_of_what_its_owner_sees() {
    block_on(async {
        let server = ground().await;
        server.prepare(SECRETS).await;
        server.done(ADMIN, "ALTER TABLE x.f.m SET ROW FILTER x.f.adm ON (k)").await;
        server.done("alice", "CREATE TABLE x.own.mine (v STRING, k INT)").await;
        server.done("alice", "INSERT INTO x.own.mine VALUES ('x', 1), ('x', 2), ('x', 3)").await;
        assert!(server.rows("alice", "SELECT * FROM x.f.m").await.is_empty());
        assert_eq!(server.rows("alice", "SELECT x.f.look('', 1)").await, ["NULL"]);
        for attempt in [
            "ALTER TABLE x.own.mine ALTER COLUMN v SET MASK x.f.look USING COLUMNS (k)",
            "ALTER TABLE x.own.mine SET ROW FILTER x.f.known ON (k)",
            "ALTER TABLE x.own.mine SET ROW FILTER x.f.known ON (k) DRY RUN FOR USERS (alice)",
            "ALTER TABLE x.own.mine ALTER COLUMN v SET MASK x.f.look USING COLUMNS (k) DRY RUN",
            "ALTER TABLE x.own.mine ADD COLUMN w STRING MASK x.f.look USING COLUMNS (k)",
            "CREATE TABLE x.own.other (v STRING MASK x.f.look USING COLUMNS (k), k INT)",
            "CREATE TABLE x.own.other (k INT) WITH ROW FILTER x.f.known ON (k)",
            "CREATE VIEW x.own.seen (v MASK x.f.look USING COLUMNS (k), k) AS SELECT '' AS v, CAST(1 AS INT) AS k",
            "CREATE VIEW x.own.seen (k) WITH ROW FILTER x.f.known ON (k) AS SELECT CAST(1 AS INT) AS k",
            "CREATE POLICY p ON TABLE x.own.mine ROW FILTER x.f.known TO alice FOR TABLES USING COLUMNS (1)",
        ] {
            let told = server.refused("alice", attempt).await;
            assert!(told.contains("INSUFFICIENT_PERMISSIONS"), "{attempt}: {told}");
            assert!(told.contains("in the name of another than you"), "{attempt}: {told}");
        }
        // By its owner's will it stands.
        server.done(ADMIN, "ALTER TABLE x.own.mine SET ROW FILTER x.f.known ON (k)").await;
        assert_eq!(server.rows("alice", "SELECT k FROM x.own.mine").await, ["1", "2"]);
        let told = server
            .refused("alice", "ALTER TABLE x.own.mine ALTER COLUMN v SET MASK x.f.look USING COLUMNS (k)")
            .await;
        assert!(told.contains("in the name of another than you"), "{told}");
    });
}

#[test]
fn what_a_policy_reads_comes_under_policies_by_those_alone_who_may_vouch_for_it() {
    block_on(async {
        let server = ground().await;
        server.prepare(SECRETS).await;
        server
            .prepare(
                "CREATE USER dora;
ALTER TABLE x.f.m OWNER TO dora;
ALTER FUNCTION x.f.look OWNER TO dora;
ALTER FUNCTION x.f.adm OWNER TO dora;
GRANT USE CATALOG ON CATALOG x TO dora;
GRANT USE SCHEMA ON SCHEMA x.f TO dora;
GRANT SELECT ON TABLE x.f.m TO dora",
            )
            .await;
        server.done("alice", "CREATE TABLE x.own.mine (v STRING, k INT)").await;
        // Nothing is hidden in it yet: EXECUTE is enough.
        server
            .done("alice", "ALTER TABLE x.own.mine ALTER COLUMN v SET MASK x.f.look USING COLUMNS (k)")
            .await;
        let told = server.refused("dora", "ALTER TABLE x.f.m SET ROW FILTER x.f.adm ON (k)").await;
        assert!(told.contains("which has policies itself") && !told.contains("x.own"), "{told}");
        let told =
            server.refused("dora", "ALTER TABLE x.f.m SET TBLPROPERTIES ('policy.default' = 'deny')").await;
        assert!(told.contains("which has policies itself"), "{told}");
    });
}

#[test]
fn a_group_is_no_definer_of_what_its_members_may_not_see() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "
CREATE GROUP team;
ALTER GROUP team ADD USER alice;
GRANT USE CATALOG ON CATALOG x TO team;
GRANT USE SCHEMA, SELECT ON SCHEMA x.f TO team;
CREATE TABLE x.f.q (k INT, v STRING);
INSERT INTO x.f.q VALUES (1, 'CANARY-Q1');
CREATE FUNCTION x.f.not_alice(k INT) RETURNS BOOLEAN RETURN session_user() <> 'alice';
ALTER TABLE x.f.q SET ROW FILTER x.f.not_alice ON (k)",
            )
            .await;
        server.done("alice", "CREATE FUNCTION x.own.peek(v STRING, kk INT) RETURNS STRING RETURN (SELECT max(q.v) FROM x.f.q q WHERE q.k = kk)").await;
        let view = "CREATE VIEW x.own.seen (v MASK x.own.peek USING COLUMNS (k), k) AS SELECT '' AS v, CAST(1 AS INT) AS k";
        server.done("alice", view).await;
        assert_eq!(server.rows("alice", "SELECT v FROM x.own.seen").await, ["NULL"]);
        let told = server.refused("alice", "ALTER FUNCTION x.own.peek OWNER TO team").await;
        assert!(told.contains("in the name of a group"), "{told}");
        server.done("alice", "DROP VIEW x.own.seen").await;
        server.done("alice", "ALTER FUNCTION x.own.peek OWNER TO team").await;
        server.done("alice", "GRANT EXECUTE ON FUNCTION x.own.peek TO alice").await;
        let told = server.refused("alice", view).await;
        assert!(told.contains("in the name of a group"), "{told}");
    });
}

#[test]
fn a_mask_that_is_tried_reads_nothing_below_a_mask_of_a_wider_scope() {
    block_on(async {
        let server = ground().await;
        server.prepare("ALTER TABLE x.s.t OWNER TO alice").await;
        for (function, guess) in
            [("out", "s"), ("guess", "CASE WHEN s LIKE 'CANARY-1%' THEN 'hit' ELSE s END")]
        {
            let made = format!("CREATE FUNCTION x.own.{function}(s STRING) RETURNS STRING RETURN {guess}");
            server.done("alice", &made).await;
            let dry = format!(
                "ALTER TABLE x.s.t ALTER COLUMN ssn SET MASK x.own.{function} DRY RUN FOR USERS (alice)"
            );
            assert_eq!(
                server.rows("alice", &dry).await,
                ["alice | 2 | 2 | 0 | NULL"],
                "the wider mask stays"
            );
        }
        // Of a column that nothing wider masks it is told how many values would be others.
        server
            .done("alice", "CREATE FUNCTION x.own.some(s STRING) RETURNS STRING RETURN CASE WHEN s = 'n1' THEN '*' ELSE s END")
            .await;
        let dry = "ALTER TABLE x.s.t ALTER COLUMN note SET MASK x.own.some DRY RUN FOR USERS (alice)";
        assert_eq!(server.rows("alice", dry).await, ["alice | 2 | 2 | 1 | NULL"]);
        server.done("alice", "ALTER TABLE x.s.t ALTER COLUMN note SET MASK x.own.some").await;
        assert_eq!(server.rows("alice", dry).await, ["alice | 2 | 2 | 0 | NULL"], "it is set already");
    });
}

#[test]
fn what_policies_come_to_for_others_is_not_told_by_way_of_a_view() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "CREATE GROUP secret_group;
ALTER GROUP secret_group ADD USER bob;
GRANT USE CATALOG ON CATALOG x TO bob;
GRANT USE SCHEMA ON SCHEMA x.own TO bob;
CREATE FUNCTION x.f.few(r STRING) RETURNS BOOLEAN RETURN is_account_group_member('secret_group') OR r = 'north';
ALTER TABLE x.s.t SET ROW FILTER x.f.few ON (region)",
            )
            .await;
        let told = server.refused("alice", "EXPLAIN POLICY FOR TABLE x.s.t AS USER bob").await;
        assert!(told.contains("INSUFFICIENT_PERMISSIONS"), "{told}");
        server.done("alice", "CREATE VIEW x.own.v AS SELECT * FROM x.s.t").await;
        server.done("alice", "GRANT SELECT ON VIEW x.own.v TO bob").await;
        let rows = server.rows("alice", "EXPLAIN POLICY FOR TABLE x.own.v AS USER bob").await;
        assert!(
            rows.iter().all(|row| !row.contains("secret_group") && !row.contains("keeps all")),
            "{rows:?}"
        );
        assert!(rows.iter().any(|row| row.contains("what you may not look into")), "{rows:?}");
        let own = server.rows("alice", "EXPLAIN POLICY FOR TABLE x.own.v").await;
        assert!(own.iter().any(|row| row.contains("x.f.few")), "of herself it is told: {own:?}");
    });
}

#[test]
fn a_dry_run_counts_for_others_only_for_those_who_could_lift_every_policy() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "
ALTER TABLE x.s.t ALTER COLUMN region SET TAGS ('regional');
CREATE FUNCTION x.s.north(r STRING) RETURNS BOOLEAN RETURN r = 'north';
CREATE POLICY rows ON SCHEMA x.s ROW FILTER x.s.north TO alice FOR TABLES MATCH COLUMNS has_tag('regional') AS r USING COLUMNS (r) ON NO MATCH SKIP;
GRANT USE CATALOG ON CATALOG x TO bob;
GRANT USE SCHEMA, SELECT ON SCHEMA x.s TO bob;
ALTER TABLE x.s.t OWNER TO alice",
            )
            .await;
        server
            .done("alice", "CREATE FUNCTION x.own.guess(s STRING) RETURNS BOOLEAN RETURN s LIKE 'n2%'")
            .await;
        let dry = "ALTER TABLE x.s.t SET ROW FILTER x.own.guess ON (note) DRY RUN";
        let told = server.refused("alice", &format!("{dry} FOR USERS (bob)")).await;
        assert!(told.contains("INSUFFICIENT_PERMISSIONS"), "{told}");
        assert_eq!(server.rows("alice", dry).await, ["alice | 1 | 0 | -1 | NULL"], "her own rows");
        let told = server.rows("alice", "EXPLAIN POLICY FOR TABLE x.s.t AS USER bob").await;
        assert!(told.iter().all(|row| !row.contains(" | 2 | ")), "{told:?}");
        assert!(
            server
                .rows(
                    ADMIN,
                    &format!("{dry} FOR USERS (bob)")
                        .replace("x.own.guess", "x.s.north")
                        .replace("(note)", "(region)")
                )
                .await
                .contains(&"bob | 2 | 1 | -1 | NULL".to_owned())
        );
        // Without a policy that is not hers she may.
        server.done(ADMIN, "DROP POLICY rows ON SCHEMA x.s").await;
        server.done(ADMIN, "DROP POLICY hide ON SCHEMA x.s").await;
        assert_eq!(
            server.rows("alice", &format!("{dry} FOR USERS (bob)")).await,
            ["bob | 2 | 1 | -1 | NULL"]
        );
    });
}

#[test]
fn what_a_container_closes_the_owner_of_a_table_does_not_open() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "
CREATE TABLE x.f.closed (k INT);
INSERT INTO x.f.closed VALUES (1);
ALTER SCHEMA x.f SET DBPROPERTIES ('policy.default' = 'deny');
ALTER TABLE x.f.closed OWNER TO alice",
            )
            .await;
        assert!(server.rows("alice", "SELECT k FROM x.f.closed").await.is_empty());
        server.done("alice", "ALTER TABLE x.f.closed SET TBLPROPERTIES ('policy.default' = 'allow')").await;
        assert!(server.rows("alice", "SELECT k FROM x.f.closed").await.is_empty());
        server.done(ADMIN, "ALTER SCHEMA x.f SET DBPROPERTIES ('policy.default' = 'allow')").await;
        assert_eq!(server.rows("alice", "SELECT k FROM x.f.closed").await, ["1"]);
    });
}

#[test]
fn policy_decisions_count_nothing_for_the_owner_of_a_table_alone() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "
ALTER TABLE x.s.t ALTER COLUMN region SET TAGS ('regional');
CREATE FUNCTION x.s.north(r STRING) RETURNS BOOLEAN RETURN r = 'north';
CREATE POLICY rows ON SCHEMA x.s ROW FILTER x.s.north TO alice FOR TABLES MATCH COLUMNS has_tag('regional') AS r USING COLUMNS (r) ON NO MATCH SKIP;
GRANT USE CATALOG ON CATALOG x TO bob;
GRANT USE SCHEMA, SELECT ON SCHEMA x.s TO bob;
ALTER TABLE x.s.t OWNER TO alice",
            )
            .await;
        server.rows("alice", "SELECT note FROM x.s.t").await;
        server.rows("bob", "SELECT note FROM x.s.t").await;
        let read = "SELECT DISTINCT principal, rows_in FROM system.access.policy_decisions ORDER BY 1";
        assert_eq!(server.rows("alice", read).await, ["alice | NULL"]);
        assert_eq!(server.rows(ADMIN, read).await, ["alice | 2", "bob | 2"]);
    });
}
