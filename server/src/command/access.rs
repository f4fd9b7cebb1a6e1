//! REQUEST ACCESS and SHOW ACCESS REQUESTS.

use weir_catalog::{AccessRequest, Error as CatalogError};

use super::Call;
use super::listing::{Columns, Row, listing};
use super::sight::Sight;
use crate::error::{Condition, Error, Result};
use crate::run::Outcome;
use crate::sql::AccessCommand;

/// The columns of the answer.
pub(super) fn columns(command: &AccessCommand) -> Columns {
    match command {
        AccessCommand::Request { .. } => Columns::texts(&["request_id", "securable", "privileges"]),
        AccessCommand::Show { .. } => Columns::texts(&[
            "request_id",
            "requested_at",
            "requested_by",
            "securable",
            "privileges",
            "comment",
        ]),
    }
}

pub(super) async fn run(call: Call<'_>, command: &AccessCommand) -> Result<Outcome> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    let rows = match command {
        AccessCommand::Request { on, privileges, comment } => {
            let on = sight.securable(call, on)?;
            let request = call
                .metastore()
                .access_request_add(call.by(), call.now(), &on, privileges, comment.clone())
                .await
                .map_err(bounded)?;
            let id = request.id.to_string();
            vec![Row::of([id.as_str(), request.securable_name.as_str(), privileges_of(&request).as_str()])]
        }
        AccessCommand::Show { on } => {
            let on = on.as_ref().map(|on| sight.securable(call, on)).transpose()?;
            let requests = call.metastore().access_request_list(call.by(), on.as_ref()).await?;
            requests.iter().map(|request| row(sight, request)).collect()
        }
    };
    listing(columns(command), &rows)
}

/// What the catalog refuses because its asker has as much of it as anybody may have is told as such.
pub(super) fn bounded(error: CatalogError) -> Error {
    match error {
        CatalogError::TooMany { hint, .. } => {
            Error::new(Condition::ResourceExhausted, error.to_string()).with_hint(hint)
        }
        other => other.into(),
    }
}

fn privileges_of(request: &AccessRequest) -> String {
    request.privileges.iter().map(|privilege| privilege.name()).collect::<Vec<_>>().join(", ")
}

fn row(sight: Sight<'_>, request: &AccessRequest) -> Row {
    let texts = vec![
        Some(request.id.to_string()),
        Some(request.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)),
        Some(sight.principal_name(request.by)),
        Some(request.securable_name.clone()),
        Some(privileges_of(request)),
        request.reason.clone(),
    ];
    Row { texts, flags: Vec::new() }
}
