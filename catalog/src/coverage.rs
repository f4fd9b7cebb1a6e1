//! What a tag policy reaches: its tables and columns now, and what it would miss.
//!
//! Pure functions of a snapshot, whoever the policy names. What of it a caller may be told is the
//! asker's concern: tables and columns come with what to ask about.

use std::collections::BTreeSet;

use crate::effective::{matches_column, speaks_of};
use crate::securable::{Column, SecurableId, Table};
use crate::snapshot::Snapshot;
use crate::tag::{TagKey, Tags};
use crate::tag_policy::{ColumnMatch, OnNoMatch, TagPolicy, TagPolicyRule};

/// A table that a policy's WHEN holds for, and the columns that its conditions find there.
#[derive(Debug, Clone)]
pub struct CoveredTable<'a> {
    /// The table or view.
    pub table: &'a Table,
    /// For each condition of MATCH COLUMNS, in order, the columns that fulfil it.
    pub matched: Vec<Vec<&'a Column>>,
}

impl<'a> CoveredTable<'a> {
    /// The conditions that no column fulfils.
    pub fn missing<'p>(&self, policy: &'p TagPolicy) -> Vec<&'p ColumnMatch> {
        let pairs = policy.matches.iter().zip(&self.matched);
        pairs.filter(|(_, columns)| columns.is_empty()).map(|(condition, _)| condition).collect()
    }

    /// Whether the policy does not hold for the table since a column is missing.
    pub fn is_skipped(&self, policy: &TagPolicy) -> bool {
        !policy.denies_without_match(self.table) && !self.missing(policy).is_empty()
    }

    /// The columns that an alias stands for.
    pub fn columns(&self, policy: &TagPolicy, alias: &str) -> &[&'a Column] {
        let mut pairs = policy.matches.iter().zip(&self.matched);
        let found = pairs.find(|(condition, _)| condition.alias.as_deref() == Some(alias));
        found.map_or(&[], |(_, columns)| columns)
    }
}

/// A thing that carries tags.
#[derive(Debug, Clone, Copy)]
pub struct Tagged<'a> {
    /// The securable; of a column, its table.
    pub on: SecurableId,
    /// The column, where it is one.
    pub column: Option<&'a Column>,
    /// The tags set on it.
    pub tags: &'a Tags,
}

impl Snapshot {
    /// The tables and views that the scope holds, by name.
    pub fn tables_within(&self, scope: SecurableId) -> Vec<&Table> {
        let mut tables: Vec<&Table> = match scope {
            SecurableId::Metastore => self.all_tables().collect(),
            SecurableId::Catalog(id) => self.schemas(id).flat_map(|schema| self.tables(schema.id)).collect(),
            SecurableId::Schema(id) => self.tables(id).collect(),
            SecurableId::Table(id) => self.table_by_id(id).into_iter().collect(),
            SecurableId::Function(_)
            | SecurableId::Volume(_)
            | SecurableId::ExternalLocation(_)
            | SecurableId::StorageCredential(_)
            | SecurableId::GovernedTag(_) => Vec::new(),
        };
        tables.sort_by(|left, right| left.name.cmp(&right.name));
        tables
    }

    /// What the policy finds in the table; `None` where its WHEN does not hold for it.
    pub fn covered<'a>(&'a self, policy: &TagPolicy, table: &'a Table) -> Option<CoveredTable<'a>> {
        let tags = self.tags_of(SecurableId::Table(table.id));
        if !speaks_of(&policy.when, &tags, &table.columns) {
            return None;
        }
        let matched = policy.matches.iter().map(|columns| {
            let fulfil = |column: &&Column| matches_column(&columns.condition, &column.tags);
            table.columns.iter().filter(fulfil).collect()
        });
        Some(CoveredTable { table, matched: matched.collect() })
    }

