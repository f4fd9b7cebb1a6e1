//! Changing rows: what is copied, what is not there any more, and what the log and the change data say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, StringViewArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt64Type};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};
use datafusion::physical_plan::displayable;
use weir_meter::Meter;

use super::{Ground, people, people_schema, table};
use crate::file_layout::ROW_GROUP_ROWS;
use crate::{
    CLAUSE, Clause, Error, FILE, NewTable, PLACE, PinnedTable, RowChanges, RowOperation, TableLocation,
    TextLengths,
};

impl Ground {
    /// Every row with what it is known by: id, region, file, place.
    async fn identified(&self, table: &PinnedTable, partitions: usize) -> Vec<(i64, String, String, u64)> {
        let source = provider_as_source(table.identified());
        let plan = LogicalPlanBuilder::scan("t", source, None).unwrap();
        let plan = plan.filter(col("id").gt_eq(lit(0_i64))).unwrap().build().unwrap();
        let plan = self.state(partitions).create_physical_plan(&plan).await.unwrap();
        let mut rows = Vec::new();
        for batch in self.rows(&plan, &Meter::new()).await.unwrap() {
            let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().clone();
            let regions = batch.column_by_name("region").unwrap().as_string_view().clone();
            let files = batch.column_by_name(FILE).unwrap().as_string::<i32>().clone();
            let places = batch.column_by_name(PLACE).unwrap().as_primitive::<UInt64Type>().clone();
            for row in 0..batch.num_rows() {
                let region = regions.value(row).to_owned();
                rows.push((ids.value(row), region, files.value(row).to_owned(), places.value(row)));
            }
        }
        rows.sort();
        rows
    }

