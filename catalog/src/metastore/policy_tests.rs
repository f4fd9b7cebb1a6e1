//! Policy tests: made, replaced and dropped. Running one is the server's concern; it is asked for with
//! [`Metastore::user_impersonate`] each time.
//!
//! A test is a query as another user that is kept, so making one needs what running one needs. Its text
//! and what it expects may hold values of tables: they are told to those alone who may run it.

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::impersonation::{impersonated, may_impersonate};
use super::{Created, Metastore, OnExistingDefinition, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::authorize::{is_account_admin, is_metastore_admin};
use crate::decision::Reason;
use crate::error::{Error, Reserved};
use crate::id::{PolicyTestId, PrincipalId};
use crate::name::Name;
use crate::policy_test::{Expectation, PolicyTest};
use crate::snapshot::Snapshot;
use crate::store::Change;

/// A policy test to be made.
#[derive(Debug, Clone)]
pub struct PolicyTestSpec {
    /// Unique in the metastore among policy tests.
    pub name: Name,
    /// As whom the query runs, exact.
    pub as_user: String,
    /// The query, names resolved.
    pub query: String,
    /// What must come.
    pub expectation: Expectation,
    /// A remark for people.
    pub comment: Option<String>,
}

impl Metastore {
    /// Needs IMPERSONATE. Only the owner, or one of rank who may impersonate, replaces a test.
    pub async fn policy_test_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: PolicyTestSpec,
        on_existing: OnExistingDefinition,
    ) -> Result<Created<PolicyTest>, Error> {
        let action = match on_existing {
            OnExistingDefinition::Replace => Action::PolicyTestReplace,
            OnExistingDefinition::Fail | OnExistingDefinition::Keep => Action::PolicyTestCreate,
        };
        let request = Request::new(by, now, action, told(&spec.name)).with("as_user", &spec.as_user);
        self.write(request, |caller| {
            let (target, mut because) = impersonated(caller, &spec.as_user)?;
            let existing = caller.snapshot.policy_test(&spec.name);
            match (existing, on_existing) {
                (Some(existing), OnExistingDefinition::Keep) => {
                    return Ok(Write::nothing(Created::Kept(existing.clone())));
                }
                (Some(_), OnExistingDefinition::Fail) => {
                    return Err(Error::PolicyTestExists { name: spec.name.clone() });
                }
                (Some(existing), OnExistingDefinition::Replace) => {
                    because.extend(require_changeable(caller, existing)?);
                }
                (None, _) => {}
            }
            let test = PolicyTest {
                id: existing.map_or_else(PolicyTestId::fresh, |test| test.id),
                name: spec.name.clone(),
                as_user: target.id,
                query: spec.query.clone(),
                expectation: spec.expectation.clone(),
                owner: existing.map_or(caller.by, |test| test.owner),
                comment: spec.comment.clone(),
                stamps: existing.map_or(caller.stamps, |test| caller.altered(test.stamps)),
            };
            let changes = vec![Change::PolicyTestPut(test.clone())];
            let value = if existing.is_some() { Created::Replaced(test) } else { Created::Made(test) };
            Ok(Write { changes, because, value })
        })
        .await
    }

    /// For the owner and those of rank. Returns whether there was anything to drop.
    pub async fn policy_test_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &Name,
        on_missing: OnMissing,
    ) -> Result<bool, Error> {
        self.write(Request::new(by, now, Action::PolicyTestDrop, told(name)), |caller| {
            let Some(test) = policy_test(caller.snapshot, caller.by, name) else {
                return match on_missing {
                    OnMissing::Ignore => Ok(Write::nothing(false)),
                    OnMissing::Fail => Err(Error::PolicyTestNotFound { name: name.clone() }),
                };
            };
            let because = require_changeable(caller, test)?;
            Ok(Write { changes: vec![Change::PolicyTestRemove(test.id)], because, value: true })
        })
        .await
    }
}

/// The tests that `by` may be told of: those it owns, and all for those who may run them and for rank.
pub fn policy_tests(snapshot: &Snapshot, by: PrincipalId) -> Vec<&PolicyTest> {
    let all =
        may_impersonate(snapshot, by) || is_account_admin(snapshot, by) || is_metastore_admin(snapshot, by);
    let mut tests: Vec<&PolicyTest> =
        snapshot.policy_tests().filter(|test| all || snapshot.acts_as(by, test.owner)).collect();
    tests.sort_by(|left, right| left.name.cmp(&right.name));
    tests
}

/// The test of that name, as far as `by` may be told of it.
pub fn policy_test<'s>(snapshot: &'s Snapshot, by: PrincipalId, name: &Name) -> Option<&'s PolicyTest> {
    policy_tests(snapshot, by).into_iter().find(|test| test.name == *name)
}

fn told(name: &Name) -> String {
    format!("policy test `{name}`")
}

fn require_changeable(caller: &Caller<'_>, test: &PolicyTest) -> Result<Vec<Reason>, Error> {
    match caller.is(test.owner) {
        // The metastore holds it: it is no securable of its own.
        true => Ok(Vec::new()),
        false => caller.require_rank(Reserved::ChangePolicyTest),
    }
}
