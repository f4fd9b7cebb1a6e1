//! Bytes of which no driver thinks, for each place that reads bytes: the SQL front, tickets, descriptors, the handshake,
//! bodies of DoPut and of actions. Each target panics when the server breaks a promise; `fuzz/` runs them with a fuzzer,
//! and the tests with the corpus and with mutations of it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::sql::{
    CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementIngest, ProstMessageExt,
    TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use arrow_flight::{FlightData, FlightDescriptor, HandshakeRequest, Ticket};
use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};
use weir_server::session::SessionSettings;
use weir_server::sql;

use crate::client::{Client, messages};
use crate::runtime::{task, threads};
use crate::server::TestServer;

/// A place that reads bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Text of statements, queries, expressions and types.
    Sql,
    /// Tickets of DoGet.
    Ticket,
    /// Descriptors of GetFlightInfo, PollFlightInfo and GetSchema.
    Descriptor,
    /// The handshake's payload and the authorization header.
    Handshake,
    /// Descriptors, headers and bodies of DoPut.
    Put,
    /// Bodies of actions.
    Action,
}

/// A server that is attacked, and what alice has of it.
struct Attacked {
    runtime: tokio::runtime::Runtime,
    server: TestServer,
    prepared: Bytes,
    change: Bytes,
}

static ATTACKED: OnceLock<Attacked> = OnceLock::new();

impl Target {
    /// All of them.
    pub const ALL: [Target; 6] =
        [Target::Sql, Target::Ticket, Target::Descriptor, Target::Handshake, Target::Put, Target::Action];

    /// The folder of its corpus.
    pub fn corpus(self) -> PathBuf {
        let name = format!("{self:?}").to_lowercase();
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name)
    }

    /// Sends `bytes` there. Panics where the server panics, fails without a condition, or answers nobody any more.
    pub fn send(self, bytes: &[u8]) {
        if self == Target::Sql {
            return read(&String::from_utf8_lossy(bytes));
        }
        let attacked = ATTACKED.get_or_init(attacked);
        let bytes = Bytes::copy_from_slice(bytes);
        let sent = task_of(attacked, async move {
            let alice = attacked.server.client("alice");
            match self {
                Target::Sql => {}
                Target::Ticket => ticket(&alice, bytes).await,
                Target::Descriptor => descriptor(&alice, bytes).await,
                Target::Handshake => handshake(&attacked.server, bytes).await,
                Target::Put => put(&alice, attacked, bytes).await,
                Target::Action => action(&alice, &bytes).await,
            }
            assert_eq!(attacked.server.rows("alice", "SELECT 1").await, ["1"]);
        });
        if let Err(failure) = sent {
            std::panic::resume_unwind(failure.into_panic());
        }
    }
}

/// Runs `future` on the threads of the server, which live as long as the process.
fn task_of<F>(attacked: &Attacked, future: F) -> Result<(), tokio::task::JoinError>
where
    F: Future<Output = ()> + Send + 'static,
{
    attacked.runtime.block_on(async { task(future).await })
}

fn attacked() -> Attacked {
    let runtime = threads();
    let (server, prepared, change) = runtime.block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.t (id INT, name STRING);
                 INSERT INTO main.default.t VALUES (1, 'one');
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA, CREATE TABLE ON SCHEMA main.default TO alice;
                 GRANT SELECT, MODIFY ON TABLE main.default.t TO alice",
            )
            .await;
        let alice = server.client("alice");
        let query = "SELECT name FROM main.default.t WHERE id = ? OR name = ?";
        let prepared = alice.prepare(query).await.expect("a query").handle;
        let change = "DELETE FROM main.default.t WHERE id = ? AND name = ?";
        let change = alice.prepare(change).await.expect("a change").handle;
        (server, prepared, change)
    });
    Attacked { runtime, server, prepared, change }
}

/// Reads `text` in every way; whatever it is, it is a value or an error with a place in the table of conditions.
fn read(text: &str) {
    for double_quoted_identifiers in [false, true] {
        let session = SessionSettings { double_quoted_identifiers, ..SessionSettings::default() };
        check_error(sql::parse(text, &session).err());
    }
    check_error(sql::parse_query(text).err());
    check_error(sql::parse_expression(text).err());
    check_error(sql::types::parse(text).err());
}

fn check_error(error: Option<weir_server::Error>) {
    if let Some(error) = error {
        assert_ne!(error.condition(), weir_server::Condition::InternalError, "{error:?}");
    }
}

/// Honest refusals; anything else is a fault of the server.
fn check(status: &Status) {
    let faults = [Code::Internal, Code::Unknown, Code::DataLoss, Code::Unavailable];
    assert!(!faults.contains(&status.code()), "{status:?}");
}

