//! Bad input: each is answered by a sentence that a user can act on.

use std::path::Path;
use std::process::Output;

use tonic::Code;
use weir_testkit::{ADMIN, OtherWriter, Program, TestServer, block_on, data_files};

/// What a failed program says: one sentence, and exit code 1.
fn sentence(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    for banned in ["panicked", "RUST_BACKTRACE", "Os {", "Error {", "Some("] {
        assert!(!told.contains(banned), "{told}");
    }
    told
}

fn assert_clean(text: &str, ground: &Path) {
    for banned in
        [ground.to_str().unwrap(), "panicked", "::", "Err(", "kernel", "gov://", "Backtrace", "INTERNAL"]
    {
        assert!(!text.contains(banned), "`{banned}` in {text}");
    }
}

/// `weir serve` with this configuration, which must not start.
fn serve(ground: &Path, configuration: &str) -> String {
    let file = ground.join("weir.toml");
    std::fs::write(&file, configuration).unwrap();
    sentence(&Program::output(&["serve", "--config", file.to_str().unwrap()]))
}

#[test]
fn a_malformed_configuration_names_key_and_line() {
    let ground = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("[server]\nflight_address = \"nonsense\"\n", ["server.flight_address", "line 2"]),
        ("[server]\n\nflight_adress = \"127.0.0.1:1\"\n", ["flight_adress", "line 3"]),
        ("[limits]\nstatement_timeout = \"soon\"\n", ["limits.statement_timeout", "line 2"]),
        ("[billing]\nflush_interval = 5\n", ["billing.flush_interval", "line 2"]),
        ("[nothing]\nx = 1\n", ["nothing", "line 1"]),
        ("[server\n", ["line 1", "weir.toml"]),
    ] {
        let told = serve(ground.path(), text);
        for word in words {
            assert!(told.contains(word), "`{word}` is not in: {told}");
        }
        assert!(told.contains("weir config --reference"), "{told}");
    }
    let absent = ground.path().join("absent.toml");
    let told = sentence(&Program::output(&["serve", "--config", absent.to_str().unwrap()]));
    assert!(told.contains("absent.toml") && told.contains("does not exist"), "{told}");
    let variable =
        Program::command(&["serve"]).env("WEIR_SERVER__FLIGHT_ADDRESS", "nonsense").output().unwrap();
    assert!(sentence(&variable).contains("WEIR_SERVER__FLIGHT_ADDRESS"));
}

#[test]
fn plaintext_on_a_public_address_is_refused() {
    let ground = tempfile::tempdir().unwrap();
    let data = ground.path().join("data");
    let text = format!("[server]\nflight_address = \"0.0.0.0:0\"\ndata_directory = \"{}\"\n", data.display());
    let told = serve(ground.path(), &text);
    assert!(told.contains("server.flight_address") && told.contains("tls_certificate"), "{told}");
    assert!(!data.exists(), "nothing is made before the refusal");
}

#[test]
fn a_port_in_use_is_told_with_the_way_out() {
    let ground = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let data = ground.path().join("data");
    let text = format!("[server]\nflight_address = \"{address}\"\ndata_directory = \"{}\"\n", data.display());
    let told = serve(ground.path(), &text);
    assert!(
        told.contains(&address.to_string())
            && told.contains("in use")
            && told.contains("WEIR_SERVER__FLIGHT_ADDRESS"),
        "{told}"
    );
}

#[test]
fn an_unwritable_data_directory_is_named() {
    let ground = tempfile::tempdir().unwrap();
    // below a file nobody can write, not even root
    let file = ground.path().join("file");
    std::fs::write(&file, "").unwrap();
    let data = file.join("data");
    let text =
        format!("[server]\nflight_address = \"127.0.0.1:0\"\ndata_directory = \"{}\"\n", data.display());
    let told = serve(ground.path(), &text);
    assert!(told.contains(data.to_str().unwrap()) && told.contains("server.data_directory"), "{told}");
}

#[test]
fn a_second_bootstrap_is_refused() {
    let ground = tempfile::tempdir().unwrap();
    let data = ground.path().to_str().unwrap();
    let first = Program::output(&["catalog", "migrate", "--admin", "ann", "--data-dir", data]);
    assert!(first.status.success(), "{first:?}");
    let told = sentence(&Program::output(&["catalog", "migrate", "--admin", "ben", "--data-dir", data]));
    assert!(told.contains("first administrator") && told.contains("hint"), "{told}");
    let again = Program::output(&["catalog", "migrate", "--data-dir", data]);
    assert!(again.status.success(), "{again:?}");
    let token = sentence(&Program::output(&["token", "ben", "--data-dir", data]));
    assert!(!token.is_empty());
}

