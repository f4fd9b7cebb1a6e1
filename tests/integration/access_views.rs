//! The views of `system.access`: rights from every source, requests, columns that nothing masks; each
//! reader is told of what they may know of and of nothing else.

use weir_testkit::{ADMIN, TestServer, block_on};

const GROUND: &str = "
CREATE SCHEMA main.hr;
CREATE TABLE main.hr.people (id INT, name STRING, ssn STRING, mail STRING);
CREATE TABLE main.hr.leavers (id INT, ssn STRING);
CREATE TABLE main.hr.hidden_plans (id INT);
CREATE FUNCTION main.hr.hide(value STRING) RETURNS STRING RETURN 'x';
CREATE GOVERNED TAG pii VALUES ('ssn', 'mail');
ALTER TABLE main.hr.people ALTER COLUMN ssn SET TAGS ('pii' = 'ssn');
ALTER TABLE main.hr.people ALTER COLUMN mail SET TAGS ('pii' = 'mail');
CREATE POLICY hide_ssn ON SCHEMA main.hr COLUMN MASK main.hr.hide TO `account users` FOR TABLES
  MATCH COLUMNS has_tag_value('pii', 'ssn') AS c ON COLUMN c;
GRANT USE CATALOG ON CATALOG main TO hr;
GRANT USE SCHEMA ON SCHEMA main.hr TO hr;
GRANT SELECT ON TABLE main.hr.people TO hr;
GRANT SELECT ON TABLE main.hr.people TO bob;
GRANT USE CATALOG ON CATALOG main TO carol;
GRANT USE SCHEMA, SELECT ON SCHEMA main.hr TO carol;
DENY SELECT ON TABLE main.hr.people TO carol";

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    server
}

#[test]
fn privileges_stand_with_their_source_and_whether_they_are_of_use() {
    block_on(async {
        let server = ground().await;
        let read = "SELECT grantee, privilege_type, source, inherited_from_type AS f, inherited_from_name AS n, is_effective AS e \
                    FROM system.access.effective_privileges WHERE securable_name = 'main.hr.people' ORDER BY 1, 2, 3, 4";
        let mut told = server.rows(ADMIN, read).await;
        told.retain(|row| !row.contains("USE_"));
        assert_eq!(
            told,
            [
                "admin | ALL_PRIVILEGES | OWNERSHIP | NULL | NULL | YES",
                "admin | MANAGE | OWNERSHIP | CATALOG | main | YES",
                "admin | MANAGE | OWNERSHIP | SCHEMA | main.hr | YES",
                "bob | SELECT | GRANT | NULL | NULL | NO",
                "carol | SELECT | DENY | NULL | NULL | YES",
                "carol | SELECT | GRANT | SCHEMA | main.hr | NO",
                "hr | SELECT | GRANT | NULL | NULL | YES",
            ]
        );
        let theirs = server.rows("carol", read).await;
        assert_eq!(
            theirs,
            [
                "carol | SELECT | DENY | NULL | NULL | YES",
                "carol | SELECT | GRANT | SCHEMA | main.hr | NO",
                "hr | SELECT | GRANT | NULL | NULL | YES",
            ],
            "her own and her group's"
        );
        let names = "SELECT DISTINCT securable_name AS s FROM system.access.effective_privileges";
        let seen = server.rows("bob", names).await;
        assert_eq!(seen, ["main.hr.people"], "bob sees nothing but what is his");
        let rank = "SELECT DISTINCT grantee FROM system.access.effective_privileges WHERE source = 'RANK'";
        assert_eq!(server.rows(ADMIN, rank).await, ["admin"]);
        assert!(server.rows("bob", rank).await.is_empty());
        let narrowed = "SELECT count(*) > 0 AS c FROM system.access.effective_privileges \
                        WHERE catalog_name = 'main' AND schema_name = 'hr' AND object_name = 'people' AND grantee = 'hr'";
        assert_eq!(server.rows(ADMIN, narrowed).await, ["true"]);
    });
}

#[test]
fn requests_are_for_who_asked_and_who_may_grant() {
    block_on(async {
        let server = ground().await;
        server.done(ADMIN, "GRANT BROWSE ON SCHEMA main.hr TO alice").await;
        server.done(ADMIN, "GRANT MANAGE ON SCHEMA main.hr TO carol").await;
        server.rows("alice", "REQUEST ACCESS ON TABLE main.hr.leavers COMMENT 'for the audit'").await;
        let read = "SELECT requested_by, securable_type, securable_name, array_to_string(privileges, ','), comment \
                    FROM system.access.requests";
        let row = "alice | TABLE | table `main.hr.leavers` | SELECT | for the audit";
        for reader in [ADMIN, "alice", "carol"] {
            assert_eq!(server.rows(reader, read).await, [row], "{reader}");
        }
        assert!(server.rows("bob", read).await.is_empty());
    });
}

#[test]
fn columns_that_nothing_masks_are_told_to_those_who_govern_them() {
    block_on(async {
        let server = ground().await;
        let read = "SELECT table_name, column_name, reason, array_to_string(tags, ',') AS t, has_row_filter \
                    FROM system.access.unprotected_columns ORDER BY 1, 2";
        let open = ["leavers | ssn | NAMED_LIKE_MASKED |  | NO", "people | mail | TAGGED | pii=mail | NO"];
        assert_eq!(server.rows(ADMIN, read).await, open);
        for reader in ["alice", "bob", "carol"] {
            assert!(server.rows(reader, read).await.is_empty(), "{reader}");
        }
        server.done(ADMIN, "ALTER TABLE main.hr.people ALTER COLUMN mail SET MASK main.hr.hide").await;
        server.done(ADMIN, "ALTER TABLE main.hr.leavers ALTER COLUMN ssn SET TAGS ('pii' = 'ssn')").await;
        assert!(server.rows(ADMIN, read).await.is_empty());
        server.done(ADMIN, "DROP POLICY hide_ssn ON SCHEMA main.hr").await;
        let open = ["leavers | ssn | TAGGED | pii=ssn | NO", "people | ssn | TAGGED | pii=ssn | NO"];
        assert_eq!(server.rows(ADMIN, read).await, open);
    });
}
