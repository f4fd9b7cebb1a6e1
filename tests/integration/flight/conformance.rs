//! What drivers rely on and no other test of this folder shows; `docs/conformance.md` says where the rest stands.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, CommandGetTables, CommandPreparedStatementQuery,
    CommandStatementIngest, CommandStatementQuery, DoPutPreparedStatementResult, ProstMessageExt,
    TableDefinitionOptions,
};
use arrow_flight::{FlightData, FlightDescriptor, HandshakeRequest};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use futures::TryStreamExt;
use prost::Message;
use tonic::Code;
use weir_testkit::{ADMIN, Client, TestServer, block_on, messages, task};

const GROUND: &str = "
CREATE TABLE main.default.t (id INT NOT NULL COMMENT 'number', name STRING COMMENT 'of somebody', price DECIMAL(10,2), at TIMESTAMP);
INSERT INTO main.default.t VALUES (1, 'a', 1.50, NULL), (2, 'b', 2.50, NULL), (3, NULL, NULL, NULL);
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice";

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    server
}

fn query(sql: &str) -> CommandStatementQuery {
    CommandStatementQuery { query: sql.to_owned(), transaction_id: None }
}

fn values(column: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter([("", column)]).unwrap()
}

fn ints(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

/// What a login answers: its `authorization`, and its payload.
async fn login(client: &Client) -> (Option<String>, Bytes) {
    let hello = client.request(futures::stream::iter([HandshakeRequest::default()]));
    let answer = client.raw().handshake(hello).await.unwrap();
    let header = answer.metadata().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    (header, answer.into_inner().message().await.unwrap().unwrap().payload)
}

#[test]
fn a_token_is_a_login_as_a_bearer_and_as_a_password() {
    block_on(async {
        let server = ground().await;
        let token = server.token("alice");
        // JDBC and ODBC ask whether their token holds; nothing is handed out for it.
        assert_eq!(login(&server.client("alice")).await, (None, Bytes::new()));
        for form in [
            BASE64_STANDARD.encode(format!("token:{token}")),
            BASE64_STANDARD_NO_PAD.encode(format!("token:{token}")),
        ] {
            for scheme in ["Basic", "basic"] {
                let client = server.anonymous().with_header("authorization", format!("{scheme} {form}"));
                let (header, payload) = login(&client).await;
                assert_eq!((header, payload), (Some(format!("Bearer {token}")), Bytes::from(token.clone())));
            }
        }
    });
}

#[test]
fn headers_that_nobody_knows_are_passed_over() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice").with_header("foo", "bar").with_header("routing_tag", "x");
        assert_eq!(alice.statement("SELECT 1").await.unwrap().value(), "1");
        let named = server.client("alice").with_header("catalog", "main").with_header("schema", "default");
        assert_eq!(named.statement("SELECT count(*) FROM t").await.unwrap().value(), "3");
    });
}

#[test]
fn binding_gives_a_handle_and_values_may_come_after_the_ticket() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let prepared = alice.prepare("SELECT name FROM main.default.t WHERE id = ?").await.unwrap();
        let command = CommandPreparedStatementQuery { prepared_statement_handle: prepared.handle.clone() };
        let ticket = alice.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let answer = alice.put(messages(&command, &values(ints(&[2]))).await).await.unwrap();
        // Java takes the handle of the answer whatever it is.
        let handle = DoPutPreparedStatementResult::decode(answer).unwrap().prepared_statement_handle.unwrap();
        assert!(!handle.is_empty());
        assert_eq!(alice.fetch(ticket).await.unwrap().value(), "b");
        assert_eq!(alice.run(&handle).await.unwrap().value(), "b");
        assert_eq!(alice.run(&prepared.handle).await.unwrap().value(), "b");
        for _ in 0..2 {
            alice.close(&prepared.handle).await.unwrap();
        }
        alice.close(&Bytes::from_static(b"guess")).await.unwrap();
    });
}

#[test]
fn updates_come_with_nothing_but_a_descriptor_or_without_rows() {
    block_on(async {
        let server = ground().await;
        let admin = server.client(ADMIN);
        assert_eq!(admin.update("DELETE FROM main.default.t WHERE id < 3").await.unwrap(), 2);
        let prepared = admin.prepare("INSERT INTO main.default.t (id) VALUES (9)").await.unwrap();
        let nothing = RecordBatch::new_empty(Arc::new(Schema::empty()));
        assert_eq!(admin.run_update(&prepared.handle, Some(&nothing)).await.unwrap(), 1);
        let bound = admin.prepare("INSERT INTO main.default.t (id) VALUES (?)").await.unwrap();
        let none = values(ints(&[]));
        assert_eq!(admin.run_update(&bound.handle, Some(&none)).await.unwrap(), 0, "no values, no run");
        assert_eq!(admin.run_update(&bound.handle, Some(&values(ints(&[7, 8])))).await.unwrap(), 2);
        assert_eq!(server.rows("alice", "SELECT id FROM main.default.t").await, ["3", "7", "8", "9"]);
    });
}

