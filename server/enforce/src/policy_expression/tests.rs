//! Policies as they hold for one caller: what folds away, what is refused, what is bound to what.

use weir_catalog::{FunctionId, Literal, PolicyArgument, TableId};

use super::*;
use crate::permit::Barrier;
use crate::test_world::{RawTable, World, batch, ints, texts};

fn people() -> (World, TableId) {
    let mut world = World::new();
    let table = world.table(
        "people",
        batch(vec![
            ints("id", [1, 2, 3, 4]),
            texts("region", [Some("eu"), Some("us"), None, Some("eu")]),
            ints("salary", [Some(10), Some(20), Some(30), None]),
            texts("SSN", ["111-1", "222-2", "333-3", "444-4"]),
        ]),
    );
    (world, table)
}

async fn barrier(world: &World) -> Barrier {
    let (_, plan) = world.plan(world.alice, "SELECT id FROM people").await.unwrap();
    plan.permits()[0].barrier
}

async fn rows(world: &World, sql: &str) -> Vec<String> {
    world.rows(world.alice, sql).await.unwrap()
}

#[tokio::test]
async fn filter_that_folds_to_true_leaves_no_barrier() {
    let (mut world, table) = people();
    world.group("staff", &[world.alice]);
    world.filter(table, &["r STRING"], "is_account_group_member('staff') OR r = 'eu'", &["region"]);
    assert_eq!(barrier(&world).await, Barrier::None);
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "2", "3", "4"]);
    world.content.memberships.clear();
    assert_eq!(barrier(&world).await, Barrier::Standard);
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "4"]);
}

#[tokio::test]
async fn mask_that_folds_to_the_column_leaves_no_barrier() {
    let (mut world, table) = people();
    world.group("staff", &[world.alice]);
    let body = "CASE WHEN is_account_group_member('staff') THEN v ELSE '***' END";
    world.mask(table, "SSN", &["v STRING"], "STRING", body, &[]);
    assert_eq!(barrier(&world).await, Barrier::None);
    world.content.memberships.clear();
    assert_eq!(barrier(&world).await, Barrier::Standard);
    assert_eq!(rows(&world, "SELECT DISTINCT ssn FROM people").await, ["***"]);
}

#[tokio::test]
async fn names_of_the_caller_are_constants() {
    let (mut world, table) = people();
    world.filter(table, &["r STRING"], "session_user() = 'alice' AND r = 'us'", &["region"]);
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["2"]);
    world.grant(world.bob, weir_catalog::Privilege::Select, weir_catalog::SecurableId::Table(table));
    assert!(world.rows(world.bob, "SELECT id FROM people").await.unwrap().is_empty());
}

#[tokio::test]
async fn lossy_casts_of_a_mask_are_not_overlooked() {
    for (column, parameter, body, expected) in [
        ("salary", "v INT", "CAST(CAST(v AS SMALLINT) AS INT)", "1"),
        ("salary", "v INT", "CAST(CAST(v AS BOOLEAN) AS INT)", "1"),
        ("price", "v DECIMAL(10,2)", "CAST(CAST(v AS INT) AS DECIMAL(10,2))", "1.00"),
        ("moment", "v TIMESTAMP", "CAST(CAST(v AS DATE) AS TIMESTAMP)", "1970-01-01T00:00:00Z"),
    ] {
        let mut world = World::new();
        let price = Arc::new(
            datafusion::arrow::array::Decimal128Array::from(vec![123])
                .with_precision_and_scale(10, 2)
                .unwrap(),
        );
        let moment = datafusion::arrow::array::TimestampMicrosecondArray::from(vec![5]).with_timezone("UTC");
        let table = world.table(
            "people",
            batch(vec![
                ints("id", [1]),
                ints("salary", [1]),
                ("price".to_owned(), price),
                ("moment".to_owned(), Arc::new(moment)),
            ]),
        );
        let returns = parameter.split_once(' ').unwrap().1;
        world.mask(table, column, &[parameter], returns, body, &[]);
        assert_eq!(barrier(&world).await, Barrier::Standard, "{body}");
        assert_eq!(rows(&world, &format!("SELECT {column} FROM people")).await, [expected], "{body}");
    }
}

#[tokio::test]
async fn a_filter_that_gives_null_hides() {
    let (mut world, table) = people();
    world.filter(table, &["r STRING"], "r = 'us'", &["region"]);
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["2"]);
    world.filter(table, &["r STRING"], "NOT (r = 'us')", &["region"]);
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "4"]);
    world.filter(table, &["r STRING"], "CAST(NULL AS BOOLEAN)", &["region"]);
    assert!(rows(&world, "SELECT id FROM people").await.is_empty());
}

