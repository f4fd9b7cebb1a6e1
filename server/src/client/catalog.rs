//! `weir catalog`: what is done on a catalog store by whoever may read and write it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use weir_catalog::{Document, Metastore, Origin, Removal, Requester, findings};

use super::accounts::{can_log_in, existing_store};
use super::arguments::{CatalogCommand, ImportOptions, Place};
use super::{Failure, settings};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, reason};
use crate::error::{Condition, Error, Result};

/// Does it.
pub(super) async fn run(command: CatalogCommand) -> Result<(), Failure> {
    match command {
        CatalogCommand::Migrate { admin, place } => migrate(admin, settings::of_place(&place)?).await,
        CatalogCommand::Export { file, place } => export(file.as_deref(), &place).await,
        CatalogCommand::Import(options) => import(options).await,
        CatalogCommand::Check { place } => check(&place).await,
    }
}

async fn migrate(admin: Option<String>, config: Config) -> Result<(), Failure> {
    config.create_directories()?;
    let metastore = app::open_store(&config).await?;
    let mut stderr = std::io::stderr();
    if let Some(name) = admin {
        bootstrap(&metastore, &name).await?;
        writeln!(stderr, "`{name}` is the account administrator")?;
    }
    match config.catalog.database()? {
        Some(_) => writeln!(stderr, "the catalog store in PostgreSQL is up to date")?,
        None => writeln!(stderr, "the catalog store `{}` is up to date", config.catalog_path().display())?,
    }
    Ok(())
}

async fn bootstrap(metastore: &Metastore, name: &str) -> Result<()> {
    match metastore.bootstrap_admin(name, SystemClock.now()).await {
        Ok(_) => Ok(()),
        Err(weir_catalog::Error::AlreadyBootstrapped) => Err(Error::new(
            Condition::PrincipalAlreadyExists,
            "the catalog has principals already; only an empty one takes its first administrator from here",
        )
        .with_hint("its account administrator makes others")),
        Err(other) => Err(other.into()),
    }
}

/// Writes the catalog as one file, which whoever may read the store may do: it holds no secret, but every
/// name and the body of every policy.
async fn export(file: Option<&Path>, place: &Place) -> Result<(), Failure> {
    let metastore = existing_store(&settings::of_place(place)?).await?;
    let document = Document::of(&*metastore.snapshot().await.map_err(Error::from)?);
    let text = serde_saphyr::to_string(&document).map_err(Error::internal)?;
    match file {
        None => Ok(std::io::stdout().lock().write_all(text.as_bytes())?),
        Some(path) => std::fs::write(path, text)
            .map_err(|cause| Failure::said(format!("cannot write `{}`: {}", path.display(), reason(&cause)))),
    }
}

async fn import(options: ImportOptions) -> Result<(), Failure> {
    let config = settings::of_place(&options.place)?;
    let document = read(&options.file)?;
    let metastore = existing_store(&config).await?;
    let snapshot = metastore.snapshot().await.map_err(Error::from)?;
    let by = can_log_in(snapshot.principal_by_name(&options.as_user), &options.as_user)?.id;
    files_are_there(&document, &Document::of(&snapshot), &config)?;
    let origin = Origin { user_agent: Some("weir catalog import".to_owned()), ..Origin::default() };
    let requester = Requester::of(by, origin);
    let removal = if options.prune { Removal::Prune } else { Removal::Keep };
    let now = SystemClock.now();
    let differences = if options.dry_run {
        metastore.catalog_import_trial(requester, now, &document, removal).await
    } else {
        metastore.catalog_import(requester, now, &document, removal).await
    };
    let differences = differences.map_err(Error::from)?;
    let mut stdout = std::io::stdout().lock();
    for difference in &differences {
        writeln!(stdout, "{difference}")?;
    }
    let told = match (differences.len(), options.dry_run) {
        (0, _) => "nothing differs".to_owned(),
        (count, true) => format!("{count} would change; nothing was changed"),
        (count, false) => format!("{count} changed"),
    };
    Ok(writeln!(std::io::stderr(), "{told}")?)
}

fn read(path: &Path) -> Result<Document, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(path).map(|content| text = content)
    };
    let name = path.display();
    read.map_err(|cause| Failure::said(format!("cannot read `{name}`: {}", reason(&cause))))?;
    serde_saphyr::from_str(&text)
        .map_err(|cause| Failure::said(format!("`{name}` cannot be imported: {cause}")))
}

/// An import makes no files: a managed table that is new to the catalog must have its own already.
fn files_are_there(document: &Document, before: &Document, config: &Config) -> Result<(), Failure> {
    let known = before.managed_locations();
    for (table, location) in document.managed_locations() {
        // What lies outside the data root is refused by the catalog.
        let inside =
            !Path::new(location).components().any(|part| !matches!(part, std::path::Component::Normal(_)));
        let log: PathBuf = config.data_root().join(location).join("_delta_log");
        if inside && !known.contains_key(table) && !log.is_dir() {
            return Err(Failure::said(format!(
                "the managed table `{table}` is not in the catalog, and there are no files of it at `{location}` \
                 under the data root; an import makes no tables: create it with CREATE TABLE, or copy its files there"
            )));
        }
    }
    Ok(())
}

/// Reads every row of the store and says what does not hold together.
async fn check(place: &Place) -> Result<(), Failure> {
    let metastore = existing_store(&settings::of_place(place)?).await?;
    let snapshot = metastore.snapshot().await.map_err(Error::from)?;
    let found = findings(&snapshot);
    let mut stdout = std::io::stdout().lock();
    for finding in &found {
        writeln!(stdout, "{finding}")?;
    }
    match found.len() {
        0 => Ok(writeln!(std::io::stderr(), "the catalog holds together")?),
        count => Err(Failure::said(format!("the catalog does not hold together: findings: {count}"))),
    }
}
