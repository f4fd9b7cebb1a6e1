//! Export and import: the same catalog, whatever store it is in; nothing dropped on the way.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use chrono::{DateTime, Utc};

use super::*;
use crate::error::Error;
use crate::id::PrincipalId;
use crate::metastore::Metastore;
use crate::store::suite::PostgresServer;

/// One of each noun, every optional part filled in, names with odd characters.
const RICH: &str = r#"{
  "weir_catalog": 1,
  "metastore_admin": "readers",
  "principals": {
    "admin": {"kind": "user", "account_admin": true},
    "account users": {"kind": "group"},
    " Ann \"quoted\" O'Neil: #1 ": {"kind": "user"},
    "no": {"kind": "user", "disabled": true},
    "readers": {"kind": "group", "members": [" Ann \"quoted\" O'Neil: #1 ", "no"]},
    "app": {"kind": "service principal", "may_act_for_users": true}
  },
  "storage_credentials": {"key": {"owner": "admin", "comment": "a remark"}},
  "external_locations": {"outside": {"url": "s3://bucket/", "credential": "key", "owner": "readers"}},
  "governed_tags": {"pii": {"owner": "admin", "values": ["ssn", "it's"]}},
  "catalogs": {"main": {"owner": "admin", "properties": {"policy.default": "deny"}, "tags": {"cost": "1.50"}}},
  "schemas": {"main.default": {"owner": "admin"}, "main.hr": {"owner": "readers", "comment": "two\nlines"}},
  "functions": {
    "main.hr.mine": {"owner": "admin", "parameters": [{"name": "r", "type": "STRING", "default": "'EMEA'"}],
      "returns": "BOOLEAN", "body": "r = 'EMEA' AND main.hr.deep(r)", "calls": ["main.hr.deep"]},
    "main.hr.deep": {"owner": "admin", "parameters": [{"name": "r", "type": "STRING", "default": null}],
      "returns": "BOOLEAN", "body": "r <> ''"},
    "main.hr.rows": {"owner": "admin", "parameters": [], "returns_table": [{"name": "r", "type": "STRING", "default": null}],
      "body": "SELECT region FROM main.hr.people", "reads": ["main.hr.people"]}
  },
  "tables": {
    "main.hr.people": {"kind": "managed", "owner": "admin", "location": "hr/people", "comment": "no",
      "columns": [
        {"name": "Region", "type": "STRING", "nullable": false, "comment": "null", "field_id": 7, "tags": {"pii": "it's"},
          "primary_key": {"constraint": "people_pk", "place": 1}},
        {"name": "pay", "type": "DECIMAL(15,2)", "nullable": true, "comment": null}],
      "row_filter": {"function": "main.hr.mine", "arguments": [{"column": {"name": "Region", "field_id": 7, "type": "STRING"}}], "semantics": 1},
      "masks": [{"column": {"name": "pay", "field_id": null, "type": "DECIMAL(15,2)"}, "function": "system.policy.round_number",
        "arguments": [{"number": "1000.50"}], "semantics": 1}],
      "properties": {"governance.protection": "strict"}, "tags": {"pii": "ssn"}},
    "main.hr.outside": {"kind": "external", "owner": "readers", "location": "s3://bucket/outside/", "columns": []},
    "main.hr.seen": {"kind": "view", "owner": "admin", "text": "SELECT current_user() FROM main.hr.people", "tests_identity": true,
      "reads": ["main.hr.people"], "columns": [{"name": "who", "type": "STRING", "nullable": true, "comment": null}]}
  },
  "volumes": {"main.hr.files": {"kind": "external", "location": "s3://other/files/", "owner": "admin"}},
  "tag_policies": {"catalog main": {"hide": {"comment": "by tag", "definition": {
      "rule": {"column_mask": {"on": "it"}}, "function": "system.policy.mask_null", "to": ["readers"], "except": ["app"],
      "when": {"or": [{"has_tag": "pii"}, {"not": {"has_tag_value": ["cost", "no"]}}]},
      "matches": [{"condition": {"has_column_tag_value": ["pii", "ssn"]}, "alias": "it"}],
      "arguments": [], "composition": "restrictive", "on_no_match": "skip", "semantics": 1}}}},
  "policy_tests": {"readers_see": {"owner": "admin", "as_user": "no", "query": "SELECT 1", "expectation": {"error": null}}},
  "grants": {"metastore": {"readers": ["CREATE CATALOG"]}, "catalog main": {"readers": ["USE CATALOG"]},
    "table main.hr.people": {"readers": ["MODIFY", "SELECT"]}, "external location outside": {"readers": ["CREATE EXTERNAL TABLE"]}},
  "denials": {"table main.hr.people": {"no": ["SELECT"]}}
}"#;

