//! [`Query`]: what a user asks, in every shape of which an engine makes something else.
//!
//! A shape is a template: `{s}` is a source of the columns of `t`, `{t}`, `{u}`, `{w}` and `{plain}` are tables, `{P}` is a
//! predicate over `t`, `{X}` a value of it, `{C}` and `{D}` columns, `{A}` and `{B}` aggregates, `{N}` and `{M}` numbers,
//! `{ALL}` a total order over the columns before it.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;

use crate::predicate::{Said, expression, predicate};

/// A query, whose answer is a multiset, or a list where it is ordered.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    template: String,
    /// Whether the rows come in an order that the query fixes.
    pub ordered: bool,
    /// For which rows of its source it may fail.
    fails_when: Option<String>,
    source: &'static str,
}

const ORDER: &str = "ORDER BY 1 NULLS LAST, 2 NULLS LAST, 3 NULLS LAST, 4 NULLS LAST";

const SHAPES: &[&str] = &[
    "SELECT t.a, t.b, t.c, t.d, t.e, t.f, t.g, t.p FROM {s} t WHERE {P}",
    "SELECT {C} FROM {s} t WHERE {P}",
    "SELECT {X} AS x FROM {s} t WHERE {P}",
    "SELECT 1 FROM {s} t WHERE {P}",
    "SELECT DISTINCT {C}, {D} FROM {s} t WHERE {P}",
    "SELECT DISTINCT {X} AS x FROM {s} t",
    // aggregates
    "SELECT {A}, {B} FROM {s} t WHERE {P}",
    "SELECT {C}, {A} FROM {s} t WHERE {P} GROUP BY {C}",
    "SELECT {C}, {D}, {A} FROM {s} t WHERE {P} GROUP BY {C}, {D} HAVING {B} IS NOT NULL",
    "SELECT {C}, count(*) FROM {s} t GROUP BY {C} HAVING count(*) > {N}",
    "SELECT {A} FILTER (WHERE {P}), count(*) FROM {s} t",
    "SELECT {C}, count(*) FILTER (WHERE {P}), {A} FROM {s} t GROUP BY {C}",
    "SELECT {C}, t.p, {A} FROM {s} t WHERE {P} GROUP BY ROLLUP ({C}, t.p)",
    "SELECT {C}, {D}, count(*) FROM {s} t GROUP BY GROUPING SETS (({C}), ({D}), ())",
    "SELECT count(*) FROM (SELECT {C} FROM {s} t WHERE {P} GROUP BY {C}) y",
    "SELECT max(y.x) FROM (SELECT {X} AS x FROM {s} t WHERE {P}) y",
    // order
    "SELECT t.a, t.b, t.c, t.d FROM {s} t WHERE {P} {ALL} LIMIT {N}",
    "SELECT t.c, t.a, t.p, t.b FROM {s} t WHERE {P} {ALL} LIMIT {N} OFFSET {M}",
    "SELECT t.b, t.e, t.f, t.a FROM {s} t {ALL}",
    "SELECT {C} FROM {s} t WHERE {P} ORDER BY 1 DESC NULLS FIRST LIMIT {N}",
    "SELECT {X} AS x FROM {s} t ORDER BY 1 NULLS LAST LIMIT {N}",
    "SELECT y.a FROM (SELECT t.a, t.b, t.c, t.p FROM {s} t {ALL} LIMIT {N}) y WHERE y.a > 1",
    "SELECT {C}, count(*) AS n FROM {s} t WHERE {P} GROUP BY {C} ORDER BY 2 DESC, 1 NULLS LAST LIMIT {N}",
    // joins
    "SELECT t.a, t.c, q.k, q.c FROM {s} t {J} {plain} q ON t.a = q.k WHERE {P}",
    "SELECT t.a, t.b, q.c FROM {s} t JOIN {plain} q ON t.b = q.k AND t.c = q.c WHERE {P}",
    "SELECT t.a, r.b, r.c FROM {s} t {J} {u} r ON t.a = r.a WHERE {P}",
    "SELECT t.a, r.b, r.c FROM {s} t {J} {u} r ON t.c = r.c AND t.p = r.p",
    "SELECT t.c, r.e FROM {s} t {J} {u} r ON t.c = r.c AND {P}",
    "SELECT r.a, t.b FROM {u} r LEFT JOIN {s} t ON r.p = t.p AND {P}",
    "SELECT t.a, r.a FROM {s} t JOIN {u} r ON t.a < r.b WHERE {P}",
    "SELECT t.a, r.b, q.k FROM {s} t JOIN {u} r ON t.b = r.b JOIN {plain} q ON r.a = q.k WHERE {P}",
    "SELECT t.a, o.b, o.c FROM {s} t JOIN {s} o ON t.a = o.b WHERE {P}",
    "SELECT t.c, o.d FROM {s} t FULL JOIN {t} o ON t.b = o.b AND t.c = o.c",
    "SELECT t.a, t.c FROM {s} t LEFT SEMI JOIN {u} r ON t.a = r.a WHERE {P}",
    "SELECT t.a, t.c FROM {s} t LEFT ANTI JOIN {plain} q ON t.a = q.k AND t.c = q.c WHERE {P}",
    "SELECT q.k FROM {plain} q LEFT ANTI JOIN {s} t ON t.a = q.k",
    "SELECT t.a, v.k FROM {s} t JOIN (VALUES (1), (2), (4)) v(k) ON v.k = t.a WHERE {P}",
    "SELECT t.a, l.m FROM {s} t CROSS JOIN LATERAL (SELECT max(r.b) AS m FROM {u} r WHERE r.a = t.a) l WHERE {P}",
    "SELECT t.a, l.c FROM {s} t, LATERAL (SELECT r.c FROM {u} r WHERE r.p = t.p) l WHERE {P}",
    "SELECT t.a, q.k FROM {plain} q, {s} t WHERE {P} AND q.k = t.p",
    // subqueries
    "SELECT q.k FROM {plain} q WHERE EXISTS (SELECT 1 FROM {s} t WHERE t.a = q.k AND {P})",
    "SELECT q.k, q.c FROM {plain} q WHERE NOT EXISTS (SELECT 1 FROM {s} t WHERE t.c = q.c AND {P})",
    "SELECT q.k FROM {plain} q WHERE q.k IN (SELECT t.a FROM {s} t WHERE {P})",
    "SELECT q.k FROM {plain} q WHERE q.k NOT IN (SELECT t.a FROM {s} t WHERE {P})",
    "SELECT q.k, q.k IN (SELECT t.a FROM {s} t WHERE {P}) AS there FROM {plain} q",
    "SELECT r.a, (SELECT count(*) FROM {s} t WHERE t.a = r.a AND {P}) AS n FROM {u} r",
    "SELECT r.a FROM {u} r WHERE r.b < (SELECT max(t.b) FROM {s} t WHERE {P})",
    "SELECT r.c FROM {u} r WHERE r.c = (SELECT max(t.c) FROM {s} t WHERE t.p = r.p)",
    "SELECT t.a FROM {s} t WHERE t.b = (SELECT max(o.b) FROM {t} o WHERE o.c = t.c) OR {P}",
    // set operations
    "SELECT t.a FROM {s} t WHERE {P} UNION SELECT q.k FROM {plain} q",
    "SELECT t.c FROM {s} t WHERE {P} UNION ALL SELECT r.c FROM {u} r",
    "SELECT t.a, t.c FROM {s} t WHERE {P} INTERSECT SELECT q.k, q.c FROM {plain} q",
    "SELECT t.c FROM {s} t INTERSECT SELECT r.c FROM {u} r",
    "SELECT t.a FROM {s} t WHERE {P} EXCEPT SELECT r.a FROM {u} r",
    "SELECT q.k, q.c FROM {plain} q EXCEPT SELECT t.a, t.c FROM {s} t WHERE {P}",
    "SELECT y.x FROM (SELECT t.a AS x FROM {s} t UNION ALL SELECT r.p FROM {u} r) y WHERE y.x > 1",
    // windows
    "SELECT t.a, row_number() OVER (PARTITION BY {C} ORDER BY t.a, t.b, t.c, t.p, t.d, t.e, t.f, t.g) FROM {s} t WHERE {P}",
    "SELECT t.c, rank() OVER (ORDER BY {C}), count(*) OVER (PARTITION BY t.p) FROM {s} t WHERE {P}",
    "SELECT t.a, sum(t.b) OVER (PARTITION BY t.c ORDER BY t.a) FROM {s} t WHERE {P}",
    "SELECT y.c, y.n FROM (SELECT t.c, row_number() OVER (PARTITION BY t.c ORDER BY t.c) AS n FROM {s} t) y WHERE y.n = 1",
    "SELECT t.a, max({X}) OVER () FROM {s} t",
    // common table expressions
    "WITH y AS (SELECT t.a, t.b, t.c FROM {s} t WHERE {P}) SELECT l.a, r.b FROM y l JOIN y r ON l.a = r.b",
    "WITH y AS (SELECT {X} AS x, t.p FROM {s} t) SELECT y.x FROM y WHERE y.p = 1 UNION ALL SELECT y.x FROM y WHERE y.p = 2",
    "WITH y AS (SELECT {C} AS x, {A} AS n FROM {s} t WHERE {P} GROUP BY {C}) SELECT y.x FROM y WHERE y.n = (SELECT max(z.n) FROM y z)",
    "WITH y AS (SELECT * FROM {s} t) SELECT t.b, t.c FROM y AS t WHERE {P}",
];

