//! One wire schema: the same in Prepare, GetFlightInfo, GetSchema and DoGet, in types that every
//! driver reads.

use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::sql::{CommandGetTables, CommandStatementQuery};
use weir_testkit::{TestServer, Way, block_on};

pub(super) const TABLES: &str = "
CREATE TABLE main.default.kinds (b BOOLEAN, i8 TINYINT, i16 SMALLINT, i32 INT, i64 BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10,2), s STRING, y BINARY, day DATE, t TIMESTAMP, n TIMESTAMP_NTZ, l ARRAY<STRING>, m MAP<STRING, ARRAY<STRING>>, r STRUCT<a: INT, b: STRING, c: ARRAY<STRUCT<z: STRING>>>, part STRING) PARTITIONED BY (part);
INSERT INTO main.default.kinds (b, i32, s, part) VALUES (TRUE, 1, 'a', 'p'), (NULL, NULL, NULL, NULL);
CREATE VIEW main.default.seen AS SELECT s, part, upper(s) AS u, l, m, r FROM main.default.kinds;
";

const QUERIES: &[&str] = &[
    "SELECT 1",
    "SELECT * FROM main.default.kinds",
    "SELECT * FROM main.default.seen",
    "SELECT min(i32), max(i32), count(*), count(s), sum(x), avg(i64) FROM main.default.kinds",
    "SELECT part, count(*) AS c FROM main.default.kinds GROUP BY part",
    "SELECT CASE WHEN i32 > 0 THEN 'a' END AS c, coalesce(s, 'x') AS d, s || part AS e FROM main.default.kinds",
    "SELECT a.s, b.part FROM main.default.kinds a LEFT JOIN main.default.kinds b ON a.s = b.s",
    "SELECT s FROM main.default.kinds UNION ALL SELECT 'x'",
    "SELECT row_number() OVER (ORDER BY s) AS n, lag(s) OVER (ORDER BY s) AS p FROM main.default.kinds",
    "SELECT CAST(i32 AS STRING) AS c, encode(s, 'hex') AS d, current_user() AS u FROM main.default.kinds",
    "SELECT named_struct('a', s, 'b', part) AS r, make_array(s, part) AS l, map(make_array('k'), make_array(1)) AS m FROM main.default.kinds",
    "SELECT r.c AS c, m['k'] AS k, l[1] AS f FROM main.default.kinds",
    "SELECT * FROM main.default.kinds WHERE 1 = 0",
    "SELECT NULL AS nothing, TRUE AS yes, DATE '2020-01-01' AS day, TIMESTAMP '2020-01-01 00:00:00' AS t",
    "VALUES (1, 'a'), (2, NULL)",
    "SELECT * FROM system.billing.usage",
    "SELECT * FROM system.query.history",
    "SHOW TABLES IN main.default",
    "SHOW CATALOGS",
    "DESCRIBE TABLE main.default.kinds",
    "SHOW GRANTS ON TABLE main.default.kinds",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT * FROM main.default.kinds",
];

/// The first type in `schema` that some driver cannot read.
fn unreadable(field: &Field) -> Option<String> {
    let found = || Some(format!("{}: {}", field.name(), field.data_type()));
    match field.data_type() {
        DataType::Utf8View
        | DataType::BinaryView
        | DataType::LargeUtf8
        | DataType::LargeBinary
        | DataType::Dictionary(..)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::RunEndEncoded(..) => found(),
        DataType::List(inner) | DataType::FixedSizeList(inner, _) | DataType::Map(inner, _) => {
            unreadable(inner)
        }
        DataType::Struct(fields) => fields.iter().find_map(|field| unreadable(field)),
        _ => None,
    }
}

fn without_metadata(schema: &Schema) -> Schema {
    Schema::new(schema.fields().clone())
}

#[test]
fn all_four_steps_tell_one_schema_in_types_that_drivers_read() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(TABLES).await;
        let client = server.client("admin");
        for sql in QUERIES {
            let command = CommandStatementQuery { query: (*sql).to_owned(), transaction_id: None };
            let info = client.info(&command).await.unwrap_or_else(|refusal| panic!("{sql}: {refusal:?}"));
            let told = info.clone().try_decode_schema().unwrap();
            assert_eq!((info.total_records, info.total_bytes), (-1, -1));
            assert_eq!(info.endpoint.len(), 1);
            assert!(info.endpoint[0].location.is_empty());
            assert_eq!(client.schema(&command).await.unwrap(), told, "GetSchema: {sql}");
            let prepared = client.prepare(sql).await.unwrap();
            assert_eq!(prepared.dataset_schema.as_ref(), Some(&told), "Prepare: {sql}");
            for way in Way::ALL {
                let rows = way.ask(&client, sql).await.unwrap_or_else(|refusal| panic!("{sql}: {refusal:?}"));
                assert_eq!(rows.schema.as_ref(), &told, "{way:?}: {sql}");
                for batch in &rows.batches {
                    assert_eq!(without_metadata(&batch.schema()), without_metadata(&told), "{way:?}: {sql}");
                }
            }
            let bad = told.fields().iter().find_map(|field| unreadable(field));
            assert_eq!(bad, None, "{sql}");
            assert!(
                told.fields().iter().all(|field| !field.metadata().keys().any(|key| key.contains("delta")))
            );
        }
    });
}

#[test]
fn listed_columns_are_of_types_that_drivers_read() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(TABLES).await;
        let client = server.client("admin");
        let command = CommandGetTables { include_schema: true, ..CommandGetTables::default() };
        let rows = client.ask(&command).await.unwrap();
        let mut names = Vec::new();
        for batch in &rows.batches {
            let text = |column: usize| {
                batch.column(column).as_any().downcast_ref::<arrow::array::StringArray>().unwrap().clone()
            };
            let schemas = batch.column(4).as_any().downcast_ref::<arrow::array::BinaryArray>().unwrap();
            for row in 0..batch.num_rows() {
                let name = format!("{}.{}.{}", text(0).value(row), text(1).value(row), text(2).value(row));
                let schema = arrow::ipc::convert::try_schema_from_ipc_buffer(schemas.value(row)).unwrap();
                assert_eq!(schema.fields().iter().find_map(|field| unreadable(field)), None, "{name}");
                assert!(!schema.fields().is_empty(), "{name} without columns");
                let selected = client.statement(&format!("SELECT * FROM {name}")).await.unwrap();
                let bare = |schema: &Schema| -> Vec<(String, DataType)> {
                    schema
                        .fields()
                        .iter()
                        .map(|field| (field.name().clone(), field.data_type().clone()))
                        .collect()
                };
                assert_eq!(bare(&schema), bare(&selected.schema), "{name}");
                if !name.contains(".information_schema.") {
                    names.push(name);
                }
            }
        }
        names.sort();
        assert_eq!(
            names,
            [
                "main.default.kinds",
                "main.default.seen",
                "system.access.audit",
                "system.access.effective_privileges",
                "system.access.policy_decisions",
                "system.access.requests",
                "system.access.unprotected_columns",
                "system.billing.usage",
                "system.query.history"
            ]
        );
    });
}

#[test]
fn no_rows_still_bring_their_schema() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(TABLES).await;
        for sql in
            ["SELECT s, i32 FROM main.default.kinds WHERE 1 = 0", "SHOW VIEWS IN main.default LIKE 'nothing'"]
        {
            for way in Way::ALL {
                let rows = way.ask(&server.client("admin"), sql).await.unwrap();
                assert_eq!(rows.count(), 0);
                assert!(rows.schema.fields().len() >= 2, "{way:?}: {sql}");
            }
        }
    });
}
