//! [`Script`]: SQL logic tests, run as named users over the real door.
//!
//! ```text
//! user alice                     who asks from here on
//! way prepared                   statement (as at the beginning) or prepared
//!
//! statement ok
//! CREATE SCHEMA main.s
//!
//! statement error SCHEMA_ALREADY_EXISTS
//! CREATE SCHEMA main.s
//!
//! query                          rows as a multiset; `query ordered` compares the order too
//! SELECT 1, 'a'
//! ----
//! 1 | a
//! ```
//!
//! Records end with an empty line; a line that begins with `#` is a comment. Every record is
//! tried; all that differ are told, each with its line.

use std::path::Path;

use crate::client::{Client, Told};
use crate::rows::Rows;
use crate::server::{ADMIN, TestServer};

/// A file of records.
#[derive(Debug)]
pub struct Script {
    name: String,
    records: Vec<Record>,
}

#[derive(Debug)]
struct Record {
    line: usize,
    head: Vec<String>,
    sql: String,
    expected: Vec<String>,
}

impl Script {
    /// Reads a file.
    pub fn read(path: &Path) -> Self {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut records = Vec::new();
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')).peekable();
        while let Some((number, head)) = lines.next() {
            if head.trim().is_empty() {
                continue;
            }
            let mut body = Vec::new();
            while let Some((_, line)) = lines.next_if(|(_, line)| !line.trim().is_empty()) {
                body.push(line.to_owned());
            }
            let rule = body.iter().position(|line| line == "----");
            let expected = rule.map(|place| body.split_off(place)).unwrap_or_default();
            records.push(Record {
                line: number + 1,
                head: head.split_whitespace().map(str::to_owned).collect(),
                sql: body.join("\n"),
                expected: expected.into_iter().skip(1).collect(),
            });
        }
        assert!(!records.is_empty(), "{name} holds no record");
        Self { name, records }
    }

    /// Runs it; panics with everything that differs.
    pub async fn run(&self, server: &TestServer) {
        let mut user = ADMIN.to_owned();
        let mut prepared = false;
        let mut breaches = Vec::new();
        for record in &self.records {
            let head: Vec<&str> = record.head.iter().map(String::as_str).collect();
            match head.as_slice() {
                ["user", name] => user = (*name).to_owned(),
                ["way", "prepared"] => prepared = true,
                ["way", "statement"] => prepared = false,
                rest => {
                    let client = server.client(&user);
                    let told = ask(&client, &record.sql, prepared).await;
                    if let Some(breach) = record.breach(rest, &told) {
                        let Self { name, .. } = self;
                        breaches
                            .push(format!("{name}:{} as {user}: {}\n    {breach}", record.line, record.sql));
                    }
                }
            }
        }
        assert!(breaches.is_empty(), "{} records differ\n\n{}\n", breaches.len(), breaches.join("\n\n"));
    }
}

async fn ask(client: &Client, sql: &str, prepared: bool) -> Told<Rows> {
    if prepared { client.prepared(sql).await } else { client.statement(sql).await }
}

impl Record {
    /// What differs.
    fn breach(&self, head: &[&str], told: &Told<Rows>) -> Option<String> {
        match (head, told) {
            (["statement", "ok"], Ok(_)) => None,
            (["statement", "ok"] | ["query", ..], Err(refusal)) => Some(format!("refused: {}", refusal.text)),
            (["statement", "error", condition, words @ ..], Err(refusal)) => {
                let words = words.join(" ");
                let named = refusal.text.starts_with(&format!("[{condition}]"));
                (!named || !refusal.text.contains(&words))
                    .then(|| format!("refused otherwise: {}", refusal.text))
            }
            (["statement", "error", ..], Ok(rows)) => Some(format!("answered: {:?}", rows.lines())),
            (["query"], Ok(rows)) => {
                let mut expected = self.expected.clone();
                expected.sort();
                differs(&expected, &rows.sorted())
            }
            (["query", "ordered"], Ok(rows)) => differs(&self.expected, &rows.lines()),
            (head, _) => panic!("line {}: `{}` is no record", self.line, head.join(" ")),
        }
    }
}

fn differs(expected: &[String], found: &[String]) -> Option<String> {
    // a value of several lines stands in several lines
    let trimmed = |lines: &[String]| -> Vec<String> {
        lines.iter().flat_map(|line| line.lines()).map(|line| line.trim_end().to_owned()).collect()
    };
    let (expected, found) = (trimmed(expected), trimmed(found));
    (expected != found).then(|| {
        format!(
            "expected:\n      {}\n    found:\n      {}",
            expected.join("\n      "),
            found.join("\n      ")
        )
    })
}
