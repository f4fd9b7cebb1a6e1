//! The documented default file, made from the sections' doc comments and defaults.

use super::section::Key;
use super::{
    Billing, Cache, Catalog, Config, Identity, Limits, Log, Metrics, Server, Sessions, Storage, Tokens,
    Traces, bucket, identity, sessions,
};
use crate::error::{Error, Result};

const OPENING: &str = "\
# Weir's configuration: every key with its meaning and default. A key that is left out has the
# default shown. Each can also be set by an environment variable WEIR_SECTION__KEY, which wins over
# the file: WEIR_SERVER__FLIGHT_ADDRESS=127.0.0.1:32011. Lists are written there as here.
";

/// The file's text.
pub(super) fn document() -> Result<String> {
    let defaults = toml::Table::try_from(Config::default()).map_err(Error::internal)?;
    let mut text = OPENING.to_owned();
    let sections = [
        ("server", Server::ABOUT, Server::KEYS),
        ("catalog", Catalog::ABOUT, Catalog::KEYS),
        ("storage", Storage::ABOUT, Storage::KEYS),
        ("identity", Identity::ABOUT, Identity::KEYS),
        ("sessions", Sessions::ABOUT, Sessions::KEYS),
        ("tokens", Tokens::ABOUT, Tokens::KEYS),
        ("limits", Limits::ABOUT, Limits::KEYS),
        ("cache", Cache::ABOUT, Cache::KEYS),
        ("billing", Billing::ABOUT, Billing::KEYS),
        ("metrics", Metrics::ABOUT, Metrics::KEYS),
        ("traces", Traces::ABOUT, Traces::KEYS),
        ("log", Log::ABOUT, Log::KEYS),
    ];
    for (name, about, keys) in sections {
        text.push('\n');
        comment(&mut text, about);
        text.push_str(&format!("[{name}]\n"));
        for key in keys {
            text.push('\n');
            entry(&mut text, &defaults, name, key);
        }
    }
    Ok(text)
}

fn comment(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push_str(&format!("# {}\n", line.trim()));
    }
}

fn entry(text: &mut String, defaults: &toml::Table, section: &str, key: &Key) {
    comment(text, key.text);
    let tables = match (section, key.name) {
        ("identity", "issuers") => Some(identity::ISSUER_EXAMPLE),
        ("sessions", "users") => Some(sessions::USER_EXAMPLE),
        ("storage", "buckets") => Some(bucket::BUCKET_EXAMPLE),
        _ => None,
    };
    if let Some(example) = tables {
        comment(text, example);
        return;
    }
    let default = defaults.get(section).and_then(|table| table.get(key.name));
    match (default, key.example) {
        (Some(value), _) => text.push_str(&format!("{} = {value}\n", key.name)),
        (None, Some(example)) => text.push_str(&format!("# {} = {example}\n", key.name)),
        (None, None) => text.push_str(&format!("# {} =\n", key.name)),
    }
}
