//! Plans that are kept serve the statements that ask the same: a bound query whoever it was bound for, as long as it is what
//! would be bound now; an optimised plan all who are under the same effective policies, and nobody else.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use weir_server::config::{Config, Size};
use weir_server::context::{ClientDescription, Context};
use weir_server::error::Condition;
use weir_server::identity::{Credentials, Verifier};
use weir_server::query::plan_cache::PlanFigures;
use weir_server::run::Outcome;
use weir_server::session::SessionSettings;
use weir_testkit::{Setup, TestServer, block_on, task, text_of};

const GROUND: &str = "
CREATE TABLE main.default.people (id INT, region STRING);
INSERT INTO main.default.people VALUES (1, 'north'), (2, 'south');
CREATE TABLE main.default.open_regions (region STRING);
INSERT INTO main.default.open_regions VALUES ('north');
CREATE FUNCTION main.default.seen(region STRING) RETURNS BOOLEAN RETURN region IN (SELECT o.region FROM main.default.open_regions o);
ALTER TABLE main.default.people SET ROW FILTER main.default.seen ON (region);
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice;
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO bob";

const IDS: &str = "SELECT id FROM main.default.people";

async fn context(server: &TestServer, user: &str) -> Context {
    let (app, config) = (server.app(), Config::default());
    let issuer = app.local_issuer().unwrap();
    let token = issuer.sign(user, Duration::from_secs(60), app.clock().now()).unwrap().token;
    let verifier = Verifier::from_config(&config.identity, Some(issuer)).unwrap();
    let snapshot = app.metastore().snapshot().await.unwrap();
    let identity = verifier.verify(Credentials::bearer(token), &snapshot, app.clock().now()).unwrap();
    let clock = Arc::clone(app.clock());
    Context::new(identity, SessionSettings::default(), ClientDescription::default(), clock)
}

fn figures(server: &TestServer) -> PlanFigures {
    server.app().warehouse().plans().figures()
}

async fn told(server: &TestServer, context: &Context, sql: &str) {
    server.app().warehouse().describe(context, sql).await.unwrap();
}

/// Whether what was bound before serves when `sql` is told of.
async fn holds(server: &TestServer, context: &Context, sql: &str) -> bool {
    let before = figures(server).bound_uses;
    told(server, context, sql).await;
    figures(server).bound_uses > before
}

/// The rows, and whether a bound query and an optimised plan of before gave them.
async fn rows(server: &TestServer, context: &Context, sql: &str) -> (Vec<String>, bool, bool) {
    let before = figures(server);
    let ran = server.app().warehouse().run(context.clone(), sql, None).await;
    let Outcome::Rows(rows) = ran.unwrap() else { panic!("a query has rows") };
    let mut lines = text_of(&rows.batches.try_collect::<Vec<_>>().await.unwrap());
    lines.sort();
    let after = figures(server);
    (lines, after.bound_uses > before.bound_uses, after.optimised_uses > before.optimised_uses)
}

fn lines(rows: &[&str]) -> Vec<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

#[test]
fn a_bound_query_serves_whoever_it_was_bound_for_until_something_changes() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        let alice = context(&server, "alice").await;
        assert!(!holds(&server, &alice, IDS).await);
        assert!(holds(&server, &alice, IDS).await);
        assert_eq!(rows(&server, &alice, IDS).await, (lines(&["1"]), true, false));
        assert_eq!(rows(&server, &alice, IDS).await, (lines(&["1"]), true, true));
        // another text, another user, another token, another session
        assert!(!holds(&server, &alice, "SELECT id AS id FROM main.default.people").await);
        assert!(!holds(&server, &context(&server, "bob").await, IDS).await);
        assert!(!holds(&server, &context(&server, "alice").await, IDS).await);
        let mut elsewhere = alice.clone();
        elsewhere.session.schema = "other".to_owned();
        assert!(!holds(&server, &elsewhere, IDS).await);
        for (change, ids) in [
            ("INSERT INTO main.default.people VALUES (3, 'north')", vec!["1", "3"]),
            ("INSERT INTO main.default.open_regions VALUES ('south')", vec!["1", "2", "3"]),
            ("ALTER TABLE main.default.people DROP ROW FILTER", vec!["1", "2", "3"]),
            (
                "ALTER TABLE main.default.people SET ROW FILTER main.default.seen ON (region)",
                vec!["1", "2", "3"],
            ),
            ("DELETE FROM main.default.open_regions WHERE region = 'north'", vec!["2"]),
            (
                "CREATE OR REPLACE FUNCTION main.default.seen(region STRING) RETURNS BOOLEAN RETURN region = 'north'",
                vec!["1", "3"],
            ),
            ("CREATE OR REPLACE TABLE main.default.people AS SELECT 7 AS id, 'north' AS region", vec!["7"]),
            ("ALTER GROUP hr ADD USER alice", vec!["7"]),
        ] {
            told(&server, &alice, IDS).await;
            server.prepare(change).await;
            assert_eq!(rows(&server, &alice, IDS).await, (lines(&ids), false, false), "{change}");
        }
        told(&server, &alice, IDS).await;
        server.prepare("REVOKE SELECT ON CATALOG main FROM alice").await;
        let ran = server.app().warehouse().run(alice, IDS, None).await;
        assert_eq!(ran.unwrap_err().condition(), Condition::InsufficientPermissions);
    });
}

