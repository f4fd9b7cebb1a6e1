//! Which policies hold for a table: its own, and those that find it by its tags.
//!
//! Pure functions of a snapshot. [`Snapshot::effective_policies`] is the one answer that queries, EXPLAIN
//! and the books share; it compiles nothing and opens nothing.

mod resolution;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]
mod tests;

use crate::authorize::may_read_policies;
use crate::id::{PrincipalId, TagPolicyId};
use crate::name::{Name, ObjectName};
use crate::policy::{Literal, PolicyFunction};
use crate::securable::{Column, POLICY_DEFAULT_PROPERTY, SecurableId, Table};
use crate::snapshot::Snapshot;
use crate::tag::{TagKey, Tags};
use crate::tag_policy::{Composition, TagCondition, TagPolicy};
use resolution::Resolution;

/// A column as the opened table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenedColumn<'a> {
    /// As the table spells it.
    pub name: &'a str,
    /// Its column-mapping field id, where the table has them.
    pub field_id: Option<i64>,
}

impl<'a> OpenedColumn<'a> {
    /// The columns that the catalog knows: enough where no file is at hand.
    pub fn of_catalog(table: &'a Table) -> Vec<Self> {
        table.columns.iter().map(|column| Self { name: &column.name, field_id: column.field_id }).collect()
    }

    fn found(&self) -> EffectiveColumn {
        EffectiveColumn { name: self.name.to_owned(), field_id: self.field_id, bound_type: None }
    }
}

/// A column that a policy reads or masks. Columns are equal when they are the same column, whatever type a
/// policy was set for.
#[derive(Debug, Clone)]
pub struct EffectiveColumn {
    /// As the table spells or spelled it.
    pub name: String,
    /// Where there is one it wins over the name.
    pub field_id: Option<i64>,
    /// The type the policy was set for, in SQL; a policy that finds its columns by tags has none.
    pub bound_type: Option<String>,
}

impl PartialEq for EffectiveColumn {
    fn eq(&self, other: &Self) -> bool {
        match (self.field_id, other.field_id) {
            (Some(left), Some(right)) => left == right,
            _ => self.name.to_lowercase() == other.name.to_lowercase(),
        }
    }
}

impl Eq for EffectiveColumn {}

/// What one parameter of a policy's function receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectiveArgument {
    /// The raw value of a column in the row at hand.
    Column(EffectiveColumn),
    /// The same value for each row; values of tags are strings.
    Literal(Literal),
}

/// Where an effective policy comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PolicyOrigin {
    /// Set on the table itself.
    Table,
    /// A tag policy.
    Tag(TagPolicyOrigin),
}

/// The tag policy that an effective policy comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TagPolicyOrigin {
    /// Its id.
    pub id: TagPolicyId,
    /// Its name, unique on its scope.
    pub name: Name,
    /// Where it stands.
    pub scope: SecurableId,
    /// How it stands together with others.
    pub composition: Composition,
    /// The user or group by which it names the caller; of a policy that excepts the caller, none.
    pub named: Option<PrincipalId>,
}

impl TagPolicyOrigin {
    /// For people, e.g. `policy `mask_pii` on catalog `main``.
    pub fn describe(&self, snapshot: &Snapshot) -> String {
        match self.scope {
            SecurableId::Metastore => format!("policy `{}` on the metastore", self.name),
            scope => {
                let noun = snapshot.kind_of(scope).map_or("object", |kind| kind.noun());
                format!("policy `{}` on {noun} `{}`", self.name, snapshot.display_name(scope))
            }
        }
    }
}

/// A row filter that holds for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveFilter {
    /// Every policy that says so; at least one.
    pub origins: Vec<PolicyOrigin>,
    /// The table's own is restrictive.
    pub composition: Composition,
    /// The function.
    pub function: PolicyFunction,
    /// Its arguments by position.
    pub arguments: Vec<EffectiveArgument>,
}

