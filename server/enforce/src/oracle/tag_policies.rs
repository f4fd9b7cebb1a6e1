//! The oracle for policies that find their table by tags, several at once, and for masks inside a struct.
//!
//! The table is `t(a INT, b INT, c STRING, d INT, s STRUCT<num: INT, txt: STRING>)`, where `s` is NULL or holds the
//! row's `b` and `c`, so that every mask of `b` or `c` has a twin inside the struct. Each column carries the
//! tag `col` with its name as the value.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, StringArray, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::logical_expr::Volatility;
use weir_catalog::{
    Audience, BuiltinMask, Column, ColumnMask, ColumnMatch, Composition, GovernedTag, GovernedTagId, Name,
    OnNoMatch, PolicyArgument, PolicyFunction, PrincipalId, SecurableId, Stamps, TagCondition, TagKey,
    TagPolicy, TagPolicyArgument, TagPolicyId, TagPolicyRule, policy::SEMANTICS,
};

use super::*;
use crate::test_world::Canary;

/// A row with its struct.
#[derive(Debug, Clone, PartialEq)]
struct Wide {
    row: Row,
    /// The fields of `s`; `None` where the struct itself is NULL.
    s: Option<(Option<i32>, Option<String>)>,
}

/// Whom a policy speaks of; alice asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Alice,
    HerGroup,
    Bob,
    GroupExceptAlice,
    BobAndGroupExceptHerOther,
}

impl Whom {
    const ALL: [Whom; 5] =
        [Whom::Alice, Whom::HerGroup, Whom::Bob, Whom::GroupExceptAlice, Whom::BobAndGroupExceptHerOther];

    fn holds_for_alice(self) -> bool {
        matches!(self, Whom::Alice | Whom::HerGroup)
    }

    fn audience(self, world: &World, x: PrincipalId, y: PrincipalId) -> Audience {
        let (to, except) = match self {
            Whom::Alice => (vec![world.alice], vec![]),
            Whom::HerGroup => (vec![world.bob, x], vec![world.bob]),
            Whom::Bob => (vec![world.bob], vec![]),
            Whom::GroupExceptAlice => (vec![x], vec![world.alice]),
            Whom::BobAndGroupExceptHerOther => (vec![world.bob, x], vec![y]),
        };
        Audience { to, except }
    }
}

/// What all policies of the world have.
#[derive(Debug, Clone)]
struct Stance {
    whom: Whom,
    scope: usize,
    restrictive: bool,
    /// Whether its columns can be found; where not, it says ON NO MATCH SKIP.
    matched: bool,
}

fn stance() -> impl Strategy<Value = Stance> {
    (select(Whom::ALL.to_vec()), 0..4_usize, any::<bool>(), weighted(0.9, Just(()))).prop_map(
        |(whom, scope, restrictive, matched)| Stance { whom, scope, restrictive, matched: matched.is_some() },
    )
}

impl Stance {
    /// Whether a policy over so many columns holds for alice; one over none has nothing to find.
    fn holds(&self, over: usize) -> bool {
        self.whom.holds_for_alice() && (self.matched || over == 0)
    }
}

/// The world of the plain oracle with the struct, and alice's two groups.
struct Tagged {
    world: World,
    table: TableId,
    x: PrincipalId,
    y: PrincipalId,
}

fn structs(rows: &[Wide]) -> (String, ArrayRef) {
    let fields =
        Fields::from(vec![Field::new("num", DataType::Int32, true), Field::new("txt", DataType::Utf8, true)]);
    // reason: the fields of a struct that is NULL hold nothing
    let of = |row: &Wide| row.s.clone().unwrap_or_default();
    let x: ArrayRef = Arc::new(rows.iter().map(|row| of(row).0).collect::<Int32Array>());
    let y: ArrayRef = Arc::new(rows.iter().map(|row| of(row).1).collect::<StringArray>());
    let there = NullBuffer::from_iter(rows.iter().map(|row| row.s.is_some()));
    ("s".to_owned(), Arc::new(StructArray::new(fields, vec![x, y], Some(there))))
}

