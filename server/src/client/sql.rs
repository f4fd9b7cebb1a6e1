//! `weir sql`: statements in, rows out, one after the other in one session.

use std::io::{IsTerminal, Read, Write};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::FlightInfo;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;

use super::arguments::{Format, SqlOptions};
use super::connection::{self, Certificates, Connection};
use super::output::{self, Output, Reader, Sink};
use super::{Failure, accounts, statements};
use crate::clock::{Clock, SystemClock};
use crate::config::{Secret, reason};

/// Runs the statements; stops at the first that fails.
pub(super) async fn run(options: SqlOptions) -> Result<(), Failure> {
    let statements = statements::split(&text(&options)?);
    if statements.is_empty() {
        return Err(Failure::said("there is no statement to run; see `weir sql --help`"));
    }
    let shape = match (options.profile, options.format) {
        (true, Format::Table) => Shape::Profile,
        (true, _) => return Err(Failure::said("--profile prints a text and takes no --format")),
        (false, format) => Shape::Rows(format),
    };
    let reader = if std::io::stdout().is_terminal() { Reader::Person } else { Reader::Program };
    if shape.is_binary() && reader == Reader::Person {
        return Err(Failure::said(
            "this format is binary: send the output to a file, as in `weir sql … > rows.parquet`",
        ));
    }
    let token = token(&options).await?;
    let own = options.cert.as_deref().zip(options.key.as_deref());
    let certificates = Certificates { ca: options.ca.as_deref(), own };
    let connection = connection::open(&options.url, token.as_ref(), certificates).await?;
    let sink = || -> Sink { Box::new(std::io::stdout()) };
    Session { connection, shape, reader, sink }.run(statements).await
}

/// What is printed of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Rows(Format),
    Profile,
}

impl Shape {
    fn is_binary(self) -> bool {
        matches!(self, Shape::Rows(Format::Arrow | Format::Parquet))
    }
}

/// Statements that run one after the other, with one current catalog and schema.
struct Session<S> {
    connection: Connection,
    shape: Shape,
    reader: Reader,
    sink: S,
}

impl<S: Fn() -> Sink> Session<S> {
    async fn run(&mut self, statements: Vec<String>) -> Result<(), Failure> {
        let mut results = 0_usize;
        for statement in statements {
            let statement = match self.shape {
                Shape::Profile => format!("EXPLAIN ANALYZE {statement}"),
                Shape::Rows(_) => statement,
            };
            let started = SystemClock.now();
            let mut prepared = self.connection.prepare(statement, None).await?;
            let schema = prepared.dataset_schema()?.clone();
            if schema.fields().is_empty() {
                let changed = prepared.execute_update().await?;
                tell_done(changed, started)?;
            } else {
                results += 1;
                if results > 1 && self.shape.is_binary() {
                    return Err(Failure::said(
                        "a file of this format holds the rows of one statement; these are two",
                    ));
                }
                let answer = prepared.execute().await?;
                let rows = self.write_rows(answer, schema).await?;
                if self.reader == Reader::Person {
                    tell_rows(rows, started)?;
                }
            }
            // the answer is there; a handle that cannot be closed expires by itself
            let _closed = prepared.close().await;
        }
        Ok(())
    }

    async fn write_rows(&mut self, answer: FlightInfo, schema: Schema) -> Result<u64, Failure> {
        let schema: SchemaRef = Arc::new(schema);
        let mut output: Box<dyn Output> = match self.shape {
            Shape::Profile => output::profile((self.sink)()),
            Shape::Rows(format) => output::of(format, &schema, (self.sink)(), self.reader)?,
        };
        let mut rows = 0;
        for endpoint in answer.endpoint {
            let ticket =
                endpoint.ticket.ok_or_else(|| Failure::said("the server's answer lacks a ticket"))?;
            let mut batches = self.connection.do_get(ticket).await?;
            while let Some(batch) = batches.try_next().await? {
                rows += batch.num_rows() as u64;
                output.write(&batch)?;
            }
        }
        output.finish()?;
        Ok(rows)
    }
}

/// The statements: given, in a file, or from standard input.
fn text(options: &SqlOptions) -> Result<String, Failure> {
    if let Some(sql) = &options.sql {
        return Ok(sql.clone());
    }
    if let Some(path) = &options.file {
        return std::fs::read_to_string(path)
            .map_err(|cause| Failure::said(format!("cannot read `{}`: {}", path.display(), reason(&cause))));
    }
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        writeln!(std::io::stderr(), "type the statements and end with Ctrl-D:")?;
    }
    let mut text = String::new();
    stdin
        .read_to_string(&mut text)
        .map_err(|cause| Failure::said(format!("cannot read standard input: {}", reason(&cause))))?;
    Ok(text)
}

/// The token to send; none where a certificate says who asks.
async fn token(options: &SqlOptions) -> Result<Option<Secret>, Failure> {
    match (&options.token, &options.as_user) {
        (Some(token), _) => Ok(Some(Secret::new(token.reveal().trim()))),
        (None, Some(user)) => Ok(Some(accounts::sign_for_a_call(user, &options.place).await?)),
        (None, None) if options.cert.is_some() => Ok(None),
        (None, None) => Err(Failure::said(
            "nobody is asking: name a user of a local server with --as USER, or give a token with --token or WEIR_TOKEN, or show a \
             certificate with --cert",
        )),
    }
}

fn tell_rows(rows: u64, started: DateTime<Utc>) -> Result<(), Failure> {
    let noun = if rows == 1 { "row" } else { "rows" };
    Ok(writeln!(std::io::stderr(), "{rows} {noun} in {}", elapsed(started))?)
}

fn tell_done(changed: i64, started: DateTime<Utc>) -> Result<(), Failure> {
    let mut stderr = std::io::stderr();
    let time = if stderr.is_terminal() { format!(" in {}", elapsed(started)) } else { String::new() };
    match changed {
        1 => writeln!(stderr, "done: 1 row{time}")?,
        rows if rows >= 0 => writeln!(stderr, "done: {rows} rows{time}")?,
        _ => writeln!(stderr, "done{time}")?,
    }
    Ok(())
}

fn elapsed(started: DateTime<Utc>) -> String {
    let millis = (SystemClock.now() - started).num_milliseconds().max(0);
    if millis < 1000 {
        format!("{millis} ms")
    } else {
        format!("{}.{:02} s", millis / 1000, millis % 1000 / 10)
    }
}

#[cfg(test)]
mod tests;
