//! Tables that Spark wrote: read through Flight SQL as external tables, and again with a row
//! filter and a mask, compared with the rows that a correct reader returns.
//!
//! `make golden DIR=folder` runs these; the folder is not part of the project. Tables that
//! delta-rs cannot read stand in `tests/golden/delta_unreadable.txt`, each with the reason; that
//! list may only shrink.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use weir_testkit::{ADMIN, Refusal, Rows, TestServer, block_on, read_parquet_folder, text_of, unpack};

/// The folder of archives.
pub(crate) fn archives() -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the folder of real tables is the caller's to name")]
    let folder = std::env::var("WEIR_GOLDEN_DIR");
    let Ok(folder) = folder else {
        panic!(
            "WEIR_GOLDEN_DIR is not set: run `make golden DIR=folder` with a folder of Spark-written tables"
        );
    };
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|cause| panic!("WEIR_GOLDEN_DIR names `{folder}`, which cannot be read: {cause}"));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(".tar.zst"));
    found.sort();
    assert!(!found.is_empty(), "WEIR_GOLDEN_DIR names `{folder}`, which holds no archive");
    found
}

/// The archives that cannot be read, with the reasons.
fn unreadable() -> BTreeMap<String, String> {
    let text = include_str!("../golden/delta_unreadable.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| line.split_once(": ").map(|(name, why)| (name.to_owned(), why.to_owned())).unwrap())
        .collect()
}

fn name_of(archive: &Path) -> String {
    archive.file_name().unwrap().to_string_lossy().trim_end_matches(".tar.zst").to_owned()
}

/// Whether the archive says which rows a correct reader returns; the others are broken on purpose.
fn has_expected_rows(archive: &Path) -> bool {
    let folder = tempfile::tempdir().unwrap();
    unpack(archive, folder.path());
    folder.path().join(name_of(archive)).join("expected").is_dir() || folder.path().join("expected").is_dir()
}

/// Values as text, the same for types that differ in layout or zone alone.
fn lines(batches: &[RecordBatch], columns: &[String]) -> Vec<String> {
    let mut chosen = Vec::new();
    for batch in batches {
        let positions: Vec<usize> = columns
            .iter()
            .map(|name| {
                let fields = batch.schema();
                fields.fields().iter().position(|field| field.name().eq_ignore_ascii_case(name)).unwrap()
            })
            .collect();
        let batch = batch.project(&positions).unwrap();
        chosen.push(plain(&batch));
    }
    let mut lines = text_of(&chosen);
    lines.sort();
    lines
}

/// Timestamps to microseconds in UTC, as Delta has them.
fn plain(batch: &RecordBatch) -> RecordBatch {
    use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = match field.data_type() {
            DataType::Timestamp(unit, zone) if *unit != TimeUnit::Microsecond || zone.is_some() => {
                let zone = zone.as_ref().map(|_| "UTC".into());
                arrow::compute::cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone)).unwrap()
            }
            _ => std::sync::Arc::clone(column),
        };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Unpacks and registers one archive as `main.default.<name>`.
pub(crate) async fn register(server: &TestServer, archive: &Path) -> Result<(String, PathBuf), Refusal> {
    let name = name_of(archive);
    let folder = server.external().join(&name);
    unpack(archive, &folder);
    // archives hold one folder of their own name, or the two folders at once
    let folder = if folder.join(&name).is_dir() { folder.join(&name) } else { folder };
    let table = format!("main.default.`{name}`");
    let sql = format!("CREATE TABLE {table} USING DELTA LOCATION '{}'", folder.join("delta").display());
    server.client(ADMIN).update(&sql).await?;
    Ok((table, folder.join("expected")))
}

async fn read(server: &TestServer, archive: &Path) -> Result<(Rows, Vec<RecordBatch>, String), Refusal> {
    let (table, expected) = register(server, archive).await?;
    let rows = server.sql("admin", &format!("SELECT * FROM {table}")).await?;
    Ok((rows, read_parquet_folder(&expected), table))
}

