//! Tags on securables and columns: set, changed and removed.
//!
//! A governed tag is set, changed and removed by those alone who hold ASSIGN on it, beside APPLY TAG
//! on the thing: who owns a table cannot lift a policy by taking its tag away, nor by giving the
//! tag another value, nor by letting go of the tagged column, nor of the table while its files stay (`registrations.rs`).

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::policies::check_policy_cycles;
use super::tables::same_column;
use super::{Metastore, Request, Write};
use crate::audit::{Action, Requester};
use crate::authorize::authorize;
use crate::decision::{Decision, Reason};
use crate::error::{Error, MissingPrivilege};
use crate::name::ObjectName;
use crate::privilege::Privilege;
use crate::securable::{Catalog, Column, Schema, SecurableId, SecurableKind, SecurableName, Table, Volume};
use crate::store::Change;
use crate::tag::{TagKey, Tags};

/// What carries tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagTarget {
    /// A catalog, schema, table, view or volume.
    Securable(SecurableName),
    /// A column of a table or view.
    Column {
        /// The table or view.
        table: ObjectName,
        /// Its name; case does not matter.
        column: String,
    },
}

/// The tag of a table into which rows came that were made of a governed table's.
const DERIVED_FROM_GOVERNED: &str = "derived_from_governed";

/// That tag, for a table that is made of such rows.
pub fn derived_from_governed() -> Result<Tags, Error> {
    Ok(Tags::from([(TagKey::new(DERIVED_FROM_GOVERNED)?, "true".to_owned())]))
}

impl fmt::Display for TagTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TagTarget::Securable(name) => name.fmt(f),
            TagTarget::Column { table, column } => write!(f, "column `{column}` of table `{table}`"),
        }
    }
}

impl Metastore {
    /// Needs APPLY TAG on the thing, of a column on its table, and for each governed key ASSIGN on the
    /// governed tag, which must take the value. Setting what is set already changes nothing.
    pub async fn tags_set(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        target: &TagTarget,
        set: Tags,
    ) -> Result<(), Error> {
        let tags: Vec<String> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let request = Request::new(by, now, Action::EntityTagSet, target).with("tags", tags.join(", "));
        self.write(request, |caller| {
            let holder = Holder::find(caller, target)?;
            let mut because = caller.require(Privilege::ApplyTag, holder.id())?;
            for (key, value) in &set {
                because.extend(require_assign(caller, key)?);
                check_value(caller, key, value)?;
            }
            let mut tags = holder.tags().clone();
            tags.extend(set.clone());
            write_tags(caller, &holder, tags, because)
        })
        .await
    }

    /// Tags a table that is there with [`derived_from_governed`]: rows come into it that are made of a governed
    /// table's. It is the warehouse that says so, whatever whoever writes the rows may tag; once said, it changes nothing.
    pub async fn table_mark_derived(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        table: &ObjectName,
    ) -> Result<(), Error> {
        let target = TagTarget::Securable(SecurableName::Table(table.clone()));
        let derived = derived_from_governed()?;
        let request =
            Request::new(by, now, Action::EntityTagSet, &target).with("tags", DERIVED_FROM_GOVERNED);
        self.write(request, |caller| {
            let holder = Holder::Table(caller.table_or_view(table)?);
            let mut tags = holder.tags().clone();
            for (key, value) in &derived {
                tags.entry(key.clone()).or_insert_with(|| value.clone());
            }
            write_tags(caller, &holder, tags, Vec::new())
        })
        .await
    }

    /// Needs what setting needs. Removing what is not there changes nothing.
    pub async fn tags_unset(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        target: &TagTarget,
        keys: &BTreeSet<TagKey>,
    ) -> Result<(), Error> {
        let names: Vec<&str> = keys.iter().map(TagKey::as_str).collect();
        let request = Request::new(by, now, Action::EntityTagUnset, target).with("tags", names.join(", "));
        self.write(request, |caller| {
            let holder = Holder::find(caller, target)?;
            let mut because = caller.require(Privilege::ApplyTag, holder.id())?;
            for key in keys {
                because.extend(require_assign(caller, key)?);
            }
            let mut tags = holder.tags().clone();
            tags.retain(|key, _| !keys.contains(key));
            write_tags(caller, &holder, tags, because)
        })
        .await
    }
}

