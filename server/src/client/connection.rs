//! A connection to a Flight SQL server: URL, TLS, and the session's cookies.

mod cookies;

use std::path::{Path, PathBuf};

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use url::Url;

use super::Failure;
use super::failure::root_cause;
use crate::config::{Secret, reason};
use cookies::Cookies;

/// The client, over a channel that keeps the server's cookies.
pub(crate) type Connection = FlightSqlServiceClient<Cookies<Channel>>;

const PORT: u16 = 32010;

/// Where systems keep the certificates they trust.
const TRUSTED: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What a connection with TLS goes by.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Certificates<'a> {
    /// The certificates to trust; the system's without it.
    pub(crate) ca: Option<&'a Path>,
    /// What the client shows of itself: its certificate and the key.
    pub(crate) own: Option<(&'a Path, &'a Path)>,
}

/// Connects to `url` as the holder of `token`, or, without one, of the certificate.
pub(crate) async fn open(
    url: &str,
    token: Option<&Secret>,
    certificates: Certificates<'_>,
) -> Result<Connection, Failure> {
    let target = Target::parse(url)?;
    let endpoint = Endpoint::from_shared(target.uri()).map_err(|_| not_a_url(url))?;
    let endpoint = if target.tls {
        let tls = ClientTlsConfig::new()
            .domain_name(target.host.trim_matches(['[', ']']))
            .ca_certificate(trusted(certificates.ca)?);
        let tls = match certificates.own {
            Some((certificate, key)) => tls.identity(Identity::from_pem(read(certificate)?, read(key)?)),
            None => tls,
        };
        endpoint
            .tls_config(tls)
            .map_err(|cause| Failure::said(format!("cannot use TLS: {}", root_cause(&cause))))?
    } else if certificates.own.is_some() {
        return Err(Failure::said(format!(
            "a certificate is shown with TLS alone, and `{url}` names none: write grpc+tls://"
        )));
    } else {
        endpoint
    };
    let channel = endpoint.connect().await.map_err(|cause| {
        let hint = if target.tls {
            "does it speak TLS, with a certificate that is trusted here (--ca FILE)?"
        } else {
            "is `weir serve` or `weir demo` running there?"
        };
        Failure::said(format!("cannot reach the server at {url}: {}; {hint}", root_cause(&cause)))
    })?;
    let inner = FlightServiceClient::new(Cookies::new(channel)).max_decoding_message_size(usize::MAX);
    let mut client = FlightSqlServiceClient::new_from_inner(inner);
    if let Some(token) = token {
        client.set_token(token.reveal().to_owned());
    }
    Ok(client)
}

/// Where to connect to.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    tls: bool,
    host: String,
    port: u16,
}

impl Target {
    fn parse(url: &str) -> Result<Self, Failure> {
        let parsed = Url::parse(url).map_err(|_| not_a_url(url))?;
        let tls = match parsed.scheme() {
            "grpc" | "grpc+tcp" => false,
            "grpc+tls" => true,
            _ => return Err(not_a_url(url)),
        };
        if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() || !parsed.username().is_empty() {
            return Err(Failure::said(format!("`{url}` has more than a host and a port")));
        }
        let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or_else(|| not_a_url(url))?;
        Ok(Self { tls, host: host.to_owned(), port: parsed.port().unwrap_or(PORT) })
    }

    fn uri(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

fn not_a_url(url: &str) -> Failure {
    Failure::said(format!(
        "`{url}` is not a server's URL: write grpc://HOST:PORT, or grpc+tls://HOST:PORT for TLS"
    ))
}

fn trusted(ca: Option<&Path>) -> Result<Certificate, Failure> {
    let path = match ca {
        Some(path) => path.to_path_buf(),
        None => TRUSTED.iter().map(PathBuf::from).find(|path| path.is_file()).ok_or_else(|| {
            Failure::said(
                "this system keeps its trusted certificates nowhere known: name them with --ca FILE",
            )
        })?,
    };
    Ok(Certificate::from_pem(read(&path)?))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|cause| Failure::said(format!("cannot read `{}`: {}", path.display(), reason(&cause))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_scheme_host_and_port() {
        let target = |tls, host: &str, port| Some(Target { tls, host: host.to_owned(), port });
        assert_eq!(Target::parse("grpc://127.0.0.1:1").ok(), target(false, "127.0.0.1", 1));
        assert_eq!(Target::parse("grpc+tls://weir.example.com").ok(), target(true, "weir.example.com", PORT));
        assert_eq!(Target::parse("grpc+tcp://[::1]:5/").ok(), target(false, "[::1]", 5));
        for bad in ["weir", "http://localhost:1", "grpc://", "grpc://h/db", "grpc://u@h"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
