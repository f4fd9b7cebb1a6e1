//! What of a text is qualified, and what a CTE shadows.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::{expression, query};
use crate::session::SessionSettings;
use crate::sql::parse::{parse_expression, parse_query};

fn qualified(text: &str) -> (String, Vec<String>) {
    let result = query(&parse_query(text).unwrap(), &SessionSettings::default()).unwrap();
    (result.text, result.names.iter().map(ToString::to_string).collect())
}

#[test]
fn names_get_three_parts_wherever_they_stand() {
    let (text, names) = qualified(
        "SELECT a.x, (SELECT max(y) FROM S.U) FROM t AS a JOIN c.s.v USING (x) WHERE EXISTS (SELECT 1 FROM w) UNION ALL SELECT 1, 2 FROM T",
    );
    assert_eq!(names, ["main.s.u", "main.default.t", "c.s.v", "main.default.w"]);
    assert!(text.contains("FROM `main`.`default`.`t` AS a"), "{text}");
}

#[test]
fn a_cte_shadows_only_where_it_is_in_scope() {
    let (text, names) =
        qualified("WITH t AS (SELECT * FROM t), u AS (SELECT * FROM t) SELECT * FROM T, u, s.t");
    assert_eq!(names, ["main.default.t", "main.s.t"]);
    assert!(
        text.starts_with("WITH t AS (SELECT * FROM `main`.`default`.`t`), u AS (SELECT * FROM t)"),
        "{text}"
    );
    assert!(text.ends_with("SELECT * FROM t, u, `main`.`s`.`t`"), "{text}");

    let (text, _) = qualified("SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) x, t");
    assert!(text.ends_with("x, `main`.`default`.`t`"), "{text}");

    let (_, names) = qualified("WITH a AS (WITH b AS (SELECT 1) SELECT * FROM b) SELECT * FROM a, b");
    assert_eq!(names, ["main.default.b"]);

    let (_, names) = qualified("WITH a AS (SELECT 1) SELECT (SELECT max(x) FROM (SELECT * FROM a) y) FROM z");
    assert_eq!(names, ["main.default.z"]);
}

#[test]
fn a_body_is_qualified_inside_its_subqueries() {
    let body = parse_expression(
        "EXISTS (SELECT 1 FROM valid_users v WHERE v.username = session_user() AND region = v.r)",
    );
    let result = expression(&body.unwrap(), &SessionSettings::default()).unwrap();
    assert_eq!(result.names.len(), 1);
    assert!(result.text.contains("`main`.`default`.`valid_users` v"), "{}", result.text);
}

#[test]
fn parameters_cannot_be_stored() {
    let body = parse_expression("x = ?").unwrap();
    assert!(expression(&body, &SessionSettings::default()).is_err());
}
