//! Parameters: `?` by position, `:name` by ordinal, typed, nullable, many rows of them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use weir_testkit::{TestServer, block_on};

/// One batch of values; names do not count.
fn values(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|column| Field::new("", column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn int(value: i32) -> ArrayRef {
    Arc::new(Int32Array::from(vec![value]))
}

fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE TABLE main.default.t (id INT, name STRING, day DATE, amount DECIMAL(10,2));
             INSERT INTO main.default.t VALUES (1, 'a', DATE '2020-01-01', 1.50), (2, 'b', DATE '2020-01-02', 2.50), (3, NULL, NULL, NULL)",
        )
        .await;
    server
}

#[test]
fn eleven_parameters_are_bound_by_position() {
    block_on(async {
        let server = ground().await;
        let client = server.client("admin");
        let list: Vec<String> = (0..11).map(|n| format!("? AS c{n}")).collect();
        let sql = format!("SELECT {}", list.join(", "));
        let prepared = client.prepare(&sql.replace("?", "CAST(? AS INT)")).await.unwrap();
        let told = &prepared.parameter_schema;
        assert_eq!(told.fields().len(), 11);
        assert!(
            told.fields().iter().all(|field| field.is_nullable() && field.data_type() != &DataType::Null)
        );
        let bound = values((0..11).map(int).collect());
        let rows = client.bound(&sql.replace("?", "CAST(? AS INT)"), &bound).await.unwrap();
        assert_eq!(rows.value(), "0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10");
    });
}

#[test]
fn question_marks_in_text_are_text() {
    block_on(async {
        let server = ground().await;
        let sql = "SELECT '?' AS a, id, \"a?b\" AS c FROM main.default.t WHERE id = ? AND name = ? -- ? \n";
        let rows = server.client("admin").bound(sql, &values(vec![int(2), text("b")])).await.unwrap();
        assert_eq!(rows.value(), "? | 2 | a?b");
    });
}

#[test]
fn parameters_take_the_type_of_what_they_meet() {
    block_on(async {
        let server = ground().await;
        let client = server.client("admin");
        let prepared = client
            .prepare("SELECT id FROM main.default.t WHERE id > ? AND name = ? AND day = ? AND amount < ?")
            .await
            .unwrap();
        let types: Vec<DataType> =
            prepared.parameter_schema.fields().iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(types, [DataType::Int32, DataType::Utf8, DataType::Date32, DataType::Decimal128(10, 2)]);
        // drivers send what they have: wider integers, large strings, dates as text
        let sent = values(vec![
            Arc::new(Int64Array::from(vec![0])),
            Arc::new(LargeStringArray::from(vec!["a"])),
            Arc::new(Date32Array::from(vec![18_262])),
            text("9.99"),
        ]);
        let handle = client.bind(&prepared.handle, &sent).await.unwrap();
        assert_eq!(client.run(&handle).await.unwrap().value(), "1");
        let wrong = values(vec![text("x"), text("a"), text("2020-01-01"), text("1")]);
        let refusal = client.bind(&prepared.handle, &wrong).await.unwrap_err();
        assert_eq!(refusal.code, tonic::Code::InvalidArgument, "{refusal:?}");
        let few = client.bind(&prepared.handle, &values(vec![int(1)])).await.unwrap_err();
        assert_eq!(few.code, tonic::Code::InvalidArgument, "{few:?}");
    });
}

#[test]
fn parameters_of_which_nothing_tells_the_type_are_texts_and_counts_are_numbers() {
    block_on(async {
        let server = ground().await;
        let client = server.client("admin");
        for (sql, sent, expected) in [
            ("SELECT ?", vec![int(5)], "5"),
            ("SELECT id, ? FROM main.default.t WHERE id = 1", vec![text("x")], "1 | x"),
            ("SELECT CASE WHEN id = 1 THEN ? END FROM main.default.t WHERE id = 1", vec![text("x")], "x"),
            ("SELECT id FROM main.default.t ORDER BY id LIMIT ? OFFSET ?", vec![int(1), int(1)], "2"),
        ] {
            let prepared = client.prepare(sql).await.unwrap();
            let rows = client.bound(sql, &values(sent)).await.unwrap();
            assert_eq!(rows.value(), expected, "{sql}");
            let told = prepared.dataset_schema.unwrap();
            assert_eq!(rows.schema.fields().len(), told.fields().len(), "{sql}");
        }
        let nothing = values(vec![Arc::new(arrow::array::NullArray::new(1))]);
        assert_eq!(client.bound("SELECT ? IS NULL", &nothing).await.unwrap().value(), "true");
    });
}

