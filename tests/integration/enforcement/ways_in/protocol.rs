//! An attack for each call, command and action of the protocol.

use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    CommandPreparedStatementQuery, CommandStatementIngest, CommandStatementQuery,
    CommandStatementSubstraitPlan, CommandStatementUpdate, ProstMessageExt, TableDefinitionOptions,
};
use arrow_flight::{
    CancelFlightInfoRequest, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    RenewFlightEndpointRequest,
};
use prost::Message;
use tonic::Code;
use weir_server::ways_in::WayIn;
use weir_testkit::{Client, Refusal, Way};

use super::super::{METADATA, People, canary_in, metadata_answer, text_of};

/// The sets whose ways are tried here.
pub(super) const SETS: [&str; 4] = ["call", "flight command", "metadata", "action"];

/// Shows carol all that alice must not see.
const ALL: &str = "SELECT * FROM main.hr.people";

/// What of carol's alice gets her hands on.
struct Stolen {
    info: FlightInfo,
    handle: bytes::Bytes,
}

/// What alice is told by one way in, and whether it is what an honest server tells.
pub(super) async fn breaches(people: &People, way: WayIn) -> Vec<String> {
    let (alice, carol) = (people.client("alice"), people.client("carol"));
    let shown = text_of(&carol.statement(ALL).await);
    assert!(canary_in(&shown, "").is_some(), "carol sees no canary: {shown}");
    let stolen = Stolen {
        info: carol.info(&query(ALL)).await.unwrap(),
        handle: carol.prepare(ALL).await.unwrap().handle,
    };
    let told = match way.set {
        "call" => call(people, &alice, &stolen, way.name).await,
        "flight command" => command(&alice, way.name).await,
        "metadata" => metadata_answer(&alice, way.name).await.map(|told| vec![told]),
        "action" => action(&alice, &stolen, way.name).await,
        _ => None,
    };
    let Some(told) = told else { return vec![format!("no attack is run through {way:?}")] };
    let mut breaches: Vec<String> = told
        .iter()
        .filter_map(|told| canary_in(told, "").map(|canary| format!("{way:?}: {canary} in {told}")))
        .collect();
    // Nothing that alice did ended what is carol's.
    if carol.run(&stolen.handle).await.is_err() {
        breaches.push(format!("{way:?} ended carol's prepared statement"));
    }
    breaches
}

fn query(sql: &str) -> CommandStatementQuery {
    CommandStatementQuery { query: sql.to_owned(), transaction_id: None }
}

fn descriptor(command: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

/// Refused in one of these codes; else what came is a breach in words.
fn refusal<T: std::fmt::Debug>(told: Result<T, tonic::Status>, codes: &[Code]) -> String {
    match told {
        Err(status) if codes.contains(&status.code()) => status.message().to_owned(),
        other => format!("CANARY: not refused: {other:?}"),
    }
}

const NOT_THERE: [Code; 1] = [Code::Unimplemented];
const NOT_YOURS: [Code; 4] =
    [Code::PermissionDenied, Code::NotFound, Code::Unauthenticated, Code::InvalidArgument];

async fn call(people: &People, alice: &Client, stolen: &Stolen, name: &str) -> Option<Vec<String>> {
    let told = match name {
        "Handshake" => {
            let mut stranger = people.server.anonymous().raw();
            let mut messages = Vec::new();
            for payload in [b"carol".as_slice(), b"", b"carol:"] {
                let request =
                    HandshakeRequest { protocol_version: 0, payload: bytes::Bytes::copy_from_slice(payload) };
                let mut request = tonic::Request::new(futures::stream::iter([request]));
                request.metadata_mut().insert("authorization", "Basic Y2Fyb2w6".parse().unwrap());
                messages.push(refusal(stranger.handshake(request).await, &NOT_YOURS));
            }
            messages
        }
        "ListFlights" => {
            let mut listed =
                alice.raw().list_flights(alice.request(Criteria::default())).await.unwrap().into_inner();
            vec![format!("{:?}", listed.message().await.unwrap())]
        }
        "GetFlightInfo" => {
            let info = alice.info(&query(ALL)).await.unwrap();
            // How much there is, hidden rows among it, is nobody's to know before it is read.
            let totals = (info.total_records, info.total_bytes);
            vec![
                format!("{info:?}"),
                if totals == (-1, -1) { String::new() } else { format!("CANARY: {totals:?}") },
            ]
        }
        "PollFlightInfo" => vec![text_of(&Way::Polled.ask(alice, ALL).await)],
        "GetSchema" => vec![format!("{:?}", alice.schema(&query(ALL)).await)],
        "DoGet" => {
            let ticket = stolen.info.endpoint[0].ticket.clone().unwrap();
            let refused = refusal(alice.raw().do_get(alice.request(ticket.clone())).await, &NOT_YOURS);
            let nobody = people.server.anonymous();
            vec![refused, refusal(nobody.raw().do_get(nobody.request(ticket)).await, &NOT_YOURS)]
        }
        "DoPut" => {
            let update = CommandStatementUpdate { query: ALL.to_owned(), transaction_id: None };
            let put = FlightData::new().with_descriptor(descriptor(&update));
            vec![format!("{:?}", alice.put(vec![put]).await)]
        }
        "DoExchange" => {
            let message = FlightData::new().with_descriptor(descriptor(&query(ALL)));
            let request = alice.request(futures::stream::iter([message]));
            vec![refusal(alice.raw().do_exchange(request).await, &NOT_THERE)]
        }
        "DoAction" => vec![refused_action(alice.act("NoSuchAction", ALL.into()).await)],
        "ListActions" => {
            let mut listed =
                alice.raw().list_actions(alice.request(Empty::default())).await.unwrap().into_inner();
            let mut names = Vec::new();
            while let Some(action) = listed.message().await.unwrap() {
                names.push(format!("{action:?}"));
            }
            names
        }
        _ => return None,
    };
    Some(told)
}

async fn command(alice: &Client, name: &str) -> Option<Vec<String>> {
    let told = match name {
        "Statement" => vec![text_of(&alice.statement(ALL).await)],
        "Update" => vec![format!("{:?}", alice.update(ALL).await)],
        "PreparedQuery" => vec![text_of(&alice.prepared(ALL).await), text_of(&bound(alice).await)],
        "PreparedUpdate" => {
            let sql = "DELETE FROM main.hr.people WHERE ssn = 'x' OR 1 / (secret - 5) > 7";
            let prepared = alice.prepare(sql).await.unwrap();
            vec![format!("{:?}", alice.run_update(&prepared.handle, None).await)]
        }
        "Metadata" => {
            let mut told = Vec::new();
            for name in METADATA {
                told.extend(metadata_answer(alice, name).await);
            }
            told
        }
        "Ingest" => ingested(alice).await,
        "Refused" => {
            let plan = CommandStatementSubstraitPlan::default();
            let put = FlightData::new().with_descriptor(descriptor(&plan));
            let told = alice.put(vec![put]).await;
            vec![match told {
                Err(Refusal { code: Code::Unimplemented, text }) => text,
                other => format!("CANARY: not refused: {other:?}"),
            }]
        }
        _ => return None,
    };
    Some(told)
}

/// Rows for a table that she may read in part and not write, by each mode: what is said of it tells nothing of its rows, and
/// none comes in.
async fn ingested(alice: &Client) -> Vec<String> {
    let value: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::Int32Array::from(vec![77_700]));
    let rows = arrow::array::RecordBatch::try_from_iter([("id", value)]).unwrap();
    let mut told = Vec::new();
    for (if_not_exist, if_exists) in [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3)] {
        let ingest = CommandStatementIngest {
            table_definition_options: Some(TableDefinitionOptions { if_not_exist, if_exists }),
            table: "people".to_owned(),
            schema: Some("hr".to_owned()),
            catalog: Some("main".to_owned()),
            ..CommandStatementIngest::default()
        };
        told.push(match alice.ingest(&ingest, &rows.schema(), vec![rows.clone()]).await {
            Err(refusal) => refusal.text,
            Ok(rows) => format!("CANARY: {rows} rows were taken"),
        });
    }
    told
}

