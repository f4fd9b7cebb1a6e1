//! The real program, killed and stopped in the middle of its work: nothing acknowledged is lost,
//! nothing is counted twice.

use std::path::{Path, PathBuf};

use arrow_flight::sql::CommandStatementQuery;
use futures::StreamExt;
use weir_testkit::{Client, Program, block_on, task};

use super::reconcile;

/// A configuration on a port of the system's choice.
fn configuration(ground: &Path) -> PathBuf {
    let file = ground.join("weir.toml");
    let data = ground.join("data");
    let text = format!(
        "[server]\nflight_address = \"127.0.0.1:0\"\ndata_directory = \"{}\"\ndrain = \"1s\"\n[catalog]\ninitial_admin = \"admin\"\n[billing]\nflush_interval = \"1s\"\n",
        data.display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

async fn ground(admin: &Client) {
    for sql in [
        "CREATE USER alice",
        "CREATE TABLE main.default.t (id INT, region STRING)",
        "INSERT INTO main.default.t VALUES (1, 'north'), (2, 'south')",
        "CREATE FUNCTION main.default.north(region STRING) RETURNS BOOLEAN RETURN region = 'north'",
        "ALTER TABLE main.default.t SET ROW FILTER main.default.north ON (region)",
        "GRANT USE CATALOG ON CATALOG main TO alice",
        "GRANT USE SCHEMA ON SCHEMA main.default TO alice",
        "GRANT SELECT ON TABLE main.default.t TO alice",
    ] {
        admin.update(sql).await.unwrap_or_else(|refusal| panic!("{sql}: {refusal:?}"));
    }
}

/// Statements of `client`, each with its own mark, until the server is gone; the marks of those
/// whose answer came whole.
async fn load(client: Client, name: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let mark = format!("mark-{name}-{number}");
        let sql = format!("SELECT id, '{mark}' AS mark FROM main.default.t");
        match client.statement(&sql).await {
            Ok(rows) => {
                assert_eq!(rows.count(), 1);
                acknowledged.push(mark);
            }
            Err(_) => break,
        }
    }
    acknowledged
}

async fn entered(admin: &Client) -> Vec<String> {
    let sql = "SELECT statement_text, count(*) AS c, count(DISTINCT statement_id) AS d FROM system.query.history \
               WHERE statement_text LIKE 'SELECT id, ''mark-%' GROUP BY statement_text";
    admin.statement(sql).await.unwrap().lines()
}

#[test]
fn kill_nine_in_the_middle_of_a_load_loses_nothing_and_counts_nothing_twice() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let config = configuration(directory.path());
        let mut acknowledged = Vec::new();
        for round in 0..3 {
            let program = Program::serve(&config);
            let admin = program.client(&config, "admin");
            if round == 0 {
                ground(&admin).await;
            }
            let alice = program.client(&config, "alice");
            let loads: Vec<_> = (0..3).map(|name| task(load(alice.clone(), round * 10 + name))).collect();
            // killed once the load is under way
            while entered(&admin).await.len() < 20 * (round + 1) {
                tokio::task::yield_now().await;
            }
            program.kill();
            for load in loads {
                acknowledged.extend(load.await.unwrap());
            }
        }
        let program = Program::serve(&config);
        let admin = program.client(&config, "admin");
        let entered = entered(&admin).await;
        for mark in &acknowledged {
            let line = entered.iter().find(|line| line.contains(&format!("'{mark}'")));
            let line = line.unwrap_or_else(|| panic!("{mark} was acknowledged and is not in the books"));
            assert!(line.ends_with(" | 1 | 1"), "counted twice: {line}");
        }
        reconcile(&admin).await;
        let twice = "SELECT count(*) - count(DISTINCT record_id) AS twice FROM system.billing.usage";
        assert_eq!(admin.statement(twice).await.unwrap().value(), "0");
        program.kill();
    });
}

#[test]
fn told_to_stop_in_the_middle_of_a_stream_the_usage_is_flushed() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let config = configuration(directory.path());
        let program = Program::serve(&config);
        let admin = program.client(&config, "admin");
        ground(&admin).await;
        let alice = program.client(&config, "alice");
        let values = (0..400).map(|n| format!("({n})")).collect::<Vec<_>>().join(", ");
        let query = format!(
            "SELECT t.id, a.c FROM main.default.t t, (VALUES {values}) a(c), (VALUES {values}) b(c), (VALUES {values}) d(c)"
        );
        let command = CommandStatementQuery { query, transaction_id: None };
        let ticket = alice.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let mut stream = alice.open(ticket).await.unwrap();
        stream.next().await.unwrap().unwrap();
        let stopped = tokio::task::spawn_blocking(|| program.terminate());
        // the client goes on reading until it is told that the server ends
        while let Some(Ok(_)) = stream.next().await {}
        assert!(stopped.await.unwrap().success(), "SIGTERM ends the server in order");

        let program = Program::serve(&config);
        let admin = program.client(&config, "admin");
        let told = "SELECT execution_status, count(*) AS c FROM system.query.history WHERE statement_text LIKE 'SELECT t.id%' GROUP BY ALL";
        let told = admin.statement(told).await.unwrap().lines();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].ends_with(" | 1"), "{told:?}");
        let used = "SELECT count(*) > 0 AS used FROM system.billing.usage WHERE identity_metadata.run_as = 'alice' AND usage_quantity > 0";
        assert_eq!(admin.statement(used).await.unwrap().value(), "true");
        reconcile(&admin).await;
        assert!(tokio::task::spawn_blocking(|| program.terminate()).await.unwrap().success());
    });
}