fn wide(rows: &[Wide]) -> RawTable {
    let half = rows.len() / 2;
    let columns = |rows: &[Wide]| {
        batch(vec![
            ints("A", rows.iter().map(|row| row.row.a)),
            ints("b", rows.iter().map(|row| row.row.b)),
            texts("C", rows.iter().map(|row| row.row.c.as_deref())),
            ints("d", rows.iter().map(|row| row.row.d)),
            structs(rows),
        ])
    };
    RawTable::partitioned(vec![columns(&rows[..half]), columns(&rows[half..])])
}

fn key() -> TagKey {
    TagKey::new("col").unwrap()
}

impl Tagged {
    fn new(rows: &[Wide], partitions: usize) -> Self {
        let narrow: Vec<Row> = rows.iter().map(|row| row.row.clone()).collect();
        let (mut world, table) = world(&narrow, partitions);
        world.set_raw(table, wide(rows));
        let group = |name: &str| world.content.principals.iter().find(|one| one.name == name).unwrap().id;
        let (x, y) = (group("x"), group("y"));
        let columns = [("A", "INT"), ("b", "INT"), ("C", "STRING"), ("d", "INT"), ("s", STRUCT)];
        world.of(table).columns = columns
            .into_iter()
            .map(|(name, type_text)| {
                let tags = [(key(), name.to_lowercase())].into_iter().collect();
                Column { tags, ..Column::new(name, type_text) }
            })
            .collect();
        let stamps = Stamps::new(Default::default(), world.root);
        world.content.governed_tags.push(GovernedTag {
            id: GovernedTagId::fresh(),
            key: key(),
            values: Vec::new(),
            owner: world.root,
            comment: None,
            stamps,
        });
        Self { world, table, x, y }
    }

    /// A policy of `function` over the columns `over`, the first of which it masks where `masks`.
    fn policy(&mut self, stance: &Stance, function: PolicyFunction, over: &[&str], masks: bool) {
        let scopes = [
            SecurableId::Metastore,
            SecurableId::Catalog(self.world.content.catalogs[0].id),
            SecurableId::Schema(self.world.schema),
            SecurableId::Table(self.table),
        ];
        let value = |column: &str| match stance.matched {
            true => column.to_owned(),
            false => "no such column".to_owned(),
        };
        let matches: Vec<ColumnMatch> = over
            .iter()
            .enumerate()
            .map(|(at, column)| ColumnMatch {
                condition: TagCondition::HasTagValue(key(), value(column)),
                alias: Some(format!("it_{at}")),
            })
            .collect();
        let arguments =
            (usize::from(masks)..over.len()).map(|at| TagPolicyArgument::Alias(format!("it_{at}"))).collect();
        let number = self.world.content.tag_policies.len();
        let policy = TagPolicy {
            id: TagPolicyId::fresh(),
            name: Name::new(&format!("p{number}")).unwrap(),
            scope: scopes[stance.scope],
            rule: match masks {
                true => TagPolicyRule::ColumnMask { on: "it_0".to_owned() },
                false => TagPolicyRule::RowFilter,
            },
            function,
            audience: stance.whom.audience(&self.world, self.x, self.y),
            when: TagCondition::HasColumnTag(key()),
            matches,
            arguments,
            composition: match stance.restrictive {
                true => Composition::Restrictive,
                false => Composition::Permissive,
            },
            on_no_match: OnNoMatch::Skip,
            comment: None,
            semantics: SEMANTICS,
            stamps: Stamps::new(Default::default(), self.world.root),
        };
        self.world.content.tag_policies.push(policy);
    }

    /// A mask of the table's own, on a field of `s`.
    fn field_mask(&mut self, field: &str, mask: &Masked) {
        let (_, parameters, returns, body, more, _) = mask;
        let function = self.world.function(&format!("field_mask_{field}"), parameters, returns, body);
        let binding = |column: &str| self.world.binding(self.table, column);
        let own = ColumnMask {
            column: binding("s"),
            path: vec![field.to_uppercase()],
            function: PolicyFunction::Sql(function),
            arguments: more.iter().map(|column| PolicyArgument::Column(binding(&raw_name(column)))).collect(),
            semantics: SEMANTICS,
        };
        self.world.of(self.table).masks.push(own);
    }
}

