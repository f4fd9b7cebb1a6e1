//! The rows of what was done and asked for.

use sqlx::FromRow;

use super::nested::OriginJson;
use super::{from_json, id, moment, privilege, securable_id, to_json};
use crate::access_request::AccessRequest;
use crate::audit::AuditEvent;
use crate::privilege::Privilege;
use crate::store::Error;

#[derive(FromRow)]
pub(in crate::store) struct AccessRequestRow {
    id: String,
    requested_at_us: i64,
    principal_id: String,
    securable_kind: String,
    securable_id: String,
    securable_name: String,
    privileges: String,
    reason: Option<String>,
}

impl AccessRequestRow {
    pub(in crate::store) fn into_model(self) -> Result<AccessRequest, Error> {
        let privileges: Vec<String> = from_json("privileges", &self.privileges)?;
        Ok(AccessRequest {
            id: id("access request id", &self.id)?,
            at: moment("requested_at_us", self.requested_at_us)?,
            by: id("principal id", &self.principal_id)?,
            securable: securable_id(&self.securable_kind, &self.securable_id)?,
            securable_name: self.securable_name,
            privileges: privileges.iter().map(|text| privilege(text)).collect::<Result<_, _>>()?,
            reason: self.reason,
        })
    }
}

pub(in crate::store) fn privileges_to_json(privileges: &[Privilege]) -> Result<String, Error> {
    to_json(&privileges.iter().map(|privilege| privilege.name()).collect::<Vec<_>>())
}

#[derive(FromRow)]
pub(in crate::store) struct NumberedAuditRow {
    number: i64,
    #[sqlx(flatten)]
    event: AuditRow,
}

impl NumberedAuditRow {
    pub(in crate::store) fn into_model(self) -> Result<(i64, AuditEvent), Error> {
        Ok((self.number, self.event.into_model()?))
    }
}

#[derive(FromRow)]
pub(in crate::store) struct AuditRow {
    event_id: String,
    event_time_us: i64,
    principal_id: Option<String>,
    principal_name: String,
    origin: String,
    action: String,
    securable: String,
    parameters: String,
    answer: String,
    because: String,
}

impl AuditRow {
    pub(in crate::store) fn into_model(self) -> Result<AuditEvent, Error> {
        let origin: OriginJson = from_json("origin", &self.origin)?;
        Ok(AuditEvent {
            // Events from before they had ids get one at each reading.
            id: match self.event_id.as_str() {
                "" => crate::id::AuditEventId::fresh(),
                text => id("audit event id", text)?,
            },
            at: moment("event_time_us", self.event_time_us)?,
            by: self.principal_id.map(|text| id("principal id", &text)).transpose()?,
            by_name: self.principal_name,
            origin: origin.into_model(),
            action: self.action,
            securable: self.securable,
            parameters: from_json("parameters", &self.parameters)?,
            answer: self.answer,
            because: self.because,
        })
    }
}

pub(in crate::store) fn origin_to_json(event: &AuditEvent) -> Result<String, Error> {
    to_json(&OriginJson::of(&event.origin))
}
