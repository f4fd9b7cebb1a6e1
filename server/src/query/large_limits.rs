//! The first rows of an order, where they are many.
//!
//! The engine keeps the first n rows in a heap while the others pass. Where n is large, that costs more than to sort all
//! rows, which spills besides: of six million rows as much at a quarter of a million (TPC-H's `lineitem`), thrice as much at a
//! million (`benches/README.md`).

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// A heap of as many rows is never large.
const HEAP_ROWS: usize = 32_768;
/// A heap of as many rows is large, however many pass it.
const MANY_ROWS: usize = 262_144;
/// A heap is large where no more than as many times its rows pass it.
const TIMES: usize = 20;

/// Sorts all rows where the first of them would make a large heap.
#[derive(Debug)]
pub(super) struct LargeLimits;

impl PhysicalOptimizerRule for LargeLimits {
    fn name(&self) -> &'static str {
        "large_limits"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let sorted = plan.transform_up(|node| {
            let Some(sort) = node.downcast_ref::<SortExec>() else { return Ok(Transformed::no(node)) };
            let Some(rows) = sort.fetch().filter(|rows| is_large(*rows, sort)) else {
                return Ok(Transformed::no(node));
            };
            let whole: Arc<dyn ExecutionPlan> = Arc::new(sort.with_fetch(None));
            Ok(Transformed::yes(Arc::new(LocalLimitExec::new(whole, rows)) as Arc<dyn ExecutionPlan>))
        });
        sorted.data()
    }
}

fn is_large(rows: usize, sort: &SortExec) -> bool {
    if rows <= HEAP_ROWS {
        return false;
    }
    if rows > MANY_ROWS {
        return true;
    }
    let known = StatisticsContext::new().compute(sort.input().as_ref(), &StatisticsArgs::new());
    match known.map(|known| known.num_rows) {
        Ok(Precision::Exact(all) | Precision::Inexact(all)) => all / TIMES < rows,
        Ok(Precision::Absent) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use datafusion::arrow::array::{Int64Array, RecordBatch};
    use datafusion::arrow::compute::SortOptions;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::physical_expr::expressions::Column;
    use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
    use datafusion::physical_plan::displayable;

    use super::*;

    /// The plan for the first `fetch` of so many rows.
    fn planned(rows: i64, fetch: Option<usize>) -> String {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let numbers = Arc::new(Int64Array::from_iter_values(0..rows));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![numbers]).unwrap();
        let input = MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None).unwrap();
        let by = PhysicalSortExpr::new(Arc::new(Column::new("n", 0)), SortOptions::default());
        let sort = SortExec::new(LexOrdering::new([by]).unwrap(), input).with_fetch(fetch);
        let plan = LargeLimits.optimize(Arc::new(sort), &ConfigOptions::default()).unwrap();
        displayable(plan.as_ref()).indent(false).to_string()
    }

    #[test]
    fn few_of_many_rows_stay_in_a_heap() {
        for (rows, fetch) in [(1_000_000, 10), (1_000_000, 40_000), (100, 32_768)] {
            assert!(planned(rows, Some(fetch)).starts_with("SortExec: TopK(fetch="), "{rows} {fetch}");
        }
        assert!(planned(1_000_000, None).starts_with("SortExec: expr="));
    }

    #[test]
    fn many_rows_are_the_first_of_a_whole_sort() {
        for (rows, fetch) in [(1_000_000, 60_000), (50_000, 40_000), (10, 300_000)] {
            let plan = planned(rows, Some(fetch));
            assert!(plan.starts_with(&format!("LocalLimitExec: fetch={fetch}")), "{plan}");
            assert!(plan.contains("SortExec: expr="), "{plan}");
        }
    }
}
