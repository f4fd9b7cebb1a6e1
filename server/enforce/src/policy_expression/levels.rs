//! Row filters of several scopes as one.
//!
//! Each scope says on its own which rows stay: every restrictive filter of it must keep a row and, where it has
//! permissive ones, any of those. All scopes must: a permissive filter opens nothing that a wider scope hides.
//!
//! A filter is not asked of rows that a wider scope hides: whether it fails on one would tell of it to whoever
//! set it. The engine may ask both sides of an AND of every row, and makes ANDs of a CASE of truth values; of a
//! CASE of numbers it asks each branch of its own rows alone.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, cast, lit, when};
use weir_catalog::Composition;

use super::reach::Width;
use super::{Bound, membership};

/// The filters by their scopes, the widest first.
#[derive(Default)]
pub(super) struct Levels(BTreeMap<Reverse<Width>, Level>);

/// The filters of one scope.
#[derive(Default)]
struct Level {
    every: Option<Bound>,
    any: Option<Bound>,
    /// A permissive filter keeps every row, and leaves nothing for the others to say.
    open: bool,
}

/// What they say together.
pub(super) enum Whole {
    Filter(Option<Bound>),
    /// One asks for membership where the answer would not be SQL's.
    Misplaced,
}

impl Levels {
    /// Adds a filter; whether it says anything.
    pub(super) fn put(&mut self, width: Width, composition: Composition, bound: Bound) -> bool {
        let level = self.0.entry(Reverse(width)).or_default();
        match (composition, bound.is(true)) {
            (Composition::Restrictive, true) => return false,
            (Composition::Permissive, true) => {
                level.open = true;
                return false;
            }
            (Composition::Restrictive, false) => {
                level.every = Some(join(level.every.take(), bound, Expr::and))
            }
            (Composition::Permissive, false) => level.any = Some(join(level.any.take(), bound, Expr::or)),
        }
        true
    }

    pub(super) fn whole(self) -> Result<Whole> {
        let mut whole: Option<Bound> = None;
        for level in self.0.into_values() {
            let filter = match level.any.filter(|_| !level.open) {
                Some(any) => Some(join(level.every, any, Expr::and)),
                None => level.every,
            };
            let Some(filter) = filter else { continue };
            let placed = match &whole {
                None => membership::filter_holds(&filter.expression)?,
                Some(_) => membership::condition_holds(&filter.expression)?,
            };
            if !placed {
                return Ok(Whole::Misplaced);
            }
            whole = Some(match whole {
                None => filter,
                Some(wide) => within(wide, filter)?,
            });
        }
        Ok(Whole::Filter(whole))
    }
}

/// Rows for which `wide` holds and, asked of those alone, `narrow`.
fn within(wide: Bound, narrow: Bound) -> Result<Bound> {
    let asked =
        when(wide.expression.clone(), cast(narrow.expression, DataType::Int8)).otherwise(lit(0_i8))?;
    let narrow = Bound { arguments: narrow.arguments, expression: asked.eq(lit(1_i8)) };
    Ok(wide.joined(narrow, Expr::and))
}

/// Takes the place of what there is, or joins it.
fn join(before: Option<Bound>, bound: Bound, join: fn(Expr, Expr) -> Expr) -> Bound {
    match before {
        Some(before) => before.joined(bound, join),
        None => bound,
    }
}
