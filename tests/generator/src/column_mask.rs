//! Column masks of every shape, for columns of every type.

use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use crate::clause::{Clause, PolicyFunction};
use crate::table::COLUMNS;
use crate::value::ColumnType;

/// A mask of one column.
#[derive(Debug, Clone)]
pub struct Mask {
    /// Which it masks.
    pub column: &'static str,
    /// Its type.
    pub of: ColumnType,
    /// What is shown in its place.
    pub clause: Clause,
}

impl Mask {
    /// Whether it may be that it shows alice every value: she is in group `x`.
    pub fn may_show_all(&self) -> bool {
        let value = format!("{{{}}}", self.column);
        let said = self.clause.to_string();
        [value.clone(), format!("CASE WHEN {{in:x}} THEN {value} ELSE NULL END")]
            .into_iter()
            .any(|whole| said == whole || said == format!("CAST({whole} AS {})", self.of.sql()))
    }

    /// As a function whose first parameter is the column itself.
    pub fn function(&self, mapping: &str) -> PolicyFunction {
        self.clause.function(&[self.column], mapping)
    }
}

/// `{v}` is the column itself.
const ANY: &[&str] =
    &["NULL", "{v}", "CASE WHEN {in:z} THEN {v} END", "CASE WHEN {in:x} THEN {v} ELSE NULL END"];
const NUMBER: &[&str] = &[
    "0",
    "CASE WHEN {b} > 1 THEN {v} END",
    "CASE WHEN {f} THEN {v} WHEN {c} = 'x' THEN 7 ELSE -1 END",
    "CASE WHEN (SELECT count(*) FROM {mapping} m WHERE m.k = {v}) > 0 THEN {v} ELSE 99 END",
    "CASE WHEN {among:c} THEN {v} ELSE 0 END",
    "CAST((SELECT count(*) FROM {mapping} m WHERE m.k = {v}) AS INT)",
];
const INT: &[&str] = &["{v} * 2", "{v} % 3", "{v} + {p}", "CASE WHEN {v} = 3 THEN 0 ELSE 10 / ({v} - 3) END"];
const TEXT: &[&str] = &[
    "'***'",
    "''",
    "substr({v}, 1, 1)",
    "concat({v}, '!')",
    "upper({v})",
    "concat('#', {v}, CAST({a} AS STRING))",
    "CASE WHEN {f} THEN {v} ELSE concat('#', {v}) END",
    "CASE WHEN {v} = {user} THEN {v} ELSE '***' END",
    "CASE WHEN {among:c} THEN {v} ELSE 'other' END",
    "CASE WHEN (SELECT count(*) FROM {mapping} m WHERE m.c = {v}) = 0 THEN {v} END",
    "(SELECT max(m.c) FROM {mapping} m WHERE m.k = {a})",
    "CAST(length({v}) AS STRING)",
];
const DATE: &[&str] = &[
    "DATE '2024-01-01'",
    "CASE WHEN {v} > DATE '2024-01-02' THEN {v} END",
    "CASE WHEN {a} > 2 THEN {v} END",
];
const BOOLEAN: &[&str] = &["NOT {v}", "FALSE", "{v} AND {a} > 1", "{a} > 3"];
/// Fail where the column is 3.
const FAILING: &str = "10 / ({v} - 3)";

fn mask(column: &'static str, of: ColumnType) -> BoxedStrategy<Mask> {
    let own = match of {
        ColumnType::Int | ColumnType::BigInt => [NUMBER, INT].concat(),
        ColumnType::Decimal | ColumnType::Double => NUMBER.to_vec(),
        ColumnType::Text => TEXT.to_vec(),
        ColumnType::Date => DATE.to_vec(),
        ColumnType::Boolean => BOOLEAN.to_vec(),
    };
    let own = [ANY.to_vec(), own].concat();
    let value = format!("{{{column}}}");
    let said = {
        let value = value.clone();
        select(own).prop_map(move |template| {
            let said = template.replace("{v}", &value);
            Clause::new(match of {
                ColumnType::Text | ColumnType::Date | ColumnType::Boolean => said,
                _ => format!("CAST({said} AS {})", of.sql()),
            })
        })
    };
    let failing = Just(Clause::failing(format!("CAST({} AS {})", FAILING.replace("{v}", &value), of.sql())));
    let clause = match of {
        ColumnType::Int | ColumnType::BigInt => prop_oneof![15 => said, 1 => failing].boxed(),
        _ => said.boxed(),
    };
    clause.prop_map(move |clause| Mask { column, of, clause }).boxed()
}

/// Masks of some columns.
pub(crate) fn masks() -> BoxedStrategy<Vec<Mask>> {
    let each: Vec<_> = COLUMNS.iter().map(|(name, of)| weighted(0.25, mask(name, *of))).collect();
    each.prop_map(|masks| masks.into_iter().flatten().collect()).boxed()
}
