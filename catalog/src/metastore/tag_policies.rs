//! Tag policies: made, replaced, dropped.
//!
//! Who may: MANAGE on the scope, on the metastore one of rank; so an owner below the scope can
//! neither alter nor drop what stands above. What is checked: rights, that the function takes the
//! arguments, that every tag is governed and takes the value asked for, that aliases are defined, and
//! that no policies read in a circle. Types are the server's concern, before it asks.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::policies::{check_arity, check_policy_cycles};
use super::{Created, Metastore, OnExistingDefinition, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::decision::Reason;
use crate::error::{Error, Reserved};
use crate::function::Returns;
use crate::id::{PrincipalId, TagPolicyId};
use crate::name::{Name, ObjectName};
use crate::policy::{BuiltinMask, PolicyFunction, SEMANTICS};
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableName};
use crate::store::Change;
use crate::tag_policy::{
    Audience, ColumnMatch, Composition, OnNoMatch, TagCondition, TagPolicy, TagPolicyArgument, TagPolicyRule,
};

/// A tag policy to be made.
#[derive(Debug, Clone)]
pub struct TagPolicySpec {
    /// Unique on its scope.
    pub name: Name,
    /// Where it holds: metastore, catalog, schema, table or view.
    pub scope: SecurableName,
    /// Filter or mask.
    pub rule: TagPolicyRule,
    /// What it calls: a function of the catalog, or a mask of `system.policy`.
    pub function: ObjectName,
    /// For whom, exact names.
    pub to: Vec<String>,
    /// For whom it does not hold all the same, exact names.
    pub except: Vec<String>,
    /// For which tables of the scope.
    pub when: TagCondition,
    /// Which columns it needs.
    pub matches: Vec<ColumnMatch>,
    /// The function's arguments; of a mask those after the masked value.
    pub arguments: Vec<TagPolicyArgument>,
    /// Together with others.
    pub composition: Composition,
    /// Where columns are missing.
    pub on_no_match: OnNoMatch,
    /// A remark for people.
    pub comment: Option<String>,
}

impl Metastore {
    /// Needs MANAGE on the scope (rank, on the metastore) and EXECUTE on the function. A replaced
    /// policy keeps its id.
    pub async fn tag_policy_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: TagPolicySpec,
        on_existing: OnExistingDefinition,
    ) -> Result<Created<TagPolicy>, Error> {
        check_shape(&spec)?;
        let action = match on_existing {
            OnExistingDefinition::Replace => Action::TagPolicyReplace,
            OnExistingDefinition::Fail | OnExistingDefinition::Keep => Action::TagPolicyCreate,
        };
        let request = Request::new(by, now, action, described(&spec.name, &spec.scope))
            .with("to_principals", spec.to.join(", "))
            .with("except_principals", spec.except.join(", "));
        self.write(request, |caller| {
            let (scope, mut because) = require_scope(caller, &spec.scope)?;
            let existing = caller.snapshot.tag_policy(scope, &spec.name);
            match (existing, on_existing) {
                (Some(existing), OnExistingDefinition::Keep) => {
                    return Ok(Write::nothing(Created::Kept(existing.clone())));
                }
                (Some(_), OnExistingDefinition::Fail) => {
                    let (name, scope) = (spec.name.clone(), spec.scope.clone());
                    return Err(Error::TagPolicyExists { name, scope });
                }
                (Some(_), OnExistingDefinition::Replace) | (None, _) => {}
            }
            let (function, reasons) = require_function(caller, &spec)?;
            because.extend(reasons);
            let policy = TagPolicy {
                id: existing.map_or_else(TagPolicyId::fresh, |policy| policy.id),
                name: spec.name.clone(),
                scope,
                rule: spec.rule.clone(),
                function,
                audience: Audience {
                    to: principals(caller, &spec.to)?,
                    except: principals(caller, &spec.except)?,
                },
                when: spec.when.clone(),
                matches: spec.matches.clone(),
                arguments: spec.arguments.clone(),
                composition: spec.composition,
                on_no_match: spec.on_no_match,
                comment: spec.comment.clone(),
                semantics: SEMANTICS,
                stamps: existing.map_or(caller.stamps, |policy| caller.altered(policy.stamps)),
            };
            check_tags(caller, &policy)?;
            let changes = vec![Change::TagPolicyPut(Box::new(policy.clone()))];
            check_policy_cycles(caller, &changes)?;
            let value = if existing.is_some() { Created::Replaced(policy) } else { Created::Made(policy) };
            Ok(Write { changes, because, value })
        })
        .await
    }

    /// Needs MANAGE on the scope; on the metastore, rank. Returns whether there was anything to drop.
    pub async fn tag_policy_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        scope: &SecurableName,
        name: &Name,
        on_missing: OnMissing,
    ) -> Result<bool, Error> {
        let request = Request::new(by, now, Action::TagPolicyDrop, described(name, scope));
        self.write(request, |caller| {
            let (id, because) = require_scope(caller, scope)?;
            let Some(policy) = caller.snapshot.tag_policy(id, name) else {
                return match on_missing {
                    OnMissing::Ignore => Ok(Write::nothing(false)),
                    OnMissing::Fail => {
                        Err(Error::TagPolicyNotFound { name: name.clone(), scope: scope.clone() })
                    }
                };
            };
            Ok(Write { changes: vec![Change::TagPolicyRemove(policy.id)], because, value: true })
        })
        .await
    }
}