#[test]
fn bad_sql_is_told_with_its_place() {
    block_on(async {
        let server = TestServer::start().await;
        for (sql, place) in [
            ("SELECT FROM WHERE", "line 1, column"),
            ("SELECT 1,\n  2 3 4", "line 2, column"),
            ("GRANT SELECT ON TABLE t\nFOR x", "line 2, column 1"),
            ("SELECT 'open", "line 1, column 8"),
            ("SELECT * FROM main.default.t TABLESAMPLE (1 ROWS)", "line 1, column"),
        ] {
            for told in
                [server.client("alice").statement(sql).await, server.client("alice").prepared(sql).await]
            {
                let refusal = told.unwrap_err();
                assert!(
                    refusal.text.contains(place) && refusal.text.contains("SQLSTATE: "),
                    "{sql}: {refusal:?}"
                );
            }
        }
        let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(server.sql("alice", &deep).await.unwrap_err().code, Code::InvalidArgument);
        let long = format!("SELECT '{}'", "x".repeat(2 * 1024 * 1024));
        let refusal = server.sql("alice", &long).await.unwrap_err();
        assert!([Code::InvalidArgument, Code::ResourceExhausted].contains(&refusal.code), "{refusal:?}");
        assert_eq!(server.rows("alice", "SELECT 1").await, ["1"]);
    });
}

#[test]
fn an_unknown_table_and_column_are_named() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare("CREATE TABLE main.default.t (id INT, name STRING)").await;
        let told = server.refused(ADMIN, "SELECT * FROM main.default.nothing").await;
        assert!(
            told.starts_with("[TABLE_OR_VIEW_NOT_FOUND] table or view `main.default.nothing` not found"),
            "{told}"
        );
        let told = server.refused(ADMIN, "SELECT nmae FROM main.default.t").await;
        assert!(told.starts_with("[UNRESOLVED_COLUMN]") && told.contains("`nmae`"), "{told}");
        let told = server.refused(ADMIN, "SELECT nothing(id) FROM main.default.t").await;
        assert!(told.starts_with("[UNRESOLVED_ROUTINE]") && told.contains("`nothing`"), "{told}");
    });
}

#[test]
fn what_is_not_supported_is_told_without_the_parsers_structures() {
    block_on(async {
        let server = TestServer::start().await;
        for sql in [
            "SELECT named_struct('a', named_struct('b', 1)).a.b",
            "SELECT array_agg(named_struct('b', 1))[0].b",
        ] {
            let told = server.refused(ADMIN, sql).await;
            assert!(told.starts_with("[UNSUPPORTED_FEATURE]") && !told.contains('{'), "{sql}: {told}");
        }
    });
}

/// Makes an external table of two files with another writer, and registers it.
async fn external(server: &TestServer, name: &str) -> std::path::PathBuf {
    use arrow::array::{Int32Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};
    let schema = std::sync::Arc::new(Schema::new(vec![Field::new("id", DataType::Int32, true)]));
    let writer = OtherWriter::of(&server.external());
    writer.create(name, std::sync::Arc::clone(&schema), &[]).await;
    for id in [1, 2] {
        let ids = std::sync::Arc::new(Int32Array::from(vec![id]));
        writer.append(name, RecordBatch::try_new(std::sync::Arc::clone(&schema), vec![ids]).unwrap()).await;
    }
    server.external().join(name)
}

fn at(name: &str, folder: &Path) -> String {
    format!("CREATE TABLE main.default.{name} USING DELTA LOCATION '{}'", folder.display())
}

#[test]
fn a_missing_log_and_damaged_files_are_told_by_table() {
    block_on(async {
        let server = TestServer::start().await;
        let empty = server.external().join("empty");
        std::fs::create_dir_all(&empty).unwrap();
        let told = server.client(ADMIN).update(&at("empty", &empty)).await.unwrap_err().text;
        assert!(told.starts_with("[DELTA_TABLE_NOT_FOUND]"), "{told}");
        assert_clean(&told, server.ground());

        let folder = external(&server, "t").await;
        server.done(ADMIN, &at("t", &folder)).await;
        assert_eq!(server.rows(ADMIN, "SELECT id FROM main.default.t").await, ["1", "2"]);
        // a file with garbage in it, of another size so that no cache stands in
        let (file, _) = data_files(&folder).remove(0);
        let sound = std::fs::read(&file).unwrap();
        std::fs::write(&file, b"this is no parquet at all").unwrap();
        let fresh = server.stop().await;
        let server = TestServer::start_in(fresh, weir_testkit::Setup::default()).await;
        let told = server.refused(ADMIN, "SELECT id FROM main.default.t").await;
        assert!(told.starts_with("[DELTA_TABLE_CORRUPT]") && told.contains("main.default.t"), "{told}");
        assert_clean(&told, server.ground());
        std::fs::remove_file(&file).unwrap();
        let told = server.refused(ADMIN, "SELECT id FROM main.default.t").await;
        assert!(told.starts_with("[DELTA_TABLE_CORRUPT]") && told.contains("main.default.t"), "{told}");
        std::fs::write(&file, sound).unwrap();
        assert_eq!(server.rows(ADMIN, "SELECT id FROM main.default.t").await, ["1", "2"]);

        std::fs::rename(folder.join("_delta_log"), folder.join("elsewhere")).unwrap();
        let told = server.refused(ADMIN, "SELECT id FROM main.default.t").await;
        assert!(told.starts_with("[DELTA_TABLE_NOT_FOUND]") && told.contains("main.default.t"), "{told}");
        assert_clean(&told, server.ground());
        // it is still there for who mends it
        std::fs::rename(folder.join("elsewhere"), folder.join("_delta_log")).unwrap();
        assert_eq!(server.rows(ADMIN, "SELECT id FROM main.default.t").await, ["1", "2"]);
        std::fs::write(folder.join("_delta_log/00000000000000000003.json"), "no json").unwrap();
        let told = server.refused(ADMIN, "SELECT id FROM main.default.t").await;
        assert!(told.starts_with("[DELTA_TABLE_CORRUPT]") && told.contains("main.default.t"), "{told}");
        assert_clean(&told, server.ground());
    });
}