const STRUCT: &str = "STRUCT<num: INT, txt: STRING>";

fn wide_rows() -> impl Strategy<Value = Vec<Wide>> {
    (rows(), vec(weighted(0.8, Just(())), 24)).prop_map(|(rows, there)| {
        let whole = |(row, there): (Row, Option<()>)| {
            let s = there.map(|()| (row.b, row.c.clone()));
            Wide { row, s }
        };
        rows.into_iter().zip(there).map(whole).collect()
    })
}

/// Queries of the plain oracle, some with fields of the struct where they have columns, some with all of it.
fn wide_query() -> impl Strategy<Value = String> {
    let fields = (query(), any::<bool>(), any::<bool>()).prop_map(|(sql, x, y)| {
        let sql = sql.replace("WITH w AS (SELECT t.a, t.b, t.c, t.d FROM t)", "WITH w AS (SELECT * FROM t)");
        let swap = |sql: String, on: bool, column: &str, field: &str| match on {
            true => sql
                .replace(&format!("t.{column}"), &format!("t.{field}"))
                .replace(&format!("u.{column}"), &format!("u.{field}")),
            false => sql,
        };
        swap(swap(sql, x, "b", "s.num"), y, "c", "s.txt")
    });
    let whole = predicate().prop_map(|predicate| format!("SELECT t.s, t.a, t.b FROM t WHERE {predicate}"));
    let null = predicate().prop_map(|predicate| {
        format!("SELECT count(t.s), count(t.s.num), count(*) FROM t WHERE t.s IS NOT NULL OR {predicate}")
    });
    prop_oneof![6 => fields, 2 => whole, 1 => null]
}

/// The mask as plain Rust, of the raw row: what stands in `b` and in `c` afterwards.
fn masked_by(mask: Mask, raw: &Row) -> (Option<i32>, Option<String>) {
    let mut row = raw.clone();
    mask(&mut row);
    (row.b, row.c)
}

/// Metastore, catalog, schema, table; the last is where the table's own policies stand.
const SCOPES: usize = 4;
const OWN: usize = 3;

/// Everything that holds in a case.
#[derive(Debug, Clone)]
struct Case {
    own: Option<Filter>,
    filters: Vec<(Filter, Stance)>,
    column_masks: Vec<(Masked, Stance)>,
    field_masks: [Option<Masked>; 2],
    /// A tag mask of the whole struct that wins over those of its fields.
    whole: Option<Stance>,
}

fn case() -> impl Strategy<Value = Case> {
    let (b, c) = (MASKS[..5].to_vec(), MASKS[5..].to_vec());
    let of = |masks: &Vec<Masked>| weighted(0.5, select(masks.clone()));
    // NOT IN beside another permissive filter is refused, which a test of its own holds.
    let filter = (select(FILTERS.to_vec()), stance()).prop_map(|(filter, stance)| {
        let restrictive = stance.restrictive || filter.1.contains("NOT IN");
        (filter, Stance { restrictive, ..stance })
    });
    let filters = vec(filter, 0..4);
    let tagged = (weighted(0.5, (select(b.clone()), stance())), weighted(0.5, (select(c.clone()), stance())));
    (weighted(0.4, select(FILTERS.to_vec())), filters, tagged, of(&b), of(&c), weighted(0.2, stance()))
        .prop_map(|(own, filters, (on_b, on_c), x, y, whole)| Case {
            own,
            filters,
            column_masks: on_b.into_iter().chain(on_c).collect(),
            field_masks: [x, y],
            whole,
        })
}

