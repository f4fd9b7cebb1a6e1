//! Attacks by a caller who may write any query: a function that remembers its arguments, errors
//! that tell of a row, plans that tell of a policy. Hidden rows carry values from 1000 upwards.

use datafusion::logical_expr::Volatility;
use weir_catalog::TableId;

use crate::test_world::{Canary, World, batch, ints, numbers, show, texts};

/// Forty rows, every `every`th of them visible; `x` and `id` of hidden rows are 1000 or more,
/// `s` is masked everywhere.
fn world(every: usize, protection: &str) -> World {
    let mut world = World::new();
    let visible = |n: usize| n.is_multiple_of(every);
    let number = move |n: usize| i32::try_from(if visible(n) { n } else { 1000 + n }).unwrap();
    let table = world.table("t", people(40, number, visible));
    world.filter(table, &["r STRING"], "r = 'eu'", &["region"]);
    world.mask(table, "s", &["v INT"], "INT", "v % 10", &[]);
    world.protect(table, protection);
    world.table("u", batch(vec![ints("id", 0..40), ints("x", 0..40)]));
    world
}

fn people(
    rows: usize,
    number: impl Fn(usize) -> i32 + Copy,
    visible: impl Fn(usize) -> bool,
) -> datafusion::arrow::array::RecordBatch {
    batch(vec![
        ints("id", (0..rows).map(number)),
        ints("x", (0..rows).map(number)),
        texts("region", (0..rows).map(|n| if visible(n) { "eu" } else { "us" })),
        ints("s", (0..rows).map(|n| 2000 + i32::try_from(n).unwrap())),
    ])
}

/// The same rows, shown by a view whose own policies hide them; alice may read the table below or not.
fn view_world(every: usize, protection: &str, reads_base: bool) -> World {
    let mut world = World::new();
    let visible = |n: usize| n.is_multiple_of(every);
    let number = move |n: usize| i32::try_from(if visible(n) { n } else { 1000 + n }).unwrap();
    let rows = people(40, number, visible);
    let base = if reads_base { world.table("base", rows) } else { world.hidden_table("base", rows) };
    let columns = ["id", "x", "region STRING", "s"];
    let view = world.view("t", &columns, "SELECT id, x, region, s FROM main.hr.base", &[base]);
    world.filter(view, &["r STRING"], "r = 'eu'", &["region"]);
    world.mask(view, "s", &["v INT"], "INT", "v % 10", &[]);
    world.protect(view, protection);
    world.table("u", batch(vec![ints("id", 0..40), ints("x", 0..40)]));
    world
}

/// Each calls the canary, in another place of a query.
const SPYING: &[&str] = &[
    "SELECT id FROM t WHERE spy(x) > 3",
    "SELECT id FROM t WHERE x > 3 AND spy(x) > 3",
    "SELECT id FROM t WHERE x > 3 OR spy(x) > 3",
    "SELECT id FROM t WHERE NOT (spy(x) = 3) AND id IS NOT NULL",
    "SELECT id FROM t WHERE spy(x) IN (1, 2, 1001)",
    "SELECT id FROM t WHERE spy(x) BETWEEN 0 AND 5000",
    "SELECT id FROM t WHERE spy(s) < 3",
    "SELECT id FROM t WHERE s < 3 AND spy(x) > 1",
    "SELECT t.id FROM t JOIN u ON spy(t.x) = u.x",
    "SELECT t.id FROM t JOIN u ON t.x = u.x AND spy(t.x) > 0",
    "SELECT t.id FROM t LEFT JOIN u ON spy(t.id) < u.x WHERE t.x < 3",
    "SELECT t.id FROM u LEFT JOIN t ON t.x = u.x AND spy(t.x) > 0",
    "SELECT a.id FROM t a FULL JOIN t b ON a.id = b.id AND spy(a.x) > spy(b.x) - 1",
    "SELECT a.id FROM t a, t b WHERE spy(a.x) = spy(b.x)",
    "SELECT region, count(*) FROM t GROUP BY region HAVING max(spy(x)) > 0",
    "SELECT spy(x) FROM t",
    "SELECT spy(s), spy(x) FROM t WHERE id > 2",
    "SELECT id FROM t ORDER BY spy(x)",
    "SELECT id FROM t ORDER BY spy(x) LIMIT 3",
    "SELECT id FROM t ORDER BY spy(s), id LIMIT 3",
    "SELECT count(*) FILTER (WHERE spy(x) > 0), sum(spy(s)) FROM t",
    "SELECT CASE WHEN id < 0 THEN 1 WHEN spy(x) > 0 THEN 2 END FROM t",
    "SELECT coalesce(CAST(NULL AS INT), spy(x)) FROM t",
    "SELECT row_number() OVER (PARTITION BY region ORDER BY spy(x)), sum(spy(x)) OVER () FROM t",
    "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.x = spy(t.x))",
    "SELECT id FROM u WHERE EXISTS (SELECT 1 FROM t WHERE u.x = spy(t.x))",
    "SELECT id FROM u WHERE x IN (SELECT spy(x) FROM t)",
    "SELECT id FROM u WHERE x NOT IN (SELECT spy(x) FROM t)",
    "SELECT id FROM t WHERE spy(x) NOT IN (SELECT x FROM u WHERE x > 5)",
    "SELECT id FROM u WHERE x < (SELECT max(spy(x)) FROM t)",
    "SELECT id, (SELECT count(*) FROM t WHERE t.x = u.x AND spy(t.x) >= 0) FROM u",
    "WITH c AS (SELECT spy(x) AS y, id FROM t) SELECT a.id FROM c a JOIN c b ON a.y = b.y WHERE a.id > 1",
    "SELECT spy(x) FROM t UNION SELECT x FROM u",
    "SELECT x FROM (SELECT x FROM t UNION ALL SELECT x FROM u) WHERE spy(x) > 1",
    "SELECT id FROM t EXCEPT SELECT spy(x) FROM t WHERE x > 4",
    "SELECT id FROM (SELECT id, spy(x) AS y FROM t) WHERE y > 2 AND id > 2",
    "SELECT id FROM t a WHERE spy(a.x) = (SELECT max(x) FROM t b WHERE b.region = a.region)",
    "SELECT DISTINCT spy(x) FROM t WHERE id <> 0",
    "SELECT max(spy(x)) FROM t WHERE x > 1",
];