/// A mask that holds for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveMask {
    /// Every policy that says so; at least one.
    pub origins: Vec<PolicyOrigin>,
    /// Of the first of them; the table's own is permissive.
    pub composition: Composition,
    /// The masked column.
    pub column: EffectiveColumn,
    /// The fields down to the masked one; empty where the whole column is masked.
    pub path: Vec<String>,
    /// The function.
    pub function: PolicyFunction,
    /// Its arguments after the masked value.
    pub arguments: Vec<EffectiveArgument>,
}

/// The policies of one table as they hold for one caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EffectivePolicies {
    /// A row stays when every restrictive filter keeps it and, of each scope that has permissive ones, any of
    /// those does: a scope opens nothing that a wider one hides.
    pub filters: Vec<EffectiveFilter>,
    /// No two of them touch the same value.
    pub masks: Vec<EffectiveMask>,
    /// No row filter speaks of the caller, and `policy.default` says that such a caller gets no rows.
    pub denied_by_default: bool,
    /// Tag policies that leave the caller out by name.
    pub excepted: Vec<PolicyOrigin>,
}

impl EffectivePolicies {
    /// Those that are set on the table itself, for whoever asks: to check them when they are set.
    pub fn of_table(table: &Table) -> Result<Self, PolicyRefusal> {
        let mut found = Self::default();
        resolution::own_policies(table, &mut found)?;
        Ok(found)
    }

    /// Whether nothing at all is asked of the caller's reads.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty() && self.masks.is_empty() && !self.denied_by_default
    }
}

/// Why the policies of a table cannot hold together for a caller, who then cannot read it. Names objects
/// and policies only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the nouns of the sentence")]
pub enum PolicyRefusal {
    /// A policy needs a column that the table does not have, and says ON NO MATCH DENY.
    #[error("table `{table}` has no column that {policy} asks for, so it cannot be read")]
    NoMatch { table: ObjectName, policy: String },
    /// One argument, several columns.
    #[error("`{alias}` of {policy} stands for {count} columns of table `{table}`, and an argument is one")]
    AmbiguousAlias { table: ObjectName, policy: String, alias: String, count: usize },
    /// An alias that MATCH COLUMNS does not have.
    #[error("{policy} uses `{alias}`, which it does not define, so table `{table}` cannot be read")]
    UnknownAlias { table: ObjectName, policy: String, alias: String },
    /// Two masks, and nothing says which holds.
    #[error(
        "[MULTIPLE_MASKS] column `{column}` of table `{table}` has more than one mask: {first} and {second}"
    )]
    MultipleMasks { table: ObjectName, column: String, first: String, second: String },
    /// A policy speaks of a tag that is not governed.
    #[error("{policy} asks for tag `{key}`, which is not a governed tag, so table `{table}` cannot be read")]
    UnknownTag { table: ObjectName, policy: String, key: TagKey },
    /// The log has lost a column that policies know by its tags.
    #[error("column `{column}` of table `{table}` has tags and is not in the table's files any more")]
    TaggedColumnMissing { table: ObjectName, column: String },
    /// Made under rules that this server does not know.
    #[error("the {policy} of table `{table}` was made under rules that this server does not know")]
    UnknownSemantics { table: ObjectName, policy: String },
    /// Any of the others, for a reader who may not know of the policies.
    #[error("the policies on table `{table}` cannot be applied to it, so it cannot be read")]
    Withheld { table: ObjectName, why: Box<PolicyRefusal> },
}

