//! The profile of a statement that ran: its operators, and under each leaf the nine numbers with
//! the time spent inside.

use std::sync::Arc;

use datafusion::physical_plan::{ExecutionPlan, displayable};
use weir_enforce::permit::Barrier;
use weir_enforce::{GovernedPlan, LeafReadings, Scope};
use weir_scan::metrics;

use crate::query::gauges::{StatementGauges, totals_of};
use crate::query::record::Gauges;

/// The operators of `plan`, one line each; leaves by name only. Where a function's body is in the
/// plan that the caller may not know, the operators alone.
pub fn plan_lines(scope: &Scope, plan: &GovernedPlan) -> Vec<String> {
    let tree = displayable(plan.plan().as_ref()).indent(false).to_string();
    if scope.shows_expressions() {
        return tree.lines().map(str::to_owned).collect();
    }
    let mut lines = Vec::new();
    operators_of(plan.plan(), 0, &mut lines);
    lines.push("expressions are not shown: a function is called whose body you may not read".to_owned());
    lines
}

fn operators_of(plan: &Arc<dyn ExecutionPlan>, depth: usize, lines: &mut Vec<String>) {
    lines.push(format!("{}{}", "  ".repeat(depth), plan.name()));
    plan.children().into_iter().for_each(|child| operators_of(child, depth + 1, lines));
}

/// The operators, then what the run cost and what each leaf did.
pub fn profile_lines(scope: &Scope, plan: &GovernedPlan, gauges: &StatementGauges) -> Vec<String> {
    let mut lines = plan_lines(scope, plan);
    let readings = gauges.readings();
    lines.push(String::new());
    lines.push(format!("rows: {}", readings.rows_produced));
    lines.push(format!("cpu outside filtering: {}", milliseconds(readings.other_cpu)));
    lines.push(format!("cpu filtering: {}", milliseconds(readings.filtering_cpu)));
    lines.push(format!("waiting for its turn: {}", milliseconds(readings.waiting_at_capacity)));
    lines.push(format!("spilled to disk: {}", bytes(readings.spilled_bytes)));
    for leaf in gauges.leaves() {
        lines.push(String::new());
        lines.push(format!("GovernedScanExec: {}", leaf.name));
        lines.extend(leaf_lines(&leaf).into_iter().map(|line| format!("  {line}")));
    }
    lines
}

/// The numbers of a leaf that its caller may see.
fn leaf_lines(leaf: &LeafReadings) -> Vec<String> {
    let totals = totals_of(leaf);
    let output = vec![
        format!("{}: {}", metrics::ROWS_OUTPUT.name, totals.rows_output),
        format!("{}: {}", metrics::ROWS_OUTPUT_SIZE.name, bytes(totals.rows_output_bytes)),
    ];
    if leaf.barrier == Barrier::Strict {
        return output;
    }
    let mut lines = vec![format!(
        "{}: {}",
        metrics::TOTAL_REMOTE_EXECUTION_TIME.name,
        milliseconds(totals.filtering_time)
    )];
    lines.extend(output);
    lines.extend([
        format!("{}: {}", metrics::FILES_PRUNED.name, totals.files_pruned),
        format!("{}: {}", metrics::SIZE_OF_FILES_PRUNED.name, bytes(totals.files_pruned_bytes)),
        format!("{}: {}", metrics::FILES_READ.name, totals.files_read),
        format!("{}: {}", metrics::SIZE_OF_FILES_READ.name, bytes(totals.files_read_bytes)),
        format!("{}: {}", metrics::CACHE_HITS_SIZE.name, bytes(totals.cache_hit_bytes)),
        format!("{}: {}", metrics::CACHE_MISSES_SIZE.name, bytes(totals.cache_miss_bytes)),
    ]);
    lines
}

fn milliseconds(duration: std::time::Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1e3)
}

fn bytes(bytes: u64) -> String {
    format!("{bytes} B")
}
