//! [`Access`]: whose rights a piece of text has, what it is for, and where it stands.

use datafusion::common::TableReference;
use weir_catalog::{
    Decision, Function, ObjectName, PrincipalId, Privilege, SecurableId, Snapshot, Table, TableId, authorize,
};

use super::Scope;
use crate::caller::Caller;
use crate::error::Refusal;
use crate::governed_scan_exec::StatementSeal;

/// How deep views, functions and policies may stand on views, functions and policies.
pub(super) const DEPTH_MAX: usize = 8;

/// Whose rights a piece of text has, and where its unqualified names are looked up.
#[derive(Debug, Clone)]
pub struct Access {
    pub(super) reader: PrincipalId,
    rights: Rights,
    catalog: String,
    schema: String,
    pub(super) purpose: Purpose,
    pub(super) depth: usize,
    /// The innermost view with policies of its own that the text belongs to.
    pub(super) within: Option<TableId>,
}

/// Whose rights a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    /// The session user's, who may be a member of groups by what their token claims.
    Caller,
    /// Those of the text's owner, as the catalog says: whoever asks, and whoever the owner is.
    Definer,
}

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// A query or a view: policies apply.
    Query,
    /// A policy's body: what it reads is read in its definer's name.
    Policy(PolicyReading),
}

/// In whose name a policy reads, and for which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PolicyReading {
    /// The owner of the policy's function.
    pub(super) definer: PrincipalId,
    /// The table or view that the policy governs; none while a function is looked at by itself.
    pub(super) governed: Option<TableId>,
}

impl Access {
    /// The caller's own statement.
    pub fn of_caller(caller: &Caller, catalog: &str, schema: &str) -> Self {
        Self {
            reader: caller.principal(),
            rights: Rights::Caller,
            catalog: catalog.to_lowercase(),
            schema: schema.to_lowercase(),
            purpose: Purpose::Query,
            depth: 0,
            within: None,
        }
    }

    /// A text on its own, with the rights of `owner`. Its names have three parts.
    pub(crate) fn of_owner(caller: &Caller, owner: PrincipalId) -> Self {
        Self { reader: owner, rights: Rights::Definer, ..Self::of_caller(caller, "", "") }
    }

    /// A view's text: its owner's rights, one level deeper.
    pub(super) fn of_view(&self, owner: PrincipalId) -> Self {
        Self { reader: owner, rights: Rights::Definer, depth: self.depth + 1, ..self.clone() }
    }

    /// The text of a view that has policies of its own.
    pub(super) fn of_policed_view(&self, view: &Table) -> Self {
        Self { within: Some(view.id), ..self.of_view(view.owner) }
    }

    /// The mark of what the text resolves to.
    pub(crate) fn seal(&self, scope: &Scope) -> StatementSeal {
        match self.within {
            Some(view) => scope.seal().within(view),
            None => scope.seal().clone(),
        }
    }

    /// A policy function's body: its owner's rights. Its names have three parts. `governed` is the table or
    /// view that the policy stands on.
    pub(crate) fn of_policy(function: &Function, governed: Option<TableId>) -> Self {
        Self {
            reader: function.owner,
            rights: Rights::Definer,
            catalog: function.name.catalog.to_string(),
            schema: function.name.schema.to_string(),
            purpose: Purpose::Policy(PolicyReading { definer: function.owner, governed }),
            depth: 0,
            within: None,
        }
    }

    /// The body of a function that this text calls: its owner's rights, one level deeper.
    pub(crate) fn of_function(&self, function: &Function) -> Result<Self, Refusal> {
        if self.depth >= DEPTH_MAX {
            let what = format!("function `{}`, which is called through too many functions,", function.name);
            return Err(Refusal::Unsupported(what));
        }
        Ok(Self {
            reader: function.owner,
            rights: Rights::Definer,
            catalog: function.name.catalog.to_string(),
            schema: function.name.schema.to_string(),
            purpose: self.purpose,
            depth: self.depth + 1,
            within: self.within,
        })
    }

    /// A function on its own, while it is made or looked at.
    pub(crate) fn beside(function: &Function) -> Self {
        Self { purpose: Purpose::Query, ..Self::of_policy(function, None) }
    }

    /// What a policy reads, in the definer's own scope: there it is a query.
    pub(super) fn of_definer(&self) -> Self {
        Self { purpose: Purpose::Query, within: None, ..self.clone() }
    }

    /// Whether it has the rights that this gives; a refusal tells no more than its reader may know.
    pub(crate) fn decide(&self, scope: &Scope, privilege: Privilege, on: SecurableId) -> Decision {
        authorize(self.snapshot(scope), self.reader, privilege, on)
    }

    /// The catalog as it is for whoever's rights the text has.
    pub(crate) fn snapshot<'s>(&self, scope: &'s Scope) -> &'s Snapshot {
        match self.rights {
            Rights::Caller => scope.snapshot(),
            Rights::Definer => scope.snapshot().unclaimed(),
        }
    }

    /// Whether it is part of a policy.
    pub(crate) fn is_policy(&self) -> bool {
        matches!(self.purpose, Purpose::Policy(_))
    }

    /// Whether it is the caller's own statement.
    pub(crate) fn is_callers(&self) -> bool {
        self.depth == 0 && !self.is_policy()
    }

    /// The full name of a function.
    pub(crate) fn function_name(&self, parts: &[&str]) -> Option<ObjectName> {
        let (catalog, schema, function) = match parts {
            [function] => (self.catalog.as_str(), self.schema.as_str(), *function),
            [schema, function] => (self.catalog.as_str(), *schema, *function),
            [catalog, schema, function] => (*catalog, *schema, *function),
            _ => return None,
        };
        // reason: what cannot be a name is no function's
        ObjectName::new(catalog, schema, function).ok()
    }

    /// The three folded parts of a name.
    pub(crate) fn full_name(&self, name: &TableReference) -> TableReference {
        let catalog = name.catalog().map_or_else(|| self.catalog.clone(), str::to_lowercase);
        let schema = name.schema().map_or_else(|| self.schema.clone(), str::to_lowercase);
        TableReference::full(catalog, schema, name.table().to_lowercase())
    }
}