impl Case {
    fn govern(&self, tagged: &mut Tagged) {
        if let Some((parameters, body, columns, _)) = self.own {
            let columns: Vec<String> = columns.iter().map(|column| raw_name(column)).collect();
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            tagged.world.filter(tagged.table, parameters, body, &columns);
        }
        for (number, ((parameters, body, columns, _), stance)) in self.filters.iter().enumerate() {
            let function = tagged.world.function(&format!("tag_keep_{number}"), parameters, "BOOLEAN", body);
            tagged.policy(stance, PolicyFunction::Sql(function), columns, false);
        }
        for ((column, parameters, returns, body, more, _), stance) in &self.column_masks {
            let function = tagged.world.function(&format!("tag_mask_{column}"), parameters, returns, body);
            let over: Vec<&str> = std::iter::once(*column).chain(more.iter().copied()).collect();
            tagged.policy(stance, PolicyFunction::Sql(function), &over, true);
        }
        for (field, mask) in ["num", "txt"].into_iter().zip(&self.field_masks) {
            if let Some(mask) = mask {
                tagged.field_mask(field, mask);
            }
        }
        if let Some(stance) = &self.whole {
            let stance = Stance { restrictive: true, ..stance.clone() };
            tagged.policy(&stance, PolicyFunction::Builtin(BuiltinMask::MaskNull), &["s"], true);
        }
    }

    /// Why the table is closed to alice, in the words of its refusals.
    fn closes(&self) -> Vec<&'static str> {
        let below = self.reaches_below_a_mask().then_some("a policy of a wider scope masks");
        let within = self.asks_for_membership_within().then_some("write NOT EXISTS");
        below.into_iter().chain(within).collect()
    }

    /// Whether a policy that holds for alice gets a column that a policy of a wider scope masks for her.
    fn reaches_below_a_mask(&self) -> bool {
        let masks = || self.column_masks.iter().filter(|(mask, stance)| stance.holds(1 + mask.4.len()));
        let hides = |mask: &Masked| mask.3 != "CASE WHEN is_account_group_member('x') THEN v END";
        let hidden = |column: &str, scope: usize| {
            masks().any(|(mask, stance)| mask.0 == column && stance.scope < scope && hides(mask))
        };
        let reaches = |columns: &[&str], scope| columns.iter().any(|column| hidden(column, scope));
        let fields = self.field_masks.iter().flatten();
        let filters = self.filters.iter().filter(|(one, stance)| stance.holds(one.2.len()));
        self.own.iter().any(|own| reaches(own.2, OWN))
            || fields.into_iter().any(|mask| reaches(mask.4, OWN))
            || filters.into_iter().any(|(one, stance)| reaches(one.2, stance.scope))
            || masks().any(|(mask, stance)| reaches(mask.4, stance.scope))
    }

    /// Whether NOT IN stands below a filter of a wider scope, where it would not tell NULL from FALSE.
    fn asks_for_membership_within(&self) -> bool {
        let says = |filter: &Filter| filter.1 != "current_user() = 'alice'";
        let of = |scope: usize| {
            let tagged = self.filters.iter().filter(|(one, stance)| stance.holds(one.2.len()));
            tagged.filter(move |(_, stance)| stance.scope == scope)
        };
        let speaks = |scope: usize| {
            let restricts = of(scope).any(|(one, stance)| stance.restrictive && says(one));
            let permissive = || of(scope).filter(|(_, stance)| !stance.restrictive);
            let own = scope == OWN && self.own.as_ref().is_some_and(says);
            own || restricts || (permissive().count() > 0 && permissive().all(|(one, _)| says(one)))
        };
        let Some(widest) = (0..SCOPES).find(|scope| speaks(*scope)) else { return false };
        let own = self.own.iter().any(|own| own.1.contains("NOT IN") && widest < OWN);
        own || (widest + 1..SCOPES).any(|scope| of(scope).any(|(one, _)| one.1.contains("NOT IN")))
    }

    /// The rows that alice sees, by plain Rust.
    fn visible(&self, rows: &[Wide]) -> Vec<Wide> {
        let holding = || self.filters.iter().filter(|(one, stance)| stance.holds(one.2.len()));
        let kept = |(_, _, _, keep): &Filter, raw: &Row| keep(raw) == Some(true);
        let stays = |raw: &Row| {
            let own = self.own.as_ref().is_none_or(|own| kept(own, raw));
            let every = holding().filter(|(_, stance)| stance.restrictive).all(|(one, _)| kept(one, raw));
            let any_of = |scope: usize| {
                let mut any =
                    holding().filter(|(_, stance)| !stance.restrictive && stance.scope == scope).peekable();
                any.peek().is_none() || any.any(|(one, _)| kept(one, raw))
            };
            own && every && (0..SCOPES).all(any_of)
        };
        let seen = |wide: &Wide| {
            let raw = &wide.row;
            let mut seen = wide.clone();
            for ((column, _, _, _, _, mask), _) in self.column_masks.iter().filter(|(_, of)| of.holds(1)) {
                let (b, c) = masked_by(*mask, raw);
                if *column == "b" { seen.row.b = b } else { seen.row.c = c }
            }
            let [x, y] = &self.field_masks;
            if let Some((was_x, was_y)) = &mut seen.s {
                if let Some(mask) = x {
                    *was_x = masked_by(mask.5, raw).0;
                }
                if let Some(mask) = y {
                    *was_y = masked_by(mask.5, raw).1;
                }
            }
            if self.whole.as_ref().is_some_and(|stance| stance.holds(1)) {
                seen.s = None;
            }
            seen
        };
        rows.iter().filter(|wide| stays(&wide.row)).map(seen).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_table_governed_by_tags_and_inside_structs_is_its_filtered_and_masked_copy(
        rows in wide_rows(),
        case in case(),
        strict in any::<bool>(),
        partitions in 1..4_usize,
        sql in wide_query(),
    ) {
        let mut governed = Tagged::new(&rows, partitions);
        case.govern(&mut governed);
        if strict {
            governed.world.protect(governed.table, "strict");
        }
        let plain = Tagged::new(&case.visible(&rows), partitions);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let expected = runtime.block_on(plain.world.rows(plain.world.alice, &sql));
        let got = runtime.block_on(governed.world.rows(governed.world.alice, &sql));
        match (expected, got) {
            (_, got) if !case.closes().is_empty() => {
                // reason: an answer is the failure; its text is empty here
                let told = got.err().map(|error| error.to_string()).unwrap_or_default();
                prop_assert!(case.closes().iter().any(|why| told.contains(why)), "{} {} {:?}", sql, told, case);
            }
            (Ok(expected), Ok(got)) => prop_assert_eq!(expected, got, "{} {:?}", sql, case),
            (expected, got) => prop_assert!(false, "{}: {:?} {:?} {:?}", sql, expected, got, case),
        }
    }
}

