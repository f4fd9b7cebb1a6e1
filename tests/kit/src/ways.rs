//! [`Way`]: each way in by which rows can be had, so that a promise is tested through all.

use arrow::array::RecordBatch;
use arrow_flight::sql::CommandPreparedStatementQuery;

use crate::client::{Client, Told, only_ticket, statement};
use crate::rows::Rows;

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// GetFlightInfo and DoGet of the text.
    Statement,
    /// Prepare, GetFlightInfo and DoGet of the handle.
    Prepared,
    /// PollFlightInfo and DoGet of the text.
    Polled,
    /// Prepare, GetFlightInfo, bind no values, DoGet of the first ticket.
    TicketFirst,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 4] = [Way::Statement, Way::Prepared, Way::Polled, Way::TicketFirst];

    /// Asks `sql` this way.
    pub async fn ask(self, client: &Client, sql: &str) -> Told<Rows> {
        match self {
            Way::Statement => client.statement(sql).await,
            Way::Prepared => client.prepared(sql).await,
            Way::Polled => {
                let info = client.polled(&statement(sql)).await?;
                client.fetch(only_ticket(&info)).await
            }
            Way::TicketFirst => {
                let prepared = client.prepare(sql).await?;
                let command =
                    CommandPreparedStatementQuery { prepared_statement_handle: prepared.handle.clone() };
                let info = client.info(&command).await?;
                let nothing = RecordBatch::new_empty(arrow::datatypes::Schema::empty().into());
                client.bind(&prepared.handle, &nothing).await?;
                client.fetch(only_ticket(&info)).await
            }
        }
    }
}
