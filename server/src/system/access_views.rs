//! Views of `system.access`: who may do what, who asks for more, and which columns nothing masks.
//!
//! They are made like those of [`information_schema`](super::information_schema) when they are read, from
//! the snapshot that the statement sees, and stand in `system` alone. The books of the same schema
//! (`audit`, `policy_decisions`) are stored.

use super::information_schema::View;

mod effective_privileges;
mod requests;
mod unprotected_columns;

pub(crate) use requests::REQUESTS;

/// The schema that holds the views.
pub const SCHEMA: &str = "access";

/// Every view.
pub static VIEWS: &[&View] =
    &[&effective_privileges::EFFECTIVE_PRIVILEGES, &REQUESTS, &unprotected_columns::UNPROTECTED_COLUMNS];
