//! Bulk ingestion: four modes, the types that clients send, the rights and policies of INSERT and of CREATE TABLE.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewArray, Decimal128Array, DictionaryArray, DurationSecondArray, Int32Array, Int64Array,
    LargeStringArray, ListArray, NullArray, RecordBatch, StringArray, StringViewArray, StructArray,
    TimestampNanosecondArray, UInt16Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow_flight::sql::{
    CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use bytes::Bytes;
use tonic::Code;
use weir_testkit::{Client, Refusal, TestServer, Told, block_on};

use TableExistsOption::{Append, Fail as FailExisting, Replace, Unspecified as UnsaidExisting};
use TableNotExistOption::{Create, Fail as FailMissing, Unspecified as UnsaidMissing};

/// The modes that drivers have.
const CREATE: (TableNotExistOption, TableExistsOption) = (Create, FailExisting);
const APPEND: (TableNotExistOption, TableExistsOption) = (FailMissing, Append);
const REPLACE: (TableNotExistOption, TableExistsOption) = (Create, Replace);
const CREATE_APPEND: (TableNotExistOption, TableExistsOption) = (Create, Append);

fn into(
    table: &str,
    (if_not_exist, if_exists): (TableNotExistOption, TableExistsOption),
) -> CommandStatementIngest {
    let parts: Vec<&str> = table.split('.').collect();
    let [catalog, schema, table] = parts.try_into().unwrap();
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: if_not_exist as i32,
            if_exists: if_exists as i32,
        }),
        table: table.to_owned(),
        schema: Some(schema.to_owned()),
        catalog: Some(catalog.to_owned()),
        ..CommandStatementIngest::default()
    }
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

fn ids(ids: &[i64]) -> RecordBatch {
    rows(vec![("id", Arc::new(Int64Array::from(ids.to_vec())))])
}

async fn send(client: &Client, command: &CommandStatementIngest, batch: RecordBatch) -> Told<i64> {
    client.ingest(command, &batch.schema(), vec![batch]).await
}

fn refused(told: Told<i64>) -> Refusal {
    told.expect_err("it is refused")
}

#[test]
fn each_mode_makes_fills_or_refuses() {
    block_on(async {
        let server = TestServer::start().await;
        let admin = server.client("admin");
        let table = "main.default.t";
        let count = async || server.rows("admin", &format!("SELECT count(*), max(id) FROM {table}")).await;
        let missing = refused(send(&admin, &into(table, APPEND), ids(&[1])).await);
        assert_eq!(missing.code, Code::NotFound, "{missing:?}");
        assert_eq!(send(&admin, &into(table, CREATE), ids(&[1, 2])).await.unwrap(), 2);
        assert_eq!(count().await, ["2 | 2"]);
        let existing = refused(send(&admin, &into(table, CREATE), ids(&[3])).await);
        assert_eq!(existing.code, Code::AlreadyExists, "{existing:?}");
        assert_eq!(send(&admin, &into(table, APPEND), ids(&[3])).await.unwrap(), 1);
        assert_eq!(send(&admin, &into(table, CREATE_APPEND), ids(&[4])).await.unwrap(), 1);
        assert_eq!(count().await, ["4 | 4"]);
        assert_eq!(send(&admin, &into(table, REPLACE), ids(&[9])).await.unwrap(), 1);
        assert_eq!(count().await, ["1 | 9"]);
        assert_eq!(send(&admin, &into("main.default.new", REPLACE), ids(&[1])).await.unwrap(), 1);
        assert_eq!(send(&admin, &into("main.default.other", CREATE_APPEND), ids(&[1])).await.unwrap(), 1);
        let books = "SELECT statement_text, execution_status, written_rows FROM system.query.history WHERE statement_text LIKE '-- bulk ingestion into main.default.t (%' ORDER BY 1, 2";
        let told = server.rows("admin", books).await;
        let told: Vec<&str> = told.iter().map(|line| line.split_once('(').unwrap().1).collect();
        assert_eq!(
            told,
            [
                "APPEND) | FAILED | 0",
                "APPEND) | FINISHED | 1",
                "CREATE OR APPEND) | FINISHED | 1",
                "CREATE OR REPLACE) | FINISHED | 1",
                "CREATE) | FAILED | 0",
                "CREATE) | FINISHED | 2"
            ]
        );
    });
}

