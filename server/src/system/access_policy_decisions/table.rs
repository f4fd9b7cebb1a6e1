//! Whose the rows of `system.access.policy_decisions` are, and what of them is withheld.

use datafusion::logical_expr::{Expr, ident, lit};

use crate::system::OwnerColumn;
use crate::system::joined_table::{Unless, Withheld};
use crate::system::sight::Sight;

/// A row speaks of the user whose rights held.
pub const OWNER: OwnerColumn = OwnerColumn { column: "principal", field: None };

/// The rows of tables of which the reader may count what is hidden, and the reader's own of tables that they may
/// read: what a view reads under its owner's rights is not its reader's to know. Who manages the table alone could
/// ask, by a filter of theirs and the rows that it lets pass for others, for what a wider scope hides from them.
pub(crate) fn shown_to(reader: &Sight) -> Expr {
    let own = ident("principal").eq(lit(reader.name()));
    let read = reader.reads().call(vec![ident("table_id")]);
    reader.counts_hidden().call(vec![ident("table_id")]).or(own.and(read))
}

/// Rows in less rows out would count hidden rows.
pub(crate) fn withheld_from(reader: &Sight) -> Vec<Withheld> {
    vec![Withheld {
        column: "rows_in",
        decided_by: "table_id",
        unless: Unless::Holds(reader.counts_hidden()),
    }]
}
