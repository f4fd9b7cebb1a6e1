//! The composition root: builds each part from its configuration and joins them. The only file
//! that knows them all.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_catalog::Metastore;
use weir_scan::{DeltaTables, DiskRanges, RangeCache, RootName, Router, runtime_env};

use crate::billing::{self, Ledger, journal};
use crate::clock::{Clock, SystemClock};
use crate::command;
use crate::config::{self, Config};
use crate::connections::NewestTls;
use crate::error::{Error, Result};
use crate::flight::{self, Door};
use crate::identity::{LocalIssuer, Login, TokenService, Verifier};
use crate::location::{Locations, SYSTEM_ROOT};
use crate::metrics::{self, Metrics};
use crate::query::digest::Digests;
use crate::query::execute::Deadline;
use crate::query::open_delta::OpenDelta;
use crate::query::plan_cache::PlanCache;
use crate::query::record::{Listener, Overheard};
use crate::query::result_cache::ResultCache;
use crate::query::write::Writer;
use crate::query::{Analysis, Engine};
use crate::run::{Keeping, Limits, TurnLimits, Warehouse};
use crate::system::{DeltaStore, SystemArchive, SystemTables, TableStore};
use crate::tokens;
use crate::traces::Traces;

/// The name under which the catalog keeps the key that seals tickets.
const SEALING_KEY: &str = "flight.sealing";

/// The name under which the catalog keeps the key of digests.
const DIGEST_KEY: &str = "query.digest";

/// A server, ready to serve.
#[derive(Debug)]
pub struct App {
    config: Config,
    clock: Arc<dyn Clock>,
    metastore: Arc<Metastore>,
    warehouse: Arc<Warehouse>,
    door: Arc<Door>,
    ledger: Arc<Ledger>,
    tables: Arc<DeltaTables>,
    locations: Arc<Locations>,
    local_issuer: Option<Arc<LocalIssuer>>,
    verifier: Arc<Verifier>,
    metrics: Arc<Metrics>,
    traces: Option<Arc<Traces>>,
    runtime: Arc<RuntimeEnv>,
}

impl App {
    /// Builds all parts. Opens the catalog (and makes it, with its first administrator), the
    /// storage roots, the books; takes no port.
    pub async fn build(config: Config, clock: Arc<dyn Clock>) -> Result<Self> {
        // Whoever came first installed the same provider.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        if !weir_meter::install_tracer() {
            return Err(Error::internal("another tracer stands where metering needs its own"));
        }
        config.create_directories()?;
        let metastore = open_catalog(&config, clock.as_ref()).await?;
        let (tables, locations) = open_storage(&config)?;
        let scan = scan_config(&config);
        let runtime = runtime_env(Arc::clone(tables.router()), &scan)?;

        let root = RootName::new(SYSTEM_ROOT)?;
        let store: Arc<dyn TableStore> =
            Arc::new(DeltaStore::new(Arc::clone(&tables), root, Arc::clone(&runtime)));
        let archive = Arc::new(SystemArchive::open(Arc::clone(&store)).await?);
        let books = billing::Config::try_from(&config.billing)?;
        let ledger = Ledger::open(&config.journal_directory(), archive, books).await;
        let ledger = Arc::new(ledger.map_err(|error| unopened(&config, error))?);
        let system = Arc::new(SystemTables::new(Arc::clone(&ledger), store, Arc::clone(&metastore)));

        let open =
            Arc::new(OpenDelta::new(Arc::clone(&metastore), Arc::clone(&tables), Arc::clone(&locations)));
        let engine = Engine::new(Arc::clone(&runtime), partitions(), open, system);
        let writer = Writer::new(Arc::clone(&metastore), Arc::clone(&tables), Arc::clone(&locations));
        let caches = caches(&config.cache, &runtime);
        let (results, plans) = (caches.results.clone(), caches.plans.clone());
        let commands = command::Environment {
            metastore: Arc::clone(&metastore),
            analysis: Arc::new(Analysis::new(engine.clone())),
            tables: Arc::clone(&tables),
            locations: Arc::clone(&locations),
            caches,
        };
        let metrics = Arc::new(Metrics::default());
        let traces = Traces::open(&config.traces)?;
        let mut listeners: Vec<Arc<dyn Listener>> = vec![Arc::<Metrics>::clone(&metrics)];
        listeners.extend(traces.iter().map(|traces| Arc::<Traces>::clone(traces) as _));
        let sink = Arc::new(Overheard { books: Arc::clone(&ledger) as _, listeners });
        let digests = Digests::new(&shared_key(&metastore, DIGEST_KEY).await?);
        let keeping = Keeping { digests, results, plans };
        let (metastore_of, means) = (Arc::clone(&metastore), (limits(&config.limits), keeping));
        let warehouse = Arc::new(Warehouse::new(metastore_of, engine, writer, commands, sink, means));