#[test]
fn parameters_that_are_stored_take_the_type_of_their_column() {
    block_on(async {
        let server = ground().await;
        let admin = server.client("admin");
        let types = async |client: &weir_testkit::Client, sql: &str| -> Vec<DataType> {
            let told = client.prepare(sql).await.unwrap().parameter_schema;
            told.fields().iter().map(|field| field.data_type().clone()).collect()
        };
        let whole = [DataType::Int32, DataType::Utf8, DataType::Date32, DataType::Decimal128(10, 2)];
        for (sql, wanted) in [
            ("INSERT INTO main.default.t VALUES (?, ?, ?, ?)", whole.as_slice()),
            ("INSERT INTO main.default.t SELECT ?, ?, ?, ?", &whole),
            (
                "INSERT INTO main.default.t (day, id) VALUES (?, ?), (DATE '2020-01-01', ?)",
                &[DataType::Date32, DataType::Int32, DataType::Int32],
            ),
            (
                "INSERT INTO main.default.t (id) SELECT ? UNION ALL SELECT ?",
                &[DataType::Int32, DataType::Int32],
            ),
            ("INSERT INTO main.default.t (name, id) SELECT 'x' AS name, ? AS id", &[DataType::Int32]),
        ] {
            assert_eq!(types(&admin, sql).await, wanted, "{sql}");
        }
        let sent =
            values(vec![int(7), text("seven"), Arc::new(Date32Array::from(vec![18_262])), text("7.25")]);
        let prepared = admin.prepare("INSERT INTO main.default.t VALUES (?, ?, ?, ?)").await.unwrap();
        assert_eq!(admin.run_update(&prepared.handle, Some(&sent)).await.unwrap(), 1);
        assert_eq!(
            server.rows("admin", "SELECT * FROM main.default.t WHERE id = 7").await,
            ["7 | seven | 2020-01-01 | 7.25"]
        );
        // Who may not write there is told nothing of its columns.
        let told = types(&server.client("alice"), "INSERT INTO main.default.t VALUES (?, ?, ?, ?)").await;
        assert_eq!(told, [DataType::Utf8, DataType::Utf8, DataType::Utf8, DataType::Utf8]);
        let update = types(&admin, "UPDATE main.default.t SET amount = ?, day = ? WHERE id = ?").await;
        assert_eq!(update, [DataType::Decimal128(10, 2), DataType::Date32, DataType::Int32]);
    });
}

#[test]
fn null_is_a_value() {
    block_on(async {
        let server = ground().await;
        let client = server.client("admin");
        let null: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
        let rows = client
            .bound("SELECT id FROM main.default.t WHERE name = ?", &values(vec![Arc::clone(&null)]))
            .await;
        assert_eq!(rows.unwrap().count(), 0);
        let rows = client.bound("SELECT coalesce(CAST(? AS STRING), 'none') AS x", &values(vec![null])).await;
        assert_eq!(rows.unwrap().value(), "none");
    });
}

#[test]
fn many_rows_of_values_run_one_after_the_other() {
    block_on(async {
        let server = ground().await;
        let client = server.client("admin");
        let ids: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 9]));
        let rows =
            client.bound("SELECT id FROM main.default.t WHERE id = ?", &values(vec![Arc::clone(&ids)])).await;
        assert_eq!(rows.unwrap().lines(), ["1", "2"]);
        let insert = client.prepare("INSERT INTO main.default.t (id) VALUES (?)").await.unwrap();
        assert!(insert.dataset_schema.is_none());
        assert_eq!(client.run_update(&insert.handle, Some(&values(vec![ids]))).await.unwrap(), 3);
        assert_eq!(server.rows("admin", "SELECT count(*) FROM main.default.t").await, ["6"]);
    });
}

#[test]
fn a_statement_with_parameters_and_no_values_is_refused() {
    block_on(async {
        let server = ground().await;
        let client = server.client("admin");
        for told in [
            client.statement("SELECT id FROM main.default.t WHERE id = ?").await,
            client.prepared("SELECT id FROM main.default.t WHERE id = ?").await,
        ] {
            assert_eq!(told.unwrap_err().code, tonic::Code::InvalidArgument);
        }
    });
}

#[test]
fn values_are_values_and_never_text_of_the_statement() {
    block_on(async {
        let server = ground().await;
        let evil = "a' OR '1'='1";
        let rows = server
            .client("admin")
            .bound("SELECT id FROM main.default.t WHERE name = ?", &values(vec![text(evil)]))
            .await;
        assert_eq!(rows.unwrap().count(), 0);
    });
}
