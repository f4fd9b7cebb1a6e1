//! Logs that name files outside the folder of their table: whoever writes one reads nothing through it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde_json::{Value, json};
use weir_testkit::{ADMIN, OtherWriter, TestServer, block_on, data_files, logged, write_commit};

const SECRET: &str = "raw-secret";
const REFUSED: &str = "files outside the table's own folder";

fn columns() -> SchemaRef {
    let text = Field::new("ssn", DataType::Utf8, true);
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int32, true), text]))
}

fn rows(text: &str) -> RecordBatch {
    let texts = Arc::new(StringArray::from(vec![text]));
    RecordBatch::try_new(columns(), vec![Arc::new(Int32Array::from(vec![1])), texts]).unwrap()
}

fn add(path: &str, size: u64) -> Value {
    json!({"add": {"path": path, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": true}})
}

/// A table that nobody but the administrator may read as it is, beside the folder `external`.
struct Ground {
    server: TestServer,
    writer: OtherWriter,
    /// The file of the masked table.
    file: PathBuf,
    size: u64,
    /// The same below its storage root.
    below: String,
}

async fn ground() -> Ground {
    let server = TestServer::start().await;
    server
        .prepare(&format!(
            "CREATE TABLE main.default.people (id INT, ssn STRING);
             INSERT INTO main.default.people VALUES (1, '{SECRET}');
             CREATE FUNCTION main.default.stars(v STRING) RETURNS STRING RETURN '***';
             ALTER TABLE main.default.people ALTER COLUMN ssn SET MASK main.default.stars"
        ))
        .await;
    let folder = server.folder("main.default.people").await;
    let (file, size) = data_files(&folder).remove(0);
    let part = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let below = format!("{}/{}", part(&folder), part(&file));
    let writer = OtherWriter::of(&server.external());
    writer.create("neighbour", columns(), &[]).await;
    writer.append("neighbour", rows(SECRET)).await;
    Ground { server, writer, file, size, below }
}

impl Ground {
    /// Every way to name the file of the masked table, or that of the neighbour, in a log.
    fn paths(&self) -> Vec<String> {
        let neighbour = data_files(&self.server.external().join("neighbour")).remove(0).0;
        let neighbour = neighbour.file_name().unwrap().to_str().unwrap().to_owned();
        let (file, below) = (self.file.display().to_string(), &self.below);
        let roots = self.server.data();
        let root = roots.file_name().unwrap().to_str().unwrap();
        let mut paths: Vec<String> = ["file://", "file:", "FILE://", "file://localhost"]
            .iter()
            .map(|scheme| format!("{scheme}{file}"))
            .collect();
        for up in ["..", " ..", "%2e%2e", ".%2E", "x/../..", "x%2f..%2f.."] {
            paths.push(format!("{up}/neighbour/{neighbour}"));
        }
        for root in [root, "data", "tables", "managed"] {
            paths.push(format!("/{root}/{below}"));
            paths.push(format!("//mount/{root}/{below}"));
            paths.push(format!("gov://mount/{root}/{below}"));
            paths.push(format!("../../{root}/{below}"));
            paths.push(format!("../../../{root}/{below}"));
        }
        paths.push(format!("..\\neighbour\\{neighbour}"));
        paths
    }

    /// An external table of one own row, which was read.
    async fn thief(&self, name: &str) -> PathBuf {
        self.writer.create(name, columns(), &[]).await;
        self.writer.append(name, rows("own")).await;
        let folder = self.server.external().join(name);
        let sql = format!("CREATE TABLE main.default.{name} USING DELTA LOCATION '{}'", folder.display());
        self.server.done(ADMIN, &sql).await;
        let read = self.server.rows(ADMIN, &format!("SELECT ssn FROM main.default.{name}")).await;
        assert_eq!(read, ["own"]);
        folder
    }

    async fn refused(&self, sql: &str, what: &str) {
        let told = self.server.refused(ADMIN, sql).await;
        assert!(!told.contains(SECRET), "{what}: {told}");
        assert!(told.contains(REFUSED), "{what}: {told}");
    }
}

#[test]
fn a_file_elsewhere_is_not_read_whoever_names_it_and_however() {
    block_on(async {
        let ground = ground().await;
        for (number, path) in ground.paths().into_iter().enumerate() {
            let name = format!("thief{number}");
            let folder = ground.thief(&name).await;
            write_commit(&folder, 2, &[add(&path, ground.size)]);
            let table = format!("main.default.{name}");
            for sql in [
                format!("SELECT * FROM {table}"),
                format!("SELECT count(*) FROM {table}"),
                format!("SELECT * FROM {table} VERSION AS OF 2"),
                format!("UPDATE {table} SET id = 2"),
            ] {
                ground.refused(&sql, &path).await;
            }
        }
        let there = ground.server.rows(ADMIN, "SELECT id FROM main.default.people").await;
        assert_eq!(there, ["1"]);
    });
}

#[test]
fn a_table_that_is_registered_with_files_elsewhere_is_refused() {
    block_on(async {
        let ground = ground().await;
        ground.writer.create("model", columns(), &[]).await;
        let model = ground.server.external().join("model");
        let [protocol, metadata] =
            ["protocol", "metaData"].map(|name| json!({ name: logged(&model, 0, name) }));
        let folder = ground.server.external().join("whole");
        fs::create_dir_all(folder.join("_delta_log")).unwrap();
        let path = format!("file://{}", ground.file.display());
        write_commit(&folder, 0, &[protocol, metadata, add(&path, ground.size)]);
        let sql = format!("CREATE TABLE main.default.whole USING DELTA LOCATION '{}'", folder.display());
        ground.refused(&sql, "registered").await;
    });
}

#[test]
fn a_change_feed_tells_nothing_of_files_elsewhere() {
    block_on(async {
        let ground = ground().await;
        let folder = ground.thief("fed").await;
        let mut metadata = logged(&folder, 0, "metaData");
        metadata["configuration"] = json!({"delta.enableChangeDataFeed": "true"});
        write_commit(&folder, 2, &[json!({"metaData": metadata})]);
        let path = format!("file://{}", ground.file.display());
        let elsewhere = |path: &str| json!({"path": path, "partitionValues": {}, "size": ground.size, "dataChange": false});
        write_commit(&folder, 3, &[json!({"cdc": elsewhere(&path)})]);
        write_commit(&folder, 4, &[json!({"cdc": elsewhere("../neighbour/part.parquet")})]);
        for (version, what) in [(3, "file"), (4, "neighbour")] {
            let sql = format!("SELECT * FROM table_changes('main.default.fed', {version}, {version})");
            ground.refused(&sql, what).await;
        }
        let mut removed = elsewhere(&path);
        removed["dataChange"] = json!(true);
        removed["extendedFileMetadata"] = json!(true);
        removed["deletionTimestamp"] = json!(1);
        write_commit(&folder, 5, &[json!({"remove": removed})]);
        ground.refused("SELECT * FROM table_changes('main.default.fed', 5, 5)", "removed").await;
        assert_eq!(ground.server.rows(ADMIN, "SELECT ssn FROM main.default.fed").await, ["own"]);
    });
}

#[test]
fn a_deletion_vector_elsewhere_is_not_read() {
    block_on(async {
        let ground = ground().await;
        for (number, (storage, place)) in [
            ("p", format!("file://{}", ground.file.display())),
            ("p", "gov://mount/external/neighbour/deletion_vector.bin".to_owned()),
            ("u", format!("../neighbour/{}", "0".repeat(20))),
            ("u", format!(" ../neighbour/{}", "0".repeat(20))),
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("marked{number}");
            let folder = ground.thief(&name).await;
            let own = data_files(&folder).remove(0);
            let own_path = own.0.file_name().unwrap().to_str().unwrap().to_owned();
            let features = json!(["deletionVectors"]);
            let mut marked = add(&own_path, own.1);
            marked["add"]["deletionVector"] = json!({"storageType": storage, "pathOrInlineDv": place, "offset": 1, "sizeInBytes": 40, "cardinality": 1});
            let protocol = json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features});
            let removed = json!({"path": own_path, "deletionTimestamp": 1, "dataChange": true});
            write_commit(&folder, 2, &[json!({"protocol": protocol}), json!({"remove": removed}), marked]);
            ground.refused(&format!("SELECT * FROM main.default.{name}"), &place).await;
        }
    });
}
