//! Which raw values a policy may get as arguments.
//!
//! Policies read raw values, whatever masks stand on them. But whoever sets policies on a table alone cannot lift
//! a mask that stands there by a tag policy of the schema, the catalog or the metastore; and would lift it, if
//! a filter or mask of theirs were told the value below. So a column that such a mask hides from the reader is
//! an argument of policies of that scope or a wider one alone.

use weir_catalog::effective::{
    EffectiveArgument, EffectiveColumn, EffectiveFilter, EffectiveMask, EffectivePolicies, PolicyOrigin,
};
use weir_catalog::{PolicyFunction, SecurableId};

/// An argument that a policy may not get.
pub(super) struct Overreach<'a> {
    pub(super) function: PolicyFunction,
    pub(super) column: &'a EffectiveColumn,
    pub(super) is_filter: bool,
}

/// How wide a scope is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Width {
    Table,
    Schema,
    Catalog,
    Metastore,
}

impl Width {
    /// Of the widest of the policies that say the same.
    pub(super) fn of(origins: &[PolicyOrigin]) -> Self {
        let widths = origins.iter().map(|origin| match origin {
            PolicyOrigin::Table => Width::Table,
            PolicyOrigin::Tag(tag) => match tag.scope {
                SecurableId::Metastore => Width::Metastore,
                SecurableId::Catalog(_) => Width::Catalog,
                SecurableId::Schema(_) => Width::Schema,
                _ => Width::Table,
            },
        });
        widths.max().unwrap_or(Width::Table)
    }
}

/// The first argument in which a policy reaches below a mask of a wider scope; `standing` are the masks that
/// hide something from the reader.
pub(super) fn overreach<'a>(
    effective: &'a EffectivePolicies,
    standing: &[&EffectiveMask],
) -> Option<Overreach<'a>> {
    let filters = effective.filters.iter().map(|filter| {
        let EffectiveFilter { origins, function, arguments, .. } = filter;
        (origins, *function, arguments, true)
    });
    let masks = effective.masks.iter().map(|mask| {
        let EffectiveMask { origins, function, arguments, .. } = mask;
        (origins, *function, arguments, false)
    });
    filters.chain(masks).find_map(|(origins, function, arguments, is_filter)| {
        let width = Width::of(origins);
        let columns = arguments.iter().filter_map(|argument| match argument {
            EffectiveArgument::Column(column) => Some(column),
            EffectiveArgument::Literal(_) => None,
        });
        let mut hidden = columns.filter(|column| {
            standing.iter().any(|mask| mask.column == **column && Width::of(&mask.origins) > width)
        });
        hidden.next().map(|column| Overreach { function, column, is_filter })
    })
}
