//! Whose the rows of `system.access.audit` are.

use datafusion::logical_expr::{Expr, ident};

use crate::system::OwnerColumn;

/// A row belongs to the user whose rights held, also where an app acted for them.
pub const OWNER: OwnerColumn = OwnerColumn { column: "user_identity", field: Some("email") };

/// What a view reads under its owner's rights is not its reader's to know.
pub(crate) fn shown_to_owner() -> Expr {
    ident("rights_of").is_null()
}