fn rich() -> Document {
    serde_json::from_str(RICH).unwrap()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap()
}

async fn bootstrapped(metastore: Metastore) -> (Metastore, PrincipalId) {
    let admin = metastore.bootstrap_admin("admin", now()).await.unwrap().id;
    (metastore, admin)
}

async fn sqlite() -> (Metastore, PrincipalId, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let metastore = Metastore::open_sqlite(&dir.path().join("catalog.sqlite")).await.unwrap();
    let (metastore, admin) = bootstrapped(metastore).await;
    (metastore, admin, dir)
}

async fn exported(metastore: &Metastore) -> Document {
    Document::of(&metastore.snapshot().await.unwrap())
}

fn text(document: &Document) -> String {
    serde_json::to_string_pretty(document).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_store_exports_the_other_imports_and_exports_alike() {
    let (one, admin, _dir) = sqlite().await;
    let made = one.catalog_import(admin, now(), &rich(), Removal::Keep).await.unwrap();
    assert!(made.iter().any(|one| one.to_string() == "+ tables main.hr.people"), "{made:?}");
    let document = exported(&one).await;
    assert_eq!(text(&document), text(&rich()));
    assert_eq!(crate::check::findings(&one.snapshot().await.unwrap()), Vec::<String>::new());
    let url = PostgresServer::of_this_process().database().await;
    let (two, admin) = bootstrapped(Metastore::open_postgres(&url).await.unwrap()).await;
    two.catalog_import(admin, now(), &document, Removal::Prune).await.unwrap();
    assert_eq!(text(&exported(&two).await), text(&document));
}

#[tokio::test]
async fn a_second_import_changes_nothing_and_a_trial_neither() {
    let (metastore, admin, _dir) = sqlite().await;
    let trial = metastore.catalog_import_trial(admin, now(), &rich(), Removal::Keep).await.unwrap();
    assert_eq!(metastore.snapshot().await.unwrap().epoch().0, 1);
    let done = metastore.catalog_import(admin, now(), &rich(), Removal::Keep).await.unwrap();
    assert_eq!(trial, done);
    for removal in [Removal::Keep, Removal::Prune] {
        assert_eq!(metastore.catalog_import(admin, now(), &rich(), removal).await.unwrap(), []);
        assert_eq!(metastore.snapshot().await.unwrap().epoch().0, 2, "no commit");
    }
}

#[tokio::test]
async fn what_a_document_leaves_out_stays_unless_it_is_to_go() {
    let (metastore, admin, _dir) = sqlite().await;
    metastore.catalog_import(admin, now(), &rich(), Removal::Keep).await.unwrap();
    let mut less = rich();
    let people = less.tables.get_mut("main.hr.people").unwrap();
    people.row_filter = None;
    people.masks.clear();
    people.tags.clear();
    people.properties.clear();
    less.grants.clear();
    less.denials.clear();
    less.tag_policies.clear();
    less.tables.remove("main.hr.outside");
    less.principals.get_mut("readers").unwrap().members.clear();
    assert_eq!(metastore.catalog_import(admin, now(), &less, Removal::Keep).await.unwrap(), []);
    let gone = metastore.catalog_import(admin, now(), &less, Removal::Prune).await.unwrap();
    let said: Vec<_> = gone.iter().map(ToString::to_string).collect();
    assert!(said.contains(&"- tables main.hr.outside".to_owned()), "{said:?}");
    assert!(said.iter().any(|one| one.contains("row_filter") && one.contains("-> nothing")), "{said:?}");
    assert_eq!(text(&exported(&metastore).await), text(&less));
}

#[tokio::test]
async fn an_import_that_would_break_anything_is_refused_whole() {
    let (metastore, admin, _dir) = sqlite().await;
    metastore.catalog_import(admin, now(), &rich(), Removal::Keep).await.unwrap();
    let epoch = metastore.snapshot().await.unwrap().epoch();
    type Break = fn(&mut Document);
    let breaks: [(&str, Break); 14] = [
        ("function `main.hr.mine` not found", |d| drop(d.functions.remove("main.hr.mine"))),
        ("principal `app` not found", |d| drop(d.principals.remove("app"))),
        ("no account admin is left", |d| d.principals.get_mut("admin").unwrap().account_admin = false),
        ("contains itself", |d| d.principals.get_mut("readers").unwrap().members.push("readers".to_owned())),
        ("account users", |d| drop(d.principals.remove("account users"))),
        ("moves no files", |d| {
            d.tables.get_mut("main.hr.people").unwrap().location = Some("elsewhere".to_owned())
        }),
        ("lies within", |d| {
            let mut other = d.tables["main.hr.people"].clone();
            other.location = Some("hr/people/inner".to_owned());
            d.tables.insert("main.hr.other".to_owned(), other);
        }),
        ("invalid location", |d| {
            let mut other = d.tables["main.hr.people"].clone();
            other.location = Some("../secret".to_owned());
            d.tables.insert("main.hr.other".to_owned(), other);
        }),
        ("which it does not take", |d| {
            d.tables.get_mut("main.hr.people").unwrap().tags.insert("pii".to_owned(), "x".to_owned());
        }),
        ("which is not there", |d| drop(d.tables.get_mut("main.hr.people").unwrap().columns.remove(1))),
        ("policies read in a circle", |d| {
            d.functions.get_mut("main.hr.deep").unwrap().body =
                "EXISTS (SELECT 1 FROM `main`.`hr`.`people`)".to_owned();
        }),
        ("calls itself", |d| {
            d.functions.get_mut("main.hr.deep").unwrap().body = "main.hr.mine(r)".to_owned()
        }),
        ("there is no such privilege", |d| {
            d.grants.get_mut("metastore").unwrap().insert("no".to_owned(), vec!["EVERYTHING".to_owned()]);
        }),
        ("`weir_catalog` is 2", |d| d.weir_catalog = 2),
    ];
    for (words, break_it) in breaks {
        let mut document = rich();
        break_it(&mut document);
        let refused = metastore.catalog_import(admin, now(), &document, Removal::Prune).await.unwrap_err();
        assert!(matches!(refused, Error::ImportRefused { .. }), "{words}: {refused:?}");
        assert!(refused.to_string().contains(words), "{words}: {refused}");
        assert_eq!(metastore.snapshot().await.unwrap().epoch(), epoch);
    }
}

#[tokio::test]
async fn only_an_account_admin_imports_even_on_trial() {
    let (metastore, admin, _dir) = sqlite().await;
    metastore.catalog_import(admin, now(), &rich(), Removal::Keep).await.unwrap();
    let app = metastore.snapshot().await.unwrap().principal_by_name("app").unwrap().id;
    let refused = metastore.catalog_import(app, now(), &rich(), Removal::Keep).await.unwrap_err();
    assert!(matches!(refused, Error::Reserved { .. }), "{refused:?}");
    let refused = metastore.catalog_import_trial(app, now(), &rich(), Removal::Keep).await.unwrap_err();
    assert!(matches!(refused, Error::Reserved { .. }), "{refused:?}");
}

#[test]
fn a_word_that_a_document_does_not_know_is_refused() {
    let said = serde_json::from_str::<Document>(r#"{"weir_catalog": 1, "tabels": {}}"#).unwrap_err();
    assert!(said.to_string().contains("tabels"), "{said}");
    assert!(serde_json::from_str::<Document>(&RICH.replace("row_filter", "row_fitler")).is_err());
}
