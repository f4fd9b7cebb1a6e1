//! [`Caller`]: the facts about the session user that policies may ask for.

use std::collections::{BTreeMap, BTreeSet};

use weir_catalog::{PrincipalId, Snapshot};

use crate::error::Refusal;

/// The session user, as identity functions see them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    principal: PrincipalId,
    name: String,
    groups: BTreeSet<String>,
    account_admin: bool,
    claims: BTreeMap<String, String>,
}

impl Caller {
    /// The facts about `principal` in `snapshot`. `claims` are the token's, flattened to
    /// dotted paths. Refuses a principal that the snapshot does not hold.
    pub fn new(
        snapshot: &Snapshot,
        principal: PrincipalId,
        claims: BTreeMap<String, String>,
    ) -> Result<Self, Refusal> {
        let known = snapshot
            .principal(principal)
            .filter(|known| !known.disabled)
            .ok_or_else(|| Refusal::Unsupported("a caller without a principal".to_owned()))?;
        Ok(Self {
            principal,
            name: known.name.clone(),
            groups: snapshot.group_names_of(principal),
            account_admin: known.account_admin,
            claims,
        })
    }

    /// The facts about the owner of a policy's function, in whose name the policy reads: whether the owner could
    /// log in today does not matter, and there is no token.
    pub(crate) fn definer(snapshot: &Snapshot, owner: PrincipalId) -> Result<Self, Refusal> {
        let missing = || Refusal::Unsupported("a policy whose function has no owner".to_owned());
        let known = snapshot.principal(owner).ok_or_else(missing)?;
        Ok(Self {
            principal: owner,
            name: known.name.clone(),
            groups: snapshot.group_names_of(owner),
            account_admin: false,
            claims: BTreeMap::new(),
        })
    }

    /// Whose rights hold.
    pub fn principal(&self) -> PrincipalId {
        self.principal
    }

    /// The exact name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The groups that hold the caller, directly or through others; exact names.
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// Whether the caller reads all of the books.
    pub fn is_account_admin(&self) -> bool {
        self.account_admin
    }

    /// The claims of the caller's token, by dotted path.
    pub(crate) fn claims(&self) -> &BTreeMap<String, String> {
        &self.claims
    }

    /// A claim of the caller's token.
    pub fn claim(&self, path: &str) -> Option<&str> {
        self.claims.get(path).map(String::as_str)
    }
}
