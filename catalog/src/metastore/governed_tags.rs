//! Governed tags: keys that policies may speak of, and the values they take.
//!
//! What is in use stays: a tag that something carries or a policy asks for is not dropped, and a
//! value in use is not taken off the list.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::{Created, Metastore, OnExisting, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::error::Error;
use crate::id::GovernedTagId;
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableKind, SecurableName};
use crate::store::Change;
use crate::tag::{GovernedTag, TagKey};

/// A governed tag to be made.
#[derive(Debug, Clone)]
pub struct GovernedTagSpec {
    /// Unique in the metastore.
    pub key: TagKey,
    /// The values it takes; any value where there are none.
    pub values: Vec<String>,
    /// A remark for people.
    pub comment: Option<String>,
}

/// A change to the values a governed tag takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagValues {
    /// These and no others; any value where there are none.
    Set(Vec<String>),
    /// These as well.
    Add(Vec<String>),
    /// Not these. One at least is left, since a tag without values takes any.
    Drop(Vec<String>),
}

impl Metastore {
    /// Needs CREATE GOVERNED TAG on the metastore. Refused where the key is set already with a
    /// value that the tag would not take.
    pub async fn governed_tag_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: GovernedTagSpec,
        on_existing: OnExisting,
    ) -> Result<Created<GovernedTag>, Error> {
        check_distinct(&spec.key, &spec.values)?;
        let securable = SecurableName::GovernedTag(spec.key.clone());
        self.write(Request::new(by, now, Action::GovernedTagCreate, securable), |caller| {
            let because = caller.require(Privilege::CreateGovernedTag, SecurableId::Metastore)?;
            if let Some(existing) = caller.snapshot.governed_tag(&spec.key) {
                return match on_existing {
                    OnExisting::Keep => Ok(Write::nothing(Created::Kept(existing.clone()))),
                    OnExisting::Fail => Err(Error::AlreadyExists {
                        kind: SecurableKind::GovernedTag,
                        name: spec.key.to_string(),
                    }),
                };
            }
            let tag = GovernedTag {
                id: GovernedTagId::fresh(),
                key: spec.key.clone(),
                values: spec.values.clone(),
                owner: caller.by,
                comment: spec.comment.clone(),
                stamps: caller.stamps,
            };
            caller.check_values_kept(&tag)?;
            let changes = vec![Change::GovernedTagPut(tag.clone())];
            Ok(Write { changes, because, value: Created::Made(tag) })
        })
        .await
    }

    /// Needs MANAGE. Refused while something has, or a policy asks for, a value that would be gone.
    pub async fn governed_tag_set_values(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        key: &TagKey,
        change: TagValues,
    ) -> Result<(), Error> {
        self.governed_tag_alter(by, now, key, |caller, tag| {
            let values = changed(tag, &change)?;
            check_distinct(key, &values)?;
            let altered = GovernedTag { values, ..tag.clone() };
            caller.check_values_kept(&altered)?;
            Ok(altered)
        })
        .await
    }

    /// Needs MANAGE.
    pub async fn governed_tag_set_comment(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        key: &TagKey,
        comment: Option<String>,
    ) -> Result<(), Error> {
        self.governed_tag_alter(by, now, key, |_, tag| {
            Ok(GovernedTag { comment: comment.clone(), ..tag.clone() })
        })
        .await
    }

    /// Needs MANAGE. Refused while something carries the tag or a policy asks for it. Returns
    /// whether there was anything to drop.
    pub async fn governed_tag_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        key: &TagKey,
        on_missing: OnMissing,
    ) -> Result<bool, Error> {
        let securable = SecurableName::GovernedTag(key.clone());
        self.write(Request::new(by, now, Action::GovernedTagDrop, &securable), |caller| {
            let tag = match caller.governed_tag(key) {
                Err(Error::NotFound { .. }) if on_missing == OnMissing::Ignore => {
                    return Ok(Write::nothing(false));
                }
                found => found?,
            };
            let because = caller.require(Privilege::Manage, SecurableId::GovernedTag(tag.id))?;
            caller.check_tag_unused(&securable, key, None)?;
            Ok(Write { changes: vec![Change::GovernedTagRemove(tag.id)], because, value: true })
        })
        .await
    }

    async fn governed_tag_alter(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        key: &TagKey,
        alter: impl Fn(&Caller<'_>, &GovernedTag) -> Result<GovernedTag, Error>,
    ) -> Result<(), Error> {
        let securable = SecurableName::GovernedTag(key.clone());
        self.write(Request::new(by, now, Action::GovernedTagAlter, securable), |caller| {
            let tag = caller.governed_tag(key)?;
            let because = caller.require(Privilege::Manage, SecurableId::GovernedTag(tag.id))?;
            let altered = alter(caller, tag)?;
            if altered == *tag {
                return Ok(Write::nothing(()));
            }
            let stamped = GovernedTag { stamps: caller.altered(tag.stamps), ..altered };
            Ok(Write { changes: vec![Change::GovernedTagPut(stamped)], because, value: () })
        })
        .await
    }
}

impl<'a> Caller<'a> {
    fn governed_tag(&self, key: &TagKey) -> Result<&'a GovernedTag, Error> {
        let tag = self.snapshot.governed_tag(key).filter(|tag| self.sees(SecurableId::GovernedTag(tag.id)));
        tag.ok_or_else(|| Error::NotFound { securable: SecurableName::GovernedTag(key.clone()) })
    }

    /// Refuses when something has, or a policy asks for, a value that `tag` does not take.
    fn check_values_kept(&self, tag: &GovernedTag) -> Result<(), Error> {
        let what = format!("a value that governed tag `{}` would not take", tag.key);
        self.check_tag_unused(what, &tag.key, Some(tag))
    }
}

fn changed(tag: &GovernedTag, change: &TagValues) -> Result<Vec<String>, Error> {
    let unfit = |reason| Error::InvalidTagValues { key: tag.key.clone(), reason };
    let unknown = |value: &String| Error::TagValueNotTaken {
        key: tag.key.clone(),
        value: value.clone(),
        values: tag.values.clone(),
    };
    match change {
        TagValues::Set(values) => Ok(values.clone()),
        TagValues::Add(values) => {
            let added = values.iter().filter(|value| !tag.values.contains(value));
            Ok(tag.values.iter().chain(added).cloned().collect())
        }
        TagValues::Drop(values) => {
            if let Some(value) = values.iter().find(|value| !tag.values.contains(value)) {
                return Err(unknown(value));
            }
            let left: Vec<String> =
                tag.values.iter().filter(|value| !values.contains(value)).cloned().collect();
            if left.is_empty() {
                return Err(unfit("without its last value it would take any: say SET VALUES () for that"));
            }
            Ok(left)
        }
    }
}

fn check_distinct(key: &TagKey, values: &[String]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let unfit = |reason| Err(Error::InvalidTagValues { key: key.clone(), reason });
    if values.iter().any(|value| value.len() > 1000 || value.chars().any(char::is_control)) {
        return unfit("values have up to 1000 bytes and no control characters");
    }
    if values.iter().any(|value| !seen.insert(value)) {
        return unfit("a value stands twice");
    }
    Ok(())
}
