//! The client against a small Flight SQL server: rows, counts, errors, and one session.

#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::Write;
use std::pin::Pin;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, Any, CommandPreparedStatementQuery, CommandPreparedStatementUpdate,
    ProstMessageExt, SqlInfo,
};
use arrow_flight::{Action, FlightDescriptor, FlightEndpoint, IpcMessage, SchemaAsIpc, Ticket};
use futures::{Stream, StreamExt};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::*;
use crate::error::{Condition, Error};

/// Answers `rows` with two rows, `fail …` with an error while running, and anything else with a
/// count; it keeps the last statement in a cookie and `last` tells it.
#[derive(Clone)]
struct Echo;

fn rows(name: &str) -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some(name), None]));
    let amounts: ArrayRef = Arc::new(Int64Array::from(vec![7, 1234]));
    RecordBatch::try_from_iter([("name", names), ("amount", amounts)]).unwrap()
}

fn refused(condition: Condition, text: &str) -> Status {
    Error::new(condition, text).into_status(None)
}

fn cookie<T>(request: &Request<T>) -> String {
    let cookie = request.metadata().get("cookie").and_then(|value| value.to_str().ok()).unwrap_or_default();
    cookie.trim_start_matches("last=").to_owned()
}

#[tonic::async_trait]
impl FlightSqlService for Echo {
    type FlightService = Self;

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        if request.metadata().get("authorization").unwrap() != "Bearer alices-token" {
            return Err(refused(Condition::Unauthenticated, "who is this?"));
        }
        if query.query.starts_with("wrong") {
            return Err(refused(Condition::ParseSyntaxError, "`wrong` is no statement"));
        }
        let has_rows = ["rows", "fail", "last", "EXPLAIN"].iter().any(|word| query.query.starts_with(word));
        let schema = if has_rows { rows("").schema() } else { Arc::new(Schema::empty()) };
        let IpcMessage(dataset_schema) = SchemaAsIpc::new(&schema, &IpcWriteOptions::default())
            .try_into()
            .map_err(|_| refused(Condition::InternalError, "schema"))?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: query.query.into(),
            dataset_schema,
            parameter_schema: Default::default(),
        })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = Ticket { ticket: query.as_any().encode_to_vec().into() };
        Ok(Response::new(FlightInfo::new().with_endpoint(FlightEndpoint::new().with_ticket(ticket))))
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let text = String::from_utf8_lossy(&query.prepared_statement_handle).into_owned();
        let batch = rows(if text == "last" { cookie(&request) } else { text.clone() }.as_str());
        let failure = text
            .starts_with("fail")
            .then(|| Err(refused(Condition::DivideByZero, "division by zero").into()));
        let batches = futures::stream::iter([Ok(batch)].into_iter().chain(failure));
        let stream = FlightDataEncoderBuilder::new().build(batches).map(|data| data.map_err(Status::from));
        Ok(Response::new(Box::pin(stream)))
    }

    async fn do_put_prepared_statement_update(
        &self,
        _query: CommandPreparedStatementUpdate,
        _request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Ok(3)
    }

    async fn do_action_close_prepared_statement(
        &self,
        _query: ActionClosePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    async fn do_get_fallback(
        &self,
        _request: Request<Ticket>,
        _message: Any,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let nothing: Pin<Box<dyn Stream<Item = Result<arrow_flight::FlightData, Status>> + Send>> =
            Box::pin(futures::stream::empty());
        Ok(Response::new(nothing))
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}

/// Collects what is written.
#[derive(Clone)]
struct Page(Arc<watch::Sender<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send_modify(|page| page.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn ask(text: &str, shape: Shape) -> (Result<(), Failure>, Vec<u8>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    let keep = tower::ServiceBuilder::new().map_response(|mut answer: http::Response<_>| {
        answer.headers_mut().insert("set-cookie", http::HeaderValue::from_static("last=kept; HttpOnly"));
        answer
    });
    let server = tonic::transport::Server::builder()
        .layer(keep)
        .add_service(FlightServiceServer::new(Echo))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let page = Page(Arc::new(watch::Sender::new(Vec::new())));
    let asked = async {
        let connection =
            connection::open(&url, Some(&Secret::new("alices-token")), Certificates::default()).await?;
        let sink = || -> Sink { Box::new(page.clone()) };
        Session { connection, shape, reader: Reader::Program, sink }.run(statements::split(text)).await
    };
    let result = tokio::select! {
        served = server => Err(Failure::Said(format!("the server ended: {served:?}"))),
        result = asked => result,
    };
    let written = page.0.borrow().clone();
    (result, written)
}

async fn text(sql: &str, shape: Shape) -> String {
    let (result, written) = ask(sql, shape).await;
    result.unwrap();
    String::from_utf8(written).unwrap()
}

#[tokio::test]
async fn rows_come_in_the_format_asked_for() {
    assert_eq!(text("rows", Shape::Rows(Format::Csv)).await, "name,amount\nrows,7\n,1234\n");
    let json = "{\"name\":\"rows\",\"amount\":7}\n{\"name\":null,\"amount\":1234}\n";
    assert_eq!(text("rows", Shape::Rows(Format::Json)).await, json);
    let table = "| name | amount |\n|------|--------|\n| rows |      7 |\n| NULL |   1234 |\n";
    assert_eq!(text("rows", Shape::Rows(Format::Table)).await, table);
    let (result, stream) = ask("rows", Shape::Rows(Format::Arrow)).await;
    result.unwrap();
    let mut read = arrow::ipc::reader::StreamReader::try_new(stream.as_slice(), None).unwrap();
    assert_eq!(read.next().unwrap().unwrap(), rows("rows"));
    let (result, file) = ask("rows", Shape::Rows(Format::Parquet)).await;
    result.unwrap();
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
}

#[tokio::test]
async fn statements_share_a_session() {
    let answer = text("use somewhere; last;", Shape::Rows(Format::Csv)).await;
    assert!(answer.contains("kept,7"), "{answer}");
}

#[tokio::test]
async fn profile_explains_and_prints_no_table() {
    assert_eq!(text("rows", Shape::Profile).await, "7\n1234\n");
}

#[tokio::test]
async fn errors_are_the_servers_sentences() {
    let (result, _) = ask("wrong; rows", Shape::Rows(Format::Csv)).await;
    assert_eq!(
        result.unwrap_err().to_string(),
        "error: [PARSE_SYNTAX_ERROR] `wrong` is no statement · SQLSTATE: 42601"
    );
    let (result, _) = ask("fail while running", Shape::Rows(Format::Table)).await;
    assert_eq!(result.unwrap_err().to_string(), "error: [DIVIDE_BY_ZERO] division by zero · SQLSTATE: 22012");
    let (result, _) = ask("rows; rows", Shape::Rows(Format::Parquet)).await;
    assert!(result.unwrap_err().to_string().contains("one statement"));
    let refused =
        connection::open("grpc://127.0.0.1:1", Some(&Secret::new("t")), Certificates::default()).await;
    let refused = refused.unwrap_err();

    assert!(refused.to_string().contains("nothing listens there"), "{refused}");
}
