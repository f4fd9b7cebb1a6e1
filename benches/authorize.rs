//! What does a decision cost in a large catalog? 100,000 securables, 1,000,000 grants, users in 1, 20 and 200
//! groups; a token met before; listing what one may see; 100,000 policies elsewhere; a change, and the first load of it all.
//!
//! Names are `what/size or groups`. The catalog crate is to be optimised for this bench: see README.

use std::hint::black_box;
use std::time::Duration;

use chrono::DateTime;
use criterion::{BatchSize, Criterion};
use tokio::runtime::Builder;
use weir_benches::Result;
use weir_catalog::audit::{AuditEvent, Origin};
use weir_catalog::snapshot::Snapshot;
use weir_catalog::store::{Change, SqliteStore, Store};
use weir_catalog::{
    Audience, AuditEventId, Catalog, CatalogId, Column, Composition, Content, Epoch, FunctionId, Grant,
    Increment, Metastore, MetastoreId, MetastoreRoot, Name, ObjectName, OnNoMatch, PolicyFunction, Principal,
    PrincipalId, PrincipalKind, Privilege, Schema, SchemaId, SecurableId, Stamps, Table, TableId, TableKind,
    TagCondition, TagPolicy, TagPolicyId, TagPolicyRule, Tags, authorize, may_see, visible_tables,
};
use weir_server::identity::{Credentials, LocalIssuer, Verifier};

const CATALOGS: usize = 10;
const SCHEMAS: usize = 1_000;
const TABLES: usize = 100_000;
const GRANTS: usize = 1_000_000;
const USERS: usize = 10_000;
const POLICIES: usize = 100_000;

/// How many grants another server makes, each followed by a snapshot.
const GRANTED_ELSEWHERE: usize = 21;

/// How many groups the users that ask are in.
const GROUPS: [usize; 3] = [1, 20, 200];

fn main() -> std::process::ExitCode {
    match measure() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for (size, grants) in [("small", GRANTS / 10_000), ("large", GRANTS)] {
        let tables = if grants == GRANTS { TABLES } else { TABLES / 1_000 };
        let town = Town::new(tables, grants)?;
        decisions(&mut criterion, size, &town);
        tokens(&mut criterion, size, &town)?;
    }
    starts()?;
    criterion.final_summary();
    Ok(())
}

/// A catalog of many, and the users that ask.
struct Town {
    content: Content,
    askers: Vec<(usize, PrincipalId)>,
    lister: PrincipalId,
    table: TableId,
}

fn principal(name: String, kind: PrincipalKind) -> Principal {
    Principal {
        id: PrincipalId::fresh(),
        name,
        kind,
        disabled: false,
        account_admin: false,
        may_act_for_users: false,
    }
}

impl Town {
    fn new(tables: usize, grants: usize) -> Result<Self> {
        let mut content = Content::empty(MetastoreRoot { id: MetastoreId::fresh(), owner: None });
        let owner = principal("owner".to_owned(), PrincipalKind::User);
        let stamps = Stamps::new(DateTime::UNIX_EPOCH, owner.id);
        let users: Vec<PrincipalId> = (0..USERS)
            .map(|number| {
                let user = principal(format!("user {number}"), PrincipalKind::User);
                let id = user.id;
                content.principals.push(user);
                id
            })
            .collect();
        for number in 0..CATALOGS {
            content.catalogs.push(Catalog::new(Name::new(&format!("c{number}"))?, owner.id, stamps));
        }
        let schemas = SCHEMAS.min(tables);
        for number in 0..schemas {
            let catalog = content.catalogs.get(number % CATALOGS).ok_or("no catalog")?;
            let name = ObjectName::new(catalog.name.as_str(), &format!("s{number}"), "x")?.schema_name();
            content.schemas.push(Schema::new(catalog.id, name, owner.id, stamps));
        }
        for number in 0..tables {
            let schema = content.schemas.get(number % schemas).ok_or("no schema")?;
            let name = ObjectName {
                catalog: schema.name.catalog.clone(),
                schema: schema.name.schema.clone(),
                object: Name::new(&format!("t{number}"))?,
            };
            content.tables.push(Table {
                id: TableId::fresh(),
                schema: schema.id,
                name,
                owner: owner.id,
                kind: TableKind::Managed { location: format!("tables/{number}") },
                columns: vec![Column::new("id", "BIGINT"), Column::new("name", "STRING")],
                row_filter: None,
                masks: Vec::new(),
                properties: Default::default(),
                comment: None,
                tags: Tags::new(),
                stamps,
            });
        }
        for number in 0..grants {
            let table = content.tables.get(number % tables).ok_or("no table")?;
            let user = users.get((number / tables + number * 7) % USERS).ok_or("no user")?;
            content.grants.push(Grant::allow(*user, Privilege::Select, SecurableId::Table(table.id)));
        }
        content.principals.push(owner);
        let table = content.tables.get(tables / 2).ok_or("no table")?.clone();
        let askers = GROUPS.iter().map(|groups| (*groups, asker(&mut content, *groups, &table))).collect();
        let lister = lister(&mut content);
        Ok(Self { content, askers, lister, table: table.id })
    }
}

