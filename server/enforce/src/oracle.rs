//! The oracle: any query over a governed table gives what the same query gives over a plain copy
//! that holds the visible rows with masked values, made without the enforcer.
//!
//! The table is `t(a INT, b INT, c STRING, d INT)`. Filters and masks are pairs: a SQL body, and
//! the same in plain Rust.

mod generated;
mod tag_policies;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Select, select};
use weir_catalog::TableId;

use crate::test_world::{RawTable, World, batch, ints, texts};

#[derive(Debug, Clone, PartialEq)]
struct Row {
    a: Option<i32>,
    b: Option<i32>,
    c: Option<String>,
    d: Option<i32>,
}

type Keep = fn(&Row) -> Option<bool>;
type Mask = fn(&mut Row);

/// Parameters, body, columns, and what it means. Parameters are named to be mistaken.
type Filter = (&'static [&'static str], &'static str, &'static [&'static str], Keep);

/// Column, parameters, type, body, further columns, and what it means.
type Masked =
    (&'static str, &'static [&'static str], &'static str, &'static str, &'static [&'static str], Mask);

const FILTERS: &[Filter] = &[
    (&["b INT"], "b > 0", &["a"], |row| row.a.map(|a| a > 0)),
    (&["a INT", "c STRING"], "a < 3 AND c <> 'x'", &["b", "c"], |row| {
        match (row.b.map(|b| b < 3), row.c.as_ref().map(|c| c != "x")) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }),
    (&["c STRING"], "is_account_group_member(c)", &["c"], |row| row.c.as_ref().map(|c| c == "x" || c == "y")),
    (&["c STRING"], "NOT is_account_group_member(c)", &["c"], |row| {
        row.c.as_ref().map(|c| c != "x" && c != "y")
    }),
    (&["d INT"], "EXISTS (SELECT 1 FROM main.hr.mapping m WHERE m.k = d)", &["a"], |row| {
        Some(row.a.is_some_and(|a| (1..=3).contains(&a)))
    }),
    (&["d INT"], "d NOT IN (SELECT m.k FROM main.hr.mapping m)", &["b"], |row| {
        row.b.map(|b| !(1..=3).contains(&b))
    }),
    (&["a INT"], "a = (SELECT max(m.k) FROM main.hr.mapping m) OR a IS NULL", &["d"], |row| {
        Some(row.d.is_none_or(|d| d == 3))
    }),
    (&["a BIGINT"], "session_user() = 'alice' AND a % 2 = 0", &["a"], |row| row.a.map(|a| a % 2 == 0)),
    (&[], "current_user() = 'bob'", &[], |_| Some(false)),
    (&[], "current_user() = 'alice'", &[], |_| Some(true)),
];

const MASKS: &[Masked] = &[
    ("b", &["v INT"], "INT", "v * 2", &[], |row| row.b = row.b.map(|b| b * 2)),
    ("b", &["b INT", "a INT"], "INT", "b + a", &["d"], |row| row.b = row.b.zip(row.d).map(|(b, d)| b + d)),
    ("b", &["v INT"], "INT", "CASE WHEN is_account_group_member('x') THEN v END", &[], |_| {}),
    ("b", &["v INT"], "INT", "NULL", &[], |row| row.b = None),
    (
        "b",
        &["a INT"],
        "INT",
        "CAST((SELECT count(*) FROM main.hr.mapping m WHERE m.k = a) AS INT)",
        &[],
        |row| {
            row.b = Some(row.b.map_or(0, |b| i32::from((1..=3).contains(&b))));
        },
    ),
    ("c", &["v STRING"], "STRING", "'***'", &[], |row| row.c = Some("***".to_owned())),
    (
        "c",
        &["c STRING", "d INT"],
        "STRING",
        "CASE WHEN d > 1 THEN c ELSE concat(c, '!') END",
        &["a"],
        |row| {
            row.c = match row.a {
                Some(a) if a > 1 => row.c.clone(),
                // reason: the mask makes of NULL what of an empty string
                _ => Some(format!("{}!", row.c.clone().unwrap_or_default())),
            };
        },
    ),
];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let number = || weighted(0.85, -1..5_i32);
    let text = weighted(0.85, select(vec!["x", "y", "z", ""]));
    let row = (number(), number(), text, number()).prop_map(|(a, b, c, d)| Row {
        a,
        b,
        c: c.map(str::to_owned),
        d,
    });
    vec(row, 0..24)
}

/// A predicate on the columns of `t`; some enter the leaf, some do not.
fn predicate() -> impl Strategy<Value = String> {
    let column = || select(vec!["t.a", "t.b", "t.d"]);
    let operator = || select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (column(), operator(), -1..5_i32).prop_map(|(c, o, n)| format!("{c} {o} {n}")),
        (column(), operator(), column()).prop_map(|(c, o, d)| format!("{c} {o} {d}")),
        (column(), operator(), -1..5_i32).prop_map(|(c, o, n)| format!("{n} {o} CAST({c} AS BIGINT)")),
        (column(), any::<bool>())
            .prop_map(|(c, not)| format!("{c} {} (1, 2, NULL)", if not { "NOT IN" } else { "IN" })),
        (column(), any::<bool>())
            .prop_map(|(c, not)| format!("{c} IS {}NULL", if not { "NOT " } else { "" })),
        (column(), -1..3_i32).prop_map(|(c, n)| format!("{c} BETWEEN {n} AND 3")),
        (column(), -1..3_i32).prop_map(|(c, n)| format!("{c} + 1 > {n}")),
        select(vec![
            "t.c = 'x'",
            "t.c IN ('x', '***')",
            "t.c LIKE '%!'",
            "t.c > 'a'",
            "length(t.c) = 1",
            "t.c IS NULL"
        ])
        .prop_map(str::to_owned),
        select(vec![
            "t.a IN (SELECT k FROM plain)",
            "t.b NOT IN (SELECT k FROM plain WHERE k > 2)",
            "EXISTS (SELECT 1 FROM plain p WHERE p.k = t.d)",
            "t.b < (SELECT max(u.b) FROM t u)",
            "t.a IN (SELECT u.b FROM t u WHERE u.d > 0)",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} AND {r})")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} OR {r})")),
            inner.prop_map(|inner| format!("NOT ({inner})")),
        ]
    })
}

