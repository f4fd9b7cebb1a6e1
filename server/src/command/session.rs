//! USE, SET and RESET: the session's settings, handed back changed.

use std::time::Duration;

use weir_catalog::SchemaName;
use weir_catalog::securable::SecurableName;

use super::Call;
use super::listing::{Columns, Row, listing};
use super::sight::Sight;
use crate::error::Result;
use crate::run::Outcome;
use crate::session::SessionSettings;
use crate::sql::SessionCommand;
use crate::sql::statement::session::Setting;
use crate::system::{SYSTEM_CATALOG, ServerTable};

/// How long after a moment all commits of that moment are on storage: the times of files may lag behind the clock.
const SETTLED_AFTER: Duration = Duration::from_millis(50);

const COLUMNS: Columns = Columns::texts(&["key", "value"]);

pub(super) fn columns(command: &SessionCommand) -> Option<Columns> {
    matches!(command, SessionCommand::ShowSetting { .. }).then_some(COLUMNS)
}

pub(super) async fn run(call: Call<'_>, command: &SessionCommand) -> Result<Outcome> {
    let mut session = call.context.session.clone();
    match command {
        SessionCommand::UseCatalog(name) => {
            if !is_system(name.as_str()) {
                let snapshot = call.snapshot().await?;
                Sight::new(call, &snapshot).find(&SecurableName::Catalog(name.clone()))?;
            }
            session.catalog = name.to_string();
            session.schema = SessionSettings::default().schema;
        }
        SessionCommand::UseSchema(name) => {
            let name = name.resolve(&session)?;
            let snapshot = call.snapshot().await?;
            let sight = Sight::new(call, &snapshot);
            if !shows_system_schema(sight, &name) {
                sight.find(&SecurableName::Schema(name.clone()))?;
            }
            session.catalog = name.catalog.to_string();
            session.schema = name.schema.to_string();
        }
        SessionCommand::ReadAt(moment) => {
            let snapshot = call.snapshot().await?;
            let moment = call.environment.analysis.moment(call.context, &snapshot, moment)?;
            tokio::time::sleep(SETTLED_AFTER).await;
            session.read_at = Some(moment);
        }
        SessionCommand::Set { setting, on } => set(&mut session, *setting, Some(*on)),
        SessionCommand::Reset { setting: Some(setting) } => set(&mut session, *setting, None),
        SessionCommand::Reset { setting: None } => {
            Setting::ALL.into_iter().for_each(|setting| set(&mut session, setting, None));
        }
        SessionCommand::ShowSetting { setting } => return show(&session, *setting),
    }
    Ok(Outcome::Done { rows: None, session: Some(session) })
}

/// Whether that is the catalog of the books, which the store does not hold.
pub(super) fn is_system(catalog: &str) -> bool {
    catalog == SYSTEM_CATALOG
}

/// Whether that schema holds tables of the server's own, in a catalog that the caller may know of.
pub(super) fn shows_system_schema(sight: Sight<'_>, name: &SchemaName) -> bool {
    let catalog = name.catalog.as_str();
    let shown = is_system(catalog) || sight.find(&SecurableName::Catalog(name.catalog.clone())).is_ok();
    shown && ServerTable::schemas_in(catalog).contains(&name.schema.as_str())
}

/// Sets a setting, or takes it back to what it is by default.
fn set(session: &mut SessionSettings, setting: Setting, on: Option<bool>) {
    match (setting, on) {
        (Setting::DoubleQuotedIdentifiers, on) => session.double_quoted_identifiers = on.unwrap_or(false),
        // A moment is no switch: it is set apart.
        (Setting::ReadAtSnapshot, _) => session.read_at = None,
        (Setting::UseCachedResult, on) => session.use_cached_result = on.unwrap_or(true),
        (Setting::BlockSelfJoins, Some(on)) => {
            session.accepted.insert(setting.name().to_owned(), on.to_string());
        }
        (Setting::BlockSelfJoins, None) => {
            session.accepted.remove(setting.name());
        }
    }
}

fn show(session: &SessionSettings, wanted: Option<Setting>) -> Result<Outcome> {
    let rows: Vec<Row> = Setting::ALL
        .into_iter()
        .filter(|setting| wanted.is_none_or(|wanted| wanted == *setting))
        .map(|setting| {
            let value = match setting {
                Setting::DoubleQuotedIdentifiers => session.double_quoted_identifiers.to_string(),
                Setting::ReadAtSnapshot => session.read_at_text().unwrap_or_else(|| "newest".to_owned()),
                Setting::UseCachedResult => session.use_cached_result.to_string(),
                // Self-joins are always allowed, which is what `false` says.
                Setting::BlockSelfJoins => {
                    session.accepted.get(setting.name()).cloned().unwrap_or_else(|| "false".to_owned())
                }
            };
            Row::of([setting.name(), &value])
        })
        .collect();
    listing(COLUMNS, &rows)
}
