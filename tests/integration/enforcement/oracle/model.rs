//! The model: rows, predicates with SQL's three values, masks and queries, each with its SQL text
//! and its meaning in plain Rust.

use chrono::NaiveDate;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// The columns: `id INT, amount DECIMAL(8,2), label STRING, day DATE`.
pub(super) const NAMES: [&str; 4] = ["id", "amount", "label", "day"];
const TYPES: [&str; 4] = ["INT", "DECIMAL(8,2)", "STRING", "DATE"];
const LABELS: [&str; 4] = ["", "a", "b'c", "ü"];

/// A value; within one column all are of one kind, so the order is the column's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Int(i64),
    /// In hundredths.
    Amount(i64),
    Text(String),
    /// Days since 1970.
    Day(i32),
}

pub(super) type Row = Vec<Option<Value>>;

/// A condition on a row.
#[derive(Debug, Clone)]
pub(super) enum Predicate {
    Compare(usize, &'static str, Value),
    IsNull(usize),
    In(usize, Vec<Value>),
    Not(Box<Predicate>),
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
}

/// What stands in place of a column's value.
#[derive(Debug, Clone)]
pub(super) enum Mask {
    Constant(Value),
    Null,
    /// The raw value where the raw row meets the condition, else NULL.
    Where(Predicate),
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) enum Query {
    /// Columns of the rows that meet a condition.
    Select { columns: Vec<usize>, distinct: bool, condition: Option<Predicate> },
    /// The first rows by all columns.
    First { condition: Option<Predicate>, count: usize },
    /// `count(*), count(c), min(c), max(c)` by a column.
    Grouped { by: usize, of: usize, condition: Option<Predicate> },
    /// `count(*)` of a self-join on a column.
    SelfJoin { on: usize },
    /// Rows for which a row with an equal value and a condition exists.
    Exists { on: usize, condition: Predicate },
}

/// A table, its policies and what is asked of it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    rows: Vec<Row>,
    partitioned: bool,
    filter: Option<Predicate>,
    masks: Vec<Option<Mask>>,
    pub(super) queries: Vec<Query>,
}

impl Value {
    fn sql(&self) -> String {
        match self {
            Value::Int(value) => value.to_string(),
            Value::Amount(_) => format!("CAST('{}' AS DECIMAL(8,2))", self.text()),
            Value::Text(value) => format!("'{}'", value.replace('\'', "''")),
            Value::Day(_) => format!("DATE '{}'", self.text()),
        }
    }

    fn text(&self) -> String {
        match self {
            Value::Int(value) => value.to_string(),
            Value::Amount(value) => {
                let sign = if *value < 0 { "-" } else { "" };
                format!("{sign}{}.{:02}", value.abs() / 100, value.abs() % 100)
            }
            Value::Text(value) => value.clone(),
            Value::Day(value) => {
                let day = NaiveDate::from_epoch_days(*value).expect("a day");
                day.to_string()
            }
        }
    }
}

fn sql_of(value: Option<&Value>, column: usize) -> String {
    value.map_or_else(|| format!("CAST(NULL AS {})", TYPES[column]), Value::sql)
}

fn line(row: &[Option<Value>]) -> String {
    let texts: Vec<String> =
        row.iter().map(|value| value.as_ref().map_or_else(|| "NULL".to_owned(), Value::text)).collect();
    texts.join(" | ")
}

impl Predicate {
    /// Over columns of the table `of`.
    fn sql(&self, of: &str) -> String {
        let name = |column: &usize| format!("{of}{}", NAMES[*column]);
        match self {
            Predicate::Compare(column, op, value) => format!("{} {op} {}", name(column), value.sql()),
            Predicate::IsNull(column) => format!("{} IS NULL", name(column)),
            Predicate::In(column, values) => {
                let values: Vec<String> = values.iter().map(Value::sql).collect();
                format!("{} IN ({})", name(column), values.join(", "))
            }
            Predicate::Not(inner) => format!("NOT ({})", inner.sql(of)),
            Predicate::And(left, right) => format!("(({}) AND ({}))", left.sql(of), right.sql(of)),
            Predicate::Or(left, right) => format!("(({}) OR ({}))", left.sql(of), right.sql(of)),
        }
    }