fn query() -> impl Strategy<Value = String> {
    let column = || -> Select<&'static str> { select(vec!["t.a", "t.b", "t.c", "t.d"]) };
    let aggregate =
        select(vec!["count(*)", "count(t.b)", "min(t.b)", "max(t.c)", "sum(t.a)", "count(DISTINCT t.c)"]);
    let all = "ORDER BY 1 NULLS LAST, 2 NULLS LAST, 3 NULLS LAST, 4 NULLS LAST";
    let shape = prop_oneof![
        Just("SELECT t.a, t.b, t.c, t.d FROM t WHERE {p}".to_owned()),
        column().prop_map(|c| format!("SELECT {c} FROM t WHERE {{p}}")),
        Just("SELECT 1 FROM t WHERE {p}".to_owned()),
        (column(), aggregate.clone())
            .prop_map(|(c, f)| format!("SELECT {c}, {f} FROM t WHERE {{p}} GROUP BY {c}")),
        aggregate.prop_map(|f| format!("SELECT {f} FROM t WHERE {{p}}")),
        (1..6_usize)
            .prop_map(move |n| format!("SELECT t.b, t.a, t.c, t.d FROM t WHERE {{p}} {all} LIMIT {n}")),
        (1..4_usize).prop_map(move |n| format!(
            "SELECT t.a, t.b, t.c, t.d FROM t WHERE {{p}} {all} LIMIT 3 OFFSET {n}"
        )),
        select(vec!["t.a = p.k", "t.b = p.k", "t.a = p.k AND t.d = p.k", "t.b + 0 = p.k", "t.c = p.c"])
            .prop_flat_map(|on| {
                select(vec![
                    "JOIN",
                    "LEFT JOIN",
                    "RIGHT JOIN",
                    "FULL JOIN",
                    "LEFT SEMI JOIN",
                    "LEFT ANTI JOIN",
                ])
                .prop_map(move |join| {
                    format!("SELECT t.a, t.b, t.c FROM t {join} plain p ON {on} WHERE {{p}}")
                })
            }),
        select(vec!["t.a = u.a", "t.a = u.b", "t.b = u.b", "t.b = u.d", "t.c = u.c"])
            .prop_map(|on| format!("SELECT t.a, u.b, u.c FROM t JOIN t u ON {on} WHERE {{p}}")),
        Just(
            "SELECT t.b, row_number() OVER (PARTITION BY t.c ORDER BY t.b, t.a, t.d) FROM t WHERE {p}"
                .to_owned()
        ),
        Just("SELECT t.b FROM t WHERE {p} UNION SELECT k FROM plain".to_owned()),
        Just("WITH w AS (SELECT t.a, t.b, t.c, t.d FROM t) SELECT t.b, t.c FROM w AS t WHERE {p}".to_owned()),
    ];
    (shape, predicate()).prop_map(|(shape, predicate)| shape.replace("{p}", &predicate))
}

