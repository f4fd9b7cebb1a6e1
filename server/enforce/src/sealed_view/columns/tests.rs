//! What `*` gives is found by its name, what a text names by its place; what does not fit is refused.

use weir_catalog::TableId;

use super::*;
use crate::test_world::{World, batch, ints, parse_query, texts};

/// `b` as it is after its columns changed their order and one came to them.
fn world() -> (World, TableId) {
    let mut world = World::new();
    let b = world.table("b", batch(vec![ints("c", [3]), ints("b", [2]), ints("a", [1])]));
    (world, b)
}

#[tokio::test]
async fn a_star_gives_columns_by_their_names_and_a_list_by_their_places() {
    let (mut world, b) = world();
    world.view("star", &["A", "b"], "SELECT * FROM main.hr.b", &[b]);
    world.view("list", &["a", "b"], "SELECT b AS x, a AS y FROM main.hr.b", &[b]);
    world.view("values_of", &["a", "b"], "VALUES (7, 8)", &[]);
    world.view("both", &["x", "a", "b", "y"], "SELECT c AS z, *, 9 AS y FROM main.hr.b", &[b]);
    world.view("united", &["a", "b"], "SELECT * FROM main.hr.b UNION ALL SELECT * FROM main.hr.b", &[b]);
    for (query, seen) in [
        ("SELECT * FROM star", vec!["1|2"]),
        ("SELECT b, a FROM star", vec!["2|1"]),
        ("SELECT * FROM list", vec!["2|1"]),
        ("SELECT * FROM values_of", vec!["7|8"]),
        ("SELECT * FROM both", vec!["3|1|2|9"]),
        ("SELECT * FROM united", vec!["1|2", "1|2"]),
    ] {
        assert_eq!(world.rows(world.root, query).await.unwrap(), seen, "{query}");
    }
}

#[tokio::test]
async fn a_view_is_refused_when_a_column_of_its_star_is_gone_or_of_another_type() {
    let mut world = World::new();
    let b = world.table("b", batch(vec![ints("a", [1]), texts("s", ["x"])]));
    for (name, columns, text) in [
        ("gone", vec!["a", "b"], "SELECT * FROM main.hr.b"),
        ("other_type", vec!["a", "s INT"], "SELECT * FROM main.hr.b"),
        ("twice", vec!["a", "s STRING"], "SELECT * FROM main.hr.b x JOIN main.hr.b y ON x.a = y.a"),
        ("fewer", vec!["a", "s STRING", "t"], "SELECT *, a + 1 AS t, a + 2 AS u, a + 3 AS v FROM main.hr.b"),
        ("listed", vec!["a"], "SELECT a, s FROM main.hr.b"),
    ] {
        world.view(name, &columns, text, &[b]);
        let error = world.error(world.root, &format!("SELECT a FROM {name}")).await;
        assert!(error.contains("its query no longer fits"), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_mask_stays_on_its_column_of_a_star() {
    let (mut world, b) = world();
    let view = world.view("star", &["a", "b"], "SELECT * FROM main.hr.b", &[b]);
    let body = "CASE WHEN current_user() = 'root' THEN v ELSE CAST(-1 AS INT) END";
    world.mask(view, "a", &["v INT"], "INT", body, &[]);
    assert_eq!(world.rows(world.alice, "SELECT a, b FROM star").await.unwrap(), ["-1|2"]);
}

#[test]
fn the_first_select_tells_what_stands_around_its_stars() {
    let around = |text: &str, planned| around_stars(&parse_query(text).unwrap().body, planned);
    assert_eq!(around("SELECT a, b FROM t", 2), None);
    assert_eq!(around("VALUES (1, 2)", 2), None);
    assert_eq!(around("SELECT a, *, b, c FROM t", 9), Some(Around { before: 1, after: 2 }));
    assert_eq!(
        around("SELECT a, t.*, b, u.* FROM t, u UNION SELECT 1", 9),
        Some(Around { before: 1, after: 0 })
    );
    assert_eq!(around("SELECT unnest(s) FROM t", 2), Some(Around { before: 0, after: 0 }));
    assert_eq!(around("SELECT a, unnest(s), * FROM t", 9), Some(Around { before: 0, after: 0 }));
}

#[test]
fn types_that_are_written_alike_are_one() {
    let of = |inner: DataType, nullable| DataType::Struct(vec![Field::new("x", inner, nullable)].into());
    let list = |name: &str| DataType::List(Arc::new(Field::new(name, DataType::Utf8, true)));
    for (known, planned, same) in [
        (DataType::Utf8View, DataType::Utf8, true),
        (of(DataType::Utf8, true), of(DataType::Utf8View, false), true),
        (list("element"), list("item"), true),
        (DataType::Int64, DataType::UInt64, true),
        (DataType::Int32, DataType::Int64, false),
        (of(DataType::Int32, true), of(DataType::Int64, true), false),
        (DataType::Utf8, DataType::Binary, false),
    ] {
        assert_eq!(is_written(&known, &planned), same, "{known} {planned}");
    }
}
