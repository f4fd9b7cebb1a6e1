//! The JSON of a tag policy's definition.

use serde::{Deserialize, Serialize};

use super::nested::{LiteralJson, function_of, function_text};
use super::{id, tag_key};
use crate::id::TagPolicyId;
use crate::name::Name;
use crate::securable::SecurableId;
use crate::stamps::Stamps;
use crate::store::Error;
use crate::tag_policy::{
    Audience, ColumnMatch, Composition, OnNoMatch, TagCondition, TagPolicy, TagPolicyArgument, TagPolicyRule,
};

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ConditionJson {
    True,
    HasTag(String),
    HasTagValue(String, String),
    HasColumnTag(String),
    HasColumnTagValue(String, String),
    And(Box<ConditionJson>, Box<ConditionJson>),
    Or(Box<ConditionJson>, Box<ConditionJson>),
    Not(Box<ConditionJson>),
}

impl ConditionJson {
    fn of(condition: &TagCondition) -> Self {
        let boxed = |inner: &TagCondition| Box::new(Self::of(inner));
        match condition {
            TagCondition::True => Self::True,
            TagCondition::HasTag(key) => Self::HasTag(key.to_string()),
            TagCondition::HasTagValue(key, value) => Self::HasTagValue(key.to_string(), value.clone()),
            TagCondition::HasColumnTag(key) => Self::HasColumnTag(key.to_string()),
            TagCondition::HasColumnTagValue(key, value) => {
                Self::HasColumnTagValue(key.to_string(), value.clone())
            }
            TagCondition::And(left, right) => Self::And(boxed(left), boxed(right)),
            TagCondition::Or(left, right) => Self::Or(boxed(left), boxed(right)),
            TagCondition::Not(inner) => Self::Not(boxed(inner)),
        }
    }

    fn into_model(self) -> Result<TagCondition, Error> {
        let boxed = |inner: Box<Self>| Ok::<_, Error>(Box::new(inner.into_model()?));
        Ok(match self {
            Self::True => TagCondition::True,
            Self::HasTag(key) => TagCondition::HasTag(tag_key(&key)?),
            Self::HasTagValue(key, value) => TagCondition::HasTagValue(tag_key(&key)?, value),
            Self::HasColumnTag(key) => TagCondition::HasColumnTag(tag_key(&key)?),
            Self::HasColumnTagValue(key, value) => TagCondition::HasColumnTagValue(tag_key(&key)?, value),
            Self::And(left, right) => TagCondition::And(boxed(left)?, boxed(right)?),
            Self::Or(left, right) => TagCondition::Or(boxed(left)?, boxed(right)?),
            Self::Not(inner) => TagCondition::Not(boxed(inner)?),
        })
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchJson {
    condition: ConditionJson,
    alias: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum TagArgumentJson {
    Alias(String),
    Literal(LiteralJson),
    TagValue(String),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum RuleJson {
    RowFilter,
    ColumnMask { on: String },
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CompositionJson {
    Permissive,
    Restrictive,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnNoMatchJson {
    Skip,
    Deny,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagPolicyJson {
    rule: RuleJson,
    pub(crate) function: String,
    pub(crate) to: Vec<String>,
    pub(crate) except: Vec<String>,
    when: ConditionJson,
    matches: Vec<MatchJson>,
    arguments: Vec<TagArgumentJson>,
    composition: CompositionJson,
    on_no_match: OnNoMatchJson,
    semantics: u32,
}

impl TagPolicyJson {
    pub(crate) fn of(policy: &TagPolicy) -> Self {
        Self {
            rule: match &policy.rule {
                TagPolicyRule::RowFilter => RuleJson::RowFilter,
                TagPolicyRule::ColumnMask { on } => RuleJson::ColumnMask { on: on.clone() },
            },
            function: function_text(policy.function),
            to: policy.audience.to.iter().map(ToString::to_string).collect(),
            except: policy.audience.except.iter().map(ToString::to_string).collect(),
            when: ConditionJson::of(&policy.when),
            matches: policy
                .matches
                .iter()
                .map(|columns| MatchJson {
                    condition: ConditionJson::of(&columns.condition),
                    alias: columns.alias.clone(),
                })
                .collect(),
            arguments: policy
                .arguments
                .iter()
                .map(|argument| match argument {
                    TagPolicyArgument::Alias(alias) => TagArgumentJson::Alias(alias.clone()),
                    TagPolicyArgument::Literal(literal) => TagArgumentJson::Literal(LiteralJson::of(literal)),
                    TagPolicyArgument::TagValue(key) => TagArgumentJson::TagValue(key.to_string()),
                })
                .collect(),
            composition: match policy.composition {
                Composition::Permissive => CompositionJson::Permissive,
                Composition::Restrictive => CompositionJson::Restrictive,
            },
            on_no_match: match policy.on_no_match {
                OnNoMatch::Skip => OnNoMatchJson::Skip,
                OnNoMatch::Deny => OnNoMatchJson::Deny,
            },
            semantics: policy.semantics,
        }
    }

    pub(crate) fn into_model(
        self,
        policy: TagPolicyId,
        name: Name,
        scope: SecurableId,
        comment: Option<String>,
        stamps: Stamps,
    ) -> Result<TagPolicy, Error> {
        let principals = |ids: &[String]| -> Result<Vec<_>, Error> {
            ids.iter().map(|text| id("principal id", text)).collect()
        };
        let matches = self.matches.into_iter().map(|columns| {
            Ok(ColumnMatch { condition: columns.condition.into_model()?, alias: columns.alias })
        });
        let arguments = self.arguments.into_iter().map(|argument| {
            Ok(match argument {
                TagArgumentJson::Alias(alias) => TagPolicyArgument::Alias(alias),
                TagArgumentJson::Literal(literal) => TagPolicyArgument::Literal(literal.into_model()),
                TagArgumentJson::TagValue(key) => TagPolicyArgument::TagValue(tag_key(&key)?),
            })
        });
        Ok(TagPolicy {
            id: policy,
            name,
            scope,
            rule: match self.rule {
                RuleJson::RowFilter => TagPolicyRule::RowFilter,
                RuleJson::ColumnMask { on } => TagPolicyRule::ColumnMask { on },
            },
            function: function_of(&self.function)?,
            audience: Audience { to: principals(&self.to)?, except: principals(&self.except)? },
            when: self.when.into_model()?,
            matches: matches.collect::<Result<_, Error>>()?,
            arguments: arguments.collect::<Result<_, Error>>()?,
            composition: match self.composition {
                CompositionJson::Permissive => Composition::Permissive,
                CompositionJson::Restrictive => Composition::Restrictive,
            },
            on_no_match: match self.on_no_match {
                OnNoMatchJson::Skip => OnNoMatch::Skip,
                OnNoMatchJson::Deny => OnNoMatch::Deny,
            },
            comment,
            semantics: self.semantics,
            stamps,
        })
    }
}