fn write_tags(
    caller: &Caller<'_>,
    holder: &Holder<'_>,
    tags: Tags,
    because: Vec<Reason>,
) -> Result<Write<()>, Error> {
    if tags == *holder.tags() {
        return Ok(Write::nothing(()));
    }
    let changes = vec![holder.with_tags(caller, tags)];
    // A tag can bring a table that a policy reads under a policy itself.
    check_policy_cycles(caller, &changes)?;
    Ok(Write { changes, because, value: () })
}

/// ASSIGN on the governed tag of that key. Who may tag the thing may know that the key is governed:
/// any other answer but success says so.
fn require_assign(caller: &Caller<'_>, key: &TagKey) -> Result<Vec<Reason>, Error> {
    let Some(tag) = caller.snapshot.governed_tag(key) else { return Ok(Vec::new()) };
    match authorize(caller.snapshot, caller.by, Privilege::Assign, SecurableId::GovernedTag(tag.id)) {
        Decision::Allowed { because } => Ok(because),
        Decision::Refused { missing, .. } => {
            let denied = missing.iter().any(|lack| lack.denied.is_some());
            let securable = SecurableName::GovernedTag(key.clone());
            let missing = vec![MissingPrivilege { privilege: Privilege::Assign, securable, denied }];
            Err(Error::PermissionDenied { missing })
        }
    }
}

/// ASSIGN on each of them that is governed; all that is missing is told at once.
pub(super) fn require_assign_on(caller: &Caller<'_>, keys: &BTreeSet<TagKey>) -> Result<Vec<Reason>, Error> {
    let (mut because, mut lacks) = (Vec::new(), Vec::new());
    for key in keys {
        match require_assign(caller, key) {
            Ok(reasons) => because.extend(reasons),
            Err(Error::PermissionDenied { missing }) => lacks.extend(missing),
            Err(other) => return Err(other),
        }
    }
    if lacks.is_empty() { Ok(because) } else { Err(Error::PermissionDenied { missing: lacks }) }
}

fn check_value(caller: &Caller<'_>, key: &TagKey, value: &str) -> Result<(), Error> {
    if value.len() > 1000 || value.chars().any(char::is_control) {
        return Err(Error::InvalidTagValues {
            key: key.clone(),
            reason: "values have up to 1000 bytes and no control characters",
        });
    }
    match caller.snapshot.governed_tag(key).filter(|tag| !tag.takes(value)) {
        Some(tag) => Err(Error::TagValueNotTaken {
            key: key.clone(),
            value: value.to_owned(),
            values: tag.values.clone(),
        }),
        None => Ok(()),
    }
}

