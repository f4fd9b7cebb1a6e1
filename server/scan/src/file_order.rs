//! In which order files are read, where somebody wants the first rows of an order.
//!
//! The bound of the first rows leaves out whatever lies behind it: files whose rows come first are read first, so that the
//! bound is narrow early. Files stay whole and where they were planned; the order is that of what their statistics tell.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

use crate::row_place_exec::RowPlaceExec;

/// `plan` with its files in the order of this column, whatever the case of its name; none where nothing tells their order.
pub fn in_order(
    plan: &Arc<dyn ExecutionPlan>,
    column: &str,
    descending: bool,
) -> Option<Arc<dyn ExecutionPlan>> {
    let ordered = Arc::clone(plan).transform_down(|node| {
        // Places of rows are counted in the order of now.
        if node.is::<RowPlaceExec>() {
            return Ok(Transformed::new(node, false, TreeNodeRecursion::Stop));
        }
        let source = node.downcast_ref::<DataSourceExec>();
        let scan = source.and_then(|source| source.data_source().downcast_ref::<FileScanConfig>());
        let Some(mut scan) = scan.cloned() else { return Ok(Transformed::no(node)) };
        let fields = scan.file_schema().fields().iter();
        let Some(place) = fields.into_iter().position(|field| field.name().eq_ignore_ascii_case(column))
        else {
            return Ok(Transformed::no(node));
        };
        for group in &mut scan.file_groups {
            let mut files: Vec<PartitionedFile> = group.files().to_vec();
            files.sort_by(|one, other| first_of(one, other, place, descending));
            *group = FileGroup::new(files);
        }
        Ok(Transformed::yes(DataSourceExec::from_data_source(scan) as Arc<dyn ExecutionPlan>))
    });
    // reason: what cannot be ordered is read as it was planned
    let ordered = ordered.ok()?;
    ordered.transformed.then_some(ordered.data)
}

/// Which of two files has rows that come first; one of which nothing is told comes last.
fn first_of(one: &PartitionedFile, other: &PartitionedFile, column: usize, descending: bool) -> Ordering {
    let edge = |file: &PartitionedFile| {
        let column = file.statistics.as_ref()?.column_statistics.get(column)?;
        let edge = if descending { &column.max_value } else { &column.min_value };
        edge.get_value().cloned()
    };
    match (edge(one), edge(other)) {
        (Some(one), Some(other)) => {
            let order = one.partial_cmp(&other).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        }
        (one, other) => other.is_some().cmp(&one.is_some()),
    }
}
