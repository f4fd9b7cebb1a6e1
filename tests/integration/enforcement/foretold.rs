//! A plan that was made when a client was told of its query serves the calls that follow, for as long as it is the plan
//! that would be made now.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use weir_server::config::Config;
use weir_server::context::{ClientDescription, Context};
use weir_server::error::Condition;
use weir_server::identity::{Credentials, Verifier};
use weir_server::run::{Foretold, Outcome};
use weir_server::session::SessionSettings;
use weir_testkit::{TestServer, block_on, text_of};

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

async fn told(server: &TestServer, context: &Context, sql: &str) -> Option<Arc<Foretold>> {
    server.app().warehouse().describe(context, sql).await.unwrap().foretold
}

/// Whether what was told of before is told again, to somebody with these settings.
async fn holds(server: &TestServer, before: &Arc<Foretold>, context: &Context, sql: &str) -> bool {
    let asked = server.app().warehouse().describe_foretold(context, sql, Some(Arc::clone(before)));
    asked.await.unwrap().foretold.is_some_and(|now| Arc::ptr_eq(&now, before))
}

/// The rows by a plan of before.
async fn rows(server: &TestServer, context: &Context, before: &Arc<Foretold>) -> Vec<String> {
    let ran =
        server.app().warehouse().run_foretold(context.clone(), IDS, None, Some(Arc::clone(before))).await;
    let Outcome::Rows(rows) = ran.unwrap() else { panic!("a query has rows") };
    text_of(&rows.batches.try_collect::<Vec<_>>().await.unwrap())
}

#[test]
fn a_plan_serves_whoever_it_was_made_for_until_something_changes() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        let alice = context(&server, "alice").await;
        let before = told(&server, &alice, IDS).await.unwrap();
        assert!(holds(&server, &before, &alice, IDS).await);
        assert_eq!(rows(&server, &alice, &before).await, ["1"]);
        assert_eq!(rows(&server, &alice, &before).await, ["1"]);
        assert!(holds(&server, &before, &alice, IDS).await);
        // another text, another user, another token, another session
        assert!(!holds(&server, &before, &alice, "SELECT id AS id FROM main.default.people").await);
        assert!(!holds(&server, &before, &context(&server, "bob").await, IDS).await);
        assert!(!holds(&server, &before, &context(&server, "alice").await, IDS).await);
        let mut elsewhere = alice.clone();
        elsewhere.session.schema = "other".to_owned();
        assert!(!holds(&server, &before, &elsewhere, IDS).await);
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
            let before = told(&server, &alice, IDS).await.unwrap();
            server.prepare(change).await;
            assert!(!holds(&server, &before, &alice, IDS).await, "{change}");
            let mut got = rows(&server, &alice, &before).await;
            got.sort();
            assert_eq!(got, ids, "{change}");
        }
        let before = told(&server, &alice, IDS).await.unwrap();
        server.prepare("REVOKE SELECT ON CATALOG main FROM alice").await;
        let ran = server.app().warehouse().run_foretold(alice, IDS, None, Some(before)).await;
        assert_eq!(ran.unwrap_err().condition(), Condition::InsufficientPermissions);
    });
}

#[test]
fn what_depends_on_more_than_catalog_and_tables_is_not_foretold() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        let alice = context(&server, "alice").await;
        for sql in [
            "SELECT id, now() FROM main.default.people",
            "SELECT random() FROM main.default.people",
            "SELECT count(*) FROM system.query.history",
            "SHOW SCHEMAS IN main",
            "EXPLAIN SELECT id FROM main.default.people",
        ] {
            assert!(told(&server, &alice, sql).await.is_none(), "{sql}");
        }
        let then =
            "SELECT id FROM main.default.open_regions VERSION AS OF 1 JOIN main.default.people ON true";
        let before = told(&server, &alice, then).await;
        assert!(match before {
            Some(before) => !holds(&server, &before, &alice, then).await,
            None => true,
        });
    });
}

#[test]
fn what_was_decided_when_it_was_told_of_stands_in_the_books_of_each_run() {
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
