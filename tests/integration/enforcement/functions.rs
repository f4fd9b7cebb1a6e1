//! SQL functions as a way in: calls with their owners' rights show what they return and nothing
//! else, in rows, errors and EXPLAIN.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use weir_testkit::{Way, block_on};

use super::{Attack, People, either, refused, rows, text_of};

/// Alice may call all but `inner`, and reads nothing of `codes`. Values under 77700 and the words
/// CANARY are hidden from her.
const FUNCTIONS: &str = "
CREATE SCHEMA main.lib;
CREATE TABLE main.lib.codes AS SELECT * FROM (VALUES (1, 11, 'one'), (2, 12, 'two'), (5, 15, 'CANARY-five')) AS t(k, v, word);
CREATE FUNCTION main.lib.code(x INT) RETURNS INT RETURN (SELECT max(v) FROM main.lib.codes WHERE k = x);
CREATE FUNCTION main.lib.known(x INT) RETURNS BOOLEAN RETURN EXISTS (SELECT 1 FROM main.lib.codes WHERE k = x);
CREATE FUNCTION main.lib.upto(top INT) RETURNS TABLE (k INT, v INT, word STRING) RETURN SELECT k, v, word FROM main.lib.codes WHERE k <= top;
CREATE FUNCTION main.lib.persons() RETURNS TABLE RETURN SELECT id, name, ssn, secret FROM main.hr.people;
CREATE FUNCTION main.lib.person(i INT) RETURNS STRING RETURN (SELECT max(concat(name, ssn)) FROM main.hr.people WHERE id = i);
CREATE FUNCTION main.lib.inner(x INT) RETURNS INT RETURN x + 98765432 - 98765432;
CREATE FUNCTION main.lib.outer(x INT) RETURNS INT RETURN main.lib.inner(x);
CREATE FUNCTION main.lib.twice(x BIGINT) RETURNS BIGINT RETURN x + x;
CREATE FUNCTION main.lib.abs(x INT) RETURNS STRING RETURN 'CANARY';
CREATE FUNCTION main.lib.mine(i INT) RETURNS BOOLEAN RETURN i < 3 OR session_user() = 'admin';
CREATE VIEW main.lib.coded AS SELECT id, main.lib.code(id) AS v FROM main.hr.people WHERE id <> 2;
CREATE VIEW main.lib.own AS SELECT id FROM main.hr.cities, main.hr.people WHERE main.lib.mine(id) AND city = 'Kiel';
GRANT USE SCHEMA ON SCHEMA main.lib TO alice;
GRANT EXECUTE ON FUNCTION main.lib.code TO alice;
GRANT EXECUTE ON FUNCTION main.lib.known TO alice;
GRANT EXECUTE ON FUNCTION main.lib.upto TO alice;
GRANT EXECUTE ON FUNCTION main.lib.persons TO alice;
GRANT EXECUTE ON FUNCTION main.lib.person TO alice;
GRANT EXECUTE ON FUNCTION main.lib.outer TO alice;
GRANT EXECUTE ON FUNCTION main.lib.twice TO alice;
GRANT EXECUTE ON FUNCTION main.lib.abs TO alice;
GRANT SELECT ON TABLE main.lib.coded TO alice;
GRANT SELECT ON TABLE main.lib.own TO alice
";

const ATTACKS: &[Attack] = &[
    rows("SELECT main.lib.code(2), main.lib.known(5), main.lib.known(3)", &["12 | true | false"]),
    refused("SELECT id FROM main.hr.people WHERE 1/(main.lib.code(id) - 15) > -1", "INVALID_STATEMENT"),
    refused(
        "SELECT id FROM main.hr.people WHERE main.lib.known(id) AND 1/(id - 5) > -1",
        "INVALID_STATEMENT",
    ),
    rows("SELECT k FROM main.lib.upto(2) WHERE 1/(v - 15) > -2", &["1", "2"]),
    rows("SELECT k FROM main.lib.upto(2) WHERE CAST(substr(word, 1, 0) AS STRING) = ''", &["1", "2"]),
    refused("SELECT k FROM main.lib.upto(2) WHERE CAST(word AS INT) > 0", "CAST_INVALID_INPUT"),
    rows("SELECT max(v), count(*) FROM main.lib.upto(2)", &["12 | 2"]),
    rows("SELECT u.k FROM main.lib.upto(2) u JOIN main.hr.people p ON p.id = u.k", &["1", "2"]),
    refused("SELECT * FROM main.hr.people p, LATERAL main.lib.upto(p.id)", "UNSUPPORTED_FEATURE"),
    rows(
        "SELECT id, name, ssn FROM main.lib.persons()",
        &["1 | ann | ***", "2 | ben | ***", "3 | cat | ***"],
    ),
    rows("SELECT id FROM main.lib.persons() WHERE 1/(secret - 5) < 0", &["1", "2", "3"]),
    rows("SELECT count(*) FROM main.lib.persons() WHERE ssn LIKE 'CANARY%'", &["0"]),
    rows("SELECT main.lib.person(id) FROM main.hr.people", &["ann***", "ben***", "cat***"]),
    rows("SELECT main.lib.person(77700), main.lib.person(1)", &["NULL | ann***"]),
    rows("SELECT main.lib.outer(id) FROM main.hr.people WHERE main.lib.outer(id) < 3", &["1", "2"]),
    rows("SELECT abs(-3)", &["3"]),
    refused("SELECT main.lib.inner(1)", "INSUFFICIENT_PERMISSIONS"),
    refused("SELECT main.gov.of_region('north')", "INSUFFICIENT_PERMISSIONS"),
    refused("SELECT main.gov.nothing('north')", "UNRESOLVED_ROUTINE"),
    rows("SELECT id, v FROM main.lib.coded WHERE 1/(v - 12) > -2", &["1 | 11"]),
    rows("SELECT id FROM main.lib.own WHERE 1/(id - 77700) > -1", &["1", "2"]),
    either("SELECT * FROM main.lib.upto(5) WHERE word NOT LIKE 'CANARY%'"),
    either("SELECT main.lib.twice(main.lib.twice(secret)) FROM main.hr.people"),
];

