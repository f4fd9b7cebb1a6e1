//! [`Client`]: a Flight SQL client with one method for each way in. It sends what drivers send
//! and hides nothing of what comes back.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::convert::try_schema_from_ipc_buffer;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, Any, CommandPreparedStatementQuery, CommandPreparedStatementUpdate,
    CommandStatementIngest, CommandStatementQuery, CommandStatementUpdate, DoPutPreparedStatementResult,
    DoPutUpdateResult, ProstMessageExt,
};
use arrow_flight::{Action, FlightData, FlightDescriptor, FlightInfo, PollInfo, SchemaResult, Ticket};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use prost::Message;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::rows::Rows;

/// Why the server did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// The text a user reads.
    pub text: String,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self { code: status.code(), text: status.message().to_owned() }
    }
}

impl From<FlightError> for Refusal {
    fn from(error: FlightError) -> Self {
        match error {
            FlightError::Tonic(status) => (*status).into(),
            other => panic!("the stream is not well formed: {other}"),
        }
    }
}

/// What came of a statement.
pub type Told<T> = Result<T, Refusal>;

/// A prepared statement.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The handle.
    pub handle: Bytes,
    /// The schema of the rows; `None` for an update.
    pub dataset_schema: Option<Schema>,
    /// One field for each parameter.
    pub parameter_schema: Schema,
}

/// A client of one server, with the headers of one caller.
#[derive(Debug, Clone)]
pub struct Client {
    inner: FlightServiceClient<Channel>,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    /// A client that presents nothing.
    pub fn anonymous(address: std::net::SocketAddr) -> Self {
        let channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
        Self::over(FlightServiceClient::new(channel))
    }

    /// A client that presents nothing, over a channel of its own kind.
    pub fn over(inner: FlightServiceClient<Channel>) -> Self {
        Self { inner: inner.max_decoding_message_size(64 * 1024 * 1024), headers: Vec::new() }
    }

