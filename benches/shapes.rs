//! What does each shape of policy cost? Masks on 1 to 16 columns against none, a mapping table against the same join by
//! hand, IN lists of three lengths, point queries, strict protection against standard.
//!
//! All shapes stand, one after the other, on one copy of `lineitem`; within a shape both sides take turns.

use weir_benches::rounds::{Case, Outcome, round_count, table, take_turns};
use weir_benches::warehouse::{ADMIN, ANALYST, EXEMPT, SCHEMA, SampleWarehouse, User, environment};
use weir_benches::{Result, Workload};

/// Where the copies and the functions are.
const SHAPES: &str = "tpch.shapes";
/// The columns of `lineitem` in the order in which they are masked, and the constant that stands for each.
const COLUMNS: [(&str, &str, &str); 16] = [
    ("l_comment", "STRING", "'***'"),
    ("l_shipinstruct", "STRING", "'***'"),
    ("l_shipmode", "STRING", "'***'"),
    ("l_returnflag", "STRING", "'*'"),
    ("l_linestatus", "STRING", "'*'"),
    ("l_extendedprice", "DECIMAL(15,2)", "0.00"),
    ("l_discount", "DECIMAL(15,2)", "0.00"),
    ("l_tax", "DECIMAL(15,2)", "0.00"),
    ("l_quantity", "DECIMAL(15,2)", "0.00"),
    ("l_shipdate", "DATE", "DATE '1970-01-01'"),
    ("l_commitdate", "DATE", "DATE '1970-01-01'"),
    ("l_receiptdate", "DATE", "DATE '1970-01-01'"),
    ("l_partkey", "BIGINT", "0"),
    ("l_suppkey", "BIGINT", "0"),
    ("l_orderkey", "BIGINT", "0"),
    ("l_linenumber", "INT", "0"),
];

