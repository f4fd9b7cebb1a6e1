//! Calls of catalog functions: what they give, who may make them, and that no predicate sees what a
//! call does not show.

use datafusion::logical_expr::Volatility;
use weir_catalog::{FunctionId, Parameter, PrincipalId, Privilege, Returns, SecurableId, TableId};

use crate::test_world::{Canary, World, batch, ints, texts};

/// Numbers that alice reads, and `secrets` that only root reads.
fn world() -> (World, TableId, TableId) {
    let mut world = World::new();
    let numbers = world.table("numbers", batch(vec![ints("x", 1..=6), texts("t", ["a"; 6])]));
    let secrets = world.hidden_table("secrets", batch(vec![ints("k", 1..=9), ints("v", 11..=19)]));
    (world, numbers, secrets)
}

/// A function of root that alice and bob may call.
fn function(world: &mut World, name: &str, parameters: &[&str], returns: &str, body: &str) -> FunctionId {
    let id = world.function(name, parameters, returns, body);
    for who in [world.alice, world.bob] {
        world.grant(who, Privilege::Execute, SecurableId::Function(id));
    }
    id
}

fn rows_function(
    world: &mut World,
    name: &str,
    parameters: &[&str],
    columns: &[(&str, &str)],
    body: &str,
) -> FunctionId {
    let id = function(world, name, parameters, "INT", body);
    let column = |(name, type_text): &(&str, &str)| Parameter {
        name: (*name).to_owned(),
        type_text: (*type_text).to_owned(),
        default: None,
        comment: None,
    };
    let function = world.content.functions.iter_mut().find(|known| known.id == id).unwrap();
    function.returns = Returns::Table(columns.iter().map(column).collect());
    id
}

fn owned_by(world: &mut World, function: FunctionId, owner: fn(&World) -> PrincipalId) {
    let owner = owner(world);
    world.content.functions.iter_mut().find(|known| known.id == function).unwrap().owner = owner;
}

async fn rows(world: &World, sql: &str) -> Vec<String> {
    world.rows(world.alice, sql).await.unwrap()
}

#[tokio::test]
async fn a_call_gives_what_the_body_says() {
    let (mut world, ..) = world();
    function(&mut world, "twice", &["n INT"], "INT", "n + n");
    function(
        &mut world,
        "scaled",
        &["n INT", "by INT DEFAULT 10", "plus INT DEFAULT 0"],
        "BIGINT",
        "n * by + plus",
    );
    function(&mut world, "pi2", &[], "DOUBLE", "1.5");
    for (sql, expected) in [
        ("SELECT twice(x) FROM numbers WHERE twice(x) > 8", vec!["10", "12"]),
        ("SELECT hr.twice(2) + main.hr.twice(3)", vec!["10"]),
        ("SELECT `MAIN`.hr.`Twice`(2)", vec!["4"]),
        ("SELECT twice(twice(twice(1)))", vec!["8"]),
        (
            "SELECT scaled(2), scaled(2, 3), scaled(plus => 1, n => 2), scaled(2, plus => 5)",
            vec!["20|6|21|25"],
        ),
        ("SELECT pi2()", vec!["1.5"]),
        ("SELECT sum(twice(x)) FROM numbers", vec!["42"]),
        ("SELECT twice(sum(x)) FROM numbers", vec!["42"]),
        ("SELECT twice(x), count(*) FROM numbers WHERE x < 3 GROUP BY twice(x)", vec!["2|1", "4|1"]),
        ("SELECT x FROM numbers GROUP BY x HAVING twice(count(*)) > 2", vec![]),
        ("SELECT a.x FROM numbers a JOIN numbers b ON twice(a.x) = b.x", vec!["1", "2", "3"]),
        ("SELECT x FROM numbers WHERE x IN (SELECT twice(x) FROM numbers)", vec!["2", "4", "6"]),
        (
            "SELECT x FROM numbers n WHERE EXISTS (SELECT 1 FROM numbers m WHERE m.x = twice(n.x))",
            vec!["1", "2", "3"],
        ),
        ("SELECT twice(v) FROM (VALUES (twice(2))) AS t(v)", vec!["8"]),
        ("SELECT twice(CAST(2 AS SMALLINT)), twice('3'), twice(NULL)", vec!["4|6|NULL"]),
        ("SELECT count(*) OVER (PARTITION BY twice(x)) FROM numbers WHERE x = 1", vec!["1"]),
        ("SELECT CASE WHEN x > 5 THEN twice(x) ELSE 0 END FROM numbers WHERE x > 4", vec!["0", "12"]),
    ] {
        assert_eq!(rows(&world, sql).await, expected, "{sql}");
    }
    assert_eq!(
        world.lines(world.alice, "SELECT x FROM numbers ORDER BY twice(x) DESC LIMIT 2").await.unwrap(),
        ["6", "5"]
    );
}