/// A user in that many groups, the last of which reads the table's schema.
fn asker(content: &mut Content, groups: usize, table: &Table) -> PrincipalId {
    let user = principal(format!("asker {groups}"), PrincipalKind::User);
    let id = user.id;
    content.principals.push(user);
    let mut last = id;
    for number in 0..groups {
        let group = principal(format!("group {groups} {number}"), PrincipalKind::Group);
        content.memberships.push((group.id, id));
        last = group.id;
        content.principals.push(group);
    }
    let schema = table.schema;
    let catalog = content.schemas.iter().find(|known| known.id == schema).map(|known| known.catalog);
    content.grants.push(Grant::allow(last, Privilege::Select, SecurableId::Schema(schema)));
    content.grants.push(Grant::allow(last, Privilege::UseSchema, SecurableId::Schema(schema)));
    if let Some(catalog) = catalog {
        content.grants.push(Grant::allow(last, Privilege::UseCatalog, SecurableId::Catalog(catalog)));
    }
    id
}

/// A user who sees one catalog and nothing else: a tenth of all tables.
fn lister(content: &mut Content) -> PrincipalId {
    let user = principal("lister".to_owned(), PrincipalKind::User);
    let id = user.id;
    content.principals.push(user);
    let first: Option<CatalogId> = content.catalogs.first().map(|catalog| catalog.id);
    content
        .grants
        .extend(first.map(|catalog| Grant::allow(id, Privilege::Browse, SecurableId::Catalog(catalog))));
    id
}

fn decisions(criterion: &mut Criterion, size: &str, town: &Town) {
    let snapshot = Snapshot::new(Epoch(1), town.content.clone());
    let table = SecurableId::Table(town.table);
    for (groups, asker) in &town.askers {
        criterion.bench_function(&format!("authorize/{size}/groups_{groups}"), |bencher| {
            bencher.iter(|| black_box(authorize(&snapshot, *asker, Privilege::Select, table).is_allowed()));
        });
        criterion.bench_function(&format!("may_see/{size}/groups_{groups}"), |bencher| {
            bencher.iter(|| black_box(may_see(&snapshot, *asker, table)));
        });
    }
    let visible = visible_tables(&snapshot, town.lister).len();
    criterion.bench_function(&format!("visible_tables/{size}/{visible}"), |bencher| {
        bencher.iter(|| black_box(visible_tables(&snapshot, town.lister).len()));
    });
    let mut content = Content::empty(town.content.metastore);
    content.grants = snapshot.grants_on(table).collect();
    content.grants.push(Grant::allow(town.lister, Privilege::Select, table));
    let increment = Increment::whole(content);
    criterion.bench_function(&format!("one_grant/{size}"), |bencher| {
        bencher.iter(|| black_box(snapshot.advanced(Epoch(2), increment.clone())));
    });
    policies(criterion, size, town);
}

/// Who a token names: one that was verified before, and one that comes for the first time.
fn tokens(criterion: &mut Criterion, size: &str, town: &Town) -> Result<()> {
    let snapshot = Snapshot::new(Epoch(1), town.content.clone());
    let keys = tempfile::tempdir()?;
    let local = LocalIssuer::open_or_create(keys.path())?;
    let now = DateTime::UNIX_EPOCH;
    let signed = local.sign("asker 20", Duration::from_secs(3600), now)?;
    let credentials = || Credentials::bearer(signed.token.clone());
    let known = Verifier::of(vec![local.issuer()]);
    known.verify(credentials(), &snapshot, now)?;
    criterion.bench_function(&format!("verify/{size}/known"), |bencher| {
        bencher.iter(|| black_box(known.verify(credentials(), &snapshot, now).is_ok()));
    });
    criterion.bench_function(&format!("verify/{size}/first"), |bencher| {
        let fresh = || Verifier::of(vec![local.issuer()]);
        let verify = |verifier: Verifier| black_box(verifier.verify(credentials(), &snapshot, now).is_ok());
        bencher.iter_batched(fresh, verify, BatchSize::SmallInput);
    });
    Ok(())
}

