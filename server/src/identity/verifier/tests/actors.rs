//! Tokens that say who acts for their subject: believed of an issuer that is configured for it, and of the server's own.

use super::*;

/// As [`fixture`], of an issuer that may name actors by this claim.
fn naming(claim: &str) -> Fixture {
    let at = fixture();
    let keys = KeySet::ById([("k1".to_owned(), key(&at.public))].into());
    let mut issuer = Issuer::fixed(ISSUER, AUDIENCE, keys);
    issuer.actor_claim = Some(claim.to_owned());
    Fixture { verifier: Verifier::of(vec![issuer]), ..at }
}

fn with(at: &Fixture, subject: &str, claim: &str, value: Value) -> Secret {
    let mut claims = at.claims(subject);
    claims.as_object_mut().unwrap().insert(claim.to_owned(), value);
    at.signed(&claims)
}

fn for_alice(at: &Fixture, act: Value) -> Result<Identity, Rejection> {
    at.bearer(with(at, "alice", "act", act))
}

#[test]
fn a_token_with_an_actor_is_never_read_as_the_user_alone() {
    let at = fixture();
    for act in
        [json!({"sub": "app"}), json!({}), json!("app"), json!(null), json!([]), json!({"sub": "alice"})]
    {
        let refused = for_alice(&at, act.clone()).unwrap_err();
        assert_eq!(refused, Rejection::Actor("its issuer may name none"), "{act}");
    }
    assert!(at.bearer(at.token("alice")).is_ok());
}

#[test]
fn an_issuer_that_is_configured_for_it_names_a_service_with_the_right() {
    let at = naming("sub");
    let identity = for_alice(&at, json!({"sub": "app"})).unwrap();
    assert_eq!((identity.name(), identity.run_by()), ("alice", Some("app")));
    assert_eq!(for_alice(&at, json!({"sub": "app", "iss": ISSUER})).unwrap().run_by(), Some("app"));
    assert_eq!(at.bearer(at.token("alice")).unwrap().run_by(), None);
    for name in ["robot", "bob", "alice", "nobody", "analysts", "mallory", "App", "app "] {
        let refused = for_alice(&at, json!({"sub": name})).unwrap_err();
        assert_eq!(refused, Rejection::Actor("it may not act for users"), "{name}");
    }
    for act in [
        json!({}),
        json!({"sub": ""}),
        json!({"sub": ["app"]}),
        json!({"azp": "app"}),
        json!("app"),
        json!(1),
    ] {
        assert_eq!(for_alice(&at, act.clone()).unwrap_err(), Rejection::Claim("act"), "{act}");
    }
    let other = naming("client_id");
    assert_eq!(for_alice(&other, json!({"client_id": "app", "sub": "7"})).unwrap().run_by(), Some("app"));
    assert_eq!(for_alice(&other, json!({"sub": "app"})).unwrap_err(), Rejection::Claim("act"));
}

#[test]
fn chains_of_actors_and_actors_of_other_issuers_are_refused() {
    let at = naming("sub");
    for (act, why) in [
        (json!({"sub": "app", "act": {"sub": "robot"}}), "it names more than one"),
        (json!({"sub": "app", "act": null}), "it names more than one"),
        (json!({"sub": "app", "iss": "https://other.example.com/"}), "it is another issuer's"),
        (json!({"sub": "app", "iss": [ISSUER]}), "it is another issuer's"),
    ] {
        assert_eq!(for_alice(&at, act).unwrap_err(), Rejection::Actor(why));
    }
}

#[test]
fn nobody_acts_for_a_service_and_an_actor_comes_alone() {
    let at = naming("sub");
    let for_robot = at.refused(with(&at, "robot", "act", json!({"sub": "app"})));
    assert_eq!(for_robot, Rejection::Actor("nobody acts for its subject"));
    let acting = || with(&at, "alice", "act", json!({"sub": "app"}));
    for (own, user) in [
        (acting(), at.token("alice")),
        (at.token("alice"), acting()),
        (at.token("app"), acting()),
        (acting(), acting()),
    ] {
        let refused = at.identify(&Credentials::forwarded(own, user)).unwrap_err();
        assert_eq!(refused, Rejection::Actor("it came beside another token"));
    }
    let forwarded = Credentials { forwarded: Some(acting()), ..Credentials::default() };
    assert_eq!(at.identify(&forwarded).unwrap().run_by(), Some("app"));
}

