//! Views with policies of their own: what is true of a table with policies is true of them, and the
//! policies of what they read hold as well.

use weir_testkit::{TestServer, block_on};

use super::{Attack, GROUND, People, either, refused, rows};

/// The ground with a view in the table's place: nothing governs the table, the view has its policies.
async fn view_ground() -> People {
    let text = GROUND
        .replace("CREATE TABLE main.hr.people", "CREATE SCHEMA main.raw;\nCREATE TABLE main.raw.people")
        .replace("INSERT INTO main.hr.people", "INSERT INTO main.raw.people")
        .replace(
            "CREATE TABLE main.hr.cities",
            "CREATE VIEW main.hr.people AS SELECT * FROM main.raw.people;\nCREATE TABLE main.hr.cities",
        );
    let server = TestServer::start().await;
    server.prepare(&text).await;
    People { server }
}

const ATTACKS: &[Attack] = &[
    // what fails on hidden rows
    rows("SELECT id FROM main.hr.people WHERE 1 / (secret - 5) = 0", &[]),
    rows("SELECT count(*) FROM main.hr.people WHERE 10 % secret >= 0", &["3"]),
    rows("SELECT id FROM main.hr.people WHERE secret <> 5 AND 1 / (secret - 5) < 0", &["1", "2", "3"]),
    rows("SELECT id FROM main.hr.people ORDER BY 1 / (secret - 5)", &["1", "2", "3"]),
    rows("WITH x AS (SELECT id, 1 / (secret - 5) AS q FROM main.hr.people) SELECT max(id) FROM x", &["3"]),
    rows(
        "SELECT p.id FROM main.hr.people p JOIN main.hr.cities c ON 1 / (p.secret - 5) < 0 AND c.region = p.region",
        &["1", "2", "3"],
    ),
    refused("SELECT id FROM main.hr.people WHERE CAST(ssn AS INT) > 0", "CAST_INVALID_INPUT"),
    refused("SELECT id FROM main.hr.people WHERE 1 / (secret - 3) = 0", "DIVIDE_BY_ZERO"),
    either("SELECT id FROM main.hr.people WHERE CAST(name AS INT) > 0"),
    either("SELECT CAST(id AS TINYINT) FROM main.hr.people"),
    rows(
        "SELECT id FROM main.hr.people WHERE CASE WHEN ssn LIKE 'C%' THEN 1 / (id - id) ELSE 1 END = 1",
        &["1", "2", "3"],
    ),
    // masked columns wherever they stand
    rows("SELECT id FROM main.hr.people WHERE ssn = 'CANARY-1' OR salary = 45454545.01", &[]),
    rows("SELECT id FROM main.hr.people WHERE ssn IN ('CANARY-1', 'CANARY-2')", &[]),
    rows("SELECT id FROM main.hr.people WHERE born BETWEEN DATE '1900-01-01' AND DATE '1999-01-01'", &[]),
    rows(
        "SELECT a.id, b.id FROM main.hr.people a JOIN main.hr.people b ON a.ssn = b.ssn WHERE a.id < b.id",
        &["1 | 2", "1 | 3", "2 | 3"],
    ),
    rows("SELECT ssn, count(*) FROM main.hr.people GROUP BY ssn", &["*** | 3"]),
    rows("SELECT salary FROM main.hr.people ORDER BY salary DESC LIMIT 1", &["0.00"]),
    rows("SELECT id FROM main.hr.people ORDER BY ssn, id LIMIT 2", &["1", "2"]),
    rows("SELECT count(DISTINCT ssn), count(born) FROM main.hr.people", &["1 | 0"]),
    rows("SELECT id, rank() OVER (ORDER BY salary) FROM main.hr.people", &["1 | 1", "2 | 1", "3 | 1"]),
    rows("SELECT min(ssn), max(salary), count(*), max(id) FROM main.hr.people", &["*** | 0.00 | 3 | 3"]),
    rows("SELECT ssn FROM main.hr.people UNION SELECT city FROM main.hr.cities", &["***", "Kiel", "Ulm"]),
    rows(
        "SELECT c.city FROM main.hr.cities c WHERE EXISTS (SELECT 1 FROM main.hr.people p WHERE p.region = c.region)",
        &["Kiel"],
    ),
    rows("SELECT id FROM main.hr.people LIMIT 0", &[]),
    rows("SELECT id FROM main.hr.people WHERE region = 'south'", &[]),
    rows("SELECT id FROM main.hr.people WHERE region IS NULL OR region = 'north'", &["1", "2", "3"]),
    rows(
        "SELECT * FROM main.hr.people WHERE id = 1",
        &["1 | ann | north | *** | 0.00 | 1 | NULL | {email: ann@example.com, phone: 1}"],
    ),
    rows("SELECT contact.email FROM main.hr.people WHERE id < 3", &["ann@example.com", "ben@example.com"]),
];

