//! Who may do what, as statements: each kind of principal tries each action over the real door. The answers
//! are a table that anybody can read, compared with the golden file.
//!
//! Built with `WEIR_UPDATE_GOLDEN=1` the test rewrites the file; each changed cell is a changed right. How to
//! add an action: a line in [`ACTIONS`]; a kind of principal: a line in [`PRINCIPALS`].

use std::fmt::Write as _;
use std::path::Path;

use weir_testkit::{ADMIN, TestServer, block_on};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/actions.md");

const HEAD: &str = "\
# Who may do what

Each line is somebody who is or was given what the name says, and nothing else; each column an action, tried as
a statement over Flight SQL. **yes**: done. no: refused, with the missing privileges named. –: not found, as if
the thing did not exist.
";

/// A kind of principal: its name in the table, its user, and the statements that make it. `TABLE` stands for
/// each table it is about.
const PRINCIPALS: &[(&str, &str, &[&str])] = &[
    ("a stranger", "stranger", &[]),
    ("BROWSE on the catalog", "browser", &["GRANT BROWSE ON CATALOG shop TO browser"]),
    ("SELECT, without USE", "selecter", &["GRANT SELECT ON TABLE TABLE TO selecter"]),
    ("reader", "reader", &["GRANT SELECT ON TABLE TABLE TO reader", USE_READER]),
    (
        "reader through nested groups",
        "nested",
        &[
            "GRANT SELECT ON TABLE TABLE TO outer_group",
            "GRANT USE CATALOG, USE SCHEMA ON CATALOG shop TO outer_group",
        ],
    ),
    (
        "reader whose group is denied SELECT",
        "denied",
        &[
            "GRANT SELECT ON TABLE TABLE TO denied",
            "GRANT USE CATALOG, USE SCHEMA ON CATALOG shop TO denied",
            "DENY SELECT ON SCHEMA shop.sales TO denied_group",
        ],
    ),
    (
        "writer (SELECT, MODIFY)",
        "writer",
        &[
            "GRANT SELECT, MODIFY ON TABLE TABLE TO writer",
            "GRANT USE CATALOG, USE SCHEMA ON CATALOG shop TO writer",
        ],
    ),
    (
        "appender (INSERT)",
        "appender",
        &[
            "GRANT INSERT ON TABLE TABLE TO appender",
            "GRANT USE CATALOG, USE SCHEMA ON CATALOG shop TO appender",
        ],
    ),
    (
        "tag applier (APPLY TAG)",
        "tagger",
        &[
            "GRANT APPLY TAG ON TABLE TABLE TO tagger",
            "GRANT USE CATALOG, USE SCHEMA ON CATALOG shop TO tagger",
        ],
    ),
    (
        "MANAGE on the table",
        "manager",
        &[
            "GRANT MANAGE ON TABLE TABLE TO manager",
            "GRANT USE CATALOG, USE SCHEMA ON CATALOG shop TO manager",
        ],
    ),
    (
        "MANAGE ACCESS CONTROL on the table",
        "granter",
        &[
            "GRANT MANAGE ACCESS CONTROL ON TABLE TABLE TO granter",
            "GRANT USE CATALOG, USE SCHEMA ON CATALOG shop TO granter",
        ],
    ),
    ("ALL PRIVILEGES on the catalog", "everything", &["GRANT ALL PRIVILEGES ON CATALOG shop TO everything"]),
    (
        "owner of the table",
        "owner",
        &["ALTER TABLE TABLE OWNER TO owner", "GRANT USE CATALOG, USE SCHEMA ON CATALOG shop TO owner"],
    ),
    ("owner of the schema", "schema_owner", &["ALTER SCHEMA shop.sales OWNER TO schema_owner"]),
    ("owner of the catalog", "catalog_owner", &["ALTER CATALOG shop OWNER TO catalog_owner"]),
    ("metastore admin, by a group", "metastore_admin", &[]),
    ("account admin", ADMIN, &[]),
];

const USE_READER: &str = "GRANT USE CATALOG, USE SCHEMA ON CATALOG shop TO reader";