/// The comparison is not blind: a case that hides something differs from the table as it is, and the case's
/// own model is what tells so.
#[test]
fn a_case_that_hides_differs_from_the_raw_table() {
    let row = Row { a: Some(1), b: Some(2), c: Some("x".to_owned()), d: Some(0) };
    let rows = [Wide { s: Some((row.b, row.c.clone())), row }];
    let stance = |whom| Stance { whom, scope: 1, restrictive: true, matched: true };
    let case = |whom| Case {
        own: None,
        filters: Vec::new(),
        column_masks: vec![(MASKS[5], stance(whom))],
        field_masks: [Some(MASKS[0]), None],
        whole: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = |case: &Case| {
        let mut tagged = Tagged::new(&rows, 1);
        case.govern(&mut tagged);
        runtime.block_on(tagged.world.rows(tagged.world.alice, "SELECT b, c, s.num, s.txt FROM t")).unwrap()
    };
    assert_eq!(answer(&case(Whom::HerGroup)), ["2|***|4|x"]);
    assert_eq!(answer(&case(Whom::GroupExceptAlice)), ["2|x|4|x"]);
    assert_eq!(case(Whom::HerGroup).visible(&rows)[0].row.c.as_deref(), Some("***"));
    assert_eq!(case(Whom::Bob).visible(&rows)[0].s, Some((Some(4), Some("x".to_owned()))));
}

/// Whether a filter fails on a row would tell of it to whoever set it: it is asked of none that a wider scope
/// hides, and opens none.
#[tokio::test]
async fn a_filter_is_asked_of_no_row_that_a_wider_scope_hides() {
    let number = |n: i32| Row { a: Some(n), b: Some(n), c: None, d: None };
    let rows: Vec<Wide> = (0..12).map(|n| Wide { s: None, row: number(n) }).collect();
    let stance = |scope, restrictive| Stance { whom: Whom::HerGroup, scope, restrictive, matched: true };
    for (partitions, scope, restrictive) in [(1, 2, true), (3, 1, true), (1, 0, false)] {
        for (hides, left) in [("v < 6", 6), ("v < 11", 11), ("v < 1", 1), ("v % 2 = 0 AND v < 9", 5)] {
            let governed = |body: &str, own: bool| {
                let mut tagged = Tagged::new(&rows, partitions);
                let wide = tagged.world.function("wide", &["v INT"], "BOOLEAN", hides);
                tagged.policy(&stance(scope, restrictive), PolicyFunction::Sql(wide), &["b"], false);
                match own {
                    true => drop(tagged.world.filter(tagged.table, &["v INT"], body, &["b"])),
                    false => {
                        let narrow = tagged.world.function("narrow", &["v INT"], "BOOLEAN", body);
                        let stance = stance(3, restrictive);
                        tagged.policy(&stance, PolicyFunction::Sql(narrow), &["b"], false);
                    }
                }
                tagged.world
            };
            for own in [true, false] {
                let mut world = governed("spy(v) >= 0", own);
                let (spy, mut canary) = Canary::new("spy", Volatility::Immutable);
                world.callable(spy);
                let seen = world.rows(world.alice, "SELECT b FROM t").await.unwrap();
                assert_eq!(seen.len(), left, "{hides}");
                let asked = canary.seen();
                assert!(asked.iter().all(|value| seen.contains(value)), "{hides}: {asked:?}");
                let world = governed("1 / (v - 11) <= 1", own);
                assert_eq!(world.rows(world.alice, "SELECT b FROM t").await.unwrap().len(), left, "{hides}");
            }
        }
    }
}

/// `NOT IN` over a NULL is NULL and drops the row. The engine says TRUE where it stands within OR or CASE, so that
/// the table is closed there rather than open.
#[test]
fn a_membership_that_could_not_tell_null_from_false_closes_the_table() {
    let row = Row { a: None, b: None, c: Some("raw".to_owned()), d: None };
    let rows = [Wide { s: None, row }];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = |tagged: &Tagged| runtime.block_on(tagged.world.rows(tagged.world.alice, "SELECT c FROM t"));
    let closes = |told: &str| told.ends_with("write NOT EXISTS");
    let among = "(SELECT m.k FROM main.hr.mapping m)";
    for (body, expected) in [
        (format!("v NOT IN {among}"), Some(0)),
        (format!("v NOT IN {among} AND v > 0"), Some(0)),
        (format!("v IN {among} OR v > 0"), Some(0)),
        ("v IS NULL AND NOT EXISTS (SELECT 1 FROM main.hr.mapping m WHERE m.k = v)".to_owned(), Some(1)),
        (format!("v NOT IN {among} OR v > 0"), None),
        (format!("CASE WHEN v IN {among} THEN FALSE ELSE v > 0 END"), None),
        (format!("NOT (v IN {among} AND v > 0)"), None),
        (format!("CASE WHEN v NOT IN {among} THEN TRUE ELSE FALSE END"), None),
        (format!("(v IN {among}) = FALSE"), None),
        (format!("(v IN {among}) IS FALSE"), None),
    ] {
        let mut tagged = Tagged::new(&rows, 1);
        tagged.world.filter(tagged.table, &["v INT"], &body, &["b"]);
        match (answer(&tagged), expected) {
            (Ok(seen), Some(expected)) => assert_eq!(seen.len(), expected, "{body}"),
            (Err(refusal), None) => assert!(closes(&refusal.to_string()), "{body}: {refusal}"),
            (told, _) => assert!(told.is_err() && expected.is_none(), "{body}: {told:?}"),
        }
    }
    let body = format!("CASE WHEN v NOT IN {among} THEN c ELSE '*' END");
    let mut tagged = Tagged::new(&rows, 1);
    tagged.world.mask(tagged.table, "C", &["c STRING", "v INT"], "STRING", &body, &["b"]);
    let refusal = answer(&tagged).unwrap_err();
    assert!(closes(&refusal.to_string()), "{body}: {refusal}");
}