    /// The columns of the table that some mask covers for somebody, wholly or in a field: one set on the table
    /// itself, or a tag policy's. A tag policy that is skipped for want of other columns covers none.
    pub fn masked_columns<'a>(&'a self, table: &'a Table) -> Vec<&'a Column> {
        let own = table.masks.iter().filter_map(|mask| table.column(&mask.column.name));
        let tagged = self.tag_policies_over(table).into_iter();
        own.chain(tagged.flat_map(|policy| self.masked_by(policy, table))).collect()
    }

    /// Those that a tag policy of a wider scope than the table masks for somebody: who sets policies on the table
    /// alone cannot lift it.
    pub fn columns_masked_from_above<'a>(&'a self, table: &'a Table) -> Vec<&'a Column> {
        let policies = self.tag_policies_over(table).into_iter();
        let above = policies.filter(|policy| policy.scope != SecurableId::Table(table.id));
        above.flat_map(|policy| self.masked_by(policy, table)).collect()
    }

    fn masked_by<'a>(&'a self, policy: &TagPolicy, table: &'a Table) -> Vec<&'a Column> {
        let TagPolicyRule::ColumnMask { on } = &policy.rule else { return Vec::new() };
        let covered = self.covered(policy, table);
        let holds = |covered: &CoveredTable<'_>| {
            covered.missing(policy).is_empty() || policy.on_no_match == OnNoMatch::Deny
        };
        let covered = covered.filter(holds);
        covered.map(|covered| covered.columns(policy, on).to_vec()).unwrap_or_default()
    }

    /// Whether some row filter covers the table for somebody: its own, or a tag policy's.
    pub fn has_row_filter(&self, table: &Table) -> bool {
        let holds = |policy: &&TagPolicy| {
            policy.rule == TagPolicyRule::RowFilter
                && self.covered(policy, table).is_some_and(|covered| {
                    covered.missing(policy).is_empty() || policy.on_no_match == OnNoMatch::Deny
                })
        };
        table.row_filter.is_some() || self.tag_policies_over(table).iter().any(holds)
    }

    /// Everything that has tags of its own.
    pub fn tagged(&self) -> impl Iterator<Item = Tagged<'_>> {
        let catalogs = self.catalogs().map(|catalog| (SecurableId::Catalog(catalog.id), &catalog.tags));
        let schemas = self.catalogs().flat_map(|catalog| self.schemas(catalog.id));
        let schemas = schemas.map(|schema| (SecurableId::Schema(schema.id), &schema.tags));
        let tables = self.all_tables().map(|table| (SecurableId::Table(table.id), &table.tags));
        let volumes = self.all_volumes().map(|volume| (SecurableId::Volume(volume.id), &volume.tags));
        let securables = catalogs.chain(schemas).chain(tables).chain(volumes);
        let securables = securables.map(|(on, tags)| Tagged { on, column: None, tags });
        let columns = self.all_tables().flat_map(|table| {
            let on = SecurableId::Table(table.id);
            table.columns.iter().map(move |column| Tagged { on, column: Some(column), tags: &column.tags })
        });
        securables.chain(columns).filter(|tagged| !tagged.tags.is_empty())
    }

    /// The tags, with the value where the policy names one, that nothing which `sees` holds for carries
    /// within the policy's reach.
    pub fn uncarried_tags(
        &self,
        policy: &TagPolicy,
        sees: impl Fn(SecurableId) -> bool,
    ) -> BTreeSet<(TagKey, Option<String>)> {
        let asked = policy.tags().into_iter().map(|(key, value)| (key.clone(), value.map(str::to_owned)));
        let mut uncarried: BTreeSet<(TagKey, Option<String>)> = asked.collect();
        let mut strike = |tags: &Tags| {
            uncarried.retain(|(key, value)| {
                tags.get(key).is_none_or(|found| value.as_ref().is_some_and(|value| value != found))
            });
        };
        for table in self.tables_within(policy.scope) {
            let id = SecurableId::Table(table.id);
            if sees(id) {
                strike(&self.tags_of(id));
                table.columns.iter().for_each(|column| strike(&column.tags));
            }
        }
        uncarried
    }
}
