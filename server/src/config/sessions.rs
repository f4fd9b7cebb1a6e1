//! `[sessions]`: what sessions begin with.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::refused;
use super::section::section;
use crate::error::Result;

section! {
    /// What sessions begin with, for clients that can send no headers. What a client's headers or SET say goes before.
    Sessions {
        /// Double quotes stand around names, as in other dialects of SQL, and not around text.
        double_quoted_identifiers: bool = false,
        /// What the sessions of one user begin with, each a table of its own: for a tool that has a user of its own.
        users: Vec<SessionsOfUser> = Vec::new(),
    }
}

/// What the reference shows of a user's sessions.
pub(super) const USER_EXAMPLE: &[&str] = &[
    "[[sessions.users]]",
    "# the user, as the catalog has it",
    "name = \"dbt@example.com\"",
    "# as above, for this user",
    "double_quoted_identifiers = true",
    "# where names of fewer than three parts are looked up, instead of `main` and `default`",
    "catalog = \"sales\"",
    "schema = \"models\"",
];

/// What the sessions of one user begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsOfUser {
    /// The user, as the catalog has it.
    pub name: String,
    /// Whether double quotes stand around names; as for everybody where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub double_quoted_identifiers: Option<bool>,
    /// Where names are looked up; as for everybody where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<String>,
    /// Where names are looked up; as for everybody where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

impl Sessions {
    pub(super) fn check(&self) -> Result<()> {
        let mut names = BTreeSet::new();
        for user in &self.users {
            if !names.insert(&user.name) {
                return Err(refused(format!("`sessions.users` names `{}` twice", user.name)));
            }
            let place = [&user.catalog, &user.schema];
            let blank = place.into_iter().flatten().chain([&user.name]).any(|text| text.trim().is_empty());
            if blank {
                return Err(refused(format!("`sessions.users` has an empty text for `{}`", user.name)));
            }
        }
        Ok(())
    }

    /// What is said of the sessions of that user.
    pub fn of(&self, user: &str) -> Option<&SessionsOfUser> {
        self.users.iter().find(|of| of.name == user)
    }
}