#[tokio::test]
async fn a_call_that_does_not_fit_is_refused_by_name() {
    let (mut world, ..) = world();
    function(&mut world, "twice", &["n INT"], "INT", "n + n");
    rows_function(
        &mut world,
        "upto",
        &["n INT"],
        &[("i", "INT")],
        "SELECT x FROM main.hr.numbers WHERE x <= n",
    );
    for (sql, expected) in [
        ("SELECT twice()", "takes 1 argument and gets 0"),
        ("SELECT twice(1, 2)", "takes 1 argument and gets 2"),
        ("SELECT twice(m => 1)", "it has no parameter `m`"),
        ("SELECT twice(1, n => 1)", "argument `n` is given twice"),
        ("SELECT twice(n => 1, 2)", "stands after one by name"),
        ("SELECT twice(true)", "argument `n` is Boolean and must be Int32"),
        ("SELECT twice(*) FROM numbers", "is no argument"),
        ("SELECT twice(DISTINCT x) FROM numbers", "takes arguments and no clauses"),
        ("SELECT twice(x) OVER () FROM numbers", "takes arguments and no clauses"),
        ("SELECT twice(random())", "varies, and its body names it more than once"),
        ("SELECT upto(1)", "it gives rows: call it in FROM"),
        ("SELECT * FROM twice(1)", "it gives one value, not rows"),
        ("SELECT * FROM upto()", "takes 1 argument and gets 0"),
        ("SELECT * FROM upto(random())", "must be a constant"),
        ("SELECT * FROM numbers, LATERAL upto(x)", "a column or query as an argument"),
        ("SELECT * FROM upto((SELECT 1))", "a column or query as an argument"),
        ("SELECT * FROM generate_series(1, 2)", "table function `generate_series` is not supported"),
        ("SELECT * FROM abs(1)", "table function `abs` is not supported"),
        ("SELECT a.b.c.d(1)", "function `a.b.c.d` not found"),
    ] {
        let error = world.error(world.alice, sql).await;
        assert!(error.contains(expected), "{sql}: {error}");
    }
    // A cast that fails is an error of the caller's own value.
    let error = world.error(world.alice, "SELECT twice('x')").await;
    assert!(error.contains("Cast"), "{error}");
}

#[tokio::test]
async fn hidden_and_missing_functions_are_told_in_the_same_words() {
    let (mut world, ..) = world();
    world.function("twice", &["n INT"], "INT", "n + n");
    rows_function(&mut world, "one", &[], &[("i", "INT")], "SELECT 1");
    let stranger = world.user("stranger");
    world.content.grants.retain(|grant| grant.principal != stranger);
    for (hidden, missing) in [
        ("SELECT twice(1)", "SELECT thrice(1)"),
        ("SELECT twice()", "SELECT thrice()"),
        ("SELECT main.hr.twice(1)", "SELECT main.hr.thrice(1)"),
        ("SELECT * FROM one()", "SELECT * FROM two()"),
        ("SELECT * FROM main.hr.one(x => 1)", "SELECT * FROM main.hr.two(x => 1)"),
        ("SELECT main.other.twice(1)", "SELECT main.other.thrice(1)"),
    ] {
        let (hidden, missing) = (world.error(stranger, hidden).await, world.error(stranger, missing).await);
        assert_eq!(hidden.replace("twice", "thrice").replace("one", "two"), missing);
        assert!(missing.contains("not found"), "{missing}");
    }
    let error = world.error(world.alice, "SELECT twice(1)").await;
    assert!(error.contains("you need EXECUTE on function `main.hr.twice`"), "{error}");
}

#[tokio::test]
async fn a_function_shadows_no_builtin_and_no_identity() {
    let (mut world, ..) = world();
    for name in ["abs", "current_user", "is_member", "sum", "row_number"] {
        function(&mut world, name, &["n INT DEFAULT 1"], "STRING", "'stolen'");
    }
    assert_eq!(rows(&world, "SELECT abs(-1), current_user(), is_member('x')").await, ["1|alice|false"]);
    assert_eq!(rows(&world, "SELECT sum(x) FROM numbers").await, ["21"]);
    assert_eq!(rows(&world, "SELECT hr.abs(-1), main.hr.current_user()").await, ["stolen|stolen"]);
}

