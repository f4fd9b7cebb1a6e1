//! Two users with places of their own. Schemas of one catalog keep everything but names apart; with a catalog each, neither
//! learns of the other's through any door.

use arrow_flight::sql::{CommandGetDbSchemas, CommandGetPrimaryKeys, CommandGetTables};
use weir_testkit::{ADMIN, TestServer, block_on};

const USERS: [&str; 2] = ["alice", "bob"];

/// What each user makes, below a schema.
async fn fill(server: &TestServer, user: &str, schema: &str) {
    for statement in [
        format!("CREATE SCHEMA {schema}"),
        format!("CREATE TABLE {schema}.zebra_{user} (id INT PRIMARY KEY, zebra_column_{user} VARCHAR(11))"),
        format!("INSERT INTO {schema}.zebra_{user} VALUES (1, 'zebra_{user}')"),
        format!(
            "CREATE VIEW {schema}.zebra_view_{user} AS SELECT id AS zebra_text_{user} FROM {schema}.zebra_{user}"
        ),
    ] {
        server.done(user, &statement).await;
    }
}

async fn a_schema_each() -> TestServer {
    let server = TestServer::start().await;
    server.done(ADMIN, "CREATE CATALOG scratch").await;
    server.done(ADMIN, "GRANT USE CATALOG, CREATE SCHEMA ON CATALOG scratch TO `account users`").await;
    for user in USERS {
        fill(&server, user, &format!("scratch.of_{user}")).await;
    }
    server
}

async fn a_catalog_each() -> TestServer {
    let server = TestServer::start().await;
    for user in USERS {
        server.done(ADMIN, &format!("CREATE CATALOG of_{user}")).await;
        server.done(ADMIN, &format!("ALTER CATALOG of_{user} OWNER TO {user}")).await;
        fill(&server, user, &format!("of_{user}.work")).await;
    }
    server
}

/// What lists tell a user of columns, keys, texts and statements.
async fn contents(server: &TestServer, user: &str) -> String {
    let mut told = Vec::new();
    for sql in [
        "SELECT * FROM system.information_schema.columns WHERE table_catalog <> 'system' AND table_schema <> 'information_schema'",
        "SELECT * FROM system.information_schema.key_column_usage",
        "SELECT view_definition FROM system.information_schema.views",
        "SELECT statement_text FROM system.query.history",
    ] {
        told.extend(server.rows(user, sql).await);
    }
    for other in USERS {
        let keys =
            CommandGetPrimaryKeys { table: format!("zebra_{other}"), ..CommandGetPrimaryKeys::default() };
        told.extend(server.client(user).ask(&keys).await.unwrap().lines());
    }
    told.join("\n")
}

/// What lists tell a user of what there is.
async fn names(server: &TestServer, user: &str) -> String {
    let mut told = Vec::new();
    for sql in [
        "SHOW CATALOGS",
        "SELECT * FROM system.information_schema.catalogs",
        "SELECT * FROM system.information_schema.schemata",
        "SELECT * FROM system.information_schema.tables",
        "SELECT * FROM system.information_schema.catalog_privileges",
        "SELECT * FROM system.information_schema.schema_privileges",
        "SELECT * FROM system.information_schema.table_privileges",
    ] {
        told.extend(server.rows(user, sql).await);
    }
    let client = server.client(user);
    let tables = CommandGetTables { include_schema: true, ..CommandGetTables::default() };
    told.extend(client.ask(&tables).await.unwrap().lines());
    told.extend(client.ask(&CommandGetDbSchemas::default()).await.unwrap().lines());
    told.join("\n")
}

#[test]
fn with_a_catalog_each_lists_tell_of_ones_own_alone() {
    block_on(async {
        let server = a_catalog_each().await;
        for (user, other) in [("alice", "bob"), ("bob", "alice")] {
            let told = [names(&server, user).await, contents(&server, user).await].join("\n");
            for own in [format!("of_{user}"), format!("zebra_{user}"), format!("zebra_column_{user}")] {
                assert!(told.contains(&own), "{user} is not told of {own}:\n{told}");
            }
            for hidden in [format!("of_{other}"), format!("zebra_{other}"), format!("zebra_column_{other}")] {
                assert!(!told.contains(&hidden), "{user} is told of {hidden}:\n{told}");
            }
        }
    });
}