/// What carries the tags, found.
enum Holder<'s> {
    Catalog(&'s Catalog),
    Schema(&'s Schema),
    Table(&'s Table),
    Column(&'s Table, &'s Column),
    Volume(&'s Volume),
}

impl<'s> Holder<'s> {
    fn find(caller: &Caller<'s>, target: &TagTarget) -> Result<Self, Error> {
        let snapshot = caller.snapshot;
        match target {
            TagTarget::Column { table, column } => {
                let table = caller.table_or_view(table)?;
                // Who may not tag the table learns nothing of its columns.
                caller.require(Privilege::ApplyTag, SecurableId::Table(table.id))?;
                let found = table.column(column).ok_or_else(|| Error::ColumnNotFound {
                    table: table.name.clone(),
                    column: column.clone(),
                })?;
                Ok(Holder::Column(table, found))
            }
            TagTarget::Securable(name) => {
                let id = caller.securable(name)?;
                let holder = match id {
                    SecurableId::Catalog(id) => snapshot.catalog_by_id(id).map(Holder::Catalog),
                    SecurableId::Schema(id) => snapshot.schema_by_id(id).map(Holder::Schema),
                    SecurableId::Table(id) => snapshot.table_by_id(id).map(Holder::Table),
                    SecurableId::Volume(id) => snapshot.volume_by_id(id).map(Holder::Volume),
                    SecurableId::Metastore
                    | SecurableId::Function(_)
                    | SecurableId::ExternalLocation(_)
                    | SecurableId::StorageCredential(_)
                    | SecurableId::GovernedTag(_) => None,
                };
                holder.ok_or_else(|| Error::PrivilegeNotApplicable {
                    privilege: Privilege::ApplyTag,
                    kind: snapshot.kind_of(id).unwrap_or(SecurableKind::Metastore),
                })
            }
        }
    }

    fn id(&self) -> SecurableId {
        match self {
            Holder::Catalog(catalog) => SecurableId::Catalog(catalog.id),
            Holder::Schema(schema) => SecurableId::Schema(schema.id),
            Holder::Table(table) | Holder::Column(table, _) => SecurableId::Table(table.id),
            Holder::Volume(volume) => SecurableId::Volume(volume.id),
        }
    }

    fn tags(&self) -> &'s Tags {
        match self {
            Holder::Catalog(catalog) => &catalog.tags,
            Holder::Schema(schema) => &schema.tags,
            Holder::Table(table) => &table.tags,
            Holder::Column(_, column) => &column.tags,
            Holder::Volume(volume) => &volume.tags,
        }
    }

    fn with_tags(&self, caller: &Caller<'_>, tags: Tags) -> Change {
        match self {
            Holder::Catalog(catalog) => {
                let stamps = caller.altered(catalog.stamps);
                Change::CatalogPut(Catalog { tags, stamps, ..(*catalog).clone() })
            }
            Holder::Schema(schema) => {
                let stamps = caller.altered(schema.stamps);
                Change::SchemaPut(Schema { tags, stamps, ..(*schema).clone() })
            }
            Holder::Table(table) => {
                let stamps = caller.altered(table.stamps);
                Change::TablePut(Box::new(Table { tags, stamps, ..(*table).clone() }))
            }
            Holder::Column(table, column) => {
                let mut altered = (*table).clone();
                altered.stamps = caller.altered(table.stamps);
                let same = altered.columns.iter_mut().find(|found| found.name == column.name);
                if let Some(same) = same {
                    same.tags = tags;
                }
                Change::TablePut(Box::new(altered))
            }
            Holder::Volume(volume) => {
                let stamps = caller.altered(volume.stamps);
                Change::VolumePut(Volume { tags, stamps, ..(*volume).clone() })
            }
        }
    }
}

/// Which tags keep their column from going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// Any tag.
    Tagged,
    /// Governed ones.
    Governed,
}

/// `columns` in the place of those of `table`, with the tags that these have: a column is the same by
/// field id where both have one, else by name. Refused when a column would go that has tags of the
/// kind that keeps it.
pub(super) fn carry_tags(
    caller: &Caller<'_>,
    table: &Table,
    columns: Vec<Column>,
    keeping: Keeping,
) -> Result<Vec<Column>, Error> {
    let mut columns: Vec<Column> =
        columns.into_iter().map(|column| Column { tags: Tags::new(), ..column }).collect();
    for tagged in table.columns.iter().filter(|column| !column.tags.is_empty()) {
        let by_id = |column: &Column| tagged.field_id.is_some() && column.field_id == tagged.field_id;
        let place = columns
            .iter()
            .position(by_id)
            .or_else(|| columns.iter().position(|column| same_column(&column.name, &tagged.name)));
        if let Some(column) = place.and_then(|place| columns.get_mut(place)) {
            column.tags.extend(tagged.tags.clone());
            continue;
        }
        let keeps = |key: &&TagKey| keeping == Keeping::Tagged || caller.snapshot.governed_tag(key).is_some();
        let tags: Vec<String> = tagged.tags.keys().filter(keeps).map(ToString::to_string).collect();
        if !tags.is_empty() {
            let (table, column) = (table.name.clone(), tagged.name.clone());
            return Err(Error::TaggedColumn { table, column, tags });
        }
    }
    Ok(columns)
}
