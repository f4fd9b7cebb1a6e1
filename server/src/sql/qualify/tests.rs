//! What of a text is qualified, and what a CTE shadows.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::{Names, expression, query};
use crate::session::SessionSettings;
use crate::sql::parse::{parse_expression, parse_query};

fn with<T>(then: impl FnOnce(Names<'_>) -> T) -> T {
    let builtin = |name: &str| ["max", "session_user"].contains(&name.to_lowercase().as_str());
    then(Names { session: &SessionSettings::default(), is_builtin: &builtin })
}

fn qualified(text: &str) -> (String, Vec<String>) {
    let result = with(|names| query(&parse_query(text).unwrap(), names).unwrap());
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
    let result = with(|names| expression(&body.unwrap(), names).unwrap());
    assert_eq!(result.names.len(), 1);
    assert!(result.text.contains("`main`.`default`.`valid_users` v"), "{}", result.text);
}

#[test]
fn parameters_cannot_be_stored() {
    let body = parse_expression("x = ?").unwrap();
    assert!(with(|names| expression(&body, names).is_err()));
}

#[test]
fn calls_get_three_parts_where_they_are_not_built_in() {
    let text = "SELECT max(F(x)), s.max(`G`(1)) FROM t, h(f(1)) AS u, LATERAL c.s.k(2), TABLE(m(3))";
    let result = with(|names| query(&parse_query(text).unwrap(), names).unwrap());
    let calls: Vec<String> = result.calls.iter().map(ToString::to_string).collect();
    assert_eq!(
        calls,
        ["main.default.f", "main.s.max", "main.default.g", "main.default.h", "c.s.k", "main.default.m"]
    );
    assert_eq!(result.names.len(), 1);
    assert!(result.text.contains("max(`main`.`default`.`f`(x))"), "{}", result.text);
    assert!(result.text.contains("`main`.`default`.`h`(`main`.`default`.`f`(1)) AS u"), "{}", result.text);
    assert!(result.text.contains("TABLE(`main`.`default`.`m`(3))"), "{}", result.text);
}
