//! A governed table: its rows and its policies. All have the same columns, so that any clause fits any table.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::clause::Clause;
use crate::column_mask::{Mask, masks};
use crate::row_filter::row_filter;
use crate::value::{ColumnType, Value};

/// The columns of every governed table.
pub const COLUMNS: [(&str, ColumnType); 8] = [
    ("a", ColumnType::Int),
    ("b", ColumnType::BigInt),
    ("c", ColumnType::Text),
    ("d", ColumnType::Date),
    ("e", ColumnType::Decimal),
    ("f", ColumnType::Boolean),
    ("g", ColumnType::Double),
    ("p", ColumnType::Int),
];

/// The columns of the tables that nothing governs.
pub const KEYED: [(&str, ColumnType); 2] = [("k", ColumnType::Int), ("c", ColumnType::Text)];

/// The column by which a table may be partitioned.
pub fn partition_column() -> &'static str {
    "p"
}

/// Values in the order of the columns.
pub type Row = Vec<Value>;

/// How a table is stored, where that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Nothing special.
    Plain,
    /// In folders by the partition column.
    Partitioned,
    /// Columns have ids.
    Mapped,
    /// The last columns but the partition's came when the first rows were there, which hold NULL in them.
    Evolved,
}

/// A table with its policies.
#[derive(Debug, Clone)]
pub struct Governed {
    /// All of them, hidden ones too.
    pub rows: Vec<Row>,
    /// How many rows are written first; the others come with a later statement.
    pub first: usize,
    /// How it is stored.
    pub layout: Layout,
    /// Which rows are seen.
    pub filter: Option<Clause>,
    /// What is seen in their place.
    pub masks: Vec<Mask>,
    /// Whether it is protected strictly.
    pub strict: bool,
}

impl Governed {
    /// Whether a policy may fail on some row.
    pub fn may_fail(&self) -> bool {
        let mut clauses = self.filter.iter().chain(self.masks.iter().map(|mask| &mask.clause));
        clauses.any(Clause::may_fail)
    }

    /// The same without the policies that may fail.
    pub fn unfailing(mut self) -> Self {
        self.filter = self.filter.filter(|filter| !filter.may_fail());
        self.masks.retain(|mask| !mask.clause.may_fail());
        self
    }

    /// The columns that are there from the first.
    pub fn first_columns(&self) -> Vec<(&'static str, ColumnType)> {
        let late = |name: &str| self.layout == Layout::Evolved && LATE.contains(&name);
        COLUMNS.into_iter().filter(|(name, _)| !late(name)).collect()
    }

    /// The columns that come later.
    pub fn late_columns(&self) -> Vec<(&'static str, ColumnType)> {
        let first = self.first_columns();
        COLUMNS.into_iter().filter(|column| !first.contains(column)).collect()
    }
}

const LATE: [&str; 2] = ["f", "g"];

/// Rows of governed tables.
pub(crate) fn rows(most: usize) -> BoxedStrategy<Vec<Row>> {
    let row: Vec<BoxedStrategy<Value>> = COLUMNS
        .iter()
        .map(|(name, of)| match *name {
            name if name == partition_column() => prop_oneof![
                5 => (0..3_i32).prop_map(Value::Int),
                1 => Just(Value::Null)
            ]
            .boxed(),
            _ => of.values(),
        })
        .collect();
    vec(row, 0..=most).boxed()
}

/// Rows of the tables that nothing governs.
pub(crate) fn keyed_rows(most: usize) -> BoxedStrategy<Vec<Row>> {
    let row: Vec<BoxedStrategy<Value>> = KEYED.iter().map(|(_, of)| of.values()).collect();
    vec(row, 0..=most).boxed()
}

/// A governed table of at most so many rows.
pub(crate) fn governed(most: usize) -> BoxedStrategy<Governed> {
    let layout = select(vec![Layout::Plain, Layout::Partitioned, Layout::Mapped, Layout::Evolved]);
    let policies = (weighted(0.8, row_filter()), masks());
    (rows(most), any::<Index>(), layout, policies, any::<bool>())
        .prop_map(|(mut rows, first, layout, (filter, masks), strict)| {
            let first = if rows.is_empty() { 0 } else { first.index(rows.len()) };
            if layout == Layout::Evolved {
                for row in rows.iter_mut().take(first) {
                    for (value, _) in row.iter_mut().zip(COLUMNS).filter(|(_, (name, _))| LATE.contains(name))
                    {
                        *value = Value::Null;
                    }
                }
            }
            Governed { rows, first, layout, filter, masks, strict }
        })
        .boxed()
}