impl PolicyRefusal {
    /// What a governor can do.
    pub fn hint(&self) -> &'static str {
        match self {
            PolicyRefusal::NoMatch { .. } => {
                "tag the column that the policy asks for, or say ON NO MATCH SKIP in the policy"
            }
            PolicyRefusal::AmbiguousAlias { .. } => "tag one column only, or narrow the policy's condition",
            PolicyRefusal::UnknownAlias { .. } => "name the alias in MATCH COLUMNS",
            PolicyRefusal::MultipleMasks { .. } => {
                "let one policy except the caller, or make the one on the widest scope RESTRICTIVE: it wins \
                 over those on the same or a narrower scope"
            }
            PolicyRefusal::UnknownTag { .. } => "create the governed tag again, or drop the policy",
            PolicyRefusal::TaggedColumnMissing { .. } => {
                "take the tags from the column and give them to the one that took its place"
            }
            PolicyRefusal::UnknownSemantics { .. } => "read the table with a newer server",
            PolicyRefusal::Withheld { .. } => {
                "ask whoever manages the table: EXPLAIN POLICY tells them which policy it is"
            }
        }
    }

    /// What it is, whoever is told.
    pub fn cause(&self) -> &Self {
        match self {
            PolicyRefusal::Withheld { why, .. } => why.cause(),
            other => other,
        }
    }

    /// As `reader` may be told of it: names of policies, scopes and tags are for those who may read the
    /// policies of `table`.
    pub fn told_to(self, reader: PrincipalId, table: &Table, snapshot: &Snapshot) -> Self {
        let names_no_policy = matches!(self, PolicyRefusal::TaggedColumnMissing { .. });
        let scopes = [SecurableId::Table(table.id), SecurableId::Metastore];
        if names_no_policy || scopes.into_iter().any(|on| may_read_policies(snapshot, reader, on)) {
            return self;
        }
        PolicyRefusal::Withheld { table: table.name.clone(), why: Box::new(self) }
    }
}

impl Snapshot {
    /// The policies of `table` as they hold for `reader`, over the columns that the opened table has.
    ///
    /// * The table's own row filter counts as restrictive, its own masks as permissive ones at the table.
    /// * A tag policy holds where its scope holds the table, its audience names the reader (TO, through
    ///   groups, and not EXCEPT), WHEN holds for the table's tags and every condition of MATCH COLUMNS
    ///   finds a column. Where one finds none, ON NO MATCH decides: the table is refused, or the policy
    ///   does not hold.
    /// * A view holds no rows of its own: in what it reads the policy has been asked already. So a policy of a
    ///   wider scope that finds no column in a view does not hold for it, whatever ON NO MATCH says.
    /// * An alias that is an argument stands for one column; a mask holds for every column of its alias.
    /// * The same function with the same arguments counts once. Of several masks on one value a
    ///   restrictive one wins over those on narrower scopes and over permissive ones on its own;
    ///   otherwise the table is refused.
    /// * With `policy.default` = `deny` a reader of whom no row filter speaks, neither by TO nor by
    ///   EXCEPT, gets no rows.
    ///
    /// A column that has tags in the catalog and is missing from the opened table refuses the table: a
    /// rename outside must not lift a mask. Columns that the catalog does not know have no tags.
    pub fn effective_policies(
        &self,
        table: &Table,
        reader: PrincipalId,
        columns: &[OpenedColumn<'_>],
    ) -> Result<EffectivePolicies, PolicyRefusal> {
        Resolution::new(self, table, reader, columns)?.run()
    }

    /// The tag policies whose scope holds the table, from the metastore inwards, those of one scope by name.
    pub fn tag_policies_over(&self, table: &Table) -> Vec<&TagPolicy> {
        let itself = SecurableId::Table(table.id);
        let mut scopes: Vec<SecurableId> = self.containers_of(itself).collect();
        scopes.push(SecurableId::Metastore);
        scopes.reverse();
        scopes.push(itself);
        scopes.into_iter().flat_map(|scope| self.tag_policies_on(scope)).collect()
    }

    /// Whether anything can be hidden from a reader of the table: a policy speaks of it, or `policy.default`
    /// may.
    pub fn may_restrict(&self, table: &Table) -> bool {
        self.denies_by_default(table) || self.is_governed(table)
    }

    /// Whether one of whom no row filter speaks gets no rows. Views hold no rows of their own: what a container
    /// says of rows holds inside them already.
    fn denies_by_default(&self, table: &Table) -> bool {
        let value = match table.view() {
            Some(_) => table.properties.get(POLICY_DEFAULT_PROPERTY).map(String::as_str),
            None => self.governing_property(table, POLICY_DEFAULT_PROPERTY),
        };
        // A word that is not known is the safer one.
        value.is_some_and(|value| !value.eq_ignore_ascii_case("allow"))
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
        policies.iter().any(|policy| {
            let covered = self.covered(policy, table);
            covered.is_some_and(|covered| table.view().is_none() || !covered.is_skipped(policy))
        })
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
