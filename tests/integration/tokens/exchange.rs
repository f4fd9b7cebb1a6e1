//! Tokens that are exchanged: an app shows its own and its visitor's, and gets one that is the visitor with the app beside.

use super::*;

#[test]
fn an_exchanged_token_is_the_user_with_the_app_beside() {
    block_on(async {
        let provider = IdentityProvider::start().await;
        let mut config = Config::default();
        config.identity.issuers = vec![provider.configured()];
        let ground = ground_of(config).await;
        let secret = ground.secret("app").await;
        let now = ground.server.clock().now();
        let bob = provider.token("first", "bob", now, &json!({"region": "north"}));
        let app = ground.by_secret("app", &secret).await.token();
        let by_client = ground.exchange(&basic("app", &secret), &bob).await;
        let by_actor = ground.exchange_by(&app, &bob).await;
        let body = format!(
            "{EXCHANGE}&subject_token={bob}&subject_token_type={JWT}&requested_token_type={JWT}&audience=weir"
        );
        let as_jwt = ground.ask(&basic("app", &secret), &body).await;
        assert_eq!(as_jwt.json["issued_token_type"], JWT);
        let two_tokens = ground.holder(&secret).with_header("x-forwarded-access-token", bob.clone());
        let mut clients = vec![two_tokens];
        for answer in [&by_client, &by_actor, &as_jwt] {
            assert_eq!(answer.json["expires_in"], 3600);
            let told = claims(&answer.token());
            assert_eq!((&told["sub"], &told["act"]), (&json!("bob"), &json!({"sub": "app"})));
            clients.push(ground.holder(&answer.token()));
        }
        assert_eq!(by_client.json["issued_token_type"], ACCESS_TOKEN);
        let asked = "SELECT current_user() AS who, jwt_claim('region') AS region, jwt_claim('iss') AS iss, \
                     (SELECT count(*) FROM main.default.t) AS seen";
        for client in &clients {
            let rows = client.statement(asked).await.unwrap().lines();
            assert_eq!(rows, [format!("bob | north | {} | 1", provider.issuer)]);
            // The app may change the table; the user may not.
            let refusal = client.update("INSERT INTO main.default.t VALUES ('east')").await.unwrap_err();
            assert_eq!(refusal.code, Code::PermissionDenied, "{refusal:?}");
            // What acts for a user makes nothing that outlives the visit.
            let refusal = client.statement("CREATE ACCESS TOKEN kept").await.unwrap_err();
            assert_eq!(refusal.code, Code::PermissionDenied, "{refusal:?}");
        }
        let history = "SELECT DISTINCT identity_metadata.run_by AS app, identity_metadata.run_as AS who FROM system.access.audit \
                       WHERE action_name = 'getTable' AND identity_metadata.run_as = 'bob'";
        assert_eq!(ground.server.rows(ADMIN, history).await, ["app | bob"]);
    });
}

