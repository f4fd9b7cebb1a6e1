//! Tag policies: row filters and masks that find their tables and columns by tags (ABAC).
//!
//! A tag policy stands on a scope (metastore, catalog, schema, table) and holds for every table in
//! it, now and later, whose tags fulfil its conditions, for the principals it names. Owners below the
//! scope can neither alter nor drop it. It never gives a right; it only takes rows and values away.

use std::fmt;

use crate::id::{PrincipalId, TagPolicyId};
use crate::name::Name;
use crate::policy::{Literal, PolicyFunction};
use crate::securable::{SecurableId, Table};
use crate::stamps::Stamps;
use crate::tag::TagKey;

/// What a policy asks of tags.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TagCondition {
    /// Always.
    True,
    /// `has_tag('key')`: of the table in WHEN, its containers' tags included; of the column in
    /// MATCH COLUMNS.
    HasTag(TagKey),
    /// `has_tag_value('key', 'value')`, of the same; the value is compared exactly.
    HasTagValue(TagKey, String),
    /// `has_column_tag('key')`: in WHEN, whether any column of the table has it; of the column in
    /// MATCH COLUMNS.
    HasColumnTag(TagKey),
    /// `has_column_tag_value('key', 'value')`, of the same.
    HasColumnTagValue(TagKey, String),
    /// Both.
    And(Box<TagCondition>, Box<TagCondition>),
    /// Either.
    Or(Box<TagCondition>, Box<TagCondition>),
    /// The opposite.
    Not(Box<TagCondition>),
}

impl TagCondition {
    /// Every key it speaks of, with the value where it names one.
    pub fn tags(&self) -> Vec<(&TagKey, Option<&str>)> {
        match self {
            TagCondition::True => Vec::new(),
            TagCondition::HasTag(key) | TagCondition::HasColumnTag(key) => vec![(key, None)],
            TagCondition::HasTagValue(key, value) | TagCondition::HasColumnTagValue(key, value) => {
                vec![(key, Some(value))]
            }
            TagCondition::And(left, right) | TagCondition::Or(left, right) => {
                let mut tags = left.tags();
                tags.extend(right.tags());
                tags
            }
            TagCondition::Not(inner) => inner.tags(),
        }
    }

    /// How many conditions stand within one another.
    pub fn depth(&self) -> usize {
        match self {
            TagCondition::True
            | TagCondition::HasTag(_)
            | TagCondition::HasTagValue(..)
            | TagCondition::HasColumnTag(_)
            | TagCondition::HasColumnTagValue(..) => 1,
            TagCondition::And(left, right) | TagCondition::Or(left, right) => {
                1 + left.depth().max(right.depth())
            }
            TagCondition::Not(inner) => 1 + inner.depth(),
        }
    }
}

impl fmt::Display for TagCondition {
    /// As SQL that reads back the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        match self {
            TagCondition::True => f.write_str("TRUE"),
            TagCondition::HasTag(key) => write!(f, "has_tag({})", quoted(key.as_str())),
            TagCondition::HasTagValue(key, value) => {
                write!(f, "has_tag_value({}, {})", quoted(key.as_str()), quoted(value))
            }
            TagCondition::HasColumnTag(key) => write!(f, "has_column_tag({})", quoted(key.as_str())),
            TagCondition::HasColumnTagValue(key, value) => {
                write!(f, "has_column_tag_value({}, {})", quoted(key.as_str()), quoted(value))
            }
            TagCondition::And(left, right) => write!(f, "({left} AND {right})"),
            TagCondition::Or(left, right) => write!(f, "({left} OR {right})"),
            TagCondition::Not(inner) => write!(f, "NOT ({inner})"),
        }
    }
}

/// One condition of MATCH COLUMNS: the columns that fulfil it, under a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnMatch {
    /// What the column's tags must fulfil.
    pub condition: TagCondition,
    /// By what USING COLUMNS and ON COLUMN call them, folded.
    pub alias: Option<String>,
}

/// What one parameter of the function receives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TagPolicyArgument {
    /// The one column that an alias stands for.
    Alias(String),
    /// The same value for each row.
    Literal(Literal),
    /// `tag_value('key')`: the value that the table (in a row filter) or the masked column has
    /// for the key, as a string; NULL where it has none.
    TagValue(TagKey),
}

/// What the policy does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TagPolicyRule {
    /// Rows for which the function gives TRUE stay.
    RowFilter,
    /// The function's result stands in place of the value of every column the alias stands for.
    ColumnMask {
        /// An alias of MATCH COLUMNS.
        on: String,
    },
}

/// How policies of one table stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Composition {
    /// A row stays when any permissive filter of the same scope keeps it.
    Permissive,
    /// A row stays only when every restrictive filter keeps it. The way of a policy that does not say.
    Restrictive,
}

/// What holds for a table that the policy speaks of, but whose columns do not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnNoMatch {
    /// The policy does not hold for it. The way of a mask that does not say.
    Skip,
    /// The table cannot be read by those the policy names. The way of a row filter that does not say.
    Deny,
}

/// Whom a policy names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audience {
    /// For whom it holds, through groups as well.
    pub to: Vec<PrincipalId>,
    /// For whom it does not hold all the same, through groups as well.
    pub except: Vec<PrincipalId>,
}

/// A tag policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPolicy {
    /// Survives CREATE OR REPLACE.
    pub id: TagPolicyId,
    /// Unique on its scope.
    pub name: Name,
    /// Where it holds: metastore, catalog, schema or table.
    pub scope: SecurableId,
    /// Filter or mask.
    pub rule: TagPolicyRule,
    /// What it calls.
    pub function: PolicyFunction,
    /// For whom.
    pub audience: Audience,
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
    /// The rules of evaluation it was made under.
    pub semantics: u32,
    /// When and by whom.
    pub stamps: Stamps,
}

impl TagPolicy {
    /// Whether the table is refused where a column is missing; see
    /// [`Snapshot::effective_policies`](crate::Snapshot::effective_policies) for views.
    pub fn denies_without_match(&self, table: &Table) -> bool {
        let asked_within = table.view().is_some() && self.scope != SecurableId::Table(table.id);
        self.on_no_match == OnNoMatch::Deny && !asked_within
    }

    /// Every governed tag it speaks of, with the value where it names one.
    pub fn tags(&self) -> Vec<(&TagKey, Option<&str>)> {
        let mut tags = self.when.tags();
        tags.extend(self.matches.iter().flat_map(|columns| columns.condition.tags()));
        tags.extend(self.arguments.iter().filter_map(|argument| match argument {
            TagPolicyArgument::TagValue(key) => Some((key, None)),
            TagPolicyArgument::Alias(_) | TagPolicyArgument::Literal(_) => None,
        }));
        tags
    }
}