#[test]
fn a_view_with_policies_withstands_what_a_table_does() {
    block_on(async {
        let people = view_ground().await;
        people.withstands(ATTACKS).await;
        people.server.refused("alice", "SELECT id FROM main.raw.people").await;
        let carol =
            people.server.rows("carol", "SELECT count(*), max(id), max(ssn) FROM main.hr.people").await;
        assert_eq!(carol, ["6 | 77702 | CANARY-6"]);
    });
}

#[test]
fn a_view_with_policies_withstands_readers_of_its_table_too() {
    block_on(async {
        let people = view_ground().await;
        people.server.prepare("GRANT USE SCHEMA, SELECT ON SCHEMA main.raw TO alice").await;
        people.withstands(ATTACKS).await;
        // the table itself is not governed: its readers read it
        assert_eq!(people.server.rows("alice", "SELECT count(*) FROM main.raw.people").await, ["6"]);
    });
}

#[test]
fn views_over_a_view_with_policies_keep_all_layers() {
    const LAYERS: &[Attack] = &[
        rows("SELECT id, number FROM main.pub.over", &["2 | ***", "3 | ***"]),
        rows("SELECT id FROM main.pub.over WHERE 1 / (secret - 5) < 0 AND 1 / (secret - 1) > 0", &["2", "3"]),
        rows("SELECT id FROM main.pub.over WHERE number LIKE 'CANARY%'", &[]),
        rows("SELECT id, number, secret FROM main.pub.top", &["3 | *** | NULL"]),
        rows("SELECT id FROM main.pub.top WHERE secret IS NOT NULL OR 1 / (id - 2) < 0", &[]),
        rows("SELECT max(secret), count(*) FROM main.pub.top", &["NULL | 1"]),
    ];
    block_on(async {
        let people = People::ground().await;
        people
            .server
            .prepare(
                "CREATE SCHEMA main.pub;
                 CREATE FUNCTION main.gov.not_the_first(id INT) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR id <> 1;
                 CREATE FUNCTION main.gov.the_third(id INT) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR id = 3;
                 CREATE FUNCTION main.gov.hidden_number(v INT) RETURNS INT RETURN CASE WHEN is_account_group_member('hr') THEN v END;
                 CREATE VIEW main.pub.over (id, number, secret) WITH ROW FILTER main.gov.not_the_first ON (id) AS SELECT id, ssn, secret FROM main.hr.people;
                 CREATE VIEW main.pub.top (id, number, secret MASK main.gov.hidden_number) AS SELECT id, number, secret FROM main.pub.over;
                 ALTER VIEW main.pub.top SET ROW FILTER main.gov.the_third ON (id);
                 GRANT USE SCHEMA, SELECT ON SCHEMA main.pub TO alice;
                 GRANT USE SCHEMA, SELECT ON SCHEMA main.pub TO carol",
            )
            .await;
        people.withstands(LAYERS).await;
        let server = &people.server;
        assert_eq!(server.rows("carol", "SELECT count(*), max(secret) FROM main.pub.top").await, ["6 | 5"]);
        server.prepare("GRANT IMPERSONATE ON METASTORE TO carol").await;
        let as_alice = "EXECUTE AS USER alice SELECT id, secret FROM main.pub.top";
        assert_eq!(server.rows("carol", as_alice).await, ["3 | NULL"]);
        // dropped one by one, the others stay
        server.prepare("ALTER VIEW main.pub.top DROP ROW FILTER").await;
        assert_eq!(
            server.rows("alice", "SELECT id, secret FROM main.pub.top").await,
            ["2 | NULL", "3 | NULL"]
        );
        server.prepare("ALTER VIEW main.pub.top ALTER COLUMN secret DROP MASK").await;
        assert_eq!(server.rows("alice", "SELECT id, secret FROM main.pub.top").await, ["2 | 2", "3 | 3"]);
    });
}