#[test]
fn what_is_unsaid_or_not_there_is_refused_by_name() {
    block_on(async {
        let server = TestServer::start().await;
        let admin = server.client("admin");
        let plain = into("main.default.t", CREATE);
        for (command, code) in [
            (
                CommandStatementIngest { table_definition_options: None, ..plain.clone() },
                Code::InvalidArgument,
            ),
            (into("main.default.t", (UnsaidMissing, Append)), Code::InvalidArgument),
            (into("main.default.t", (Create, UnsaidExisting)), Code::InvalidArgument),
            (CommandStatementIngest { temporary: true, ..plain.clone() }, Code::Unimplemented),
            (
                CommandStatementIngest { transaction_id: Some(Bytes::from_static(b"t")), ..plain.clone() },
                Code::Unimplemented,
            ),
            (
                CommandStatementIngest {
                    options: [("speed".to_owned(), "high".to_owned())].into(),
                    ..plain.clone()
                },
                Code::Unimplemented,
            ),
            (CommandStatementIngest { schema: None, ..plain.clone() }, Code::InvalidArgument),
            (CommandStatementIngest { table: String::new(), ..plain.clone() }, Code::InvalidArgument),
            (into("main.nowhere.t", CREATE), Code::NotFound),
            (into("system.query.t", CREATE), Code::NotFound),
        ] {
            let refusal = refused(send(&admin, &command, ids(&[1])).await);
            assert_eq!(refusal.code, code, "{command:?}: {refusal:?}");
        }
        let nothing: SchemaRef = Arc::new(Schema::empty());
        let refusal = admin.ingest(&plain, &nothing, Vec::new()).await.unwrap_err();
        assert_eq!(refusal.code, Code::InvalidArgument, "{refusal:?}");
        assert_eq!(server.rows("admin", "SHOW TABLES IN main.default").await, Vec::<String>::new());
    });
}

#[test]
fn rows_come_in_the_types_that_clients_send() {
    block_on(async {
        let server = TestServer::start().await;
        let admin = server.client("admin");
        let words: DictionaryArray<Int32Type> = vec![Some("d"), None].into_iter().collect();
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        let inner: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
        let structure =
            StructArray::from(vec![(Arc::new(Field::new("a", DataType::Utf8, true)), Arc::clone(&inner))]);
        let decimals = Decimal128Array::from(vec![1234, -5]).with_precision_and_scale(10, 2).unwrap();
        let batch = rows(vec![
            ("large", Arc::new(LargeStringArray::from(vec!["l", "m"]))),
            ("viewed", Arc::new(StringViewArray::from(vec![Some("v"), None]))),
            ("bytes", Arc::new(BinaryViewArray::from(vec![b"ab".as_slice(), b"c"]))),
            ("word", Arc::new(words)),
            ("price", Arc::new(decimals)),
            ("small", Arc::new(UInt16Array::from(vec![65_535, 0]))),
            ("at", Arc::new(TimestampNanosecondArray::from(vec![1_000_000_001_000, 0]))),
            ("list", Arc::new(list)),
            ("structure", Arc::new(structure)),
        ]);
        assert_eq!(send(&admin, &into("main.default.kinds", CREATE), batch).await.unwrap(), 2);
        let told = server.rows("admin", "SELECT large, viewed, word, price, small, at, list, structure.a FROM main.default.kinds ORDER BY large").await;
        assert_eq!(
            told,
            [
                "l | v | d | 12.34 | 65535 | 1970-01-01T00:16:40.000001 | [1, NULL] | x",
                "m | NULL | NULL | -0.05 | 0 | 1970-01-01T00:00:00 | NULL | y"
            ]
        );
        let lasting = rows(vec![("took", Arc::new(DurationSecondArray::from(vec![1])))]);
        let refusal = refused(send(&admin, &into("main.default.lasting", CREATE), lasting).await);
        assert_eq!(refusal.code, Code::InvalidArgument);
        assert!(refusal.text.contains("`took`"), "{refusal:?}");
        let untyped = rows(vec![("nothing", Arc::new(NullArray::new(1)))]);
        assert_eq!(
            refused(send(&admin, &into("main.default.n", CREATE), untyped).await).code,
            Code::InvalidArgument
        );
        let columns: SchemaRef = Arc::new(Schema::new(vec![Field::new("id", DataType::Int32, true)]));
        let empty = admin.ingest(&into("main.default.empty", CREATE), &columns, Vec::new()).await.unwrap();
        assert_eq!(empty, 0);
        assert_eq!(server.rows("admin", "SELECT count(*) FROM main.default.empty").await, ["0"]);
    });
}