/// Of which rows a failing expression is asked in these is not `t`'s alone; it may be asked of none.
const COLUMNS: [&str; 8] = ["t.a", "t.b", "t.c", "t.d", "t.e", "t.f", "t.g", "t.p"];
const AGGREGATES: [&str; 12] = [
    "count(*)",
    "count(t.c)",
    "count(DISTINCT t.c)",
    "sum(t.a)",
    "sum(t.e)",
    "sum(t.g)",
    "min(t.b)",
    "max(t.c)",
    "max(t.d)",
    "avg(t.b)",
    "avg(t.e)",
    "sum(DISTINCT t.b)",
];
const JOINS: [&str; 4] = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"];

/// Any query.
pub fn query() -> BoxedStrategy<Query> {
    let source = prop_oneof![5 => Just("{t}"), 2 => Just("{w}"), 1 => Just("(SELECT * FROM {t})")];
    let words = (predicate(), expression(), select(&JOINS[..]));
    let columns =
        (select(&COLUMNS[..]), select(&COLUMNS[..]), select(&AGGREGATES[..]), select(&AGGREGATES[..]));
    (select(SHAPES), source, words, columns, 1..6_usize, 0..4_usize)
        .prop_map(|(shape, source, (predicate, expression, join), (c, d, a, b), n, m)| {
            let used = |mark: &str, said: &Said| said.fails_when.clone().filter(|_| shape.contains(mark));
            let fails: Vec<String> =
                used("{P}", &predicate).into_iter().chain(used("{X}", &expression)).collect();
            let d = if c == d { "t.p" } else { d };
            let (c, d) = if c == d { ("t.a", "t.p") } else { (c, d) };
            let template = shape
                .replace("{s}", source)
                .replace("{P}", &predicate.text)
                .replace("{X}", &expression.text)
                .replace("{J}", join)
                .replace("{C}", c)
                .replace("{D}", d)
                .replace("{A}", a)
                .replace("{B}", b)
                .replace("{N}", &n.to_string())
                .replace("{M}", &m.to_string())
                .replace("{ALL}", ORDER);
            // An order within a subquery fixes none of the whole.
            let ordered = shape.split_once("ORDER BY").is_some_and(|(before, _)| !before.contains('('))
                || shape.split_once("{ALL}").is_some_and(|(before, _)| !before.contains('('));
            let fails_when = (!fails.is_empty()).then(|| fails.join(" OR "));
            Query { template, ordered, fails_when, source }
        })
        .boxed()
}

