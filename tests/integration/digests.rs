//! The digest of what governs a statement: in the answer to GetFlightInfo and in history, the same for whoever sees
//! the same, another for another policy or version, and telling nothing else.

use arrow_flight::sql::{CommandPreparedStatementQuery, CommandStatementQuery};
use weir_testkit::{ADMIN, Client, TestServer, block_on};

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE USER dave;
             CREATE TABLE main.default.people (id INT, region STRING);
             INSERT INTO main.default.people VALUES (1, 'north'), (2, 'south');
             CREATE TABLE main.default.regions (region STRING);
             INSERT INTO main.default.regions VALUES ('north');
             CREATE FUNCTION main.default.seen(region STRING) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR region IN (SELECT o.region FROM main.default.regions o);
             ALTER TABLE main.default.people SET ROW FILTER main.default.seen ON (region);
             CREATE VIEW main.default.ids AS SELECT id FROM main.default.people;
             CREATE SCHEMA main.front;
             CREATE VIEW main.front.ids AS SELECT id FROM main.default.people;
             GRANT USE CATALOG ON CATALOG main TO alice;
             GRANT USE CATALOG ON CATALOG main TO dave;
             GRANT USE CATALOG ON CATALOG main TO carol;
             GRANT USE CATALOG ON CATALOG main TO bob;
             GRANT USE SCHEMA ON SCHEMA main.front TO bob;
             GRANT SELECT ON TABLE main.front.ids TO bob;
             GRANT USE SCHEMA ON SCHEMA main.default TO alice;
             GRANT USE SCHEMA ON SCHEMA main.default TO dave;
             GRANT USE SCHEMA ON SCHEMA main.default TO carol;
             GRANT SELECT ON TABLE main.default.people TO alice;
             GRANT SELECT ON TABLE main.default.people TO dave;
             GRANT SELECT ON TABLE main.default.people TO carol",
        )
        .await;
    server
}

const PEOPLE: &str = "SELECT id FROM main.default.people";

/// As it stands in the answer to GetFlightInfo of the text.
async fn told(client: &Client, sql: &str) -> String {
    let command = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
    let info = client.info(&command).await.unwrap_or_else(|refusal| panic!("{sql}: {refusal:?}"));
    digest_in(&info.app_metadata)
}

fn digest_in(metadata: &[u8]) -> String {
    let told: serde_json::Value = serde_json::from_slice(metadata).unwrap();
    let fields = told.as_object().unwrap();
    assert_eq!(fields.len(), 1, "{told}");
    let digest = fields["policy_digest"].as_str().unwrap().to_owned();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    digest
}

#[test]
fn it_stands_in_flight_infos_and_in_history_for_text_and_prepared_alike() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let text = told(&alice, PEOPLE).await;
        let handle = alice.prepare(PEOPLE).await.unwrap().handle;
        let command = CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() };
        assert_eq!(digest_in(&alice.info(&command).await.unwrap().app_metadata), text);
        alice.statement(PEOPLE).await.unwrap();
        alice.run(&handle).await.unwrap();
        let history = format!(
            "SELECT DISTINCT policy_digest FROM system.query.history WHERE statement_text = '{PEOPLE}' AND policy_digest IS NOT NULL"
        );
        let digests = [text];
        assert_eq!(server.rows(ADMIN, &history).await, digests);
        assert_eq!(server.rows("alice", &history).await, digests);
        // a listing reads no table by a query
        let listing = CommandStatementQuery { query: "SHOW SCHEMAS".to_owned(), transaction_id: None };
        assert!(alice.info(&listing).await.unwrap().app_metadata.is_empty());
    });
}

#[test]
fn it_is_the_same_for_the_same_policies_and_another_for_others_and_for_other_versions() {
    block_on(async {
        let server = ground().await;
        let (alice, dave, carol) = (server.client("alice"), server.client("dave"), server.client("carol"));
        let mut seen = vec![told(&alice, PEOPLE).await];
        assert_eq!(told(&dave, PEOPLE).await, seen[0]);
        assert_ne!(told(&carol, PEOPLE).await, seen[0], "whom the policy spares");
        for change in [
            "INSERT INTO main.default.people VALUES (3, 'north')",
            "CREATE OR REPLACE FUNCTION main.default.seen(region STRING) RETURNS BOOLEAN RETURN region = 'east' OR region = 'north'",
            "ALTER TABLE main.default.people SET TBLPROPERTIES ('governance.protection' = 'strict')",
            "CREATE FUNCTION main.default.zero(v INT) RETURNS INT RETURN 0;\nALTER TABLE main.default.people ALTER COLUMN id SET MASK main.default.zero",
        ] {
            server.prepare(change).await;
            let now = told(&alice, PEOPLE).await;
            assert!(!seen.contains(&now), "{change}");
            assert_eq!(told(&dave, PEOPLE).await, now, "{change}");
            seen.push(now);
        }
        // what governs nothing of it
        server.prepare("CREATE SCHEMA main.elsewhere").await;
        assert_eq!(told(&alice, PEOPLE).await, seen[seen.len() - 1]);
    });
}

#[test]
fn it_does_not_tell_of_commits_that_its_reader_may_not_know_of() {
    block_on(async {
        let server = ground().await;
        let (alice, bob) = (server.client("alice"), server.client("bob"));
        let view = "SELECT id FROM main.front.ids";
        let before = (told(&alice, PEOPLE).await, told(&bob, view).await);
        server.prepare("INSERT INTO main.default.regions VALUES ('west')").await;
        assert_eq!(told(&alice, PEOPLE).await, before.0, "a mapping table");
        server.prepare("INSERT INTO main.default.people VALUES (9, 'north')").await;
        assert_eq!(told(&bob, view).await, before.1, "a table below a view of which the reader has no right");
        let policy = "CREATE OR REPLACE FUNCTION main.default.seen(region STRING) RETURNS BOOLEAN RETURN region = 'north'";
        server.prepare(policy).await;
        assert_ne!(told(&bob, view).await, before.1, "a policy below the view");
    });
}

#[test]
fn what_a_policy_reads_is_part_of_it_with_the_policies_there() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let before = told(&alice, PEOPLE).await;
        server
            .prepare(
                "CREATE FUNCTION main.default.some(region STRING) RETURNS BOOLEAN RETURN region <> 'x';
                 ALTER TABLE main.default.regions SET ROW FILTER main.default.some ON (region)",
            )
            .await;
        let governed = told(&alice, PEOPLE).await;
        assert_ne!(governed, before);
        let other = "CREATE OR REPLACE FUNCTION main.default.some(region STRING) RETURNS BOOLEAN RETURN region <> 'y'";
        server.prepare(other).await;
        assert_ne!(told(&alice, PEOPLE).await, governed);
    });
}
