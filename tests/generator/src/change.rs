//! [`Change`]: a statement by which alice changes rows of `t`, and what it is to come to.
//!
//! What it comes to is told by queries over a table of all rows, hidden ones too, in which a column `rid` tells each row
//! from the others: no rows are found but those that she sees, and none is judged by more than she sees of it.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::predicate::predicate;
use crate::query::placed;
use crate::setup::Setup;
use crate::table::{COLUMNS, Row, rows};

/// A statement that changes rows of `t`.
#[derive(Debug, Clone)]
pub struct Change {
    kind: Kind,
    condition: String,
    sets: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Clone)]
enum Kind {
    Update,
    Delete,
    Insert(Vec<Row>),
    /// Keys of `plain` that rows of `t` have update them, those of no row are put in; what the condition spares is
    /// deleted, or left.
    Merge {
        deletes: bool,
    },
}

/// What a change is to come to, as queries.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// All rows afterwards, with `rid`.
    pub after: String,
    /// The new rows, with `rid`, which alice must see for the change to be allowed.
    pub new_rows: String,
    /// How many rows are changed.
    pub count: String,
}

/// New values of columns.
const SETS: &[(&str, &str)] = &[
    ("a", "t.a + 1"),
    ("a", "5"),
    ("b", "t.b * 2"),
    ("b", "CAST(t.a AS BIGINT)"),
    ("c", "'new'"),
    ("c", "concat(t.c, '!')"),
    ("c", "NULL"),
    ("d", "DATE '2024-01-05'"),
    ("e", "t.e + 1"),
    ("f", "NOT t.f"),
    ("g", "t.g + 0.5"),
    ("p", "1"),
    ("p", "t.a % 3"),
];

/// Conditions that read other tables.
const READING: &[&str] = &[
    "t.a IN (SELECT q.k FROM {plain} q)",
    "t.a NOT IN (SELECT q.k FROM {plain} q)",
    "EXISTS (SELECT 1 FROM {u} r WHERE r.a = t.a)",
    "NOT EXISTS (SELECT 1 FROM {u} r WHERE r.c = t.c)",
    "t.b < (SELECT max(r.b) FROM {u} r)",
    "NULL",
    "FALSE",
];

/// The keys of a MERGE, each once.
const KEYS: &str = "SELECT DISTINCT q.k FROM {plain} q WHERE q.k IS NOT NULL";
/// What a MERGE puts in for a key.
const PUT_IN: [(&str, &str); 3] = [("a", "s.k"), ("c", "'new'"), ("p", "1")];

/// Any change that fails on no row.
pub fn change() -> BoxedStrategy<Change> {
    let simple = predicate().prop_map(|said| match said.fails_when.is_some() || said.text.contains('{') {
        true => "t.c IS NOT NULL".to_owned(),
        false => said.text,
    });
    let any = prop_oneof![3 => simple.clone(), 1 => select(READING).prop_map(str::to_owned)];
    let of = |kind: Kind| move |(condition, sets)| Change { kind: kind.clone(), condition, sets };
    let sets = || {
        vec(select(SETS), 1..3).prop_map(|mut sets| {
            sets.sort_unstable();
            sets.dedup_by_key(|(column, _)| *column);
            sets
        })
    };
    prop_oneof![
        4 => (any.clone(), sets()).prop_map(of(Kind::Update)),
        2 => (any, sets()).prop_map(of(Kind::Delete)),
        2 => (rows(3), sets()).prop_map(|(rows, sets)| {
            Change { kind: Kind::Insert(rows), condition: "TRUE".to_owned(), sets }
        }),
        2 => (simple.clone(), sets()).prop_map(of(Kind::Merge { deletes: false })),
        1 => (simple, sets()).prop_map(of(Kind::Merge { deletes: true })),
    ]
    .boxed()
}

impl Change {
    /// As alice says it, over the tables in `schema`; none where it says nothing.
    pub fn sql(&self, schema: &str) -> Option<String> {
        let sets: Vec<String> =
            self.sets.iter().map(|(column, value)| format!("{column} = {value}")).collect();
        let (sets, condition) = (sets.join(", "), &self.condition);
        let text = match &self.kind {
            Kind::Update => format!("UPDATE {{t}} AS t SET {sets} WHERE {condition}"),
            Kind::Delete => format!("DELETE FROM {{t}} AS t WHERE {condition}"),
            Kind::Insert(rows) if rows.is_empty() => return None,
            Kind::Insert(rows) => {
                let rows: Vec<String> =
                    rows.iter().map(|row| format!("({})", literals(row).join(", "))).collect();
                format!("INSERT INTO {{t}} ({}) VALUES {}", names().join(", "), rows.join(", "))
            }
            Kind::Merge { deletes } => {
                let deletes = if *deletes { " WHEN MATCHED THEN DELETE" } else { "" };
                let (columns, values): (Vec<&str>, Vec<&str>) = PUT_IN.into_iter().unzip();
                format!(
                    "MERGE INTO {{t}} AS t USING ({KEYS}) AS s ON t.a = s.k WHEN MATCHED AND {condition} THEN UPDATE SET {sets}{deletes} WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
                    columns.join(", "),
                    values.join(", ")
                )
            }
        };
        Some(placed(&text, schema))
    }

