//! The rows of grants and denials.

use sqlx::FromRow;

use super::{damaged, id, securable_id};
use crate::grant::{Effect, Grant};
use crate::privilege::Privilege;
use crate::store::Error;

#[derive(FromRow)]
pub(in crate::store) struct GrantRow {
    securable_kind: String,
    securable_id: String,
    principal_id: String,
    privilege: String,
    effect: String,
}

impl GrantRow {
    pub(in crate::store) fn into_model(self) -> Result<Grant, Error> {
        Ok(Grant {
            principal: id("principal id", &self.principal_id)?,
            privilege: privilege(&self.privilege)?,
            securable: securable_id(&self.securable_kind, &self.securable_id)?,
            effect: match self.effect.as_str() {
                "ALLOW" => Effect::Allow,
                "DENY" => Effect::Deny,
                other => return Err(damaged("effect", other)),
            },
        })
    }
}

pub(in crate::store) fn effect_cell(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "ALLOW",
        Effect::Deny => "DENY",
    }
}

pub(super) fn privilege(text: &str) -> Result<Privilege, Error> {
    Privilege::parse(text).ok_or_else(|| damaged("privilege", text))
}