/// An action: its name in the table, the statement, and the administrator's way back.
struct Action {
    name: &'static str,
    statement: &'static str,
    /// After success only; none where nothing remains or the table is one for each principal.
    undo: Option<&'static str>,
}

const fn action(name: &'static str, statement: &'static str, undo: Option<&'static str>) -> Action {
    Action { name, statement, undo }
}

const ACTIONS: &[Action] = &[
    action("read its rows", "SELECT count(*) FROM TABLE", None),
    action("add rows", "INSERT INTO TABLE VALUES (9, 'x')", None),
    action("see its columns", "DESCRIBE TABLE TABLE", None),
    action("see its policies", "SHOW CREATE TABLE TABLE", None),
    action(
        "grant on it",
        "GRANT SELECT ON TABLE TABLE TO somebody",
        Some("REVOKE SELECT ON TABLE TABLE FROM somebody"),
    ),
    action(
        "deny on it",
        "DENY SELECT ON TABLE TABLE TO somebody",
        Some("REVOKE DENY SELECT ON TABLE TABLE FROM somebody"),
    ),
    action(
        "set a row filter",
        "ALTER TABLE TABLE SET ROW FILTER lib.open.keep ON (id)",
        Some("ALTER TABLE TABLE DROP ROW FILTER"),
    ),
    action(
        "set a mask",
        "ALTER TABLE TABLE ALTER COLUMN name SET MASK lib.open.hide",
        Some("ALTER TABLE TABLE ALTER COLUMN name DROP MASK"),
    ),
    action(
        "set a tag",
        "ALTER TABLE TABLE SET TAGS ('team' = 'a')",
        Some("ALTER TABLE TABLE UNSET TAGS ('team')"),
    ),
    action(
        "set a governed tag",
        "ALTER TABLE TABLE ALTER COLUMN name SET TAGS ('pii' = 'name')",
        Some("ALTER TABLE TABLE ALTER COLUMN name UNSET TAGS ('pii')"),
    ),
    action(
        "make a tag policy on it",
        "CREATE POLICY p ON TABLE TABLE ROW FILTER lib.open.always TO `account users` FOR TABLES ON NO MATCH SKIP",
        Some("DROP POLICY p ON TABLE TABLE"),
    ),
    action(
        "make a tag policy on the catalog",
        "CREATE POLICY p ON CATALOG shop ROW FILTER lib.open.always TO somebody FOR TABLES ON NO MATCH SKIP",
        Some("DROP POLICY p ON CATALOG shop"),
    ),
    action("give it away", "ALTER TABLE TABLE OWNER TO somebody", Some("ALTER TABLE TABLE OWNER TO FORMER")),
    action("drop it", "DROP TABLE SPARE", None),
    action(
        "make a table beside it",
        "CREATE TABLE shop.sales.made (id INT)",
        Some("DROP TABLE shop.sales.made"),
    ),
    action(
        "make a function beside it",
        "CREATE FUNCTION shop.sales.made() RETURN 1",
        Some("DROP FUNCTION shop.sales.made"),
    ),
    action("make a schema", "CREATE SCHEMA shop.made", Some("DROP SCHEMA shop.made")),
    action("make a catalog", "CREATE CATALOG made", Some("DROP CATALOG made CASCADE")),
    action("make a user", "CREATE USER made", Some("DROP USER made")),
    action("read as another user", "EXECUTE AS USER somebody SELECT 1", None),
];

/// The tables each principal's rights are about: one for the actions, one to be dropped.
fn table(user: &str) -> String {
    format!("shop.sales.of_{user}")
}

fn spare(user: &str) -> String {
    format!("shop.sales.spare_{user}")
}