#[tokio::test]
async fn a_body_has_its_owners_rights_and_the_session_users_identity_and_policies() {
    let (mut world, _, secrets) = world();
    function(&mut world, "who", &[], "STRING", "session_user()");
    let top = function(&mut world, "peak", &[], "INT", "(SELECT max(v) FROM main.hr.secrets)");
    assert_eq!(rows(&world, "SELECT who()").await, ["alice"]);
    assert_eq!(rows(&world, "SELECT peak()").await, ["19"]);
    world.filter(secrets, &["v INT"], "v < 15 OR session_user() = 'root'", &["v"]);
    assert_eq!(rows(&world, "SELECT peak(), who()").await, ["14|alice"]);
    assert_eq!(world.rows(world.root, "SELECT peak(), who()").await.unwrap(), ["19|root"]);
    owned_by(&mut world, top, |world| world.bob);
    let error = world.error(world.alice, "SELECT peak()").await;
    assert!(
        error.contains("function `main.hr.peak` cannot be called") && !error.contains("secrets"),
        "{error}"
    );
}

#[tokio::test]
async fn subqueries_of_bodies_stand_on_arguments() {
    let (mut world, _, secrets) = world();
    let alice = world.alice;
    world.grant(alice, Privilege::Select, SecurableId::Table(secrets));
    function(&mut world, "looked", &["n INT"], "INT", "(SELECT max(v) FROM main.hr.secrets WHERE k = n)");
    function(
        &mut world,
        "known",
        &["n INT"],
        "BOOLEAN",
        "EXISTS (SELECT 1 FROM main.hr.secrets s WHERE s.k = n)",
    );
    function(
        &mut world,
        "listed",
        &["n INT"],
        "BOOLEAN",
        "n IN (SELECT k FROM main.hr.secrets WHERE v > 14)",
    );
    function(&mut world, "through", &["m INT"], "INT", "main.hr.looked(m + 1)");
    for (sql, expected) in [
        ("SELECT looked(x) FROM numbers WHERE x < 3", vec!["11", "12"]),
        ("SELECT looked(x + 1) FROM numbers WHERE x < 3", vec!["12", "13"]),
        ("SELECT x FROM numbers WHERE looked(x) > 15", vec!["6"]),
        ("SELECT x FROM numbers WHERE known(x * 3)", vec!["1", "2", "3"]),
        ("SELECT x FROM numbers WHERE listed(x) AND x < 6", vec!["5"]),
        ("SELECT through(x) FROM numbers WHERE x = 1", vec!["12"]),
        ("SELECT looked(2), known(20), known(3), NOT known(3)", vec!["12|false|true|false"]),
        ("SELECT known(x * 4) FROM numbers WHERE x < 4", vec!["false", "true", "true"]),
        (
            "SELECT x FROM numbers n WHERE x + 10 IN (SELECT looked(m.x) FROM numbers m WHERE m.x < 3)",
            vec!["1", "2"],
        ),
    ] {
        assert_eq!(rows(&world, sql).await, expected, "{sql}");
    }
    let error = world.error(world.alice, "SELECT looked((SELECT 1)) FROM numbers").await;
    assert!(error.contains("argument `n` holds a query"), "{error}");
    let error = world.error(world.alice, "SELECT listed(x) FROM numbers").await;
    assert!(error.contains("its body holds IN with a query") && !error.contains("secrets"), "{error}");
    let sql = "SELECT x FROM numbers n WHERE EXISTS (SELECT 1 FROM numbers m WHERE looked(n.x) = m.x)";
    let error = world.error(world.alice, sql).await;
    assert!(error.contains("argument `n` holds"), "{error}");
}

