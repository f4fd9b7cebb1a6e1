//! What the engine can be asked to show of a plan, and the numbers that users may be shown.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

use crate::GovernedPlan;

/// Everything the engine can be asked to show of a plan.
pub(crate) fn show(plan: &GovernedPlan) -> String {
    let plan = plan.plan().as_ref();
    let plain = DisplayableExecutionPlan::new(plan).set_show_schema(true).indent(true).to_string();
    let measured = DisplayableExecutionPlan::with_full_metrics(plan).set_show_statistics(true).indent(true);
    let plain =
        plain.lines().map(|line| line.split(", schema=").next().unwrap()).collect::<Vec<_>>().join("\n");
    let tree = DisplayableExecutionPlan::new(plan).tree_render().to_string();
    let measured: Vec<String> = measured
        .to_string()
        .lines()
        .map(|line| {
            line.split(", metrics=").next().unwrap().split(", statistics=").next().unwrap().to_owned()
        })
        .collect();
    format!("{plain}\n{}\n{tree}\n", measured.join("\n"))
}

/// The numbers that come of a plan: what each operator is thought to give, on which the order of joins hangs, and once it
/// ran what the readings of the leaves tell of rows and bytes.
pub(crate) fn numbers(plan: &GovernedPlan) -> Vec<String> {
    let mut numbers = Vec::new();
    thought(plan.plan(), &mut numbers);
    for leaf in plan.readings() {
        numbers.push(format!("{} rows={} bytes={}", leaf.name, leaf.rows, leaf.bytes));
    }
    numbers
}

fn thought(plan: &Arc<dyn ExecutionPlan>, numbers: &mut Vec<String>) {
    let sizes = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).unwrap();
    numbers.push(format!("{} is thought to give {sizes}", plan.name()));
    plan.children().into_iter().for_each(|child| thought(child, numbers));
}
