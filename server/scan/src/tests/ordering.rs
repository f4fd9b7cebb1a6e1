//! Files in the order in which somebody wants rows.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::prelude::{col, lit};
use weir_meter::Meter;

use super::{Ground, people, table};
use crate::{PinnedTable, in_order};

impl Ground {
    /// The ids in the order in which one partition gives them.
    async fn ids(&self, table: &PinnedTable, order: Option<(&str, bool)>) -> Vec<i64> {
        let plan = self.plan(table, Some(col("id").gt_eq(lit(0_i64))), 1).await;
        let plan = match order {
            Some((column, descending)) => in_order(&plan, column, descending).unwrap(),
            None => plan,
        };
        let rows = self.rows(&plan, &Meter::new()).await.unwrap();
        rows.iter().flat_map(|batch| batch["id"].as_primitive::<Int64Type>().values().to_vec()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_read_in_the_order_of_a_column_and_stay_whole() {
    let ground = Ground::new();
    let location = table("ordered");
    ground.tables.create(&location, super::people_schema(), &[]).await.unwrap();
    for first in [20, 0, 30, 10] {
        ground.append(&location, people(first..first + 10, "x")).await.unwrap();
    }
    let pinned = ground.tables.open(&location).await.unwrap();
    let (up, down) =
        (ground.ids(&pinned, Some(("ID", false))).await, ground.ids(&pinned, Some(("id", true))).await);
    assert_eq!(up, (0..40).collect::<Vec<_>>());
    let begins: Vec<i64> = down.iter().step_by(10).copied().collect();
    assert_eq!(begins, [30, 20, 10, 0]);
    let mut as_planned = ground.ids(&pinned, None).await;
    assert_ne!(as_planned, up, "the files do not lie in order by themselves");
    as_planned.sort_unstable();
    assert_eq!(as_planned, up);
    let plan = ground.plan(&pinned, None, 1).await;
    assert!(in_order(&plan, "nothing", false).is_none());
}
