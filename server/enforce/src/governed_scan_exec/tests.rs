//! What the leaf lets in and what it lets out.

use datafusion::common::tree_node::TreeNodeRecursion;
use weir_catalog::TableId;

use super::*;
use crate::test_world::{RawTable, World, batch, ints, taken, texts};

/// Two hundred people; the filter keeps those of `region` eu, seven of them.
fn people() -> (World, TableId) {
    let mut world = World::new();
    let shown = |n: i32| n < 12 && (n % 2 == 0 || n == 11);
    let salary = |n: i32| match n {
        12.. => 1000,
        _ if shown(n) => n,
        _ => 1000 + n,
    };
    let table = world.table(
        "people",
        batch(vec![
            ints("id", 0..200),
            texts("region", (0..200).map(|n| if shown(n) { "eu" } else { "us" })),
            ints("salary", (0..200).map(salary)),
            texts("ssn", (0..200).map(|n| ["a", "b", "c"][n % 3])),
        ]),
    );
    world.filter(table, &["r STRING"], "r = 'eu'", &["region"]);
    world.mask(table, "ssn", &["v STRING"], "STRING", "'***'", &[]);
    world.table("picks", batch(vec![ints("pick", [2, 4, 1001]), texts("letter", ["a", "***", "c"])]));
    (world, table)
}

fn leaves(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    let node: &dyn Any = plan.as_ref();
    match node.is::<GovernedScanExec>() {
        true => vec![Arc::clone(plan)],
        false => plan.children().into_iter().flat_map(leaves).collect(),
    }
}

fn leaf<'a>(plan: &'a Arc<dyn ExecutionPlan>, name: &str) -> &'a GovernedScanExec {
    let node: &dyn Any = plan.as_ref();
    match node.downcast_ref::<GovernedScanExec>() {
        Some(leaf) if leaf.permit().name == name => leaf,
        _ => panic!("no leaf {name}"),
    }
}

