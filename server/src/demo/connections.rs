//! How others connect: addresses, each user's token, and what to paste into Python and Java.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::USERS;
use crate::app::App;
use crate::client::Failure;
use crate::config::{Secret, reason};
use crate::error::{Error, Result};

/// How long the printed tokens live.
const TOKEN_TTL: Duration = Duration::from_secs(12 * 3600);

/// The door and the keys to it.
pub(super) struct Connections {
    pub(super) url: String,
    jdbc: String,
    tokens: Vec<(&'static str, Secret)>,
}

impl Connections {
    /// Signs a token for each user.
    pub(super) fn new(app: &App, address: SocketAddr) -> Result<Self> {
        let issuer = app.local_issuer().ok_or_else(|| Error::internal("the demo has no issuer"))?;
        let now = app.clock().now();
        let sign = |user| Ok((user, issuer.sign(user, TOKEN_TTL, now)?.token));
        Ok(Self {
            url: format!("grpc://{address}"),
            jdbc: format!("jdbc:arrow-flight-sql://{address}/?useEncryption=false"),
            tokens: USERS.into_iter().map(sign).collect::<Result<_>>()?,
        })
    }

    /// The token of a user of the demo.
    pub(super) fn token(&self, user: &str) -> Result<&Secret> {
        let found = self.tokens.iter().find(|(name, _)| *name == user);
        found.map(|(_, token)| token).ok_or_else(|| Error::internal(format!("no token for {user}")))
    }

    /// Writes address and tokens to `path`: whoever sees the file sees it whole, and only the
    /// user whose file it is can read it.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let tokens =
            self.tokens.iter().map(|(user, token)| ((*user).to_owned(), Value::from(token.reveal())));
        let document = json!({"url": self.url, "jdbc": self.jdbc, "tokens": tokens.collect::<Map<_, _>>()});
        write_whole(path, &format!("{document:#}\n")).map_err(|cause| {
            Failure::said(format!(
                "cannot write the connections file `{}`: {}",
                path.display(),
                reason(&cause)
            ))
        })
    }

    /// A Python program that asks as one of the users.
    pub(super) fn python(&self, sql: &str) -> String {
        let tokens =
            self.tokens.iter().map(|(user, token)| format!("    \"{user}\": \"{}\",\n", token.reveal()));
        format!(
            "from adbc_driver_flightsql import dbapi  # pip install adbc-driver-flightsql pyarrow\n\
             \n\
             tokens = {{\n{}}}\n\
             authorization = {{\"adbc.flight.sql.authorization_header\": \"Bearer \" + tokens[\"bob\"]}}\n\
             with dbapi.connect(\"{}\", db_kwargs=authorization, autocommit=True) as connection:\n    \
                 with connection.cursor() as cursor:\n        \
                     cursor.execute(\"{sql}\")\n        \
                     print(cursor.fetch_arrow_table().to_pylist())",
            tokens.collect::<String>(),
            self.url,
        )
    }

    /// A JDBC connection string for each user.
    pub(super) fn jdbc(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.tokens.iter().map(|(user, token)| (*user, format!("{}&token={}", self.jdbc, token.reveal())))
    }
}

fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let unfinished: PathBuf = path.with_file_name(name);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        // there may be nothing to remove
        let _removed = std::fs::remove_file(&unfinished);
    }
    written
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn sample() -> Connections {
        Connections {
            url: "grpc://127.0.0.1:1".to_owned(),
            jdbc: "jdbc:arrow-flight-sql://127.0.0.1:1/?useEncryption=false".to_owned(),
            tokens: vec![("bob", Secret::new("bobs-token"))],
        }
    }

    #[test]
    fn the_file_is_whole_private_and_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("connections.json");
        std::fs::write(&path, "an older one").unwrap();
        sample().write(&path).unwrap();
        let document: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(document.pointer("/tokens/bob"), Some(&Value::from("bobs-token")));
        assert_eq!(document.get("url"), Some(&Value::from("grpc://127.0.0.1:1")));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(sample().write(&directory.path().join("missing/file")).is_err());
    }

    #[test]
    fn a_connection_string_carries_its_token() {
        let strings: Vec<_> = sample().jdbc().collect();
        let expected = "jdbc:arrow-flight-sql://127.0.0.1:1/?useEncryption=false&token=bobs-token";
        assert_eq!(strings, [("bob", expected.to_owned())]);
        assert!(sample().python("SELECT 1").contains("\"bob\": \"bobs-token\""));
    }
}
