//! Whose the rows of `system.billing.usage` are.

use crate::system::OwnerColumn;

/// A row belongs to the user who is charged: the one whose rights held, also where an app acted
/// for them.
pub const OWNER: OwnerColumn = OwnerColumn { column: "identity_metadata", field: Some("run_as") };
