//! Every spelling of a name meets the same policy.

use weir_testkit::block_on;

use super::{Attack, People, either, rows};

#[test]
fn quoted_and_cased_identifiers_meet_the_same_mask() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT SSN FROM main.hr.people", &["***", "***", "***"]),
        rows("SELECT `SSN` FROM main.hr.people", &["***", "***", "***"]),
        rows("SELECT `ssn` FROM MAIN.HR.PEOPLE", &["***", "***", "***"]),
        rows("SELECT `Main`.`Hr`.`People`.`SsN` FROM `MAIN`.`hR`.`pEOPLE`", &["***", "***", "***"]),
        rows("SELECT P.SSN FROM main.hr.people AS p", &["***", "***", "***"]),
        rows("SELECT x.number FROM main.hr.people AS x(a, b, c, number, d, e, f, g)", &["***", "***", "***"]),
        rows("SELECT name FROM (SELECT ssn AS name FROM main.hr.people)", &["***", "***", "***"]),
        rows("SELECT ssn FROM (SELECT name AS ssn FROM main.hr.people)", &["ann", "ben", "cat"]),
        rows("WITH people AS (SELECT ssn FROM main.hr.people) SELECT * FROM people", &["***", "***", "***"]),
        rows("SELECT id FROM main.hr.people WHERE SSN <> '***' OR `Ssn` LIKE 'CANARY%'", &[]),
        rows("SELECT \"ssn\" FROM main.hr.people WHERE id = 1", &["ssn"]),
        either("SELECT ｓｓｎ FROM main.hr.people"),
        either("SELECT `ssn ` FROM main.hr.people"),
        either("SELECT * FROM main.hr.`people\u{200b}`"),
        either("SELECT * FROM `main.hr.people`"),
        either("SELECT weir_raw.ssn FROM main.hr.people"),
        either("SELECT * FROM weir_raw"),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn a_session_that_quotes_with_double_quotes_meets_the_same_mask() {
    block_on(async {
        let people = People::ground().await;
        let first = people.client("alice");
        let request = first.request(arrow_flight::FlightDescriptor::new_cmd("SELECT 1"));
        let answer = first.raw().get_flight_info(request).await.unwrap();
        let cookie = answer.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned();
        let alice = people.client("alice").with_cookie(&cookie);
        let first = alice.update("SET double_quoted_identifiers = true").await;
        first.unwrap();
        // the answer to SET brought the session's cookie; a plain client asks without it
        assert_eq!(
            alice.statement("SELECT \"SSN\" FROM main.hr.people WHERE id = 1").await.unwrap().lines().len(),
            1
        );
    });
}

#[test]
fn columns_that_differ_by_case_only_close_the_table() {
    block_on(async {
        let people = People::ground().await;
        let refusal =
            people.client("admin").update("CREATE TABLE main.hr.twins (ssn STRING, SSN STRING)").await;
        assert!(refusal.unwrap_err().text.starts_with("[COLUMN_ALREADY_EXISTS]"));
    });
}