#[test]
fn tag_policies_reach_views_by_their_own_tags() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.t (id INT, ssn STRING);
                 INSERT INTO main.default.t VALUES (1, 'CANARY-1'), (2, 'CANARY-2');
                 CREATE VIEW main.default.v AS SELECT id, ssn FROM main.default.t;
                 CREATE VIEW main.default.plain AS SELECT id, ssn FROM main.default.t;
                 CREATE GOVERNED TAG pii;
                 CREATE GOVERNED TAG regional;
                 CREATE FUNCTION main.default.first_only(id INT) RETURNS BOOLEAN RETURN id = 1;
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA, SELECT ON SCHEMA main.default TO alice;
                 CREATE POLICY mask_pii ON SCHEMA main.default COLUMN MASK system.policy.mask_null TO `account users` FOR TABLES MATCH COLUMNS has_tag('pii') AS m ON COLUMN m;
                 CREATE POLICY keep ON SCHEMA main.default ROW FILTER main.default.first_only TO `account users` FOR TABLES WHEN has_tag('regional') MATCH COLUMNS has_tag('regional') AS r USING COLUMNS (r);
                 ALTER VIEW main.default.v ALTER COLUMN ssn SET TAGS ('pii')",
            )
            .await;
        let read = |view: &'static str| {
            let server = &server;
            async move { server.rows("alice", &format!("SELECT id, ssn FROM main.default.{view}")).await }
        };
        assert_eq!(read("v").await, ["1 | NULL", "2 | NULL"]);
        assert_eq!(read("plain").await, ["1 | CANARY-1", "2 | CANARY-2"]);
        // a view whose columns have no such tag is not refused: its table is asked
        server.prepare("ALTER VIEW main.default.plain SET TAGS ('regional')").await;
        assert_eq!(read("plain").await, ["1 | CANARY-1", "2 | CANARY-2"]);
        server
            .prepare(
                "ALTER VIEW main.default.v SET TAGS ('regional');
                 ALTER VIEW main.default.v ALTER COLUMN id SET TAGS ('regional')",
            )
            .await;
        assert_eq!(read("v").await, ["1 | NULL"]);
        // and a table is
        server.prepare("ALTER TABLE main.default.t SET TAGS ('regional')").await;
        let told = server.refused("alice", "SELECT id FROM main.default.t").await;
        assert!(told.contains("cannot be applied to it"), "{told}");
    });
}

#[test]
fn a_view_keeps_its_policies_when_it_says_something_else() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.t (id INT, name STRING, day DATE);
                 INSERT INTO main.default.t VALUES (1, 'ann', DATE '2020-01-01'), (2, 'ben', DATE '2020-01-02');
                 CREATE FUNCTION main.default.first_only(id INT) RETURNS BOOLEAN RETURN id = 1;
                 CREATE FUNCTION main.default.starred(v STRING, day DATE) RETURNS STRING RETURN '***';
                 CREATE VIEW main.default.v (id, Name MASK main.default.starred USING COLUMNS (day), day) WITH ROW FILTER main.default.first_only ON (id) AS SELECT id, name, day FROM main.default.t",
            )
            .await;
        let admin = server.client("admin");
        let seen = "SELECT * FROM main.default.v";
        assert_eq!(server.rows("admin", "SELECT id, name FROM main.default.v").await, ["1 | ***"]);
        for change in [
            "CREATE OR REPLACE VIEW main.default.v AS SELECT day, name, id FROM main.default.t WHERE id < 9",
            "ALTER VIEW main.default.v AS SELECT id, concat(name, '!') AS NAME, day FROM main.default.t",
        ] {
            server.prepare(change).await;
            let rows = server.rows("admin", "SELECT id, name FROM main.default.v").await;
            assert_eq!(rows, ["1 | ***"], "{change}");
        }
        let before = server.rows("admin", seen).await;
        for (change, lost) in [
            (
                "AS SELECT name, day FROM main.default.t",
                "the row filter of view `main.default.v` (needs column `id`)",
            ),
            (
                "AS SELECT CAST(id AS STRING) AS id, name, day FROM main.default.t",
                "(needs column `id` of type INT)",
            ),
            ("AS SELECT id, day FROM main.default.t", "the mask of column `Name` of view `main.default.v`"),
            ("AS SELECT id, name FROM main.default.t", "(needs column `day`)"),
        ] {
            for statement in ["CREATE OR REPLACE VIEW main.default.v", "ALTER VIEW main.default.v"] {
                let refusal = admin.update(&format!("{statement} {change}")).await.unwrap_err().text;
                assert!(refusal.starts_with("[DEPENDENT_OBJECTS_STILL_EXIST]"), "{change}: {refusal}");
                assert!(refusal.contains(lost), "{change}: {refusal}");
            }
        }
        assert_eq!(server.rows("admin", seen).await, before);
        // what is written takes the place of what was there
        server
            .prepare(
                "CREATE FUNCTION main.default.second_only(id INT) RETURNS BOOLEAN RETURN id = 2;
                 CREATE OR REPLACE VIEW main.default.v WITH ROW FILTER main.default.second_only ON (id) AS SELECT id, name, day FROM main.default.t",
            )
            .await;
        assert_eq!(server.rows("admin", "SELECT id, name FROM main.default.v").await, ["2 | ***"]);
    });
}