#[tokio::test]
async fn a_body_that_reads_what_the_caller_may_not_takes_constants_only() {
    let (mut world, ..) = world();
    function(&mut world, "looked", &["n INT"], "INT", "(SELECT max(v) FROM main.hr.secrets WHERE k = n)");
    assert_eq!(rows(&world, "SELECT looked(1 + 1)").await, ["12"]);
    assert_eq!(rows(&world, "SELECT x FROM numbers WHERE looked(2) = x + 10").await, ["2"]);
    for sql in [
        "SELECT looked(x) FROM numbers",
        "SELECT 1 FROM numbers WHERE 1/(looked(x)-15) > 0",
        "SELECT looked((SELECT 1))",
    ] {
        let error = world.error(world.alice, sql).await;
        assert!(error.contains("constant arguments") && !error.contains("secrets"), "{sql}: {error}");
    }
    // A view of somebody who may read it all carries the call, and is a barrier.
    world.view("w", &["x", "v"], "SELECT x, main.hr.looked(x) FROM main.hr.numbers", &[]);
    assert_eq!(rows(&world, "SELECT v FROM w WHERE x < 3").await, ["11", "12"]);
    // A view of one who may not does not.
    let view = world.view("z", &["x", "v"], "SELECT x, main.hr.looked(x) FROM main.hr.numbers", &[]);
    world.of(view).owner = world.bob;
    let error = world.error(world.alice, "SELECT * FROM z").await;
    assert!(error.contains("cannot be read"), "{error}");
}

/// What the canary sees of `sql`; the statement may fail.
async fn seen(world: &mut World, sql: &str) -> Vec<String> {
    let (spy, mut canary) = Canary::new("spy", Volatility::Immutable);
    world.callable(spy);
    let _: datafusion::error::Result<_> = world.rows(world.alice, sql).await;
    canary.seen()
}

