//! The one door to the catalog.
//!
//! Each operation takes the principal that asks and the time, decides on a snapshot, and
//! commits its changes with an audit event at the epoch it decided on. When another commit came
//! first it decides again on the newer snapshot, so a decision never rests on rights that are
//! gone. An operation that finds nothing to do commits nothing and leaves the epoch alone.
//!
//! Operations are in the files of `metastore/`, one noun each; `caller.rs` has what they ask on
//! the caller's behalf, `dependents.rs` finds what uses a thing.
//!
//! What a caller may not see is not found: every look-up of a name goes through the caller.

mod access_requests;
mod access_tokens;
mod caller;
mod catalogs;
mod column_changes;
mod columns;
mod dependents;
mod external_locations;
mod functions;
mod governed_tags;
mod grants;
pub mod impersonation;
mod import;
mod passwords;
mod places;
mod policies;
pub mod policy_tests;
mod principals;
mod properties;
mod registrations;
mod schemas;
mod storage_credentials;
mod tables;
mod tag_policies;
mod tags;
mod token_requests;
mod views;
mod volumes;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use tokio::sync::RwLock;
use tokio::time::Instant;

use crate::access_request::AccessRequest;
use crate::audit::{self, Action, Answer, AuditEvent, Requester};
use crate::decision::Reason;
use crate::error::{Error, Reserved};
use crate::id::AuditEventId;
use crate::snapshot::Snapshot;
use crate::stamps::Stamps;
use crate::store::{self, Change, PostgresStore, SqliteStore, Store};
use caller::Caller;

pub use access_requests::{ACCESS_REQUEST_DAYS, ACCESS_REQUESTS_MAX};
pub use access_tokens::{ACCESS_TOKEN_DAYS_MAX, ACCESS_TOKENS_MAX, AccessTokenSpec};
pub use catalogs::CatalogSpec;
pub(crate) use catalogs::SYSTEM_CATALOG;
pub use columns::ColumnSpec;
pub use external_locations::ExternalLocationSpec;
pub use functions::FunctionSpec;
pub use governed_tags::{GovernedTagSpec, TagValues};
pub(crate) use places::check_location;
pub use places::{ExternalUse, Storage, require_external};
pub(crate) use policies::respelled;
pub use policy_tests::PolicyTestSpec;
pub(crate) use principals::check_name as check_principal_name;
pub use principals::{AccountAdmin, Delegation, Enablement, PrincipalSpec};
pub use properties::PropertyChange;
pub(crate) use schemas::INFORMATION_SCHEMA;
pub use schemas::SchemaSpec;
pub use storage_credentials::StorageCredentialSpec;
pub use tables::TableSpec;
pub use tag_policies::TagPolicySpec;
pub use tags::{TagTarget, derived_from_governed};
pub use token_requests::TokenRequest;
pub use views::ViewSpec;
pub use volumes::VolumeSpec;

/// The parameter of an event that names the groups of which the caller's token made it a member.
const CLAIMED_GROUPS: &str = "claimed_groups";

/// How often an operation decides again before it gives up with [`Error::Contention`].
const ATTEMPTS: usize = 64;

/// What to do when the thing to be made is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExisting {
    /// Fail.
    Fail,
    /// IF NOT EXISTS: leave it as it is.
    Keep,
}

/// What to do when the view or function to be made is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExistingDefinition {
    /// Fail.
    Fail,
    /// IF NOT EXISTS: leave it as it is.
    Keep,
    /// OR REPLACE: keep its id, grants and policies, and replace the rest.
    Replace,
}

/// What to do when the thing to be dropped is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissing {
    /// Fail.
    Fail,
    /// IF EXISTS: do nothing.
    Ignore,
}

/// What to do with what a container holds when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Refuse when there is any.
    Restrict,
    /// CASCADE: drop it as well.
    Cascade,
}

/// What a create operation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created<T> {
    /// It is there now.
    Made(T),
    /// It was there and stays as it was.
    Kept(T),
    /// It was there under the same id and has the new definition.
    Replaced(T),
}

impl<T> Created<T> {
    /// The thing, however it came to be there.
    pub fn into_inner(self) -> T {
        match self {
            Created::Made(thing) | Created::Kept(thing) | Created::Replaced(thing) => thing,
        }
    }
}

