//! Values that partition a table, whatever they spell: written, read, changed and told; and logs that lead elsewhere, however they
//! are spelled.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::logical_expr::{col, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use object_store::memory::InMemory;
use serde_json::json;
use weir_meter::Meter;

use super::{Ground, data_files, people, people_schema, table, written};
use crate::{Config, DeltaTables, Error, RootName, TableLocation};

/// Texts that paths and URLs have other uses for, and the one that is the name of NULL's folder.
const ODD: [&str; 26] = [
    "ok",
    "/",
    "//",
    "/x/",
    "http://x",
    "s3://b/c",
    "x/../y",
    "../..",
    "..",
    ".",
    "..\\..",
    "a:b",
    "#1",
    "?x=1",
    "%",
    "%2F",
    "%2e%2e",
    "%252e",
    "\t",
    "\n",
    "\r",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    " é'\" ",
    "__HIVE_DEFAULT_PARTITION__",
];

/// The id of the first row with such a value.
const FIRST: i64 = 100;

type Names = BTreeMap<i64, (String, String)>;

/// One row for each value.
fn rows(regions: &[Option<&str>]) -> RecordBatch {
    let ids = Int64Array::from_iter_values((FIRST..).take(regions.len()));
    let names: StringArray = regions.iter().map(|_| Some("old")).collect();
    let regions: StringArray = regions.iter().copied().collect();
    RecordBatch::try_new(people_schema(), vec![Arc::new(ids), Arc::new(names), Arc::new(regions)]).unwrap()
}

/// The values as they are read; NULL as an empty text.
fn read(region: Option<&str>) -> String {
    region.unwrap_or_default().to_owned()
}

impl Ground {
    /// The names of all rows, as they are known and as the log has them.
    async fn names_anew(&self, location: &TableLocation) -> Names {
        let known = self.names(location).await;
        self.tables.clear();
        let anew = self.names(location).await;
        assert_eq!(known, anew);
        anew
    }

