//! Sessions that read at a moment: the rows of then, the policies of now, and nothing changed.

use arrow_flight::FlightDescriptor;
use arrow_flight::sql::CommandStatementQuery;
use weir_testkit::{Client, TestServer, Way, block_on};

use super::{People, canary_in};

/// A client of `user` with the session that `statement` leaves.
pub(super) async fn session(server: &TestServer, user: &str, statement: &str) -> Client {
    let plain = server.client(user);
    let request = plain.request(FlightDescriptor::new_cmd("SELECT 1"));
    let answer = plain.raw().get_flight_info(request).await.unwrap();
    let cookie = answer.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned();
    set(&plain.with_cookie(&cookie), server, user, statement).await
}

/// The same client with the session that `statement` leaves.
async fn set(client: &Client, server: &TestServer, user: &str, statement: &str) -> Client {
    let command = CommandStatementQuery { query: statement.to_owned(), transaction_id: None };
    let ticket = client.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap();
    let answer = client.raw().do_get(client.request(ticket)).await.unwrap();
    let kept = answer.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned();
    server.client(user).with_cookie(&kept)
}

const PIN: &str = "SET read_at_snapshot = current_timestamp()";

async fn ground() -> People {
    let people = People::ground().await;
    people
        .server
        .prepare(
            "CREATE VIEW main.hr.ids AS SELECT id FROM main.hr.people;
             GRANT SELECT ON TABLE main.hr.ids TO alice",
        )
        .await;
    people
}

#[test]
fn a_session_reads_every_table_at_its_moment() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        let client = session(server, "alice", PIN).await;
        server
            .prepare(
                "INSERT INTO main.hr.cities VALUES ('north', 'Bonn');
                 CREATE TABLE main.hr.young (id INT);
                 GRANT SELECT ON TABLE main.hr.young TO alice;
                 DELETE FROM main.hr.cities WHERE city = 'Ulm'",
            )
            .await;
        let writer = people.client("carol");
        server.prepare("GRANT MODIFY ON TABLE main.hr.people TO carol").await;
        writer.update("INSERT INTO main.hr.people (id, region) VALUES (4, 'north')").await.unwrap();
        for (sql, then, now) in [
            ("SELECT count(*) FROM main.hr.people", "3", "4"),
            ("SELECT count(*) FROM main.hr.ids", "3", "4"),
            ("SELECT min(city) FROM main.hr.cities", "Kiel", "Bonn"),
            ("SELECT count(*) FROM main.hr.people p JOIN main.hr.cities c ON p.region = c.region", "3", "8"),
            ("SELECT count(*) FROM main.hr.cities VERSION AS OF 0", "0", "0"),
            ("SELECT count(*) FROM main.hr.people TIMESTAMP AS OF current_timestamp()", "4", "4"),
            ("SELECT max(ssn) FROM main.hr.people", "***", "***"),
        ] {
            for way in Way::ALL {
                assert_eq!(way.ask(&client, sql).await.unwrap().value(), then, "{way:?} {sql}");
            }
            assert_eq!(server.rows("alice", sql).await, [now], "{sql}");
        }
        let young = client.statement("SELECT * FROM main.hr.young").await.unwrap_err();
        assert!(young.text.starts_with("[DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION]"), "{young:?}");
        let shown = client.statement("SET read_at_snapshot").await.unwrap().value();
        assert!(shown.starts_with("read_at_snapshot | 20") && shown.ends_with('Z'), "{shown}");
        let ended = set(&client, server, "alice", "RESET read_at_snapshot").await;
        assert_eq!(ended.statement("SELECT count(*) FROM main.hr.people").await.unwrap().value(), "4");
        let shown = ended.statement("SET read_at_snapshot").await.unwrap().value();
        assert_eq!(shown, "read_at_snapshot | newest");
    });
}