#[test]
fn what_depends_on_more_than_catalog_and_tables_is_not_kept() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        server
            .prepare(
                "CREATE TABLE main.default.hours (id INT, until TIMESTAMP);
                 INSERT INTO main.default.hours VALUES (1, current_timestamp() + INTERVAL '1' HOUR);
                 CREATE FUNCTION main.default.lasts(until TIMESTAMP) RETURNS BOOLEAN RETURN until > current_timestamp();
                 ALTER TABLE main.default.hours SET ROW FILTER main.default.lasts ON (until)",
            )
            .await;
        let alice = context(&server, "alice").await;
        let hours = "SELECT id FROM main.default.hours";
        let then =
            "SELECT id FROM main.default.open_regions VERSION AS OF 1 JOIN main.default.people ON true";
        for sql in [
            "SELECT id, now() FROM main.default.people",
            "SELECT random() FROM main.default.people",
            hours,
            "SELECT count(*) FROM system.query.history",
            "SELECT count(*) FROM main.information_schema.tables",
            then,
        ] {
            for _ in 0..2 {
                assert!(!holds(&server, &alice, sql).await, "{sql}");
                let (_, bound, optimised) = rows(&server, &alice, sql).await;
                assert!(!bound, "{sql}");
                // What is pinned has a version, whenever it is asked for; a policy's time is in the plan, by value.
                assert!(!optimised || [then, hours].contains(&sql), "{sql}");
            }
        }
    });
}

#[test]
fn an_optimised_plan_serves_all_under_the_same_policies_and_nobody_else() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        server
            .prepare(
                "CREATE OR REPLACE FUNCTION main.default.seen(region STRING) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR region = 'north';
                 GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO carol",
            )
            .await;
        let (alice, bob, carol) =
            (context(&server, "alice").await, context(&server, "bob").await, context(&server, "carol").await);
        assert_eq!(rows(&server, &alice, IDS).await, (lines(&["1"]), false, false));
        assert_eq!(rows(&server, &bob, IDS).await, (lines(&["1"]), false, true));
        assert_eq!(rows(&server, &carol, IDS).await, (lines(&["1", "2"]), false, false));
        assert_eq!(rows(&server, &carol, IDS).await, (lines(&["1", "2"]), false, true));
        assert_eq!(rows(&server, &bob, IDS).await, (lines(&["1"]), false, true));
        let who = "SELECT id, current_user() FROM main.default.people";
        assert_eq!(rows(&server, &alice, who).await, (lines(&["1 | alice"]), false, false));
        assert_eq!(rows(&server, &bob, who).await, (lines(&["1 | bob"]), false, false));
        // The right is asked of each, whoever asked before.
        server.prepare("REVOKE SELECT ON CATALOG main FROM bob").await;
        assert_eq!(rows(&server, &alice, IDS).await, (lines(&["1"]), false, false));
        let ran = server.app().warehouse().run(bob, IDS, None).await;
        assert_eq!(ran.unwrap_err().condition(), Condition::InsufficientPermissions);
    });
}

/// Whatever was asked before, and by whom: each has the rows of whoever the statement runs as.
#[test]
fn nobody_meets_the_plan_of_another_through_impersonation_or_views() {
    block_on(async {
        let mut setup = Setup::default();
        setup.config.cache.result_cache_bytes = Size::new(0);
        let server = TestServer::start_with(setup).await;
        server.prepare(GROUND).await;
        server
            .prepare(
                "CREATE OR REPLACE FUNCTION main.default.seen(region STRING) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR region = 'north';
                 CREATE VIEW main.default.of_owner AS SELECT id FROM main.default.people;
                 CREATE VIEW main.default.of_identity AS SELECT id FROM main.default.people WHERE is_account_group_member('hr') OR current_user() = 'alice';
                 GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO carol;
                 GRANT IMPERSONATE ON METASTORE TO carol",
            )
            .await;
        for sql in [IDS, "SELECT id FROM main.default.of_owner", "SELECT id FROM main.default.of_identity"] {
            let (bobs, alices) =
                if sql.contains("identity") { (vec![], vec!["1"]) } else { (vec!["1"], vec!["1"]) };
            for _ in 0..3 {
                for (user, asked, expected) in [
                    ("carol", sql.to_owned(), &vec!["1", "2"]),
                    ("alice", sql.to_owned(), &alices),
                    ("carol", format!("EXECUTE AS USER alice {sql}"), &alices),
                    ("bob", sql.to_owned(), &bobs),
                    ("carol", format!("EXECUTE AS USER bob {sql}"), &bobs),
                ] {
                    let mut rows = server.rows(user, &asked).await;
                    rows.sort();
                    assert_eq!(rows, lines(expected), "{user}: {asked}");
                }
            }
        }
    });
}