#[test]
fn what_a_views_policies_let_pass_is_in_the_books() {
    block_on(async {
        let people = view_ground().await;
        let server = &people.server;
        server.rows("alice", "SELECT id, ssn FROM main.hr.people").await;
        server.rows("carol", "SELECT id, ssn FROM main.hr.people").await;
        let decided = "SELECT principal, policy_kind, policy_scope, rows_in, rows_out, exempt \
                       FROM system.access.policy_decisions WHERE table_name = 'main.hr.people' AND policy_kind = 'ROW_FILTER'";
        assert_eq!(
            server.rows("admin", decided).await,
            [
                "alice | ROW_FILTER | view `main.hr.people` | 6 | 3 | false",
                "carol | ROW_FILTER | view `main.hr.people` | 6 | 6 | true",
            ]
        );
        let filtered = "SELECT count(*) FROM system.billing.usage WHERE billing_origin_product = 'FINE_GRAINED_ACCESS_CONTROL' AND identity_metadata.run_as = 'alice'";
        assert_ne!(server.rows("admin", filtered).await, ["0"]);
        // who may read them is told of them as of a table's
        let told =
            server.rows("admin", "EXPLAIN POLICY FOR TABLE main.hr.people AS USER alice").await.join("\n");
        assert!(told.contains("main.gov.of_region") && told.contains("main.gov.hidden_text"), "{told}");
        let shown = server
            .rows("admin", "SELECT table_name, filter_name FROM main.information_schema.row_filters")
            .await;
        assert_eq!(shown, ["people | main.gov.of_region"]);
    });
}

#[test]
fn who_may_not_call_a_function_makes_no_policy_of_it() {
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server.done("alice", "CREATE SCHEMA main.alices").await;
        let alice = server.client("alice");
        for (policies, condition) in [
            ("(id, name) WITH ROW FILTER main.gov.of_region ON (name)", "INSUFFICIENT_PERMISSIONS"),
            ("(id, name MASK main.gov.hidden_text)", "INSUFFICIENT_PERMISSIONS"),
            ("(id, name MASK main.gov.no_such_function)", "ROUTINE_NOT_FOUND"),
        ] {
            let statement =
                format!("CREATE VIEW main.alices.v {policies} AS SELECT id, name FROM main.hr.people");
            let told = alice.update(&statement).await.unwrap_err().text;
            assert!(told.starts_with(&format!("[{condition}]")), "{statement}: {told}");
        }
        assert_eq!(server.rows("alice", "SHOW TABLES IN main.alices").await, Vec::<String>::new());
        // what does not fit is refused, and no view without its policy is left behind
        let unfit = "CREATE VIEW main.hr.v WITH ROW FILTER main.gov.hidden_day ON (born) AS SELECT id, born FROM main.hr.people";
        let told = server.client("admin").update(unfit).await.unwrap_err().text;
        assert!(told.starts_with("[QUERIED_TABLE_INCOMPATIBLE_WITH_ROW_LEVEL_SECURITY_POLICY]"), "{told}");
        server.refused("admin", "SELECT * FROM main.hr.v").await;
        // a reader changes nothing
        server
            .prepare(
                "CREATE VIEW main.hr.shown AS SELECT id, name FROM main.hr.people;
                 GRANT SELECT ON VIEW main.hr.shown TO alice",
            )
            .await;
        for statement in [
            "ALTER VIEW main.hr.shown DROP ROW FILTER",
            "ALTER VIEW main.hr.shown ALTER COLUMN name DROP MASK",
            "ALTER VIEW main.hr.shown ALTER COLUMN name SET MASK system.policy.mask_null",
        ] {
            let told = alice.update(statement).await.unwrap_err().text;
            assert!(told.starts_with("[INSUFFICIENT_PERMISSIONS]"), "{statement}: {told}");
        }
    });
}