async fn ticket(alice: &Client, bytes: Bytes) {
    match alice.raw().do_get(alice.request(Ticket { ticket: bytes })).await {
        Ok(answer) => {
            let mut rows = answer.into_inner();
            while let Some(message) = rows.message().await.transpose() {
                if let Err(status) = message {
                    return check(&status);
                }
            }
        }
        Err(status) => check(&status),
    }
}

async fn descriptor(alice: &Client, bytes: Bytes) {
    let bare = FlightDescriptor::new_cmd(bytes.clone());
    // reason: bytes that are no descriptor are sent as an empty one
    let whole = FlightDescriptor::decode(bytes).unwrap_or_default();
    for descriptor in [bare, whole] {
        let info = alice.raw().get_flight_info(alice.request(descriptor.clone())).await;
        let polled = alice.raw().poll_flight_info(alice.request(descriptor.clone())).await;
        let schema = alice.raw().get_schema(alice.request(descriptor)).await;
        let refusals = [info.err(), polled.err(), schema.err()];
        refusals.iter().flatten().for_each(check);
    }
}

async fn handshake(server: &TestServer, bytes: Bytes) {
    let stranger = server.anonymous();
    let header = tonic::metadata::MetadataValue::try_from(bytes.as_ref());
    for header in [None, header.ok()] {
        let message = HandshakeRequest { protocol_version: 0, payload: bytes.clone() };
        let mut request = tonic::Request::new(futures::stream::iter([message]));
        if let Some(header) = header {
            request.metadata_mut().insert("authorization", header);
        }
        match stranger.raw().handshake(request).await {
            Ok(_) => panic!("a stranger was let in with {bytes:?}"),
            Err(status) => check(&status),
        }
    }
}

/// The first byte says to which command the rest is sent, and the second where the header ends and the body begins.
async fn put(alice: &Client, attacked: &Attacked, bytes: Bytes) {
    let (kind, split) = (bytes.first().copied(), bytes.get(1).copied());
    let rest = bytes.slice(bytes.len().min(2)..);
    // reason: a message that ends early has an empty body
    let end = rest.len().min(usize::from(split.unwrap_or(0)));
    let mut sent = Vec::new();
    let descriptor = match kind.map(|kind| kind % 5) {
        Some(0) => {
            command(&CommandPreparedStatementQuery { prepared_statement_handle: attacked.prepared.clone() })
        }
        Some(1) => {
            command(&CommandPreparedStatementUpdate { prepared_statement_handle: attacked.change.clone() })
        }
        Some(kind @ (3 | 4)) => {
            sent = messages(&ingestion(kind == 4), &columns()).await;
            sent.truncate(1);
            FlightDescriptor::default()
        }
        _ => FlightDescriptor::new_cmd(rest.clone()),
    };
    let message = FlightData {
        flight_descriptor: Some(descriptor.clone()),
        data_header: rest.slice(..end),
        data_body: rest.slice(end..),
        app_metadata: Bytes::new(),
    };
    let again = FlightData { flight_descriptor: None, ..message.clone() };
    sent.extend([message, again]);
    let request = alice.request(futures::stream::iter(sent));
    match alice.raw().do_put(request).await {
        Ok(answer) => {
            let mut answers = answer.into_inner();
            while let Some(message) = answers.message().await.transpose() {
                if let Err(status) = message {
                    return check(&status);
                }
            }
        }
        Err(status) => check(&status),
    }
}

/// Rows for the table that is there, or for one that is made anew each time.
fn ingestion(replaces: bool) -> CommandStatementIngest {
    let (table, if_not_exist, if_exists) = match replaces {
        true => ("own", TableNotExistOption::Create, TableExistsOption::Replace),
        false => ("t", TableNotExistOption::Fail, TableExistsOption::Append),
    };
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: if_not_exist as i32,
            if_exists: if_exists as i32,
        }),
        table: table.to_owned(),
        ..CommandStatementIngest::default()
    }
}

/// The columns of the table that is there, and no rows.
fn columns() -> RecordBatch {
    let fields = vec![Field::new("id", DataType::Int32, true), Field::new("name", DataType::Utf8, true)];
    RecordBatch::new_empty(std::sync::Arc::new(Schema::new(fields)))
}

fn command(command: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

async fn action(alice: &Client, bytes: &Bytes) {
    let listed = alice.raw().list_actions(alice.request(arrow_flight::Empty::default())).await;
    let mut listed = listed.expect("a list of actions").into_inner();
    while let Some(kind) = listed.message().await.expect("the list's next action") {
        let action = arrow_flight::Action { r#type: kind.r#type, body: bytes.clone() };
        match alice.raw().do_action(alice.request(action)).await {
            Ok(answer) => {
                let mut results = answer.into_inner();
                while let Some(Err(status)) = results.message().await.transpose() {
                    check(&status);
                }
            }
            Err(status) => check(&status),
        }
    }
}
