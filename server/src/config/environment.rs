//! Settings from the environment: `WEIR_SECTION__KEY=value`. The only file that asks the
//! operating system for variables.
//!
//! A value is TOML where the key wants something else than text: `true`, `1000`, `["/srv/a"]`.

use super::{Config, refused};
use crate::error::{Error, Result};

/// An environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

const PREFIX: &str = "WEIR_";

/// The process's variables that speak of the configuration.
pub(super) fn variables() -> Result<Vec<Variable>> {
    let mut found = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let variables = std::env::vars_os();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let Ok(value) = value.into_string() else {
            return Err(refused(format!("the environment variable `{name}` is not UTF-8")));
        };
        found.push(Variable { name: name.to_owned(), value });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The value of a variable that the configuration names.
pub(super) fn value(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    std::env::var(name).ok()
}

/// The configuration with each variable's key replaced by its value.
pub(super) fn apply(config: Config, variables: &[Variable]) -> Result<Config> {
    variables.iter().try_fold(config, apply_one)
}

fn apply_one(config: Config, variable: &Variable) -> Result<Config> {
    let Some(path) = variable.name.strip_prefix(PREFIX).map(str::to_ascii_lowercase) else {
        return Ok(config);
    };
    let table = toml::Table::try_from(&config).map_err(Error::internal)?;
    let Some((section, key)) = path.split_once("__") else {
        return check_single_underscore(&table, &path, variable).map(|()| config);
    };
    let parsed = toml::from_str::<toml::Table>(&format!("value = {}", variable.value))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"));
    let text = toml::Value::String(variable.value.clone());
    let typed = parsed.map(|value| with_value(&table, section, key, value));
    match typed {
        Some(Ok(config)) => Ok(config),
        Some(Err(cause)) => with_value(&table, section, key, text).map_err(|_| cause),
        None => with_value(&table, section, key, text),
    }
    .map_err(|cause| {
        refused(format!("the environment variable `{}`: {}", variable.name, cause.message().trim()))
            .with_hint("`weir config --reference` shows every key with its meaning and default")
    })
}

fn with_value(
    table: &toml::Table,
    section: &str,
    key: &str,
    value: toml::Value,
) -> Result<Config, toml::de::Error> {
    let mut table = table.clone();
    let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(section) = section.as_table_mut() {
        section.insert(key.to_owned(), value);
    }
    table.try_into()
}

/// `WEIR_SERVER_FLIGHT_ADDRESS` would set nothing: it is refused rather than ignored. Variables
/// of other programs' making that only begin like ours are left alone.
fn check_single_underscore(table: &toml::Table, path: &str, variable: &Variable) -> Result<()> {
    let meant = path.split_once('_').filter(|(section, _)| table.contains_key(*section));
    match meant {
        Some((section, key)) => Err(refused(format!(
            "the environment variable `{}` sets nothing: section and key are joined by two underscores",
            variable.name
        ))
        .with_hint(format!(
            "write {PREFIX}{}__{}",
            section.to_ascii_uppercase(),
            key.to_ascii_uppercase()
        ))),
        None => Ok(()),
    }
}
