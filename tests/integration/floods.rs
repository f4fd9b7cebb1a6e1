//! What one caller, or nobody, could make the server spend: messages that say more than was sent, bodies before anybody is
//! verified, the same thing asked for a thousand times.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int32Array, Int64Array, LargeListArray, NullArray, RecordBatch,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int8Type, Schema};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
use arrow_flight::sql::{
    CommandGetSqlInfo, CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementIngest,
    CommandStatementQuery, ProstMessageExt, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use arrow_flight::utils::batches_to_flight_data;
use arrow_flight::{FlightData, FlightDescriptor, FlightInfo};
use futures::TryStreamExt;
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;
use weir_testkit::{ADMIN, Client, TestServer, block_on, descriptor};

/// Far more rows than the machine has room for.
const ABSURD: usize = 1 << 46;

fn one_column(column: ArrayRef) -> RecordBatch {
    let field = Field::new("v", column.data_type().clone(), true);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap()
}

fn query(handle: &bytes::Bytes) -> CommandPreparedStatementQuery {
    CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() }
}

fn change(handle: &bytes::Bytes) -> CommandPreparedStatementUpdate {
    CommandPreparedStatementUpdate { prepared_statement_handle: handle.clone() }
}

fn into_table() -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Fail as i32,
            if_exists: TableExistsOption::Append as i32,
        }),
        table: "t".to_owned(),
        schema: Some("default".to_owned()),
        catalog: Some("main".to_owned()),
        ..CommandStatementIngest::default()
    }
}

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare("CREATE TABLE main.default.t (v BIGINT, w STRING)").await;
    server
}

/// Rows as messages, of types that clients' own ways to encode them would change.
fn as_they_are(told: FlightDescriptor, rows: &RecordBatch) -> Vec<FlightData> {
    let mut sent = batches_to_flight_data(&rows.schema(), vec![rows.clone()]).unwrap();
    sent.first_mut().unwrap().flight_descriptor = Some(told);
    sent
}

/// What is refused as rows that were not sent, and the server goes on.
async fn assert_refused(client: &Client, sent: Vec<FlightData>) {
    let refusal = client.put(sent).await.expect_err("far more than was sent");
    assert_eq!(refusal.code, Code::InvalidArgument, "{refusal:?}");
    assert!(refusal.text.contains("far larger than what was sent of it"), "{refusal:?}");
    assert_eq!(client.statement("SELECT 1").await.unwrap().value(), "1");
}

#[test]
fn a_column_of_more_rows_than_were_sent_is_refused_before_it_takes_room() {
    block_on(async {
        let server = ground().await;
        let client = server.client(ADMIN);
        let asked = client.prepare("SELECT ? + 1").await.unwrap().handle;
        let changed = client.prepare("INSERT INTO main.default.t (v) VALUES (?)").await.unwrap().handle;
        let nothing: ArrayRef = Arc::new(NullArray::new(ABSURD));
        let element = Arc::new(Field::new_list_field(DataType::Null, true));
        let offsets = OffsetBuffer::new(vec![0, ABSURD as i64].into());
        let within: ArrayRef = Arc::new(LargeListArray::new(element, offsets, Arc::clone(&nothing), None));
        for column in [nothing, within] {
            let rows = one_column(column);
            for told in [descriptor(&query(&asked)), descriptor(&change(&changed)), descriptor(&into_table())]
            {
                assert_refused(&client, as_they_are(told, &rows)).await;
            }
        }
        // So many could be sent, and still are more than a handle holds.
        let many = one_column(Arc::new(NullArray::new(1 << 20)));
        let refusal = client.bind(&asked, &many).await.unwrap_err();
        assert_eq!(refusal.code, Code::ResourceExhausted, "{refusal:?}");
        let untyped = client.prepare("SELECT ? IS NULL").await.unwrap().handle;
        let twice = FlightDataEncoderBuilder::new()
            .with_schema(many.schema())
            .with_flight_descriptor(Some(descriptor(&query(&untyped))))
            .build(futures::stream::iter([Ok(many.clone()), Ok(many)]));
        let refusal = client.put(twice.try_collect().await.unwrap()).await.unwrap_err();
        assert_eq!(refusal.code, Code::ResourceExhausted, "{refusal:?}");
        assert_eq!(server.rows(ADMIN, "SELECT count(*) AS c FROM main.default.t").await, ["0"]);
    });
}

#[test]
fn rows_of_one_long_batch_arrive_whole_and_in_their_order() {
    block_on(async {
        let server = ground().await;
        let client = server.client(ADMIN);
        let rows = one_column(Arc::new(Int32Array::from_iter_values(0..20_000)));
        let schema = rows.schema();
        assert_eq!(client.ingest(&into_table(), &schema, vec![rows.clone()]).await.unwrap(), 20_000);
        let told = "SELECT count(*) AS c, min(v) AS least, max(v) AS most, count(DISTINCT v) AS all_of_them FROM main.default.t";
        assert_eq!(server.rows(ADMIN, told).await, ["20000 | 0 | 19999 | 20000"]);
        let bound = client.bound("SELECT CAST(? AS INT) AS v", &rows).await.unwrap().lines();
        assert_eq!(bound.len(), 20_000);
        assert_eq!((bound[0].as_str(), bound[8192].as_str(), bound[19_999].as_str()), ("0", "8192", "19999"));
    });
}

#[test]
fn an_error_in_a_later_part_of_a_batch_tells_for_how_many_rows_the_statement_ran() {
    block_on(async {
        let server = ground().await;
        let client = server.client(ADMIN);
        let handle = client.prepare("SELECT 1 / CAST(? AS BIGINT)").await.unwrap().handle;
        let mut values = vec![1_i64; 8195];
        values[8193] = 0;
        let rows = one_column(Arc::new(Int64Array::from(values)));
        let refusal = client.run_update(&handle, Some(&rows)).await.unwrap_err();
        assert!(refusal.text.contains("first 8193 rows of values"), "{refusal:?}");
    });
}

