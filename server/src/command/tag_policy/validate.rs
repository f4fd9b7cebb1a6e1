//! VALIDATE POLICY: what a policy matches now, table by table and column by column, and what it would
//! miss. A row speaks of what the caller may see, and of nothing else.

use weir_catalog::securable::SecurableId;
use weir_catalog::{CoveredTable, TagPolicy, TagPolicyRule};

use super::Sight;
use super::fit::misfit_of;
use crate::command::listing::{Columns, Row, listing};
use crate::error::Result;
use crate::run::Outcome;

/// What a validation returns.
pub(crate) const COLUMNS: Columns = Columns::texts(&["finding", "table_name", "column_name", "detail"]);

pub(super) fn run(sight: Sight<'_>, policy: &TagPolicy) -> Result<Outcome> {
    let sees = |id| sight.sees(id);
    let mut rows = Vec::new();
    for table in sight.snapshot.tables_within(policy.scope) {
        if !sees(SecurableId::Table(table.id)) {
            continue;
        }
        match sight.snapshot.covered(policy, table) {
            Some(covered) => of_table(sight, policy, &covered, &mut rows),
            None => rows.push(Row::of([
                "NOT_MATCHED",
                &table.name.to_string(),
                "",
                "WHEN does not hold for the table",
            ])),
        }
    }
    for (key, value) in sight.snapshot.uncarried_tags(policy, sees) {
        let tag = value.map_or_else(|| format!("`{key}`"), |value| format!("`{key}` = `{value}`"));
        let detail = format!("nothing that you may see in the policy's scope carries tag {tag}");
        rows.push(Row::of(["TAG_NOT_CARRIED", "", "", &detail]));
    }
    listing(COLUMNS, &rows)
}

fn of_table(sight: Sight<'_>, policy: &TagPolicy, covered: &CoveredTable<'_>, rows: &mut Vec<Row>) {
    let name = covered.table.name.to_string();
    let missing = covered.missing(policy);
    if !missing.is_empty() {
        let (finding, consequence) = match policy.denies_without_match(covered.table) {
            true => ("DENIED", "those whom the policy names cannot read the table"),
            false => ("SKIPPED", "the policy does not hold for the table"),
        };
        for condition in missing {
            let detail = format!("no column fulfils {}: {consequence}", condition.condition);
            rows.push(Row::of([finding, &name, "", &detail]));
        }
        untagged(covered, rows);
        return;
    }
    if let Some(reason) = misfit_of(sight, policy, covered) {
        rows.push(Row::of(["MISFIT", &name, "", &format!("{reason}: the table cannot be read")]));
    }
    match &policy.rule {
        TagPolicyRule::RowFilter => rows.push(Row::of(["FILTERED", &name, "", "rows are filtered"])),
        TagPolicyRule::ColumnMask { on } => {
            for column in covered.columns(policy, on) {
                rows.push(Row::of(["MASKED", &name, &column.name, "values are masked"]));
            }
        }
    }
    untagged(covered, rows);
}

/// Columns without any tag: no condition on tags finds them.
fn untagged(covered: &CoveredTable<'_>, rows: &mut Vec<Row>) {
    let matched = |name: &str| covered.matched.iter().flatten().any(|column| column.name == name);
    for column in covered.table.columns.iter().filter(|column| column.tags.is_empty()) {
        if !covered.matched.is_empty() && !matched(&column.name) {
            let name = covered.table.name.to_string();
            rows.push(Row::of(["UNTAGGED_COLUMN", &name, &column.name, "the column has no tag"]));
        }
    }
}
