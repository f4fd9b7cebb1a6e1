//! Files that are made to end the process or to keep it waiting.

use std::fs::File;
use std::path::Path as FilePath;
use std::process::Command;
use std::time::Duration;

use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt};
use weir_meter::Meter;

use super::deleted::mark;
use super::{Ground, data_files, written};
use crate::{Error, PinnedTable};

/// A read that waits for a pipe waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);

async fn is_read(ground: &Ground, pinned: &PinnedTable) -> bool {
    let logical = LogicalPlanBuilder::scan("t", provider_as_source(pinned.provider()), None).unwrap();
    match ground.state(1).create_physical_plan(&logical.build().unwrap()).await {
        Ok(plan) => ground.rows(&plan, &Meter::new()).await.is_ok(),
        Err(_) => false,
    }
}

fn make_pipe(place: &FilePath) {
    assert!(Command::new("mkfifo").arg(place).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_vector_that_marks_a_far_row_is_refused() {
    for row in [1 << 28, u32::MAX, 70_000] {
        for opened_before in [false, true] {
            let ground = Ground::new();
            let location = written(&ground).await;
            if opened_before {
                ground.tables.open(&location).await.unwrap();
            }
            mark(&ground, &location, 1, &[row], None);
            let error = ground.tables.open(&location).await.unwrap_err();
            assert!(matches!(error, Error::CorruptLog { .. }), "{row}: {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_a_deletion_vector_that_is_told_to_be_endless_is_not_read() {
    for (told, reads) in [(100, true), (1 << 42, false), (i64::MAX, false)] {
        let ground = Ground::new();
        let location = written(&ground).await;
        mark(&ground, &location, 1, &[3], Some(told));
        let pinned = ground.tables.open(&location).await.unwrap();
        assert_eq!(is_read(&ground, &pinned).await, reads, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_deletion_vectors_is_refused_where_one_marks_a_far_row() {
    let ground = Ground::new();
    let location = written(&ground).await;
    for (block, upper, reads) in [(0_u16, 0_u32, true), (4095, 0, true), (4096, 0, false), (0, 1024, false)] {
        let mut file = vec![1, 0, 0, 0, 34];
        file.extend(1_681_511_377_u32.to_le_bytes());
        file.extend(1_u64.to_le_bytes());
        file.extend(upper.to_le_bytes());
        file.extend(12_346_u32.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend(block.to_le_bytes());
        file.extend([0; 8]);
        let name = format!("deletion_vector_{block}_{upper}.bin");
        std::fs::write(ground.path(&location).join(&name), &file).unwrap();
        let path = Path::from(format!("{}/{name}", location.mounted_path()));
        let read = match ground.tables.router().get(&path).await {
            Ok(read) => read.bytes().await.ok(),
            Err(_) => None,
        };
        assert_eq!(read.map(|bytes| bytes.to_vec()), reads.then_some(file), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_is_no_file() {
    let ground = Ground::new();
    let location = written(&ground).await;
    let (file, _) = data_files(&ground.path(&location)).pop().unwrap();
    std::fs::remove_file(&file).unwrap();
    make_pipe(&file);
    make_pipe(&ground.path(&location).join("pipe.bin"));
    let pinned = ground.tables.open(&location).await.unwrap();
    assert!(!tokio::time::timeout(PATIENCE, is_read(&ground, &pinned)).await.unwrap());

    let name = file.file_name().unwrap().to_str().unwrap();
    let router = ground.tables.router();
    for name in [name, "pipe.bin"] {
        let path = Path::from(format!("{}/{name}", location.mounted_path()));
        let whole = tokio::time::timeout(PATIENCE, router.get(&path)).await.unwrap();
        assert!(matches!(whole, Err(StoreError::NotFound { .. })), "{name}");
        let part = tokio::time::timeout(PATIENCE, router.get_range(&path, 0..4)).await.unwrap();
        assert!(matches!(part, Err(StoreError::NotFound { .. })), "{name}");
        assert!(matches!(router.head(&path).await, Err(StoreError::NotFound { .. })), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_all_hole_is_refused() {
    for opened_before in [false, true] {
        let ground = Ground::new();
        let location = written(&ground).await;
        if opened_before {
            ground.tables.open(&location).await.unwrap();
        }
        let commit = ground.path(&location).join("_delta_log/00000000000000000002.json");
        File::create(&commit).unwrap().set_len(20 << 30).unwrap();
        let error = ground.tables.open(&location).await.unwrap_err();
        assert!(matches!(error, Error::CorruptLog { .. } | Error::Io { .. }), "{error:?}");
        std::fs::remove_file(&commit).unwrap();
        let pinned = ground.tables.open(&location).await.unwrap();
        assert_eq!(ground.count(&pinned).await, 100);
    }
}