#[tokio::test]
async fn defaults_stand_in_for_missing_arguments() {
    let (mut world, table) = people();
    world.filter(table, &["r STRING", "wanted STRING DEFAULT 'us'"], "r = wanted", &["region"]);
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["2"]);
    world.filter(table, &["r STRING", "wanted STRING"], "r = wanted", &["region"]);
    let error = world.error(world.alice, "SELECT id FROM people").await;
    assert!(error.contains("parameter `wanted` gets no argument"), "{error}");
}

#[tokio::test]
async fn a_default_must_be_a_constant_that_fits() {
    for default in ["random()", "(SELECT 1)", "id", "'canary-7'", "count(1)"] {
        let (mut world, table) = people();
        world.filter(table, &["r STRING", &format!("n INT DEFAULT {default}")], "n = 1", &["region"]);
        let error = world.error(world.alice, "SELECT id FROM people").await;
        assert!(error.contains("the default of `n`"), "{default}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn literals_are_arguments() {
    let (mut world, table) = people();
    world.filter(table, &["r STRING", "least INT", "on BOOLEAN"], "on AND length(r) >= least", &["region"]);
    let arguments = &mut world.of(table).row_filter.as_mut().unwrap().arguments;
    arguments.push(PolicyArgument::Literal(Literal::Number("2".to_owned())));
    arguments.push(PolicyArgument::Literal(Literal::Boolean(true)));
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "2", "4"]);
    world.of(table).row_filter.as_mut().unwrap().arguments[1] =
        PolicyArgument::Literal(Literal::Number("99999999999".to_owned()));
    let error = world.error(world.alice, "SELECT id FROM people").await;
    assert!(error.contains("a literal argument does not fit") && !error.contains("9999"), "{error}");
    world.of(table).row_filter.as_mut().unwrap().arguments[1] = PolicyArgument::Literal(Literal::Null);
    assert!(rows(&world, "SELECT id FROM people").await.is_empty());
}

#[tokio::test]
async fn arguments_fit_without_loss_or_not_at_all() {
    let (mut world, table) = people();
    world.filter(table, &["n BIGINT"], "n < 25", &["salary"]);
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "2"]);
    for (parameter, column) in [("n SMALLINT", "salary"), ("n INT", "region"), ("n DATE", "salary")] {
        world.filter(table, &[parameter], "n IS NULL", &[column]);
        let error = world.error(world.alice, "SELECT id FROM people").await;
        assert!(error.contains("`main.hr.keep` does not fit table `main.hr.people`"), "{error}");
    }
    world.mask(table, "salary", &["n INT"], "BIGINT", "n + 1", &[]);
    world.of(table).row_filter = None;
    let error = world.error(world.alice, "SELECT id FROM people").await;
    assert!(error.contains("does not fit Int32"), "{error}");
}

#[tokio::test]
async fn a_column_that_is_gone_or_retyped_refuses_the_table() {
    let (mut world, table) = people();
    world.filter(table, &["r STRING"], "r = 'eu'", &["region"]);
    world.set_raw(table, RawTable::new(vec![batch(vec![ints("id", [1]), ints("region", [1])])]));
    let error = world.error(world.alice, "SELECT id FROM people").await;
    assert!(error.contains("column `region` has changed its type"), "{error}");
    world.set_raw(table, RawTable::new(vec![batch(vec![ints("id", [1])])]));
    let error = world.error(world.alice, "SELECT count(*) FROM people").await;
    assert!(error.contains("column `region` is not in the table"), "{error}");
}

#[tokio::test]
async fn a_field_id_survives_a_rename() {
    let (mut world, table) = people();
    world.set_field_ids(table, &[("id", 1), ("region", 2), ("salary", 3), ("SSN", 4)]);
    world.filter(table, &["r STRING"], "r = 'eu'", &["region"]);
    world.mask(table, "SSN", &["v STRING"], "STRING", "'***'", &[]);
    let renamed = batch(vec![
        ints("id", [1, 2]),
        texts("area", ["eu", "us"]),
        texts("region", ["us", "eu"]),
        texts("tax_number", ["111-1", "222-2"]),
    ]);
    world.set_raw(table, RawTable::new(vec![renamed]));
    world.set_field_ids(table, &[("id", 1), ("area", 2), ("region", 9), ("tax_number", 4)]);
    assert_eq!(rows(&world, "SELECT id, tax_number FROM people").await, ["1|***"]);
}

fn mapped(body: &str) -> (World, TableId, TableId, FunctionId) {
    let (mut world, table) = people();
    let mapping = world.hidden_table(
        "mapping",
        batch(vec![texts("who", ["alice", "alice", "bob"]), texts("r", ["eu", "jp", "us"])]),
    );
    let function = world.filter(table, &["p STRING"], body, &["region"]);
    (world, table, mapping, function)
}