/// Fails with every table that does not answer as it must.
async fn each(check: impl AsyncFn(&TestServer, &Path) -> Result<(), String>) {
    let server = TestServer::start().await;
    let unreadable = unreadable();
    let mut breaches = Vec::new();
    for archive in archives() {
        let name = name_of(&archive);
        if !has_expected_rows(&archive) {
            continue;
        }
        match (check(&server, &archive).await, unreadable.contains_key(&name)) {
            (Ok(()), true) => {
                breaches.push(format!("{name} can be read: strike it from delta_unreadable.txt"))
            }
            (Err(breach), false) => breaches.push(format!("{name}: {breach}")),
            _ => {}
        }
    }
    assert!(breaches.is_empty(), "{} tables\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn every_table_gives_its_rows() {
    block_on(each(async |server, archive| {
        let (rows, expected, _) = read(server, archive).await.map_err(|refusal| refusal.text)?;
        let columns = rows.columns();
        let (found, expected) = (lines(&rows.batches, &columns), lines(&expected, &columns));
        if found == expected {
            return Ok(());
        }
        Err(format!(
            "{} rows, expected {}\n  found    {:?}\n  expected {:?}",
            found.len(),
            expected.len(),
            found.first(),
            expected.first()
        ))
    }));
}

#[test]
fn every_governed_table_gives_exactly_its_filtered_and_masked_rows() {
    block_on(each(async |server, archive| {
        let (rows, expected, table) = read(server, archive).await.map_err(|refusal| refusal.text)?;
        // the policies stand on the first plain column
        let plain = rows.schema.fields().iter().find(|field| !field.data_type().is_nested());
        let Some(field) = plain else { return Ok(()) };
        let described =
            server.sql("admin", &format!("DESCRIBE TABLE {table}")).await.map_err(|refusal| refusal.text)?;
        let prefix = format!("{} | ", field.name());
        let kind =
            described.lines().iter().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned)).unwrap();
        let kind = kind.split(" | ").next().unwrap().to_owned();
        let column = format!("`{}`", field.name());
        let own = table.replace('`', "").replace("main.default.", "");
        let (filter, mask) = (format!("main.default.`{own}_f`"), format!("main.default.`{own}_m`"));
        let statements = [
            format!("CREATE FUNCTION {filter}(v {kind}) RETURNS BOOLEAN RETURN v IS NOT NULL"),
            format!("CREATE FUNCTION {mask}(v {kind}) RETURNS {kind} RETURN NULL"),
            format!("ALTER TABLE {table} SET ROW FILTER {filter} ON ({column})"),
            format!("ALTER TABLE {table} ALTER COLUMN {column} SET MASK {mask}"),
        ];
        for sql in statements {
            server.client(ADMIN).update(&sql).await.map_err(|refusal| format!("{sql}: {}", refusal.text))?;
        }
        let governed =
            server.sql("admin", &format!("SELECT * FROM {table}")).await.map_err(|refusal| refusal.text)?;
        let columns = rows.columns();
        let first = columns.iter().position(|name| name == field.name()).unwrap();
        let found = lines(&governed.batches, &columns);
        let others: Vec<String> = columns.iter().filter(|name| *name != field.name()).cloned().collect();
        let kept: Vec<RecordBatch> = expected
            .iter()
            .map(|batch| {
                let (position, _) = batch
                    .schema()
                    .fields()
                    .iter()
                    .enumerate()
                    .find(|(_, other)| other.name().eq_ignore_ascii_case(field.name()))
                    .map(|(position, other)| (position, other.name().clone()))
                    .unwrap();
                let there = arrow::compute::is_not_null(batch.column(position)).unwrap();
                arrow::compute::filter_record_batch(batch, &there).unwrap()
            })
            .collect();
        let expected_count: usize = kept.iter().map(RecordBatch::num_rows).sum();
        if found.len() != expected_count {
            return Err(format!("{} rows through the filter, expected {expected_count}", found.len()));
        }
        let masked =
            governed.batches.iter().all(|batch| batch.column(first).null_count() == batch.num_rows());
        if !masked {
            return Err(format!("a value of `{}` came through its mask", field.name()));
        }
        if !others.is_empty() && lines(&governed.batches, &others) != lines(&kept, &others) {
            return Err("the other columns differ".to_owned());
        }
        Ok(())
    }));
}

#[test]
fn every_broken_table_gives_a_clear_error() {
    block_on(async {
        let server = TestServer::start().await;
        let mut broken = 0;
        for archive in archives() {
            let name = name_of(&archive);
            if has_expected_rows(&archive) {
                continue;
            }
            broken += 1;
            let Err(refusal) = read(&server, &archive).await else { panic!("{name} gave rows") };
            assert!(refusal.text.starts_with("[DELTA_"), "{name}: {}", refusal.text);
            for banned in ["panicked", "kernel", "/tmp", "INTERNAL"] {
                assert!(!refusal.text.contains(banned), "{name}: {}", refusal.text);
            }
        }
        assert!(broken > 0, "the folder holds no broken table");
    });
}
