//! PRIMARY KEY: taken, shown wherever tools look for it and to nobody who may not know the table, and informing only.

use arrow_flight::sql::CommandGetPrimaryKeys;
use weir_testkit::{ADMIN, TestServer, block_on};

const GROUND: &str = "
CREATE SCHEMA main.k;
CREATE TABLE main.k.orders (id INT, Line INT COMMENT 'of the order', item VARCHAR(20), CONSTRAINT `the key` PRIMARY KEY (line, ID) NOT ENFORCED) TBLPROPERTIES ('delta.columnMapping.mode' = 'name');
CREATE TABLE main.k.people (name STRING PRIMARY KEY, born DATE);
CREATE TABLE main.k.plain (a INT);
GRANT USE CATALOG ON CATALOG main TO alice, bob;
GRANT USE SCHEMA ON SCHEMA main.k TO alice, bob;
GRANT SELECT ON TABLE main.k.orders TO alice
";

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    for statement in GROUND.split(";\n").map(str::trim) {
        match statement.strip_suffix("alice, bob") {
            Some(grant) => {
                for user in ["alice", "bob"] {
                    server.done(ADMIN, &format!("{grant}{user}")).await;
                }
            }
            None => server.prepare(statement).await,
        }
    }
    server
}

async fn keys(server: &TestServer, user: &str, schema: Option<&str>, table: &str) -> Vec<String> {
    let command = CommandGetPrimaryKeys {
        catalog: Some("main".to_owned()),
        db_schema: schema.map(str::to_owned),
        table: table.to_owned(),
    };
    server.client(user).ask(&command).await.unwrap().lines()
}

#[test]
fn a_key_informs_and_keeps_null_out_of_its_columns() {
    block_on(async {
        let server = ground().await;
        server.done(ADMIN, "INSERT INTO main.k.orders VALUES (1, 1, 'a'), (1, 1, 'b')").await;
        assert_eq!(server.rows(ADMIN, "SELECT count(*) FROM main.k.orders").await, ["2"]);
        for statement in [
            "INSERT INTO main.k.orders VALUES (NULL, 1, 'c')",
            "UPDATE main.k.orders SET line = NULL",
            "INSERT INTO main.k.people (born) VALUES (DATE '2000-01-01')",
        ] {
            let told = server.client(ADMIN).update(statement).await.expect_err(statement).text;
            assert!(told.starts_with("[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES]"), "{statement}: {told}");
        }
        for (columns, condition) in [
            ("a INT, PRIMARY KEY (b)", "[UNRESOLVED_COLUMN]"),
            ("a INT, PRIMARY KEY (a, A)", "[COLUMN_ALREADY_EXISTS]"),
            ("a INT PRIMARY KEY, b INT PRIMARY KEY", "[INVALID_STATEMENT]"),
            ("a INT, PRIMARY KEY ()", "[PARSE_SYNTAX_ERROR]"),
        ] {
            let told = server.refused(ADMIN, &format!("CREATE TABLE main.k.no ({columns})")).await;
            assert!(told.starts_with(condition), "{columns}: {told}");
        }
    });
}

