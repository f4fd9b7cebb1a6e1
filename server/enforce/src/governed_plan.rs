//! [`GovernedPlan`]: the proof that a plan was checked. Private fields, one maker.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;

use crate::governed_scan_exec::{LeafReadings, collect_readings, collect_scanned};
use crate::permit::Permit;

/// A physical plan whose every leaf is permitted. The only thing that can be executed.
#[derive(Debug, Clone)]
pub struct GovernedPlan {
    plan: Arc<dyn ExecutionPlan>,
    permits: Vec<Arc<Permit>>,
    canonical: String,
}

/// What one leaf has let pass so far.
#[derive(Debug, Clone)]
pub struct ScannedLeaf {
    /// Which table, under which policies.
    pub permit: Arc<Permit>,
    /// Rows of the table's files that were read and looked at, by whatever threw them away: the
    /// policies, predicates that entered the leaf, marks of deletion. Rows of files and parts of files
    /// that statistics left out, or that nobody asked for any more, are not among them. `None` where
    /// it is not counted: tables that are not files. Of a view that has policies, the rows of its query.
    pub rows_in: Option<u64>,
    /// Rows that left the leaf.
    pub rows_out: u64,
}

impl GovernedPlan {
    /// Made by [`crate::govern()`] after the check.
    pub(crate) fn new(plan: Arc<dyn ExecutionPlan>, permits: Vec<Arc<Permit>>, canonical: String) -> Self {
        Self { plan, permits, canonical }
    }

    /// The checked plan.
    pub fn plan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.plan
    }

    /// What its leaves may do, one each, in the order of the plan.
    pub fn permits(&self) -> &[Arc<Permit>] {
        &self.permits
    }

    /// The text whose digest names tables, versions and effective policies of the plan; the
    /// same for two users whose effective policies are the same. Not for users.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// What each leaf has let pass so far, leaves within sealed views among them. For the books.
    pub fn scanned(&self) -> Vec<ScannedLeaf> {
        let mut leaves = Vec::new();
        collect_scanned(&self.plan, None, &mut leaves);
        leaves
    }

    /// What each leaf has done so far.
    pub fn readings(&self) -> Vec<LeafReadings> {
        let mut readings = Vec::new();
        collect_readings(&self.plan, &mut readings);
        readings
    }
}
