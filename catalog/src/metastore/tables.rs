//! Tables: managed ones and external ones. Renaming, comments, columns and properties serve
//! views as well; what is particular to views is in `views.rs`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::columns::{check_policies_kept, rebound};
use super::dependents::Objects;
use super::places::{ExternalUse, Storage, check_place, require_external};
use super::policies::{check_policy_cycles, put_mask};
use super::properties::{PropertyChange, check_properties, replaced_properties};
use super::tags::{Keeping, carry_tags};
use super::views::require_policies;
use super::{Contents, Created, Metastore, OnExisting, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::decision::Reason;
use crate::error::Error;
use crate::id::TableId;
use crate::name::{Name, ObjectName};
use crate::policy::{ColumnMask, RowFilter};
use crate::privilege::Privilege;
use crate::securable::{Column, SecurableId, SecurableKind, SecurableName, Table, TableKind};
use crate::store::Change;
use crate::tag::Tags;

/// A table to be made. Its Delta log is the server's concern.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Unique in its schema among tables and views.
    pub name: ObjectName,
    /// Where its files are.
    pub storage: Storage,
    /// As its Delta log has them.
    pub columns: Vec<Column>,
    /// Properties.
    pub properties: BTreeMap<String, String>,
    /// A remark for people.
    pub comment: Option<String>,
    /// Tags that the warehouse itself gives to a new table. One that is replaced keeps its own.
    pub tags: Tags,
    /// Its row filter, which it has from its first moment on. One that is replaced keeps its own.
    pub row_filter: Option<RowFilter>,
    /// Its masks, in the same way.
    pub masks: Vec<ColumnMask>,
}