    /// Whether a value that is masked for alice would be stored, and whether that is certain: some masks show her all.
    pub fn stores_masked(&self, setup: &Setup) -> (bool, bool) {
        if !matches!(self.kind, Kind::Update | Kind::Merge { .. }) {
            return (false, false);
        }
        let used = |column: &str| self.sets.iter().any(|(_, value)| value.contains(&format!("t.{column}")));
        let masks = || setup.t.masks.iter().filter(|mask| used(mask.column));
        (masks().next().is_some(), masks().any(|mask| !mask.may_show_all()))
    }

    /// What it comes to over `all`, a table with all rows of `t`. `seen` is the schema of what alice sees of the other tables,
    /// `step` tells the rows of this change from those of others.
    pub fn outcome(&self, setup: &Setup, all: &str, mapping: &str, (seen, step): (&str, usize)) -> Outcome {
        let visible = setup.visible(&setup.t, all, mapping, &["rid"]);
        let condition = placed(&self.condition, seen);
        let keys = placed(KEYS, seen);
        let found = |condition: &str| format!("SELECT t.* FROM ({visible}) t WHERE {condition}");
        let without = |gone: &str| {
            format!(
                "SELECT o.rid, {} FROM {all} o WHERE o.rid NOT IN (SELECT gone.rid FROM ({gone}) gone)",
                of("o")
            )
        };
        let number = |query: &str| format!("(SELECT count(*) FROM ({query}) n)");
        let nothing = format!("SELECT o.rid, {} FROM {all} o WHERE FALSE", of("o"));
        match &self.kind {
            Kind::Update => {
                let found = found(&condition);
                let new_rows = self.updated(all, &found);
                let after = format!("{} UNION ALL {new_rows}", without(&found));
                Outcome { after, count: format!("SELECT {}", number(&found)), new_rows }
            }
            Kind::Delete => {
                let found = found(&condition);
                let count = format!("SELECT {}", number(&found));
                Outcome { after: without(&found), count, new_rows: nothing }
            }
            Kind::Insert(rows) => {
                let put: Vec<String> = rows
                    .iter()
                    .enumerate()
                    .map(|(place, row)| {
                        let values = literals(row).into_iter().zip(names());
                        let values: Vec<String> =
                            values.map(|(value, name)| format!("{value} AS {name}")).collect();
                        format!(
                            "SELECT CAST({} AS BIGINT) AS rid, {}",
                            step * 1_000_000 + place,
                            values.join(", ")
                        )
                    })
                    .collect();
                let new_rows = if put.is_empty() { nothing } else { put.join(" UNION ALL ") };
                let after = format!("SELECT o.rid, {} FROM {all} o UNION ALL {new_rows}", of("o"));
                Outcome { after, count: format!("SELECT {}", rows.len()), new_rows }
            }
            Kind::Merge { deletes } => {
                let matched = format!("t.a IN ({keys})");
                let updated = found(&format!("{matched} AND ({condition})"));
                let gone = match deletes {
                    true => found(&matched),
                    false => updated.clone(),
                };
                let put: Vec<String> = COLUMNS
                    .iter()
                    .map(|(name, of)| {
                        let value = PUT_IN.iter().find(|(column, _)| column == name).map(|(_, value)| *value);
                        // reason: a column that is not named is NULL
                        format!("CAST({} AS {}) AS {name}", value.unwrap_or("NULL"), of.sql())
                    })
                    .collect();
                let unmatched = format!(
                    "SELECT CAST({} + s.k AS BIGINT) AS rid, {} FROM ({keys}) s WHERE NOT EXISTS (SELECT 1 FROM ({visible}) t WHERE t.a = s.k)",
                    step * 1_000_000,
                    put.join(", ")
                );
                let new_rows = format!("{} UNION ALL {unmatched}", self.updated(all, &updated));
                let after = format!("{} UNION ALL {new_rows}", without(&gone));
                let count = format!("SELECT {} + {}", number(&gone), number(&unmatched));
                Outcome { after, count, new_rows }
            }
        }
    }

    /// The rows that were found, with their new values.
    fn updated(&self, all: &str, found: &str) -> String {
        let columns: Vec<String> = COLUMNS
            .iter()
            .map(|(name, of)| match self.sets.iter().find(|(column, _)| column == name) {
                Some((_, value)) => format!("CAST({value} AS {}) AS {name}", of.sql()),
                None => format!("o.{name} AS {name}"),
            })
            .collect();
        format!("SELECT o.rid, {} FROM {all} o JOIN ({found}) t ON o.rid = t.rid", columns.join(", "))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // reason: a change without rows says nothing
        f.write_str(&self.sql("main.hr").unwrap_or_default())
    }
}

fn names() -> Vec<&'static str> {
    COLUMNS.iter().map(|(name, _)| *name).collect()
}

/// All columns of `table`.
fn of(table: &str) -> String {
    names().iter().map(|name| format!("{table}.{name}")).collect::<Vec<_>>().join(", ")
}

fn literals(row: &Row) -> Vec<String> {
    row.iter().zip(COLUMNS).map(|(value, (_, of))| value.literal(of)).collect()
}
