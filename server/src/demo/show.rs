//! What the demo prints: the same questions asked by different people at the real door.

use std::collections::BTreeMap;
use std::io::Write;

use chrono::{Days, NaiveDate};

use super::connections::Connections;
use super::layout::{Block, Cells, Paint, side_by_side, wrapped};
use super::sample::Inventory;
use super::visitor::Visitor;
use crate::client::Failure;

const BY_REGION: &str = "SELECT region, count(*) AS employees, avg(salary) AS average_salary\n\
                         FROM hr.people.employees GROUP BY region ORDER BY region";
const MASKED: &str = "SELECT employee_id, email, region, salary\n\
                      FROM hr.people.employees WHERE region IN ('EMEA', 'LATAM') ORDER BY employee_id LIMIT 4";
const REFUSED: &str = "SELECT count(*) FROM tpch.sf01.orders";
/// TPC-H query 3 for one market segment and one day, with the customers' names.
const SHIPPING: &str = "SELECT o_orderdate, c_name, sum(l_extendedprice * (1 - l_discount)) AS revenue\n\
                        FROM tpch.sf01.customer, tpch.sf01.orders, tpch.sf01.lineitem\n\
                        WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey\n  \
                        AND o_orderdate < DATE '1996-02-15' AND l_shipdate > DATE '1996-02-15'\n\
                        GROUP BY l_orderkey, o_orderdate, c_name ORDER BY revenue DESC LIMIT 4";

/// In one line, what each user is and gets.
const CAST: [[&str; 3]; 4] = [
    ["alice", "hr, auditors", "all people unmasked, all orders"],
    ["bob", "analysts, emea_payroll", "people of EMEA and LATAM, salaries of EMEA only, orders since 1996"],
    ["carol", "staff", "people of APAC, no salaries, nothing of tpch"],
    ["admin", "none", "owns everything; the policies hold for owners too"],
];

/// Prints to standard output, in colours or plain.
pub(super) struct Show {
    paint: Paint,
}

impl Show {
    pub(super) fn new(paint: Paint) -> Self {
        Self { paint }
    }

    /// What there is and who is who.
    pub(super) fn warehouse(&self, inventory: &[Inventory]) -> Result<(), Failure> {
        for schema in inventory {
            let views = match schema.views {
                0 => String::new(),
                1 => ", 1 view".to_owned(),
                views => format!(", {views} views"),
            };
            let (tables, files, size) = (schema.tables, schema.files, size(schema.bytes));
            say(&format!("  {:<10}  {tables} tables{views}, {files} files, {size}", schema.schema))?;
        }
        say("")?;
        let cells = Cells {
            header: ["user", "groups", "sees"].map(str::to_owned).to_vec(),
            numeric: vec![false; 3],
            rows: CAST.iter().map(|row| row.map(str::to_owned).to_vec()).collect(),
        };
        self.blocks(&[Block::table("", &cells, self.paint)])
    }

    /// The whole of it, as `people` in the order alice, bob, carol, admin.
    pub(super) async fn play(&self, people: &mut [Visitor; 4], today: NaiveDate) -> Result<(), Failure> {
        self.title("The same query, asked by four people")?;
        self.ask_each(&mut *people, BY_REGION).await?;
        self.title("Masks: a part of the e-mail, and salaries by the region of the row")?;
        let [alice, bob, carol, admin] = people;
        self.ask_each([&mut *alice, &mut *bob], MASKED).await?;
        self.title("What is not granted is refused, by name as far as one may know of it")?;
        self.ask_each([carol], REFUSED).await?;
        self.title("TPC-H query 3: filtered orders, masked customers")?;
        self.ask_each([alice, &mut *bob], SHIPPING).await?;
        self.profile(bob, SHIPPING).await?;
        self.title("What filtering has cost today")?;
        self.ask_each([admin, bob], &billing(today)).await?;
        self.note("An account administrator sees everybody's usage, everyone else their own.")
    }

    /// What to paste, and where.
    pub(super) fn connections(&self, connections: &Connections, local: &str) -> Result<(), Failure> {
        self.title("Connect yourself (the tokens live for 12 hours)")?;
        self.heading("Terminal")?;
        say(local)?;
        say("")?;
        self.heading("Python")?;
        say(&connections.python(&BY_REGION.replace('\n', " ")))?;
        say("")?;
        self.heading("JDBC (org.apache.arrow:flight-sql-jdbc-driver; the JVM needs --add-opens=java.base/java.nio=ALL-UNNAMED)")?;
        for (user, url) in connections.jdbc() {
            say(&format!("{user:<5}  {url}"))?;
        }
        Ok(())
    }

    pub(super) fn title(&self, text: &str) -> Result<(), Failure> {
        say("")?;
        say(&self.paint.title(&format!("== {text}")))?;
        say("")
    }

    fn heading(&self, text: &str) -> Result<(), Failure> {
        say(&self.paint.name(&format!("-- {text}")))
    }

    fn note(&self, text: &str) -> Result<(), Failure> {
        say("")?;
        text.lines().try_for_each(|line| say(&self.paint.faint(line)))
    }

