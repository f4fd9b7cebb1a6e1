//! Parameters: `?` by position, `:name` by ordinal, typed, nullable, many rows of them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, ListArray, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
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

fn double(value: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

/// Seconds after the midnight with which 2020-01-02 begins.
fn second_day(seconds: i64) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(vec![(1_577_923_200 + seconds) * 1_000_000]))
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
            (
                "SELECT id / ?, ? / id FROM main.default.t WHERE id = 2",
                vec![int(4), double(1.0)],
                "0.5 | 0.5",
            ),
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

#[test]
fn values_that_would_become_others_are_refused() {
    block_on(async {
        let server = ground().await;
        let client = server.client("admin");
        for (sql, value) in [
            ("SELECT id FROM main.default.t WHERE id = ?", double(2.7)),
            ("SELECT id FROM main.default.t WHERE id < ?", double(1.5)),
            ("SELECT id FROM main.default.t WHERE id IN (?, 3)", double(2.7)),
            ("SELECT id FROM main.default.t WHERE id BETWEEN ? AND 9", double(1.5)),
            ("SELECT ? + 1", double(1.5)),
            ("SELECT id FROM main.default.t LIMIT ?", double(1.5)),
            ("SELECT id FROM main.default.t WHERE id = ?", double(f64::NAN)),
            ("SELECT id FROM main.default.t WHERE id = ?", double(f64::INFINITY)),
            ("SELECT id FROM main.default.t WHERE amount = ?", double(1.501)),
            ("SELECT id FROM main.default.t WHERE amount = ?", text("1.501")),
            ("SELECT id FROM main.default.t WHERE day < ?", second_day(1)),
            ("SELECT id FROM main.default.t WHERE day = ?", text("2020-01-02 00:00:01")),
        ] {
            let told = client.bound(sql, &values(vec![value])).await.unwrap_err();
            assert_eq!(told.code, tonic::Code::InvalidArgument, "{sql}: {told:?}");
            assert!(told.text.contains("parameter 1"), "{sql}: {told:?}");
        }
        let told = client
            .bound("SELECT id FROM main.default.t WHERE id = ?", &values(vec![double(2.7)]))
            .await
            .unwrap_err();
        assert!(told.text.starts_with("[INVALID_PARAMETER_VALUE]"), "{told:?}");
        assert!(told.text.contains("CAST(? AS DOUBLE)") && !told.text.contains("2.7"), "{told:?}");
    });
}

#[test]
fn no_row_is_changed_by_a_value_that_names_none() {
    block_on(async {
        let server = ground().await;
        let admin = server.client("admin");
        for sql in [
            "DELETE FROM main.default.t WHERE id = ?",
            "UPDATE main.default.t SET id = id * ?",
            "UPDATE main.default.t SET amount = 0 WHERE id = ?",
            "MERGE INTO main.default.t USING (SELECT 2 AS n) AS s ON t.id = s.n WHEN MATCHED AND t.id < ? THEN DELETE",
        ] {
            let prepared = admin.prepare(sql).await.unwrap();
            let told = admin.run_update(&prepared.handle, Some(&values(vec![double(2.7)]))).await;
            assert_eq!(told.unwrap_err().code, tonic::Code::InvalidArgument, "{sql}");
        }
        assert_eq!(
            server.rows("admin", "SELECT id, amount FROM main.default.t").await,
            ["1 | 1.50", "2 | 2.50", "3 | NULL"]
        );
        // The value in its own type, as a literal has it.
        let sql = "DELETE FROM main.default.t WHERE id < CAST(? AS DOUBLE)";
        let prepared = admin.prepare(sql).await.unwrap();
        let sent = values(vec![double(1.5)]);
        assert_eq!(admin.run_update(&prepared.handle, Some(&sent)).await.unwrap(), 1);
    });
}

#[test]
fn values_of_other_types_that_lose_nothing_are_taken() {
    block_on(async {
        let server = ground().await;
        let client = server.client("admin");
        for (sql, value, expected) in [
            ("SELECT id FROM main.default.t WHERE id = ?", double(2.0), "2"),
            ("SELECT id FROM main.default.t WHERE id = ?", text("2"), "2"),
            ("SELECT id FROM main.default.t WHERE amount = ?", double(2.5), "2"),
            ("SELECT id FROM main.default.t WHERE amount = ?", int(2), ""),
            ("SELECT id FROM main.default.t WHERE amount = ?", text("2.500"), "2"),
            ("SELECT id FROM main.default.t WHERE day = ?", second_day(0), "2"),
            ("SELECT id FROM main.default.t WHERE day = ?", text("2020-01-02"), "2"),
            // Casts that the statement asks for cut, as they do of literals.
            ("SELECT CAST(? AS INT)", double(2.7), "2"),
            ("SELECT id FROM main.default.t WHERE id < CAST(? AS DOUBLE)", double(1.5), "1"),
        ] {
            let rows = client.bound(sql, &values(vec![value])).await.unwrap();
            assert_eq!(rows.lines().join(","), expected, "{sql}");
        }
    });
}

#[test]
fn what_is_stored_follows_the_rule_of_stores() {
    block_on(async {
        let server = ground().await;
        let admin = server.client("admin");
        for (sql, sent) in [
            ("INSERT INTO main.default.t (id) VALUES (?)", vec![double(7.9)]),
            ("UPDATE main.default.t SET amount = ? WHERE id = ?", vec![double(9.991), int(7)]),
        ] {
            let prepared = admin.prepare(sql).await.unwrap();
            assert_eq!(admin.run_update(&prepared.handle, Some(&values(sent))).await.unwrap(), 1, "{sql}");
        }
        let stored = server.rows("admin", "SELECT id, amount FROM main.default.t WHERE id > 3").await;
        assert_eq!(stored, ["7 | 9.99"]);
        // One that is compared as well is held to what it is compared with.
        let sql = "UPDATE main.default.t SET id = $1 WHERE id = $1";
        let prepared = admin.prepare(sql).await.unwrap();
        let told = admin.run_update(&prepared.handle, Some(&values(vec![double(7.9)]))).await;
        assert_eq!(told.unwrap_err().code, tonic::Code::InvalidArgument);
    });
}

#[test]
fn lists_are_stored_in_arrays() {
    block_on(async {
        let server = ground().await;
        server.prepare("CREATE TABLE main.default.lists (id INT, ns ARRAY<INT>)").await;
        let admin = server.client("admin");
        let prepared = admin.prepare("INSERT INTO main.default.lists VALUES (?, ?)").await.unwrap();
        let list: ArrayRef =
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None, Some(3)])]));
        let sent = values(vec![int(1), list]);
        assert_eq!(admin.run_update(&prepared.handle, Some(&sent)).await.unwrap(), 1);
        assert_eq!(
            server.rows("admin", "SELECT id, cardinality(ns) FROM main.default.lists").await,
            ["1 | 3"]
        );
    });
}
