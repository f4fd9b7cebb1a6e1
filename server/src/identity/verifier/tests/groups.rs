//! Groups that tokens claim: of the issuer that is configured for them, as far as the catalog has them, for one call.

#![expect(clippy::indexing_slicing, reason = "a claim that is not there is a failed test")]

use super::*;
use crate::identity::groups::GroupsOfIssuer;

const OTHER: &str = "https://other.example.com/";

fn groups(list: &[(&str, &str)]) -> Option<GroupsOfIssuer> {
    let groups = list.iter().map(|(theirs, ours)| ((*theirs).to_owned(), (*ours).to_owned())).collect();
    let config = config::Issuer {
        name: ISSUER.to_owned(),
        jwks_file: None,
        key_file: None,
        jwks_url: None,
        discover: true,
        audiences: vec![AUDIENCE.to_owned()],
        subject_claim: "sub".to_owned(),
        required_scopes: Vec::new(),
        actor_claim: None,
        groups_claim: Some("groups".to_owned()),
        groups,
    };
    GroupsOfIssuer::of(&config)
}

fn issuer(name: &str, at: &Fixture) -> Issuer {
    Issuer::fixed(name, AUDIENCE, KeySet::ById([("k1".to_owned(), key(&at.public))].into()))
}

/// As [`fixture`], of an issuer whose names of groups count, and another whose names mean something else.
fn naming() -> Fixture {
    let at = fixture();
    let mut first = issuer(ISSUER, &at);
    first.groups =
        groups(&[("theirs", "analysts"), ("users", "bob"), ("ghosts", "ghosts"), ("boss", "admins")]);
    let mut second = issuer(OTHER, &at);
    second.groups = groups(&[("others", "analysts")]);
    let mut people = people();
    people.push(principal("admins", PrincipalKind::Group));
    let owner = people.last().map(|admins| admins.id);
    let metastore = weir_catalog::MetastoreRoot { id: weir_catalog::MetastoreId::fresh(), owner };
    let content = Content { principals: people, ..Content::empty(metastore) };
    Fixture { verifier: Verifier::of(vec![first, second]), snapshot: Snapshot::new(Epoch(1), content), ..at }
}

fn with(at: &Fixture, issuer: &str, names: Value) -> Secret {
    let mut claims = at.claims("alice");
    claims["iss"] = json!(issuer);
    claims["groups"] = names;
    at.signed(&claims)
}

fn of(identity: &Identity) -> Vec<String> {
    identity.groups().iter().map(str::to_owned).collect()
}

fn claimed(at: &Fixture, issuer: &str, names: Value) -> Vec<String> {
    of(&at.bearer(with(at, issuer, names)).unwrap())
}

#[test]
fn names_count_for_the_issuer_that_is_configured_for_them() {
    let at = naming();
    assert_eq!(claimed(&at, ISSUER, json!(["theirs", "unknown"])), ["analysts"]);
    assert_eq!(claimed(&at, OTHER, json!(["others"])), ["analysts"]);
    for (name, names) in [(OTHER, json!(["theirs"])), (ISSUER, json!(["others", "analysts"]))] {
        assert_eq!(claimed(&at, name, names), Vec::<String>::new());
    }
    let without = fixture();
    assert_eq!(claimed(&without, ISSUER, json!(["theirs", "analysts"])), Vec::<String>::new());
    // Who is told nothing of groups does not look at what the claim holds.
    assert!(without.bearer(with(&without, ISSUER, json!(7))).is_ok());
    assert_eq!(at.refused(with(&at, ISSUER, json!(7))), Rejection::Claim("the groups claim"));
    assert_eq!(at.refused(with(&at, ISSUER, json!(["theirs", 7]))), Rejection::Claim("the groups claim"));
}

