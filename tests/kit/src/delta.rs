//! Files of tables: what lies in a folder, and Parquet read without any of the server.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The Parquet files under `folder`, its log left out, with their sizes; sorted by path.
pub fn data_files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, kind) = (entry.path(), entry.file_type().expect("its kind"));
            if kind.is_dir() && path.file_name().is_some_and(|name| name != "_delta_log") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                found.push((path, entry.metadata().expect("its size").len()));
            }
        }
    }
    found.sort();
    found
}

/// All rows of the Parquet files in `folder`, read by the Parquet crate alone.
pub fn read_parquet_folder(folder: &Path) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    for (path, _) in data_files(folder) {
        let file = std::fs::File::open(&path).expect("a file");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader");
        batches.extend(reader.map(|batch| batch.expect("rows")));
    }
    batches
}
