//! Which policies hold for a table: its own, and those that find it by its tags.
//!
//! Pure functions of a snapshot. What a policy's conditions say of columns, they say of the columns that
//! the catalog knows.

use crate::securable::{Column, SecurableId, Table};
use crate::snapshot::Snapshot;
use crate::tag::{TagKey, Tags};
use crate::tag_policy::{TagCondition, TagPolicy};

impl Snapshot {
    /// The tag policies whose scope holds the table, from the metastore inwards, those of one scope by name.
    pub fn tag_policies_over(&self, table: &Table) -> Vec<&TagPolicy> {
        let itself = SecurableId::Table(table.id);
        let mut scopes: Vec<SecurableId> = self.containers_of(itself).collect();
        scopes.push(SecurableId::Metastore);
        scopes.reverse();
        scopes.push(itself);
        scopes.into_iter().flat_map(|scope| self.tag_policies_on(scope)).collect()
    }

    /// Whether any policy speaks of the table, whoever asks.
    pub fn is_governed(&self, table: &Table) -> bool {
        if table.has_own_policy() {
            return true;
        }
        let policies = self.tag_policies_over(table);
        if policies.is_empty() {
            return false;
        }
        let tags = self.tags_of(SecurableId::Table(table.id));
        policies.iter().any(|policy| speaks_of(&policy.when, &tags, &table.columns))
    }
}

/// Whether a WHEN condition holds for a table with these tags, inherited ones among them, and columns.
pub(crate) fn speaks_of(condition: &TagCondition, tags: &Tags, columns: &[Column]) -> bool {
    holds(condition, &|key, value| has(tags, key, value), &|key, value| {
        columns.iter().any(|column| has(&column.tags, key, value))
    })
}

/// Whether a MATCH COLUMNS condition holds for a column with these tags.
pub fn matches_column(condition: &TagCondition, tags: &Tags) -> bool {
    let own = |key: &TagKey, value: Option<&str>| has(tags, key, value);
    holds(condition, &own, &own)
}

fn has(tags: &Tags, key: &TagKey, value: Option<&str>) -> bool {
    tags.get(key).is_some_and(|found| value.is_none_or(|value| value == found))
}

type Has<'a> = &'a dyn Fn(&TagKey, Option<&str>) -> bool;

fn holds(condition: &TagCondition, has_tag: Has<'_>, has_column_tag: Has<'_>) -> bool {
    match condition {
        TagCondition::True => true,
        TagCondition::HasTag(key) => has_tag(key, None),
        TagCondition::HasTagValue(key, value) => has_tag(key, Some(value)),
        TagCondition::HasColumnTag(key) => has_column_tag(key, None),
        TagCondition::HasColumnTagValue(key, value) => has_column_tag(key, Some(value)),
        TagCondition::And(left, right) => {
            holds(left, has_tag, has_column_tag) && holds(right, has_tag, has_column_tag)
        }
        TagCondition::Or(left, right) => {
            holds(left, has_tag, has_column_tag) || holds(right, has_tag, has_column_tag)
        }
        TagCondition::Not(inner) => !holds(inner, has_tag, has_column_tag),
    }
}
