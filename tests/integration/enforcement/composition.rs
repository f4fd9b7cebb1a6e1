//! Several policies over one table, over the real door: permissive and restrictive filters, EXCEPT, tags that are
//! inherited and overridden, `policy.default`, and what holds for tables and members that come later.

use weir_testkit::{TestServer, block_on};

/// Six rows of three regions; `main.hr` is tagged as the domain `hr`. Alice, bob and carol may read everything.
async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE SCHEMA main.hr;
             CREATE TABLE main.hr.t (id INT, region STRING, ssn STRING);
             INSERT INTO main.hr.t VALUES (1, 'north', 'a'), (2, 'north', 'b'), (3, 'south', 'c'), (4, 'south', 'd'), (5, 'west', 'e'), (6, NULL, 'f');
             CREATE GOVERNED TAG geo;
             CREATE GOVERNED TAG pii;
             CREATE GOVERNED TAG domain VALUES ('hr', 'open');
             ALTER CATALOG main SET TAGS ('domain' = 'hr');
             ALTER TABLE main.hr.t ALTER COLUMN region SET TAGS ('geo');
             ALTER TABLE main.hr.t ALTER COLUMN ssn SET TAGS ('pii');
             CREATE FUNCTION main.hr.is(region STRING, wanted STRING) RETURNS BOOLEAN RETURN region = wanted;
             CREATE FUNCTION main.hr.low(id INT, most INT) RETURNS BOOLEAN RETURN id <= most;
             CREATE GROUP north;
             CREATE GROUP south;
             GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO `account users`",
        )
        .await;
    server
}

async fn ids(server: &TestServer, user: &str) -> String {
    server.rows(user, "SELECT id FROM main.hr.t").await.join(" ")
}

/// A filter for the members of a group: rows of the region called like it.
fn of_region(group: &str, scope: &str, composition: &str) -> String {
    format!(
        "CREATE POLICY {group}_rows ON {scope} AS {composition} ROW FILTER main.hr.is TO {group} FOR TABLES MATCH COLUMNS has_tag('geo') r ON NO MATCH SKIP USING COLUMNS (r, '{group}')"
    )
}

#[test]
fn a_member_of_two_groups_sees_what_either_or_what_both_permit() {
    block_on(async {
        let server = ground().await;
        server.prepare(&of_region("north", "CATALOG main", "PERMISSIVE")).await;
        server.prepare(&of_region("south", "SCHEMA main.hr", "PERMISSIVE")).await;
        assert_eq!(ids(&server, "alice").await, "1 2 3 4 5 6", "no policy names her");
        server.prepare("ALTER GROUP north ADD USER alice").await;
        assert_eq!(ids(&server, "alice").await, "1 2");
        server.prepare("ALTER GROUP south ADD USER alice").await;
        assert_eq!(ids(&server, "alice").await, "", "a narrower scope opens nothing that a wider one hides");
        server.prepare("DROP POLICY south_rows ON SCHEMA main.hr").await;
        server.prepare(&of_region("south", "CATALOG main", "PERMISSIVE")).await;
        assert_eq!(ids(&server, "alice").await, "1 2 3 4", "permissive filters of one scope add up");
        // A restrictive one cuts whatever the others let pass, on whatever scope it stands.
        server
            .prepare("CREATE POLICY few ON METASTORE ROW FILTER main.hr.low TO `account users` FOR TABLES WHEN has_tag_value('domain', 'hr') USING COLUMNS (3, 3)")
            .await;
        assert_eq!(ids(&server, "alice").await, "1 2 3 4", "3 <= 3 keeps every row");
        server.prepare("DROP POLICY few ON METASTORE").await;
        server.prepare("ALTER TABLE main.hr.t SET ROW FILTER main.hr.low ON (id, 3)").await;
        assert_eq!(ids(&server, "alice").await, "1 2 3");
        assert_eq!(ids(&server, "bob").await, "1 2 3", "the table's own holds for everybody");
        server.prepare("DROP POLICY north_rows ON CATALOG main").await;
        server.prepare(&of_region("north", "TABLE main.hr.t", "RESTRICTIVE")).await;
        assert_eq!(ids(&server, "alice").await, "", "of the north and of the south is nobody");
        server.prepare("ALTER GROUP south DROP USER alice").await;
        assert_eq!(ids(&server, "alice").await, "1 2");
    });
}