const MAPPED: &str = "EXISTS (SELECT 1 FROM main.hr.mapping m WHERE m.who = current_user() AND m.r = p)";

#[tokio::test]
async fn a_mapping_table_is_read_with_the_definers_rights() {
    for body in [
        MAPPED,
        "p IN (SELECT r FROM main.hr.mapping WHERE who = current_user())",
        "p = (SELECT max(r) FROM main.hr.mapping WHERE who = 'alice' AND r <> 'jp')",
    ] {
        let (mut world, _, mapping, _) = mapped(body);
        world.error(world.alice, "SELECT * FROM mapping").await;
        assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "4"], "{body}");
        world.of(mapping).owner = world.bob;
        let error = world.error(world.alice, "SELECT id FROM people").await;
        assert!(error.contains("`main.hr.keep` does not fit") && !error.contains("mapping"), "{error}");
    }
}

#[tokio::test]
async fn parameters_named_like_columns_mean_the_parameters() {
    // `p` of the mask and of the filter get different columns; the table has columns `p` and `q`.
    for body in [
        "p = 'keep'",
        "EXISTS (SELECT 1 FROM main.hr.wanted w WHERE w.q = p)",
        "p IN (SELECT q FROM main.hr.wanted)",
    ] {
        for sql in [
            "SELECT id, p, q, r FROM odd",
            "SELECT id, odd.p, q, r FROM odd JOIN small ON odd.p = small.p",
            "SELECT id, p, q, r FROM odd ORDER BY p LIMIT 10",
            "SELECT id, p, q, r FROM odd ORDER BY r LIMIT 10",
        ] {
            let mut world = World::new();
            let table = world.table(
                "odd",
                batch(vec![
                    ints("id", [1, 2, 3]),
                    texts("p", ["x", "keep", "x"]),
                    texts("q", ["keep", "x", "keep"]),
                    texts("r", ["1", "2", "3"]),
                ]),
            );
            world.hidden_table("wanted", batch(vec![texts("q", ["keep"])]));
            world.table("small", batch(vec![texts("p", ["x"])]));
            world.filter(table, &["p STRING"], body, &["q"]);
            world.mask(table, "r", &["q STRING", "p STRING"], "STRING", "concat(q, p)", &["p"]);
            assert_eq!(rows(&world, sql).await, ["1|x|keep|1x", "3|x|keep|3x"], "{body} {sql}");
        }
    }
}

#[tokio::test]
async fn an_alias_in_a_body_does_not_capture_parameters() {
    let (world, ..) = mapped("p IN (SELECT keep.r FROM main.hr.mapping AS keep WHERE who = 'bob')");
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["2"]);
    let (world, ..) = mapped(
        "EXISTS (SELECT 1 FROM main.hr.mapping AS keep WHERE keep.r = 'us' \
         AND EXISTS (SELECT 1 FROM main.hr.mapping b WHERE b.r = keep.r))",
    );
    assert_eq!(rows(&world, "SELECT id FROM people").await.len(), 4);
}

#[tokio::test]
async fn bodies_with_volatile_aggregate_or_window_functions_are_refused() {
    for body in [
        "random() < 0.5",
        "r = uuid()",
        "EXISTS (SELECT 1 FROM main.hr.people WHERE random() < 2)",
        "count(r) > 0",
        "row_number() OVER () = 1",
        "r = ?",
    ] {
        let (mut world, table) = people();
        let function = world.filter(table, &["r STRING"], body, &["region"]);
        let error = world.error(world.alice, "SELECT id FROM people").await;
        assert!(error.contains("`main.hr.keep` does not fit"), "{body}: {error}");
        let scope = world.scope(world.root);
        let function = scope.snapshot().function_by_id(function).unwrap();
        let set = PolicyCompiler::new(&scope).body_type(function).await;
        assert!(set.is_err(), "{body}: {set:?}");
    }
}

#[tokio::test]
async fn parameters_of_one_name_are_refused() {
    let (mut world, table) = people();
    world.filter(table, &["r STRING", "r STRING"], "r = 'eu'", &["region", "region"]);
    let error = world.error(world.alice, "SELECT id FROM people").await;
    assert!(error.contains("`main.hr.keep` does not fit"), "{error}");
}

#[tokio::test]
async fn one_column_may_be_two_arguments() {
    let (mut world, table) = people();
    world.filter(table, &["a STRING", "b STRING"], "a = b", &["region", "region"]);
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "2", "4"]);
}

