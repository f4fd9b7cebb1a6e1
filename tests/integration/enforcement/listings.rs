//! What SHOW and DESCRIBE tell of a governed table, and statements that alter it: nothing of a hidden row or of a raw
//! masked value.

use weir_testkit::block_on;

use super::{Attack, People, either, refused, rows};

#[test]
fn listings_are_of_what_the_caller_sees() {
    const ATTACKS: &[Attack] = &[
        rows("SHOW PARTITIONS main.hr.people", &["north"]),
        rows(
            "DESCRIBE QUERY SELECT ssn, salary FROM main.hr.people",
            &["salary | DECIMAL(12,2) | NULL", "ssn | STRING | NULL"],
        ),
        either("DESCRIBE QUERY SELECT 1 / (secret - 5), max(ssn) FROM main.hr.people WHERE ssn LIKE 'C%'"),
        either("DESCRIBE TABLE EXTENDED main.hr.people AS JSON"),
        either("DESCRIBE TABLE EXTENDED main.hr.people ssn"),
        either("SHOW TABLE EXTENDED IN main.hr LIKE '*'"),
        either("SHOW TBLPROPERTIES main.hr.people"),
        either("SHOW CREATE TABLE main.hr.people"),
        rows("SELECT element_at(make_array(ssn), 1) FROM main.hr.people", &["***", "***", "***"]),
        rows("SELECT id FROM main.hr.people WHERE element_at(make_array(ssn), 1) LIKE 'C%'", &[]),
        either("SELECT id FROM main.hr.people WHERE element_at(make_array(1), secret - 5) IS NULL"),
        rows(
            "SELECT count(*) FROM main.hr.people WHERE current_schema() = 'default' OR region = 'south'",
            &["3"],
        ),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn who_reads_a_table_alters_nothing_of_it() {
    const NO: &str = "INSUFFICIENT_PERMISSIONS";
    const ATTACKS: &[Attack] = &[
        refused("ALTER TABLE main.hr.people RENAME COLUMN ssn TO open", NO),
        refused("ALTER TABLE main.hr.people DROP COLUMN ssn", NO),
        refused("ALTER TABLE main.hr.people DROP COLUMN IF EXISTS nothing", NO),
        refused("ALTER TABLE main.hr.people ADD COLUMN more STRING MASK main.gov.hidden_text", NO),
        refused("CREATE OR REPLACE TABLE main.hr.people AS SELECT 1 AS id", NO),
        refused("CREATE OR REPLACE TABLE main.hr.people AS SELECT * FROM main.hr.people", NO),
        refused("DROP TABLE main.hr.people CASCADE", NO),
        refused("DROP TABLE main.gov.nothing CASCADE", "TABLE_OR_VIEW_NOT_FOUND"),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}
