//! Ways around the leaf that are not there: each is refused by its name, on governed tables and
//! on others, and nothing of the table comes with the refusal.

use weir_testkit::block_on;

use super::{Attack, People, refused};

#[test]
fn changes_and_paths_are_refused_by_name() {
    const ATTACKS: &[Attack] = &[
        refused("SELECT * FROM main.hr.people@v1", "PARSE_SYNTAX_ERROR"),
        refused("SELECT * FROM main.hr.people TABLESAMPLE (100 PERCENT)", "UNSUPPORTED_FEATURE"),
        refused("SELECT * FROM table_changes('main.hr.people', 0)", "DELTA_MISSING_CHANGE_DATA"),
        refused("SELECT * FROM delta.`/etc`", "UNSUPPORTED_FEATURE"),
        refused("SELECT * FROM parquet.`/etc/x.parquet`", "UNSUPPORTED_FEATURE"),
        refused("SELECT * FROM read_parquet('/etc/x.parquet')", "UNRESOLVED_ROUTINE"),
        refused("SELECT * FROM read_files('/etc')", "UNRESOLVED_ROUTINE"),
        refused("SELECT input_file_name() FROM main.hr.people", "UNRESOLVED_ROUTINE"),
        refused("SELECT _metadata FROM main.hr.people", "UNRESOLVED_COLUMN"),
        refused("UPDATE main.hr.people SET ssn = ssn", "INSUFFICIENT_PERMISSIONS"),
        refused("DELETE FROM main.hr.people WHERE ssn = 'CANARY-4'", "INSUFFICIENT_PERMISSIONS"),
        refused(
            "MERGE INTO main.hr.people t USING main.hr.people s ON t.id = s.id WHEN MATCHED THEN DELETE",
            "INSUFFICIENT_PERMISSIONS",
        ),
        refused("TRUNCATE TABLE main.hr.people", "INSUFFICIENT_PERMISSIONS"),
        refused("COPY main.hr.people TO '/tmp/x.csv'", "UNSUPPORTED_FEATURE"),
        refused("RESTORE TABLE main.hr.people TO VERSION AS OF 0", "UNSUPPORTED_FEATURE"),
        refused("ANALYZE TABLE main.hr.people COMPUTE STATISTICS", "UNSUPPORTED_FEATURE"),
        refused("CREATE TABLE main.hr.copy SHALLOW CLONE main.hr.people", "UNSUPPORTED_FEATURE"),
        refused("CREATE EXTERNAL TABLE x (a INT) STORED AS PARQUET LOCATION '/etc'", "UNSUPPORTED_FEATURE"),
        refused("SET datafusion.execution.batch_size = 1", "UNSUPPORTED_FEATURE"),
        refused("WITH RECURSIVE r AS (SELECT id FROM main.hr.people) SELECT * FROM r", "UNSUPPORTED_FEATURE"),
        refused("SELECT * FROM information_schema.df_settings", "TABLE_OR_VIEW_NOT_FOUND"),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn rows_that_one_cannot_see_do_not_go_into_a_governed_table() {
    block_on(async {
        let people = People::ground().await;
        people.server.prepare("GRANT MODIFY ON TABLE main.hr.people TO alice").await;
        for user in ["alice", "admin"] {
            let refusal = people
                .client(user)
                .update("INSERT INTO main.hr.people (id, region) VALUES (9, 'south')")
                .await
                .unwrap_err();
            assert!(refusal.text.starts_with("[ROW_FILTER_CHECK_VIOLATION]"), "{user}: {refusal:?}");
        }
        assert_eq!(people.server.rows("carol", "SELECT count(*) FROM main.hr.people").await, ["6"]);
    });
}
