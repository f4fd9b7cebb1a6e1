//! A user of the sample warehouse at the Flight SQL door, with a token, as any client comes.

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;

use super::layout::Cells;
use crate::client::Failure;
use crate::client::connection::{self, Certificates, Connection};
use crate::config::Secret;

/// Somebody connected.
pub(super) struct Visitor {
    pub(super) name: &'static str,
    connection: Connection,
}

impl Visitor {
    /// Connects as the holder of `token`.
    pub(super) async fn enter(url: &str, name: &'static str, token: &Secret) -> Result<Self, Failure> {
        Ok(Self { name, connection: connection::open(url, Some(token), Certificates::default()).await? })
    }

    /// Runs a statement that returns no rows.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<(), Failure> {
        self.connection.execute_update(sql.to_owned(), None).await?;
        Ok(())
    }

    /// Runs a query; all of its rows as text.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Cells, Failure> {
        let info = self.connection.execute(sql.to_owned(), None).await?;
        let schema = info.clone().try_decode_schema()?;
        let mut batches = Vec::new();
        for endpoint in info.endpoint {
            let ticket =
                endpoint.ticket.ok_or_else(|| Failure::said("the server's answer lacks a ticket"))?;
            let stream = self.connection.do_get(ticket).await?;
            batches.extend(stream.try_collect::<Vec<_>>().await?);
        }
        cells(&schema, &batches)
    }
}

fn cells(schema: &Schema, batches: &[RecordBatch]) -> Result<Cells, Failure> {
    let options = FormatOptions::new().with_null("NULL");
    let mut cells = Cells {
        header: schema.fields().iter().map(|field| field.name().clone()).collect(),
        numeric: schema.fields().iter().map(|field| field.data_type().is_numeric()).collect(),
        rows: Vec::new(),
    };
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect();
        cells.rows.extend((0..batch.num_rows()).map(row));
    }
    Ok(cells)
}
