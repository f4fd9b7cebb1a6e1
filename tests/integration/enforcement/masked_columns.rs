//! Masked columns in every place where a column can stand: the mask is what is compared,
//! grouped, ordered and joined.

use weir_testkit::block_on;

use super::{Attack, People, rows};

#[test]
fn a_self_join_meets_the_mask_on_both_sides() {
    const ATTACKS: &[Attack] = &[
        rows(
            "SELECT a.id FROM main.hr.people a JOIN main.hr.people b ON a.ssn = 'CANARY-1' AND a.id = b.id",
            &[],
        ),
        rows(
            "SELECT a.id, b.id FROM main.hr.people a JOIN main.hr.people b ON a.ssn = b.ssn WHERE a.id < b.id",
            &["1 | 2", "1 | 3", "2 | 3"],
        ),
        rows(
            "SELECT DISTINCT a.ssn, b.ssn FROM main.hr.people a JOIN main.hr.people b ON a.id = b.id",
            &["*** | ***"],
        ),
        rows("SELECT count(*) FROM main.hr.people a, main.hr.people b", &["9"]),
        rows("SELECT count(*) FROM main.hr.people a FULL JOIN main.hr.people b ON a.id = b.id + 1", &["4"]),
        rows(
            "SELECT count(*) FROM main.hr.people a LEFT ANTI JOIN main.hr.people b ON a.id = b.secret",
            &["0"],
        ),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn a_correlated_subquery_meets_the_mask_of_the_outer_alias() {
    const ATTACKS: &[Attack] = &[
        rows(
            "SELECT c.city FROM main.hr.cities c WHERE EXISTS (SELECT 1 FROM main.hr.people p WHERE p.region = c.region)",
            &["Kiel"],
        ),
        rows(
            "SELECT c.city FROM main.hr.cities c WHERE NOT EXISTS (SELECT 1 FROM main.hr.people p WHERE p.region = c.region)",
            &["Ulm"],
        ),
        rows(
            "SELECT o.id FROM main.hr.people o WHERE EXISTS (SELECT 1 FROM main.hr.cities c WHERE o.ssn LIKE 'CANARY%')",
            &[],
        ),
        rows(
            "SELECT o.id FROM main.hr.people o WHERE EXISTS (SELECT 1 FROM main.hr.people i WHERE i.id = o.id AND i.ssn <> '***')",
            &[],
        ),
        rows(
            "SELECT o.id FROM main.hr.people o WHERE o.salary < (SELECT max(i.salary) FROM main.hr.people i)",
            &[],
        ),
        rows(
            "SELECT c.city FROM main.hr.cities c WHERE c.region IN (SELECT region FROM main.hr.people)",
            &["Kiel"],
        ),
        rows(
            "SELECT c.city FROM main.hr.cities c WHERE c.region NOT IN (SELECT region FROM main.hr.people)",
            &["Ulm"],
        ),
        rows(
            "SELECT (SELECT max(p.ssn) FROM main.hr.people p WHERE p.region = c.region) FROM main.hr.cities c",
            &["***", "NULL"],
        ),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn a_masked_column_is_the_mask_wherever_it_stands() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT ssn, count(*) FROM main.hr.people GROUP BY ssn", &["*** | 3"]),
        rows("SELECT ssn, count(*) FROM main.hr.people GROUP BY ALL", &["*** | 3"]),
        rows("SELECT DISTINCT ssn FROM main.hr.people", &["***"]),
        rows(
            "SELECT count(DISTINCT ssn), count(DISTINCT salary), count(born) FROM main.hr.people",
            &["1 | 1 | 0"],
        ),
        rows("SELECT salary FROM main.hr.people ORDER BY salary DESC LIMIT 1", &["0.00"]),
        rows("SELECT ssn FROM main.hr.people ORDER BY ssn LIMIT 1", &["***"]),
        rows("SELECT id, rank() OVER (ORDER BY salary) FROM main.hr.people", &["1 | 1", "2 | 1", "3 | 1"]),
        rows("SELECT id FROM main.hr.people QUALIFY dense_rank() OVER (ORDER BY ssn) > 1", &[]),
        rows("SELECT min(ssn), max(ssn) FROM main.hr.people HAVING max(ssn) > 'A'", &[]),
        rows("SELECT ssn FROM main.hr.people UNION SELECT city FROM main.hr.cities", &["***", "Kiel", "Ulm"]),
        rows("SELECT ssn FROM main.hr.people EXCEPT SELECT '***'", &[]),
        rows("SELECT ssn FROM main.hr.people INTERSECT SELECT '***'", &["***"]),
        rows("SELECT (SELECT max(ssn) FROM main.hr.people)", &["***"]),
        rows("SELECT string_agg(ssn, ',') FROM main.hr.people", &["***,***,***"]),
        rows("SELECT array_agg(ssn) FROM main.hr.people", &["[***, ***, ***]"]),
        rows("SELECT upper(ssn) || salary FROM main.hr.people WHERE id = 1", &["***0.00"]),
        rows("SELECT id FROM main.hr.people WHERE ssn = 'CANARY-1' OR salary = 45454545.01", &[]),
        rows("SELECT id FROM main.hr.people WHERE ssn IN ('CANARY-1', 'CANARY-2')", &[]),
        rows("SELECT id FROM main.hr.people WHERE born BETWEEN DATE '1900-01-01' AND DATE '1999-01-01'", &[]),
        rows("SELECT sum(salary), avg(salary) FROM main.hr.people", &["0.00 | 0.000000"]),
        rows(
            "SELECT first_value(ssn) OVER (ORDER BY id), lag(ssn) OVER (ORDER BY id) FROM main.hr.people",
            &["*** | NULL", "*** | ***", "*** | ***"],
        ),
        rows(
            "SELECT p.id FROM main.hr.people p JOIN main.hr.cities c ON p.ssn < c.city AND c.region = p.region",
            &["1", "2", "3"],
        ),
        rows("SELECT named_struct('s', ssn) AS s FROM main.hr.people WHERE id = 1", &["{s: ***}"]),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn stars_and_struct_fields_meet_the_mask() {
    const ATTACKS: &[Attack] = &[
        rows(
            "SELECT * FROM main.hr.people WHERE id = 1",
            &["1 | ann | north | *** | 0.00 | 1 | NULL | {email: ann@example.com, phone: 1}"],
        ),
        rows(
            "SELECT p.* FROM main.hr.people p WHERE p.id = 1",
            &["1 | ann | north | *** | 0.00 | 1 | NULL | {email: ann@example.com, phone: 1}"],
        ),
        rows(
            "SELECT * EXCEPT (name, region, secret, contact) FROM main.hr.people WHERE id = 2",
            &["2 | *** | 0.00 | NULL"],
        ),
        rows(
            "SELECT contact.email FROM main.hr.people",
            &["ann@example.com", "ben@example.com", "cat@example.com"],
        ),
        rows("SELECT p.contact.phone FROM main.hr.people p WHERE p.contact.email LIKE 'a%'", &["1"]),
        rows("SELECT id FROM main.hr.people WHERE contact.email LIKE 'CANARY%'", &[]),
        rows("SELECT unnest(array_agg(ssn)) FROM main.hr.people", &["***", "***", "***"]),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn a_masked_struct_hides_its_fields() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT contact.email FROM main.hr.people", &["NULL", "NULL", "NULL"]),
        rows("SELECT id FROM main.hr.people WHERE contact.email IS NOT NULL", &[]),
        rows("SELECT count(contact) FROM main.hr.people", &["0"]),
    ];
    block_on(async {
        let people = People::ground().await;
        people
            .server
            .prepare(
                "CREATE FUNCTION main.gov.hidden_contact(v STRUCT<email: STRING, phone: STRING>) RETURNS STRUCT<email: STRING, phone: STRING> RETURN CASE WHEN is_account_group_member('hr') THEN v END;
                 ALTER TABLE main.hr.people ALTER COLUMN contact SET MASK main.gov.hidden_contact",
            )
            .await;
        people.withstands(ATTACKS).await;
    });
}