    /// The same client with one header more.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same client with a bearer token.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        self.with_header("authorization", format!("Bearer {token}"))
    }

    /// The same client within the session that `cookie` keeps.
    #[must_use]
    pub fn with_cookie(self, cookie: &str) -> Self {
        let pair = cookie.split(';').next().unwrap_or_default().to_owned();
        self.with_header("cookie", pair)
    }

    /// A request with this caller's headers.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.headers {
            request.metadata_mut().append(*name, value.parse().expect("a header"));
        }
        request
    }

    /// The raw client, for calls of which no driver thinks.
    pub fn raw(&self) -> FlightServiceClient<Channel> {
        self.inner.clone()
    }

    /// GetFlightInfo of a command.
    pub async fn info(&self, command: &impl ProstMessageExt) -> Told<FlightInfo> {
        let request = self.request(descriptor(command));
        Ok(self.raw().get_flight_info(request).await?.into_inner())
    }

    /// GetSchema of a command.
    pub async fn schema(&self, command: &impl ProstMessageExt) -> Told<Schema> {
        let result: SchemaResult =
            self.raw().get_schema(self.request(descriptor(command))).await?.into_inner();
        Ok(try_schema_from_ipc_buffer(&result.schema).expect("a schema"))
    }

    /// PollFlightInfo of a descriptor, once.
    pub async fn poll(&self, descriptor: FlightDescriptor) -> Told<PollInfo> {
        Ok(self.raw().poll_flight_info(self.request(descriptor)).await?.into_inner())
    }

    /// PollFlightInfo of a command until there is nothing to poll again.
    pub async fn polled(&self, command: &impl ProstMessageExt) -> Told<FlightInfo> {
        let mut told = self.poll(descriptor(command)).await?;
        while let Some(again) = told.flight_descriptor.take() {
            told = self.poll(again).await?;
        }
        Ok(told.info.expect("an info"))
    }

    /// DoGet of a ticket.
    pub async fn fetch(&self, ticket: Ticket) -> Told<Rows> {
        let stream = self.open(ticket).await?;
        collected(stream).await
    }

    /// DoGet of a ticket, not read yet.
    pub async fn open(&self, ticket: Ticket) -> Told<FlightRecordBatchStream> {
        let response = self.raw().do_get(self.request(ticket)).await?;
        let messages = response.into_inner().map_err(|status| FlightError::Tonic(Box::new(status)));
        Ok(FlightRecordBatchStream::new_from_flight_data(messages))
    }

    /// GetFlightInfo and DoGet of a command.
    pub async fn ask(&self, command: &impl ProstMessageExt) -> Told<Rows> {
        let info = self.info(command).await?;
        self.fetch(only_ticket(&info)).await
    }

    /// A statement by GetFlightInfo and DoGet.
    pub async fn statement(&self, sql: &str) -> Told<Rows> {
        self.ask(&statement(sql)).await
    }

    /// A statement by DoPut; the number of rows, or -1.
    pub async fn update(&self, sql: &str) -> Told<i64> {
        let command = CommandStatementUpdate { query: sql.to_owned(), transaction_id: None };
        let first = FlightData { flight_descriptor: Some(descriptor(&command)), ..FlightData::default() };
        self.put_counted(vec![first]).await
    }

    /// Prepares a statement.
    pub async fn prepare(&self, sql: &str) -> Told<Prepared> {
        let request = ActionCreatePreparedStatementRequest { query: sql.to_owned(), transaction_id: None };
        let body = self.act("CreatePreparedStatement", request.as_any().encode_to_vec()).await?;
        let body = body.first().expect("one result");
        let any = Any::decode(body.as_ref()).expect("an envelope");
        let result: ActionCreatePreparedStatementResult =
            any.unpack().expect("readable").expect("a prepared statement");
        let schema = |bytes: &Bytes| try_schema_from_ipc_buffer(bytes).expect("a schema");
        Ok(Prepared {
            handle: result.prepared_statement_handle.clone(),
            dataset_schema: (!result.dataset_schema.is_empty()).then(|| schema(&result.dataset_schema)),
            parameter_schema: schema(&result.parameter_schema),
        })
    }

    /// The rows of a prepared statement.
    pub async fn run(&self, handle: &Bytes) -> Told<Rows> {
        self.ask(&CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() }).await
    }

    /// Binds values; the handle that holds them.
    pub async fn bind(&self, handle: &Bytes, values: &RecordBatch) -> Told<Bytes> {
        let command = CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() };
        let answer = self.put(encoded(descriptor(&command), values).await).await?;
        let result = DoPutPreparedStatementResult::decode(answer.as_ref()).expect("a bound handle");
        Ok(result.prepared_statement_handle.unwrap_or_else(|| handle.clone()))
    }

    /// A prepared update by DoPut, once for each row of values; without columns where there are none.
    pub async fn run_update(&self, handle: &Bytes, values: Option<&RecordBatch>) -> Told<i64> {
        let command = CommandPreparedStatementUpdate { prepared_statement_handle: handle.clone() };
        let nothing = RecordBatch::new_empty(Arc::new(Schema::empty()));
        let messages = encoded(descriptor(&command), values.unwrap_or(&nothing)).await;
        self.put_counted(messages).await
    }

    /// Closes a prepared statement.
    pub async fn close(&self, handle: &Bytes) -> Told<()> {
        let request = ActionClosePreparedStatementRequest { prepared_statement_handle: handle.clone() };
        self.act("ClosePreparedStatement", request.as_any().encode_to_vec()).await.map(drop)
    }

    /// Prepares, runs, closes: what the Python driver does for each statement.
    pub async fn prepared(&self, sql: &str) -> Told<Rows> {
        let prepared = self.prepare(sql).await?;
        let rows = self.run(&prepared.handle).await;
        self.close(&prepared.handle).await?;
        rows
    }

    /// Prepares, binds, runs, closes.
    pub async fn bound(&self, sql: &str, values: &RecordBatch) -> Told<Rows> {
        let prepared = self.prepare(sql).await?;
        let handle = self.bind(&prepared.handle, values).await?;
        let rows = self.run(&handle).await;
        self.close(&prepared.handle).await?;
        rows
    }

    /// An action; the bodies of its results.
    pub async fn act(&self, name: &str, body: Vec<u8>) -> Told<Vec<Bytes>> {
        let action = Action { r#type: name.to_owned(), body: body.into() };
        let results = self.raw().do_action(self.request(action)).await?.into_inner();
        Ok(results.map_ok(|result| result.body).try_collect().await?)
    }

    /// DoPut; the first answer.
    pub async fn put(&self, messages: Vec<FlightData>) -> Told<Bytes> {
        self.put_stream(futures::stream::iter(messages)).await
    }

    async fn put_stream(&self, messages: impl Stream<Item = FlightData> + Send + 'static) -> Told<Bytes> {
        let request = self.request(messages);
        let mut answers = self.raw().do_put(request).await?.into_inner();
        let first = answers.message().await?.expect("an answer to DoPut");
        while answers.message().await?.is_some() {}
        Ok(first.app_metadata)
    }

    /// Bulk ingestion: rows with these columns into a table; their number.
    pub async fn ingest(
        &self,
        command: &CommandStatementIngest,
        columns: &SchemaRef,
        rows: Vec<RecordBatch>,
    ) -> Told<i64> {
        self.ingest_stream(command, columns, futures::stream::iter(rows)).await
    }

    /// As [`ingest`](Self::ingest), of rows that come bit by bit.
    pub async fn ingest_stream(
        &self,
        command: &CommandStatementIngest,
        columns: &SchemaRef,
        rows: impl Stream<Item = RecordBatch> + Send + 'static,
    ) -> Told<i64> {
        let messages = FlightDataEncoderBuilder::new()
            .with_schema(Arc::clone(columns))
            .with_dictionary_handling(DictionaryHandling::Resend)
            .with_flight_descriptor(Some(descriptor(command)))
            .build(rows.map(Ok))
            .map(|message| message.expect("rows that can be sent"));
        Ok(count_of(&self.put_stream(messages).await?))
    }

    async fn put_counted(&self, messages: Vec<FlightData>) -> Told<i64> {
        Ok(count_of(&self.put(messages).await?))
    }
}