impl Query {
    /// As asked of the tables in `schema`; `spy` says how a call of the function that remembers is written, if at all.
    pub fn sql(&self, schema: &str, spy: Option<&str>) -> String {
        let text = placed(&self.template, schema);
        let mut said = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{spy:") {
            said.push_str(before);
            let Some((column, left)) = after.split_once('}') else { break };
            said.push_str(&spy.map_or_else(|| column.to_owned(), |spy| format!("{spy}({column})")));
            rest = left;
        }
        said.push_str(rest);
        said
    }

    /// The columns of `t` of which the function that remembers is called.
    pub fn spied(&self) -> Vec<&str> {
        self.template
            .split("{spy:t.")
            .skip(1)
            .filter_map(|after| after.split_once('}').map(|(column, _)| column))
            .collect()
    }

    /// Whether its `t` is the view `w`.
    pub fn asks_view(&self) -> bool {
        self.source == "{w}"
    }

    /// A query that counts the rows for which it may fail, those of `t` or, where that is sealed, of the view that it asks;
    /// none where it may not fail.
    pub fn failing_rows(&self, schema: &str, sealed: bool) -> Option<String> {
        let condition = self.fails_when.as_ref()?;
        let source = if sealed && self.asks_view() { "{w}" } else { "{t}" };
        Some(placed(&format!("SELECT count(*) FROM {source} t WHERE {condition}"), schema))
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql("main.hr", Some("spy")))
    }
}

pub(crate) fn placed(template: &str, schema: &str) -> String {
    ["t", "u", "w", "plain"].iter().fold(template.to_owned(), |text, table| {
        let name = if schema.is_empty() { (*table).to_owned() } else { format!("{schema}.{table}") };
        text.replace(&format!("{{{table}}}"), &name)
    })
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::*;

    #[test]
    fn a_query_has_no_hole_left_in_it() {
        let mut runner = TestRunner::deterministic();
        let queries = query();
        let mut ordered = 0_usize;
        for _ in 0..500 {
            let Ok(tree) = queries.new_tree(&mut runner) else { continue };
            let query = tree.current();
            let sql = query.sql("main.hr", None);
            assert!(!sql.contains(['{', '}']), "{sql}");
            assert_eq!(query.sql("s", Some("spy")).matches("spy(").count(), query.spied().len(), "{sql}");
            ordered += usize::from(query.ordered);
        }
        assert!(ordered > 20, "{ordered}");
    }
}