#[tokio::test]
async fn a_users_function_never_sees_a_hidden_or_unmasked_value() {
    for volatility in [Volatility::Immutable, Volatility::Volatile] {
        for (every, protection, partitions) in
            [(8, "standard", 1), (2, "standard", 1), (2, "standard", 3), (2, "strict", 1), (8, "strict", 1)]
        {
            for sql in SPYING {
                let mut world = world(every, protection);
                world.partitions = partitions;
                let (spy, mut canary) = Canary::new("spy", volatility);
                world.callable(spy);
                let rows = world.rows(world.alice, sql).await.unwrap();
                let seen = canary.seen();
                let hidden = |value: &String| value.parse::<i32>().is_ok_and(|number| number >= 1000);
                let constant = ["1001", "5000"];
                assert!(
                    !seen.iter().any(|value| hidden(value) && !constant.contains(&value.as_str())),
                    "`{sql}` every {every} {protection}: {seen:?}",
                );
                assert!(!seen.is_empty(), "`{sql}` does not call the function: {rows:?}");
            }
        }
    }
}

/// Queries that fail on a hidden row, were they evaluated there; `{f}` is 1/(x-1001) or its kin.
const FAILING: &[&str] = &[
    "SELECT id FROM t WHERE {f} = 0",
    "SELECT id FROM t WHERE x > -1 AND {f} = 0",
    "SELECT t.id FROM t JOIN u ON t.id = u.id AND {f} = 0",
    "SELECT max({f}) FROM t",
    "SELECT count(*) FILTER (WHERE {f} = 0) FROM t",
    "SELECT id FROM t ORDER BY {f} LIMIT 1",
    "SELECT id FROM u WHERE EXISTS (SELECT 1 FROM t WHERE t.id = u.id AND {f} = 0)",
    "SELECT id FROM u WHERE id IN (SELECT {f} FROM t)",
    "WITH c AS (SELECT {f} AS y FROM t) SELECT * FROM c WHERE y > 0",
    "SELECT id FROM t WHERE CASE WHEN x = 1001 THEN 1/0 ELSE 0 END = 0",
];