/// The catalog: a store, the rules, and the latest snapshot. See the file's docs.
#[derive(Debug)]
pub struct Metastore {
    store: Arc<dyn Store>,
    latest: RwLock<Option<Latest>>,
    staleness: Duration,
    /// The epoch of the last commit through here: what this server changed, it sees at once, however old
    /// a snapshot may be.
    committed: AtomicU64,
}

/// The newest snapshot known, and when the store last said that it is the newest there is.
#[derive(Debug, Clone)]
struct Latest {
    snapshot: Arc<Snapshot>,
    confirmed: Instant,
}

/// What an operation decided.
struct Write<T> {
    changes: Vec<Change>,
    because: Vec<Reason>,
    value: T,
}

impl<T> Write<T> {
    fn nothing(value: T) -> Self {
        Self { changes: Vec::new(), because: Vec::new(), value }
    }
}

/// Who asks for what, and when.
struct Request {
    requester: Requester,
    now: DateTime<Utc>,
    action: Action,
    securable: String,
    parameters: BTreeMap<String, String>,
}

impl Request {
    fn new(by: impl Into<Requester>, now: DateTime<Utc>, action: Action, securable: impl ToString) -> Self {
        // Stores keep microseconds; what an operation returns is what the next snapshot says.
        let (now, securable) = (now.trunc_subsecs(6), securable.to_string());
        let request = Self { requester: by.into(), now, action, securable, parameters: BTreeMap::new() };
        let claimed: Vec<_> = request.requester.groups.iter().map(str::to_owned).collect();
        if claimed.is_empty() { request } else { request.with(CLAIMED_GROUPS, claimed.join(", ")) }
    }

    /// With one more thing that was said, for the audit trail.
    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.parameters.insert(name.to_owned(), value.to_string());
        self
    }

    /// Of a thing made by the request.
    fn stamps(&self) -> Stamps {
        Stamps::new(self.now, self.requester.by)
    }

    fn event(&self, snapshot: &Snapshot, answer: Answer, because: String) -> AuditEvent {
        let by = snapshot.principal(self.requester.by);
        AuditEvent {
            id: AuditEventId::fresh(),
            at: self.now,
            by: Some(self.requester.by),
            by_name: by.map(|principal| principal.name.clone()).unwrap_or_default(),
            origin: self.requester.origin.as_ref().clone(),
            action: self.action.name().to_owned(),
            securable: self.securable.clone(),
            parameters: self.parameters.clone(),
            answer: answer.name().to_owned(),
            because,
        }
    }
}