/// A policy, what the analyst asks under it, and what is asked of the other side.
struct Shape {
    name: String,
    policies: Vec<String>,
    left: String,
    right: (&'static str, String),
}

fn main() -> std::process::ExitCode {
    weir_benches::finish(measure())
}

async fn measure() -> Result<()> {
    let warehouse = SampleWarehouse::open(&Workload::load()?).await?;
    prepare(&warehouse).await?;
    let count = round_count(7)?;
    let only = environment("WEIR_BENCH_QUERY");
    let mut outcomes: Vec<Outcome> = Vec::new();
    for shape in shapes() {
        if only.as_ref().is_some_and(|only| !shape.name.contains(only.as_str())) {
            continue;
        }
        lift(&warehouse).await?;
        for sql in &shape.policies {
            warehouse.run(ADMIN, sql).await.map_err(|error| format!("{}: {error}", shape.name))?;
        }
        // What a mask shows and what is stored differ: then the number of rows is compared.
        let ties = shape.name.starts_with("mask");
        let case = Case { name: shape.name, left: shape.left, right: shape.right.1, ties };
        let governed = User { warehouse: &warehouse, name: ANALYST };
        let other = User { warehouse: &warehouse, name: shape.right.0 };
        outcomes.extend(take_turns(&governed, &other, &[case], count).await?);
    }
    lift(&warehouse).await?;
    println!("governed / other side, TPC-H scale {}, {count} rounds", warehouse.scale());
    println!("{}", table(&outcomes, "governed", "other side"));
    Ok(())
}

/// The copies of `lineitem`, the mapping table, and the functions; made anew.
async fn prepare(warehouse: &SampleWarehouse) -> Result<()> {
    let mut script = vec![
        format!("DROP SCHEMA IF EXISTS {SHAPES} CASCADE"),
        format!("CREATE SCHEMA {SHAPES}"),
        format!("GRANT SELECT ON SCHEMA {SHAPES} TO {EXEMPT}"),
    ];
    // Admin may read no more than anybody: the one whom the policies spare copies.
    script.push(format!("GRANT CREATE TABLE ON SCHEMA {SHAPES} TO {EXEMPT}"));
    for sql in script {
        warehouse.run(ADMIN, &sql).await.map_err(|error| format!("{sql}: {error}"))?;
    }
    for copy in ["lineitem", "guarded"] {
        let sql = format!("CREATE TABLE {SHAPES}.{copy} AS SELECT * FROM {SCHEMA}.lineitem");
        warehouse.run(EXEMPT, &sql).await.map_err(|error| format!("{sql}: {error}"))?;
    }
    let mut script = vec![
        format!("CREATE TABLE {SHAPES}.modes (who STRING, mode STRING)"),
        format!(
            "INSERT INTO {SHAPES}.modes VALUES ('{ANALYST}', 'AIR'), ('{ANALYST}', 'RAIL'), ('{ANALYST}', 'SHIP'), ('{ANALYST}', 'TRUCK'), ('{ANALYST}', 'MAIL'), ('{EXEMPT}', 'FOB')"
        ),
        format!("GRANT SELECT ON TABLE {SHAPES}.modes TO {EXEMPT}"),
        format!("ALTER TABLE {SHAPES}.guarded SET TBLPROPERTIES ('governance.protection' = 'strict')"),
        format!("GRANT SELECT ON TABLE {SHAPES}.lineitem TO {ANALYST}"),
        format!("GRANT SELECT ON TABLE {SHAPES}.guarded TO {ANALYST}"),
        function("by_mode", "STRING", "BOOLEAN", "value IN ('AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL')"),
        function(
            "by_map",
            "STRING",
            "BOOLEAN",
            &format!(
                "EXISTS (SELECT 1 FROM {SHAPES}.modes AS m WHERE m.who = session_user() AND m.mode = value)"
            ),
        ),
        format!(
            "CREATE TABLE {SHAPES}.keys AS SELECT l_partkey AS key FROM {SCHEMA}.lineitem WHERE l_partkey <= {MAPPED_KEYS} GROUP BY 1"
        ),
        format!("GRANT SELECT ON TABLE {SHAPES}.keys TO {EXEMPT}"),
        function("in_keys", "BIGINT", "BOOLEAN", &format!("value IN (SELECT key FROM {SHAPES}.keys)")),
        function("sha", "STRING", "STRING", "sha2(value, 256)"),
    ];
    for (kind, length) in LISTS {
        script.push(function(kind, "BIGINT", "BOOLEAN", &format!("value IN ({})", list(length))));
    }
    for (column, taken, constant) in COLUMNS {
        script.push(function(&format!("hide_{column}"), taken, taken, constant));
    }
    for sql in script {
        warehouse.run(ADMIN, &sql).await.map_err(|error| format!("{}: {error}", start_of(&sql)))?;
    }
    Ok(())
}

/// IN lists of `l_suppkey`.
const LISTS: [(&str, u32); 2] = [("in_5", 5), ("in_1000", 1_000)];
/// A list longer than a text may hold is a mapping table.
const MAPPED_KEYS: u32 = 100_000;

fn list(length: u32) -> String {
    // Spread over the keys there are at scale 1 and above, so that each list finds something.
    (1..=length).map(|n| n.to_string()).collect::<Vec<_>>().join(", ")
}

fn function(name: &str, taken: &str, given: &str, body: &str) -> String {
    let body = match given {
        "BOOLEAN" => format!("is_account_group_member('exempt') OR {body}"),
        _ => format!("CASE WHEN is_account_group_member('exempt') THEN value ELSE {body} END"),
    };
    format!("CREATE FUNCTION {SHAPES}.{name}(value {taken}) RETURNS {given} RETURN {body}")
}

fn start_of(sql: &str) -> String {
    sql.chars().take(120).collect()
}

/// No policies on the copies.
async fn lift(warehouse: &SampleWarehouse) -> Result<()> {
    for table in ["lineitem", "guarded"] {
        // Not every policy is there.
        drop(warehouse.run(ADMIN, &format!("ALTER TABLE {SHAPES}.{table} DROP ROW FILTER")).await);
        for (column, ..) in COLUMNS {
            let sql = format!("ALTER TABLE {SHAPES}.{table} ALTER COLUMN {column} DROP MASK");
            drop(warehouse.run(ADMIN, &sql).await);
        }
    }
    Ok(())
}

fn filtered(table: &str, function: &str, column: &str) -> String {
    format!("ALTER TABLE {SHAPES}.{table} SET ROW FILTER {SHAPES}.{function} ON ({column})")
}

fn shapes() -> Vec<Shape> {
    let lineitem = format!("{SHAPES}.lineitem");
    let mut shapes = masks(&lineitem);
    let sums = "sum(l_extendedprice), count(*), max(l_receiptdate)";
    let by_hand = |condition: &str, and: &str| {
        (EXEMPT, format!("SELECT {sums} FROM {lineitem} WHERE {condition}{and}"))
    };
    let mapped = format!(
        "EXISTS (SELECT 1 FROM {SHAPES}.modes AS m WHERE m.who = '{ANALYST}' AND m.mode = l_shipmode)"
    );
    let point = " AND l_orderkey = 4711";
    for (name, policy, column, condition) in [
        (
            "list",
            "by_mode",
            "l_shipmode",
            "l_shipmode IN ('AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL')".to_owned(),
        ),
        ("map", "by_map", "l_shipmode", mapped),
    ] {
        shapes.push(Shape {
            name: name.to_owned(),
            policies: vec![filtered("lineitem", policy, column)],
            left: format!("SELECT {sums} FROM {lineitem}"),
            right: by_hand(&condition, ""),
        });
        shapes.push(Shape {
            name: format!("{name}_point"),
            policies: vec![filtered("lineitem", policy, column)],
            left: format!("SELECT {sums} FROM {lineitem} WHERE l_orderkey = 4711"),
            right: by_hand(&condition, point),
        });
    }
    for (name, length) in LISTS {
        shapes.push(Shape {
            name: name.to_owned(),
            policies: vec![filtered("lineitem", name, "l_suppkey")],
            left: format!("SELECT {sums} FROM {lineitem}"),
            right: by_hand(&format!("l_suppkey IN ({})", list(length)), ""),
        });
    }
    shapes.push(Shape {
        name: "in_keys".to_owned(),
        policies: vec![filtered("lineitem", "in_keys", "l_partkey")],
        left: format!("SELECT {sums} FROM {lineitem}"),
        right: by_hand(&format!("l_partkey IN (SELECT key FROM {SHAPES}.keys)"), ""),
    });
    // The same policy and question, on the table in strict and on the one in standard protection.
    for (name, condition) in
        [("strict", "l_shipdate >= DATE '1995-01-01'"), ("strictpt", "l_orderkey = 4711")]
    {
        shapes.push(Shape {
            name: name.to_owned(),
            policies: ["lineitem", "guarded"].map(|table| filtered(table, "by_mode", "l_shipmode")).into(),
            left: format!("SELECT {sums} FROM {SHAPES}.guarded WHERE {condition}"),
            right: (ANALYST, format!("SELECT {sums} FROM {lineitem} WHERE {condition}")),
        });
    }
    shapes
}

/// Constant masks on more and more columns, and one that hashes.
fn masks(lineitem: &str) -> Vec<Shape> {
    let counted: Vec<String> = COLUMNS.iter().map(|(column, ..)| format!("max({column})")).collect();
    let all = format!("SELECT count(*), {} FROM {lineitem}", counted.join(", "));
    let mask = |column: &str, function: &str| {
        format!("ALTER TABLE {lineitem} ALTER COLUMN {column} SET MASK {SHAPES}.{function}")
    };
    let mut shapes: Vec<Shape> = [1, 2, 4, 8, 16]
        .into_iter()
        .map(|count| Shape {
            name: format!("mask_{count}"),
            policies: COLUMNS
                .iter()
                .take(count)
                .map(|(column, ..)| mask(column, &format!("hide_{column}")))
                .collect(),
            left: all.clone(),
            right: (EXEMPT, all.clone()),
        })
        .collect();
    shapes.push(Shape {
        name: "sha2".to_owned(),
        policies: vec![mask("l_shipinstruct", "sha")],
        left: format!("SELECT l_shipinstruct, count(*) FROM {lineitem} GROUP BY 1"),
        right: (EXEMPT, format!("SELECT sha2(l_shipinstruct, 256), count(*) FROM {lineitem} GROUP BY 1")),
    });
    shapes
}