impl Metastore {
    /// Needs CREATE TABLE on the schema with USE on the way; for external tables also CREATE EXTERNAL TABLE on
    /// the external location that covers them, or rank, and EXECUTE on what its policies call. Refused when the files are,
    /// contain, or lie within another table's or a volume's.
    pub async fn table_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: TableSpec,
        on_existing: OnExisting,
    ) -> Result<Created<Table>, Error> {
        check_columns(&spec.columns)?;
        check_properties(&spec.properties)?;
        let securable = SecurableName::Table(spec.name.clone());
        let request = Request::new(by, now, Action::TableCreate, securable);
        self.write(request, |caller| {
            let schema = caller.schema(&spec.name.schema_name())?;
            let mut because = caller.require(Privilege::CreateTable, SecurableId::Schema(schema.id))?;
            if let Some(existing) = caller.snapshot.table(&spec.name) {
                // A view of the name is no table, so IF NOT EXISTS does not keep it.
                return match (on_existing, existing.securable_kind()) {
                    (OnExisting::Keep, SecurableKind::Table) => {
                        Ok(Write::nothing(Created::Kept(existing.clone())))
                    }
                    _ => Err(exists(existing)),
                };
            }
            let kind = match &spec.storage {
                Storage::Managed { location } => TableKind::Managed { location: location.clone() },
                Storage::External { location } => {
                    let external = ExternalUse::Table;
                    because.extend(require_external(caller.snapshot, caller.by, external, location)?);
                    TableKind::External { location: location.clone() }
                }
            };
            check_place(caller, &spec.storage)?;
            because.extend(require_policies(caller, spec.row_filter.as_ref(), &spec.masks)?);
            let mut masks = Vec::new();
            spec.masks.iter().try_for_each(|mask| put_mask(&mut masks, mask))?;
            let table = Table {
                id: TableId::fresh(),
                schema: schema.id,
                name: spec.name.clone(),
                owner: caller.by,
                kind,
                columns: spec.columns.clone(),
                row_filter: spec.row_filter.clone(),
                masks,
                properties: spec.properties.clone(),
                comment: spec.comment.clone(),
                tags: spec.tags.clone(),
                stamps: caller.stamps,
            };
            check_policies_kept(&table, &table.columns)?;
            let changes = vec![Change::TablePut(Box::new(table.clone()))];
            check_policy_cycles(caller, &changes)?;
            Ok(Write { changes, because, value: Created::Made(table) })
        })
        .await
    }

    /// OR REPLACE: a table that is there gets other columns and files, and keeps its id, grants, owner, tags, row
    /// filter, and what masks and tags its columns have, by name. Needs CREATE TABLE on the schema and MANAGE on
    /// the table. Refused when a policy would lose its column or that column's type, or a tag its column, and
    /// for external tables. Makes the table where there is none.
    pub async fn table_replace(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: TableSpec,
    ) -> Result<Created<Table>, Error> {
        check_columns(&spec.columns)?;
        check_properties(&spec.properties)?;
        let by = by.into();
        let securable = SecurableName::Table(spec.name.clone());
        let request = Request::new(by.clone(), now, Action::TableReplace, securable);
        let replaced = self
            .write(request, |caller| {
                let schema = caller.schema(&spec.name.schema_name())?;
                let mut because = caller.require(Privilege::CreateTable, SecurableId::Schema(schema.id))?;
                if caller.snapshot.table(&spec.name).is_none() {
                    return Ok(Write::nothing(None));
                }
                let table = caller.table_of_kind(&spec.name, SecurableKind::Table)?;
                because.extend(caller.require(Privilege::Manage, SecurableId::Table(table.id))?);
                let replacement = replacement(caller, table, &spec)?;
                let changes = vec![Change::TablePut(Box::new(replacement.clone()))];
                Ok(Write { changes, because, value: Some(replacement) })
            })
            .await?;
        match replaced {
            Some(table) => Ok(Created::Replaced(table)),
            None => self.table_create(by, now, spec, OnExisting::Fail).await,
        }
    }

    /// Needs MANAGE, and of an external table what taking off its governed tags needs: its files stay. Refused while a view or
    /// function reads it. Returns the table that was dropped, so that the server can remove a managed one's files.
    pub async fn table_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        on_missing: OnMissing,
    ) -> Result<Option<Table>, Error> {
        self.drop_of_kind(by, now, name, (SecurableKind::Table, Contents::Restrict), on_missing).await
    }

    /// CASCADE: drops a table or view with the views that read it, at any depth. Needs MANAGE on each of them.
    /// Refused as without CASCADE while anything else uses one of them (a function, a policy that reads it, a
    /// policy test, what the caller may not see), and while a policy stands on a view that would go: no policy
    /// goes unsaid.
    pub async fn drop_with_readers(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        kind: SecurableKind,
        on_missing: OnMissing,
    ) -> Result<Option<Table>, Error> {
        self.drop_of_kind(by, now, name, (kind, Contents::Cascade), on_missing).await
    }

    pub(super) async fn drop_of_kind(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        (kind, readers): (SecurableKind, Contents),
        on_missing: OnMissing,
    ) -> Result<Option<Table>, Error> {
        let action = if kind == SecurableKind::View { Action::ViewDrop } else { Action::TableDrop };
        let securable = SecurableName::Table(name.clone());
        let mut request = Request::new(by, now, action, securable);
        if readers == Contents::Cascade {
            request = request.with("behaviour", "CASCADE");
        }
        self.write(request, |caller| {
            let table = match caller.table_of_kind(name, kind) {
                Err(Error::NotFound { .. }) if on_missing == OnMissing::Ignore => {
                    return Ok(Write::nothing(None));
                }
                found => found?,
            };
            let mut because = caller.require(Privilege::Manage, SecurableId::Table(table.id))?;
            let going = match readers {
                Contents::Restrict => Objects::table(table.id),
                Contents::Cascade => {
                    let (going, facts) = caller.with_readers(described(table), table)?;
                    because.extend(facts);
                    going
                }
            };
            because.extend(caller.require_releasable(&going)?);
            caller.check_droppable(described(table), &going)?;
            let changes = going.removals(caller.snapshot);
            Ok(Write { changes, because, value: Some(table.clone()) })
        })
        .await
    }

    /// Of a table or view, within its schema. Needs MANAGE. Refused while a view or function
    /// names it; policies and grants stay.
    pub async fn table_rename(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        to: &Name,
    ) -> Result<(), Error> {
        self.table_alter(by, now, name, |caller, table| {
            let to = ObjectName { object: to.clone(), ..name.clone() };
            if to == *name {
                return Ok(None);
            }
            if let Some(existing) = caller.snapshot.table(&to) {
                return Err(exists(existing));
            }
            caller.check_renamable(described(table), &Objects::table(table.id))?;
            Ok(Some(Table { name: to, ..table.clone() }))
        })
        .await
    }

    /// Of a table or view. Needs MANAGE.
    pub async fn table_set_comment(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        comment: Option<String>,
    ) -> Result<(), Error> {
        self.table_alter(by, now, name, |_, table| {
            Ok(Some(Table { comment: comment.clone(), ..table.clone() }))
        })
        .await
    }

    /// Sets and removes properties of a table or view. Needs MANAGE.
    pub async fn table_set_properties(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        change: PropertyChange,
    ) -> Result<(), Error> {
        change.check()?;
        self.table_alter(by, now, name, |_, table| {
            let properties = change.apply(&table.properties)?;
            Ok(Some(Table { properties, ..table.clone() }))
        })
        .await
    }

    /// What every ALTER of a table or view has in common.
    pub(super) async fn table_alter(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &ObjectName,
        alter: impl Fn(&Caller<'_>, &Table) -> Result<Option<Table>, Error>,
    ) -> Result<(), Error> {
        let securable = SecurableName::Table(name.clone());
        self.write(Request::new(by, now, Action::TableAlter, securable), |caller| {
            let table = caller.table_or_view(name)?;
            let because: Vec<Reason> = caller.require(Privilege::Manage, SecurableId::Table(table.id))?;
            let altered = alter(caller, table)?.filter(|altered| altered != table);
            let stamped = altered.map(|altered| Table { stamps: caller.altered(table.stamps), ..altered });
            let changes: Vec<Change> =
                stamped.map(|altered| Change::TablePut(Box::new(altered))).into_iter().collect();
            // `policy.default` can bring a table that a policy reads under a policy itself.
            check_policy_cycles(caller, &changes)?;
            Ok(Write { changes, because, value: () })
        })
        .await
    }
}

