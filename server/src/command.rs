//! Runs statements that are not queries, by calling the metastore.
//!
//! The metastore decides; this module completes names from the session, asks [`Analysis`] about
//! texts and policies before they are stored, makes and opens Delta tables, and turns what the
//! caller may see into rows. What the caller may not see is not found, with the text of what does
//! not exist.
//!
//! Each family of statements has its file; [`listing`] is how rows are built, [`sight`] how names
//! are looked up.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use weir_catalog::{Metastore, PrincipalId, Requester, Snapshot};
use weir_scan::DeltaTables;

use crate::context::Context;
use crate::error::Result;
use crate::location::Locations;
use crate::query::Analysis;
use crate::run::Outcome;
use crate::sql::{AccessCommand, AccessTokenCommand, Command, TagPolicyCommand};

mod access;
mod access_token;
mod cache;
mod catalog;
mod describe;
mod external_location;
mod function;
mod grant;
mod listing;
mod owner;
mod policy;
mod policy_test;
mod principal;
mod schema;
mod session;
mod show;
mod sight;
mod storage_credential;
mod table;
mod tag;
mod tag_policy;
mod view;
mod volume;

pub use cache::Caches;
pub(crate) use cache::require_rank;
pub(crate) use listing::Pattern;
pub(crate) use policy::{Tried, tried};

/// What commands work with.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The catalog.
    pub metastore: Arc<Metastore>,
    /// Checks views, functions and policies before they are stored.
    pub analysis: Arc<Analysis>,
    /// Makes and opens Delta tables.
    pub tables: Arc<DeltaTables>,
    /// Where tables lie.
    pub locations: Arc<Locations>,
    /// Further caches.
    pub caches: Caches,
}

/// Runs one command for the caller of `context`.
pub async fn run(environment: &Environment, context: &Context, command: &Command) -> Result<Outcome> {
    let call = Call { environment, context };
    match command {
        Command::Catalog(command) => catalog::run(call, command).await,
        Command::Schema(command) => schema::run(call, command).await,
        Command::Table(command) => table::run(call, command).await,
        Command::View(command) => view::run(call, command).await,
        Command::Volume(command) => volume::run(call, command).await,
        Command::ExternalLocation(command) => external_location::run(call, command).await,
        Command::StorageCredential(command) => storage_credential::run(call, command).await,
        Command::Function(command) => function::run(call, command).await,
        Command::Policy(command) => policy::run(call, command).await,
        Command::TagPolicy(command) => tag_policy::run(call, command).await,
        Command::GovernedTag(command) => tag::run_governed(call, command).await,
        Command::Tag(command) => tag::run(call, command).await,
        Command::PolicyTest(command) => policy_test::run(call, command).await,
        Command::Access(command) => access::run(call, command).await,
        Command::AccessToken(command) => access_token::run(call, command).await,
        Command::Grant(command) => grant::run(call, command).await,
        Command::Owner(command) => owner::run(call, command).await,
        Command::Principal(command) => principal::run(call, command).await,
        Command::Show(show) => show::run(call, show).await,
        Command::Describe(describe) => describe::run(call, describe).await,
        Command::Cache(command) => cache::run(call, *command).await,
        Command::Session(command) => session::run(call, command).await,
    }
}

/// The columns of what a command returns, without running it; `None` when it returns no rows.
pub fn schema(command: &Command) -> Option<SchemaRef> {
    let columns = match command {
        Command::Show(show) => Some(show::columns(&show.kind)),
        Command::Describe(describe) => return Some(describe::schema(describe)),
        Command::Session(command) => session::columns(command),
        Command::TagPolicy(TagPolicyCommand::Validate { .. }) => Some(tag_policy::VALIDATE_COLUMNS),
        Command::PolicyTest(command) => policy_test::columns(command),
        Command::Access(command) => Some(access::columns(command)),
        Command::AccessToken(command) => access_token::columns(command),
        Command::Cache(_)
        | Command::Catalog(_)
        | Command::Schema(_)
        | Command::Table(_)
        | Command::View(_)
        | Command::Volume(_)
        | Command::ExternalLocation(_)
        | Command::StorageCredential(_)
        | Command::Function(_)
        | Command::Policy(_)
        | Command::TagPolicy(TagPolicyCommand::Create(_) | TagPolicyCommand::Drop { .. })
        | Command::GovernedTag(_)
        | Command::Tag(_)
        | Command::Grant(_)
        | Command::Owner(_)
        | Command::Principal(_) => None,
    };
    columns.map(|columns| columns.schema())
}

/// Whether a command leaves something other than it was.
pub fn changes(command: &Command) -> bool {
    match command {
        Command::Session(_) => false,
        Command::Access(AccessCommand::Request { .. })
        | Command::AccessToken(AccessTokenCommand::Create { .. }) => true,
        // Those that give no rows.
        other => schema(other).is_none(),
    }
}

/// One command's surroundings.
#[derive(Clone, Copy)]
struct Call<'a> {
    environment: &'a Environment,
    context: &'a Context,
}

impl<'a> Call<'a> {
    /// Who asks, for the metastore and its trail.
    fn by(&self) -> Requester {
        self.context.requester()
    }

    /// Whose rights hold.
    fn principal(&self) -> PrincipalId {
        self.context.identity().principal()
    }

    /// When.
    fn now(&self) -> DateTime<Utc> {
        self.context.clock().now()
    }

    fn metastore(&self) -> &'a Metastore {
        &self.environment.metastore
    }

    /// The catalog as of now, as the caller has it.
    async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        Ok(self.context.catalog(&self.environment.metastore.snapshot().await?))
    }
}

/// A command that returned nothing.
fn done() -> Result<Outcome> {
    Ok(Outcome::Done { rows: None, session: None })
}
