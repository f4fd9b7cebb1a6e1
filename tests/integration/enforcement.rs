//! Attacks on governed tables, each through every way in: nothing of a hidden row or of a raw
//! masked value may come out, in rows, in errors, in EXPLAIN or in metadata.
//!
//! [`People`] is the ground: a table whose hidden rows and masked values carry canaries. An
//! [`Attack`] is a statement with what an honest answer would be; [`People::withstands`] runs it
//! through every way.

mod arithmetic;
mod change_data;
mod claims;
mod composition;
mod definers;
mod deputies;
mod existence;
mod functions;
mod handles;
mod identifiers;
mod listings;
mod masked_columns;
mod oracle;
mod plan_cache;
mod policed_views;
mod policies;
mod pushdown;
mod read_at;
mod refusals;
mod revocation;
mod snapshots;
mod tag_policies;
mod time_travel;
mod unreadable;
mod values;
mod views;
mod ways_in;

use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
    CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo,
};
use weir_testkit::{Client, Refusal, Rows, TestServer, Told, Way};

/// What stands in hidden rows and below masks, and may be seen by nobody.
const CANARIES: [&str; 5] = ["CANARY", "98765432", "77700", "1901-", "45454545"];

/// What an honest server says.
#[derive(Debug, Clone, Copy)]
enum Honest {
    /// Exactly these rows, in any order.
    Rows(&'static [&'static str]),
    /// A refusal of this condition.
    Refused(&'static str),
    /// Rows or a refusal, without a canary.
    Either,
}

/// A statement, and what an honest server says to alice.
#[derive(Debug, Clone, Copy)]
struct Attack {
    sql: &'static str,
    honest: Honest,
}

const fn rows(sql: &'static str, rows: &'static [&'static str]) -> Attack {
    Attack { sql, honest: Honest::Rows(rows) }
}

const fn refused(sql: &'static str, condition: &'static str) -> Attack {
    Attack { sql, honest: Honest::Refused(condition) }
}

const fn either(sql: &'static str) -> Attack {
    Attack { sql, honest: Honest::Either }
}

/// The table `main.hr.people`, partitioned by region. Alice may read it: rows of the north,
/// `ssn` as `***`, `salary` as 0.00, `born` as NULL. Carol of the group `hr` sees all. Bob has
/// nothing.
struct People {
    server: TestServer,
}

impl People {
    async fn ground() -> Self {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        Self { server }
    }

    fn client(&self, user: &str) -> Client {
        self.server.client(user)
    }

    /// Runs the attacks as alice, through every way in, as they are and inside EXPLAIN.
    async fn withstands(&self, attacks: &[Attack]) {
        let client = self.client("alice");
        let mut breaches = Vec::new();
        for attack in attacks {
            for way in Way::ALL {
                let told = way.ask(&client, attack.sql).await;
                if let Some(breach) = attack.breach(&told) {
                    breaches.push(format!("{way:?}: {}\n    {breach}", attack.sql));
                }
            }
            for told in self.told_about(&client, attack.sql).await {
                if let Some(canary) = canary_in(&told, attack.sql) {
                    breaches.push(format!("told about {}\n    {canary} in {told}", attack.sql));
                }
            }
        }
        assert!(breaches.is_empty(), "{} breaches\n{}", breaches.len(), breaches.join("\n"));
    }

    /// What can be learnt of a statement without its rows.
    async fn told_about(&self, client: &Client, sql: &str) -> Vec<String> {
        let mut told = Vec::new();
        for explain in ["EXPLAIN", "EXPLAIN ANALYZE"] {
            told.push(text_of(&client.statement(&format!("{explain} {sql}")).await));
            told.push(text_of(&client.prepared(&format!("{explain} {sql}")).await));
        }
        let command =
            arrow_flight::sql::CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
        told.push(format!("{:?}", client.schema(&command).await));
        told.push(format!(
            "{:?}",
            client.info(&command).await.map(|info| (info.total_records, info.total_bytes))
        ));
        told.push(format!("{:?}", client.prepare(sql).await.map(|prepared| prepared.dataset_schema)));
        told.push(format!("{:?}", client.update(sql).await));
        told
    }
}

impl Attack {
    fn breach(&self, told: &Told<Rows>) -> Option<String> {
        let text = text_of(told);
        if let Some(canary) = canary_in(&text, self.sql) {
            return Some(format!("{canary} in {text}"));
        }
        match (self.honest, told) {
            (Honest::Rows(expected), Ok(rows)) => {
                let mut expected: Vec<&str> = expected.to_vec();
                expected.sort_unstable();
                (rows.sorted() != expected)
                    .then(|| format!("expected {expected:?}, found {:?}", rows.sorted()))
            }
            (Honest::Rows(_), Err(refusal)) => Some(format!("refused: {}", refusal.text)),
            (Honest::Refused(condition), Err(refusal)) => {
                let named = refusal.text.starts_with(&format!("[{condition}]"));
                (!named).then(|| format!("refused otherwise: {}", refusal.text))
            }
            (Honest::Refused(_), Ok(rows)) => Some(format!("answered: {:?}", rows.lines())),
            (Honest::Either, _) => None,
        }
    }
}

/// All that a user reads of an answer.
fn text_of(told: &Told<Rows>) -> String {
    match told {
        Ok(rows) => format!("{:?} {:?}", rows.schema, rows.lines()),
        Err(Refusal { text, code }) => format!("{code:?} {text}"),
    }
}

/// A canary in `text` that does not stand in the statement itself.
fn canary_in(text: &str, sql: &str) -> Option<&'static str> {
    CANARIES.into_iter().find(|canary| !sql.contains(*canary) && text.contains(*canary))
}