/// The dynamic filters that entered the leaf of `people`, and what its raw scan took.
async fn entered(world: &World, sql: &str) -> (usize, Vec<String>) {
    let (_, plan) = world.plan(world.alice, sql).await.unwrap();
    let all = leaves(plan.plan());
    let found = all.iter().find(|found| leaf_name(found) == "main.hr.people").unwrap();
    let found = leaf(found, "main.hr.people");
    let mut dynamic = 0;
    found
        .apply_expressions(&mut |_| {
            dynamic += 1;
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
    (dynamic, taken(&found.inner))
}

fn leaf_name(plan: &Arc<dyn ExecutionPlan>) -> String {
    let node: &dyn Any = plan.as_ref();
    node.downcast_ref::<GovernedScanExec>().map(|leaf| leaf.permit().name.clone()).unwrap_or_default()
}

#[tokio::test]
async fn aggregates_are_not_answered_from_raw_statistics() {
    let (world, _) = people();
    let sql = "SELECT count(*), min(salary), max(salary), count(ssn), count(DISTINCT ssn) FROM people";
    assert_eq!(world.rows(world.alice, sql).await.unwrap(), ["7|0|11|7|1"]);
    assert_eq!(world.rows(world.alice, "SELECT count(*) FROM people").await.unwrap(), ["7"]);
    assert_eq!(world.rows(world.alice, "SELECT 1 FROM people").await.unwrap().len(), 7);
    assert_eq!(world.rows(world.alice, "SELECT max(ssn) FROM people").await.unwrap(), ["***"]);
}

#[tokio::test]
async fn limits_count_visible_rows() {
    let (world, _) = people();
    assert_eq!(world.rows(world.alice, "SELECT id FROM people LIMIT 5").await.unwrap().len(), 5);
    assert_eq!(world.rows(world.alice, "SELECT id FROM people LIMIT 9").await.unwrap().len(), 7);
    assert_eq!(
        world.lines(world.alice, "SELECT id FROM people ORDER BY id LIMIT 2 OFFSET 1").await.unwrap(),
        ["2", "4"]
    );
    assert_eq!(
        world.lines(world.alice, "SELECT salary FROM people ORDER BY salary DESC LIMIT 2").await.unwrap(),
        ["11", "10"]
    );
}

#[tokio::test]
async fn dynamic_filters_enter_on_open_columns_only() {
    let (world, _) = people();
    for (sql, enters, rows) in [
        ("SELECT id FROM people ORDER BY salary LIMIT 2", true, vec!["0", "2"]),
        ("SELECT id FROM people ORDER BY ssn LIMIT 2", false, vec![]),
        ("SELECT id FROM people ORDER BY salary + 0 LIMIT 2", false, vec!["0", "2"]),
        ("SELECT ssn AS salary FROM people ORDER BY salary LIMIT 2", false, vec!["***", "***"]),
        ("SELECT -salary AS salary FROM people ORDER BY salary LIMIT 2", false, vec!["-10", "-11"]),
        ("SELECT p.id FROM picks JOIN people p ON p.salary = picks.pick", true, vec!["2", "4"]),
        ("SELECT p.id FROM picks JOIN people p ON p.salary + 0 = picks.pick", false, vec!["2", "4"]),
        ("SELECT count(*) FROM picks JOIN people p ON p.ssn = picks.letter", false, vec!["7"]),
        (
            "SELECT p.id FROM picks JOIN people p ON p.ssn = picks.letter AND p.salary = picks.pick",
            false,
            vec!["4"],
        ),
        ("SELECT id FROM people WHERE salary IN (SELECT pick FROM picks)", true, vec!["2", "4"]),
    ] {
        let (dynamic, taken) = entered(&world, sql).await;
        assert_eq!(dynamic > 0, enters, "`{sql}`: {taken:?}");
        assert_eq!(taken.iter().any(|filter| filter.contains("Dynamic")), enters, "`{sql}`: {taken:?}");
        if !rows.is_empty() {
            assert_eq!(world.rows(world.alice, sql).await.unwrap(), rows, "`{sql}`");
        }
    }
}

#[tokio::test]
async fn nothing_enters_a_strict_leaf() {
    let (mut world, table) = people();
    world.protect(table, "strict");
    for sql in [
        "SELECT id FROM people ORDER BY salary LIMIT 2",
        "SELECT p.id FROM picks JOIN people p ON p.salary = picks.pick",
        "SELECT id FROM people WHERE salary = 4711",
    ] {
        let (dynamic, taken) = entered(&world, sql).await;
        assert_eq!(dynamic, 0);
        assert!(
            !taken.iter().any(|filter| filter.contains("Dynamic") || filter.contains("4711")),
            "{taken:?}"
        );
    }
    let (_, plan) = world.plan(world.alice, "SELECT id FROM people").await.unwrap();
    let statistics = StatisticsContext::new().compute(plan.plan().as_ref(), &StatisticsArgs::new()).unwrap();
    assert_eq!(statistics.num_rows, Precision::Absent);
}

#[tokio::test]
async fn admitted_predicates_enter_and_others_stay_outside() {
    let (world, _) = people();
    for (predicate, enters) in [
        ("salary = 4711", true),
        ("salary IN (4711, 5, 6, 7, 8, 9)", true),
        ("salary BETWEEN 4711 AND 5000 OR region IS NULL", true),
        ("CAST(salary AS BIGINT) = 4711", true),
        ("4711 < salary", true),
        ("NOT (salary = 4711)", true),
        ("salary + 1 = 4711", false),
        ("salary = id + 4711", false),
        ("abs(salary) = 4711", false),
        ("CAST(salary AS DOUBLE) / 2 > 4711", false),
        ("ssn = 'x4711'", false),
        ("ssn IS NULL OR salary = 4711", false),
        ("region LIKE '%4711'", false),
        ("CASE WHEN salary = 4711 THEN true END", false),
    ] {
        let (_, taken) = entered(&world, &format!("SELECT * FROM people WHERE {predicate}")).await;
        assert_eq!(taken.iter().any(|filter| filter.contains("4711")), enters, "{predicate}: {taken:?}");
    }
}

#[tokio::test]
async fn a_leaf_tells_the_optimiser_no_column_and_nothing_exact() {
    let (world, _) = people();
    let (_, plan) = world.plan(world.alice, "SELECT id, ssn FROM people").await.unwrap();
    let statistics = StatisticsContext::new().compute(plan.plan().as_ref(), &StatisticsArgs::new()).unwrap();
    assert!(!matches!(statistics.num_rows, Precision::Exact(_)));
    assert!(statistics.column_statistics.iter().all(|column| *column == ColumnStatistics::new_unknown()));
    let all = leaves(plan.plan());
    assert!(all[0].children().is_empty() && all[0].metrics().is_none());
}

#[tokio::test]
async fn without_policies_everything_is_as_ever() {
    let (mut world, table) = people();
    world.of(table).row_filter = None;
    world.of(table).masks.clear();
    assert_eq!(
        world.rows(world.alice, "SELECT count(*), max(salary) FROM people").await.unwrap(),
        ["200|1009"]
    );
    assert_eq!(world.rows(world.alice, "SELECT id FROM people LIMIT 3").await.unwrap().len(), 3);
    let sql = "SELECT id FROM people WHERE salary % 1000 = 1 LIMIT 3";
    assert_eq!(world.rows(world.alice, sql).await.unwrap(), ["1"]);
    for sql in [
        "SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM people q WHERE q.id = p.id + 10)",
        "SELECT id FROM people p WHERE salary > (SELECT avg(salary) FROM people q WHERE q.region = p.region) AND region = 'eu' AND id > 9",
        "SELECT id FROM people p WHERE id NOT IN (SELECT pick + 8 FROM picks) AND id > 10 OR id = 1",
    ] {
        assert!(!world.rows(world.alice, sql).await.unwrap().is_empty(), "{sql}");
    }
    let error = world.error(world.alice, "SELECT id FROM people WHERE 1/(salary-1001) = 0").await;
    assert!(error.to_lowercase().contains("divide by zero"), "{error}");
}

#[tokio::test]
async fn readings_count_what_left_the_leaf() {
    let (world, _) = people();
    let (scope, plan) = world.plan(world.alice, "SELECT id FROM people WHERE id + 0 > 5").await.unwrap();
    crate::test_world::run(&scope, &plan).await.unwrap();
    let readings = plan.readings();
    assert_eq!(readings.len(), 1);
    assert_eq!((readings[0].rows, readings[0].bytes), (7, 28));
}

#[tokio::test]
async fn a_stream_dropped_midway_leaves_the_meters_whole() {
    let (mut world, table) = people();
    let one = |n: i32| {
        batch(vec![ints("id", [n]), texts("region", ["eu"]), ints("salary", [n]), texts("ssn", ["a"])])
    };
    world.set_raw(table, RawTable::partitioned((0..4).map(one).collect()));
    let (scope, plan) = world.plan(world.alice, "SELECT id FROM people").await.unwrap();
    let statement = Meter::new();
    let all = leaves(plan.plan());
    let found = leaf(&all[0], "main.hr.people");
    let mut stream = statement.stream(found.execute(0, scope.state().task_ctx()).unwrap());
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert!(weir_meter::current().is_none());
    assert_eq!(plan.readings()[0].rows, 1);
    let again: usize =
        crate::test_world::run(&scope, &plan).await.unwrap().iter().map(RecordBatch::num_rows).sum();
    assert_eq!(again, 4);
}

#[tokio::test]
async fn others_run_between_the_first_batch_and_the_next() {
    let mut world = World::new();
    let one = |n: i32| batch(vec![ints("n", [n])]);
    let table = world.table("numbers", one(0));
    world.set_raw(table, RawTable::new((0..3).map(one).collect()));
    let (scope, plan) = world.plan(world.alice, "SELECT n FROM numbers").await.unwrap();
    let all = leaves(plan.plan());
    let mut stream = leaf(&all[0], "main.hr.numbers").execute(0, scope.state().task_ctx()).unwrap();
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(match futures::poll!(stream.next()) {
            Poll::Pending => "waits",
            Poll::Ready(Some(_)) => "rows",
            Poll::Ready(None) => "end",
        });
    }
    assert_eq!(told, ["rows", "waits", "rows", "rows", "end"]);
}

#[tokio::test]
async fn self_joins_and_aliases_meet_the_same_leaf() {
    let (world, _) = people();
    let sql = "SELECT a.id FROM people a JOIN people b ON a.id = b.id + 1";
    assert_eq!(world.rows(world.alice, sql).await.unwrap(), ["11"]);
    let sql =
        "SELECT a.ssn, b.t FROM people a, people AS b(i, r, s, t) WHERE a.id = i AND b.t = '***' AND i < 3";
    assert_eq!(world.rows(world.alice, sql).await.unwrap(), ["***|***", "***|***"]);
}

#[tokio::test]
async fn not_in_and_null_keep_their_meaning() {
    let (mut world, table) = people();
    let rows = batch(vec![
        ints("id", [Some(1), Some(2), None]),
        texts("region", ["eu", "eu", "eu"]),
        ints("salary", [Some(1), None, Some(3)]),
        texts("ssn", ["a", "b", "c"]),
    ]);
    world.set_raw(table, RawTable::new(vec![rows]));
    for (predicate, expected) in [
        ("id NOT IN (1, NULL)", vec![]),
        ("NOT (id IN (1, 5) AND salary IN (2, NULL))", vec!["2"]),
        ("id NOT IN (1, 7, 8, 9, 10)", vec!["2"]),
        ("NOT (salary NOT IN (1, NULL))", vec!["1"]),
        ("(id = 1) IS NOT TRUE", vec!["2", "NULL"]),
        ("id = NULL OR salary = 1", vec!["1"]),
        ("salary BETWEEN NULL AND 2", vec![]),
        ("NOT (salary BETWEEN NULL AND 2)", vec!["NULL"]),
    ] {
        let sql = format!("SELECT id FROM people WHERE {predicate}");
        assert_eq!(world.rows(world.alice, &sql).await.unwrap(), expected, "{predicate}");
    }
}

#[tokio::test]
async fn errors_of_the_file_reader_are_told_apart() {
    let (world, _) = people();
    let (_, plan) = world.plan(world.alice, "SELECT id FROM people").await.unwrap();
    let permit = &plan.permits()[0];
    let evaluated = || {
        let text = "predicate: CastError(\"Cannot cast string 'canary' to Int32\")".to_owned();
        let cause = ParquetError::External(Box::new(ArrowError::ComputeError(text)));
        DataFusionError::Context("while reading".to_owned(), Box::new(cause.into()))
    };
    let told = without_values(evaluated(), permit);
    assert!(told.to_string().contains("a policy of `main.hr.people` failed"), "{told}");
    assert!(!format!("{told:?}").contains("canary"), "{told:?}");
    let damaged = DataFusionError::from(ParquetError::EOF("footer".to_owned()));
    let told = without_values(damaged, permit).to_string();
    assert!(
        told.contains("the files of `main.hr.people` cannot be read") && !told.contains("footer"),
        "{told}"
    );
    let open = Permit { barrier: Barrier::None, ..permit.as_ref().clone() };
    assert!(without_values(evaluated(), &open).to_string().contains("canary"));
}