        let local_issuer = match config.identity.local_issuer {
            true => Some(Arc::new(LocalIssuer::open_or_create(&config.keys_directory())?)),
            false => None,
        };
        let verifier = Verifier::from_config(&config.identity, local_issuer.as_deref())?;
        let verifier = Arc::new(verifier.with_access_tokens(Arc::clone(&metastore)));
        let logins = Arc::new(Login::new(Arc::clone(&metastore), local_issuer.clone()));
        let key = shared_key(&metastore, SEALING_KEY).await?;
        let door = open_door(&config, (&warehouse, &verifier), logins, &clock, key)?;
        Ok(Self {
            config,
            clock,
            metastore,
            warehouse,
            door: Arc::new(door),
            ledger,
            tables,
            locations,
            local_issuer,
            verifier,
            metrics,
            traces,
            runtime,
        })
    }

    /// The catalog.
    pub fn metastore(&self) -> &Arc<Metastore> {
        &self.metastore
    }

    /// What runs statements.
    pub fn warehouse(&self) -> &Arc<Warehouse> {
        &self.warehouse
    }

    /// The books.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The Delta tables.
    pub fn tables(&self) -> &Arc<DeltaTables> {
        &self.tables
    }

    /// Where tables lie.
    pub fn locations(&self) -> &Arc<Locations> {
        &self.locations
    }

    /// Who signs local tokens, where the configuration has it.
    pub fn local_issuer(&self) -> Option<&Arc<LocalIssuer>> {
        self.local_issuer.as_ref()
    }

    /// The time of all parts.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Serves on `listener` until `stop`; then running statements may end, and the books are
    /// flushed.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> Result<()> {
        let closed = CancellationToken::new();
        let _closes = closed.clone().drop_guard();
        self.tell_figures(&stop, closed).await?;
        let flushing = self.keep_books(CancellationToken::new());
        let config = flight::Config {
            tls: certificates(&self.config)?,
            drain: self.config.server.drain.duration(),
            statement_bytes: self.config.limits.statement_bytes.bytes(),
        };
        let newest = config.tls.as_ref().map(flight::Certificates::newest);
        self.give_tokens(newest, &stop).await?;
        let served = flight::serve(Arc::clone(&self.door), listener, config, stop).await;
        let (flushed, ended) = flushing;
        flushed.cancel();
        if let Err(error) = ended.await {
            tracing::error!(%error, "the books were not flushed; the journal keeps them");
        }
        if let Some(traces) = &self.traces {
            Arc::clone(traces).close().await;
        }
        served
    }

    /// Opens the door for figures, where the configuration has one; it stays open while the server drains.
    async fn tell_figures(&self, stop: &CancellationToken, closed: CancellationToken) -> Result<()> {
        let Some(listener) = self.config.metrics.listen().await? else { return Ok(()) };
        tracing::info!("figures on http://{}/metrics", listener.local_addr().map_err(Error::internal)?);
        let (warehouse, tables) = (Arc::clone(&self.warehouse), Arc::clone(&self.tables));
        let runtime = Arc::clone(&self.runtime);
        let now = move || metrics::Now {
            running: warehouse.turns().running() as u64,
            waiting: warehouse.turns().waiting() as u64,
            memory_bytes: runtime.memory_pool.reserved() as u64,
            spill_bytes: runtime.disk_manager.used_disk_space(),
            range_cache_bytes: tables.router().cache().used_bytes(),
            range_cache_disk_bytes: tables.router().disk().map_or(0, DiskRanges::used_bytes),
            footers: runtime.cache_manager.get_file_metadata_cache().len() as u64,
            snapshots: tables.known(),
            result_cache_bytes: warehouse.results().bytes(),
            plans: warehouse.plans().figures(),
        };
        let serving = metrics::door::serve(listener, Arc::clone(&self.metrics), now, stop.clone(), closed);
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the door for figures closed");
            }
        });
        Ok(())
    }

    /// Opens the door for tokens, where the configuration has one.
    async fn give_tokens(&self, tls: Option<NewestTls>, stop: &CancellationToken) -> Result<()> {
        let Some(listener) = self.config.tokens.listen().await? else { return Ok(()) };
        let issuer = self.local_issuer.clone().ok_or_else(|| Error::internal("no issuer signs tokens"))?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = listener.local_addr().map_err(Error::internal)?;
        tracing::info!("tokens at {scheme}://{address}{}", tokens::PATH);
        let service = TokenService::new(Arc::clone(&self.metastore), Arc::clone(&self.verifier), issuer);
        let serving = tokens::serve(listener, tls, service, Arc::clone(&self.clock), stop.clone());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the door for tokens closed");
            }
        });
        Ok(())
    }

    fn keep_books(&self, stop: CancellationToken) -> (CancellationToken, JoinHandle<()>) {
        let ledger = Arc::clone(&self.ledger);
        let until = stop.clone();
        let task = tokio::spawn(async move { ledger.keep_flushed(until).await });
        (stop, task)
    }
}