    async fn regions(&self, location: &TableLocation) -> BTreeMap<String, usize> {
        let table = self.tables.open(location).await.unwrap();
        let plan = self.plan(&table, None, 1).await;
        let mut regions = BTreeMap::new();
        for batch in self.rows(&plan, &Meter::new()).await.unwrap() {
            for region in batch.column(2).as_string_view() {
                *regions.entry(read(region)).or_default() += 1;
            }
        }
        regions
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_partitions_a_table_whatever_it_spells() {
    let ground = Ground::new();
    let location = ground.fed("odd", true).await;
    let first = ground.names(&location).await;
    let values: Vec<Option<&str>> = ODD.iter().copied().map(Some).chain([None]).collect();
    let all = |name: &str| -> Names {
        let odd = values.iter().zip(FIRST..).map(|(region, id)| (id, (name.to_owned(), read(*region))));
        odd.chain(first.clone()).collect()
    };
    ground.append(&location, rows(&values)).await.unwrap();
    assert_eq!(ground.names_anew(&location).await, all("old"));
    let table = ground.tables.open(&location).await.unwrap();
    for region in ODD {
        let plan = ground.plan(&table, Some(col("region").eq(lit(region))), 2).await;
        let found = ground.rows(&plan, &Meter::new()).await.unwrap();
        assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 1, "{region}");
    }

    let ids: Vec<i64> = (FIRST..).take(values.len()).collect();
    let each = |clause: i32| -> Vec<(i32, i64)> { ids.iter().map(|id| (clause, *id)).collect() };
    ground.change(&location, &each(1)).await.unwrap();
    assert_eq!(ground.names_anew(&location).await, all("new"));
    let newest = ground.tables.open(&location).await.unwrap();
    let past = ground.tables.open_version(&newest, 2).await.unwrap();
    assert_eq!(ground.count(&past).await, values.len() + first.len());

    let feed = ground.feed(&location, 2, 3).await.unwrap();
    let kinds = [(2, "insert"), (3, "update_preimage"), (3, "update_postimage")];
    let mut wanted = BTreeMap::new();
    for (version, kind) in kinds {
        wanted.extend(values.iter().map(|region| ((version, kind.to_owned(), read(*region)), 1)));
    }
    assert_eq!(ground.told(&feed, None).await, wanted);

    ground.change(&location, &each(0)).await.unwrap();
    assert_eq!(ground.names_anew(&location).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn null_and_the_name_of_its_folder_are_two_values_however_many_write() {
    let twin = Some("__HIVE_DEFAULT_PARTITION__");
    for partitions in [1, 4] {
        let ground = Ground::new();
        let location = table("twins");
        ground.tables.create(&location, people_schema(), &["region".to_owned()]).await.unwrap();
        for regions in [[None, twin, None], [twin, twin, None], [twin, twin, twin]] {
            let rows = rows(&regions);
            let input = RecordBatchStreamAdapter::new(rows.schema(), stream::iter([Ok(rows)]));
            let state = ground.state(partitions);
            let appended = ground.tables.append(&location, &state, Box::pin(input), Vec::new(), None).await;
            assert_eq!(appended.unwrap().rows, 3);
        }
        let wanted = BTreeMap::from([(read(None), 3), (read(twin), 6)]);
        assert_eq!(ground.regions(&location).await, wanted);
        ground.tables.clear();
        assert_eq!(ground.regions(&location).await, wanted);
    }
}

/// A value as others write it, too: all but what a URL has for names is encoded.
fn encoded(value: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let each = value.bytes().map(|byte| match plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    each.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_another_writer_with_such_values_is_read_and_changed() {
    let ground = Ground::new();
    let location = table("spelled");
    ground.tables.create(&location, people_schema(), &["region".to_owned()]).await.unwrap();
    ground.append(&location, people(0..3, "x")).await.unwrap();
    let folder = ground.path(&location);
    let (file, size) = data_files(&folder).remove(0);
    let mut actions = Vec::new();
    for value in ODD {
        // The folder has the value encoded, and the log has the folder encoded.
        let name = format!("region={}", encoded(value));
        std::fs::create_dir(folder.join(&name)).unwrap();
        std::fs::copy(&file, folder.join(&name).join("part.parquet")).unwrap();
        let path = format!("{}/part.parquet", name.replace('%', "%25"));
        actions.push(json!({"add": {"path": path, "partitionValues": {"region": value}, "size": size,
            "modificationTime": 0, "dataChange": true}}));
    }
    ground.commit(&location, 2, &actions);
    let each = |rows: usize| -> BTreeMap<String, usize> {
        ODD.iter().chain(&["x"]).map(|region| ((*region).to_owned(), rows)).collect()
    };
    assert_eq!(ground.regions(&location).await, each(3));
    ground.tables.clear();
    assert_eq!(ground.regions(&location).await, each(3));
    // One row of each file, one file after the other.
    for _ in 0..=ODD.len() {
        ground.change(&location, &[(0, 0)]).await.unwrap();
    }
    ground.tables.clear();
    assert_eq!(ground.regions(&location).await, each(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_leads_nowhere_however_often_it_is_encoded() {
    let ground = Ground::new();
    let neighbour = written(&ground).await;
    let (file, size) = data_files(&ground.path(&neighbour)).remove(0);
    let name = file.file_name().unwrap().to_str().unwrap();
    let ups =
        ["..", " ..", "%2e%2e", ".%2E", "x/../..", "x%2f..%2f..", "%252e%252e", "%25252e%2e", "x\\..\\.."];
    let mut paths: Vec<String> = ups.iter().map(|up| format!("{up}/people/{name}")).collect();
    let root = ground.path(&neighbour);
    paths.push(format!("file://{}/{name}", root.display()));
    paths.push(format!("file%3A{}/{name}", root.display()));
    paths.push(format!("gov://mount/main/people/{name}"));
    paths.push(format!("/main/people/{name}"));
    paths.push(format!("..?/people/{name}"));
    for (number, path) in paths.iter().enumerate() {
        let location = table(&format!("thief{number}"));
        ground.tables.create(&location, people_schema(), &[]).await.unwrap();
        ground.append(&location, people(0..3, "x")).await.unwrap();
        let add = json!({"add": {"path": path, "partitionValues": {}, "size": size, "modificationTime": 0,
            "dataChange": true}});
        ground.commit(&location, 2, &[add]);
        let others = DeltaTables::new(Arc::clone(ground.tables.router()), Config::default());
        for tables in [&ground.tables, &others] {
            let refused = tables.open(&location).await;
            assert!(matches!(refused, Err(Error::UnsupportedFeature { .. })), "{path}: {refused:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_is_too_long_for_a_folder_is_refused_as_that() {
    let ground = Ground::new();
    let far = RootName::new("far").unwrap();
    ground.tables.router().add_far_root(&far, Arc::new(InMemory::new())).unwrap();
    let far = TableLocation::new(far, "people").unwrap();
    for (location, most, too_many) in [(table("people"), 200, 300), (far, 900, 1_100)] {
        ground.tables.create(&location, people_schema(), &["region".to_owned()]).await.unwrap();
        let (long, short) = ("a".repeat(too_many), "a".repeat(most));
        let refused = ground.append(&location, rows(&[Some(long.as_str())])).await;
        assert!(matches!(refused, Err(Error::LongName { .. })), "{location}: {refused:?}");
        assert_eq!(ground.tables.open(&location).await.unwrap().version(), 0);
        ground.append(&location, rows(&[Some(short.as_str())])).await.unwrap();
        assert_eq!(ground.tables.open(&location).await.unwrap().version(), 1);
    }
}