async fn ground() -> People {
    let people = People::ground().await;
    people.server.prepare(FUNCTIONS).await;
    people
}

#[test]
fn calls_show_what_they_return_and_nothing_else() {
    block_on(async { ground().await.withstands(ATTACKS).await });
}

#[test]
fn explain_shows_no_body_that_the_caller_may_not_read() {
    block_on(async {
        let people = ground().await;
        let (alice, admin) = (people.client("alice"), people.client("admin"));
        for explain in ["EXPLAIN", "EXPLAIN ANALYZE"] {
            let sql = format!("{explain} SELECT main.lib.outer(id) + 1 FROM main.hr.people");
            let told = text_of(&alice.statement(&sql).await);
            assert!(told.contains("expressions are not shown") && !told.contains("98765432"), "{told}");
            let told = text_of(&admin.statement(&sql).await);
            assert!(told.contains("98765432"), "{told}");
        }
        let told = text_of(&alice.statement("DESCRIBE FUNCTION EXTENDED main.lib.inner").await);
        assert!(!told.contains("98765432"), "{told}");
    });
}

#[test]
fn a_call_ends_with_the_grant_and_with_its_owners_rights() {
    block_on(async {
        let people = ground().await;
        let alice = people.client("alice");
        let by_value = alice.prepare("SELECT main.lib.code(2)").await.unwrap();
        let by_rows = alice.prepare("SELECT k FROM main.lib.upto(1)").await.unwrap();
        assert_eq!(alice.run(&by_value.handle).await.unwrap().value(), "12");
        assert_eq!(alice.run(&by_rows.handle).await.unwrap().value(), "1");
        people
            .server
            .prepare(
                "REVOKE EXECUTE ON FUNCTION main.lib.code FROM alice;
                 REVOKE EXECUTE ON FUNCTION main.lib.upto FROM alice",
            )
            .await;
        for handle in [&by_value.handle, &by_rows.handle] {
            let refusal = alice.run(handle).await.unwrap_err();
            assert!(refusal.text.contains("main.lib."), "{refusal:?}");
        }
        // What alice owns runs with her rights alone, whoever calls it.
        people
            .server
            .prepare(
                "GRANT CREATE FUNCTION ON SCHEMA main.lib TO alice;
                 GRANT EXECUTE ON FUNCTION main.lib.code TO alice",
            )
            .await;
        alice
            .statement(
                "CREATE FUNCTION main.lib.hers() RETURNS BIGINT RETURN (SELECT count(*) FROM main.hr.people)",
            )
            .await
            .unwrap();
        for sql in [
            "CREATE FUNCTION main.lib.calls() RETURNS INT RETURN main.lib.code(1)",
            "GRANT EXECUTE ON FUNCTION main.lib.calls TO admin",
            "GRANT EXECUTE ON FUNCTION main.lib.hers TO admin",
        ] {
            alice.statement(sql).await.unwrap();
        }
        let admin = people.client("admin");
        let sql = "SELECT main.lib.calls()";
        assert_eq!(admin.statement(sql).await.unwrap().value(), "11");
        people
            .server
            .prepare(
                "REVOKE EXECUTE ON FUNCTION main.lib.code FROM alice;
                 REVOKE SELECT ON TABLE main.hr.people FROM alice",
            )
            .await;
        for sql in [sql, "SELECT main.lib.hers()"] {
            for way in Way::ALL {
                let refusal = way.ask(&admin, sql).await.unwrap_err();
                assert!(refusal.text.contains("cannot be called"), "{way:?} {sql}: {refusal:?}");
            }
        }
    });
}

#[test]
fn parameters_of_statements_are_arguments() {
    block_on(async {
        let people = ground().await;
        let alice = people.client("alice");
        for (sql, expected) in [
            ("SELECT main.lib.code(?)", "12"),
            ("SELECT max(k) FROM main.lib.upto(?)", "2"),
            ("SELECT main.lib.twice(?)", "4"),
            ("SELECT main.lib.outer(x => ?)", "2"),
        ] {
            let prepared = alice.prepare(sql).await.unwrap();
            let told = prepared.parameter_schema.field(0).data_type().clone();
            assert!([DataType::Int32, DataType::Int64].contains(&told), "{sql}: {told}");
            let schema = Arc::new(Schema::new(vec![Field::new("", DataType::Int32, true)]));
            let two: ArrayRef = Arc::new(Int32Array::from(vec![2]));
            let bound = RecordBatch::try_new(schema, vec![two]).unwrap();
            assert_eq!(alice.bound(sql, &bound).await.unwrap().value(), expected, "{sql}");
        }
    });
}

#[test]
fn calls_that_double_are_refused_at_once() {
    block_on(async {
        let people = ground().await;
        let alice = people.client("alice");
        let sql = format!("SELECT {}1{}", "main.lib.twice(".repeat(40), ")".repeat(40));
        for way in Way::ALL {
            let refusal = way.ask(&alice, &sql).await.unwrap_err();
            assert!(
                refusal.text.starts_with("[RESOURCE_EXHAUSTED]") || refusal.text.contains("nest"),
                "{refusal:?}"
            );
        }
    });
}