#[test]
fn a_query_is_cancelled_by_its_older_action_too() {
    block_on(async {
        let server = ground().await;
        let (alice, bob) = (server.client("alice"), server.client("bob"));
        let many: Vec<String> = (0..300).map(|n| format!("({n})")).collect();
        let sql = format!(
            "SELECT a.c FROM (VALUES {v}) a(c), (VALUES {v}) b(c), (VALUES {v}) d(c)",
            v = many.join(", ")
        );
        let info = alice.info(&query(&sql)).await.unwrap();
        let mut rows = alice.open(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
        rows.try_next().await.unwrap().unwrap();
        let request = ActionCancelQueryRequest { info: info.encode_to_vec().into() }.as_any().encode_to_vec();
        assert_eq!(bob.act("CancelQuery", request.clone()).await.unwrap_err().code, Code::NotFound);
        let told = alice.act("CancelQuery", request.clone()).await.unwrap();
        let any = arrow_flight::sql::Any::decode(told[0].as_ref()).unwrap();
        let told: ActionCancelQueryResult = any.unpack().unwrap().unwrap();
        assert_eq!(told.result, 1, "cancelled");
        let end = async {
            loop {
                match rows.try_next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(weir_testkit::Refusal::from(error)),
                }
            }
        };
        assert_eq!(end.await.unwrap_err().code, Code::Cancelled);
    });
}

#[test]
fn listed_columns_carry_what_drivers_ask_and_results_carry_nothing() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let tables = CommandGetTables {
            table_name_filter_pattern: Some("t".to_owned()),
            include_schema: true,
            ..CommandGetTables::default()
        };
        let listed = alice.ask(&tables).await.unwrap();
        let bytes = listed.batches[0].column(4).as_binary::<i32>().value(0).to_vec();
        // An encapsulated message, with its continuation and its length.
        assert_eq!(bytes[..4], [0xff; 4]);
        let columns = arrow::ipc::convert::try_schema_from_ipc_buffer(&bytes).unwrap();
        let told = |column: &str, key: &str| {
            columns
                .field_with_name(column)
                .unwrap()
                .metadata()
                .get(&format!("ARROW:FLIGHT:SQL:{key}"))
                .cloned()
        };
        for (column, type_name, precision, scale, remarks) in [
            ("id", "INT", Some("10"), Some("0"), Some("number")),
            ("name", "STRING", None, None, Some("of somebody")),
            ("price", "DECIMAL", Some("10"), Some("2"), None),
        ] {
            let all =
                ["TYPE_NAME", "PRECISION", "SCALE", "REMARKS", "TABLE_NAME", "SCHEMA_NAME", "CATALOG_NAME"];
            let found = all.map(|key| told(column, key));
            let wanted =
                [Some(type_name), precision, scale, remarks, Some("t"), Some("default"), Some("main")];
            assert_eq!(found, wanted.map(|text| text.map(str::to_owned)), "{column}");
        }
        // JDBC would show a comment in the place of the column's name.
        let rows = alice.statement("SELECT * FROM main.default.t").await.unwrap();
        assert!(rows.schema.fields().iter().all(|field| field.metadata().is_empty()), "{:?}", rows.schema);
    });
}

#[test]
fn a_ticket_is_fetched_over_another_connection_of_the_same_user() {
    block_on(async {
        let server = ground().await;
        let info = server.client("alice").info(&query("SELECT count(*) FROM main.default.t")).await.unwrap();
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        assert_eq!(server.client("alice").fetch(ticket.clone()).await.unwrap().value(), "3");
        assert_eq!(server.client("bob").fetch(ticket).await.unwrap_err().code, Code::NotFound);
    });
}