    /// The statement, and what it answers each of them.
    async fn ask_each<'a>(
        &self,
        people: impl IntoIterator<Item = &'a mut Visitor>,
        sql: &str,
    ) -> Result<(), Failure> {
        for line in sql.lines() {
            say(&self.paint.statement(line))?;
        }
        say("")?;
        let mut answers = Vec::new();
        for person in people {
            answers.push(match person.rows(sql).await {
                Ok(cells) => Block::table(person.name, &cells, self.paint),
                Err(Failure::Said(sentence)) => self.refused(person.name, &sentence),
                Err(failure) => return Err(failure),
            });
        }
        self.blocks(&answers)
    }

    fn refused(&self, name: &str, sentence: &str) -> Block {
        let mut block = Block::default();
        block.line(name, |text| self.paint.name(text));
        for line in sentence.split(" · ").flat_map(wrapped) {
            block.line(&line, |text| self.paint.refusal(text));
        }
        block
    }

    /// The numbers of EXPLAIN ANALYZE, table by table.
    async fn profile(&self, person: &mut Visitor, sql: &str) -> Result<(), Failure> {
        let plan = person.rows(&format!("EXPLAIN ANALYZE {sql}")).await?;
        let lines = plan.rows.iter().filter_map(|row| row.first());
        let cells = profile_cells(lines.map(String::as_str));
        let title = format!("EXPLAIN ANALYZE of it as {}", person.name);
        say("")?;
        self.blocks(&[Block::table(&title, &cells, self.paint)])?;
        self.note(
            "Files that cannot hold a row which both the policy and the query admit are pruned, not read.\n\
             Tables without a policy cost no filtering time.",
        )
    }

    fn blocks(&self, blocks: &[Block]) -> Result<(), Failure> {
        side_by_side(blocks).iter().try_for_each(|line| say(line))
    }
}

/// A line on standard output.
pub(super) fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Who used how much filtering compute on this day.
fn billing(today: NaiveDate) -> String {
    let tomorrow = today.checked_add_days(Days::new(1)).unwrap_or(today);
    format!(
        "SELECT usage_date,\n\
         sku_name,\n\
         identity_metadata.run_as,\n\
         SUM(usage_quantity) AS `DBUs consumed by FGAC`\n\
         FROM system.billing.usage\n\
         WHERE usage_date BETWEEN '{today}' AND '{tomorrow}'\n\
         AND billing_origin_product = 'FINE_GRAINED_ACCESS_CONTROL'\n\
         GROUP BY 1, 2, 3 ORDER BY 1"
    )
}

/// A row for each number and a column for each table, from the lines of a profile.
fn profile_cells<'a>(lines: impl Iterator<Item = &'a str>) -> Cells {
    let mut tables: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut values: BTreeMap<(usize, usize), String> = BTreeMap::new();
    for line in lines {
        if let Some(table) = line.strip_prefix("GovernedScanExec: ") {
            tables.push(table.rsplit('.').next().unwrap_or(table));
        } else if let Some((name, value)) = line.strip_prefix("  ").and_then(|line| line.split_once(": "))
            && !tables.is_empty()
        {
            let row = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            values.insert((row, tables.len() - 1), readable(value));
        }
    }
    let cell = |row, table| values.get(&(row, table)).cloned().unwrap_or_default();
    let rows = names.iter().enumerate().map(|(row, name)| {
        let cells = (0..tables.len()).map(|table| cell(row, table));
        std::iter::once((*name).to_owned()).chain(cells).collect()
    });
    Cells {
        rows: rows.collect(),
        numeric: std::iter::once(false).chain(tables.iter().map(|_| true)).collect(),
        header: std::iter::once("table").chain(tables).map(str::to_owned).collect(),
    }
}

/// Bytes with a unit that suits them; anything else as it is.
fn readable(value: &str) -> String {
    match value.strip_suffix(" B").and_then(|bytes| bytes.parse().ok()) {
        Some(bytes) => size(bytes),
        None => value.to_owned(),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{}.{} KiB", bytes >> 10, ((bytes & 0x3FF) * 10) >> 10),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes & 0xF_FFFF) * 10) >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_becomes_a_column_for_each_table() {
        let lines = [
            "ProjectionExec",
            "  GovernedScanExec: indented in the tree",
            "",
            "rows: 1",
            "",
            "GovernedScanExec: a.b.orders",
            "  files pruned: 11",
            "  size of files read: 1536 B",
            "",
            "GovernedScanExec: a.b.customer",
            "  files pruned: 0",
        ];
        let cells = profile_cells(lines.into_iter());
        assert_eq!(cells.header, ["table", "orders", "customer"]);
        assert_eq!(cells.rows, [vec!["files pruned", "11", "0"], vec!["size of files read", "1.5 KiB", ""]]);
    }

    #[test]
    fn the_billing_query_spans_today() {
        let text = billing(NaiveDate::from_ymd_opt(2026, 12, 31).unwrap_or_default());
        assert!(text.contains("BETWEEN '2026-12-31' AND '2027-01-01'"), "{text}");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            [0, 1023, 1024, 1 << 20, 45 << 20].map(size),
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "45.0 MiB"]
        );
    }
}
