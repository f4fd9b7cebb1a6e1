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
async fn a_column_that_a_document_does_not_name_stays_with_its_tags_and_is_not_pruned() {
    let (metastore, admin, _dir) = sqlite().await;
    metastore.catalog_import(admin, now(), &rich(), Removal::Keep).await.unwrap();
    for (place, why) in [(0, "has the governed tags `pii`"), (1, "has a mask")] {
        let mut less = rich();
        let people = less.tables.get_mut("main.hr.people").unwrap();
        people.columns.remove(place);
        people.row_filter = None;
        people.masks.clear();
        assert_eq!(metastore.catalog_import(admin, now(), &less, Removal::Keep).await.unwrap(), []);
        let refused = metastore.catalog_import(admin, now(), &less, Removal::Prune).await.unwrap_err();
        assert!(matches!(refused, Error::ImportRefused { .. }), "{refused:?}");
        assert!(refused.to_string().contains(why), "{refused}");
        assert_eq!(text(&exported(&metastore).await), text(&rich()));
    }
}

#[tokio::test]
async fn a_column_is_known_by_its_id_whatever_the_document_calls_it() {
    let (metastore, admin, _dir) = sqlite().await;
    // Without the function and the view whose texts name the column.
    let mut before = rich();
    before.functions.remove("main.hr.rows");
    before.tables.remove("main.hr.seen");
    metastore.catalog_import(admin, now(), &before, Removal::Keep).await.unwrap();
    let people = crate::name::ObjectName::new("main", "hr", "people").unwrap();
    metastore.column_rename(admin, now(), &people, ("Region", "area"), 7).await.unwrap();
    let renamed = text(&exported(&metastore).await);
    assert!(renamed.contains("\"area\"") && !renamed.contains("\"Region\""), "{renamed}");
    assert_eq!(metastore.catalog_import(admin, now(), &before, Removal::Keep).await.unwrap(), []);
    let tagged = text(&before).replace("\"pii\": \"it's\"", "\"pii\": \"ssn\"");
    let tagged: Document = serde_json::from_str(&tagged).unwrap();
    let changed = metastore.catalog_import(admin, now(), &tagged, Removal::Keep).await.unwrap();
    assert_eq!(changed.len(), 1, "{changed:?}");
    let snapshot = metastore.snapshot().await.unwrap();
    let columns = &snapshot.table(&people).unwrap().columns;
    let pii = crate::tag::TagKey::new("pii").unwrap();
    assert_eq!((columns.len(), columns[0].name.as_str(), columns[0].tags[&pii].as_str()), (2, "area", "ssn"));
}

/// With those columns, all STRING, and a mask on `ssn` that reads `zip`, in the place of what people has in [`RICH`].
fn with_columns(columns: &[(&str, Option<i64>)], mask: Option<Option<i64>>, zip: Option<i64>) -> Document {
    use serde_json::json;
    let mut document: serde_json::Value = serde_json::from_str(RICH).unwrap();
    document["functions"].as_object_mut().unwrap().remove("main.hr.rows");
    let tables = document["tables"].as_object_mut().unwrap();
    tables.remove("main.hr.seen");
    let people = tables.get_mut("main.hr.people").unwrap();
    let column = |(name, id): &(&str, Option<i64>)| {
        let tags = if *name == "ssn" { json!({"pii": "ssn"}) } else { json!({}) };
        json!({"name": name, "type": "STRING", "nullable": true, "comment": null, "field_id": id, "tags": tags})
    };
    people["columns"] = columns.iter().map(column).collect();
    let zip = json!([{"column": {"name": "zip", "field_id": zip, "type": "STRING"}}]);
    people["row_filter"] = json!({"function": "main.hr.mine", "arguments": zip, "semantics": 1});
    let mask = mask.map(|id| {
        json!({"column": {"name": "ssn", "field_id": id, "type": "STRING"},
            "function": "system.policy.round_number", "arguments": zip, "semantics": 1})
    });
    people["masks"] = mask.into_iter().collect();
    serde_json::from_value(document).unwrap()
}

/// The ids that people's filter, its mask and the mask's argument are bound to; there is one mask.
async fn bound(metastore: &Metastore) -> [(String, Option<i64>); 3] {
    use crate::policy::PolicyArgument;
    let people = crate::name::ObjectName::new("main", "hr", "people").unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    let table = snapshot.table(&people).unwrap();
    let first = |arguments: &[PolicyArgument]| match &arguments[0] {
        PolicyArgument::Column(binding) => (binding.name.clone(), binding.field_id),
        PolicyArgument::Literal(_) => ("a literal".to_owned(), None),
    };
    assert_eq!(table.masks.len(), 1);
    let (mask, filter) = (&table.masks[0], table.row_filter.as_ref().unwrap());
    let masked = (mask.column.name.clone(), mask.column.field_id);
    [first(&filter.arguments), masked, first(&mask.arguments)]
}

fn bound_to(ssn: Option<i64>, zip: Option<i64>) -> [(String, Option<i64>); 3] {
    [("zip".to_owned(), zip), ("ssn".to_owned(), ssn), ("zip".to_owned(), zip)]
}

#[tokio::test]
async fn a_column_with_the_id_of_one_and_the_name_of_another_is_refused() {
    let (metastore, admin, _dir) = sqlite().await;
    let here = with_columns(&[("zip", Some(1)), ("ssn", Some(2))], Some(Some(2)), Some(1));
    metastore.catalog_import(admin, now(), &here, Removal::Keep).await.unwrap();
    let before = text(&exported(&metastore).await);
    let swapped = with_columns(&[("ssn", Some(1)), ("zip", Some(2))], Some(Some(1)), Some(2));
    // Its columns have no ids, but what its mask is bound to has.
    let mask_alone = with_columns(&[("ssn", None), ("zip", None)], Some(Some(1)), None);
    for document in [swapped, mask_alone] {
        for removal in [Removal::Keep, Removal::Prune] {
            let refused = metastore.catalog_import(admin, now(), &document, removal).await.unwrap_err();
            assert!(matches!(refused, Error::ImportRefused { .. }), "{refused:?}");
            let said = refused.to_string();
            assert!(said.contains("`ssn` is column 1 in the document and column 2 here"), "{said}");
            assert_eq!(text(&exported(&metastore).await), before);
        }
    }
}

