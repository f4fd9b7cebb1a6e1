//! `weir token` and `weir user`: what is done on a server's files by whoever may read and write them.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::time::Duration;

use weir_catalog::{Metastore, Origin, Principal, PrincipalKind, Requester};

use super::arguments::{Place, TokenOptions, UserCommand};
use super::{Failure, settings};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Secret, reason};
use crate::error::{Condition, Error, Result};
use crate::identity::{LocalIssuer, SignedToken};

/// How long the token of `weir sql --as` lives.
const CALL_TTL: Duration = Duration::from_secs(3600);

/// The shortest password that is taken.
const PASSWORD_CHARS_MIN: usize = 8;

/// Prints a token.
pub(super) async fn print_token(options: TokenOptions) -> Result<(), Failure> {
    let token = sign(&options.user, &options.place, options.ttl.duration()).await?;
    writeln!(std::io::stdout().lock(), "{}", token.token.reveal())?;
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        writeln!(stderr, "expires at {}", token.expires_at.format("%Y-%m-%d %H:%M:%S UTC"))?;
    }
    Ok(())
}

/// A token for `weir sql --as`.
pub(super) async fn sign_for_a_call(user: &str, place: &Place) -> Result<Secret> {
    sign(user, place, CALL_TTL).await.map(|signed| signed.token)
}

async fn sign(user: &str, place: &Place, ttl: Duration) -> Result<SignedToken> {
    let config = settings::of_place(place)?;
    if !config.identity.local_issuer {
        return Err(Error::new(
            Condition::InvalidConfiguration,
            "this server trusts only the issuers of its configuration, so a token signed here would not be valid",
        )
        .with_hint("get one from the identity provider, or set `identity.local_issuer = true`"));
    }
    let issuer = LocalIssuer::open(&config.keys_directory())?;
    let metastore = existing_store(&config).await?;
    let snapshot = metastore.snapshot().await?;
    can_log_in(snapshot.principal_by_name(user), user)?;
    issuer.sign(user, ttl, SystemClock.now())
}

/// Says here what the server would only refuse.
pub(super) fn can_log_in<'a>(principal: Option<&'a Principal>, name: &str) -> Result<&'a Principal> {
    let refused = |what: &str| Err(Error::new(Condition::InvalidParameterValue, format!("`{name}` {what}")));
    match principal {
        None => {
            Err(Error::new(Condition::PrincipalDoesNotExist, format!("the catalog has no user `{name}`"))
                .with_hint("names are compared exactly; an administrator makes users with CREATE USER"))
        }
        Some(principal) if principal.kind == PrincipalKind::Group => {
            refused("is a group, and groups do not log in")
        }
        Some(principal) if principal.disabled => refused("is disabled"),
        Some(principal) => Ok(principal),
    }
}

/// `weir user …`.
pub(super) async fn change_user(command: UserCommand) -> Result<(), Failure> {
    let UserCommand::Password { user, place } = command;
    let config = settings::of_place(&place)?;
    let metastore = existing_store(&config).await?;
    let snapshot = metastore.snapshot().await.map_err(Error::from)?;
    let principal = can_log_in(snapshot.principal_by_name(&user), &user)?;
    let password = read_password(&user)?;
    // whoever may write the store may do this; the trail names the user it was done for
    let origin = Origin { user_agent: Some("weir user password".to_owned()), ..Origin::default() };
    let requester = Requester::of(principal.id, origin);
    metastore
        .password_set(requester, SystemClock.now(), &user, password.reveal())
        .await
        .map_err(Error::from)?;
    writeln!(std::io::stderr(), "the password of `{user}` is set")?;
    Ok(())
}

fn read_password(user: &str) -> Result<Secret, Failure> {
    let mut stdin = std::io::stdin().lock();
    let mut text = String::new();
    let read = if stdin.is_terminal() {
        writeln!(std::io::stderr(), "password for `{user}` (the screen shows it):")?;
        stdin.read_line(&mut text)
    } else {
        stdin.read_to_string(&mut text)
    };
    read.map_err(|cause| Failure::said(format!("cannot read standard input: {}", reason(&cause))))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Failure::said(format!("a password has at least {PASSWORD_CHARS_MIN} characters")));
    }
    if password.contains(['\r', '\n']) {
        return Err(Failure::said("a password is one line"));
    }
    Ok(Secret::new(password))
}

/// The catalog store of a server that has run; not made here by mistake.
pub(super) async fn existing_store(config: &Config) -> Result<Metastore> {
    let path = config.catalog_path();
    if config.catalog.database()?.is_none() && !path.is_file() {
        return Err(Error::new(
            Condition::InvalidConfiguration,
            format!("there is no catalog store at `{}`", path.display()),
        )
        .with_hint("name the server's data directory with --data-dir or its configuration with --config"));
    }
    app::open_store(config).await
}