#[test]
fn an_actor_is_looked_at_anew_with_each_call() {
    let mut at = naming("sub");
    let acting = with(&at, "alice", "act", json!({"sub": "app"}));
    assert!(at.bearer(acting.clone()).is_ok());
    let changes: [fn(&mut Principal); 2] = [|app| app.disabled = true, |app| app.may_act_for_users = false];
    for change in changes {
        let mut principals = people();
        principals.iter_mut().filter(|principal| principal.name == "app").for_each(change);
        at.snapshot = snapshot(principals);
        assert_eq!(at.refused(acting.clone()), Rejection::Actor("it may not act for users"));
    }
}

#[test]
fn only_the_servers_own_tokens_say_what_they_rest_on() {
    let at = fixture();
    let grounds = json!({"access_tokens": [], "claims": {"region": "north"}});
    let foreign = at.bearer(with(&at, "alice", "weir", grounds.clone())).unwrap();
    assert_eq!(foreign.claims().get("region"), None);
    assert_eq!(foreign.claims().get("weir"), Some(&grounds));
    let keys = KeySet::ById([("k1".to_owned(), key(&at.public))].into());
    let mut own = Issuer::fixed(ISSUER, AUDIENCE, keys);
    own.is_own = true;
    let at = Fixture { verifier: Verifier::of(vec![own]), ..at };
    let identity = at.bearer(with(&at, "alice", "weir", grounds)).unwrap();
    assert_eq!(identity.claims().get("region"), Some(&json!("north")));
    assert_eq!(identity.claims().get("iss"), None);
    let one = weir_catalog::AccessTokenId::fresh().to_string();
    let resting = at.refused(with(&at, "alice", "weir", json!({"access_tokens": [one], "claims": {}})));
    assert_eq!(resting, Rejection::NoAccessTokens, "a verifier that cannot look refuses");
    for damaged in [json!({}), json!({"access_tokens": ["x"], "claims": {}}), json!(1), json!({"claims": {}})]
    {
        assert_eq!(at.refused(with(&at, "alice", "weir", damaged)), Rejection::Claim("weir"));
    }
}

#[test]
fn a_token_that_names_who_may_act_is_no_other_apps() {
    let at = naming("sub");
    let user = |may_act: Value| with(&at, "alice", "may_act", may_act);
    let call = |own: &str, may_act: Value| at.identify(&Credentials::forwarded(at.token(own), user(may_act)));
    let app = json!({"sub": "app"});
    assert_eq!(call("app", app.clone()).unwrap().run_by(), Some("app"));
    assert_eq!(call("app", json!({"sub": "app", "iss": ISSUER})).unwrap().run_by(), Some("app"));
    for other in [
        json!({"sub": "other app"}),
        json!({"sub": "App"}),
        json!({"sub": "alice"}),
        json!({"sub": "app", "iss": "https://other.example.com/"}),
        json!({"sub": "app", "iss": null}),
        json!({}),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"client_id": "app"}),
    ] {
        assert_eq!(call("app", other.clone()), Err(Rejection::MayAct), "{other}");
        assert_eq!(
            at.bearer(user(other.clone())).unwrap().name(),
            "alice",
            "the user alone comes with it: {other}"
        );
        assert_eq!(call("alice", other).unwrap().run_by(), None);
    }
    assert_eq!(call("robot", json!({"sub": "robot"})), Err(Rejection::TwoPrincipals), "it gives no right");
    for malformed in [json!("app"), json!(null), json!([app]), json!(7)] {
        assert_eq!(call("app", malformed.clone()), Err(Rejection::Claim("may_act")), "{malformed}");
        assert_eq!(at.refused(user(malformed)), Rejection::Claim("may_act"));
    }
    let at = naming("client_id");
    let named = with(&at, "alice", "may_act", json!({"client_id": "app", "sub": "7"}));
    assert_eq!(at.identify(&Credentials::forwarded(at.token("app"), named)).unwrap().run_by(), Some("app"));
    let at = fixture();
    let other = with(&at, "alice", "may_act", json!({"sub": "robot"}));
    assert_eq!(at.identify(&Credentials::forwarded(at.token("app"), other)), Err(Rejection::MayAct));
}