#[tokio::test]
async fn policies_read_raw_values() {
    let (mut world, table) = people();
    world.filter(table, &["s STRING"], "s <> '111-1'", &["SSN"]);
    world.mask(table, "SSN", &["v STRING"], "STRING", "'***'", &[]);
    world.mask(table, "region", &["v STRING", "s STRING"], "STRING", "concat(v, '/', s)", &["SSN"]);
    let all = rows(&world, "SELECT id, ssn, region FROM people WHERE id < 3").await;
    assert_eq!(all, ["2|***|us/222-2"]);
    assert_eq!(rows(&world, "SELECT count(*) FROM people WHERE ssn = '222-2'").await, ["0"]);
    assert_eq!(rows(&world, "SELECT count(*) FROM people WHERE ssn = '***'").await, ["3"]);
}

#[tokio::test]
async fn membership_of_a_group_named_by_a_column() {
    let (mut world, table) = people();
    world.filter(table, &["r STRING"], "is_account_group_member(r)", &["region"]);
    assert!(rows(&world, "SELECT id FROM people").await.is_empty());
    world.group("eu", &[world.alice]);
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "4"]);
    world.filter(table, &["r STRING"], "NOT is_account_group_member(r)", &["region"]);
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["2"]);
    world.content.memberships.clear();
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "2", "4"]);
}

#[tokio::test]
async fn membership_over_other_layouts_of_strings() {
    use datafusion::arrow::array::{DictionaryArray, StringViewArray};
    use datafusion::arrow::datatypes::Int32Type;
    let view = StringViewArray::from(vec![Some("eu"), Some("us"), None]);
    let dictionary: DictionaryArray<Int32Type> = [Some("eu"), Some("us"), None].into_iter().collect();
    for array in [Arc::new(view) as datafusion::arrow::array::ArrayRef, Arc::new(dictionary)] {
        let mut world = World::new();
        world.group("eu", &[world.alice]);
        world.group("jp", &[world.alice]);
        world.table("plain", batch(vec![ints("id", [1, 2, 3]), ("region".to_owned(), array)]));
        let sql = "SELECT id FROM plain WHERE is_account_group_member(region)";
        assert_eq!(rows(&world, sql).await, ["1"]);
        let sql = "SELECT id, is_account_group_member(region) FROM plain";
        assert_eq!(rows(&world, sql).await, ["1|true", "2|false", "3|NULL"]);
    }
}

#[tokio::test]
async fn fingerprints_differ_where_policies_differ() {
    let (mut world, table) = people();
    world.filter(table, &["r STRING"], "r = 'eu'", &["region"]);
    let (_, one) = world.plan(world.alice, "SELECT id FROM people").await.unwrap();
    let (_, same) = world.plan(world.alice, "SELECT salary FROM people").await.unwrap();
    world.filter(table, &["r STRING"], "r = 'us'", &["region"]);
    let (_, other) = world.plan(world.alice, "SELECT id FROM people").await.unwrap();
    assert_eq!(one.canonical(), same.canonical());
    assert_ne!(one.canonical(), other.canonical());
    assert_eq!(one.permits()[0].policies, ["main.hr.keep"]);
}

#[tokio::test]
async fn mapped_is_correlated() {
    let (world, ..) = mapped(MAPPED);
    assert_eq!(rows(&world, "SELECT p.id FROM people p JOIN people q ON p.id = q.id").await, ["1", "4"]);
    assert_eq!(rows(&world, "SELECT count(*) FROM people").await, ["2"]);
}

#[tokio::test]
async fn two_masks_that_meet_in_one_column_refuse_the_table() {
    let (mut world, table) = people();
    world.mask(table, "SSN", &["v STRING"], "STRING", "'***'", &[]);
    world.mask(table, "SSN", &["v STRING"], "STRING", "v", &[]);
    let error = world.error(world.root, "SELECT id FROM people").await;
    assert!(error.contains("column `SSN` of table `main.hr.people` has more than one mask"), "{error}");
    let error = world.error(world.alice, "SELECT id FROM people").await;
    assert!(error.contains("the policies on table `main.hr.people` cannot be applied"), "{error}");
}

#[tokio::test]
async fn a_scalar_subquery_of_several_rows_fails_without_a_value() {
    let (world, ..) = mapped("p = (SELECT r FROM main.hr.mapping)");
    let error = world.error(world.alice, "SELECT id FROM people").await;
    assert!(error.contains("a policy of `main.hr.people` failed"), "{error}");
}

#[tokio::test]
async fn identity_functions_of_a_query_speak_of_the_caller() {
    let (mut world, _) = people();
    world.group("eu", &[world.alice]);
    let sql = "SELECT current_user(), is_member('eu'), is_account_group_member('us'), is_member(NULL), jwt_claim('x')";
    assert_eq!(rows(&world, sql).await, ["alice|true|false|NULL|NULL"]);
}

mod checks;
mod definers;
