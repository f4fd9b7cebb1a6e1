//! Configuration from files and variables, and what its errors name.

#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::path::PathBuf;
use std::time::Duration;

use super::*;

/// A file of that text, removed with the value.
struct Written(PathBuf);

impl Written {
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-config-{}.toml", uuid::Uuid::new_v4()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

fn of_file(text: &str) -> Result<Config> {
    let file = Written::new(text);
    Config::resolve(Some(&file.0), &[])
}

fn of_variables(variables: &[(&str, &str)]) -> Result<Config> {
    let variables: Vec<Variable> = variables
        .iter()
        .map(|(name, value)| Variable { name: (*name).to_owned(), value: (*value).to_owned() })
        .collect();
    Config::resolve(None, &variables)
}

fn message(result: Result<Config>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.condition(), Condition::InvalidConfiguration);
    error.message().to_owned()
}

#[test]
fn reference_parses_back_to_the_defaults() {
    let reference = Config::reference().unwrap();
    assert_eq!(of_file(&reference).unwrap(), Config::default());
}

#[test]
fn examples_of_the_reference_are_accepted() {
    let reference = Config::reference().unwrap();
    let mut text = String::new();
    let one_of_several = [
        "key_file =",
        "jwks_url =",
        "discover =",
        "url_file =",
        "secret_variable =",
        "secret_is =",
        "tenant_id =",
        "client_id =",
    ];
    for line in reference.lines() {
        let example = line.strip_prefix("# ").filter(|rest| {
            let key = rest.split(' ').next().unwrap_or_default();
            let is_key = key.chars().all(|c| c.is_ascii_lowercase() || c == '_') && rest.contains(" = ");
            (is_key && !one_of_several.iter().any(|key| rest.starts_with(key))) || rest.starts_with("[[")
        });
        text.push_str(example.unwrap_or(line));
        text.push('\n');
    }
    let config = of_file(&text).unwrap();
    let users = &config.sessions.users;
    assert_eq!((config.identity.issuers.len(), config.storage.buckets.len(), users.len()), (1, 1, 1));
    assert!(config.server.is_tls());
    assert_eq!(config.catalog.initial_admin.as_deref(), Some("admin@example.com"));
}

#[test]
fn buckets_need_one_secret_and_tls_beyond_this_machine() {
    let bucket = |more: &str| {
        let text = format!(
            "[[storage.buckets]]\nurl = \"s3://lake/a/\"\ncredential = \"lake\"\naccess_key_id = \"AKIA\"\n{more}"
        );
        of_file(&text).and_then(|config| config.check())
    };
    let secret = "secret_file = \"/etc/weir/secret\"\n";
    bucket(secret).unwrap();
    bucket(&format!("{secret}endpoint = \"http://127.0.0.1:9000\"")).unwrap();
    bucket(&format!("{secret}endpoint = \"http://s3.lan\"\nallow_http = true")).unwrap();
    for (more, told) in [
        (String::new(), "needs `secret_file` or"),
        (format!("{secret}secret_variable = \"S\""), "one decides"),
        (format!("{secret}endpoint = \"http://s3.lan\""), "without TLS"),
        (format!("{secret}endpoint = \"s3.lan\""), "is no `http://` or `https://` URL"),
        (format!("{secret}secret_access_key = \"x\""), "unknown field"),
    ] {
        let refusal = bucket(&more).unwrap_err().to_string();
        assert!(refusal.contains(told), "{refusal}");
    }
}