#[test]
fn with_a_catalog_each_anothers_is_not_found_whatever_is_asked() {
    block_on(async {
        let server = a_catalog_each().await;
        for statement in [
            "SELECT * FROM NAME.work.zebra_bob",
            "INSERT INTO NAME.work.zebra_bob VALUES (2, 'x')",
            "UPDATE NAME.work.zebra_bob SET id = 2",
            "DELETE FROM NAME.work.zebra_bob",
            "DROP TABLE NAME.work.zebra_bob",
            "ALTER TABLE NAME.work.zebra_bob ADD COLUMN x INT",
            "DESCRIBE NAME.work.zebra_bob",
            "SHOW CREATE TABLE NAME.work.zebra_bob",
            "GRANT SELECT ON TABLE NAME.work.zebra_bob TO alice",
            "CREATE TABLE of_alice.work.copied AS SELECT * FROM NAME.work.zebra_bob",
            "CREATE TABLE NAME.work.mine (id INT)",
            "CREATE SCHEMA NAME.mine",
            "SHOW TABLES IN NAME.work",
            "DROP SCHEMA NAME.work CASCADE",
            "DROP CATALOG NAME CASCADE",
        ] {
            let there = server.refused("alice", &statement.replace("NAME", "of_bob")).await;
            let missing = server.refused("alice", &statement.replace("NAME", "missing")).await;
            assert_eq!(there.replace("of_bob", "missing"), missing, "{statement}");
        }
        assert_eq!(server.rows("bob", "SELECT * FROM of_bob.work.zebra_bob").await, ["1 | zebra_bob"]);
    });
}

#[test]
fn with_a_schema_each_names_are_told_and_nothing_else() {
    block_on(async {
        let server = a_schema_each().await;
        for (user, other) in [("alice", "bob"), ("bob", "alice")] {
            assert!(names(&server, user).await.contains(&format!("zebra_{other}")));
            let told = contents(&server, user).await;
            assert!(told.contains(&format!("zebra_column_{user}")), "{told}");
            for hidden in
                [format!("zebra_{other}"), format!("zebra_column_{other}"), format!("zebra_text_{other}")]
            {
                assert!(!told.contains(&hidden), "{user} is told of {hidden}:\n{told}");
            }
            for statement in [
                "SELECT count(*) FROM scratch.of_NAME.zebra_NAME",
                "SELECT count(*) FROM scratch.of_NAME.zebra_view_NAME",
                "INSERT INTO scratch.of_NAME.zebra_NAME VALUES (2, 'x')",
                "DELETE FROM scratch.of_NAME.zebra_NAME",
                "DROP TABLE scratch.of_NAME.zebra_NAME",
                "DESCRIBE scratch.of_NAME.zebra_NAME",
                "SHOW CREATE TABLE scratch.of_NAME.zebra_NAME",
                "CREATE TABLE scratch.of_NAME.mine (id INT)",
                "DROP SCHEMA scratch.of_NAME CASCADE",
            ] {
                let told = server.refused(user, &statement.replace("NAME", other)).await;
                assert!(told.starts_with("[INSUFFICIENT_PERMISSIONS]"), "{user}: {statement}: {told}");
                assert!(!told.contains("zebra_column"), "{told}");
            }
            let own = format!("SELECT count(*) FROM scratch.of_{user}.zebra_{user}");
            assert_eq!(server.rows(user, &own).await, ["1"]);
        }
    });
}

#[test]
fn an_owner_and_an_administrator_take_a_schema_away_with_all_in_it() {
    block_on(async {
        let server = a_schema_each().await;
        server.done("alice", "DROP SCHEMA scratch.of_alice CASCADE").await;
        server.done(ADMIN, "DROP SCHEMA scratch.of_bob CASCADE").await;
        for user in USERS {
            assert!(!names(&server, user).await.contains("zebra"));
            server.done(user, &format!("CREATE SCHEMA scratch.of_{user}")).await;
        }
    });
}