fn replacement(caller: &Caller<'_>, table: &Table, spec: &TableSpec) -> Result<Table, Error> {
    let (TableKind::Managed { .. }, Storage::Managed { location }) = (&table.kind, &spec.storage) else {
        return Err(Error::ReplacesExternal { table: table.name.clone() });
    };
    check_place(caller, &spec.storage)?;
    check_policies_kept(table, &spec.columns)?;
    // New files number their columns anew: what was the same id there is another column here.
    let unnumbered = |column: &Column| Column { field_id: None, ..column.clone() };
    let by_name = Table { columns: table.columns.iter().map(unnumbered).collect(), ..table.clone() };
    let columns = carry_tags(caller, &by_name, spec.columns.clone(), Keeping::Tagged)?;
    Ok(rebound(Table {
        kind: TableKind::Managed { location: location.clone() },
        columns,
        properties: replaced_properties(&table.properties, &spec.properties),
        comment: spec.comment.clone(),
        stamps: caller.altered(table.stamps),
        ..table.clone()
    }))
}

/// ``table `main.hr.people` `` or the same for a view.
pub(super) fn described(table: &Table) -> String {
    format!("{} `{}`", table.securable_kind().noun(), table.name)
}

pub(super) fn exists(table: &Table) -> Error {
    Error::AlreadyExists { kind: table.securable_kind(), name: table.name.to_string() }
}

pub(super) fn check_columns(columns: &[Column]) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    match columns.iter().find(|column| !names.insert(column.name.to_lowercase())) {
        Some(column) => Err(Error::DuplicateColumn { column: column.name.clone() }),
        None => Ok(()),
    }
}

pub(super) fn same_column(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}
