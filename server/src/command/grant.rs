//! GRANT, REVOKE, DENY and REVOKE DENY.

use super::sight::Sight;
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::GrantCommand;

pub(super) async fn run(call: Call<'_>, command: &GrantCommand) -> Result<Outcome> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    match command {
        GrantCommand::Grant { privileges, on, principal } => {
            let on = sight.securable(call, on)?;
            call.metastore().grant_add(call.by(), call.now(), &on, principal, privileges).await?;
        }
        GrantCommand::Revoke { privileges, on, principal } => {
            let on = sight.securable(call, on)?;
            call.metastore().grant_remove(call.by(), call.now(), &on, principal, privileges).await?;
        }
        GrantCommand::Deny { privileges, on, principal } => {
            let on = sight.securable(call, on)?;
            call.metastore().deny_add(call.by(), call.now(), &on, principal, privileges).await?;
        }
        GrantCommand::RevokeDenial { privileges, on, principal } => {
            let on = sight.securable(call, on)?;
            call.metastore().deny_remove(call.by(), call.now(), &on, principal, privileges).await?;
        }
    }
    done()
}