/// The metadata commands, by the names that the list of ways in has.
const METADATA: [&str; 10] = [
    "Catalogs",
    "DbSchemas",
    "Tables",
    "TableTypes",
    "PrimaryKeys",
    "ExportedKeys",
    "ImportedKeys",
    "CrossReference",
    "SqlInfo",
    "XdbcTypeInfo",
];

/// The answer's letters, whole schemas in binary columns among them.
async fn metadata_answer(client: &Client, name: &str) -> Option<String> {
    let (catalog, schema) = (Some("main".to_owned()), Some("hr".to_owned()));
    let table = || "people".to_owned();
    let answer = match name {
        "Catalogs" => client.ask(&CommandGetCatalogs {}).await,
        "DbSchemas" => client.ask(&CommandGetDbSchemas::default()).await,
        "Tables" => {
            let with_schemas = CommandGetTables { include_schema: true, ..CommandGetTables::default() };
            let names = letters_in(&client.ask(&CommandGetTables::default()).await.unwrap());
            return Some(names + &letters_in(&client.ask(&with_schemas).await.unwrap()));
        }
        "TableTypes" => client.ask(&CommandGetTableTypes {}).await,
        "PrimaryKeys" => {
            client.ask(&CommandGetPrimaryKeys { catalog, db_schema: schema, table: table() }).await
        }
        "ExportedKeys" => {
            client.ask(&CommandGetExportedKeys { catalog, db_schema: schema, table: table() }).await
        }
        "ImportedKeys" => {
            client.ask(&CommandGetImportedKeys { catalog, db_schema: schema, table: table() }).await
        }
        "CrossReference" => client.ask(&CommandGetCrossReference::default()).await,
        "SqlInfo" => client.ask(&CommandGetSqlInfo::default()).await,
        "XdbcTypeInfo" => client.ask(&CommandGetXdbcTypeInfo::default()).await,
        _ => return None,
    };
    Some(letters_in(&answer.unwrap()))
}

fn letters_in(rows: &Rows) -> String {
    let columns = rows.batches.iter().flat_map(|batch| batch.columns());
    let letters = columns.flat_map(|column| letters_of(&column.to_data()));
    let text: Vec<String> = letters.map(|letters| String::from_utf8_lossy(&letters).into_owned()).collect();
    format!("{:?} {}\n", rows.schema, text.join("\n"))
}