/// What is sent for a batch whose buffers are compressed.
async fn compressed(
    command: &impl ProstMessageExt,
    rows: &RecordBatch,
    kind: CompressionType,
) -> Vec<FlightData> {
    let options = IpcWriteOptions::default().try_with_compression(Some(kind)).unwrap();
    FlightDataEncoderBuilder::new()
        .with_options(options)
        .with_schema(rows.schema())
        .with_flight_descriptor(Some(descriptor(command)))
        .build(futures::stream::iter([Ok(rows.clone())]))
        .try_collect()
        .await
        .unwrap()
}

#[test]
fn a_compressed_buffer_that_says_more_than_it_is_is_refused() {
    block_on(async {
        let server = ground().await;
        let client = server.client(ADMIN);
        let rows = one_column(Arc::new(Int64Array::from(vec![7; 1000])));
        let honest = compressed(&into_table(), &rows, CompressionType::ZSTD).await;
        client.put(honest.clone()).await.unwrap();
        for said in [1_i64 << 48, i64::MAX, i64::MIN, -2] {
            let mut lying = honest.clone();
            let body = &mut lying.last_mut().unwrap().data_body;
            // The column has no NULL, and so one buffer that is not empty; it begins with what it says of its length.
            let at = body.windows(8).position(|bytes| bytes == 8000_i64.to_le_bytes()).unwrap();
            let mut bytes = body.to_vec();
            bytes[at..at + 8].copy_from_slice(&said.to_le_bytes());
            *body = bytes.into();
            assert_refused(&client, lying).await;
        }
        // Frames of LZ4 are unpacked to their end, whatever is said.
        let frames = compressed(&into_table(), &rows, CompressionType::LZ4_FRAME).await;
        let refusal = client.put(frames).await.unwrap_err();
        assert_eq!(refusal.code, Code::Unimplemented, "{refusal:?}");
        assert!(refusal.text.contains("LZ4"), "{refusal:?}");
        assert_eq!(server.rows(ADMIN, "SELECT count(*) AS c FROM main.default.t").await, ["1000"]);
    });
}

#[test]
fn a_long_text_of_a_dictionary_is_not_taken_as_often_as_it_is_named_at_once() {
    block_on(async {
        let server = ground().await;
        let client = server.client(ADMIN);
        let handle = client.prepare("SELECT length(?)").await.unwrap().handle;
        let long = "x".repeat(4 << 20);
        // Once for each row it is 16 GB.
        let named: DictionaryArray<Int8Type> = std::iter::repeat_n(long.as_str(), 4096).collect();
        let rows = one_column(Arc::new(named));
        let sent = FlightDataEncoderBuilder::new()
            .with_dictionary_handling(DictionaryHandling::Resend)
            .with_schema(rows.schema())
            .with_flight_descriptor(Some(descriptor(&query(&handle))))
            .build(futures::stream::iter([Ok(rows)]));
        let refusal = client.put(sent.try_collect().await.unwrap()).await.unwrap_err();
        assert_eq!(refusal.code, Code::ResourceExhausted, "{refusal:?}");
        assert_eq!(client.statement("SELECT 1").await.unwrap().value(), "1");
    });
}

#[test]
fn nobody_is_refused_before_anything_is_read_of_what_they_send() {
    block_on(async {
        let server = TestServer::start().await;
        let channel = Endpoint::from_shared(format!("http://{}", server.address())).unwrap().connect_lazy();
        for method in ["GetFlightInfo", "PollFlightInfo", "GetSchema"] {
            let mut grpc = Grpc::new(channel.clone());
            grpc.ready().await.unwrap();
            let path = format!("/arrow.flight.protocol.FlightService/{method}");
            let path = PathAndQuery::try_from(path).unwrap();
            // A message that never comes: whoever waits for it waits for ever.
            let body = Request::new(futures::stream::pending::<FlightDescriptor>());
            let codec = ProstCodec::<FlightDescriptor, FlightInfo>::default();
            let refusal = grpc.client_streaming(body, path, codec).await.unwrap_err();
            assert_eq!(refusal.code(), Code::Unauthenticated, "{method}: {refusal:?}");
        }
    });
}

#[test]
fn a_command_is_no_place_for_what_it_does_not_need() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("alice");
        let statement = CommandStatementQuery { query: "SELECT 1".to_owned(), transaction_id: None };
        let mut long = descriptor(&statement);
        long.path = vec!["x".repeat(20 << 20)];
        let refusal = client.raw().get_flight_info(client.request(long.clone())).await.unwrap_err();
        assert_eq!(refusal.code(), Code::OutOfRange, "{refusal:?}");
        assert_eq!(client.poll(long).await.unwrap_err().code, Code::OutOfRange);
        // A statement that is too long is refused as that.
        let refusal = client.statement(&format!("SELECT '{}'", "x".repeat(2 << 20))).await.unwrap_err();
        assert!(refusal.text.contains("statement_bytes"), "{refusal:?}");
    });
}

#[test]
fn what_is_asked_a_hundred_thousand_times_is_told_once() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("alice");
        for (info, rows) in
            [(vec![0; 100_000], 1), ((0..2).cycle().take(100_000).collect(), 2), (vec![77; 9], 0)]
        {
            let command = CommandGetSqlInfo { info };
            assert!(command.encoded_len() > 9);
            assert_eq!(client.ask(&command).await.unwrap().lines().len(), rows);
        }
    });
}
