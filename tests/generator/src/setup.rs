//! [`Setup`]: the tables of a case, and the script by which they are made by hand.
//!
//! Two governed tables `t` and `u`, a view `w` over `t`, a table `plain` that nothing governs, and a table `mapping` that
//! policies read and alice cannot.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;

use crate::clause::Clause;
use crate::table::{COLUMNS, Governed, KEYED, Layout, Row, governed, keyed_rows, partition_column, rows};
use crate::value::ColumnType;

/// The tables of a case.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The table of which queries ask most.
    pub t: Governed,
    /// Another.
    pub u: Governed,
    /// Rows of `plain`, readable by everybody.
    pub plain: Vec<Row>,
    /// Rows of `mapping`, readable by policies alone.
    pub mapping: Vec<Row>,
    /// The condition of the view `w` over `t`.
    pub view: Clause,
    /// Rows that may take the places of hidden ones, and give values for masked columns.
    pub spares: Vec<Row>,
    /// Whether hidden rows are left out in the twin instead of being exchanged.
    pub fewer: bool,
    /// How many partitions plans are to have.
    pub partitions: usize,
}

/// Conditions of the view; those that test identity seal it.
const VIEWS: &[&str] = &[
    "TRUE",
    "{a} IS NULL OR {a} <> 4",
    "{c} > 'a'",
    "{f} IS NOT FALSE AND {b} < 5",
    "{in:x} AND {a} > 1",
    "{in:z} OR {c} <> {user}",
];

/// Setups with tables of at most so many rows.
pub fn setup(most: usize) -> BoxedStrategy<Setup> {
    let view = select(VIEWS).prop_map(Clause::new);
    let tables = (governed(most), governed(most / 2), keyed_rows(5), keyed_rows(4));
    let twin = (rows(12), any::<bool>());
    (tables, view, twin, 1..4_usize)
        .prop_map(|((t, u, plain, mapping), view, (spares, fewer), partitions)| Setup {
            t,
            u,
            plain,
            mapping,
            view,
            spares,
            fewer,
            partitions,
        })
        .boxed()
}

impl Setup {
    /// The governed tables with their names.
    pub fn governed(&self) -> [(&'static str, &Governed); 2] {
        [("t", &self.t), ("u", &self.u)]
    }

    /// The same without the policies that may fail.
    pub fn unfailing(self) -> Self {
        Self { t: self.t.unfailing(), u: self.u.unfailing(), ..self }
    }

    /// Whether a row filter says NOT IN of a query.
    pub fn anti_joins(&self) -> bool {
        let filters = self.governed().into_iter().filter_map(|(_, governed)| governed.filter.as_ref());
        filters.into_iter().any(|filter| filter.to_string().contains("NOT IN (SELECT"))
    }

    /// The query of the view `w`, over `t` by whatever name.
    pub fn view_query(&self, t: &str) -> String {
        select_all(t, &self.view.over("t", ""))
    }

    /// The same for alice.
    pub fn view_inline(&self, t: &str) -> String {
        select_all(t, &self.view.inline("t", ""))
    }

    /// Whether the view hides rows of `t` from predicates of whoever asks.
    pub fn view_is_sealed(&self) -> bool {
        self.view.tests_identity()
    }

    /// The statements that make all tables in `schema`, without policies and the view.
    pub fn tables(&self, schema: &str) -> Vec<String> {
        let mut statements = Vec::new();
        for (name, governed) in self.governed() {
            statements.extend(table(&format!("{schema}.{name}"), governed));
        }
        for (name, rows) in [("plain", &self.plain), ("mapping", &self.mapping)] {
            let name = format!("{schema}.{name}");
            statements.push(create(&name, &KEYED));
            statements.extend(insert(&name, &KEYED, rows));
        }
        statements
    }

    /// The statements that set all policies in `schema`, and make the view.
    pub fn policies(&self, schema: &str) -> Vec<String> {
        let mapping = format!("{schema}.mapping");
        let mut statements = Vec::new();
        for (name, governed) in self.governed() {
            let table = format!("{schema}.{name}");
            if let Some(filter) = &governed.filter {
                let function = filter.function(&[], &mapping);
                let parameters = function.parameters.join(", ");
                statements.push(format!(
                    "CREATE FUNCTION {table}_keep({parameters}) RETURNS BOOLEAN RETURN {}",
                    function.body
                ));
                let columns = function.columns.join(", ");
                statements.push(format!("ALTER TABLE {table} SET ROW FILTER {table}_keep ON ({columns})"));
            }
            for mask in &governed.masks {
                let function = mask.function(&mapping);
                let (column, parameters) = (mask.column, function.parameters.join(", "));
                statements.push(format!(
                    "CREATE FUNCTION {table}_mask_{column}({parameters}) RETURNS {} RETURN {}",
                    mask.of.sql(),
                    function.body
                ));
                let more: Vec<String> = function.columns.into_iter().skip(1).collect();
                let using = match more.is_empty() {
                    true => String::new(),
                    false => format!(" USING COLUMNS ({})", more.join(", ")),
                };
                statements.push(format!(
                    "ALTER TABLE {table} ALTER COLUMN {column} SET MASK {table}_mask_{column}{using}"
                ));
            }
            if governed.strict {
                statements.push(format!(
                    "ALTER TABLE {table} SET TBLPROPERTIES ('governance.protection' = 'strict')"
                ));
            }
        }
        statements.push(format!("CREATE VIEW {schema}.w AS {}", self.view_query(&format!("{schema}.t"))));
        statements
    }

    /// The query that gives what alice sees of a governed table, asked of a table `raw` of all rows by somebody for whom
    /// no policy holds.
    pub fn visible(&self, governed: &Governed, raw: &str, mapping: &str, keeping: &[&str]) -> String {
        let columns =
            COLUMNS.iter().map(|(name, of)| match governed.masks.iter().find(|mask| mask.column == *name) {
                Some(mask) => {
                    format!("CAST({} AS {}) AS {name}", mask.clause.inline("raw", mapping), of.sql())
                }
                None => format!("raw.{name} AS {name}"),
            });
        let kept = keeping.iter().map(|column| format!("raw.{column} AS {column}"));
        let columns: Vec<String> = kept.chain(columns).collect();
        let filter =
            governed.filter.as_ref().map(|filter| format!(" WHERE {}", filter.inline("raw", mapping)));
        // reason: no filter, no WHERE
        format!("SELECT {} FROM {raw} raw{}", columns.join(", "), filter.unwrap_or_default())
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for statement in self.tables("main.hr").iter().chain(&self.policies("main.hr")) {
            writeln!(f, "{statement};")?;
        }
        for name in ["t", "u", "plain", "w"] {
            writeln!(f, "GRANT SELECT ON main.hr.{name} TO alice;")?;
        }
        write!(f, "-- alice is in the groups x and y; {} partitions", self.partitions)
    }
}

fn select_all(t: &str, condition: &str) -> String {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, _)| format!("t.{name}")).collect();
    format!("SELECT {} FROM {t} t WHERE {condition}", columns.join(", "))
}

