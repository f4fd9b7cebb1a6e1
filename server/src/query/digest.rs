//! The digest of a governed plan: which tables at which versions under which effective policies.
//! Equal for two users who see the same.

use aws_lc_rs::digest::{SHA256, digest};
use weir_enforce::GovernedPlan;
use weir_enforce::permit::Barrier;

use crate::query::history::{GovernedTable, Protection};
use crate::query::record::GovernedBy;

/// What the books want to know of the policies of `plan`.
pub fn governed_by(plan: &GovernedPlan) -> GovernedBy {
    let behind_barriers = plan.permits().iter().filter(|permit| permit.barrier != Barrier::None);
    let tables: Vec<GovernedTable> = behind_barriers
        .map(|permit| GovernedTable { name: permit.name.clone(), version: permit.version })
        .collect();
    let strict = plan.permits().iter().any(|permit| permit.barrier == Barrier::Strict);
    GovernedBy {
        policy_digest: (!tables.is_empty()).then(|| hexadecimal(&plan.canonical())),
        tables,
        protection: if strict { Protection::Strict } else { Protection::Standard },
    }
}

fn hexadecimal(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
