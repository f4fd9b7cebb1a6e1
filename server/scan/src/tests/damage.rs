//! Missing and damaged tables, and what is said of them.

use std::error::Error as _;

use datafusion::arrow::array::RecordBatch;
use datafusion::prelude::{col, lit};
use weir_meter::Meter;

use super::{Ground, data_files, people, people_schema, table, written};
use crate::{Error, TableLocation};

/// What a user may read: no type, no backtrace, no path of this machine.
fn assert_clean(ground: &Ground, error: &Error) {
    let text = error.to_string();
    let machine = ground.directory.path().to_str().unwrap();
    for banned in [machine, "::", "Error", "backtrace", "\n", "kernel", "delta-rs", "gov://"] {
        assert!(!text.contains(banned), "`{banned}` in `{text}`");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_table_at_the_place() {
    let ground = Ground::new();
    std::fs::create_dir_all(ground.path(&table("empty"))).unwrap();
    std::fs::create_dir_all(ground.path(&table("log")).join("_delta_log")).unwrap();
    for place in ["empty", "log", "nowhere"] {
        let error = ground.tables.open(&table(place)).await.unwrap_err();
        assert!(matches!(error, Error::NoDeltaLog { .. }), "{place}: {error:?}");
        assert_clean(&ground, &error);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log() {
    for contents in ["this is no json", "{}", r#"{"metaData":{"id":"x"}}"#] {
        let ground = Ground::new();
        let location = written(&ground).await;
        let log = ground.path(&location).join("_delta_log");
        std::fs::write(log.join("00000000000000000000.json"), contents).unwrap();
        let error = ground.tables.open(&location).await.unwrap_err();
        assert!(matches!(error, Error::CorruptLog { .. }), "{contents}: {error:?}");
        assert!(error.source().is_some());
        assert_clean(&ground, &error);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_with_a_gap() {
    let ground = Ground::new();
    let location = written(&ground).await;
    ground.append(&location, people(0..1, "x")).await.unwrap();
    ground.tables.forget(&location);
    let log = ground.path(&location).join("_delta_log");
    std::fs::remove_file(log.join("00000000000000000001.json")).unwrap();
    let error = ground.tables.open(&location).await.unwrap_err();
    assert!(matches!(error, Error::CorruptLog { .. }), "{error:?}");
    assert_clean(&ground, &error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_feature_that_is_not_supported_is_named() {
    let ground = Ground::new();
    let location = written(&ground).await;
    let commit = ground.path(&location).join("_delta_log/00000000000000000002.json");
    let protocol = r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["typeWidening"],"writerFeatures":["typeWidening"]}}"#;
    std::fs::write(commit, protocol).unwrap();
    let error = ground.tables.open(&location).await.unwrap_err();
    assert!(
        matches!(&error, Error::UnsupportedFeature { features, .. } if features == &["typeWidening"]),
        "{error:?}"
    );
    assert_clean(&ground, &error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feature_that_nobody_knows_is_named() {
    let ground = Ground::new();
    let location = written(&ground).await;
    let commit = ground.path(&location).join("_delta_log/00000000000000000002.json");
    let protocol = r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["timeMachine"],"writerFeatures":["timeMachine"]}}"#;
    std::fs::write(commit, protocol).unwrap();
    let error = ground.tables.open(&location).await.unwrap_err();
    assert!(
        matches!(&error, Error::UnsupportedFeature { features, .. } if features == &["timeMachine"]),
        "{error:?}"
    );
    assert_clean(&ground, &error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_protocol_is_told_with_its_versions() {
    for opened_before in [false, true] {
        let ground = Ground::new();
        let location = written(&ground).await;
        if opened_before {
            ground.tables.open(&location).await.unwrap();
        }
        let commit = ground.path(&location).join("_delta_log/00000000000000000002.json");
        std::fs::write(commit, r#"{"protocol":{"minReaderVersion":4,"minWriterVersion":8}}"#).unwrap();
        let error = ground.tables.open(&location).await.unwrap_err();
        assert!(matches!(error, Error::UnsupportedProtocol { reader: 4, writer: 8, .. }), "{error:?}");
        assert_clean(&ground, &error);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_feature_that_is_not_supported_is_named_when_writing() {
    let ground = Ground::new();
    let location = written(&ground).await;
    let commit = ground.path(&location).join("_delta_log/00000000000000000002.json");
    let protocol = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["rowTracking","domainMetadata"]}}"#;
    std::fs::write(commit, protocol).unwrap();
    let pinned = ground.tables.open(&location).await.unwrap();
    assert_eq!(ground.count(&pinned).await, 100);
    let error = ground.append(&location, people(0..1, "x")).await.unwrap_err();
    assert!(
        matches!(&error, Error::UnsupportedWrite { features, .. } if features.contains(&"rowTracking".to_owned())),
        "{error:?}"
    );
    assert_clean(&ground, &error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_data_file_is_named() {
    let ground = Ground::new();
    let location = written(&ground).await;
    let (file, _) = data_files(&ground.path(&location)).pop().unwrap();
    std::fs::remove_file(&file).unwrap();
    let error = read_failure(&ground, &location).await;
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(
        matches!(&error, Error::MissingFile { path, .. } if path == &format!("main/people/{name}")),
        "{error:?}"
    );
    assert_clean(&ground, &error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_data_file_is_named() {
    let ground = Ground::new();
    let location = written(&ground).await;
    let (file, size) = data_files(&ground.path(&location)).pop().unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_len(size / 2).unwrap();
    let error = read_failure(&ground, &location).await;
    assert!(matches!(&error, Error::CorruptFile { path: Some(_), .. }), "{error:?}");
    assert_clean(&ground, &error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrambled_data_file_is_told() {
    let ground = Ground::new();
    let location = written(&ground).await;
    let (file, size) = data_files(&ground.path(&location)).pop().unwrap();
    std::fs::write(&file, vec![7; usize::try_from(size).unwrap()]).unwrap();
    let error = read_failure(&ground, &location).await;
    assert!(matches!(&error, Error::CorruptFile { .. }), "{error:?}");
    assert_clean(&ground, &error);
}

/// Opens, which succeeds, and reads, which fails.
async fn read_failure(ground: &Ground, location: &TableLocation) -> Error {
    let pinned = ground.tables.open(location).await.unwrap();
    let plan = ground.plan(&pinned, None, 1).await;
    let failure = ground.rows(&plan, &Meter::new()).await.unwrap_err();
    ground.tables.diagnose(&pinned, failure).await
}

#[tokio::test]
async fn a_table_that_comes_to_anothers_place_is_read_by_its_own_footers() {
    let (ground, location) = (Ground::new(), table("people"));
    let mut sizes = Vec::new();
    for ids in [1..4, 5..8] {
        let folder = ground.path(&location);
        drop(std::fs::remove_dir_all(&folder));
        ground.tables.forget(&location);
        ground.tables.create(&location, people_schema(), &[]).await.unwrap();
        ground.append(&location, people(ids.clone(), "x")).await.unwrap();
        ground.tables.forget(&location);
        let (file, size) = data_files(&folder).remove(0);
        sizes.push(size);
        let commit = folder.join("_delta_log/00000000000000000001.json");
        let log = std::fs::read_to_string(&commit).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        std::fs::write(&commit, log.replace(name, "a.parquet")).unwrap();
        std::fs::rename(&file, folder.join("a.parquet")).unwrap();
        let pinned = ground.tables.open(&location).await.unwrap();
        for id in ids {
            let plan = ground.plan(&pinned, Some(col("id").eq(lit(id))), 1).await;
            let rows = ground.rows(&plan, &Meter::new()).await.unwrap();
            assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 1, "row {id}");
        }
    }
    assert_eq!(sizes[0], sizes[1], "else the footers could be told apart by it");
}