/// `weir serve`: builds, takes the port, serves until the process is told to stop.
pub async fn serve(config: Config) -> Result<()> {
    let listener = config.server.listen().await?;
    let address = listener.local_addr().map_err(Error::internal)?;
    let tls = config.server.is_tls();
    if let Some(certificate) = config.server.self_signed_certificate() {
        tracing::info!("clients trust this server by `{}` (weir sql --ca)", certificate.display());
    }
    let app = App::build(config, Arc::new(SystemClock)).await?;
    let scheme = if tls { "grpc+tls" } else { "grpc" };
    tracing::info!("Flight SQL on {scheme}://{address}");
    app.serve(listener, stop_signal()?).await
}

/// Cancelled when the process gets SIGTERM or SIGINT.
pub fn stop_signal() -> Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: running statements may end, the books are flushed");
        token.cancel();
    });
    Ok(stop)
}

/// The catalog in the store of the configuration, which is made and migrated as needed.
pub async fn open_store(config: &Config) -> Result<Metastore> {
    let metastore = match config.catalog.database()? {
        Some(url) => Metastore::open_postgres(url.reveal()).await?,
        None => Metastore::open_sqlite(&config.catalog_path()).await?,
    };
    Ok(metastore.with_staleness(config.catalog.staleness.duration()))
}

