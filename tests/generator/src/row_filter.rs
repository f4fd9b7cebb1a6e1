//! Row filters of every shape.

use proptest::prelude::*;
use proptest::sample::select;

use crate::clause::Clause;

/// May stand anywhere in a filter.
const OPEN: &[&str] = &[
    "{a} > 2",
    "{a} <= {p}",
    "{c} <> 'x'",
    "{c} IN ('x', 'y', '1')",
    "{a} NOT IN (1, 2, 3)",
    "{c} IN ('x', NULL)",
    "{b} IS NULL",
    "{b} IS NOT NULL",
    "{f}",
    "NOT {f}",
    "{d} >= DATE '2024-01-03'",
    "{e} < 1.50",
    "{g} > CAST('0.5' AS DOUBLE)",
    "{c} LIKE 'x%'",
    "length({c}) = 1",
    "{p} BETWEEN 0 AND 1",
    "coalesce({f}, {a} > 0)",
    "CASE WHEN {f} THEN {a} > 1 ELSE {c} = 'x' END",
    "EXISTS (SELECT 1 FROM {mapping} m WHERE m.k = {a})",
    "NOT EXISTS (SELECT 1 FROM {mapping} m WHERE m.c = {c})",
    "EXISTS (SELECT 1 FROM {mapping} m WHERE m.k = {a} AND m.c = {user})",
    "{a} = (SELECT max(m.k) FROM {mapping} m)",
    "{b} < (SELECT count(*) FROM {mapping} m)",
    "{among:c}",
    "NOT {among:c}",
    "{in:x}",
    "{in:z}",
    "{in:z} OR {a} > 3",
    "{user} = 'alice' AND {a} % 2 = 0",
    "{c} = {user}",
    "TRUE",
    "FALSE",
    "CAST(NULL AS BOOLEAN)",
    "{user} = 'bob'",
];

/// Stand for themselves or beside others, all of which must hold.
const MEMBERSHIPS: &[&str] = &[
    "{a} IN (SELECT m.k FROM {mapping} m)",
    "{b} IN (SELECT m.k FROM {mapping} m WHERE m.c <> 'x')",
    "{c} IN (SELECT m.c FROM {mapping} m WHERE m.k > 1)",
    "{a} NOT IN (SELECT m.k FROM {mapping} m)",
    "{c} NOT IN (SELECT m.c FROM {mapping} m WHERE m.c IS NOT NULL)",
];

/// Fail on some rows. The engine makes AND and OR of a CASE between conditions, and with that loses its order.
const FAILING: &[&str] = &[
    "10 / ({a} - 3) > 1",
    "CASE WHEN {a} = 3 THEN FALSE ELSE 10 / ({a} - 3) > 1 END",
    "{a} <> 3 AND 10 / ({a} - 3) > 1",
    "CAST({c} AS INT) > 0",
    "{f} OR 1 / {p} = 1",
];

/// Any filter.
pub(crate) fn row_filter() -> BoxedStrategy<Clause> {
    let open = select(OPEN).prop_map(Clause::new);
    let nested = open.prop_recursive(2, 5, 2, |inner| {
        let two = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            two.clone().prop_map(|(l, r, _)| l.joined(&r, |l, r| format!("(({l}) AND ({r}))"))),
            two.clone().prop_map(|(l, r, _)| l.joined(&r, |l, r| format!("(({l}) OR ({r}))"))),
            two.clone().prop_map(|(one, _, _)| one.joined(&one, |one, _| format!("NOT ({one})"))),
            two.prop_map(|(when, then, other)| {
                let chosen = when.joined(&then, |w, t| format!("CASE WHEN {w} THEN {t} ELSE"));
                chosen.joined(&other, |chosen, other| format!("{chosen} {other} END"))
            }),
        ]
    });
    let membership =
        (select(MEMBERSHIPS), nested.clone(), any::<bool>()).prop_map(|(membership, other, alone)| {
            let membership = Clause::new(membership);
            match alone {
                true => membership,
                false => membership.joined(&other, |m, o| format!("{m} AND ({o})")),
            }
        });
    prop_oneof![8 => nested, 3 => membership, 1 => select(FAILING).prop_map(Clause::failing)].boxed()
}