#[test]
fn a_bucket_has_the_keys_of_its_service_and_no_others() {
    let bucket = |url: &str, more: &str| {
        let text = format!(
            "[[storage.buckets]]\nurl = \"{url}\"\ncredential = \"lake\"\nsecret_file = \"/etc/weir/secret\"\n{more}"
        );
        of_file(&text).and_then(|config| config.check())
    };
    let azure = "abfss://sales@lake.dfs.core.windows.net/a/";
    let principal = "secret_is = \"client_secret\"\ntenant_id = \"t\"\nclient_id = \"c\"";
    let shown = format!("{principal}\nendpoint = \"http://lake.lan\"\nallow_http = true");
    for (url, more) in [
        (azure, "endpoint = \"http://lake.lan\"\nallow_http = true"),
        ("s3://lake/a/", "access_key_id = \"AKIA\"\nregion = \"eu-central-1\""),
        ("gs://lake/a/", ""),
        ("gs://lake/a/", "endpoint = \"https://storage-lake.p.googleapis.com\""),
        ("gs://lake/a/", "endpoint = \"http://127.0.0.1:9000\""),
        (azure, ""),
        (azure, "secret_is = \"sas_token\""),
        (azure, principal),
    ] {
        bucket(url, more).unwrap();
    }
    for (url, more, told) in [
        ("s3://lake/a/", "", "needs `access_key_id`"),
        (
            "s3://lake/a/",
            "access_key_id = \"A\"\nclient_id = \"c\"",
            "`client_id`, which means nothing for s3://",
        ),
        ("gs://lake/a/", "region = \"eu\"", "`region`, which means nothing for gs://"),
        ("gs://lake/a/", "endpoint = \"http://lake.lan\"", "would show its secret"),
        ("gs://lake/a/", "endpoint = \"http://lake.lan\"\nallow_http = true", "would show its secret"),
        ("gs://lake/a/", "secret_is = \"sas_token\"", "`secret_is`, which means nothing for gs://"),
        (azure, "access_key_id = \"A\"", "`access_key_id`, which means nothing for abfss://"),
        (azure, "secret_is = \"client_secret\"\nclient_id = \"c\"", "needs `tenant_id`"),
        (
            azure,
            "secret_is = \"sas_token\"\nendpoint = \"http://lake.lan\"\nallow_http = true",
            "would show its secret",
        ),
        (azure, &shown, "would show its secret"),
        ("abfss://sales/a/", "", "abfss://CONTAINER@ACCOUNT"),
        ("https://lake/a/", "", "none of s3://, gs:// and abfss://"),
    ] {
        let refusal = bucket(url, more).unwrap_err().to_string();
        assert!(refusal.contains(told), "{url} {more}: {refusal}");
    }
}

#[test]
fn reference_is_golden() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/config.md");
    let text = std::fs::read_to_string(&golden).unwrap_or_default();
    let expected = format!(
        "# Configuration\n\nThis is what `weir config --reference` prints; it is also a valid configuration file.\n\n\
         ```toml\n{}```\n",
        Config::reference().unwrap()
    );
    assert!(
        text == expected,
        "tests/golden/config.md differs from the reference; put this there if the change is meant:\n{expected}"
    );
}

#[test]
fn a_file_overrides_defaults_and_a_variable_overrides_the_file() {
    let file = Written::new("[limits]\nstatement_timeout = \"5s\"\nmemory_bytes = \"1GiB\"\n");
    let variable = Variable { name: "WEIR_LIMITS__STATEMENT_TIMEOUT".to_owned(), value: "7s".to_owned() };
    let config = Config::resolve(Some(&file.0), &[variable]).unwrap();
    assert_eq!(config.limits.statement_timeout.duration(), Duration::from_secs(7));
    assert_eq!(config.limits.memory_bytes.bytes(), 1 << 30);
    assert_eq!(config.limits.temp_bytes, Limits::default().temp_bytes);
}

