//! Statements that fail on hidden rows, or tell of a raw value by failing.

use weir_testkit::block_on;

use super::{Attack, People, either, refused, rows};

#[test]
fn division_by_a_hidden_value_does_not_fail() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT id FROM main.hr.people WHERE 1 / (secret - 5) = 0", &[]),
        rows("SELECT count(*) FROM main.hr.people WHERE 10 % secret >= 0", &["3"]),
        rows("SELECT id FROM main.hr.people WHERE secret <> 5 AND 1 / (secret - 5) < 0", &["1", "2", "3"]),
        rows("SELECT sum(1 / (secret - 5)) < 0 FROM main.hr.people", &["true"]),
        rows("SELECT count(*) FILTER (WHERE 1 / (secret - 5) < 0) FROM main.hr.people", &["3"]),
        rows("SELECT id FROM main.hr.people ORDER BY 1 / (secret - 5)", &["1", "2", "3"]),
        rows(
            "SELECT secret FROM main.hr.people GROUP BY secret HAVING 1 / (secret - 5) < 0",
            &["1", "2", "3"],
        ),
        rows(
            "SELECT id FROM (SELECT id, 1 / (secret - 5) AS q FROM main.hr.people) WHERE q < 0",
            &["1", "2", "3"],
        ),
        rows(
            "WITH x AS (SELECT id, 1 / (secret - 5) AS q FROM main.hr.people) SELECT max(id) FROM x",
            &["3"],
        ),
        rows(
            "SELECT p.id FROM main.hr.people p JOIN main.hr.cities c ON 1 / (p.secret - 5) < 0 AND c.region = p.region",
            &["1", "2", "3"],
        ),
        rows("SELECT sum(1 / (secret - 5)) OVER () < 0 FROM main.hr.people", &["true", "true", "true"]),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn division_by_zero_on_a_visible_row_is_told() {
    const ATTACKS: &[Attack] = &[
        refused("SELECT id FROM main.hr.people WHERE 1 / (secret - 3) = 0", "DIVIDE_BY_ZERO"),
        refused("SELECT 10 % (secret - 1) FROM main.hr.people", "DIVIDE_BY_ZERO"),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn a_failing_cast_of_a_masked_value_tells_the_mask() {
    const ATTACKS: &[Attack] = &[
        refused("SELECT id FROM main.hr.people WHERE CAST(ssn AS INT) > 0", "CAST_INVALID_INPUT"),
        refused("SELECT CAST(ssn AS DATE) FROM main.hr.people", "CAST_INVALID_INPUT"),
        rows("SELECT id FROM main.hr.people WHERE try_cast(ssn AS INT) IS NULL", &["1", "2", "3"]),
        rows("SELECT DISTINCT salary + 1 FROM main.hr.people", &["1.00"]),
        rows("SELECT id FROM main.hr.people WHERE CAST(salary AS INT) > 1000", &[]),
        rows("SELECT id FROM main.hr.people WHERE born IS NOT NULL", &[]),
        either("SELECT id FROM main.hr.people WHERE CAST(name AS INT) > 0"),
        either("SELECT CAST(id AS TINYINT) FROM main.hr.people"),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn a_case_that_fails_on_a_guessed_value_does_not_fail() {
    const ATTACKS: &[Attack] = &[
        rows(
            "SELECT CASE WHEN ssn = 'CANARY-1' THEN 1 / 0 ELSE 7 END AS x FROM main.hr.people",
            &["7.0", "7.0", "7.0"],
        ),
        rows(
            "SELECT id FROM main.hr.people WHERE CASE WHEN ssn LIKE 'C%' THEN 1 / (id - id) ELSE 1 END = 1",
            &["1", "2", "3"],
        ),
        rows(
            "SELECT id FROM main.hr.people WHERE CASE WHEN salary > 1 THEN 1 / (id - id) ELSE 1 END = 1",
            &["1", "2", "3"],
        ),
        rows(
            "SELECT CASE WHEN name = 'CANARY-dan' THEN 1 / (id - id) ELSE 1 END > 0 FROM main.hr.people",
            &["true", "true", "true"],
        ),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}
