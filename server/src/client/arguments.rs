//! The arguments of `weir`, and their help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Period, Secret};

/// Weir: a governed warehouse. It serves Delta tables over Arrow Flight SQL, and everyone sees the
/// rows and values that the catalog's policies let them see.
#[derive(Parser)]
#[command(
    name = "weir",
    version,
    arg_required_else_help = true,
    after_help = "Start here:\n  weir demo                    a sample warehouse with users, policies and a running server\n  \
                  weir sql --as alice 'SELECT current_user()'"
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `weir` does.
#[derive(Subcommand)]
pub enum Command {
    /// Make a sample warehouse, show who sees what, and keep serving it.
    Demo(DemoOptions),
    /// Run the server.
    Serve(ServeOptions),
    /// Ask a server: SQL in, rows out.
    Sql(SqlOptions),
    /// Print a token for a user, signed with the key of the server's data directory.
    Token(TokenOptions),
    /// Change a user's password.
    #[command(subcommand)]
    User(UserCommand),
    /// Make, upgrade, check, export or import the catalog store.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Print the configuration as the server would take it.
    Config(ConfigOptions),
}

/// Options of `weir demo`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  weir demo\n  weir demo --once\n  weir demo --data-dir sample --address 127.0.0.1:0"
)]
pub struct DemoOptions {
    /// Print the answers and stop, instead of serving on.
    #[arg(long)]
    pub once: bool,
    /// Directory for the sample warehouse; made when it is missing, used as it is otherwise.
    #[arg(long, value_name = "DIR", default_value = "weir-data")]
    pub data_dir: PathBuf,
    /// Address and port of the Flight SQL door; port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:32010")]
    pub address: SocketAddr,
    /// Once it serves, write the addresses and each user's token to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub connections_file: Option<PathBuf>,
}

/// Options of `weir serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  weir config --reference > weir.toml\n  weir serve --config weir.toml\n  \
                  WEIR_SERVER__FLIGHT_ADDRESS=127.0.0.1:32011 weir serve"
)]
pub struct ServeOptions {
    /// Configuration file; without it, defaults and WEIR_SECTION__KEY variables.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Where a server's files are.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The server's configuration file.
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    pub config: Option<PathBuf>,
    /// The server's data directory, where it has no configuration file.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Options of `weir sql`. Without `Debug`: one of them is a token.
#[derive(Args)]
#[command(after_help = "Examples:\n  weir sql --as alice 'SELECT * FROM main.default.orders LIMIT 10'\n  \
                  weir sql --url grpc+tls://weir.example.com:32010 --token \"$TOKEN\" -f report.sql --format csv > report.csv\n  \
                  echo 'SHOW CATALOGS' | weir sql --as alice\n  \
                  weir sql --as alice --profile 'SELECT count(*) FROM main.default.orders'\n\n\
                  Statements are separated by semicolons and run one after the other in one session.")]
pub struct SqlOptions {
    /// The statements; without them and without -f they are read from standard input.
    #[arg(value_name = "SQL", conflicts_with = "file")]
    pub sql: Option<String>,
    /// File with the statements.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The server: grpc://HOST:PORT, or grpc+tls://HOST:PORT for TLS.
    #[arg(long, value_name = "URL", env = "WEIR_URL", default_value = "grpc://127.0.0.1:32010")]
    pub url: String,
    /// The token to ask with.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "WEIR_TOKEN",
        hide_env_values = true,
        conflicts_with = "as_user"
    )]
    pub token: Option<Secret>,
    /// Ask as this user, with a token signed with the key of the server's data directory.
    #[arg(long = "as", value_name = "USER", id = "as_user")]
    pub as_user: Option<String>,
    /// Where the key for --as is.
    #[command(flatten)]
    pub place: Place,
    /// Certificates to trust with grpc+tls, in PEM; without it the system's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A certificate to show with grpc+tls, in PEM; without a token it alone says who asks.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// How rows are written.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Run the statements and print how each ran instead of its rows (EXPLAIN ANALYZE).
    #[arg(long)]
    pub profile: bool,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// An aligned table, for reading.
    Table,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object a line.
    Json,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
}

/// Options of `weir token`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  weir token alice\n  weir token alice --ttl 8h --data-dir /var/lib/weir\n\n\
                  Refused when the server trusts only the issuers of an identity provider."
)]
pub struct TokenOptions {
    /// The user or service principal, exactly as the catalog spells it.
    #[arg(value_name = "USER")]
    pub user: String,
    /// How long the token lives: 30m, 8h, 7d; 30 days at most.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub ttl: Period,
    /// Where the key is.
    #[command(flatten)]
    pub place: Place,
}

/// Changes of users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Set a user's password; it is read from standard input.
    #[command(
        after_help = "Examples:\n  weir user password alice\n  printf '%s' \"$PASSWORD\" | weir user password alice"
    )]
    Password {
        /// The user, exactly as the catalog spells it.
        #[arg(value_name = "USER")]
        user: String,
        /// Where the catalog store is.
        #[command(flatten)]
        place: Place,
    },
}

/// Changes of the catalog store.
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Make the catalog store, or bring it to this version; on an empty store, name the first administrator.
    #[command(
        after_help = "Examples:\n  weir catalog migrate --admin admin@example.com\n  weir catalog migrate --config weir.toml"
    )]
    Migrate {
        /// The first account administrator; only on a store without principals.
        #[arg(long, value_name = "NAME")]
        admin: Option<String>,
        /// Where the catalog store is.
        #[command(flatten)]
        place: Place,
    },
    /// Write the whole catalog as one YAML file: everything but passwords and keys, names instead of ids.
    #[command(after_help = "Examples:\n  weir catalog export > catalog.yaml\n  \
                      weir catalog export --file catalog.yaml --config weir.toml")]
    Export {
        /// Where to write it; without it to standard output.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Where the catalog store is.
        #[command(flatten)]
        place: Place,
    },
    /// Make the catalog what such a file says, in one step, and print what changed.
    Import(ImportOptions),
    /// Read every row of the catalog store and say what does not hold together.
    #[command(after_help = "Ends with exit code 1 when there is anything.")]
    Check {
        /// Where the catalog store is.
        #[command(flatten)]
        place: Place,
    },
}

/// Options of `weir catalog import`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  weir catalog import catalog.yaml --as admin@example.com --dry-run\n  \
                  weir catalog import catalog.yaml --as admin@example.com\n\n\
                  What the file does not name stays, unless --prune. Things are matched by name: another name is \
                  another thing. No files are made, moved or removed.")]
pub struct ImportOptions {
    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The account administrator who does it, exactly as the catalog spells it.
    #[arg(long = "as", value_name = "NAME")]
    pub as_user: String,
    /// Print what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what the file does not name.
    #[arg(long)]
    pub prune: bool,
    /// Where the catalog store is.
    #[command(flatten)]
    pub place: Place,
}

/// Options of `weir config`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  weir config --config weir.toml\n  weir config --reference > weir.toml")]
pub struct ConfigOptions {
    /// Configuration file; without it, defaults and WEIR_SECTION__KEY variables.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the documented default file instead.
    #[arg(long, conflicts_with = "config")]
    pub reference: bool,
}
