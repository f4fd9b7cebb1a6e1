//! Predicates that a user writes, over a governed table `t`: such that enter its leaf and such that may not, some of
//! which fail on certain values.

use proptest::prelude::*;
use proptest::sample::select;

/// Words of a query over `t`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    /// The text.
    pub(crate) text: String,
    /// For which rows of `t` it may fail, as a condition.
    pub(crate) fails_when: Option<String>,
}

impl Said {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), fails_when: None }
    }

    fn joined(self, other: Self, text: impl Fn(&str, &str) -> String) -> Self {
        let text = text(&self.text, &other.text);
        let fails: Vec<String> = self.fails_when.into_iter().chain(other.fails_when).collect();
        let fails_when = (!fails.is_empty()).then(|| fails.join(" OR "));
        Self { text, fails_when }
    }
}

const SIMPLE: &[&str] = &[
    "TRUE",
    "t.c = 'x'",
    "t.c IN ('x', '***', '1')",
    "t.c LIKE '%!'",
    "t.c > 'a'",
    "t.c IS NULL",
    "t.c IS NOT NULL",
    "length(t.c) = 1",
    "t.f",
    "NOT t.f",
    "t.f IS NOT TRUE",
    "t.f = (t.a > 2)",
    "t.d = DATE '2024-01-03'",
    "t.d BETWEEN DATE '2024-01-02' AND DATE '2024-01-04'",
    "t.e = CAST('1.50' AS DECIMAL(10,2))",
    "t.e < 1.5",
    "t.g > 0",
    "t.g = CAST('NaN' AS DOUBLE)",
    "t.a + t.b > 4",
    "t.b % 2 = 0",
    "t.a IN (1, 2, NULL)",
    "t.b NOT IN (1, 2, NULL)",
    "t.a BETWEEN 1 AND 3",
    "CASE WHEN t.f THEN t.a ELSE t.p END = 1",
    "coalesce(t.a, t.p) > 1",
    "nullif(t.a, t.p) IS NULL",
    "CAST(t.a AS STRING) = t.c",
];

/// Calls of the function that remembers its arguments stand as `{spy:t.a}`.
const SPYING: &[&str] = &[
    "{spy:t.a} > 2",
    "{spy:t.b} IS NULL",
    "{spy:t.c} <> 'x'",
    "t.a > 1 AND {spy:t.c} <> 'y'",
    "t.c = 'x' OR {spy:t.a} = 3",
    "{spy:t.p} IN (0, 1)",
    "CASE WHEN t.f THEN {spy:t.a} ELSE 0 END < 3",
    "{spy:t.c} IN (SELECT q.c FROM {plain} q)",
];

const SUBQUERIES: &[&str] = &[
    "t.a IN (SELECT q.k FROM {plain} q)",
    "t.b NOT IN (SELECT q.k FROM {plain} q WHERE q.k > 2)",
    "t.a NOT IN (SELECT q.k FROM {plain} q)",
    "t.c IN (SELECT r.c FROM {u} r WHERE r.a > 1)",
    "t.b NOT IN (SELECT r.b FROM {u} r WHERE r.f)",
    "EXISTS (SELECT 1 FROM {plain} q WHERE q.k = t.a)",
    "NOT EXISTS (SELECT 1 FROM {u} r WHERE r.b = t.b AND r.c = t.c)",
    "EXISTS (SELECT 1 FROM {u} r WHERE r.p = t.p AND r.a > t.a)",
    "t.b < (SELECT max(r.b) FROM {t} r)",
    "t.a >= (SELECT min(r.a) FROM {u} r WHERE r.c = t.c)",
    "t.a IN (SELECT r.p FROM {t} r WHERE r.a > 2)",
    "t.c = (SELECT max(r.c) FROM {t} r WHERE r.p = t.p)",
];

/// Text and the rows for which it may fail.
const FAILING: &[(&str, &str)] = &[
    ("1 / (t.a - 3) = 0", "t.a = 3"),
    ("10 % (t.b - 2) > 0", "t.b = 2"),
    ("CAST(t.c AS INT) > 0", "t.c IS NOT NULL AND TRY_CAST(t.c AS INT) IS NULL"),
    ("CAST(t.a + 2147483640 AS INT) > 0", "t.a > 7"),
    ("CASE WHEN t.a = 3 THEN 1 / (t.a - 3) ELSE 1 END = 1", "t.a = 3"),
    ("t.a > 1 AND 1 / (t.a - 3) = 0", "t.a = 3"),
    ("CAST(t.c AS DATE) > t.d", "t.c IS NOT NULL AND TRY_CAST(t.c AS DATE) IS NULL"),
];

/// A predicate over `t`.
pub(crate) fn predicate() -> BoxedStrategy<Said> {
    let column = || select(vec!["t.a", "t.b", "t.p"]);
    let operator = || select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        8 => select(SIMPLE).prop_map(Said::plain),
        4 => select(SPYING).prop_map(Said::plain),
        2 => (column(), operator(), -1..7_i32).prop_map(|(c, o, n)| Said::plain(format!("{c} {o} {n}"))),
        1 => (column(), operator(), column()).prop_map(|(c, o, d)| Said::plain(format!("{c} {o} {d}"))),
        1 => (column(), operator(), -1..7_i32)
            .prop_map(|(c, o, n)| Said::plain(format!("{n} {o} CAST({c} AS BIGINT)"))),
        3 => select(SUBQUERIES).prop_map(Said::plain),
        2 => select(FAILING).prop_map(|(text, fails)| Said {
            text: text.to_owned(),
            fails_when: Some(format!("({fails})")),
        }),
    ];
    let nested = leaf.prop_recursive(2, 5, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| l.joined(r, |l, r| format!("({l} AND {r})"))),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| l.joined(r, |l, r| format!("({l} OR {r})"))),
            inner.prop_map(|one| Said { text: format!("NOT ({})", one.text), ..one }),
        ]
    });
    // Often none at all: what is asked of few rows shows little.
    prop_oneof![1 => Just(Said::plain("TRUE")), 2 => nested].boxed()
}

/// Text and, where it may fail, for which rows.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("t.a", ""),
    ("t.c", ""),
    ("t.b + t.p", ""),
    ("t.e * 2", ""),
    ("t.g", ""),
    ("concat(t.c, '.')", ""),
    ("CASE WHEN t.f THEN t.c WHEN t.a > 2 THEN 'big' ELSE 'other' END", ""),
    ("coalesce(t.c, 'none')", ""),
    ("t.a IS NULL", ""),
    ("t.d", ""),
    ("{spy:t.a}", ""),
    ("{spy:t.c}", ""),
    ("{spy:t.d}", ""),
    ("{spy:t.e}", ""),
    ("CASE WHEN t.f THEN {spy:t.b} ELSE 0 END", ""),
    ("coalesce(CAST(NULL AS STRING), {spy:t.c})", ""),
    ("t.a IN (SELECT q.k FROM {plain} q)", ""),
    ("(SELECT count(*) FROM {u} r WHERE r.a = t.a)", ""),
    ("(SELECT max(r.c) FROM {t} r WHERE r.p = t.p)", ""),
    ("1 / (t.a - 3)", "t.a = 3"),
    ("CAST(t.c AS INT)", "t.c IS NOT NULL AND TRY_CAST(t.c AS INT) IS NULL"),
];

/// A value made of the columns of `t`.
pub(crate) fn expression() -> BoxedStrategy<Said> {
    select(EXPRESSIONS)
        .prop_map(|(text, fails)| Said {
            text: text.to_owned(),
            fails_when: (!fails.is_empty()).then(|| format!("({fails})")),
        })
        .boxed()
}