#[test]
fn a_key_is_shown_wherever_tools_look() {
    block_on(async {
        let server = ground().await;
        let key = ["main | k | orders | Line | 1 | the key", "main | k | orders | id | 2 | the key"];
        for schema in [Some("k"), None] {
            assert_eq!(keys(&server, "alice", schema, "orders").await, key);
        }
        assert_eq!(
            keys(&server, ADMIN, Some("k"), "people").await,
            ["main | k | people | name | 1 | people_pk"]
        );
        for (schema, table) in [(Some("default"), "orders"), (Some("k"), "plain"), (Some("k"), "nothing")] {
            assert_eq!(keys(&server, ADMIN, schema, table).await, Vec::<String>::new());
        }
        let schema = "main.information_schema";
        for (sql, rows) in [
            (
                "SELECT constraint_name, table_name, constraint_type, enforced FROM SCHEMA.table_constraints",
                vec!["people_pk | people | PRIMARY KEY | NO", "the key | orders | PRIMARY KEY | NO"],
            ),
            (
                "SELECT constraint_schema, column_name, ordinal_position FROM SCHEMA.key_column_usage WHERE table_name = 'orders'",
                vec!["k | Line | 1", "k | id | 2"],
            ),
            (
                "SELECT column_name FROM SCHEMA.constraint_column_usage WHERE constraint_name = 'the key'",
                vec!["Line", "id"],
            ),
            ("SELECT table_name FROM SCHEMA.constraint_table_usage", vec!["orders", "people"]),
            (
                "SELECT column_name, is_nullable FROM SCHEMA.columns WHERE table_name = 'people'",
                vec!["born | YES", "name | NO"],
            ),
        ] {
            assert_eq!(server.rows(ADMIN, &sql.replace("SCHEMA", schema)).await, rows, "{sql}");
        }
        let described = server.rows("alice", "DESCRIBE TABLE EXTENDED main.k.orders").await;
        assert!(
            described.contains(&"the key | PRIMARY KEY (Line, id) NOT ENFORCED | ".to_owned()),
            "{described:?}"
        );
        let json = server.rows("alice", "DESCRIBE TABLE EXTENDED main.k.orders AS JSON").await.remove(0);
        assert!(json.contains(r#""columns":["Line","id"]"#), "{json}");
        let text = server.rows(ADMIN, "SHOW CREATE TABLE main.k.orders").await.remove(0);
        assert!(text.contains("CONSTRAINT `the key` PRIMARY KEY (Line, id) NOT ENFORCED"), "{text}");
        server.done(ADMIN, &text.replace("k.orders", "k.copied")).await;
        let copied = server.rows(ADMIN, "SHOW CREATE TABLE main.k.copied").await.remove(0);
        assert_eq!(copied, text.replace("k.orders", "k.copied"));
    });
}

#[test]
fn who_may_not_know_the_table_learns_of_no_key() {
    block_on(async {
        let server = ground().await;
        assert_eq!(keys(&server, "alice", Some("k"), "orders").await.len(), 2);
        assert_eq!(
            keys(&server, "bob", Some("k"), "orders").await,
            keys(&server, "bob", Some("k"), "nothing").await
        );
        assert_eq!(keys(&server, "alice", Some("k"), "people").await, Vec::<String>::new());
        for (user, rows) in [("alice", 2), ("bob", 0)] {
            for view in ["key_column_usage", "constraint_column_usage"] {
                let sql = format!("SELECT * FROM main.information_schema.{view}");
                assert_eq!(server.rows(user, &sql).await.len(), rows, "{user} {view}");
            }
            let sql = "SELECT * FROM main.information_schema.table_constraints";
            assert_eq!(server.rows(user, sql).await.len(), rows / 2, "{user}");
        }
    });
}

#[test]
fn a_key_goes_with_its_columns() {
    block_on(async {
        let server = ground().await;
        let told = server.refused(ADMIN, "ALTER TABLE main.k.orders DROP COLUMN id").await;
        assert!(told.starts_with("[DEPENDENT_OBJECTS_STILL_EXIST]") && told.contains("the key"), "{told}");
        server.done(ADMIN, "ALTER TABLE main.k.orders DROP COLUMN item").await;
        server.done(ADMIN, "ALTER TABLE main.k.orders RENAME COLUMN id TO number").await;
        let before = keys(&server, ADMIN, Some("k"), "orders").await;
        assert_eq!(
            before,
            ["main | k | orders | Line | 1 | the key", "main | k | orders | number | 2 | the key"]
        );
        let server = TestServer::start_in(server.stop().await, weir_testkit::Setup::default()).await;
        assert_eq!(keys(&server, ADMIN, Some("k"), "orders").await, before);
        server.done(ADMIN, "CREATE OR REPLACE TABLE main.k.orders (id INT PRIMARY KEY)").await;
        assert_eq!(
            keys(&server, ADMIN, Some("k"), "orders").await,
            ["main | k | orders | id | 1 | orders_pk"]
        );
        server.done(ADMIN, "CREATE OR REPLACE TABLE main.k.orders AS SELECT 1 AS id").await;
        assert_eq!(keys(&server, ADMIN, Some("k"), "orders").await, Vec::<String>::new());
    });
}
