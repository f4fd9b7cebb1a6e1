//! Policies that read tables with policies: read in the definer's name, never in a circle, and checked
//! when they are set.

use weir_testkit::{TestServer, block_on};

use super::{Attack, People, either, refused, rows};

/// The mapping table hides its rows of the south from the administrator, who owns the policy's function, and
/// masks whom its row is for from nobody. Alice is allowed both regions there.
const MAPPED: &str = "
CREATE TABLE main.gov.allowed (who STRING, region STRING, note STRING);
INSERT INTO main.gov.allowed VALUES ('alice', 'north', 'CANARY-a'), ('alice', 'south', 'CANARY-b'), ('carol', 'south', 'CANARY-c');
ALTER TABLE main.gov.allowed SET ROW FILTER main.gov.of_region ON (region);
ALTER TABLE main.hr.people DROP ROW FILTER;
CREATE FUNCTION main.gov.mapped(r STRING) RETURNS BOOLEAN RETURN EXISTS (SELECT 1 FROM main.gov.allowed a WHERE a.who = current_user() AND a.region = r);
ALTER TABLE main.hr.people SET ROW FILTER main.gov.mapped ON (region)";

#[test]
fn a_policy_reads_a_governed_table_as_its_definer() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT id, ssn FROM main.hr.people", &["1 | ***", "2 | ***", "3 | ***"]),
        rows("SELECT id FROM main.hr.people WHERE 1 / (secret - 5) < 0", &["1", "2", "3"]),
        rows("SELECT count(*) FROM main.hr.people WHERE region = 'south'", &["0"]),
        rows("SELECT max(id) FROM main.hr.people a JOIN main.hr.cities c ON c.region = a.region", &["3"]),
        rows(
            "WITH allowed AS (SELECT 'alice' AS who, 'south' AS region) SELECT id FROM main.hr.people WHERE region IN (SELECT region FROM allowed)",
            &[],
        ),
        refused("SELECT CAST(ssn AS INT) FROM main.hr.people", "CAST_INVALID_INPUT"),
        either("SELECT CAST(name AS INT) FROM main.hr.people"),
        either("SELECT * FROM main.gov.allowed"),
    ];
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server.prepare(MAPPED).await;
        people.withstands(ATTACKS).await;
        // carol is of the group that sees the south, the definer is not: what the policy reads is the definer's
        assert_eq!(server.rows("carol", "SELECT count(*) FROM main.hr.people").await, ["0"]);
        server.prepare("ALTER GROUP hr ADD USER admin").await;
        assert_eq!(server.rows("carol", "SELECT id FROM main.hr.people").await, ["77700", "77701"]);
        assert_eq!(server.rows("alice", "SELECT count(*) FROM main.hr.people").await, ["5"]);
        // the books tell of the policy, not of what it reads
        let told = "SELECT DISTINCT table_name FROM system.access.policy_decisions";
        assert_eq!(server.rows("admin", told).await, ["main.hr.people"]);
    });
}

#[test]
fn a_change_that_closes_a_circle_is_refused_and_the_circle_is_told() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.t (a INT);
                 CREATE TABLE main.default.u (a INT);
                 CREATE TABLE main.default.free (a INT);
                 CREATE VIEW main.default.v AS SELECT a FROM main.default.free;
                 CREATE FUNCTION main.default.reads_u(x INT) RETURNS BOOLEAN RETURN x IN (SELECT u.a FROM main.default.u u);
                 CREATE FUNCTION main.default.reads_t(x INT) RETURNS BOOLEAN RETURN x IN (SELECT t.a FROM main.default.t t);
                 CREATE FUNCTION main.default.reads_v(x INT) RETURNS BOOLEAN RETURN x IN (SELECT v.a FROM main.default.v v);
                 CREATE FUNCTION main.default.calls(x INT) RETURNS BOOLEAN RETURN main.default.reads_v(x);
                 CREATE GOVERNED TAG watched;
                 ALTER TABLE main.default.t SET ROW FILTER main.default.reads_u ON (a);
                 CREATE POLICY watch ON SCHEMA main.default ROW FILTER main.default.reads_t TO `account users` FOR TABLES WHEN has_tag('watched') MATCH COLUMNS has_tag('watched') AS c USING COLUMNS (c);
                 ALTER TABLE main.default.u ALTER COLUMN a SET TAGS ('watched')",
            )
            .await;
        let closes = |sql: &'static str, told: &'static [&'static str]| {
            let server = &server;
            async move {
                let refusal = server.client("admin").update(sql).await.unwrap_err().text;
                assert!(
                    refusal.starts_with("[INVALID_STATEMENT] policies would read in a circle: "),
                    "{sql}: {refusal}"
                );
                for part in told {
                    assert!(refusal.contains(part), "{sql}: {part} is not in {refusal}");
                }
            }
        };
        // a policy on the table that another's policy reads; its own table; a tag that a policy asks for
        let way: &[&str] = &[
            "the policy of table `main.default.t` calls function `main.default.reads_u`, which reads table `main.default.u`",
            "the policy of table `main.default.u` calls function `main.default.reads_t`, which reads table `main.default.t`",
        ];
        closes("ALTER TABLE main.default.u SET ROW FILTER main.default.reads_t ON (a)", way).await;
        closes(
            "ALTER TABLE main.default.u SET ROW FILTER main.default.reads_u ON (a)",
            &["table `main.default.u`"],
        )
        .await;
        closes(
            "ALTER TABLE main.default.u SET TAGS ('watched')",
            &["policy `watch` on schema `main.default` calls function `main.default.reads_t` for table `main.default.u`"],
        )
        .await;
        closes(
            "CREATE POLICY all_of_them ON TABLE main.default.u ROW FILTER main.default.reads_t TO `account users` FOR TABLES MATCH COLUMNS TRUE AS c USING COLUMNS (c)",
            &["policy `all_of_them` on table `main.default.u`"],
        )
        .await;
        // a view, a function and a call that come to read what they did not
        server.prepare("ALTER TABLE main.default.u SET ROW FILTER main.default.calls ON (a)").await;
        let through = &["view `main.default.v` reads table `main.default.t`"];
        closes("CREATE OR REPLACE VIEW main.default.v AS SELECT a FROM main.default.t", through).await;
        closes("ALTER VIEW main.default.v AS SELECT a FROM main.default.t", through).await;
        closes(
            "CREATE OR REPLACE FUNCTION main.default.reads_v(x INT) RETURNS BOOLEAN RETURN x IN (SELECT t.a FROM main.default.t t)",
            &["the policy of table `main.default.u` calls function `main.default.calls`, which reads table `main.default.t`"],
        )
        .await;
        closes(
            "ALTER VIEW main.default.v SET ROW FILTER main.default.reads_t ON (a)",
            &["view `main.default.v`"],
        )
        .await;
        // nothing of it holds, and all can be read
        for table in ["t", "u", "v", "free"] {
            assert_eq!(
                server.rows("admin", &format!("SELECT count(*) FROM main.default.{table}")).await,
                ["0"]
            );
        }
    });
}

