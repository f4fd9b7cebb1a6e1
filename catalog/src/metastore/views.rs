//! Views. A view runs with its owner's rights, so only its owner replaces its text.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::columns::check_policies_kept;
use super::functions::{reads_behind, require_calls};
use super::policies::{check_callable, check_policy_cycles, put_mask, reads_of};
use super::properties::{check_properties, replaced_properties};
use super::tables::{check_columns, exists};
use super::tags::{Keeping, carry_tags};
use super::{Contents, Created, Metastore, OnExistingDefinition, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::decision::Reason;
use crate::error::Error;
use crate::id::TableId;
use crate::metastore::caller::Caller;
use crate::name::ObjectName;
use crate::policy::{ColumnMask, RowFilter};
use crate::privilege::Privilege;
use crate::securable::{Column, SecurableId, SecurableKind, Table, TableKind, ViewDefinition};
use crate::store::Change;

/// A view to be made.
#[derive(Debug, Clone)]
pub struct ViewSpec {
    /// Unique in its schema among tables and views.
    pub name: ObjectName,
    /// Its query.
    pub definition: ViewDefinition,
    /// The columns of its query.
    pub columns: Vec<Column>,
    /// Properties.
    pub properties: BTreeMap<String, String>,
    /// A remark for people.
    pub comment: Option<String>,
    /// Its row filter, in the place of one that a replaced view has.
    pub row_filter: Option<RowFilter>,
    /// Its masks, each in the place of one that a replaced view has there.
    pub masks: Vec<ColumnMask>,
}

impl Metastore {
    /// Needs CREATE VIEW (which CREATE TABLE gives) on the schema with USE on the way, SELECT on all
    /// it reads and EXECUTE on all that it and its policies call. Only the owner replaces a view; id, grants, policies,
    /// the properties that govern it and the tags of columns of the same names stay. Refused when a column would go that has a governed
    /// tag, or that a policy is bound to.
    pub async fn view_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: ViewSpec,
        on_existing: OnExistingDefinition,
    ) -> Result<Created<Table>, Error> {
        check_columns(&spec.columns)?;
        check_properties(&spec.properties)?;
        let action = match on_existing {
            OnExistingDefinition::Replace => Action::ViewReplace,
            OnExistingDefinition::Fail | OnExistingDefinition::Keep => Action::ViewCreate,
        };
        let request = Request::new(by, now, action, format!("view `{}`", spec.name));
        self.write(request, |caller| {
            let schema = caller.schema(&spec.name.schema_name())?;
            let mut because = caller.require(Privilege::CreateView, SecurableId::Schema(schema.id))?;
            let existing = caller.snapshot.table(&spec.name);
            let mut columns = spec.columns.clone();
            if let Some(existing) = existing {
                if on_existing == OnExistingDefinition::Fail {
                    return Err(exists(existing));
                }
                let view = caller.table_of_kind(&spec.name, SecurableKind::View)?;
                if on_existing == OnExistingDefinition::Keep {
                    return Ok(Write::nothing(Created::Kept(view.clone())));
                }
                because.extend(caller.require_ownership(view.owner, SecurableId::Table(view.id))?);
                check_replacement(caller, view, &spec.definition)?;
                columns = carry_tags(caller, view, columns, Keeping::Governed)?;
            }
            for source in &spec.definition.reads {
                because.extend(require_source(caller, *source)?);
            }
            because.extend(require_calls(caller, &spec.definition.calls)?);
            because.extend(require_policies(caller, spec.row_filter.as_ref(), &spec.masks)?);
            let mut masks = existing.map(|view| view.masks.clone()).unwrap_or_default();
            spec.masks.iter().try_for_each(|mask| put_mask(&mut masks, mask))?;
            let kept = existing.and_then(|view| view.row_filter.clone());
            let none = BTreeMap::new();
            let before = existing.map_or(&none, |view| &view.properties);
            let view = Table {
                id: existing.map_or_else(TableId::fresh, |view| view.id),
                schema: schema.id,
                name: spec.name.clone(),
                owner: existing.map_or(caller.by, |view| view.owner),
                kind: TableKind::View(spec.definition.clone()),
                columns,
                row_filter: spec.row_filter.clone().or(kept),
                masks,
                properties: replaced_properties(before, &spec.properties),
                comment: spec.comment.clone(),
                tags: existing.map(|view| view.tags.clone()).unwrap_or_default(),
                stamps: existing.map_or(caller.stamps, |view| caller.altered(view.stamps)),
            };
            check_policies_kept(&view, &view.columns)?;
            let changes = vec![Change::TablePut(Box::new(view.clone()))];
            check_policy_cycles(caller, &changes)?;
            let value = if existing.is_some() { Created::Replaced(view) } else { Created::Made(view) };
            Ok(Write { changes, because, value })
        })
        .await
    }

    /// ALTER VIEW … AS: another query, everything else stays, remarks on columns by their names. For the owner,
    /// with SELECT on all it reads and USE on the way.
    pub async fn view_set_definition(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        definition: ViewDefinition,
        columns: Vec<Column>,
    ) -> Result<(), Error> {
        check_columns(&columns)?;
        let request = Request::new(by, now, Action::ViewReplace, format!("view `{name}`"));
        self.write(request, |caller| {
            let view = caller.table_of_kind(name, SecurableKind::View)?;
            let id = SecurableId::Table(view.id);
            let mut because = caller.require(Privilege::Manage, id)?;
            because.extend(caller.require_ownership(view.owner, id)?);
            check_replacement(caller, view, &definition)?;
            check_policies_kept(view, &columns)?;
            for source in &definition.reads {
                because.extend(require_source(caller, *source)?);
            }
            because.extend(require_calls(caller, &definition.calls)?);
            let mut columns = carry_tags(caller, view, columns.clone(), Keeping::Governed)?;
            for column in &mut columns {
                column.comment = view.column(&column.name).and_then(|known| known.comment.clone());
            }
            let altered = Table {
                kind: TableKind::View(definition.clone()),
                columns,
                stamps: caller.altered(view.stamps),
                ..view.clone()
            };
            let changes = vec![Change::TablePut(Box::new(altered))];
            check_policy_cycles(caller, &changes)?;
            Ok(Write { changes, because, value: () })
        })
        .await
    }

    /// Needs MANAGE. Refused while a view or function reads it.
    pub async fn view_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        on_missing: OnMissing,
    ) -> Result<Option<Table>, Error> {
        self.drop_of_kind(by, now, name, (SecurableKind::View, Contents::Restrict), on_missing).await
    }
}