#[test]
fn foreign_and_overlapping_locations_are_refused() {
    block_on(async {
        let server = TestServer::start().await;
        let folder = external(&server, "t").await;
        server.done(ADMIN, &at("t", &folder)).await;
        let admin = server.client(ADMIN);
        let outside = server.ground().join("outside");
        std::fs::create_dir_all(outside.join("_delta_log")).unwrap();
        std::os::unix::fs::symlink(&outside, server.external().join("link")).unwrap();
        std::fs::create_dir_all(folder.join("below/_delta_log")).unwrap();
        for place in [
            "/etc".to_owned(),
            "file:///etc".to_owned(),
            "s3://bucket/t".to_owned(),
            "relative/t".to_owned(),
            outside.display().to_string(),
            server.external().join("link").display().to_string(),
            format!("{}/../data/tables", server.external().display()),
            server.data().display().to_string(),
            server.external().join("nothing").display().to_string(),
        ] {
            let refusal = admin.update(&at("foreign", Path::new(&place))).await.unwrap_err();
            assert!(refusal.text.starts_with("[LOCATION_NOT_ALLOWED]"), "{place}: {refusal:?}");
        }
        for place in [folder.clone(), folder.join("below"), server.external()] {
            let refusal = admin.update(&at("over", &place)).await.unwrap_err();
            assert!(
                refusal.text.starts_with("[LOCATION_OVERLAP]")
                    || refusal.text.starts_with("[DELTA_TABLE_NOT_FOUND]")
                    || refusal.text.starts_with("[LOCATION_NOT_ALLOWED]"),
                "{}: {refusal:?}",
                place.display()
            );
            if place == folder {
                assert!(refusal.text.starts_with("[LOCATION_OVERLAP]"), "{refusal:?}");
            }
        }
        // and only administrators register tables of files
        server.prepare("GRANT USE CATALOG ON CATALOG main TO alice;\nGRANT USE SCHEMA, CREATE TABLE ON SCHEMA main.default TO alice").await;
        let other = external(&server, "u").await;
        let refusal = server.client("alice").update(&at("u", &other)).await.unwrap_err();
        assert_eq!(refusal.code, Code::PermissionDenied, "{refusal:?}");
        server.client("alice").update("CREATE TABLE main.default.own (id INT)").await.unwrap();
    });
}

#[test]
fn a_statement_that_runs_too_long_is_stopped() {
    use futures::StreamExt;
    block_on(async {
        let server = TestServer::start().await;
        let values = (0..300).map(|n| format!("({n})")).collect::<Vec<_>>().join(", ");
        let query =
            format!("SELECT a.c FROM (VALUES {values}) a(c), (VALUES {values}) b(c), (VALUES {values}) d(c)");
        let admin = server.client(ADMIN);
        let command = arrow_flight::sql::CommandStatementQuery { query, transaction_id: None };
        let ticket = admin.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let mut stream = admin.open(ticket).await.unwrap();
        stream.next().await.unwrap().unwrap();
        server.clock().advance(chrono::Duration::minutes(11));
        let mut end = Ok(());
        while let Some(batch) = stream.next().await {
            end = batch.map(drop).map_err(weir_testkit::Refusal::from);
        }
        let refusal = end.unwrap_err();
        assert_eq!(refusal.code, Code::DeadlineExceeded, "{refusal:?}");
        assert!(refusal.text.starts_with("[STATEMENT_TIMEOUT]"), "{refusal:?}");
    });
}