#[test]
fn columns_are_matched_by_name_and_constraints_hold() {
    block_on(async {
        let server = TestServer::start().await;
        let admin = server.client("admin");
        server.prepare("CREATE TABLE main.default.t (id INT NOT NULL, name STRING, n SMALLINT)").await;
        let table = into("main.default.t", APPEND);
        let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let number = |number: i32| -> ArrayRef { Arc::new(Int32Array::from(vec![number])) };
        let good = rows(vec![("NAME", text("a")), ("id", number(1))]);
        assert_eq!(send(&admin, &table, good).await.unwrap(), 1);
        assert_eq!(server.rows("admin", "SELECT * FROM main.default.t").await, ["1 | a | NULL"]);
        for (batch, part) in [
            (rows(vec![("id", number(2)), ("hue", text("x"))]), "`hue`"),
            (rows(vec![("id", number(2)), ("ID", number(2))]), "two columns"),
            (rows(vec![("name", text("b"))]), "`id` is NOT NULL"),
            (rows(vec![("id", number(2)), ("n", number(70_000))]), "`n` was sent as INT"),
            (rows(vec![("id", text("two"))]), "`id` was sent as STRING"),
        ] {
            let refusal = refused(send(&admin, &table, batch).await);
            assert!(refusal.text.contains(part), "{part}: {refusal:?}");
            assert!(!refusal.text.contains("70000") && !refusal.text.contains("two columns named `n`"));
        }
        assert_eq!(server.rows("admin", "SELECT count(*) FROM main.default.t").await, ["1"]);
    });
}