fn create(name: &str, columns: &[(&str, ColumnType)]) -> String {
    let columns: Vec<String> = columns.iter().map(|(name, of)| format!("{name} {}", of.sql())).collect();
    format!("CREATE TABLE {name} ({})", columns.join(", "))
}

fn insert(name: &str, columns: &[(&str, ColumnType)], rows: &[Row]) -> Option<String> {
    let row = |row: &Row| {
        let values: Vec<String> =
            row.iter().zip(columns).map(|(value, (_, of))| value.literal(*of)).collect();
        format!("({})", values.join(", "))
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    (!rows.is_empty())
        .then(|| format!("INSERT INTO {name} ({}) VALUES {}", names.join(", "), rows.join(", ")))
}

fn table(name: &str, governed: &Governed) -> Vec<String> {
    let columns = governed.first_columns();
    let more = match governed.layout {
        Layout::Plain | Layout::Evolved => String::new(),
        Layout::Partitioned => format!(" PARTITIONED BY ({})", partition_column()),
        Layout::Mapped => " TBLPROPERTIES ('delta.columnMapping.mode' = 'name')".to_owned(),
    };
    let mut statements = vec![format!("{}{more}", create(name, &columns))];
    let (early, late) = governed.rows.split_at(governed.first.min(governed.rows.len()));
    // Early rows hold NULL in the late columns.
    let there: Vec<bool> = COLUMNS.iter().map(|column| columns.contains(column)).collect();
    let of_first = |row: &Row| {
        let kept = row.iter().zip(&there).filter(|(_, there)| **there);
        kept.map(|(value, _)| value.clone()).collect::<Row>()
    };
    let early: Vec<Row> = early.iter().map(of_first).collect();
    statements.extend(insert(name, &columns, &early));
    let added: Vec<String> =
        governed.late_columns().iter().map(|(column, of)| format!("{column} {}", of.sql())).collect();
    if !added.is_empty() {
        statements.push(format!("ALTER TABLE {name} ADD COLUMNS ({})", added.join(", ")));
    }
    statements.extend(insert(name, &COLUMNS, late));
    statements
}