fn count_of(answer: &Bytes) -> i64 {
    DoPutUpdateResult::decode(answer.as_ref()).expect("a count").record_count
}

/// The command of a statement.
pub(crate) fn statement(sql: &str) -> CommandStatementQuery {
    CommandStatementQuery { query: sql.to_owned(), transaction_id: None }
}

/// The ticket of the only endpoint.
pub(crate) fn only_ticket(info: &FlightInfo) -> Ticket {
    match info.endpoint.as_slice() {
        [endpoint] => endpoint.ticket.clone().expect("a ticket"),
        endpoints => panic!("one endpoint was expected, not {}", endpoints.len()),
    }
}

/// The descriptor of a command.
pub fn descriptor(command: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

/// What a driver sends for a command with rows.
pub async fn messages(command: &impl ProstMessageExt, rows: &RecordBatch) -> Vec<FlightData> {
    encoded(descriptor(command), rows).await
}

async fn encoded(descriptor: FlightDescriptor, values: &RecordBatch) -> Vec<FlightData> {
    let batch = values.clone();
    FlightDataEncoderBuilder::new()
        .with_schema(values.schema())
        .with_flight_descriptor(Some(descriptor))
        .build(futures::stream::iter([Ok(batch)]))
        .try_collect()
        .await
        .expect("values that can be sent")
}

async fn collected(mut stream: FlightRecordBatchStream) -> Told<Rows> {
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    let schema: SchemaRef = stream.schema().cloned().expect("a stream begins with its schema");
    Ok(Rows { schema, batches })
}