#[test]
fn a_claim_gives_no_rank_and_no_principal() {
    let at = naming();
    assert_eq!(claimed(&at, ISSUER, json!(["boss", "users", "ghosts"])), Vec::<String>::new());
    assert_eq!(claimed(&at, ISSUER, json!(["boss", "theirs", "ghosts"])), ["analysts"]);
}

#[test]
fn another_claim_is_another_identity_whatever_is_remembered() {
    let at = naming();
    let (member, stranger) = (with(&at, ISSUER, json!(["theirs"])), with(&at, ISSUER, json!([])));
    for _ in 0..3 {
        let (one, other) = (at.bearer(member.clone()).unwrap(), at.bearer(stranger.clone()).unwrap());
        assert_eq!((of(&one), of(&other)), (vec!["analysts".to_owned()], vec![]));
        assert_ne!(one, other);
        assert_ne!(one, one.without_claimed_groups());
    }
    // Equal in all else, the groups tell two identities apart.
    let one = at.bearer(member.clone()).unwrap();
    let two = Identity { groups: ClaimedGroups::default(), ..one.clone() };
    assert_ne!(one, two);
    let later = Fixture { now: at.now + chrono::Duration::seconds(631), ..at };
    assert_eq!(later.refused(member), Rejection::Expired);
}

#[test]
fn of_two_tokens_of_one_user_the_narrower_decides_and_an_app_gives_nothing() {
    let at = naming();
    let beside = |own: Secret, user: Secret| at.identify(&Credentials::forwarded(own, user)).unwrap();
    let member = || with(&at, ISSUER, json!(["theirs"]));
    assert_eq!(of(&beside(member(), member())), ["analysts"]);
    assert_eq!(of(&beside(member(), at.token("alice"))), Vec::<String>::new());
    assert_eq!(of(&beside(at.token("alice"), member())), Vec::<String>::new());
    let app = |names: Value| {
        let mut claims = at.claims("app");
        claims["groups"] = names;
        at.signed(&claims)
    };
    let acting = beside(app(json!([])), member());
    assert_eq!((acting.run_by(), of(&acting)), (Some("app"), vec!["analysts".to_owned()]));
    let acting = beside(app(json!(["theirs"])), at.token("alice"));
    assert_eq!((acting.run_by(), of(&acting)), (Some("app"), vec![]));
}

#[test]
fn what_the_server_gives_out_has_the_groups_of_what_was_shown_for_it() {
    let at = naming();
    let mut own = issuer("weir", &at);
    (own.is_own, own.actor_claim) = (true, Some("sub".to_owned()));
    let mut first = issuer(ISSUER, &at);
    first.groups = groups(&[("theirs", "analysts")]);
    let at = Fixture { verifier: Verifier::of(vec![first, issuer(OTHER, &at), own]), ..at };
    let given = |grounds: Value, beside: Value| {
        let mut claims = at.claims("alice");
        (claims["iss"], claims["weir"], claims["groups"]) = (json!("weir"), grounds, beside);
        of(&at.bearer(at.signed(&claims)).unwrap())
    };
    let shown =
        |issuer: &str, names: Value| json!({"access_tokens": [], "claims": {"iss": issuer, "groups": names}});
    assert_eq!(given(shown(ISSUER, json!(["theirs"])), json!([])), ["analysts"]);
    // What stands beside what was shown, in it as of another issuer, or of the server itself, counts for nothing.
    for (grounds, beside) in [
        (shown(ISSUER, json!([])), json!(["theirs"])),
        (shown(OTHER, json!(["theirs"])), json!([])),
        (shown("weir", json!(["theirs"])), json!([])),
        (shown("https://gone.example.com/", json!(["theirs"])), json!([])),
        (json!({"access_tokens": [], "claims": {}}), json!(["theirs"])),
        (json!({"access_tokens": [], "claims": {"groups": ["theirs"]}}), json!(["theirs"])),
    ] {
        assert_eq!(given(grounds.clone(), beside), Vec::<String>::new(), "{grounds}");
    }
}