/// ``policy `p` on schema `main.hr` ``.
pub(super) fn described(name: &Name, scope: &SecurableName) -> String {
    format!("policy `{name}` on {scope}")
}

fn require_scope(caller: &Caller<'_>, scope: &SecurableName) -> Result<(SecurableId, Vec<Reason>), Error> {
    let id = caller.securable(scope)?;
    let because = match id {
        SecurableId::Metastore => caller.require_rank(Reserved::SetMetastorePolicy)?,
        SecurableId::Catalog(_) | SecurableId::Schema(_) | SecurableId::Table(_) => {
            caller.require(Privilege::Manage, id)?
        }
        SecurableId::Function(_)
        | SecurableId::Volume(_)
        | SecurableId::ExternalLocation(_)
        | SecurableId::StorageCredential(_)
        | SecurableId::GovernedTag(_) => {
            return Err(Error::PolicyScopeUnfit { scope: scope.clone() });
        }
    };
    Ok((id, because))
}

/// EXECUTE on a function that takes as many arguments. The masks of `system.policy` are everybody's.
fn require_function(
    caller: &Caller<'_>,
    spec: &TagPolicySpec,
) -> Result<(PolicyFunction, Vec<Reason>), Error> {
    let masked = usize::from(matches!(spec.rule, TagPolicyRule::ColumnMask { .. }));
    let found = spec.arguments.len() + masked;
    if let Some(mask) = BuiltinMask::find(&spec.function) {
        if spec.rule == TagPolicyRule::RowFilter {
            return Err(invalid(format!("`{mask}` is a mask, not a row filter")));
        }
        if found != mask.arity() {
            let (function, arity) = (spec.function.clone(), mask.arity());
            return Err(Error::WrongArgumentCount { function, least: arity, most: arity, found });
        }
        return Ok((PolicyFunction::Builtin(mask), Vec::new()));
    }
    let function = caller.function(&spec.function)?;
    let because = caller.require(Privilege::Execute, SecurableId::Function(function.id))?;
    if matches!(function.returns, Returns::Table(_)) {
        return Err(invalid(format!("function `{}` gives rows, not a value", function.name)));
    }
    check_arity(function, found)?;
    Ok((PolicyFunction::Sql(function.id), because))
}

fn principals(caller: &Caller<'_>, names: &[String]) -> Result<Vec<PrincipalId>, Error> {
    let mut ids = Vec::with_capacity(names.len());
    for name in names {
        let id = caller.principal(name)?.id;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// A mistyped key or value would protect nothing, so it is refused here.
fn check_tags(caller: &Caller<'_>, policy: &TagPolicy) -> Result<(), Error> {
    for (key, value) in policy.tags() {
        let tag = caller.snapshot.governed_tag(key);
        let Some(tag) = tag.filter(|tag| caller.sees(SecurableId::GovernedTag(tag.id))) else {
            return Err(Error::TagNotGoverned { key: key.clone() });
        };
        if let Some(value) = value.filter(|value| !tag.takes(value)) {
            let (value, values) = (value.to_owned(), tag.values.clone());
            return Err(Error::TagValueNotTaken { key: key.clone(), value, values });
        }
    }
    Ok(())
}

/// What does not depend on the catalog.
fn check_shape(spec: &TagPolicySpec) -> Result<(), Error> {
    if spec.to.is_empty() {
        return Err(invalid("a policy names at least one principal after TO".to_owned()));
    }
    let conditions = spec.matches.iter().map(|columns| &columns.condition);
    if conditions.chain([&spec.when]).any(|condition| condition.depth() > CONDITION_DEPTH_MAX) {
        return Err(invalid("a condition of the policy is nested too deeply".to_owned()));
    }
    let mut defined = BTreeSet::new();
    for alias in spec.matches.iter().filter_map(|columns| columns.alias.as_deref()) {
        if !defined.insert(alias) {
            return Err(invalid(format!("MATCH COLUMNS defines `{alias}` twice")));
        }
    }
    let on = match &spec.rule {
        TagPolicyRule::ColumnMask { on } => Some(on.as_str()),
        TagPolicyRule::RowFilter => None,
    };
    let mut used = BTreeSet::new();
    let arguments = spec.arguments.iter().filter_map(|argument| match argument {
        TagPolicyArgument::Alias(alias) => Some(alias.as_str()),
        TagPolicyArgument::Literal(_) | TagPolicyArgument::TagValue(_) => None,
    });
    for alias in on.into_iter().chain(arguments) {
        if !defined.contains(alias) {
            return Err(invalid(format!("MATCH COLUMNS does not define `{alias}`")));
        }
        if !used.insert(alias) {
            return Err(invalid(format!("`{alias}` is used twice")));
        }
    }
    Ok(())
}

/// How deep a condition may be nested, so that whoever walks it needs no bound of his own.
pub(super) const CONDITION_DEPTH_MAX: usize = 24;

fn invalid(reason: String) -> Error {
    Error::InvalidTagPolicy { reason }
}