/// Everything that the metadata commands tell a client, as text.
async fn metadata_of(client: &Client) -> String {
    let mut text = String::new();
    for name in METADATA {
        text.push_str(&metadata_answer(client, name).await.expect("a command of the list"));
    }
    text
}

fn letters_of(values: &arrow::array::ArrayData) -> Vec<Vec<u8>> {
    let own = values.buffers().iter().map(|buffer| buffer.as_slice().to_vec());
    own.chain(values.child_data().iter().flat_map(letters_of)).collect()
}

const GROUND: &str = "
CREATE SCHEMA main.hr;
CREATE SCHEMA main.gov;
CREATE TABLE main.hr.people (id INT, name STRING, region STRING, ssn STRING, salary DECIMAL(12,2), secret INT, born DATE, contact STRUCT<email: STRING, phone: STRING>) PARTITIONED BY (region);
INSERT INTO main.hr.people VALUES
 (1, 'ann', 'north', 'CANARY-1', 45454545.01, 1, DATE '1901-01-01', named_struct('email', 'ann@example.com', 'phone', '1')),
 (2, 'ben', 'north', 'CANARY-2', 45454545.02, 2, DATE '1901-01-02', named_struct('email', 'ben@example.com', 'phone', '2')),
 (3, 'cat', 'north', 'CANARY-3', 45454545.03, 3, DATE '1901-01-03', named_struct('email', 'cat@example.com', 'phone', '3'));
INSERT INTO main.hr.people VALUES
 (77700, 'CANARY-dan', 'south', 'CANARY-4', 98765432.04, 5, DATE '1901-02-01', named_struct('email', 'CANARY-dan', 'phone', 'CANARY')),
 (77701, 'CANARY-eve', 'south', 'CANARY-5', 98765432.05, 5, DATE '1901-02-02', named_struct('email', 'CANARY-eve', 'phone', 'CANARY')),
 (77702, 'CANARY-fay', NULL, 'CANARY-6', 98765432.06, 0, DATE '1901-02-03', named_struct('email', 'CANARY-fay', 'phone', 'CANARY'));
CREATE TABLE main.hr.cities (region STRING, city STRING);
INSERT INTO main.hr.cities VALUES ('north', 'Kiel'), ('south', 'Ulm');
CREATE FUNCTION main.gov.of_region(region STRING) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR region = 'north';
CREATE FUNCTION main.gov.hidden_text(v STRING) RETURNS STRING RETURN CASE WHEN is_account_group_member('hr') THEN v ELSE '***' END;
CREATE FUNCTION main.gov.hidden_amount(v DECIMAL(12,2)) RETURNS DECIMAL(12,2) RETURN CASE WHEN is_account_group_member('hr') THEN v ELSE 0.00 END;
CREATE FUNCTION main.gov.hidden_day(v DATE) RETURNS DATE RETURN CASE WHEN is_account_group_member('hr') THEN v END;
ALTER TABLE main.hr.people SET ROW FILTER main.gov.of_region ON (region);
ALTER TABLE main.hr.people ALTER COLUMN ssn SET MASK main.gov.hidden_text;
ALTER TABLE main.hr.people ALTER COLUMN salary SET MASK main.gov.hidden_amount;
ALTER TABLE main.hr.people ALTER COLUMN born SET MASK main.gov.hidden_day;
GRANT USE CATALOG ON CATALOG main TO alice;
GRANT USE SCHEMA ON SCHEMA main.hr TO alice;
GRANT SELECT ON TABLE main.hr.people TO alice;
GRANT SELECT ON TABLE main.hr.cities TO alice;
GRANT CREATE SCHEMA ON CATALOG main TO alice;
GRANT USE CATALOG ON CATALOG main TO carol;
GRANT USE SCHEMA ON SCHEMA main.hr TO carol;
GRANT SELECT ON TABLE main.hr.people TO carol;
";