async fn prepare(server: &TestServer) {
    server
        .prepare(
            "CREATE CATALOG shop;\n\
             CREATE SCHEMA shop.sales;\n\
             CREATE CATALOG lib;\n\
             CREATE SCHEMA lib.open;\n\
             CREATE FUNCTION lib.open.keep(id INT) RETURNS BOOLEAN RETURN id > 0;\n\
             CREATE FUNCTION lib.open.always() RETURNS BOOLEAN RETURN TRUE;\n\
             CREATE FUNCTION lib.open.hide(name STRING) RETURNS STRING RETURN '?';\n\
             GRANT USE CATALOG, USE SCHEMA, EXECUTE ON CATALOG lib TO `account users`;\n\
             CREATE GOVERNED TAG pii VALUES ('name', 'ssn');\n\
             CREATE USER somebody;\n\
             CREATE GROUP outer_group;\n\
             CREATE GROUP inner_group;\n\
             ALTER GROUP outer_group ADD GROUP inner_group;\n\
             CREATE GROUP denied_group;\n\
             CREATE GROUP metastore_admins;\n\
             ALTER METASTORE OWNER TO metastore_admins",
        )
        .await;
    for (_, user, _) in PRINCIPALS {
        if *user != ADMIN {
            server.done(ADMIN, &format!("CREATE USER {user}")).await;
        }
        for name in [table(user), spare(user)] {
            server.done(ADMIN, &format!("CREATE TABLE {name} (id INT, name STRING)")).await;
            // The account admin owns what it makes; rank alone is to be seen.
            server.done(ADMIN, &format!("ALTER TABLE {name} OWNER TO somebody")).await;
        }
    }
    server
        .prepare(
            "ALTER GROUP inner_group ADD USER nested;\n\
             ALTER GROUP denied_group ADD USER denied;\n\
             ALTER GROUP metastore_admins ADD USER metastore_admin",
        )
        .await;
}

/// The rights of one principal; those on containers are taken away again by [`leave`].
async fn enter(server: &TestServer, user: &str, rights: &[&str]) {
    for name in [table(user), spare(user)] {
        for right in rights {
            server.done(ADMIN, &right.replace("TABLE TABLE", &format!("TABLE {name}"))).await;
        }
    }
}

/// Hands containers back to nobody who asks.
async fn leave(server: &TestServer) {
    server.done(ADMIN, "ALTER SCHEMA shop.sales OWNER TO somebody").await;
    server.done(ADMIN, "ALTER CATALOG shop OWNER TO somebody").await;
}

async fn attempt(server: &TestServer, user: &str, action: &Action) -> &'static str {
    let former = if user == "owner" { "owner" } else { "somebody" };
    let written = |text: &str| {
        let text = text.replace("FROM TABLE", &format!("FROM {}", table(user)));
        let text = text.replace("INTO TABLE", &format!("INTO {}", table(user)));
        let text = text.replace("TABLE TABLE", &format!("TABLE {}", table(user)));
        text.replace("SPARE", &spare(user)).replace("FORMER", former)
    };
    match server.sql(user, &written(action.statement)).await {
        Ok(_) => {
            if let Some(undo) = action.undo {
                // who did it may undo it, unless it was given away
                if server.sql(user, &written(undo)).await.is_err() {
                    server.done(ADMIN, &written(undo)).await;
                }
            }
            "**yes**"
        }
        Err(refusal) if refusal.text.starts_with("[INSUFFICIENT_PERMISSIONS]") => "no",
        Err(refusal) if refusal.text.contains("_NOT_FOUND]") => "–",
        Err(refusal) => panic!("{user}: {}: {}", written(action.statement), refusal.text),
    }
}

#[test]
fn what_each_may_do_is_the_golden_table() {
    block_on(async {
        let server = TestServer::start().await;
        prepare(&server).await;
        leave(&server).await;
        let mut text = HEAD.to_owned();
        let names: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
        write!(text, "\n| | {} |\n|---|{}\n", names.join(" | "), ":-:|".repeat(names.len())).unwrap();
        for (name, user, rights) in PRINCIPALS {
            enter(&server, user, rights).await;
            let mut cells = Vec::new();
            for action in ACTIONS {
                cells.push(attempt(&server, user, action).await);
            }
            leave(&server).await;
            writeln!(text, "| {name} | {} |", cells.join(" | ")).unwrap();
        }
        let golden = Path::new(GOLDEN);
        if option_env!("WEIR_UPDATE_GOLDEN") == Some("1") {
            std::fs::write(golden, &text).unwrap();
        }
        let expected = std::fs::read_to_string(golden).unwrap();
        for (found, expected) in text.lines().zip(expected.lines()) {
            assert_eq!(found, expected);
        }
        assert_eq!(text.lines().count(), expected.lines().count());
    });
}