#[test]
fn policies_and_grants_are_those_of_now() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        let client = session(server, "alice", PIN).await;
        let names = "SELECT city FROM main.hr.cities";
        assert_eq!(client.statement(names).await.unwrap().sorted(), ["Kiel", "Ulm"]);
        let prepared = client.prepare(names).await.unwrap().handle;
        server
            .prepare(
                "CREATE TABLE main.gov.open_cities (city STRING);
                 CREATE FUNCTION main.gov.is_open(name STRING) RETURNS BOOLEAN RETURN name IN (SELECT city FROM main.gov.open_cities);
                 ALTER TABLE main.hr.cities SET ROW FILTER main.gov.is_open ON (city)",
            )
            .await;
        assert_eq!(client.statement(names).await.unwrap().sorted(), Vec::<String>::new());
        // what a policy reads is read as it is now
        server.prepare("INSERT INTO main.gov.open_cities VALUES ('Kiel')").await;
        assert_eq!(client.statement(names).await.unwrap().sorted(), ["Kiel"]);
        assert_eq!(client.run(&prepared).await.unwrap().sorted(), ["Kiel"]);
        server.prepare("REVOKE SELECT ON TABLE main.hr.cities FROM alice").await;
        let refusal = client.statement(names).await.unwrap_err();
        let now = server.refused("alice", names).await;
        assert_eq!(refusal.text, now);
        for sql in
            ["SELECT * FROM main.hr.people", "EXPLAIN ANALYZE SELECT * FROM main.hr.people WHERE id > 0"]
        {
            let told = format!("{:?}", client.statement(sql).await.unwrap().lines());
            assert_eq!(canary_in(&told, sql), None);
        }
    });
}

#[test]
fn a_session_that_reads_at_a_moment_changes_nothing() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        let client = session(server, "admin", PIN).await;
        for sql in [
            "INSERT INTO main.hr.cities VALUES ('east', 'Jena')",
            "UPDATE main.hr.cities SET city = 'x'",
            "DELETE FROM main.hr.cities",
            "TRUNCATE TABLE main.hr.cities",
            "MERGE INTO main.hr.cities t USING main.hr.cities s ON t.city = s.city WHEN MATCHED THEN DELETE",
            "CREATE TABLE main.hr.copy AS SELECT * FROM main.hr.cities",
            "CREATE VIEW main.hr.copy AS SELECT * FROM main.hr.cities",
            "DROP TABLE main.hr.cities",
            "ALTER TABLE main.hr.cities ADD COLUMN x INT",
            "GRANT SELECT ON TABLE main.hr.cities TO bob",
        ] {
            let refusal = client.update(sql).await.unwrap_err();
            assert!(refusal.text.starts_with("[UNSUPPORTED_FEATURE]"), "{sql}: {refusal:?}");
            assert!(refusal.text.contains("RESET read_at_snapshot"), "{sql}: {refusal:?}");
        }
        assert_eq!(server.rows("admin", "SELECT count(*) FROM main.hr.cities").await, ["2"]);
        for sql in ["SHOW TABLES IN main.hr", "DESCRIBE main.hr.cities", "DESCRIBE HISTORY main.hr.cities"] {
            client.statement(sql).await.unwrap();
        }
    });
}

#[test]
fn a_moment_that_cannot_be_is_refused() {
    block_on(async {
        let people = ground().await;
        let client = session(&people.server, "alice", PIN).await;
        for (moment, condition) in [
            ("current_timestamp() + INTERVAL 1 DAY", "DELTA_TIMESTAMP_GREATER_THAN_COMMIT"),
            ("'soon'", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
            ("5", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
            ("true", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
            ("NULL", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
            ("(SELECT max(born) FROM main.hr.people)", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
        ] {
            let refusal = client.update(&format!("SET read_at_snapshot = {moment}")).await.unwrap_err();
            assert!(refusal.text.starts_with(&format!("[{condition}]")), "{moment}: {refusal:?}");
        }
        let first = session(&people.server, "alice", "SET read_at_snapshot = '2001-01-01'").await;
        let refusal = first.statement("SELECT * FROM main.hr.people").await.unwrap_err();
        assert!(refusal.text.starts_with("[DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION]"), "{refusal:?}");
    });
}