#[test]
fn except_spares_through_groups_and_beats_to() {
    block_on(async {
        let server = ground().await;
        server
            .prepare("CREATE POLICY south_only ON CATALOG main ROW FILTER main.hr.is TO `account users`, carol EXCEPT hr, bob FOR TABLES MATCH COLUMNS has_tag('geo') r ON NO MATCH SKIP USING COLUMNS (r, 'south')")
            .await;
        assert_eq!(ids(&server, "alice").await, "3 4");
        assert_eq!(ids(&server, "bob").await, "1 2 3 4 5 6");
        assert_eq!(ids(&server, "carol").await, "1 2 3 4 5 6", "hr is left out, and carol is of hr");
        assert_eq!(ids(&server, "admin").await, "3 4", "rank spares nobody");
        server.prepare("ALTER GROUP hr DROP USER carol").await;
        assert_eq!(ids(&server, "carol").await, "3 4");
    });
}

#[test]
fn tags_of_catalog_and_schema_hold_for_the_table_until_it_says_otherwise() {
    block_on(async {
        let server = ground().await;
        server
            .prepare("CREATE POLICY hide ON CATALOG main COLUMN MASK system.policy.mask_null TO `account users` FOR TABLES WHEN has_tag_value('domain', 'hr') MATCH COLUMNS has_tag('pii') m ON COLUMN m")
            .await;
        let masked = async || server.rows("alice", "SELECT count(ssn) FROM main.hr.t").await == ["0"];
        assert!(masked().await, "the catalog's tag");
        server.prepare("ALTER SCHEMA main.hr SET TAGS ('domain' = 'open')").await;
        assert!(!masked().await, "the schema's own value wins");
        server.prepare("ALTER TABLE main.hr.t SET TAGS ('domain' = 'hr')").await;
        assert!(masked().await, "the table's own wins over both");
        server
            .prepare(
                "ALTER TABLE main.hr.t UNSET TAGS ('domain');\nALTER SCHEMA main.hr UNSET TAGS ('domain')",
            )
            .await;
        assert!(masked().await);
        // What comes later is protected as soon as its column has the tag, also under a statement prepared before.
        server
            .prepare(
                "CREATE TABLE main.default.later (id INT, ssn STRING, mail STRING);
                 ALTER TABLE main.default.later SET TAGS ('domain' = 'open');
                 INSERT INTO main.default.later VALUES (1, 'raw', 'raw');
                 ALTER TABLE main.default.later UNSET TAGS ('domain');
                 ALTER TABLE main.default.later ALTER COLUMN ssn SET TAGS ('pii')",
            )
            .await;
        assert_eq!(server.rows("alice", "SELECT * FROM main.default.later").await, ["1 | NULL | raw"]);
        let prepared = server.client("alice").prepare("SELECT * FROM main.default.later").await.unwrap();
        server.prepare("ALTER TABLE main.default.later ALTER COLUMN mail SET TAGS ('pii')").await;
        assert_eq!(server.client("alice").run(&prepared.handle).await.unwrap().lines(), ["1 | NULL | NULL"]);
    });
}

#[test]
fn whom_no_filter_names_sees_everything_or_with_the_default_deny_nothing() {
    block_on(async {
        let server = ground().await;
        server.prepare(&of_region("north", "CATALOG main", "PERMISSIVE")).await;
        server.prepare("ALTER GROUP north ADD USER alice").await;
        assert_eq!(ids(&server, "bob").await, "1 2 3 4 5 6");
        server.prepare("ALTER SCHEMA main.hr SET DBPROPERTIES ('policy.default' = 'deny')").await;
        assert_eq!(ids(&server, "alice").await, "1 2");
        for user in ["bob", "carol", "admin"] {
            assert_eq!(ids(&server, user).await, "", "{user}");
            assert_eq!(
                server.rows(user, "SELECT count(*), max(ssn) FROM main.hr.t").await,
                ["0 | NULL"],
                "{user}"
            );
        }
        // A mask that names them is no filter.
        server
            .prepare("CREATE POLICY hide ON CATALOG main COLUMN MASK system.policy.mask_null TO bob FOR TABLES MATCH COLUMNS has_tag('pii') m ON COLUMN m")
            .await;
        assert_eq!(ids(&server, "bob").await, "");
        server.prepare("ALTER GROUP north ADD USER bob").await;
        assert_eq!(ids(&server, "bob").await, "1 2");
    });
}