#[test]
fn an_exchanged_token_ends_with_whatever_it_rests_on() {
    block_on(async {
        let ground = ground().await;
        let server = &ground.server;
        let (id, secret) = ground.access_token(ADMIN, "FOR app").await;
        let exchanged = async |subject: &str| {
            ground.holder(&ground.exchange(&basic("app", &secret), subject).await.token())
        };
        let (own_id, own) = ground.access_token("bob", "READ ONLY").await;
        let (by_login, by_own) = (exchanged(&server.token("bob")).await, exchanged(&own).await);
        assert_eq!((me(&by_login).await.unwrap(), me(&by_own).await.unwrap()), ("bob".into(), "bob".into()));
        // Of what was shown, the narrower decides.
        server.prepare("GRANT MODIFY ON TABLE main.default.t TO bob").await;
        assert_eq!(by_login.update("INSERT INTO main.default.t VALUES ('north')").await.unwrap(), 1);
        let refusal = by_own.update("INSERT INTO main.default.t VALUES ('north')").await.unwrap_err();
        assert_eq!(refusal.code, Code::PermissionDenied);
        server.done("bob", &format!("DROP ACCESS TOKEN '{own_id}'")).await;
        assert_eq!(
            (code(&by_own).await, me(&by_login).await.unwrap()),
            (Code::Unauthenticated, "bob".into())
        );
        for (ends, again) in [
            ("ALTER USER bob DISABLE", "ALTER USER bob ENABLE"),
            ("ALTER SERVICE PRINCIPAL app DISABLE", "ALTER SERVICE PRINCIPAL app ENABLE"),
        ] {
            server.done(ADMIN, ends).await;
            assert_eq!(code(&by_login).await, Code::Unauthenticated, "{ends}");
            server.done(ADMIN, again).await;
            assert_eq!(me(&by_login).await.unwrap(), "bob", "{again}");
        }
        for (by, name, refused) in
            [("bob", "app", "[INSUFFICIENT_PERMISSIONS]"), (ADMIN, "bob", "[PRINCIPAL_DOES_NOT_EXIST]")]
        {
            let sql = format!("ALTER SERVICE PRINCIPAL {name} MAY ACT FOR USERS");
            let refusal = server.refused(by, &sql).await;
            assert!(refusal.starts_with(refused), "{refusal}");
        }
        ground.delegate("app", Delegation::OnlyForItself).await;
        assert_eq!(code(&by_login).await, Code::Unauthenticated);
        let refused = ground.exchange(&basic("app", &secret), &server.token("bob")).await;
        assert_eq!(refused.error(), (400, "unauthorized_client"));
        ground.delegate("app", Delegation::MayActForUsers).await;
        server.done(ADMIN, &format!("DROP ACCESS TOKEN '{id}'")).await;
        assert_eq!(code(&by_login).await, Code::Unauthenticated);
        // It ends with the user's own token, if that is first.
        let secret = ground.secret("app").await;
        let short = ground
            .exchange(&basic("app", &secret), &server.token_living("bob", Duration::from_secs(60)))
            .await;
        assert_eq!(short.json["expires_in"], 60);
        let short = ground.holder(&short.token());
        assert_eq!(me(&short).await.unwrap(), "bob");
        server.clock().advance(TimeDelta::seconds(91));
        assert_eq!(code(&short).await, Code::Unauthenticated);
    });
}

#[test]
fn an_exchanged_token_is_good_for_calls_alone() {
    block_on(async {
        let ground = ground().await;
        let server = &ground.server;
        let secret = ground.secret("app").await;
        let exchanged = ground.exchange(&basic("app", &secret), &server.token("bob")).await.token();
        assert_eq!(me(&ground.holder(&exchanged)).await.unwrap(), "bob");
        let app = basic("app", &secret);
        assert_eq!(ground.exchange(&app, &exchanged).await.error(), (400, "invalid_request"));
        assert_eq!(
            ground.exchange_by(&exchanged, &server.token("alice")).await.error(),
            (400, "unauthorized_client")
        );
        assert_eq!(ground.by_secret("bob", &exchanged).await.error(), (401, "invalid_client"));
        // Beside another token it means nothing, whichever of the two it is.
        for (own, forwarded) in [
            (exchanged.as_str(), server.token("bob")),
            (server.token("bob").as_str(), exchanged.clone()),
            (secret.as_str(), exchanged.clone()),
            (exchanged.as_str(), exchanged.clone()),
        ] {
            let client = ground.holder(own).with_header("x-forwarded-access-token", forwarded);
            assert_eq!(code(&client).await, Code::Unauthenticated);
        }
        // What it says is signed.
        let parts: Vec<&str> = exchanged.split('.').collect();
        for (claim, value) in [("act", json!(null)), ("sub", json!(ADMIN)), ("weir", json!(null))] {
            let mut told = claims(&exchanged);
            told[claim] = value;
            let forged = BASE64_URL_SAFE_NO_PAD.encode(told.to_string());
            assert_eq!(
                code(&ground.holder(&format!("{}.{forged}.{}", parts[0], parts[2]))).await,
                Code::Unauthenticated
            );
        }
    });
}

