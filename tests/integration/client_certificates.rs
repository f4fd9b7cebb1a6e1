//! Client certificates as credentials: of whom they are believed, whom they name, beside which tokens, and for how long.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::CommandStatementQuery;
use chrono::TimeDelta;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use weir_catalog::metastore::Delegation;
use weir_server::clock::Clock;
use weir_server::config::{ClientName, Config};
use weir_testkit::{ADMIN, Client, Program, Refusal, Setup, TestServer, block_on};

/// An authority that signs what it is told to.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key.
#[derive(Clone)]
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for clients with this common name, changed as told.
    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    fn client(&self, name: &str) -> Pair {
        self.sign(name, |_| {})
    }

    /// What a client of the authority signs, with the client's own certificate behind it.
    fn below(&self, name: &str) -> Pair {
        let client = self.client("bob");
        let key = KeyPair::from_pem(&client.key).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "bob");
        let within = Self { issuer: Issuer::new(params, key), pem: client.certificate };
        let signed = within.client(name);
        Pair { certificate: format!("{}{}", signed.certificate, within.pem), ..signed }
    }

    /// A list of withdrawn certificates that is renewed in that year.
    fn withdraws(&self, serials: &[u64], renewed: i32) -> String {
        let withdrawn = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(renewed, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: withdrawn.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

struct Ground {
    server: TestServer,
    folder: tempfile::TempDir,
    authority: Authority,
    trusted: String,
}

fn mail(name: &str) -> SanType {
    SanType::Rfc822Name(name.try_into().unwrap())
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A server that believes the certificates of an authority, changed as told, with users and an app.
async fn ground(change: impl FnOnce(&mut Config, &Path, &Authority)) -> Ground {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let authority = Authority::new("Clients of Example");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(at("server.key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(at("server.pem"), made.cert.pem()).unwrap();
    std::fs::write(at("clients.pem"), &authority.pem).unwrap();
    let mut config = Config::default();
    config.server.tls_certificate = Some(at("server.pem"));
    config.server.tls_key = Some(at("server.key"));
    config.server.tls_client_authorities = Some(at("clients.pem"));
    config.server.tls_client_name = Some(ClientName::CommonName);
    change(&mut config, folder.path(), &authority);
    let server =
        TestServer::start_in(tempfile::tempdir().unwrap(), Setup { config, ..Setup::default() }).await;
    let ground = Ground { server, folder, authority, trusted: made.cert.pem() };
    let admin = ground
        .authority
        .sign(ADMIN, |params| params.subject_alt_names = vec![mail(ADMIN), uri(ADMIN), dns(ADMIN)]);
    let admin = ground.client(Some(&admin)).await.unwrap();
    for sql in [
        "CREATE USER alice",
        "CREATE USER bob",
        "CREATE USER gone",
        "ALTER USER gone DISABLE",
        "CREATE GROUP hr",
        "CREATE SERVICE PRINCIPAL app",
        "CREATE SERVICE PRINCIPAL robot",
        "CREATE USER `alice@example.com`",
        "CREATE USER `spiffe://example.com/alice`",
        "CREATE USER `alice.example.com`",
    ] {
        admin.update(sql).await.unwrap();
    }
    let metastore = ground.server.app().metastore();
    let by = metastore.snapshot().await.unwrap().principal_by_name(ADMIN).unwrap().id;
    let now = ground.server.clock().now();
    metastore.delegation_set(by, now, "app", Delegation::MayActForUsers).await.unwrap();
    ground
}

impl Ground {
    /// A connection that shows that certificate, or none.
    async fn client(&self, shown: Option<&Pair>) -> Result<Client, tonic::transport::Error> {
        let tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(&self.trusted));
        let tls = match shown {
            Some(pair) => tls.identity(Identity::from_pem(&pair.certificate, &pair.key)),
            None => tls,
        };
        let endpoint = Endpoint::from_shared(format!("https://{}", self.server.address())).unwrap();
        let channel = endpoint.tls_config(tls).unwrap().connect().await?;
        Ok(Client::over(FlightServiceClient::new(channel)))
    }

    /// Who a connection with that certificate is, without a token.
    async fn named(&self, shown: &Pair) -> Result<String, Refusal> {
        me(&self.client(Some(shown)).await.unwrap()).await
    }

    /// Whether the handshake with that certificate fails: its end shows at the latest with the first call.
    async fn handshake_fails(&self, shown: Option<&Pair>) -> bool {
        match self.client(shown).await {
            Err(_) => true,
            Ok(client) => {
                let refusal = me(&client.with_token(&self.server.token(ADMIN))).await;
                refusal.is_err_and(|refusal| refusal.code != Code::Unauthenticated)
            }
        }
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).unwrap();
    }
}

/// Waits until the server has taken up what was written, so that it lets `client` in, or not any more.
async fn until(client: &Client, let_in: bool) {
    for _ in 0..100 {
        if me(client).await.is_ok() == let_in {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the files that changed were not taken up");
}

async fn me(client: &Client) -> Result<String, Refusal> {
    Ok(client.statement("SELECT current_user()").await?.value())
}

async fn code(client: &Client) -> Code {
    me(client).await.expect_err("it is refused").code
}

#[test]
fn a_certificate_is_whom_it_names_and_is_of_a_believed_authority() {
    block_on(async {
        let ground = ground(|_, _, _| {}).await;
        let authority = &ground.authority;
        assert_eq!(ground.named(&authority.client("alice")).await.unwrap(), "alice");
        assert_eq!(ground.named(&authority.client("robot")).await.unwrap(), "robot");
        assert_eq!(ground.named(&authority.client(ADMIN)).await.unwrap(), ADMIN);
        // Without a certificate the connection stands, and proves nothing; a token does.
        let without = ground.client(None).await.unwrap();
        assert_eq!(code(&without).await, Code::Unauthenticated);
        assert_eq!(me(&without.with_token(&ground.server.token("bob"))).await.unwrap(), "bob");
        for name in [
            "nobody",
            "Alice",
            "alice ",
            " alice",
            "gone",
            "hr",
            "account users",
            "",
            "alice\0",
            "alice,CN=admin",
        ] {
            let refusal = ground.named(&authority.client(name)).await.unwrap_err();
            assert_eq!(refusal.code, Code::Unauthenticated, "{name:?}");
            assert!(refusal.text.contains("the client certificate is not valid here"), "{refusal:?}");
        }
        let wrong = |change: fn(&mut CertificateParams)| authority.sign("alice", change);
        let stranger = Authority::new("Clients of Example");
        let own = CertificateParams::new(vec!["alice".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = Pair { certificate: own.self_signed(&key).unwrap().pem(), key: key.serialize_pem() };
        for (what, shown) in [
            ("another authority of the same name", stranger.client("alice")),
            ("signed by itself", own),
            ("signed by a client", authority.below("alice")),
            ("expired", wrong(|params| params.not_after = date_time_ymd(2001, 1, 1))),
            ("not valid yet", wrong(|params| params.not_before = date_time_ymd(2090, 1, 1))),
            (
                "for servers",
                wrong(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            ),
        ] {
            assert!(ground.handshake_fails(Some(&shown)).await, "{what}");
        }
        assert!(!ground.handshake_fails(None).await);
    });
}

#[test]
fn one_part_of_a_certificate_names_who_asks_and_stands_there_once() {
    block_on(async {
        let all =
            || vec![mail("alice@example.com"), uri("spiffe://example.com/alice"), dns("alice.example.com")];
        for (part, name, another) in [
            (ClientName::Email, "alice@example.com", mail(ADMIN)),
            (ClientName::Uri, "spiffe://example.com/alice", uri(ADMIN)),
            (ClientName::Dns, "alice.example.com", dns(ADMIN)),
        ] {
            let ground = ground(|config, _, _| config.server.tls_client_name = Some(part)).await;
            let signed =
                |names: Vec<SanType>| ground.authority.sign("bob", |params| params.subject_alt_names = names);
            assert_eq!(ground.named(&signed(all())).await.unwrap(), name, "{part:?}");
            let twice = all().into_iter().chain([another]).collect();
            for shown in [signed(twice), signed(Vec::new()), ground.authority.client(ADMIN)] {
                let refusal = ground.named(&shown).await.unwrap_err();
                assert_eq!(refusal.code, Code::Unauthenticated);
                assert!(refusal.text.contains("exactly one"), "{refusal:?}");
            }
        }
        let ground = ground(|_, _, _| {}).await;
        let named = |names: &[(DnType, &str)]| {
            ground.authority.sign("", |params| {
                params.distinguished_name = DistinguishedName::new();
                for (part, name) in names {
                    params.distinguished_name.push(part.clone(), *name);
                }
                params.subject_alt_names = all();
            })
        };
        let second = DnType::CustomDnType(vec![2, 5, 4, 3]);
        assert_eq!(ground.named(&named(&[(DnType::CommonName, "bob")])).await.unwrap(), "bob");
        for names in [
            vec![(DnType::CommonName, "bob"), (second.clone(), ADMIN)],
            vec![(second, ADMIN), (DnType::CommonName, "bob")],
            vec![(DnType::OrganizationName, "bob")],
            vec![],
        ] {
            let refusal = ground.named(&named(&names)).await.unwrap_err();
            assert!(refusal.text.contains("exactly one common name"), "{refusal:?}");
        }
    });
}

#[test]
fn a_token_beside_a_certificate_is_of_the_same_principal_or_of_its_apps_user() {
    block_on(async {
        let ground = ground(|_, _, _| {}).await;
        let server = &ground.server;
        let by = async |name: &str| ground.client(Some(&ground.authority.client(name))).await.unwrap();
        let (alice, app, robot) = (by("alice").await, by("app").await, by("robot").await);
        let forwarding = |client: &Client, user: &str| {
            client.clone().with_header("x-forwarded-access-token", server.token(user))
        };
        assert_eq!(me(&alice.clone().with_token(&server.token("alice"))).await.unwrap(), "alice");
        assert_eq!(me(&forwarding(&alice, "alice")).await.unwrap(), "alice");
        for client in [
            alice.clone().with_token(&server.token("bob")),
            alice.clone().with_token(&server.token(ADMIN)),
            forwarding(&alice, ADMIN),
            forwarding(&alice.clone().with_token(&server.token("alice")), "bob"),
            forwarding(&alice.clone().with_token(&server.token("app")), "bob"),
            robot.clone().with_token(&server.token("bob")),
            app.clone().with_token(&server.token("robot")),
            forwarding(&app.clone().with_token(&server.token("bob")), "bob"),
        ] {
            let refusal = me(&client).await.unwrap_err();
            assert_eq!(refusal.code, Code::Unauthenticated, "{refusal:?}");
            assert!(refusal.text.contains("two principals"), "{refusal:?}");
        }
        // What is broken beside a good certificate is not passed over.
        for token in ["x", "a.b.c", "weir_pat_x"] {
            assert_eq!(code(&alice.clone().with_token(token)).await, Code::Unauthenticated);
        }
        // An app with the right sends its user's token, in either header, or beside its own.
        for client in [
            app.clone().with_token(&server.token("bob")),
            forwarding(&app, "bob"),
            forwarding(&app.clone().with_token(&server.token("app")), "bob"),
        ] {
            assert_eq!(me(&client).await.unwrap(), "bob");
            // It makes nothing that outlives the visit.
            let refusal = client.statement("CREATE ACCESS TOKEN kept").await.unwrap_err();
            assert_eq!(refusal.code, Code::PermissionDenied, "{refusal:?}");
        }
        assert_eq!(me(&app).await.unwrap(), "app");
    });
}

#[test]
fn handles_tickets_and_sessions_of_another_are_not_found_by_a_certificate() {
    block_on(async {
        let ground = ground(|_, _, _| {}).await;
        let by = async |name: &str| ground.client(Some(&ground.authority.client(name))).await.unwrap();
        let (admin, alice) = (by(ADMIN).await, by("alice").await);
        let query = CommandStatementQuery { query: "SELECT current_user()".to_owned(), transaction_id: None };
        let ticket = admin.info(&query).await.unwrap().endpoint[0].ticket.clone().unwrap();
        assert_eq!(admin.fetch(ticket.clone()).await.unwrap().value(), ADMIN);
        assert_eq!(alice.fetch(ticket.clone()).await.unwrap_err().code, Code::NotFound);
        let handle = admin.prepare("SELECT current_user()").await.unwrap().handle;
        assert_eq!(alice.run(&handle).await.unwrap_err().code, Code::NotFound);
        // The same holder by a token finds them.
        let by_token = ground.client(None).await.unwrap().with_token(&ground.server.token(ADMIN));
        assert_eq!(by_token.fetch(ticket).await.unwrap().value(), ADMIN);
        assert_eq!(by_token.run(&handle).await.unwrap().value(), ADMIN);
        // Rights are the catalog's of each call, on the connection that stands.
        assert_eq!(me(&alice).await.unwrap(), "alice");
        admin.update("ALTER USER alice DISABLE").await.unwrap();
        assert_eq!(code(&alice).await, Code::Unauthenticated);
        admin.update("ALTER USER alice ENABLE").await.unwrap();
        assert_eq!(me(&alice).await.unwrap(), "alice");
    });
}

#[test]
fn a_connection_that_stands_ends_with_its_certificate() {
    block_on(async {
        let ground = ground(|_, _, _| {}).await;
        let short = ground.authority.sign("alice", |params| params.not_after = date_time_ymd(2080, 1, 1));
        let alice = ground.client(Some(&short)).await.unwrap();
        let with_token = alice.clone().with_token(&ground.server.token("alice"));
        assert_eq!(
            (me(&alice).await.unwrap(), me(&with_token).await.unwrap()),
            ("alice".into(), "alice".into())
        );
        ground.server.clock().advance(TimeDelta::days(365 * 70));
        let refusal = me(&alice).await.unwrap_err();
        assert!(refusal.code == Code::Unauthenticated && refusal.text.contains("expired"), "{refusal:?}");
        // A token of that time does not hold up a certificate that is over.
        let later = alice.with_token(&ground.server.token("alice"));
        assert!(me(&later).await.unwrap_err().text.contains("the client certificate is not valid here"));
    });
}

#[test]
fn withdrawn_certificates_and_authorities_are_out_on_connections_that_stand_too() {
    block_on(async {
        let ground = ground(|config, folder, authority| {
            config.server.tls_client_revocations = Some(folder.join("clients.crl"));
            std::fs::write(folder.join("clients.crl"), authority.withdraws(&[3], 2090)).unwrap();
        })
        .await;
        let numbered = |name: &str, serial: u64| {
            ground.authority.sign(name, |params| params.serial_number = Some(SerialNumber::from(serial)))
        };
        let (alices, bobs) = (numbered("alice", 7), numbered("bob", 8));
        let alice = ground.client(Some(&alices)).await.unwrap();
        let bob = ground.client(Some(&bobs)).await.unwrap();
        assert_eq!((me(&alice).await.unwrap(), me(&bob).await.unwrap()), ("alice".into(), "bob".into()));
        assert!(
            ground.handshake_fails(Some(&numbered("alice", 3))).await,
            "it was on the list from the start"
        );
        ground.write("clients.crl", &ground.authority.withdraws(&[3, 7], 2090));
        until(&alice, false).await;
        let refusal = me(&alice).await.unwrap_err();
        assert!(refusal.code == Code::Unauthenticated && refusal.text.contains("withdrawn"), "{refusal:?}");
        assert!(ground.handshake_fails(Some(&alices)).await);
        assert_eq!(me(&bob).await.unwrap(), "bob");
        assert_eq!(ground.named(&numbered("alice", 9)).await.unwrap(), "alice");
        // A list that cannot be used leaves the one before; one that is too old lets nobody in.
        ground.write("clients.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(ground.handshake_fails(Some(&alices)).await);
        assert_eq!(me(&bob).await.unwrap(), "bob");
        ground.write("clients.crl", &ground.authority.withdraws(&[3, 7], 2021));
        until(&bob, false).await;
        assert!(ground.handshake_fails(Some(&bobs)).await);
        ground.write("clients.crl", &ground.authority.withdraws(&[3, 7], 2090));
        until(&bob, true).await;
        // Another authority: who came by the one before is out.
        let next = Authority::new("Clients of Example");
        ground.write("clients.pem", &next.pem);
        ground.write("clients.crl", &next.withdraws(&[], 2090));
        until(&bob, false).await;
        assert!(ground.handshake_fails(Some(&bobs)).await);
        let bob = ground.client(Some(&next.client("bob"))).await.unwrap();
        assert_eq!(me(&bob).await.unwrap(), "bob");
        // A list that expires as it lies there takes those in who came before with it.
        ground.server.clock().advance(TimeDelta::days(365 * 70));
        let refusal = me(&bob).await.unwrap_err();
        assert!(refusal.code == Code::Unauthenticated && refusal.text.contains("withdrawn"), "{refusal:?}");
    });
}

#[test]
fn certificates_can_be_required_and_are_asked_for_at_no_other_door() {
    block_on(async {
        let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ground = ground(|config, _, _| {
            config.server.tls_client_required = true;
            config.tokens.address = Some(door);
        })
        .await;
        assert!(ground.handshake_fails(None).await);
        let alice = ground.authority.client("alice");
        assert_eq!(ground.named(&alice).await.unwrap(), "alice");
        let plain = ground.server.anonymous().with_token(&ground.server.token("alice"));
        assert_eq!(code(&plain).await, Code::FailedPrecondition);
        // The door for tokens takes secrets; a certificate there is nobody's.
        for shown in [None, Some(&alice), Some(&ground.authority.client("app"))] {
            assert_eq!(status_of_request(door, &ground.trusted, shown).await, 401);
        }
    });
}

/// The status of a request for a token without a secret.
async fn status_of_request(door: SocketAddr, trusted: &str, shown: Option<&Pair>) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match shown {
        Some(Pair { certificate, key }) => config
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
        None => config.with_no_client_auth(),
    };
    let stream = TcpStream::connect(door).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = "POST /oauth/token HTTP/1.1\r\nHost: weir\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                   Content-Length: 29\r\nConnection: close\r\n\r\ngrant_type=client_credentials";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Not every end of a connection says that it ends.
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_shell_shows_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let authority = Authority::new("Clients of Example");
    let pair = authority.client(ADMIN);
    for (file, text) in
        [("clients.pem", &authority.pem), ("me.pem", &pair.certificate), ("me.key", &pair.key)]
    {
        std::fs::write(at(file), text).unwrap();
    }
    let text = format!(
        "[server]\nflight_address = \"127.0.0.1:0\"\ndata_directory = \"{}\"\ntls_self_signed = true\n\
         tls_client_authorities = \"{}\"\ntls_client_name = \"common_name\"\n[catalog]\ninitial_admin = \"{ADMIN}\"\n",
        at("data"),
        at("clients.pem"),
    );
    std::fs::write(at("weir.toml"), text).unwrap();
    let program = Program::serve(Path::new(&at("weir.toml")));
    let (tls, clear) = (format!("grpc+tls://{}", program.address()), format!("grpc://{}", program.address()));
    let ask = |url: &str, more: &[String]| {
        let (ca, config) = (at("data/tls/server.pem"), at("weir.toml"));
        let mut arguments = vec!["sql", "--url", url, "--ca", &ca, "--config", &config];
        arguments.extend(more.iter().map(String::as_str));
        arguments.push("SELECT current_user() AS me");
        Program::output(&arguments)
    };
    let shown = ["--cert".to_owned(), at("me.pem"), "--key".to_owned(), at("me.key")];
    let told = ask(&tls, &shown);
    assert!(told.status.success() && String::from_utf8_lossy(&told.stdout).contains(ADMIN), "{told:?}");
    let [cert, file, key, _] = shown.clone();
    for (url, more, says) in [
        (&tls, vec![cert.clone(), file.clone()], "--key"),
        (&clear, shown.to_vec(), "grpc+tls://"),
        (&tls, vec![cert, at("nowhere.pem"), key, at("me.key")], "nowhere.pem"),
        (&tls, Vec::new(), "--cert"),
    ] {
        let told = ask(url, &more);
        assert!(!told.status.success(), "{told:?}");
        assert!(String::from_utf8_lossy(&told.stderr).contains(says), "{says}: {told:?}");
    }
    program.terminate();
}
