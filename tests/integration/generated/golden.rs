//! Generated policies and queries over a table with deletion vectors, which Spark wrote: rows that were deleted are in
//! its files, and neither policies nor queries may meet them.
//!
//! The table is `(part INT, col1 INT, col2 STRING)`; a view makes the columns of generated tables of these, and the
//! policies of `t` stand on the view. A row filter stands on the table itself.

use weir_generator::{Campaign, Setup};
use weir_testkit::{ADMIN, block_on};

use super::{Ground, hold, server};

const ARCHIVE: &str = "dv-with-columnmapping";
const CASES: u64 = 4;
const COLUMNS: &str = "col1 AS a, CAST(col1 AS BIGINT) AS b, col2 AS c, DATE '2024-01-03' AS d, \
    CAST(part AS DECIMAL(10,2)) AS e, col1 % 2 = 0 AS f, CAST(part AS DOUBLE) AS g, part AS p";
/// The filter of the table itself.
const KEPT: &str = "col1 % 3 > 0";

/// The statements that are of `t` in a schema, or all others.
fn of_t(statements: Vec<String>, schema: &str, wanted: bool) -> Vec<String> {
    let named = format!(" {schema}.t ");
    statements.into_iter().filter(|statement| statement.contains(&named) == wanted).collect()
}

async fn lay(ground: &Ground<'_>, table: &str) -> Result<(), String> {
    let setup = Setup {
        t: weir_generator::Governed { strict: false, ..ground.case.setup.t.clone() },
        ..ground.case.setup.clone()
    };
    let (governed, raw) = (&ground.governed, &ground.raw);
    let mut statements = ground.schemas();
    for schema in [raw, governed] {
        statements.extend(of_t(setup.tables(schema), schema, false));
    }
    statements.push(format!("CREATE TABLE {raw}.t AS SELECT {COLUMNS} FROM {table} WHERE {KEPT}"));
    statements.push(format!("CREATE VIEW {governed}.t AS SELECT {COLUMNS} FROM {table}"));
    let of_views = |statement: String| {
        statement.replace(&format!("ALTER TABLE {governed}.t "), &format!("ALTER VIEW {governed}.t "))
    };
    statements.extend(setup.policies(governed).into_iter().map(of_views));
    statements.extend(ground.copies());
    ground.all_done(&statements).await
}

#[test]
fn a_generated_view_over_deletion_vectors_answers_as_its_copy_through_every_way() {
    block_on(async move {
        let server = server().await;
        let archives = crate::golden::archives();
        let archive = archives.iter().find(|path| path.to_string_lossy().contains(ARCHIVE)).unwrap();
        let (table, _) = crate::golden::register(&server, archive).await.unwrap();
        let whole = server.rows(ADMIN, &format!("SELECT count(*) FROM {table}")).await;
        assert_ne!(whole, ["0"]);
        let body = KEPT.replace("col1", "n");
        for sql in [
            format!("CREATE FUNCTION main.default.kept(n INT) RETURNS BOOLEAN RETURN {body}"),
            format!("ALTER TABLE {table} SET ROW FILTER main.default.kept ON (col1)"),
        ] {
            server.done(ADMIN, &sql).await;
        }
        hold(&server, Campaign::of(CASES).unwrap().one_in(2), async |ground| lay(ground, &table).await);
    });
}