#[test]
fn an_exchanged_token_has_the_groups_of_the_users_own_and_no_more() {
    block_on(async {
        let provider = IdentityProvider::start().await;
        let groups = [("idp-staff".to_owned(), "staff".to_owned())].into();
        let named = Issuer { groups_claim: Some("groups".to_owned()), groups, ..provider.configured() };
        let mut config = Config::default();
        config.identity.issuers = vec![named];
        let ground = ground_of(config).await;
        let server = &ground.server;
        server
            .prepare(
                "CREATE GROUP staff;
                 CREATE TABLE main.default.pay (x INT);
                 INSERT INTO main.default.pay VALUES (1);
                 REVOKE SELECT ON CATALOG main FROM bob;
                 GRANT SELECT ON TABLE main.default.pay TO staff",
            )
            .await;
        let (secret, now) = (ground.secret("app").await, server.clock().now());
        let app = basic("app", &secret);
        let bob = |names: Value| provider.token("first", "bob", now, &json!({"groups": names}));
        let reads = async |client: &Client| client.statement("SELECT x FROM main.default.pay").await;
        let (member, plain) = (bob(json!(["idp-staff", "others"])), bob(json!(["others"])));
        assert_eq!(reads(&ground.holder(&member)).await.unwrap().value(), "1");
        let exchanged = ground.holder(&ground.exchange(&app, &member).await.token());
        assert_eq!(reads(&exchanged).await.unwrap().value(), "1");
        assert_eq!(me(&exchanged).await.unwrap(), "bob");
        let rows = exchanged.statement("SELECT is_member('staff') AS staff").await.unwrap();
        assert_eq!(rows.value(), "true");
        let two_tokens = ground.holder(&secret).with_header("x-forwarded-access-token", member.clone());
        assert_eq!(reads(&two_tokens).await.unwrap().value(), "1");
        // An app that may read by a group of its own gives none of that to its visitor.
        let own = provider.token("first", "app", now, &json!({"groups": ["idp-staff"]}));
        assert_eq!(reads(&ground.holder(&own)).await.unwrap().value(), "1");
        for subject in [&plain, &server.token("bob"), &ground.access_token("bob", "").await.1] {
            for answer in [ground.exchange(&app, subject).await, ground.exchange_by(&own, subject).await] {
                let refusal = reads(&ground.holder(&answer.token())).await.unwrap_err();
                assert_eq!(refusal.code, Code::PermissionDenied, "{refusal:?}");
            }
        }
        // It ends with the group and with the token.
        server.prepare("REVOKE SELECT ON TABLE main.default.pay FROM staff;\nDROP GROUP staff").await;
        assert_eq!(reads(&exchanged).await.unwrap_err().code, Code::PermissionDenied);
        server.clock().advance(TimeDelta::seconds(3600 + 31));
        assert_eq!(reads(&exchanged).await.unwrap_err().code, Code::Unauthenticated);
    });
}

#[test]
fn a_token_that_names_who_may_act_is_for_that_app_alone() {
    block_on(async {
        let provider = IdentityProvider::start().await;
        let mut config = Config::default();
        config.identity.issuers = vec![provider.configured()];
        let ground = ground_of(config).await;
        let (secret, now) = (ground.secret("app").await, ground.server.clock().now());
        let app = ground.by_secret("app", &secret).await.token();
        let named = |name: &str| provider.token("first", "bob", now, &json!({"may_act": {"sub": name}}));
        let sent = |bob: String| ground.holder(&secret).with_header("x-forwarded-access-token", bob);
        let who = "SELECT current_user() AS who";
        let (own, others) = (named("app"), named("robot"));
        assert_eq!(ground.exchange(&basic("app", &secret), &own).await.status, 200);
        assert_eq!(ground.exchange_by(&app, &own).await.status, 200);
        assert_eq!(sent(own).statement(who).await.unwrap().lines(), ["bob"]);
        let answers =
            [ground.exchange(&basic("app", &secret), &others).await, ground.exchange_by(&app, &others).await];
        for answer in answers {
            assert_eq!(answer.error(), (400, "invalid_request"));
            let told = answer.json["error_description"].as_str().unwrap();
            assert!(told.contains("`may_act`"), "{told}");
        }
        let refusal = sent(others.clone()).statement(who).await.unwrap_err();
        assert_eq!(refusal.code, Code::Unauthenticated, "{refusal:?}");
        assert!(refusal.text.contains("that is another"), "{refusal:?}");
        assert_eq!(ground.holder(&others).statement(who).await.unwrap().lines(), ["bob"], "the user alone");
    });
}