fn raw(rows: &[Row]) -> RawTable {
    let half = rows.len() / 2;
    let columns = |rows: &[Row]| {
        batch(vec![
            ints("A", rows.iter().map(|row| row.a)),
            ints("b", rows.iter().map(|row| row.b)),
            texts("C", rows.iter().map(|row| row.c.as_deref())),
            ints("d", rows.iter().map(|row| row.d)),
        ])
    };
    RawTable::partitioned(vec![columns(&rows[..half]), columns(&rows[half..])])
}

fn world(rows: &[Row], partitions: usize) -> (World, TableId) {
    let mut world = World::new();
    world.partitions = partitions;
    world.group("x", &[world.alice]);
    world.group("y", &[world.alice]);
    world.hidden_table("mapping", batch(vec![ints("k", [1, 2, 3])]));
    world.table(
        "plain",
        batch(vec![
            ints("k", [Some(1), Some(2), Some(2), Some(4), None]),
            texts("c", ["x", "***", "z", "x!", "y"]),
        ]),
    );
    let table =
        world.table("t", batch(vec![ints("A", [0]), ints("b", [0]), texts("C", [""]), ints("d", [0])]));
    world.set_raw(table, raw(rows));
    (world, table)
}

fn raw_name(column: &str) -> String {
    match column {
        "a" | "c" => column.to_uppercase(),
        other => other.to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_governed_table_is_its_filtered_and_masked_copy(
        rows in rows(),
        filter in weighted(0.8, select(FILTERS.to_vec())),
        masks in (weighted(0.6, select(MASKS[..5].to_vec())), weighted(0.6, select(MASKS[5..].to_vec()))),
        strict in any::<bool>(),
        partitions in 1..4_usize,
        sql in query(),
    ) {
        let (mut governed, table) = world(&rows, partitions);
        let mut visible = rows.clone();
        if let Some((parameters, body, columns, keep)) = filter {
            let columns: Vec<String> = columns.iter().map(|column| raw_name(column)).collect();
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            governed.filter(table, parameters, body, &columns);
            visible.retain(|row| keep(row) == Some(true));
        }
        let before = visible.clone();
        for (column, parameters, returns, body, more, mask) in [masks.0, masks.1].into_iter().flatten() {
            let more: Vec<String> = more.iter().map(|column| raw_name(column)).collect();
            let more: Vec<&str> = more.iter().map(String::as_str).collect();
            governed.mask(table, &raw_name(column), parameters, returns, body, &more);
            for (row, raw) in visible.iter_mut().zip(&before) {
                let mut masked = raw.clone();
                mask(&mut masked);
                if column == "b" { row.b = masked.b } else { row.c = masked.c }
            }
        }
        if strict {
            governed.protect(table, "strict");
        }
        let (plain, _) = world(&visible, partitions);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let expected = runtime.block_on(plain.rows(plain.alice, &sql));
        let got = runtime.block_on(governed.rows(governed.alice, &sql));
        match (expected, got) {
            (Ok(expected), Ok(got)) => prop_assert_eq!(expected, got, "{}", sql),
            (expected, got) => prop_assert!(false, "{}: {:?} {:?}", sql, expected, got),
        }
    }
}