    /// Changes rows by id: 0 takes them out, 1 gives them another name, 2 puts them in.
    pub(super) async fn change(&self, location: &TableLocation, wanted: &[(i32, i64)]) -> crate::Result<()> {
        let table = self.tables.open(location).await?;
        let clauses = vec![Clause::Delete, Clause::Update(vec![1]), Clause::Insert];
        let state = self.state(1);
        let pool = &state.runtime_env().memory_pool;
        let mut changes =
            RowChanges::new(table.provider().schema(), clauses, &[0, 1, 2], TextLengths::default(), pool);
        let known = self.identified(&table, 1).await;
        let place = |id: i64| known.iter().find(|row| row.0 == id).map(|row| (row.2.clone(), row.3));
        let places: Vec<_> = wanted.iter().map(|(_, id)| place(*id)).collect();
        let column = |name: &str, data_type| Field::new(name, data_type, true);
        let fields = vec![
            column(CLAUSE, DataType::Int32),
            column(FILE, DataType::Utf8),
            column(PLACE, DataType::UInt64),
            column("a", DataType::Int64),
            column("b", DataType::Utf8View),
            column("c", DataType::Utf8View),
        ];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(wanted.iter().map(|(clause, _)| Some(*clause)).collect::<Int32Array>()),
            Arc::new(places.iter().map(|place| Some(place.as_ref()?.0.clone())).collect::<StringArray>()),
            Arc::new(places.iter().map(|place| Some(place.as_ref()?.1)).collect::<UInt64Array>()),
            Arc::new(wanted.iter().map(|(_, id)| Some(*id)).collect::<Int64Array>()),
            Arc::new(StringViewArray::from(vec!["new"; wanted.len()])),
            Arc::new(StringViewArray::from(vec!["x"; wanted.len()])),
        ];
        changes.push(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap())?;
        let changes = Arc::new(changes);
        self.tables.change_rows(&table, &state, &changes, RowOperation::Merge, Vec::new()).await?;
        Ok(())
    }

    pub(super) async fn names(&self, location: &TableLocation) -> BTreeMap<i64, (String, String)> {
        let table = self.tables.open(location).await.unwrap();
        let plan = self.plan(&table, None, 1).await;
        let mut names = BTreeMap::new();
        for batch in self.rows(&plan, &Meter::new()).await.unwrap() {
            let ids = batch.column(0).as_primitive::<Int64Type>().clone();
            let (named, regions) = (batch.column(1).as_string_view(), batch.column(2).as_string_view());
            for row in 0..batch.num_rows() {
                let value = (named.value(row).to_owned(), regions.value(row).to_owned());
                assert!(names.insert(ids.value(row), value).is_none(), "a row is there twice");
            }
        }
        names
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_has_one_place_however_many_partitions_read() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &["region".to_owned()]).await.unwrap();
    // the first file has three row groups
    for (ids, region) in [(0..300_000, "a b/c%20"), (300_000..320_000, "é"), (320_000..340_000, "a b/c%20")]
    {
        ground.append(&location, people(ids, region)).await.unwrap();
    }
    let pinned = ground.tables.open(&location).await.unwrap();
    let one = ground.identified(&pinned, 1).await;
    let many = ground.identified(&pinned, 7).await;
    assert_eq!(one, many);
    let places: BTreeSet<_> = one.iter().map(|row| (&row.2, row.3)).collect();
    assert_eq!(places.len(), 340_000);
    assert_eq!(one.iter().map(|row| row.3).max(), Some(299_999));
    let before = ground.names(&location).await;
    let last_of_its_group = i64::try_from(ROW_GROUP_ROWS).unwrap() - 1;
    ground.change(&location, &[(1, last_of_its_group), (0, last_of_its_group + 1)]).await.unwrap();
    let mut wanted = before;
    wanted.get_mut(&last_of_its_group).unwrap().0 = "new".to_owned();
    wanted.remove(&(last_of_its_group + 1));
    assert!(ground.names(&location).await == wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_change_and_the_others_stay_as_they_are() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &["region".to_owned()]).await.unwrap();
    for (from, region) in [(0, "a b/c%20"), (100, "é"), (200, "z")] {
        ground.append(&location, people(from..from + 100, region)).await.unwrap();
    }
    let before = ground.names(&location).await;
    ground.change(&location, &[(0, 3), (1, 5), (1, 150), (2, 900)]).await.unwrap();
    let mut wanted = before.clone();
    wanted.remove(&3);
    wanted.get_mut(&5).unwrap().0 = "new".to_owned();
    wanted.get_mut(&150).unwrap().0 = "new".to_owned();
    wanted.insert(900, ("new".to_owned(), "x".to_owned()));
    assert_eq!(ground.names(&location).await, wanted);
    let pinned = ground.tables.open(&location).await.unwrap();
    // One each for the two that are written anew, the third as it was, and the one put in.
    assert_eq!((pinned.version(), pinned.file_count()), (4, 4));

    // A file of which nothing is left is not written again, and others that know nothing of it read the same.
    ground.change(&location, &(200..300).map(|id| (0, id)).collect::<Vec<_>>()).await.unwrap();
    let other = crate::DeltaTables::new(Arc::clone(ground.tables.router()), crate::Config::default());
    assert_eq!(other.open(&location).await.unwrap().file_count(), 3);
    wanted.retain(|id, _| !(200..300).contains(id));
    assert_eq!(ground.names(&location).await, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_changed_once() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    ground.append(&location, people(0..10, "x")).await.unwrap();
    for twice in [[(1, 4), (1, 4)], [(0, 4), (1, 4)], [(1, 4), (0, 4)]] {
        let refused = ground.change(&location, &twice).await;
        assert!(matches!(refused, Err(Error::ChangedTwice)), "{refused:?}");
    }
    ground.change(&location, &[(0, 4), (0, 4)]).await.unwrap();
    assert_eq!(ground.names(&location).await.len(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_of_one_file_one_is_told_of_the_conflict() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    ground.append(&location, people(0..10, "x")).await.unwrap();
    let (one, two) = tokio::join!(ground.change(&location, &[(1, 1)]), ground.change(&location, &[(0, 2)]));
    let outcomes = [one, two];
    let conflicts = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Conflict { .. }))).count();
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((done, conflicts), (1, 1), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_null_is_checked_and_nothing_is_committed() {
    let ground = Ground::new();
    let location = table("strict");
    let mut fields: Vec<_> = people_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields[1] = Field::new("name", DataType::Utf8, false);
    ground.tables.create(&location, Arc::new(Schema::new(fields)), &[]).await.unwrap();
    ground.append(&location, people(0..10, "x")).await.unwrap();
    let table = ground.tables.open(&location).await.unwrap();
    let state = ground.state(1);
    let pool = &state.runtime_env().memory_pool;
    let mut changes = RowChanges::new(
        table.provider().schema(),
        vec![Clause::Update(vec![1])],
        &[1],
        TextLengths::default(),
        pool,
    );
    let row = &ground.identified(&table, 1).await[0];
    let nothing: ArrayRef = Arc::new(StringViewArray::from(vec![None::<&str>]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        (CLAUSE, Arc::new(Int32Array::from(vec![0]))),
        (FILE, Arc::new(StringArray::from(vec![row.2.clone()]))),
        (PLACE, Arc::new(UInt64Array::from(vec![row.3]))),
        ("name", nothing),
    ];
    changes.push(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    let changes = Arc::new(changes);
    let refused = ground.tables.change_rows(&table, &state, &changes, RowOperation::Update, vec![]).await;
    assert!(matches!(refused, Err(Error::InvalidRows { .. })), "{refused:?}");
    assert_eq!(ground.tables.open(&location).await.unwrap().version(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_with_a_feed_tells_what_changed_and_nothing_of_what_was_copied() {
    let ground = Ground::new();
    let location = table("feed");
    let definition = NewTable {
        schema: people_schema(),
        partition_columns: vec!["region".to_owned()],
        properties: vec![("delta.enableChangeDataFeed".to_owned(), "true".to_owned())],
        comment: None,
    };
    ground.tables.create_as(&location, definition, Vec::new()).await.unwrap();
    ground.append(&location, people(0..10, "x")).await.unwrap();
    ground.change(&location, &[(0, 3), (1, 5), (2, 900)]).await.unwrap();

    let table = ground.tables.open(&location).await.unwrap().table().await.unwrap();
    let feed = table.scan_cdf().with_starting_version(2);
    let plan = feed.build(&ground.state(1), None).await.unwrap();
    let mut told = Vec::new();
    for batch in ground.rows(&plan, &Meter::new()).await.unwrap() {
        let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().clone();
        let names = batch.column_by_name("name").unwrap().as_string::<i32>().clone();
        let changes = batch.column_by_name("_change_type").unwrap().as_string::<i32>().clone();
        let rows = (0..batch.num_rows())
            .map(|row| format!("{} {} {}", changes.value(row), ids.value(row), names.value(row)));
        told.extend(rows);
    }
    told.sort();
    let wanted = ["delete 3 name 3", "insert 900 new", "update_postimage 5 new", "update_preimage 5 name 5"];
    assert_eq!(told, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_one_file_have_their_places_however_many_partitions_there_could_be() {
    let ground = Ground::new();
    for rows in [20_000_i64, 300_000] {
        let location = table(&format!("people{rows}"));
        ground.tables.create(&location, people_schema(), &[]).await.unwrap();
        ground.append(&location, people(0..rows, "x")).await.unwrap();
        let pinned = ground.tables.open(&location).await.unwrap();
        for partitions in [1, 2, 4] {
            let known = ground.identified(&pinned, partitions).await;
            assert_eq!(known.len() as i64, rows);
            let wrong = known.iter().find(|row| u64::try_from(row.0).unwrap() != row.3);
            assert_eq!(wrong, None, "{partitions}");
        }
        let source = provider_as_source(pinned.identified());
        let plan = LogicalPlanBuilder::scan("t", source, None).unwrap().build().unwrap();
        let plan = ground.state(4).create_physical_plan(&plan).await.unwrap();
        let told = displayable(plan.as_ref()).indent(false).to_string();
        assert!(!told.contains("RepartitionExec") && told.contains("1 group:"), "{told}");
    }
}

#[tokio::test]
async fn a_file_whose_path_would_be_spelled_otherwise_is_not_taken_out() {
    let (ground, location) = (Ground::new(), table("odd"));
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    ground.append(&location, people(0..3, "north")).await.unwrap();
    let folder = ground.path(&location);
    let (file, _) = super::data_files(&folder).remove(0);
    let name = file.file_name().unwrap().to_str().unwrap();
    let commit = folder.join("_delta_log/00000000000000000001.json");
    let text = std::fs::read_to_string(&commit).unwrap();
    // An apostrophe need not be escaped, and is not when it is written here.
    for (written, there, is_changed) in
        [("it%27s.parquet", "it's.parquet", false), ("its.parquet", "its.parquet", true)]
    {
        let before = super::data_files(&folder).remove(0).0;
        std::fs::rename(before, folder.join(there)).unwrap();
        std::fs::write(&commit, text.replace(name, written)).unwrap();
        ground.tables.clear();
        match ground.change(&location, &[(0, 1)]).await {
            Ok(()) => assert!(is_changed),
            Err(refusal) => {
                assert!(!is_changed && matches!(refusal, Error::UnsupportedWrite { .. }), "{refusal}");
            }
        }
        let left = if is_changed { 2 } else { 3 };
        assert_eq!(ground.count(&ground.tables.open(&location).await.unwrap()).await, left);
    }
}
