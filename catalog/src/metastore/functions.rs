//! SQL functions. A function runs with its owner's rights, so only its owner replaces it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::dependents::Objects;
use super::policies::{check_policy_cycles, reads_of};
use super::views::require_source;
use super::{Created, Metastore, OnExistingDefinition, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::decision::Reason;
use crate::error::Error;
use crate::function::{Function, Parameter, Returns};
use crate::id::{FunctionId, TableId};
use crate::name::{Name, ObjectName};
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableKind, SecurableName, Table};
use crate::snapshot::{Epoch, Snapshot};
use crate::store::Change;

/// A function to be made.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// Unique in its schema among functions.
    pub name: ObjectName,
    /// In order; from the first with a default on all have one.
    pub parameters: Vec<Parameter>,
    /// A value or rows.
    pub returns: Returns,
    /// The expression or query, names resolved.
    pub body: String,
    /// The tables its body reads.
    pub reads: Vec<TableId>,
    /// The functions its body calls.
    pub calls: Vec<FunctionId>,
    /// A remark for people.
    pub comment: Option<String>,
    /// The epoch of the catalog in which all that depends on a replaced function was found to
    /// still work. A replacement in another is refused as a conflict.
    pub checked_at: Option<Epoch>,
}

impl Metastore {
    /// Needs CREATE FUNCTION on the schema with USE on the way, SELECT on all it reads and EXECUTE
    /// on all it calls. Only the owner replaces a function; its id and grants stay. Refused when it
    /// would call itself, through others or through views, and when a policy calls it and its
    /// parameters or result would change for that policy.
    pub async fn function_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: FunctionSpec,
        on_existing: OnExistingDefinition,
    ) -> Result<Created<Function>, Error> {
        let action = match on_existing {
            OnExistingDefinition::Replace => Action::FunctionReplace,
            OnExistingDefinition::Fail | OnExistingDefinition::Keep => Action::FunctionCreate,
        };
        let securable = SecurableName::Function(spec.name.clone());
        self.write(Request::new(by, now, action, securable), |caller| {
            let schema = caller.schema(&spec.name.schema_name())?;
            let mut because = caller.require(Privilege::CreateFunction, SecurableId::Schema(schema.id))?;
            let existing = caller.snapshot.function(&spec.name);
            match (existing, on_existing) {
                (Some(existing), OnExistingDefinition::Keep) => {
                    return Ok(Write::nothing(Created::Kept(existing.clone())));
                }
                (Some(existing), OnExistingDefinition::Fail) => {
                    let name = existing.name.to_string();
                    return Err(Error::AlreadyExists { kind: SecurableKind::Function, name });
                }
                (Some(existing), OnExistingDefinition::Replace) => {
                    because.extend(
                        caller.require_ownership(existing.owner, SecurableId::Function(existing.id))?,
                    );
                }
                (None, _) => {}
            }
            for source in &spec.reads {
                because.extend(require_source(caller, *source)?);
            }
            because.extend(require_calls(caller, &spec.calls)?);
            let function = Function {
                id: existing.map_or_else(FunctionId::fresh, |function| function.id),
                schema: schema.id,
                name: spec.name.clone(),
                owner: existing.map_or(caller.by, |function| function.owner),
                parameters: spec.parameters.clone(),
                returns: spec.returns.clone(),
                body: spec.body.clone(),
                reads: spec.reads.clone(),
                calls: spec.calls.clone(),
                comment: spec.comment.clone(),
                stamps: existing.map_or(caller.stamps, |function| caller.altered(function.stamps)),
            };
            if let Some(existing) = existing {
                check_replacement(caller, existing, &function)?;
                if spec.checked_at.is_some_and(|checked| checked != caller.snapshot.epoch()) {
                    return Err(Error::Contention);
                }
            }
            let changes = vec![Change::FunctionPut(Box::new(function.clone()))];
            if existing.is_some() {
                check_policy_cycles(caller, &changes)?;
            }
            let value =
                if existing.is_some() { Created::Replaced(function) } else { Created::Made(function) };
            Ok(Write { changes, because, value })
        })
        .await
    }

    /// Needs MANAGE. Refused while a text names it; policies and grants go on by its id.
    pub async fn function_rename(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        to: &Name,
    ) -> Result<(), Error> {
        self.function_alter(by, now, name, |caller, function| {
            let to = ObjectName { object: to.clone(), ..name.clone() };
            if to == *name {
                return Ok(None);
            }
            if let Some(existing) = caller.snapshot.function(&to) {
                let name = existing.name.to_string();
                return Err(Error::AlreadyExists { kind: SecurableKind::Function, name });
            }
            let named = SecurableName::Function(name.clone());
            caller.check_renamable(named, &Objects::function(function.id))?;
            Ok(Some(Function { name: to, ..function.clone() }))
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn function_set_comment(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        comment: Option<String>,
    ) -> Result<(), Error> {
        self.function_alter(by, now, name, |_, function| {
            Ok(Some(Function { comment: comment.clone(), ..function.clone() }))
        })
        .await
    }

    async fn function_alter(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        alter: impl Fn(&Caller<'_>, &Function) -> Result<Option<Function>, Error>,
    ) -> Result<(), Error> {
        let securable = SecurableName::Function(name.clone());
        self.write(Request::new(by, now, Action::FunctionAlter, securable), |caller| {
            let function = caller.function(name)?;
            let because = caller.require(Privilege::Manage, SecurableId::Function(function.id))?;
            let Some(mut altered) = alter(caller, function)? else { return Ok(Write::nothing(())) };
            altered.stamps = caller.altered(function.stamps);
            Ok(Write { changes: vec![Change::FunctionPut(Box::new(altered))], because, value: () })
        })
        .await
    }

    /// Needs MANAGE. Refused while a policy, view or function calls it. Returns whether there
    /// was anything to drop.
    pub async fn function_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        on_missing: OnMissing,
    ) -> Result<bool, Error> {
        let securable = SecurableName::Function(name.clone());
        self.write(Request::new(by, now, Action::FunctionDrop, &securable), |caller| {
            let function = match caller.function(name) {
                Err(Error::NotFound { .. }) if on_missing == OnMissing::Ignore => {
                    return Ok(Write::nothing(false));
                }
                found => found?,
            };
            let because = caller.require(Privilege::Manage, SecurableId::Function(function.id))?;
            let going = Objects::function(function.id);
            caller.check_droppable(&securable, &going)?;
            Ok(Write { changes: going.removals(caller.snapshot), because, value: true })
        })
        .await
    }
}

/// A policy was checked against the function's types when it was set; under it those stay.
fn check_replacement(caller: &Caller<'_>, existing: &Function, replacement: &Function) -> Result<(), Error> {
    if !keeps_signature(existing, replacement) {
        caller
            .check_no_policy_calls(format!("the signature of function `{}`", existing.name), existing.id)?;
    }
    if calls_of(caller.snapshot, replacement).contains(&replacement.id) {
        return Err(Error::FunctionCycle { function: replacement.name.clone() });
    }
    Ok(())
}

/// EXECUTE on the functions that a definition calls.
pub(super) fn require_calls(caller: &Caller<'_>, calls: &[FunctionId]) -> Result<Vec<Reason>, Error> {
    let mut because = Vec::new();
    for function in calls {
        if caller.snapshot.function_by_id(*function).is_none() {
            return Err(Error::SourceDropped);
        }
        because.extend(caller.require(Privilege::Execute, SecurableId::Function(*function))?);
    }
    Ok(because)
}

/// The functions that `function` calls, through others and through the views it reads.
fn calls_of(snapshot: &Snapshot, function: &Function) -> BTreeSet<FunctionId> {
    let mut called = BTreeSet::new();
    let mut open: Vec<FunctionId> = function.calls.clone();
    open.extend(calls_of_views(snapshot, &function.reads));
    while let Some(id) = open.pop() {
        if called.insert(id)
            && let Some(inner) = snapshot.function_by_id(id)
        {
            open.extend(&inner.calls);
            open.extend(calls_of_views(snapshot, &inner.reads));
        }
    }
    called
}

/// The functions that views among `reads` call, views on views included.
pub(super) fn calls_of_views(snapshot: &Snapshot, reads: &[TableId]) -> BTreeSet<FunctionId> {
    let all = reads_of(snapshot, reads, None);
    let views = all.into_iter().filter_map(|id| snapshot.table_by_id(id).and_then(Table::view));
    views.flat_map(|view| view.calls.iter().copied()).collect()
}

/// The tables and views behind calls, at any depth.
pub(super) fn reads_behind(snapshot: &Snapshot, calls: &[FunctionId]) -> BTreeSet<TableId> {
    let mut seen: BTreeSet<FunctionId> = BTreeSet::new();
    let mut reads = BTreeSet::new();
    let mut open: Vec<FunctionId> = calls.to_vec();
    while let Some(id) = open.pop() {
        let Some(function) = snapshot.function_by_id(id).filter(|_| seen.insert(id)) else { continue };
        open.extend(&function.calls);
        open.extend(calls_of_views(snapshot, &function.reads));
        reads.extend(reads_of(snapshot, &function.reads, None));
    }
    reads
}

/// The same types in the same order, and any further parameters can be left out.
fn keeps_signature(existing: &Function, replacement: &Function) -> bool {
    let same_type = |left: &str, right: &str| left.eq_ignore_ascii_case(right);
    let (kept, further) =
        replacement.parameters.split_at(existing.parameters.len().min(replacement.parameters.len()));
    kept.len() == existing.parameters.len()
        && same_type(&existing.returns.text(), &replacement.returns.text())
        && existing.parameters.iter().zip(kept).all(|(before, kept)| {
            same_type(&before.type_text, &kept.type_text)
                && (before.default.is_none() || kept.default.is_some())
        })
        && further.iter().all(|parameter| parameter.default.is_some())
}