#[test]
fn owners_below_the_scope_neither_alter_nor_shadow_a_policy() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "CREATE POLICY hide ON METASTORE COLUMN MASK system.policy.mask_null TO `account users` FOR TABLES MATCH COLUMNS has_tag('pii') m ON COLUMN m;
                 CREATE FUNCTION main.default.keep(v STRING) RETURNS STRING RETURN v;
                 GRANT EXECUTE ON FUNCTION main.default.keep TO alice;
                 ALTER SCHEMA main.hr OWNER TO alice;
                 ALTER TABLE main.hr.t OWNER TO alice",
            )
            .await;
        let alice = server.client("alice");
        for sql in [
            "DROP POLICY hide ON METASTORE",
            "CREATE OR REPLACE POLICY hide ON METASTORE COLUMN MASK main.default.keep TO alice FOR TABLES MATCH COLUMNS has_tag('pii') m ON COLUMN m",
            "ALTER TABLE main.hr.t ALTER COLUMN ssn UNSET TAGS ('pii')",
            "ALTER TABLE main.hr.t DROP COLUMN ssn",
        ] {
            let told = alice.update(sql).await.expect_err(sql);
            assert!(told.text.starts_with('['), "{sql}: {told:?}");
        }
        // Her own mask on the same column does not take its place: nobody reads the table until hers is gone.
        let own = "CREATE POLICY mine ON TABLE main.hr.t AS PERMISSIVE COLUMN MASK main.default.keep TO `account users` FOR TABLES MATCH COLUMNS has_tag('pii') m ON COLUMN m";
        if alice.update(own).await.is_ok() {
            match server.sql("bob", "SELECT ssn FROM main.hr.t").await {
                Ok(rows) => assert!(rows.lines().iter().all(|line| line == "NULL"), "{:?}", rows.lines()),
                Err(refusal) => {
                    assert!(refusal.text.starts_with("[COLUMN_MASKS_FEATURE_NOT_SUPPORTED]"), "{refusal:?}")
                }
            }
            alice.update("DROP POLICY mine ON TABLE main.hr.t").await.unwrap();
        }
        assert_eq!(server.rows("bob", "SELECT count(ssn) FROM main.hr.t").await, ["0"]);
    });
}

#[test]
fn a_masked_column_is_an_argument_by_its_raw_value() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "CREATE FUNCTION main.hr.blank(v STRING) RETURNS STRING RETURN '-';
                 CREATE FUNCTION main.hr.of_north(v STRING, region STRING) RETURNS STRING RETURN CASE WHEN region = 'north' THEN v ELSE '*' END;
                 CREATE POLICY rows ON SCHEMA main.hr ROW FILTER main.hr.is TO alice FOR TABLES MATCH COLUMNS has_tag('geo') r ON NO MATCH SKIP USING COLUMNS (r, 'north');
                 CREATE POLICY regions ON SCHEMA main.hr COLUMN MASK main.hr.blank TO alice, bob FOR TABLES MATCH COLUMNS has_tag('geo') r ON COLUMN r;
                 CREATE POLICY numbers ON SCHEMA main.hr COLUMN MASK main.hr.of_north TO alice, bob FOR TABLES MATCH COLUMNS has_tag('pii') m, has_tag('geo') r ON COLUMN m USING COLUMNS (r)",
            )
            .await;
        assert_eq!(server.rows("alice", "SELECT * FROM main.hr.t").await, ["1 | - | a", "2 | - | b"]);
        let bobs = ["1 | - | a", "2 | - | b", "3 | - | *", "4 | - | *", "5 | - | *", "6 | - | *"];
        assert_eq!(server.rows("bob", "SELECT * FROM main.hr.t").await, bobs);
        assert_eq!(
            server.rows("bob", "SELECT ssn FROM main.hr.t WHERE region = 'north'").await,
            Vec::<String>::new()
        );
    });
}