/// A prepared statement with a value for its parameter.
async fn bound(alice: &Client) -> weir_testkit::Told<weir_testkit::Rows> {
    let value: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::Int32Array::from(vec![77_700]));
    let values = arrow::array::RecordBatch::try_from_iter([("1", value)]).unwrap();
    alice.bound("SELECT * FROM main.hr.people WHERE id = ? OR 1 / (secret - 5) > 7", &values).await
}

async fn action(alice: &Client, stolen: &Stolen, name: &str) -> Option<Vec<String>> {
    let told = match name {
        "CreatePreparedStatement" => {
            let request =
                ActionCreatePreparedStatementRequest { query: ALL.to_owned(), transaction_id: None };
            let answer = alice.act(name, request.as_any().encode_to_vec()).await.unwrap();
            answer.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
        }
        "ClosePreparedStatement" => {
            let request =
                ActionClosePreparedStatementRequest { prepared_statement_handle: stolen.handle.clone() };
            let closed = alice.act(name, request.as_any().encode_to_vec()).await;
            let run = CommandPreparedStatementQuery { prepared_statement_handle: stolen.handle.clone() };
            let used = alice.info(&run).await;
            vec![format!("{closed:?}"), refused_action(used.map(|info| vec![info.app_metadata]))]
        }
        "CancelQuery" => {
            let request = ActionCancelQueryRequest { info: stolen.info.encode_to_vec().into() };
            vec![refused_action(alice.act(name, request.as_any().encode_to_vec()).await)]
        }
        "CancelFlightInfo" => {
            let request = CancelFlightInfoRequest { info: Some(stolen.info.clone()) };
            vec![refused_action(alice.act(name, request.encode_to_vec()).await)]
        }
        "RenewFlightEndpoint" => {
            let request = RenewFlightEndpointRequest { endpoint: stolen.info.endpoint.first().cloned() };
            vec![refused_action(alice.act(name, request.encode_to_vec()).await)]
        }
        // A session's cookie is sealed for its owner; without one there is nothing of anybody's.
        "SetSessionOptions" | "GetSessionOptions" | "CloseSession" => {
            vec![format!("{:?}", alice.act(name, Vec::new()).await)]
        }
        "BeginTransaction"
        | "EndTransaction"
        | "BeginSavepoint"
        | "EndSavepoint"
        | "CreatePreparedSubstraitPlan" => {
            vec![match alice.act(name, ALL.into()).await {
                Err(Refusal { code: Code::Unimplemented, text }) => text,
                other => format!("CANARY: not refused: {other:?}"),
            }]
        }
        _ => return None,
    };
    Some(told)
}

fn refused_action(told: weir_testkit::Told<Vec<bytes::Bytes>>) -> String {
    match told {
        Err(refusal) => refusal.text,
        Ok(answer) => format!("CANARY: not refused: {answer:?}"),
    }
}