async fn open_catalog(config: &Config, clock: &dyn Clock) -> Result<Arc<Metastore>> {
    let metastore = open_store(config).await?;
    if let Some(admin) = &config.catalog.initial_admin {
        match metastore.bootstrap_admin(admin, clock.now()).await {
            Ok(_) => tracing::info!(admin, "made the catalog and its first administrator"),
            Err(weir_catalog::Error::AlreadyBootstrapped) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The first statement shall not wait for it.
    let started = clock.now();
    let snapshot = metastore.snapshot().await?;
    let counts = snapshot.counts();
    let counts: Vec<_> = counts.iter().map(|(noun, count)| format!("{count} {noun}")).collect();
    let load_ms = (clock.now() - started).num_milliseconds();
    tracing::info!(epoch = snapshot.epoch().0, load_ms, "loaded the catalog: {}", counts.join(", "));
    Ok(Arc::new(metastore))
}

fn unopened(config: &Config, error: billing::Error) -> Error {
    match error {
        billing::Error::Journal(journal::Error::InUse(_)) => config::refused(format!(
            "the data directory `{}` is in use by another server",
            config.server.data_directory.display()
        ))
        .with_hint("stop the other server, or name another directory"),
        other => other.into(),
    }
}

fn open_storage(config: &Config) -> Result<(Arc<DeltaTables>, Arc<Locations>)> {
    let scan = scan_config(config);
    let mut router = Router::new(RangeCache::new(scan.range_cache_bytes));
    if let Some(disk) = disk_ranges(config)? {
        router = router.with_disk(disk);
    }
    let router = Arc::new(router);
    let system = config.system_directory();
    let external = (config.storage.external_roots.as_slice(), config.storage.buckets.as_slice());
    let locations = Locations::new(&router, &config.data_root(), &system, external)?;
    Ok((Arc::new(DeltaTables::new(router, scan)), Arc::new(locations)))
}

/// Byte ranges on disk, where the configuration gives them room.
fn disk_ranges(config: &Config) -> Result<Option<DiskRanges>> {
    let bytes = config.storage.range_cache_disk_bytes.bytes();
    if bytes == 0 {
        return Ok(None);
    }
    let folder = config.range_cache_directory();
    let unusable = |cause: std::io::Error| {
        let folder = folder.display();
        config::refused(format!(
            "`storage.range_cache_directory` is `{folder}`, which cannot be used: {cause}"
        ))
    };
    DiskRanges::open(&folder, bytes).map(Some).map_err(unusable)
}

fn caches(config: &config::Cache, runtime: &Arc<RuntimeEnv>) -> command::Caches {
    let (all, each) = (config.result_cache_bytes, config.result_bytes_max);
    command::Caches {
        runtime: Arc::clone(runtime),
        results: ResultCache::new(all.bytes(), each.bytes()),
        plans: PlanCache::new(config.plans),
    }
}

fn limits(configured: &config::Limits) -> Limits {
    Limits {
        deadline: Deadline { statement_timeout: Some(configured.statement_timeout.duration()) },
        statement_bytes: configured.statement_bytes.bytes(),
        memory_bytes: configured.statement_memory_bytes.memory(),
        turns: TurnLimits {
            running: configured.running_statements,
            running_of_user: configured.running_statements_per_user,
            waiting: configured.waiting_statements,
            waiting_of_user: configured.waiting_statements_per_user,
        },
    }
}

fn open_door(
    config: &Config,
    (warehouse, verifier): (&Arc<Warehouse>, &Arc<Verifier>),
    logins: Arc<Login>,
    clock: &Arc<dyn Clock>,
    key: [u8; 32],
) -> Result<Door> {
    let limits = flight::HoldingLimits {
        streams: config.limits.streams_per_user,
        changes: config.limits.changes_per_user,
        bound_bytes: config.limits.bound_bytes_per_user.bytes(),
    };
    let means = (limits, config.server.drain_hint.as_deref());
    let door = Door::new(Arc::clone(warehouse), Arc::clone(verifier), logins, Arc::clone(clock), key, means)?;
    Ok(door.with_sessions(config.sessions.clone()))
}

fn scan_config(config: &Config) -> weir_scan::Config {
    weir_scan::Config {
        range_cache_bytes: config.storage.range_cache_bytes.bytes(),
        footer_cache_bytes: config.storage.footer_cache_bytes.memory(),
        snapshot_cache_tables: config.storage.snapshot_cache_tables,
        snapshot_cache_bytes: config.storage.snapshot_cache_bytes.bytes(),
        past_snapshot_cache_bytes: config.storage.past_snapshot_cache_bytes.bytes(),
        memory_pool_bytes: config.limits.memory_bytes.memory(),
        spill_bytes: config.limits.temp_bytes.bytes(),
        spill_directory: Some(config.temp_directory()),
    }
}

/// A key that all servers of the catalog have.
async fn shared_key(metastore: &Metastore, name: &str) -> Result<[u8; 32]> {
    let mut fresh = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut fresh).map_err(|_| Error::internal("no randomness for a key"))?;
    let key = metastore.secret(name, || fresh.to_vec()).await?;
    key.try_into().map_err(|_| Error::internal("a key in the catalog has another length"))
}

/// The door's certificate, where the configuration has one.
fn certificates(config: &Config) -> Result<Option<flight::Certificates>> {
    if !config.server.is_tls() {
        return Ok(None);
    }
    let server = config.server.clone();
    flight::Certificates::new(move || {
        let (certificate_pem, key_pem) = server.tls_files()?;
        Ok(flight::Tls { certificate_pem, key_pem, clients: server.tls_clients()? })
    })
    .map(Some)
}

/// Threads that one statement may use.
fn partitions() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}