#[test]
fn large_messages_come_in_and_large_values_go_out() {
    block_on(async {
        let server = ground().await;
        let admin = server.client(ADMIN);
        let text = "x".repeat(1024);
        let column: ArrayRef = Arc::new(StringArray::from_iter_values((0..10 * 1024).map(|_| text.as_str())));
        let sent = RecordBatch::try_from_iter([("t", column)]).unwrap();
        let command = CommandStatementIngest {
            table_definition_options: Some(TableDefinitionOptions { if_not_exist: 1, if_exists: 1 }),
            table: "large".to_owned(),
            catalog: Some("main".to_owned()),
            schema: Some("default".to_owned()),
            ..CommandStatementIngest::default()
        };
        // The schema, and one message of ten mebibytes, as the Go and Python clients send it.
        let columns = messages(&command, &RecordBatch::new_empty(sent.schema())).await.remove(0);
        let rows = one_message(&sent);
        assert!(rows.data_body.len() > 10 * 1024 * 1024);
        admin.put(vec![columns, rows]).await.unwrap();
        assert_eq!(
            server.rows(ADMIN, "SELECT count(*), max(length(t)) FROM main.default.large").await,
            ["10240 | 1024"]
        );
        // Many rows go in messages that every client takes; a value is not divided.
        let info = admin.info(&query("SELECT t FROM main.default.large")).await.unwrap();
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let answer = admin.raw().do_get(admin.request(ticket)).await.unwrap().into_inner();
        let sizes: Vec<usize> = answer.map_ok(|message| message.data_body.len()).try_collect().await.unwrap();
        assert!(sizes.iter().all(|size| *size < 4 * 1024 * 1024), "{sizes:?}");
        let long = "SELECT string_agg(t, '') AS v FROM (SELECT t FROM main.default.large LIMIT 3000)";
        assert_eq!(admin.statement(long).await.unwrap().value().len(), 3000 * 1024);
    });
}

/// All of `rows` as one message, which this client's encoder would divide.
fn one_message(rows: &RecordBatch) -> FlightData {
    let mut file = Vec::new();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut file, &rows.schema()).unwrap();
    writer.write(rows).unwrap();
    drop(writer);
    // Messages of a stream: a mark and a length before each header, and the body after it.
    let length = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let schema = length(&file, 4);
    let batch = &file[8 + schema..];
    let header = length(batch, 4);
    FlightData {
        data_header: Bytes::copy_from_slice(&batch[8..8 + header]),
        data_body: Bytes::copy_from_slice(&batch[8 + header..]),
        ..FlightData::default()
    }
}

#[test]
fn semicolons_comments_and_blanks_around_a_statement_are_passed_over() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        for sql in [
            "SELECT 1;;;",
            "  \n\t SELECT 1 ;  ",
            "-- first\n/* then */ SELECT 1 -- last",
            "SELECT 1; -- end",
        ] {
            assert_eq!(alice.statement(sql).await.unwrap().value(), "1", "{sql}");
            assert_eq!(alice.prepared(sql).await.unwrap().value(), "1", "{sql}");
            let command = FlightDescriptor::new_cmd(sql.as_bytes().to_vec());
            let bare = alice.raw().get_flight_info(alice.request(command)).await.unwrap();
            assert_eq!(bare.into_inner().endpoint.len(), 1, "{sql}");
        }
        let two = alice.statement("SELECT 1; SELECT 2").await.unwrap_err();
        assert_eq!(two.code, Code::InvalidArgument, "{two:?}");
    });
}

#[test]
fn each_kind_of_error_has_the_code_that_drivers_translate() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        for (sql, code) in [
            ("SELECT FROM WHERE", Code::InvalidArgument),
            ("SELECT nothing FROM main.default.t", Code::InvalidArgument),
            ("SELECT 1 / 0 AS q", Code::InvalidArgument),
            ("SELECT * FROM main.default.nowhere", Code::NotFound),
            ("INSERT INTO main.default.t (id) VALUES (1)", Code::PermissionDenied),
            ("CREATE TABLE main.default.u (id INT)", Code::PermissionDenied),
            ("TABLESAMPLE", Code::InvalidArgument),
        ] {
            let refusal = alice.statement(sql).await.unwrap_err();
            assert_eq!(refusal.code, code, "{sql}: {refusal:?}");
        }
        let twice = server.client(ADMIN).update("CREATE TABLE main.default.t (id INT)").await.unwrap_err();
        assert_eq!(twice.code, Code::AlreadyExists);
    });
}

#[test]
fn fifty_statements_run_over_one_channel() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let asked: Vec<_> = (0..50)
            .map(|number| {
                let alice = alice.clone();
                task(async move {
                    let sql = format!("SELECT {number} + count(*) AS n FROM main.default.t");
                    alice.statement(&sql).await.unwrap().value()
                })
            })
            .collect();
        for (number, told) in asked.into_iter().enumerate() {
            assert_eq!(told.await.unwrap(), (number + 3).to_string());
        }
    });
}