#[tokio::test]
async fn predicates_see_no_more_than_a_call_shows() {
    let (mut world, ..) = world();
    function(&mut world, "looked", &["n INT"], "INT", "(SELECT max(v) FROM main.hr.secrets WHERE k = n)");
    function(
        &mut world,
        "listed",
        &["n INT"],
        "BOOLEAN",
        "n IN (SELECT k FROM main.hr.secrets WHERE v > 14)",
    );
    rows_function(
        &mut world,
        "upto",
        &["n INT"],
        &[("k", "INT"), ("v", "INT")],
        "SELECT k, v FROM main.hr.secrets WHERE k <= n",
    );
    world.view("w", &["x", "v"], "SELECT x, main.hr.looked(x) FROM main.hr.numbers WHERE x <> 5", &[]);
    // 15 is the value behind 5, 17 behind 7, which no row of numbers has.
    for (sql, allowed) in [
        ("SELECT x FROM numbers WHERE spy(looked(2)) > 0", vec!["12"]),
        ("SELECT x FROM numbers WHERE looked(2) = 12 AND spy(looked(2)) > 0", vec!["12"]),
        ("SELECT k FROM upto(2) WHERE spy(v) > 0", vec!["11", "12"]),
        ("SELECT k FROM upto(2) WHERE spy(k) > 0", vec!["1", "2"]),
        (
            "SELECT a.k FROM upto(2) a JOIN numbers n ON a.k = n.x WHERE spy(n.x) = a.k",
            vec!["1", "2", "3", "4", "5", "6"],
        ),
        ("SELECT a.k FROM upto(2) a JOIN upto(3) b ON spy(a.v) = b.v", vec!["11", "12"]),
        ("SELECT max(spy(v)) FROM upto(2)", vec!["11", "12"]),
        ("SELECT v FROM w WHERE spy(v) > 0", vec!["11", "12", "13", "14", "16"]),
        ("SELECT v FROM w WHERE spy(x) > 0", vec!["1", "2", "3", "4", "6"]),
        ("SELECT a.x FROM w a JOIN w b ON spy(a.v) = b.v", vec!["11", "12", "13", "14", "16"]),
    ] {
        let seen = seen(&mut world, sql).await;
        assert!(!seen.is_empty(), "`{sql}` calls the canary");
        assert!(seen.iter().all(|value| allowed.contains(&value.as_str())), "`{sql}`: {seen:?}");
    }
    for sql in [
        "SELECT x FROM numbers WHERE spy(looked(x)) > 0",
        "SELECT x FROM numbers WHERE listed(x) AND spy(x) > 0",
    ] {
        assert!(seen(&mut world, sql).await.is_empty(), "{sql}");
    }
    for (sql, expected) in [
        ("SELECT k FROM upto(2) WHERE 1/(v-15) > -2", vec!["1", "2"]),
        ("SELECT v FROM w WHERE 1/(v-15) > 0", vec!["16"]),
        ("SELECT v FROM w WHERE 1/(v-17) > 0", vec![]),
    ] {
        assert_eq!(rows(&world, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn policies_hold_under_an_open_body() {
    let (mut world, _, secrets) = world();
    let alice = world.alice;
    world.grant(alice, Privilege::Select, SecurableId::Table(secrets));
    world.filter(secrets, &["v INT"], "v <> 15", &["v"]);
    function(&mut world, "looked", &["n INT"], "INT", "(SELECT max(v) FROM main.hr.secrets WHERE k = n)");
    assert_eq!(rows(&world, "SELECT looked(x) FROM numbers WHERE x IN (4, 5)").await, ["14", "NULL"]);
    let seen = seen(&mut world, "SELECT x FROM numbers WHERE spy(looked(x)) > 0").await;
    assert!(!seen.is_empty() && !seen.contains(&"15".to_owned()), "{seen:?}");
}

#[tokio::test]
async fn functions_that_give_rows() {
    let (mut world, ..) = world();
    rows_function(
        &mut world,
        "upto",
        &["n INT DEFAULT 2", "label STRING DEFAULT 'x'"],
        &[("k", "BIGINT"), ("what", "STRING")],
        "SELECT k, concat(label, '!') FROM main.hr.secrets WHERE k <= n AND EXISTS (SELECT 1 FROM main.hr.numbers WHERE x = n)",
    );
    function(&mut world, "twice", &["n INT"], "INT", "n + n");
    for (sql, expected) in [
        ("SELECT * FROM upto()", vec!["1|x!", "2|x!"]),
        ("SELECT * FROM main.hr.upto(1, label => 'y')", vec!["1|y!"]),
        ("SELECT t.k FROM TABLE(upto(twice(1))) AS t", vec!["1", "2"]),
        ("SELECT u.b FROM upto(1) AS u(a, b)", vec!["x!"]),
        ("SELECT upto.k FROM upto(1)", vec!["1"]),
        ("SELECT n.x FROM numbers n JOIN upto(3) u ON n.x = u.k", vec!["1", "2", "3"]),
        ("SELECT n.x FROM numbers n, LATERAL upto(1) u WHERE n.x = u.k", vec!["1"]),
        ("SELECT x FROM numbers WHERE x IN (SELECT k FROM upto(2))", vec!["1", "2"]),
        ("WITH c AS (SELECT k FROM upto(1)) SELECT a.k FROM c a, c b", vec!["1"]),
        ("SELECT a.k, b.k FROM upto(1) a, upto(2) b", vec!["1|1", "1|2"]),
    ] {
        assert_eq!(rows(&world, sql).await, expected, "{sql}");
    }
    world.view("v", &["k"], "SELECT CAST(k AS INT) FROM main.hr.upto(1)", &[]);
    assert_eq!(rows(&world, "SELECT k FROM v").await, ["1"]);
}

#[tokio::test]
async fn functions_on_functions_end_somewhere() {
    let (mut world, ..) = world();
    function(&mut world, "f0", &["n INT"], "INT", "n + 1");
    for level in 1..20 {
        let body = format!("main.hr.f{}(n)", level - 1);
        function(&mut world, &format!("f{level}"), &["n INT"], "INT", &body);
    }
    assert_eq!(rows(&world, "SELECT f7(1)").await, ["2"]);
    let error = world.error(world.alice, "SELECT f19(1)").await;
    assert!(error.contains("function `main.hr.f19` cannot be called"), "{error}");
    function(&mut world, "odd", &["n INT"], "BOOLEAN", "main.hr.even(n - 1)");
    function(&mut world, "even", &["n INT"], "BOOLEAN", "n = 0 OR main.hr.odd(n - 1)");
    let error = world.error(world.alice, "SELECT even(4)").await;
    assert!(error.contains("cannot be called"), "{error}");
}

#[tokio::test]
async fn calls_that_double_are_counted_before_they_are_written() {
    let (mut world, ..) = world();
    function(&mut world, "twice", &["n BIGINT"], "BIGINT", "n + n");
    let nested =
        |depth: usize| format!("SELECT {}x{} FROM numbers", "twice(".repeat(depth), ")".repeat(depth));
    assert_eq!(rows(&world, &format!("{} WHERE x = 1", nested(5))).await, ["32"]);
    let error = world.error(world.alice, &nested(30)).await;
    assert!(error.contains("more than 20000"), "{error}");
    for level in 0..6 {
        let inner = if level == 0 { "twice".to_owned() } else { format!("d{}", level - 1) };
        let body = format!("main.hr.{inner}(main.hr.{inner}(main.hr.{inner}(main.hr.{inner}(n))))");
        function(&mut world, &format!("d{level}"), &["n BIGINT"], "BIGINT", &body);
    }
    let error = world.error(world.alice, "SELECT d5(1)").await;
    assert!(error.contains("more than 20000"), "{error}");
}

#[tokio::test]
async fn an_identity_behind_a_call_makes_a_view_a_barrier() {
    let (mut world, ..) = world();
    function(&mut world, "mine", &["n INT"], "BOOLEAN", "n <> 5 OR session_user() = 'bob'");
    function(&mut world, "far", &["n INT"], "BOOLEAN", "main.hr.mine(n)");
    world.view("v", &["x"], "SELECT x FROM main.hr.numbers WHERE main.hr.far(x)", &[]);
    assert_eq!(rows(&world, "SELECT x FROM v WHERE 1/(x-5) > 0").await, ["6"]);
    let seen = seen(&mut world, "SELECT x FROM v WHERE spy(x) > 0").await;
    assert_eq!(seen, ["1", "2", "3", "4", "6"]);
}

#[tokio::test]
async fn expressions_are_hidden_where_a_body_is_not_the_callers_to_know() {
    let (mut world, ..) = world();
    let inner = function(&mut world, "inner", &["n INT"], "INT", "n + 4711");
    function(&mut world, "outer", &["n INT"], "INT", "main.hr.inner(n)");
    let (scope, _) = world.plan(world.alice, "SELECT outer(x) FROM numbers").await.unwrap();
    assert!(scope.shows_expressions());
    world.content.grants.retain(|grant| grant.securable != SecurableId::Function(inner));
    let (scope, _) = world.plan(world.alice, "SELECT outer(x) FROM numbers").await.unwrap();
    assert!(!scope.shows_expressions());
    assert_eq!(rows(&world, "SELECT outer(1)").await, ["4712"]);
    // A view that calls it is not read through.
    world.view("v", &["x"], "SELECT main.hr.inner(x) FROM main.hr.numbers", &[]);
    let (_, plan) = world.plan(world.alice, "SELECT x FROM v").await.unwrap();
    let shown = datafusion::physical_plan::displayable(plan.plan().as_ref()).indent(true).to_string();
    assert!(!shown.contains("4711"), "{shown}");
}

#[tokio::test]
async fn policies_call_functions_with_their_owners_rights() {
    let (mut world, numbers, secrets) = world();
    let inner =
        world.function("allowed", &["n INT"], "BOOLEAN", "n IN (SELECT k FROM main.hr.secrets WHERE v < 13)");
    let keep = world.filter(numbers, &["n INT"], "main.hr.allowed(n) AND main.hr.allowed(n)", &["x"]);
    assert_eq!(rows(&world, "SELECT x FROM numbers").await, ["1", "2"]);
    assert_eq!(rows(&world, "SELECT x FROM numbers WHERE 1/(x-5) > -1").await, ["1", "2"]);
    let (scope, _) = world.plan(world.alice, "SELECT x FROM numbers").await.unwrap();
    assert!(scope.shows_expressions());
    // The policy's owner loses EXECUTE: the table cannot be read.
    owned_by(&mut world, keep, |world| world.bob);
    let error = world.error(world.alice, "SELECT x FROM numbers").await;
    assert!(error.contains("does not fit table") && !error.contains("allowed"), "{error}");
    owned_by(&mut world, keep, |world| world.root);
    owned_by(&mut world, inner, |world| world.bob);
    let error = world.error(world.alice, "SELECT x FROM numbers").await;
    assert!(error.contains("does not fit table") && !error.contains("secrets"), "{error}");
    owned_by(&mut world, inner, |world| world.root);
    // What the call reads is read under the policies for the owner of the policy's function.
    world.filter(secrets, &["v INT"], "v > 11 AND current_user() = 'root'", &["v"]);
    assert_eq!(rows(&world, "SELECT x FROM numbers").await, ["2"]);
    owned_by(&mut world, keep, |world| world.bob);
    let inner = weir_catalog::SecurableId::Function(inner);
    world.grant(world.bob, weir_catalog::Privilege::Execute, inner);
    // Where something is hidden in it, the called function must be the definer's own.
    let error = world.error(world.alice, "SELECT x FROM numbers").await;
    assert!(error.contains("does not fit table") && !error.contains("secrets"), "{error}");
}

#[tokio::test]
async fn policies_read_the_rows_of_functions() {
    let (mut world, numbers, _) = world();
    rows_function(
        &mut world,
        "upto",
        &["n INT"],
        &[("k", "INT")],
        "SELECT k FROM main.hr.secrets WHERE k <= n",
    );
    world.filter(numbers, &["n INT"], "n IN (SELECT k FROM main.hr.upto(2))", &["x"]);
    assert_eq!(rows(&world, "SELECT x FROM numbers").await, ["1", "2"]);
    assert_eq!(rows(&world, "SELECT x FROM numbers WHERE 1/(x-5) > -1").await, ["1", "2"]);
}

#[tokio::test]
async fn names_of_body_and_statement_do_not_meet() {
    let (mut world, ..) = world();
    function(&mut world, "same", &["n INT"], "INT", "(SELECT max(x) FROM main.hr.numbers WHERE x = n)");
    function(
        &mut world,
        "aliased",
        &["n INT"],
        "INT",
        "(SELECT max(p.x) FROM main.hr.numbers p WHERE p.x = n)",
    );
    function(
        &mut world,
        "nested",
        &["n INT"],
        "BOOLEAN",
        "EXISTS (SELECT 1 FROM (SELECT x AS y FROM main.hr.numbers) WHERE y = n)",
    );
    function(&mut world, "chained", &["n INT"], "INT", "main.hr.same(n) + main.hr.aliased(n)");
    for (sql, expected) in [
        ("SELECT same(x) FROM numbers WHERE x < 3", vec!["1", "2"]),
        ("SELECT same(numbers.x + 1) FROM numbers WHERE x < 3", vec!["2", "3"]),
        ("SELECT aliased(p.x) FROM numbers p WHERE p.x < 3", vec!["1", "2"]),
        ("SELECT x FROM numbers WHERE same(x) = 2", vec!["2"]),
        ("SELECT p.x, same(p.x), aliased(p.x) FROM numbers p WHERE p.x < 3", vec!["1|1|1", "2|2|2"]),
        ("SELECT chained(x) FROM numbers WHERE x < 3", vec!["2", "4"]),
        ("SELECT x FROM numbers WHERE nested(x + 5)", vec!["1"]),
        ("SELECT t.y FROM (SELECT x + 5 AS y FROM numbers) t WHERE nested(t.y)", vec!["6"]),
        ("SELECT same(1), same(2), same(1)", vec!["1|2|1"]),
    ] {
        let sql = sql.replace("same(1), same(2), same(1)", "same(1), same(2), same(1) AS again");
        assert_eq!(rows(&world, &sql).await, expected, "{sql}");
    }
    let sql = "SELECT y FROM (SELECT x + 5 AS y FROM numbers) WHERE nested(y)";
    let error = world.error(world.alice, sql).await;
    assert!(error.contains("its body knows another `y`"), "{error}");
}

#[tokio::test]
async fn sealed_calls_are_told_apart() {
    let (mut world, ..) = world();
    function(&mut world, "looked", &["n INT"], "INT", "(SELECT max(v) FROM main.hr.secrets WHERE k = n)");
    function(
        &mut world,
        "known",
        &["n INT"],
        "BOOLEAN",
        "EXISTS (SELECT 1 FROM main.hr.secrets s WHERE s.k = n)",
    );
    rows_function(
        &mut world,
        "upto",
        &["n INT"],
        &[("k", "INT")],
        "SELECT k FROM main.hr.secrets WHERE k <= n",
    );
    assert_eq!(rows(&world, "SELECT looked(1), looked(2), known(1), known(10)").await, ["11|12|true|false"]);
    assert_eq!(rows(&world, "SELECT looked(1) + looked(2)").await, ["23"]);
    let sql = "SELECT (SELECT max(k) FROM upto(1)) AS a, (SELECT max(k) FROM upto(2)) AS b";
    assert_eq!(rows(&world, sql).await, ["1|2"]);
    world.view("v", &["k"], "SELECT (SELECT max(k) FROM main.hr.upto(3)) AS k", &[]);
    assert_eq!(rows(&world, "SELECT v.k, (SELECT max(k) FROM upto(1)) AS b FROM v").await, ["3|1"]);
}