#[test]
fn errors_name_key_file_and_line() {
    let file = Written::new("# first\n[limits]\nstatement_timeout = \"5s\"\nmemory = \"1GiB\"\n");
    let said = message(Config::resolve(Some(&file.0), &[]));
    assert!(said.contains("`limits.memory`") && said.contains("line 4"), "{said}");
    assert!(said.contains(&file.0.display().to_string()) && said.contains("memory_bytes"), "{said}");
    let said = message(of_file("\n[limits]\nmemory_bytes = \"1 gig\"\n"));
    assert!(
        said.contains("`limits.memory_bytes`") && said.contains("line 3") && said.contains("2GiB"),
        "{said}"
    );
    let said = message(of_file("[server]\nflight_address = 7\n"));
    assert!(said.contains("`server.flight_address`") && said.contains("line 2"), "{said}");
    let said = message(of_file("[sever]\n"));
    assert!(said.contains("sever") && said.contains("line 1"), "{said}");
    let said = message(of_file("[server\n"));
    assert!(said.contains("line 1"), "{said}");
    let said = message(Config::resolve(Some(std::path::Path::new("/nowhere/weir.toml")), &[]));
    assert!(said.contains("/nowhere/weir.toml") && said.contains("does not exist"), "{said}");
}

#[test]
fn unbuilt_settings_are_refused_by_name() {
    let issuer =
        "[[identity.issuers]]\nname = \"i\"\nkey_file = \"k\"\naudiences = [\"a\"]\ngroup_claim = \"g\"\n";
    let said = message(of_file(issuer));
    assert!(said.contains("group_claim") && said.contains("line 5"), "{said}");
}

#[test]
fn variables_hold_texts_numbers_truths_and_lists() {
    let config = of_variables(&[
        ("WEIR_SERVER__FLIGHT_ADDRESS", "127.0.0.1:1"),
        ("WEIR_STORAGE__SNAPSHOT_CACHE_TABLES", "7"),
        ("WEIR_STORAGE__EXTERNAL_ROOTS", "[\"/srv/a\", \"/srv/b\"]"),
        ("WEIR_CATALOG__INITIAL_ADMIN", "admin@example.com"),
        ("WEIR_BILLING__ACCOUNT_ID", "42"),
        ("WEIR_BILLING__SQL_RATE", "0.5"),
        ("WEIR_BILLING__CUSTOM_TAGS", "{ team = \"sales\" }"),
        ("WEIR_IDENTITY__ISSUERS", "[{name = \"i\", key_file = \"k\", audiences = [\"a\"]}]"),
        ("WEIR_TOKEN", "not a setting"),
    ])
    .unwrap();
    assert_eq!(config.server.flight_address.port(), 1);
    assert_eq!(config.storage.snapshot_cache_tables, 7);
    assert_eq!(config.storage.external_roots, [PathBuf::from("/srv/a"), PathBuf::from("/srv/b")]);
    assert_eq!(config.catalog.initial_admin.as_deref(), Some("admin@example.com"));
    assert_eq!(config.billing.account_id, "42");
    assert_eq!(config.billing.sql_rate, "0.5");
    assert_eq!(config.billing.custom_tags.get("team").map(String::as_str), Some("sales"));
    assert_eq!(config.identity.issuers.len(), 1);
}