#[tokio::test]
async fn what_would_fail_on_hidden_rows_does_not() {
    for (every, protection) in [(8, "standard"), (2, "standard"), (2, "strict")] {
        for sql in FAILING {
            for fallible in
                ["1/(t.x-1001)", "1 % (t.x-1001)", "CAST(t.x + 2147482646 AS INT)", "1/(t.s-2001)"]
            {
                let sql = sql.replace("{f}", fallible);
                let world = world(every, protection);
                if let Err(error) = world.rows(world.alice, &sql).await {
                    panic!("`{sql}`: {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_users_function_never_sees_what_the_policies_of_a_view_hide() {
    for (every, protection, partitions, reads_base) in
        [(8, "standard", 1, true), (2, "standard", 3, false), (2, "strict", 1, false)]
    {
        for sql in SPYING {
            let mut world = view_world(every, protection, reads_base);
            world.partitions = partitions;
            let (spy, mut canary) = Canary::new("spy", Volatility::Immutable);
            world.callable(spy);
            world.rows(world.alice, sql).await.unwrap();
            let seen = canary.seen();
            let constant = ["1001", "5000"];
            let hidden = |value: &&String| {
                value.parse::<i32>().is_ok_and(|number| number >= 1000) && !constant.contains(&value.as_str())
            };
            let leaked: Vec<&String> = seen.iter().filter(hidden).collect();
            assert!(leaked.is_empty(), "`{sql}` every {every} {protection} {reads_base}: {leaked:?}");
            assert!(!seen.is_empty(), "`{sql}` does not call the function");
        }
    }
}

#[tokio::test]
async fn what_would_fail_on_rows_that_a_view_hides_does_not() {
    for reads_base in [true, false] {
        for sql in FAILING {
            for fallible in ["1/(t.x-1001)", "CAST(t.x + 2147482646 AS INT)", "1/(t.s-2001)"] {
                let sql = sql.replace("{f}", fallible);
                let world = view_world(2, "standard", reads_base);
                if let Err(error) = world.rows(world.alice, &sql).await {
                    panic!("`{sql}`: {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn errors_on_visible_rows_stay() {
    let world = world(2, "standard");
    for sql in ["SELECT id FROM t WHERE 1/(x-4) = 0", "SELECT 1/(x-4) FROM t", "SELECT 1/(s-4) FROM t"] {
        let error = world.error(world.alice, sql).await;
        assert!(error.to_lowercase().contains("divide by zero"), "{error}");
    }
    let error = world.error(world.alice, "SELECT CAST(region AS INT) FROM t").await;
    assert!(error.contains("'eu'") && !error.contains("us"), "{error}");
}

fn failing(body: &str, parameter: &str, column: &str, mask: bool) -> (World, TableId) {
    let mut world = World::new();
    let table = world.table(
        "t",
        batch(vec![ints("id", 0..4), ints("x", [1, 2, 3, 777]), texts("ssn", ["1", "2", "3", "canary-9"])]),
    );
    match mask {
        true => {
            let returns = parameter.split_once(' ').unwrap().1.to_owned();
            world.mask(table, column, &[parameter], &returns, body, &[])
        }
        false => world.filter(table, &[parameter], body, &[column]),
    };
    (world, table)
}

#[tokio::test]
async fn a_failing_policy_tells_no_value_and_no_body() {
    for (body, parameter, column, mask) in [
        ("CAST(v AS INT) > 0", "v STRING", "ssn", false),
        ("1/(v-777) > 4711", "v INT", "x", false),
        ("CAST(CAST(v AS INT) AS STRING)", "v STRING", "ssn", true),
        ("4711/(v-777)", "v INT", "x", true),
        ("(SELECT q FROM main.hr.two) = v", "v INT", "x", false),
        ("v = CAST('canary-4711' AS INT)", "v INT", "x", false),
        ("1/0 = 1", "v INT", "x", false),
    ] {
        for sql in [
            "SELECT * FROM t",
            "SELECT count(*) FROM t WHERE x > 0 AND ssn > ''",
            "SELECT x, ssn FROM t ORDER BY id LIMIT 2",
        ] {
            let (mut world, _) = failing(body, parameter, column, mask);
            world.hidden_table("two", batch(vec![ints("q", [4711, 4712])]));
            let error = world.error(world.alice, sql).await;
            for told in ["canary", "777", "4711", "CAST", "two", "ivide"] {
                assert!(!error.contains(told), "`{body}` `{sql}`: {error}");
            }
            assert!(error.contains("main.hr.t"), "{error}");
        }
    }
}

#[tokio::test]
async fn plans_show_nothing_of_a_policy() {
    let mut world = world(2, "standard");
    let (spy, _canary) = Canary::new("spy", Volatility::Immutable);
    world.callable(spy);
    let mapping = batch(vec![texts("mapped_region", ["eu"])]);
    world.hidden_table("secret_mapping", mapping);
    let table = world.content.tables.iter().find(|table| table.name.object.as_str() == "t").unwrap().id;
    let body = "r IN (SELECT mapped_region FROM main.hr.secret_mapping) AND r <> 'canary-1' AND session_user() = 'alice'";
    world.filter(table, &["r STRING"], body, &["region"]);
    for sql in SPYING.iter().chain(["SELECT * FROM t", "SELECT count(*) FROM t WHERE s = 3"].iter()) {
        let (scope, plan) = world.plan(world.alice, sql).await.unwrap();
        let before = show(&plan);
        crate::test_world::run(&scope, &plan).await.unwrap();
        for text in [before, show(&plan)] {
            for told in
                ["canary", "mapping", "mapped", "weir", "alice", "RawScan", "% 10", "'eu'", "row_filter"]
            {
                assert!(!text.contains(told), "`{sql}`:\n{text}");
            }
            assert!(text.contains("GovernedScanExec: main.hr.t\n"), "`{sql}`:\n{text}");
        }
    }
}

#[tokio::test]
async fn two_tables_that_differ_in_hidden_rows_answer_alike() {
    let visible = |n: usize| n.is_multiple_of(2);
    for sql in [
        "SELECT count(*), min(x), max(x), sum(s), avg(x), approx_distinct(x) FROM t",
        "SELECT id FROM t ORDER BY x LIMIT 5",
        "SELECT t.id, u.x FROM t JOIN u ON t.x = u.x ORDER BY 1, 2",
        "SELECT id FROM t WHERE x > 7 AND s < 8 ORDER BY id",
        "SELECT a.id FROM t a JOIN t b ON a.x = b.x WHERE a.region IN (SELECT region FROM t WHERE x > 20) ORDER BY 1",
    ] {
        for protection in ["standard", "strict"] {
            let mut world = world(2, protection);
            let table =
                world.content.tables.iter().find(|table| table.name.object.as_str() == "t").unwrap().id;
            let mut answers = Vec::new();
            for offset in [1000, 5000, -50] {
                let number = |n: usize| i32::try_from(n).unwrap() + if visible(n) { 0 } else { offset };
                world.set_raw(table, crate::test_world::RawTable::new(vec![people(40, number, visible)]));
                let (scope, plan) = world.plan(world.alice, sql).await.unwrap();
                let explained = show(&plan);
                let batches = crate::test_world::run(&scope, &plan).await.unwrap();
                let rows: Vec<String> = batches.iter().flat_map(crate::test_world::lines_of).collect();
                let told = (rows, plan.plan().schema(), plan.canonical().to_owned(), explained, show(&plan));
                // In standard a caller's own predicate may leave more or less of a leaf unread.
                answers.push((told, (protection == "strict").then(|| numbers(&plan))));
            }
            assert!(!answers[0].0.0.is_empty(), "{sql}");
            assert_eq!(answers[0], answers[1], "{sql} {protection}");
            assert_eq!(answers[0], answers[2], "{sql} {protection}");
        }
    }
}

/// How many partitions there are to read follows from the files, which hidden rows fill too.
#[tokio::test]
async fn strict_shows_the_same_plan_however_many_partitions_hidden_rows_fill() {
    let mut world = world(2, "strict");
    world.partitions = 3;
    let table = world.content.tables.iter().find(|table| table.name.object.as_str() == "t").unwrap().id;
    for sql in [
        "SELECT id FROM t",
        "SELECT 1 FROM t",
        "SELECT id FROM t ORDER BY x LIMIT 3",
        "SELECT region, max(x) FROM t GROUP BY region",
    ] {
        let mut told = Vec::new();
        for hidden in [0, 1, 2] {
            let visible =
                |from: usize, rows: usize| people(rows, move |n| i32::try_from(from + n).unwrap(), |_| true);
            let mut parts = match hidden {
                0 => vec![visible(0, 6)],
                _ => vec![visible(0, 2), visible(2, 4)],
            };
            parts.extend((0..hidden).map(|_| people(9, |n| 1000 + i32::try_from(n).unwrap(), |_| false)));
            world.set_raw(table, crate::test_world::RawTable::partitioned(parts));
            let (scope, plan) = world.plan(world.alice, sql).await.unwrap();
            let rows = crate::test_world::run(&scope, &plan).await.unwrap();
            assert!(rows.iter().any(|batch| batch.num_rows() > 0), "{sql}");
            let batches: Vec<usize> = rows.iter().map(|batch| batch.num_rows()).collect();
            told.push((show(&plan), numbers(&plan), batches));
        }
        assert_eq!(told[0], told[1], "{sql}");
        assert_eq!(told[0], told[2], "{sql}");
    }
}