#[test]
fn nobody_sends_rows_without_the_right() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE SCHEMA main.s;
                 CREATE TABLE main.s.seen (id BIGINT);
                 CREATE CATALOG closed;
                 CREATE SCHEMA closed.s;
                 CREATE TABLE closed.s.hidden (id BIGINT);
                 CREATE VIEW main.s.v AS SELECT 1 AS id;
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA ON SCHEMA main.s TO alice;
                 GRANT SELECT ON TABLE main.s.seen TO alice",
            )
            .await;
        let alice = server.client("alice");
        let told = async |table: &str, mode| refused(send(&alice, &into(table, mode), ids(&[1])).await);
        assert_eq!(told("main.s.seen", APPEND).await.code, Code::PermissionDenied);
        assert_eq!(told("main.s.new", CREATE).await.code, Code::PermissionDenied);
        assert_eq!(told("main.s.seen", REPLACE).await.code, Code::PermissionDenied);
        // What she may not know of is told as what is not there.
        for (mode, there, absent) in [
            (APPEND, "closed.s.hidden", "absent.s.absent"),
            (CREATE, "closed.s.t", "absent.s.t"),
            (REPLACE, "closed.s.hidden", "absent.s.hidden"),
        ] {
            let (hidden, absent) = (told(there, mode).await, told(absent, mode).await);
            assert_eq!(hidden.code, Code::NotFound, "{hidden:?}");
            let plain = |text: &str| text.replace("hidden", "absent").replace("closed", "absent");
            assert_eq!(plain(&hidden.text), plain(&absent.text));
        }
        server.prepare("GRANT CREATE TABLE ON SCHEMA main.s TO alice").await;
        assert_eq!(send(&alice, &into("main.s.own", CREATE), ids(&[1])).await.unwrap(), 1);
        assert_eq!(told("main.s.seen", REPLACE).await.code, Code::PermissionDenied);
        assert_eq!(
            refused(send(&server.client("admin"), &into("main.s.v", APPEND), ids(&[1])).await).code,
            Code::PermissionDenied
        );
        let nobody = server.anonymous();
        assert_eq!(
            refused(send(&nobody, &into("main.s.x", CREATE), ids(&[1])).await).code,
            Code::Unauthenticated
        );
        for table in ["main.s.seen", "closed.s.hidden"] {
            let count = format!("SELECT count(*) FROM {table}");
            assert_eq!(server.rows("admin", &count).await, ["0"]);
        }
    });
}

#[test]
fn rows_that_their_sender_could_not_see_are_refused() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE SCHEMA main.s;
                 CREATE TABLE main.s.t (region STRING, secret STRING);
                 CREATE FUNCTION main.s.north(region STRING) RETURNS BOOLEAN RETURN region = 'north';
                 CREATE FUNCTION main.s.stars(v STRING) RETURNS STRING RETURN '***';
                 ALTER TABLE main.s.t SET ROW FILTER main.s.north ON (region);
                 ALTER TABLE main.s.t ALTER COLUMN secret SET MASK main.s.stars;
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA, SELECT, MODIFY ON SCHEMA main.s TO alice",
            )
            .await;
        let alice = server.client("alice");
        let batch = |region: &str| {
            let columns = [("region", region), ("secret", "own")];
            rows(
                columns
                    .map(|(name, value)| (name, Arc::new(StringArray::from(vec![value])) as ArrayRef))
                    .into(),
            )
        };
        let table = into("main.s.t", APPEND);
        let both = vec![batch("north"), batch("south")];
        let refusal = alice.ingest(&table, &batch("north").schema(), both).await.unwrap_err();
        assert!(refusal.text.contains("row filter"), "{refusal:?}");
        assert_eq!(send(&alice, &table, batch("north")).await.unwrap(), 1);
        assert_eq!(server.rows("alice", "SELECT * FROM main.s.t").await, ["north | ***"]);
        let stored = weir_testkit::read_parquet_folder(&server.folder("main.s.t").await);
        assert_eq!(weir_testkit::text_of(&stored), ["north | own"]);
    });
}

#[test]
fn a_broken_stream_of_rows_leaves_nothing() {
    block_on(async {
        let server = TestServer::start().await;
        let admin = server.client("admin");
        server.prepare("CREATE TABLE main.default.t (id BIGINT)").await;
        for (table, mode) in [("main.default.t", APPEND), ("main.default.new", CREATE)] {
            // The second message says that it holds rows, and does not.
            let good = ids(&[1]);
            let mut messages = weir_testkit::messages(&into(table, mode), &good).await;
            let last = messages.last_mut().unwrap();
            last.data_body = Bytes::from_static(b"no rows");
            let refusal = admin.put(messages).await.unwrap_err();
            assert_eq!(refusal.code, Code::InvalidArgument, "{refusal:?}");
        }
        assert_eq!(server.rows("admin", "SELECT count(*) FROM main.default.t").await, ["0"]);
        assert_eq!(server.rows("admin", "SHOW TABLES IN main.default").await, ["default | t | false"]);
    });
}
