//! Two tokens of one user that claim different things, where a policy asks for the claim: plans, results, handles, tickets and
//! polls of one are worth nothing to the other.

use arrow_flight::sql::{CommandPreparedStatementQuery, CommandStatementQuery};
use serde_json::json;
use weir_server::clock::Clock;
use weir_server::config::Config;
use weir_testkit::{Client, IdentityProvider, Setup, TestServer, Way, block_on};

const SQL: &str = "SELECT region, salary, count(*) OVER () FROM main.default.t ORDER BY region";

/// Alice sees the rows of the region that her token claims, and salaries where it says so.
const GROUND: &str = "
CREATE TABLE main.default.t (region STRING, salary INT);
INSERT INTO main.default.t VALUES ('north', 10), ('south', 20), ('south', 30);
CREATE FUNCTION main.default.seen(region STRING) RETURNS BOOLEAN RETURN region = jwt_claim('region');
CREATE FUNCTION main.default.told(salary INT) RETURNS INT RETURN CASE WHEN jwt_claim('pay') = 'yes' THEN salary END;
ALTER TABLE main.default.t SET ROW FILTER main.default.seen ON (region);
ALTER TABLE main.default.t ALTER COLUMN salary SET MASK main.default.told;
GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO alice;
GRANT SELECT, MODIFY ON TABLE main.default.t TO alice";

const NORTH: [&str; 1] = ["north | 10 | 1"];
const SOUTH: [&str; 2] = ["south | NULL | 2", "south | NULL | 2"];

struct Ground {
    north: Client,
    south: Client,
    /// A token that claims nothing.
    silent: Client,
    server: TestServer,
    _provider: IdentityProvider,
}

async fn ground() -> Ground {
    let provider = IdentityProvider::start().await;
    let mut config = Config::default();
    config.identity.issuers = vec![provider.configured()];
    let server = TestServer::start_with(Setup { config, ..Setup::default() }).await;
    server.prepare(GROUND).await;
    let now = server.clock().now();
    let alice = |claims| server.anonymous().with_token(&provider.token("first", "alice", now, &claims));
    let north = alice(json!({"region": "north", "pay": "yes"}));
    let south = alice(json!({"region": "south"}));
    let silent = alice(json!({}));
    Ground { north, south, silent, server, _provider: provider }
}

#[test]
fn each_of_two_tokens_sees_what_it_claims_by_every_way_and_in_turns() {
    block_on(async {
        let ground = ground().await;
        for _ in 0..3 {
            for way in Way::ALL {
                assert_eq!(way.ask(&ground.north, SQL).await.unwrap().lines(), NORTH, "{way:?}");
                assert_eq!(way.ask(&ground.south, SQL).await.unwrap().lines(), SOUTH, "{way:?}");
                assert_eq!(way.ask(&ground.silent, SQL).await.unwrap().count(), 0, "{way:?}");
            }
        }
        let told = ground.server.rows("alice", SQL).await;
        assert!(told.is_empty(), "a token of the server's own claims nothing: {told:?}");
    });
}

#[test]
fn what_one_token_began_gives_the_other_its_own_rows_or_none() {
    block_on(async {
        let ground = ground().await;
        let (north, south) = (&ground.north, &ground.south);
        let handle = north.prepare(SQL).await.unwrap().handle;
        assert_eq!(north.run(&handle).await.unwrap().lines(), NORTH);
        assert_eq!(south.run(&handle).await.unwrap().lines(), SOUTH);
        assert_eq!(north.run(&handle).await.unwrap().lines(), NORTH);
        let prepared = CommandPreparedStatementQuery { prepared_statement_handle: handle };
        let text = CommandStatementQuery { query: SQL.to_owned(), transaction_id: None };
        let tickets = [
            north.info(&prepared).await.unwrap().endpoint[0].ticket.clone().unwrap(),
            north.info(&text).await.unwrap().endpoint[0].ticket.clone().unwrap(),
            north.polled(&text).await.unwrap().endpoint[0].ticket.clone().unwrap(),
        ];
        for ticket in tickets {
            match south.fetch(ticket).await {
                Ok(rows) => assert_eq!(rows.lines(), SOUTH),
                Err(refusal) => assert!(!refusal.text.contains("north"), "{refusal:?}"),
            }
        }
    });
}

#[test]
fn changes_reach_the_rows_that_the_token_claims() {
    block_on(async {
        let ground = ground().await;
        let (north, south) = (&ground.north, &ground.south);
        for client in [north, south, north] {
            // The same text, one after the other.
            drop(client.update("UPDATE main.default.t SET region = region WHERE region <> 'east'").await);
        }
        assert_eq!(north.update("DELETE FROM main.default.t WHERE region <> 'east'").await.unwrap(), 1);
        let count = ground.server.rows("admin", "SELECT count(*) FROM main.default.t").await;
        assert_eq!(count, ["0"], "a token that claims nothing sees nothing");
        assert_eq!(south.statement("SELECT count(*) FROM main.default.t").await.unwrap().value(), "2");
    });
}