#[tokio::test]
async fn a_governed_tag_of_a_column_is_not_pruned() {
    let (metastore, admin, _dir) = sqlite().await;
    metastore.catalog_import(admin, now(), &rich(), Removal::Keep).await.unwrap();
    let mut less: serde_json::Value = serde_json::from_str(RICH).unwrap();
    less["tables"]["main.hr.people"]["columns"][0]["tags"] = serde_json::json!({});
    let less: Document = serde_json::from_value(less).unwrap();
    assert_eq!(metastore.catalog_import(admin, now(), &less, Removal::Keep).await.unwrap(), []);
    let refused = metastore.catalog_import(admin, now(), &less, Removal::Prune).await.unwrap_err();
    assert!(refused.to_string().contains("`Region` would lose the governed tags `pii`"), "{refused}");
    assert_eq!(text(&exported(&metastore).await), text(&rich()));
}

#[tokio::test]
async fn a_document_without_ids_unbinds_nothing_from_its_id() {
    let (metastore, admin, _dir) = sqlite().await;
    let here = with_columns(&[("ssn", Some(1)), ("zip", Some(2))], Some(Some(1)), Some(2));
    metastore.catalog_import(admin, now(), &here, Removal::Keep).await.unwrap();
    let without = with_columns(&[("ssn", None), ("zip", None)], Some(None), None);
    for removal in [Removal::Keep, Removal::Prune] {
        assert_eq!(metastore.catalog_import(admin, now(), &without, removal).await.unwrap(), []);
        assert_eq!(bound(&metastore).await, bound_to(Some(1), Some(2)));
    }
}

#[tokio::test]
async fn a_mask_on_a_column_that_was_made_anew_is_one_mask_on_that_column() {
    let before = with_columns(&[("ssn", Some(1)), ("zip", Some(2))], Some(Some(1)), Some(2));
    let unmasked = with_columns(&[("ssn", Some(1)), ("zip", Some(2))], None, Some(2));
    for removal in [Removal::Keep, Removal::Prune] {
        let (metastore, admin, _dir) = sqlite().await;
        let anew = with_columns(&[("zip", Some(2)), ("ssn", Some(4))], Some(Some(4)), Some(2));
        metastore.catalog_import(admin, now(), &anew, Removal::Keep).await.unwrap();
        metastore.catalog_import(admin, now(), &before, removal).await.unwrap();
        assert_eq!(bound(&metastore).await, bound_to(Some(4), Some(2)));
        metastore.catalog_import(admin, now(), &unmasked, Removal::Keep).await.unwrap();
        assert_eq!(bound(&metastore).await, bound_to(Some(4), Some(2)));
        let mut twice: serde_json::Value = serde_json::to_value(&before).unwrap();
        let mut other = twice["tables"]["main.hr.people"]["masks"][0].clone();
        other["column"]["field_id"] = serde_json::json!(4);
        other["arguments"] = serde_json::json!([{"number": "10"}]);
        twice["tables"]["main.hr.people"]["masks"].as_array_mut().unwrap().push(other);
        let twice: Document = serde_json::from_value(twice).unwrap();
        let refused = metastore.catalog_import(admin, now(), &twice, removal).await.unwrap_err();
        assert!(refused.to_string().contains("a mask on `ssn` beside one on `ssn`"), "{refused}");
    }
}

#[tokio::test]
async fn a_table_without_ids_gets_none_from_a_document() {
    let (metastore, admin, _dir) = sqlite().await;
    let here = with_columns(&[("ssn", None), ("zip", None)], Some(None), None);
    metastore.catalog_import(admin, now(), &here, Removal::Keep).await.unwrap();
    let with = with_columns(&[("ssn", Some(1)), ("zip", Some(2))], Some(Some(1)), Some(2));
    for removal in [Removal::Keep, Removal::Prune] {
        assert_eq!(metastore.catalog_import(admin, now(), &with, removal).await.unwrap(), []);
        assert_eq!(bound(&metastore).await, bound_to(None, None));
    }
}

#[tokio::test]
async fn an_import_that_would_break_anything_is_refused_whole() {
    let (metastore, admin, _dir) = sqlite().await;
    metastore.catalog_import(admin, now(), &rich(), Removal::Keep).await.unwrap();
    let epoch = metastore.snapshot().await.unwrap().epoch();
    type Break = fn(&mut Document);
    let breaks: [(&str, Break); 16] = [
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
        ("which is not in the document", |d| {
            drop(d.tables.get_mut("main.hr.people").unwrap().columns.remove(1))
        }),
        ("which is not there", |d| {
            let mask = r#"{"column": {"name": "nothing", "field_id": null, "type": "STRING"},
                "function": "system.policy.mask_null", "arguments": [], "semantics": 1}"#;
            d.tables.get_mut("main.hr.people").unwrap().masks.push(serde_json::from_str(mask).unwrap());
        }),
        ("two columns `PAY`", |d| {
            let pay = r#"{"name": "PAY", "type": "STRING", "nullable": true, "comment": null}"#;
            d.tables.get_mut("main.hr.people").unwrap().columns.push(serde_json::from_str(pay).unwrap());
        }),
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