#[test]
fn what_is_no_users_live_token_is_not_exchanged() {
    block_on(async {
        let provider = IdentityProvider::start().await;
        let (stranger, silent) = (IdentityProvider::start().await, IdentityProvider::start().await);
        silent.answer_document(Published::Status(503));
        let mut config = Config::default();
        config.identity.issuers = vec![provider.configured(), silent.configured()];
        let ground = ground_of(config).await;
        let server = &ground.server;
        let (secret, now) = (ground.secret("app").await, server.clock().now());
        let app = basic("app", &secret);
        let ended = now.timestamp() - 10;
        let robots = ground.secret("robot").await;
        let cases = [
            (
                "expired, within the leeway for clocks",
                provider.token("first", "bob", now, &json!({"exp": ended})),
            ),
            ("expired", provider.token("first", "bob", now, &json!({"exp": ended - 60}))),
            ("for another server", provider.token("first", "bob", now, &json!({"aud": "other"}))),
            ("of another issuer", stranger.token("first", "bob", now, &json!({}))),
            ("of nobody", provider.token("first", "nobody", now, &json!({}))),
            ("with an actor", provider.token("first", "bob", now, &json!({"act": {"sub": "robot"}}))),
            ("of a service principal", server.token("robot")),
            ("a service principal's secret", robots.clone()),
            ("a service principal's token", ground.by_secret("robot", &robots).await.token()),
            ("its own", server.token("app")),
            ("its own secret", secret.clone()),
            ("no token", "x".to_owned()),
            ("no access token", "weir_pat_x".to_owned()),
        ];
        let mut told = Vec::new();
        for (what, subject) in cases {
            let answer = ground.exchange(&app, &subject).await;
            assert_eq!(answer.error(), (400, "invalid_request"), "{what}");
            told.push(answer.json);
        }
        assert!(told.iter().all(|one| one == &told[0]), "{told:?}");
        assert_eq!(ground.exchange(&app, &server.token("bob")).await.status, 200);
        server.done(ADMIN, "ALTER USER bob DISABLE").await;
        assert_eq!(ground.exchange(&app, &server.token("bob")).await.json, told[0]);
        // An issuer that cannot be asked says nothing about its token.
        let unknown = silent.token("first", "alice", now, &json!({}));
        assert_eq!(ground.exchange(&app, &unknown).await.error(), (503, "temporarily_unavailable"));
        let alice = server.token("alice");
        for (what, actor, error) in [
            ("without the right", server.token("robot"), (400, "unauthorized_client")),
            ("a user", server.token("carol"), (400, "unauthorized_client")),
            ("the user herself", alice.clone(), (400, "unauthorized_client")),
            ("forged", format!("{}x", server.token("app")), (400, "invalid_request")),
            ("an unknown secret", "weir_pat_x".to_owned(), (400, "invalid_request")),
        ] {
            assert_eq!(ground.exchange_by(&actor, &alice).await.error(), error, "{what}");
        }
        assert_eq!(ground.exchange("", &alice).await.error(), (401, "invalid_client"));
        assert_eq!(
            ground.exchange(&basic("robot", &robots), &alice).await.error(),
            (400, "unauthorized_client")
        );
        assert_eq!(ground.exchange_by(&server.token("app"), &alice).await.status, 200);
    });
}