    /// With SQL's three values.
    fn holds(&self, row: &Row) -> Option<bool> {
        match self {
            Predicate::Compare(column, op, value) => {
                let order = row[*column].as_ref()?.cmp(value);
                Some(match *op {
                    "=" => order.is_eq(),
                    "<>" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            Predicate::IsNull(column) => Some(row[*column].is_none()),
            Predicate::In(column, values) => row[*column].as_ref().map(|value| values.contains(value)),
            Predicate::Not(inner) => inner.holds(row).map(|holds| !holds),
            Predicate::And(left, right) => match (left.holds(row), right.holds(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Predicate::Or(left, right) => match (left.holds(row), right.holds(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

impl Mask {
    fn sql(&self, column: usize) -> String {
        match self {
            Mask::Constant(value) => value.sql(),
            Mask::Null => sql_of(None, column),
            Mask::Where(condition) => format!("CASE WHEN {} THEN {} END", condition.sql(""), NAMES[column]),
        }
    }

    fn of(&self, column: usize, raw: &Row) -> Option<Value> {
        match self {
            Mask::Constant(value) => Some(value.clone()),
            Mask::Null => None,
            Mask::Where(condition) => match condition.holds(raw) {
                Some(true) => raw[column].clone(),
                _ => None,
            },
        }
    }
}

impl Case {
    /// The statements that make the table with its rows and policies.
    pub(super) fn definition(&self, table: &str) -> Vec<String> {
        let columns: Vec<String> =
            NAMES.iter().zip(TYPES).map(|(name, data_type)| format!("{name} {data_type}")).collect();
        let columns = columns.join(", ");
        let partitioned = if self.partitioned { " PARTITIONED BY (label)" } else { "" };
        let mut statements = vec![format!("CREATE TABLE {table} ({columns}){partitioned}")];
        // two commits, so that files can be pruned
        for half in self.rows.chunks(self.rows.len().div_ceil(2).max(1)) {
            let rows: Vec<String> = half
                .iter()
                .map(|row| {
                    let values: Vec<String> = row
                        .iter()
                        .enumerate()
                        .map(|(column, value)| sql_of(value.as_ref(), column))
                        .collect();
                    format!("({})", values.join(", "))
                })
                .collect();
            statements.push(format!("INSERT INTO {table} VALUES {}", rows.join(", ")));
        }
        if let Some(filter) = &self.filter {
            let body = filter.sql("");
            statements
                .push(format!("CREATE FUNCTION {table}_filter({columns}) RETURNS BOOLEAN RETURN {body}"));
            let on = NAMES.join(", ");
            statements.push(format!("ALTER TABLE {table} SET ROW FILTER {table}_filter ON ({on})"));
        }
        for (column, mask) in self.masks.iter().enumerate() {
            let Some(mask) = mask else { continue };
            let (name, data_type) = (NAMES[column], TYPES[column]);
            let others: Vec<usize> = (0..NAMES.len()).filter(|other| *other != column).collect();
            let parameters: Vec<String> =
                others.iter().map(|other| format!("{} {}", NAMES[*other], TYPES[*other])).collect();
            let using: Vec<&str> = others.iter().map(|other| NAMES[*other]).collect();
            statements.push(format!(
                "CREATE FUNCTION {table}_{name}({name} {data_type}, {}) RETURNS {data_type} RETURN {}",
                parameters.join(", "),
                mask.sql(column)
            ));
            statements.push(format!(
                "ALTER TABLE {table} ALTER COLUMN {name} SET MASK {table}_{name} USING COLUMNS ({})",
                using.join(", ")
            ));
        }
        statements.push(format!("GRANT SELECT ON TABLE {table} TO alice"));
        statements
    }

    /// The rows as alice may see them.
    pub(super) fn visible(&self) -> Vec<Row> {
        let kept = self
            .rows
            .iter()
            .filter(|row| self.filter.as_ref().is_none_or(|filter| filter.holds(row) == Some(true)));
        kept.map(|raw| {
            let value = |(column, mask): (usize, &Option<Mask>)| match mask {
                Some(mask) => mask.of(column, raw),
                None => raw[column].clone(),
            };
            self.masks.iter().enumerate().map(value).collect()
        })
        .collect()
    }
}

fn condition_sql(condition: Option<&Predicate>) -> String {
    condition.map_or_else(String::new, |condition| format!(" WHERE {}", condition.sql("")))
}

fn meeting(rows: &[Row], condition: Option<&Predicate>) -> Vec<Row> {
    let meets = |row: &&Row| condition.is_none_or(|condition| condition.holds(row) == Some(true));
    rows.iter().filter(meets).cloned().collect()
}

impl Query {
    pub(super) fn sql(&self, table: &str) -> String {
        match self {
            Query::Select { columns, distinct, condition } => {
                let columns: Vec<&str> = columns.iter().map(|column| NAMES[*column]).collect();
                let distinct = if *distinct { "DISTINCT " } else { "" };
                format!(
                    "SELECT {distinct}{} FROM {table}{}",
                    columns.join(", "),
                    condition_sql(condition.as_ref())
                )
            }
            Query::First { condition, count } => {
                let order: Vec<String> = NAMES.iter().map(|name| format!("{name} ASC NULLS FIRST")).collect();
                let (condition, order) = (condition_sql(condition.as_ref()), order.join(", "));
                format!("SELECT * FROM {table}{condition} ORDER BY {order} LIMIT {count}")
            }
            Query::Grouped { by, of, condition } => {
                let (by, of) = (NAMES[*by], NAMES[*of]);
                let condition = condition_sql(condition.as_ref());
                format!(
                    "SELECT {by}, count(*), count({of}), min({of}), max({of}) FROM {table}{condition} GROUP BY {by}"
                )
            }
            Query::SelfJoin { on } => {
                let on = NAMES[*on];
                format!("SELECT count(*) FROM {table} a JOIN {table} b ON a.{on} = b.{on}")
            }
            Query::Exists { on, condition } => {
                let (on, condition) = (NAMES[*on], condition.sql("b."));
                format!(
                    "SELECT a.* FROM {table} a WHERE EXISTS (SELECT 1 FROM {table} b WHERE b.{on} = a.{on} AND {condition})"
                )
            }
        }
    }

    /// The answer over `rows`, as sorted lines.
    pub(super) fn answer(&self, rows: &[Row]) -> Vec<String> {
        let mut lines = match self {
            Query::Select { columns, distinct, condition } => {
                let chosen = meeting(rows, condition.as_ref()).into_iter();
                let chosen =
                    chosen.map(|row| columns.iter().map(|column| row[*column].clone()).collect::<Row>());
                let mut lines: Vec<String> = chosen.map(|row| line(&row)).collect();
                if *distinct {
                    lines.sort();
                    lines.dedup();
                }
                lines
            }
            Query::First { condition, count } => {
                let mut rows = meeting(rows, condition.as_ref());
                rows.sort();
                rows.iter().take(*count).map(|row| line(row)).collect()
            }
            Query::Grouped { by, of, condition } => grouped(&meeting(rows, condition.as_ref()), *by, *of),
            Query::SelfJoin { on } => {
                let equal = |a: &Row, b: &Row| a[*on].is_some() && a[*on] == b[*on];
                let pairs: usize = rows.iter().map(|a| rows.iter().filter(|b| equal(a, b)).count()).sum();
                vec![pairs.to_string()]
            }
            Query::Exists { on, condition } => {
                let there = |a: &&Row| {
                    let equal = |b: &&Row| a[*on].is_some() && a[*on] == b[*on];
                    rows.iter().filter(equal).any(|b| condition.holds(b) == Some(true))
                };
                rows.iter().filter(there).map(|row| line(row)).collect()
            }
        };
        lines.sort();
        lines
    }
}

fn grouped(rows: &[Row], by: usize, of: usize) -> Vec<String> {
    let mut keys: Vec<Option<Value>> = rows.iter().map(|row| row[by].clone()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|key| {
            let group: Vec<&Row> = rows.iter().filter(|row| row[by] == key).collect();
            let values: Vec<&Value> = group.iter().filter_map(|row| row[of].as_ref()).collect();
            let ends =
                [values.iter().min(), values.iter().max()].map(|end| end.map(|value| (*value).clone()));
            let [low, high] = ends;
            format!("{} | {} | {} | {}", line(&[key]), group.len(), values.len(), line(&[low, high]))
        })
        .collect()
}

fn value(column: usize) -> BoxedStrategy<Value> {
    match column {
        0 => (-3_i64..8).prop_map(Value::Int).boxed(),
        1 => select(vec![-150_i64, -1, 0, 1, 99, 100, 12_345]).prop_map(Value::Amount).boxed(),
        2 => select(LABELS.to_vec()).prop_map(|text| Value::Text(text.to_owned())).boxed(),
        _ => (-2_i32..4).prop_map(|days| Value::Day(days * 9000)).boxed(),
    }
}

fn row() -> impl Strategy<Value = Row> {
    (0..NAMES.len()).map(|column| weighted(0.75, value(column)).boxed()).collect::<Vec<_>>()
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let compare = (0..NAMES.len()).prop_flat_map(|column| {
        (select(vec!["=", "<>", "<", "<=", ">", ">="]), value(column))
            .prop_map(move |(op, value)| Predicate::Compare(column, op, value))
    });
    let null = (0..NAMES.len()).prop_map(Predicate::IsNull);
    let list = (0..NAMES.len()).prop_flat_map(|column| {
        vec(value(column), 1..4).prop_map(move |values| Predicate::In(column, values))
    });
    prop_oneof![4 => compare, 1 => null, 2 => list].prop_recursive(2, 6, 2, |inner| {
        let pair = || (inner.clone(), inner.clone());
        prop_oneof![
            inner.clone().prop_map(|inner| Predicate::Not(Box::new(inner))),
            pair().prop_map(|(left, right)| Predicate::And(Box::new(left), Box::new(right))),
            pair().prop_map(|(left, right)| Predicate::Or(Box::new(left), Box::new(right))),
        ]
    })
}

fn mask(column: usize) -> impl Strategy<Value = Mask> {
    prop_oneof![value(column).prop_map(Mask::Constant), Just(Mask::Null), predicate().prop_map(Mask::Where),]
}

fn query() -> impl Strategy<Value = Query> {
    let column = || 0..NAMES.len();
    let condition = || weighted(0.7, predicate());
    prop_oneof![
        4 => (subsequence((0..NAMES.len()).collect::<Vec<_>>(), 1..=NAMES.len()), any::<bool>(), condition())
            .prop_map(|(columns, distinct, condition)| Query::Select { columns, distinct, condition }),
        2 => (condition(), 0_usize..6).prop_map(|(condition, count)| Query::First { condition, count }),
        2 => (column(), column(), condition()).prop_map(|(by, of, condition)| Query::Grouped { by, of, condition }),
        1 => column().prop_map(|on| Query::SelfJoin { on }),
        1 => (column(), predicate()).prop_map(|(on, condition)| Query::Exists { on, condition }),
    ]
}

/// Any case.
pub(super) fn case() -> impl Strategy<Value = Case> {
    let masks: Vec<_> = (0..NAMES.len()).map(|column| weighted(0.35, mask(column))).collect();
    (vec(row(), 0..24), any::<bool>(), weighted(0.85, predicate()), masks, vec(query(), 4..7)).prop_map(
        |(rows, partitioned, filter, masks, queries)| Case { rows, partitioned, filter, masks, queries },
    )
}