#[test]
fn what_could_not_be_planned_or_means_something_else_is_refused_when_it_is_set() {
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server
            .prepare(
                "CREATE TABLE main.gov.allowed (who STRING, region STRING);
                 INSERT INTO main.gov.allowed VALUES ('alice', 'north');
                 CREATE FUNCTION main.gov.hidden(region STRING) RETURNS BOOLEAN RETURN EXISTS (SELECT 1 FROM main.gov.allowed a WHERE a.region = region);
                 CREATE FUNCTION main.gov.hidden_mask(who STRING) RETURNS STRING RETURN (SELECT max(a.region) FROM main.gov.allowed a WHERE a.who = who);
                 CREATE FUNCTION main.gov.unplannable(r STRING) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR r = (SELECT max(a.region) FROM main.gov.allowed a WHERE a.who < r);
                 CREATE FUNCTION main.gov.fits(r STRING) RETURNS BOOLEAN RETURN EXISTS (SELECT 1 FROM main.gov.allowed a WHERE a.region = r);
                 ALTER GROUP hr ADD USER admin;
                 CREATE GOVERNED TAG place",
            )
            .await;
        let admin = server.client("admin");
        let filter = "[QUERIED_TABLE_INCOMPATIBLE_WITH_ROW_LEVEL_SECURITY_POLICY]";
        let mask = "[QUERIED_TABLE_INCOMPATIBLE_WITH_COLUMN_MASK_POLICY]";
        for (sql, condition, told) in [
            (
                "ALTER TABLE main.hr.people SET ROW FILTER main.gov.hidden ON (region)",
                filter,
                "parameter `region` of policy function `main.gov.hidden` is hidden",
            ),
            (
                "ALTER TABLE main.hr.people ALTER COLUMN name SET MASK main.gov.hidden_mask",
                mask,
                "parameter `who` of policy function `main.gov.hidden_mask` is hidden",
            ),
            (
                "ALTER TABLE main.hr.people SET ROW FILTER main.gov.unplannable ON (region)",
                filter,
                "cannot be planned",
            ),
            (
                "ALTER TABLE main.hr.people SET ROW FILTER main.gov.unplannable ON (region) DRY RUN",
                filter,
                "cannot be planned",
            ),
            (
                "CREATE POLICY p ON SCHEMA main.hr ROW FILTER main.gov.hidden TO `account users` FOR TABLES MATCH COLUMNS has_tag('place') AS r USING COLUMNS (r)",
                filter,
                "is hidden",
            ),
            (
                "CREATE POLICY p ON SCHEMA main.hr ROW FILTER main.gov.unplannable TO `account users` FOR TABLES MATCH COLUMNS has_tag('place') AS r USING COLUMNS (r)",
                filter,
                "cannot be planned",
            ),
        ] {
            let refusal = admin.update(sql).await.unwrap_err().text;
            assert!(refusal.starts_with(condition) && refusal.contains(told), "{sql}: {refusal}");
        }
        server.prepare("ALTER TABLE main.hr.people SET ROW FILTER main.gov.fits ON (region)").await;
        for body in [
            "EXISTS (SELECT 1 FROM main.gov.allowed r WHERE r.region = region)",
            "r = (SELECT max(a.region) FROM main.gov.allowed a WHERE a.who < r)",
        ] {
            let parameter = if body.ends_with("= region)") { "region" } else { "r" };
            let sql = format!(
                "CREATE OR REPLACE FUNCTION main.gov.fits({parameter} STRING) RETURNS BOOLEAN RETURN {body}"
            );
            let refusal = admin.update(&sql).await.unwrap_err().text;
            assert!(refusal.starts_with("[DEPENDENT_OBJECTS_STILL_EXIST]"), "{sql}: {refusal}");
        }
        assert_eq!(server.rows("alice", "SELECT id FROM main.hr.people").await, ["1", "2", "3"]);
    });
}