impl Metastore {
    /// The catalog in that store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, latest: RwLock::new(None), staleness: Duration::ZERO, committed: AtomicU64::new(0) }
    }

    /// The catalog in that SQLite file, which is made and migrated as needed.
    pub async fn open_sqlite(path: &Path) -> Result<Self, Error> {
        Ok(Self::new(Arc::new(SqliteStore::open(path).await?)))
    }

    /// The catalog in that PostgreSQL database, whose tables are made and migrated as needed. The URL is in
    /// no error.
    pub async fn open_postgres(url: &str) -> Result<Self, Error> {
        Ok(Self::new(Arc::new(PostgresStore::open(url).await?)))
    }

    /// The same, but a snapshot may be that old: for so long after the store confirmed it, it is answered
    /// without asking again. Writes always ask.
    #[must_use]
    pub fn with_staleness(self, staleness: Duration) -> Self {
        Self { staleness, ..self }
    }

    /// The whole catalog as of now, or, where staleness is allowed, as of then. Asks the store for its epoch,
    /// and for what changed only when that has moved. When the store does not answer there is no snapshot.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        if !self.staleness.is_zero() {
            let latest = self.latest.read().await;
            let committed = self.committed.load(Ordering::Acquire);
            let fits = |latest: &&Latest| {
                latest.confirmed.elapsed() < self.staleness && latest.snapshot.epoch().0 >= committed
            };
            if let Some(latest) = latest.as_ref().filter(fits) {
                return Ok(Arc::clone(&latest.snapshot));
            }
        }
        self.newest().await
    }

    /// The whole catalog as of now, whatever staleness is allowed.
    pub async fn newest_snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        self.newest().await
    }

    /// The whole catalog as of now.
    async fn newest(&self) -> Result<Arc<Snapshot>, Error> {
        // Taken before the store is asked: what it says holds for that moment.
        let asked = Instant::now();
        let epoch = self.store.epoch().await?;
        {
            let latest = self.latest.read().await;
            if let Some(latest) = latest.as_ref().filter(|latest| latest.snapshot.epoch() == epoch)
                && self.staleness.is_zero()
            {
                return Ok(Arc::clone(&latest.snapshot));
            }
        }
        // Under the write lock, so that of many statements after a commit one loads.
        let mut latest = self.latest.write().await;
        if let Some(latest) = latest.as_mut().filter(|latest| latest.snapshot.epoch() >= epoch) {
            latest.confirmed = latest.confirmed.max(asked);
            return Ok(Arc::clone(&latest.snapshot));
        }
        let known = latest.as_ref().map(|latest| Arc::clone(&latest.snapshot));
        let snapshot = Arc::new(self.load(known.as_deref()).await?);
        *latest = Some(Latest { snapshot: Arc::clone(&snapshot), confirmed: asked });
        Ok(snapshot)
    }

    /// What changed since `known`, or everything.
    async fn load(&self, known: Option<&Snapshot>) -> Result<Snapshot, Error> {
        if let Some(known) = known
            && let Some((epoch, increment)) = self.store.increment(known.epoch()).await?
        {
            return Ok(known.advanced(epoch, increment));
        }
        let (epoch, content) = self.store.load().await?;
        Ok(Snapshot::new(epoch, content))
    }

    /// The secret of that name, made by `make` when there is none yet. All callers, in all
    /// processes on the store, get the same one.
    pub async fn secret(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, Error> {
        if let Some(kept) = self.store.secret(name).await? {
            return Ok(kept);
        }
        Ok(self.store.secret_keep(name, &make()).await?)
    }

    /// The last `limit` audit events, the last one first; for account admins.
    pub async fn audit_list(
        &self,
        by: impl Into<Requester> + Send,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, Error> {
        let snapshot = self.snapshot().await?;
        Caller::new(&snapshot, by.into().by)?.require_account_admin(Reserved::ReadAudit)?;
        Ok(self.store.audit_list(limit).await?)
    }

    /// The trail from its beginning, page by page: the first `limit` events after the one numbered `after`,
    /// each with its number. Whole, as the server's books need it; who may read which of its rows is decided
    /// where `system.access.audit` is sealed.
    pub async fn audit_page(&self, after: i64, limit: u32) -> Result<Vec<(i64, AuditEvent)>, Error> {
        Ok(self.store.audit_page(after, limit).await?)
    }

    /// The last `limit` requests for access, whole, as for [`Metastore::audit_page`].
    pub async fn access_requests(&self, limit: u32) -> Result<Vec<AccessRequest>, Error> {
        Ok(self.store.access_request_list(limit).await?)
    }

    /// Decides on a snapshot and commits; again from the start when another commit came first.
    async fn write<T>(
        &self,
        request: Request,
        decide: impl Fn(&Caller<'_>) -> Result<Write<T>, Error>,
    ) -> Result<T, Error> {
        for _ in 0..ATTEMPTS {
            let snapshot = request.requester.catalog(&self.newest().await?);
            let decided = Caller::new(&snapshot, request.requester.by).and_then(|caller| {
                let caller = Caller { stamps: request.stamps(), ..caller };
                decide(&caller)
            });
            let write = match decided {
                Ok(write) => write,
                Err(error) => return Err(self.refuse(&snapshot, &request, error).await),
            };
            if write.changes.is_empty() {
                return Ok(write.value);
            }
            let event = request.event(&snapshot, Answer::Allowed, facts(&snapshot, &write.because));
            match self.store.commit(snapshot.epoch(), &write.changes, &event).await {
                Ok(epoch) => {
                    self.committed.fetch_max(epoch.0, Ordering::AcqRel);
                    return Ok(write.value);
                }
                Err(store::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contention)
    }

    /// Records the refusal. Nothing was done, so a trail that cannot be written changes no
    /// answer; it is logged.
    async fn refuse(&self, snapshot: &Snapshot, request: &Request, error: Error) -> Error {
        let mut event = request.event(snapshot, Answer::Refused, error.to_string());
        event.parameters.insert(audit::REFUSAL_KIND.to_owned(), error.kind().name().to_owned());
        if let Err(failure) = self.store.audit_add(&event).await {
            tracing::error!(error = &failure as &dyn std::error::Error, "a refusal could not be audited");
        }
        error
    }
}

/// The determining facts as text, names instead of ids.
fn facts(snapshot: &Snapshot, because: &[Reason]) -> String {
    because.iter().map(|reason| reason.told(snapshot)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