/// One policy over the table, and many over others.
fn policies(criterion: &mut Criterion, size: &str, town: &Town) {
    let mut content = town.content.clone();
    content.grants.clear();
    let scopes = content.tables.iter().map(|table| SecurableId::Table(table.id));
    let elsewhere: Vec<SecurableId> =
        scopes.filter(|scope| *scope != SecurableId::Table(town.table)).take(POLICIES).collect();
    let to: PrincipalId = town.lister;
    content.tag_policies.extend(elsewhere.into_iter().map(|scope| policy_on(scope, to)));
    let schema: Option<SchemaId> =
        content.tables.iter().find(|table| table.id == town.table).map(|table| table.schema);
    content.tag_policies.extend(schema.map(|schema| policy_on(SecurableId::Schema(schema), to)));
    let snapshot = Snapshot::new(Epoch(1), content);
    let Some(table) = snapshot.table_by_id(town.table) else { return };
    criterion.bench_function(&format!("policies_over_a_table/{size}"), |bencher| {
        bencher.iter(|| black_box(snapshot.tag_policies_over(table).len()));
    });
}

fn policy_on(scope: SecurableId, to: PrincipalId) -> TagPolicy {
    let stamps = Stamps::new(DateTime::UNIX_EPOCH, to);
    TagPolicy {
        id: TagPolicyId::fresh(),
        // A scope has one policy here, so that one name serves all.
        name: match Name::new("policy") {
            Ok(name) => name,
            Err(_) => std::process::abort(),
        },
        scope,
        rule: TagPolicyRule::RowFilter,
        function: PolicyFunction::Sql(FunctionId::fresh()),
        audience: Audience { to: vec![to], except: Vec::new() },
        when: TagCondition::True,
        matches: Vec::new(),
        arguments: Vec::new(),
        composition: Composition::Restrictive,
        on_no_match: OnNoMatch::Skip,
        comment: None,
        semantics: weir_catalog::policy::SEMANTICS,
        stamps,
    }
}

/// The first snapshot of a store, and the one after a grant: once each, since they take seconds.
fn starts() -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for grants in [TABLES, GRANTS] {
        let town = Town::new(TABLES, grants)?;
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("catalog.sqlite");
        runtime.block_on(async {
            let store = SqliteStore::open(&path).await?;
            store.commit(Epoch(0), &puts(&town.content), &event()).await?;
            drop(store);
            let timed = tokio::time::Instant::now();
            let metastore = Metastore::open_sqlite(&path).await?;
            let snapshot = metastore.snapshot().await?;
            println!(
                "cold start, {TABLES} tables, {grants} grants: {:.2} s ({:?})",
                timed.elapsed().as_secs_f64(),
                snapshot.counts()
            );
            let other = SqliteStore::open(&path).await?;
            let mut epoch = snapshot.epoch();
            let mut millis = Vec::new();
            for table in town.content.tables.iter().take(GRANTED_ELSEWHERE) {
                let grant = Grant::allow(town.lister, Privilege::Select, SecurableId::Table(table.id));
                epoch = other.commit(epoch, &[Change::GrantAdd(grant)], &event()).await?;
                let timed = tokio::time::Instant::now();
                metastore.snapshot().await?;
                millis.push(timed.elapsed().as_secs_f64() * 1e3);
            }
            millis.sort_by(f64::total_cmp);
            let median = millis.get(millis.len() / 2).copied().unwrap_or_default();
            let most = millis.last().copied().unwrap_or_default();
            println!("a snapshot after a grant elsewhere: median {median:.2} ms, most {most:.2} ms");
            Result::Ok(())
        })?;
    }
    Ok(())
}

fn puts(content: &Content) -> Vec<Change> {
    let mut changes: Vec<Change> = content.principals.iter().cloned().map(Change::PrincipalPut).collect();
    let members = content.memberships.iter();
    changes.extend(members.map(|(group, member)| Change::MemberAdd { group: *group, member: *member }));
    changes.extend(content.catalogs.iter().cloned().map(Change::CatalogPut));
    changes.extend(content.schemas.iter().cloned().map(Change::SchemaPut));
    changes.extend(content.tables.iter().cloned().map(|table| Change::TablePut(Box::new(table))));
    changes.extend(content.grants.iter().copied().map(Change::GrantAdd));
    changes
}

fn event() -> AuditEvent {
    AuditEvent {
        id: AuditEventId::fresh(),
        at: DateTime::UNIX_EPOCH,
        by: None,
        by_name: String::new(),
        origin: Origin::default(),
        action: "bench".to_owned(),
        securable: String::new(),
        parameters: Default::default(),
        answer: "allowed".to_owned(),
        because: String::new(),
    }
}
