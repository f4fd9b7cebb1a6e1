//! Names of the fields inside columns. Arrow takes types for equal whose structs have other names for their fields; for a
//! policy a field is what it is called.

use datafusion::arrow::datatypes::DataType;

/// Whether two types of one shape have the same names for the fields of their structs, at every depth and place by place.
pub(crate) fn same_inner_names(left: &DataType, right: &DataType) -> bool {
    match (left, right) {
        (DataType::Struct(left), DataType::Struct(right)) => {
            let mut both = left.iter().zip(right.iter());
            left.len() == right.len()
                && both.all(|(left, right)| {
                    left.name() == right.name() && same_inner_names(left.data_type(), right.data_type())
                })
        }
        (DataType::Map(left, _), DataType::Map(right, _)) => {
            same_in_entries(left.data_type(), right.data_type())
        }
        _ => match (item_of(left), item_of(right)) {
            (Some(left), Some(right)) => same_inner_names(left, right),
            (None, None) => !left.is_nested() && !right.is_nested(),
            _ => false,
        },
    }
}

/// Of a map, whose keys and values are called as whoever made it calls them.
fn same_in_entries(left: &DataType, right: &DataType) -> bool {
    match (left, right) {
        (DataType::Struct(left), DataType::Struct(right)) => {
            let mut both = left.iter().zip(right.iter());
            left.len() == right.len()
                && both.all(|(left, right)| same_inner_names(left.data_type(), right.data_type()))
        }
        _ => false,
    }
}

/// The type of a list's items.
fn item_of(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{Field, Fields};

    use super::*;

    fn structure(fields: Vec<(&str, DataType)>) -> DataType {
        let fields = fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true));
        DataType::Struct(fields.collect::<Fields>())
    }

    fn list(name: &str, item: DataType) -> DataType {
        DataType::List(Arc::new(Field::new(name, item, true)))
    }

    fn map(names: [&str; 3], value: DataType) -> DataType {
        let entries = structure(vec![(names[1], DataType::Utf8), (names[2], value)]);
        DataType::Map(Arc::new(Field::new(names[0], entries, false)), false)
    }

    #[test]
    fn fields_of_structs_are_told_by_name_at_every_depth_and_those_of_lists_and_maps_are_not() {
        let pair = |a: &str, b: &str| structure(vec![(a, DataType::Utf8), (b, DataType::Utf8)]);
        let around = |inner: DataType| structure(vec![("x", list("element", map(["e", "k", "v"], inner)))]);
        let other =
            |inner: DataType| structure(vec![("x", list("item", map(["entries", "key", "value"], inner)))]);
        assert!(same_inner_names(&DataType::Utf8, &DataType::Utf8View));
        assert!(same_inner_names(&pair("a", "b"), &pair("a", "b")));
        assert!(same_inner_names(&around(pair("a", "b")), &other(pair("a", "b"))));
        for (left, right) in [
            (pair("a", "b"), pair("b", "a")),
            (pair("a", "b"), structure(vec![("a", DataType::Utf8)])),
            (around(pair("a", "b")), other(pair("b", "a"))),
            (list("item", pair("a", "b")), pair("a", "b")),
            (pair("a", "b"), DataType::Utf8),
        ] {
            assert!(!same_inner_names(&left, &right), "{left} {right}");
        }
    }
}
