//! CREATE, SHOW and DROP ACCESS TOKEN. The token itself is in the answer to CREATE and nowhere else.

use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use weir_catalog::AccessToken;
use weir_catalog::metastore::AccessTokenSpec;

use super::access::bounded;
use super::listing::{Columns, Row, listing};
use super::sight::Sight;
use super::{Call, done};
use crate::error::{Condition, Error, Result};
use crate::identity::{ACCESS_TOKEN_PREFIX, access_token_digest};
use crate::run::Outcome;
use crate::sql::AccessTokenCommand;

/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;

/// The columns of the answer.
pub(super) fn columns(command: &AccessTokenCommand) -> Option<Columns> {
    match command {
        AccessTokenCommand::Create { .. } => Some(Columns::texts(&["token_id", "token", "expires_at"])),
        AccessTokenCommand::Show => Some(Columns::texts(&[
            "token_id",
            "name",
            "principal",
            "scope",
            "created_at",
            "created_by",
            "expires_at",
        ])),
        AccessTokenCommand::Drop { .. } => None,
    }
}

pub(super) async fn run(call: Call<'_>, command: &AccessTokenCommand) -> Result<Outcome> {
    match command {
        AccessTokenCommand::Create { name, principal, read_only, days } => {
            check_may_manage(call)?;
            let text = fresh()?;
            let spec = AccessTokenSpec {
                name: name.clone(),
                principal: principal.clone(),
                digest: access_token_digest(&text)?,
                read_only: *read_only,
                days: *days,
            };
            let created = call.metastore().access_token_create(call.by(), call.now(), spec).await;
            let token = created.map_err(bounded)?;
            let row = Row::of([token.id.to_string().as_str(), &text, &moment(token.expires_at)]);
            answer(command, &[row])
        }
        AccessTokenCommand::Show => {
            let snapshot = call.snapshot().await?;
            let sight = Sight::new(call, &snapshot);
            let tokens = call.metastore().access_token_list(call.by()).await?;
            answer(command, &tokens.iter().map(|token| row(sight, token)).collect::<Vec<_>>())
        }
        AccessTokenCommand::Drop { id } => {
            check_may_manage(call)?;
            let id = id.parse().map_err(|_| {
                Error::not_found(Condition::AccessTokenNotFound, "access token", id)
                    .with_hint("SHOW ACCESS TOKENS tells the ids")
            })?;
            call.metastore().access_token_drop(call.by(), call.now(), id).await?;
            done()
        }
    }
}

fn answer(command: &AccessTokenCommand, rows: &[Row]) -> Result<Outcome> {
    match columns(command) {
        Some(columns) => listing(columns, rows),
        None => done(),
    }
}

/// Whoever has got hold of a token shall not make others that outlive it, nor who acts for a user others of the user's.
fn check_may_manage(call: Call<'_>) -> Result<()> {
    if call.context.identity().run_by().is_some() {
        let text = "who acts for a user cannot make or drop access tokens";
        return Err(Error::new(Condition::InsufficientPermissions, text)
            .with_hint("users do so themselves, signed in with a password or at your identity provider"));
    }
    if call.context.identity().is_by_access_token() {
        let text = "an access token cannot make or drop access tokens";
        return Err(Error::new(Condition::InsufficientPermissions, text)
            .with_hint("sign in with a password or with your identity provider"));
    }
    Ok(())
}

fn fresh() -> Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness for a token"))?;
    Ok(format!("{ACCESS_TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

fn row(sight: Sight<'_>, token: &AccessToken) -> Row {
    let texts = vec![
        Some(token.id.to_string()),
        Some(token.name.to_string()),
        Some(sight.principal_name(token.principal)),
        Some(if token.read_only { "READ ONLY" } else { "ALL" }.to_owned()),
        Some(moment(token.created_at)),
        Some(sight.principal_name(token.created_by)),
        Some(moment(token.expires_at)),
    ];
    Row { texts, flags: Vec::new() }
}

fn moment(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