/// SELECT on a table that a definition reads.
pub(super) fn require_source(caller: &Caller<'_>, source: TableId) -> Result<Vec<Reason>, Error> {
    if caller.snapshot.table_by_id(source).is_none() {
        return Err(Error::SourceDropped);
    }
    caller.require(Privilege::Select, SecurableId::Table(source))
}

fn check_replacement(caller: &Caller<'_>, view: &Table, definition: &ViewDefinition) -> Result<(), Error> {
    let replaced = Some((view.id, definition.reads.as_slice()));
    let itself = reads_of(caller.snapshot, &definition.reads, replaced).contains(&view.id);
    if itself || reads_behind(caller.snapshot, &definition.calls).contains(&view.id) {
        return Err(Error::ViewCycle { view: view.name.clone() });
    }
    Ok(())
}

/// EXECUTE on the functions of the policies that a new table or view is to have.
pub(super) fn require_policies(
    caller: &Caller<'_>,
    row_filter: Option<&RowFilter>,
    masks: &[ColumnMask],
) -> Result<Vec<Reason>, Error> {
    let filter = row_filter.iter().map(|filter| (filter.function, filter.arguments.len()));
    let masks = masks.iter().map(|mask| (mask.function, mask.arguments.len() + 1));
    let mut because = Vec::new();
    for (function, arguments) in filter.chain(masks) {
        let Some(id) = function.sql() else { continue };
        let function = caller.snapshot.function_by_id(id).ok_or(Error::SourceDropped)?;
        because.extend(check_callable(caller, &function.name, arguments)?.1);
    }
    Ok(because)
}