#[test]
fn errors_of_variables_name_the_variable() {
    for (name, value) in [
        ("WEIR_LIMITS__MEMORY_BYTES", "lots"),
        ("WEIR_LIMITS__MEMORY", "1GiB"),
        ("WEIR_NONSENSE__KEY", "1"),
        ("WEIR_IDENTITY__LOCAL_ISSUER", "perhaps"),
        ("WEIR_SERVER_FLIGHT_ADDRESS", "127.0.0.1:1"),
    ] {
        let said = message(of_variables(&[(name, value)]));
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn plaintext_for_other_machines_must_be_asked_for() {
    let public = "[server]\nflight_address = \"0.0.0.0:32010\"\n";
    assert!(message(of_file(public)).contains("TLS is off"));
    assert!(of_file(&format!("{public}allow_plaintext_on_public_address = true\n")).is_ok());
    let tls = format!("{public}tls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n");
    assert!(of_file(&tls).is_ok());
    assert!(message(of_file("[server]\ntls_key = \"k.pem\"\n")).contains("tls_certificate"));
    assert!(of_file("[server]\nflight_address = \"[::1]:32010\"\n").is_ok());
}

#[test]
fn settings_that_would_let_nobody_or_anybody_in_are_refused() {
    assert!(message(of_file("[identity]\nlocal_issuer = false\n")).contains("nobody"));
    let issuer = |rest: &str| of_file(&format!("[[identity.issuers]]\nname = \"i\"\n{rest}"));
    assert!(message(issuer("key_file = \"k\"\naudiences = []\n")).contains("audiences"));
    assert!(message(issuer("key_file = \"k\"\n")).contains("audiences"));
    assert!(message(issuer("audiences = [\"a\"]\n")).contains("jwks_file"));
    assert!(
        message(issuer("key_file = \"k\"\njwks_file = \"j\"\naudiences = [\"a\"]\n"))
            .contains("several places")
    );
    let twice = "[[identity.issuers]]\nname = \"i\"\nkey_file = \"k\"\naudiences = [\"a\"]\n".repeat(2);
    assert!(message(of_file(&twice)).contains("twice"));
}

#[test]
fn client_certificates_need_an_authority_a_part_and_tls() {
    let tls = "tls_certificate = \"c\"\ntls_key = \"k\"\n";
    let (authorities, name) = ("tls_client_authorities = \"a\"\n", "tls_client_name = \"common_name\"\n");
    for (lines, told) in [
        (format!("{tls}{authorities}{name}"), ""),
        (format!("tls_self_signed = true\n{authorities}tls_client_name = \"uri\"\n"), ""),
        (format!("{tls}{authorities}{name}tls_client_revocations = \"r\"\ntls_client_required = true\n"), ""),
        (format!("{authorities}{name}"), "speaks no TLS"),
        (format!("{tls}{authorities}"), "without `server.tls_client_name`"),
        (format!("{tls}{name}"), "`server.tls_client_name` is set without"),
        (format!("{tls}tls_client_required = true\n"), "`server.tls_client_required` is set without"),
        (format!("{tls}tls_client_revocations = \"r\"\n"), "`server.tls_client_revocations` is set without"),
        (format!("{tls}{authorities}tls_client_name = \"subject\"\n"), "tls_client_name"),
    ] {
        let read = of_file(&format!("[server]\n{lines}"));
        match told {
            "" => assert!(read.unwrap().server.tls_client_name.is_some()),
            told => assert!(message(read).contains(told), "{lines}"),
        }
    }
}

#[test]
fn groups_count_by_an_explicit_list_alone() {
    for (lines, told) in [
        ("groups_claim = \"g\"\ngroups = { theirs = \"ours\", other = \"ours\" }", ""),
        ("groups_claim = \"/realm_access/roles\"\n[identity.issuers.groups]\ntheirs = \"ours\"", ""),
        ("groups_claim = \"g\"", "no `groups`"),
        ("groups_claim = \"g\"\ngroups = {}", "no `groups`"),
        ("groups = { theirs = \"ours\" }", "no `groups_claim`"),
        ("groups_claim = \"\"\ngroups = { theirs = \"ours\" }", "names nothing"),
        ("groups_claim = \"/\"\ngroups = { theirs = \"ours\" }", "names nothing"),
        ("groups_claim = \"g\"\ngroups = { theirs = \"\" }", "empty name"),
        ("groups_claim = \"g\"\ngroups = { \"\" = \"ours\" }", "empty name"),
        ("groups_claim = \"g\"\ngroups = [\"ours\"]", "groups"),
        ("groups_claim = \"g\"\ngroups = \"*\"", "groups"),
    ] {
        let text =
            format!("[[identity.issuers]]\nname = \"i\"\nkey_file = \"k\"\naudiences = [\"a\"]\n{lines}\n");
        match told {
            "" => assert!(
                of_file(&text).unwrap().identity.issuers.iter().all(|issuer| !issuer.groups.is_empty())
            ),
            told => assert!(message(of_file(&text)).contains(told), "{lines}"),
        }
    }
}

#[test]
fn what_sessions_begin_with_is_said_once_for_each_user() {
    let config = of_file(
        "[sessions]\ndouble_quoted_identifiers = true\n[[sessions.users]]\nname = \"dbt\"\ncatalog = \"sales\"\n",
    );
    let sessions = config.unwrap().sessions;
    assert_eq!(sessions.of("dbt").unwrap().catalog.as_deref(), Some("sales"));
    assert_eq!(sessions.of("alice"), None);
    let twice = "[[sessions.users]]\nname = \"dbt\"\n".repeat(2);
    assert!(message(of_file(&twice)).contains("twice"));
    for empty in ["name = \"\"", "name = \"dbt\"\nschema = \" \""] {
        assert!(message(of_file(&format!("[[sessions.users]]\n{empty}\n"))).contains("empty"));
    }
}

#[test]
fn keys_are_published_at_safe_addresses_alone() {
    for (name, keys, told) in [
        ("https://login.example.com/", "discover = true", ""),
        ("http://localhost:8080/realm", "discover = true", ""),
        ("http://login.example.com/", "discover = true", "is not of https"),
        ("login", "discover = true", "is no address"),
        ("login", "jwks_url = \"https://keys.example.com/keys\"", ""),
        ("login", "jwks_url = \"http://127.0.0.1:8080/keys\"", ""),
        ("login", "jwks_url = \"http://keys.example.com/keys\"", "is not of https"),
        ("login", "jwks_url = \"http://127.0.0.1.example.com/keys\"", "is not of https"),
        ("login", "jwks_url = \"https://user:password@keys.example.com/\"", "has credentials in it"),
        ("login", "jwks_url = \"ftp://keys.example.com/\"", "no address of https"),
        ("login", "jwks_url = \"https://keys.example.com/\"\ndiscover = true", "several places"),
        ("login", "key_file = \"k\"\nrequired_scopes = [\"a b\"]", "required_scopes"),
        ("login", "key_file = \"k\"\nactor_claim = \"sub\"", ""),
        ("login", "key_file = \"k\"\nactor_claim = \"\"", "actor_claim"),
        ("login", "key_file = \"k\"\nactor_claim = \"act\"", "actor_claim"),
    ] {
        let text = format!("[[identity.issuers]]\nname = \"{name}\"\n{keys}\naudiences = [\"a\"]\n");
        match told {
            "" => drop(of_file(&text).unwrap()),
            told => {
                let refusal = message(of_file(&text));
                assert!(refusal.contains(told) && !refusal.contains("password"), "{refusal}");
            }
        }
    }
}

#[test]
fn rates_are_decimals_of_six_places() {
    for rate in ["0", "1", "0.75", "12.000001"] {
        assert!(of_variables(&[("WEIR_BILLING__SQL_RATE", rate)]).is_ok(), "{rate}");
    }
    for rate in ["-1", "1.0000001", ".5", "1.", "1e3", "one", ""] {
        assert!(message(of_variables(&[("WEIR_BILLING__SQL_RATE", rate)])).contains("rate"), "{rate}");
    }
}

#[test]
fn quantities_are_read_and_written_alike() {
    for text in ["500ms", "30s", "10m", "1h", "2d", "0ms"] {
        assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
    }
    for text in ["0B", "512B", "64KiB", "256MiB", "2GiB", "1TiB"] {
        assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
    }
    for text in ["", "5", "s", "-1s", "1.5h", "99999999999999999999s", "18446744073709551615d"] {
        assert!(text.parse::<Period>().is_err(), "{text}");
    }
    assert!("10MB".parse::<Size>().is_err());
}

#[test]
fn effective_settings_are_a_file_again() {
    let tags = ("WEIR_BILLING__CUSTOM_TAGS", "{ team = \"sales\" }");
    let config = of_variables(&[("WEIR_LIMITS__STATEMENT_TIMEOUT", "90s"), tags]).unwrap();
    assert_eq!(of_file(&config.to_toml().unwrap()).unwrap(), config);
}

#[test]
fn unwritable_directory_and_taken_port_are_told_in_sentences() {
    let file = Written::new("");
    let said = Config::in_directory(file.0.join("below")).create_directories().unwrap_err();
    assert!(said.message().starts_with("cannot write to the directory"), "{said}");
    assert!(said.hint().unwrap().contains("server.data_directory"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut server = Server { flight_address: ([127, 0, 0, 1], 0).into(), ..Server::default() };
        let first = server.listen().await.unwrap();
        server.flight_address = first.local_addr().unwrap();
        let said = server.listen().await.unwrap_err();
        assert!(said.message().contains("in use"), "{said}");
        assert!(said.hint().unwrap().contains("WEIR_SERVER__FLIGHT_ADDRESS"));
    });
}

#[test]
fn the_address_of_the_catalog_store_is_shown_nowhere() {
    let url = "postgres://weir:hunter2@db.example.com/weir?sslmode=verify-full";
    let config =
        of_variables(&[("WEIR_CATALOG__URL", url), ("WEIR_LIMITS__STATEMENT_TIMEOUT", "7s")]).unwrap();
    assert_eq!(config.catalog.database().unwrap().unwrap().reveal(), url);
    let told = format!("{config:?}{}", config.to_toml().unwrap());
    assert!(!told.contains("hunter2") && told.contains("catalog.url is set and not shown"), "{told}");
    for wrong in ["mysql://weir:hunter2@db/weir", "weir:hunter2@db", "7"] {
        let said = message(of_variables(&[("WEIR_CATALOG__URL", wrong)]));
        assert!(said.contains("catalog.url") && !said.contains("hunter2"), "{said}");
    }
    let said = message(of_file("[catalog]\nurl = { password = \"hunter2\" }\n"));
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn the_address_of_the_catalog_store_may_stand_in_a_file_of_its_own() {
    let of = |file: &Written| {
        let name = file.0.display().to_string();
        of_variables(&[("WEIR_CATALOG__URL_FILE", &name)]).unwrap().catalog.database()
    };
    let url = "postgresql://weir:hunter2@db.example.com/weir";
    assert_eq!(of(&Written::new(&format!("{url}\n"))).unwrap().unwrap().reveal(), url);
    let error = of(&Written::new("hunter2")).unwrap_err();
    assert!(!format!("{error:?}{error}").contains("hunter2"), "{error:?}");
    let missing = of_variables(&[("WEIR_CATALOG__URL_FILE", "/nowhere/url")]).unwrap();
    assert!(missing.catalog.database().unwrap_err().message().contains("/nowhere/url"));
}

#[test]
fn there_is_one_catalog_store_and_it_is_asked_at_least_each_second() {
    let url = ("WEIR_CATALOG__URL", "postgres://db/weir");
    assert!(message(of_variables(&[url, ("WEIR_CATALOG__PATH", "x")])).contains("`catalog.path` and"));
    assert!(message(of_variables(&[url, ("WEIR_CATALOG__URL_FILE", "x")])).contains("`catalog.url_file`"));
    assert!(of_variables(&[("WEIR_CATALOG__STALENESS", "1s")]).is_ok());
    assert!(message(of_variables(&[("WEIR_CATALOG__STALENESS", "1001ms")])).contains("1s"));
}

#[test]
fn collector_of_traces_is_an_address_without_credentials() {
    let endpoint = |text| of_variables(&[("WEIR_TRACES__ENDPOINT", text)]);
    assert!(endpoint("https://traces.example.com/v1/traces").is_ok());
    for wrong in
        ["traces.example.com", "http://127.0.0.1:4318", "grpc://127.0.0.1:4317/x", "http://me:hunter2@h/v1"]
    {
        let said = message(endpoint(wrong));
        assert!(said.contains("traces.endpoint") && !said.contains("hunter2"), "{said}");
    }
    for share in ["-0.1", "1.5", "nan"] {
        assert!(message(of_variables(&[("WEIR_TRACES__SHARE", share)])).contains("traces.share"), "{share}");
    }
    assert!(of_variables(&[("WEIR_TRACES__SHARE", "0.25")]).is_ok());
}