#[test]
fn the_books_name_the_policies_of_whoever_asked() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.people (id INT, region STRING);
                 INSERT INTO main.default.people VALUES (1, 'north'), (2, 'south');
                 CREATE GROUP sales;
                 ALTER GROUP sales ADD USER alice;
                 CREATE GOVERNED TAG place;
                 ALTER TABLE main.default.people ALTER COLUMN region SET TAGS ('place');
                 CREATE FUNCTION main.default.of_hr(region STRING) RETURNS BOOLEAN RETURN region = 'north';
                 CREATE FUNCTION main.default.of_sales(region STRING) RETURNS BOOLEAN RETURN region = 'north';
                 CREATE POLICY p ON SCHEMA main.default ROW FILTER main.default.of_hr TO hr FOR TABLES MATCH COLUMNS has_tag('place') AS r USING COLUMNS (r);
                 CREATE POLICY q ON SCHEMA main.default ROW FILTER main.default.of_sales TO sales FOR TABLES MATCH COLUMNS has_tag('place') AS r USING COLUMNS (r);
                 GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice;
                 GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO carol",
            )
            .await;
        for user in ["alice", "carol", "alice"] {
            assert_eq!(server.rows(user, IDS).await, ["1"]);
        }
        let decided = "SELECT principal, function_name, count(*) FROM system.access.policy_decisions WHERE rows_out = 1 GROUP BY ALL ORDER BY 1";
        assert_eq!(
            server.rows("admin", decided).await,
            ["alice | main.default.of_sales | 2", "carol | main.default.of_hr | 1"]
        );
    });
}

/// What a plan learns while it runs (which keys a join has, how the first rows are bounded) is of that run alone.
#[test]
fn statements_that_run_at_once_by_one_plan_do_not_meet() {
    block_on(async {
        let mut setup = Setup::default();
        setup.config.cache.result_cache_bytes = Size::new(0);
        let server = Arc::new(TestServer::start_with(setup).await);
        server
            .prepare(
                "CREATE TABLE main.default.orders AS SELECT * FROM (VALUES (1, 10), (2, 20), (3, 30), (4, 40)) AS o(id, price);
                 CREATE TABLE main.default.lines AS SELECT * FROM (VALUES (1, 'a'), (1, 'b'), (3, 'c'), (4, 'd')) AS l(id, part);
                 GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice",
            )
            .await;
        for (sql, expected) in [
            (
                "SELECT o.price, l.part FROM main.default.orders o JOIN main.default.lines l ON o.id = l.id WHERE o.price > 15",
                vec!["30 | c", "40 | d"],
            ),
            ("SELECT price FROM main.default.orders ORDER BY price DESC LIMIT 2", vec!["30", "40"]),
            (
                "SELECT max(price) FROM main.default.orders WHERE id IN (SELECT id FROM main.default.lines)",
                vec!["40"],
            ),
        ] {
            let alice = context(&server, "alice").await;
            for round in 0..3 {
                let asking = (0..8).map(|_| {
                    let (server, alice, sql) = (Arc::clone(&server), alice.clone(), sql.to_owned());
                    task(async move { rows(&server, &alice, &sql).await.0 })
                });
                for told in asking.collect::<Vec<_>>() {
                    assert_eq!(told.await.unwrap(), lines(&expected), "{sql}, round {round}");
                }
            }
            assert!(figures(&server).optimised_uses >= 16, "{sql}");
        }
    });
}

#[test]
fn what_was_decided_when_it_was_bound_stands_in_the_books_of_each_run() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        let alice = server.client("alice");
        let prepared = alice.prepare(IDS).await.unwrap();
        for _ in 0..3 {
            assert_eq!(alice.run(&prepared.handle).await.unwrap().lines(), ["1"]);
        }
        let ran = "SELECT count(*), count(DISTINCT statement_id), count(DISTINCT policy_digest) FROM system.query.history WHERE executed_by = 'alice'";
        assert_eq!(server.rows("admin", ran).await, ["3 | 3 | 1"]);
        let decided = "SELECT count(DISTINCT statement_id), min(rows_in), min(rows_out) FROM system.access.policy_decisions WHERE principal = 'alice'";
        assert_eq!(server.rows("admin", decided).await, ["3 | 2 | 1"]);
    });
}

#[test]
fn a_cache_without_plans_plans_each_statement_anew() {
    block_on(async {
        let mut setup = Setup::default();
        setup.config.cache.plans = 0;
        let server = TestServer::start_with(setup).await;
        server.prepare(GROUND).await;
        let alice = context(&server, "alice").await;
        for _ in 0..2 {
            told(&server, &alice, IDS).await;
            assert_eq!(rows(&server, &alice, IDS).await, (lines(&["1"]), false, false));
        }
        assert_eq!(figures(&server), PlanFigures::default());
    });
}

#[test]
fn clearing_the_caches_forgets_plans() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        let alice = context(&server, "alice").await;
        told(&server, &alice, IDS).await;
        rows(&server, &alice, IDS).await;
        assert_eq!(figures(&server).kept, 2);
        server.prepare("CLEAR CACHE").await;
        assert_eq!(figures(&server).kept, 0);
        assert_eq!(rows(&server, &alice, IDS).await, (lines(&["1"]), false, false));
    });
}
