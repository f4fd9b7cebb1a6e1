//! The columns of a table that is imported: those of the document on top of those that are there, or in their place.
//!
//! A column of the document is one that is there by its field id, else by its name; where the two are of different
//! columns, nobody can tell which it is. What a table's log says of its columns, the name of one that is known by its
//! id and the id itself, stays as it is: an import changes no log. What the document's policies are bound to is bound to
//! what its column turned out to be. The columns of a view are those of its text, which the document has.

use std::collections::BTreeSet;

use super::Removal;
use super::ids::Told;
use crate::policy::{ColumnBinding, ColumnMask, PolicyArgument};
use crate::securable::{Column, Table};
use crate::snapshot::Snapshot;
use crate::tag::{TagKey, Tags};

/// The columns of a table after the import.
pub(super) struct Imported {
    pub(super) columns: Vec<Column>,
    /// Each column as the document has it, and as it is after the import.
    pairs: Vec<(Column, Column)>,
}

impl Imported {
    /// Binds what the document binds arguments to.
    pub(super) fn bind_arguments(&self, arguments: &mut [PolicyArgument]) -> Told<()> {
        for argument in arguments {
            if let PolicyArgument::Column(binding) = argument {
                self.bind(binding)?;
            }
        }
        Ok(())
    }

    /// The masks of the document, and of `kept` those in whose places it has none. Refused where one would lie
    /// on or within another.
    pub(super) fn masks(&self, said: Vec<ColumnMask>, kept: &[ColumnMask]) -> Told<Vec<ColumnMask>> {
        let beside = |mask: &ColumnMask, other: &ColumnMask| {
            Err(format!("it would have a mask on `{}` beside one on `{}`", mask.place(), other.place()))
        };
        let mut masks: Vec<ColumnMask> = Vec::new();
        for mut mask in said {
            self.bind(&mut mask.column)?;
            self.bind_arguments(&mut mask.arguments)?;
            if let Some(other) = masks.iter().find(|other| overlap(other, &mask)) {
                if *other != mask {
                    return beside(&mask, other);
                }
                continue;
            }
            masks.push(mask);
        }
        let mut stay = Vec::new();
        for was in kept {
            let placed = self.placed(was);
            match masks.iter().find(|mask| overlap(mask, &placed)) {
                None => stay.push(was.clone()),
                Some(mask) if mask.path.len() == placed.path.len() => {}
                Some(mask) => return beside(mask, was),
            }
        }
        masks.extend(stay);
        Ok(masks)
    }

    /// Binds it to what the column that it names in the document is after the import.
    fn bind(&self, binding: &mut ColumnBinding) -> Told<()> {
        if let Some(column) = self.meant(binding)? {
            column.name.clone_into(&mut binding.name);
            binding.field_id = column.field_id;
        }
        Ok(())
    }

    /// By the id that a column has in the document, else by one that it has here, else by name.
    fn meant(&self, binding: &ColumnBinding) -> Told<Option<&Column>> {
        let in_document = self.pairs.iter().find(|(said, _)| same_id(said.field_id, binding.field_id));
        if let Some((_, column)) = in_document {
            return Ok(Some(column));
        }
        let named = self.pairs.iter().find(|(said, _)| same_name(&said.name, &binding.name));
        let named = named.map(|(_, column)| column).or_else(|| self.named(&binding.name));
        match (self.by_id(binding.field_id), named) {
            (Some(column), Some(other)) if column.field_id != other.field_id => {
                Err(told_apart(&binding.name, binding.field_id, other))
            }
            (Some(column), _) | (None, Some(column)) => Ok(Some(column)),
            (None, None) => Ok(None),
        }
    }

    /// A mask that is there, bound to the column that its place is of.
    fn placed(&self, was: &ColumnMask) -> ColumnMask {
        let mut placed = was.clone();
        if let Some(column) = self.by_id(was.column.field_id).or_else(|| self.named(&was.column.name)) {
            column.name.clone_into(&mut placed.column.name);
            placed.column.field_id = column.field_id;
        }
        placed
    }

    fn by_id(&self, id: Option<i64>) -> Option<&Column> {
        self.columns.iter().find(|column| same_id(column.field_id, id))
    }

    fn named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| same_name(&column.name, name))
    }
}

/// The columns after the import. A table keeps those that the document does not name, in their places. Refused where one would go
/// with a governed tag or a mask, or stay without a governed tag: its values would stay, and be read by everybody.
pub(super) fn imported(
    said: Vec<Column>,
    old: Option<&Table>,
    removal: Removal,
    snapshot: &Snapshot,
) -> Told<Imported> {
    let Pairing { known, left } = paired(&said, old)?;
    let has_ids = |old: &Table| old.columns.is_empty() || old.columns.iter().any(|x| x.field_id.is_some());
    let has_ids = old.is_none_or(has_ids);
    let mut pairs = Vec::new();
    for (column, was) in said.into_iter().zip(known) {
        if let Some(was) = was.filter(|_| removal == Removal::Prune) {
            check_keeps_tags(&column, was, snapshot)?;
        }
        let outcome = on_top(column.clone(), was, has_ids, removal);
        pairs.push((column, outcome));
    }
    let mut columns: Vec<Column> = pairs.iter().map(|(_, outcome)| outcome.clone()).collect();
    let keeps = removal == Removal::Keep && old.is_some_and(|old| old.view().is_none());
    for (at, column) in left {
        match old {
            Some(old) if !keeps => check_may_go(column, old, snapshot)?,
            _ => columns.insert(at.min(columns.len()), column.clone()),
        }
    }
    let mut names = BTreeSet::new();
    match columns.iter().find(|column| !names.insert(column.name.to_lowercase())) {
        Some(column) => Err(format!("it would have two columns `{}`", column.name)),
        None => Ok(Imported { columns, pairs }),
    }
}

/// Which columns of the document are there, in its order, and which of those that are there it does not name.
struct Pairing<'c> {
    known: Vec<Option<&'c Column>>,
    left: Vec<(usize, &'c Column)>,
}

fn paired<'c>(said: &[Column], old: Option<&'c Table>) -> Told<Pairing<'c>> {
    let mut ids = BTreeSet::new();
    if let Some(id) = said.iter().filter_map(|column| column.field_id).find(|id| !ids.insert(*id)) {
        return Err(format!("it has two columns with the id {id}"));
    }
    let mut left: Vec<(usize, &'c Column)> =
        old.into_iter().flat_map(|old| old.columns.iter().enumerate()).collect();
    // All by their ids before any by its name: a column may have a name that was another's.
    let mut known: Vec<Option<&'c Column>> =
        said.iter().map(|column| taken(&mut left, |was| same_id(was.field_id, column.field_id))).collect();
    for (column, known) in said.iter().zip(&mut known) {
        match *known {
            Some(was) if same_name(&was.name, &column.name) => {}
            Some(_) => {
                let mut there = old.into_iter().flat_map(|old| &old.columns);
                if let Some(other) = there.find(|other| same_name(&other.name, &column.name)) {
                    return Err(told_apart(&column.name, column.field_id, other));
                }
            }
            None => *known = taken(&mut left, |was| same_name(&was.name, &column.name)),
        }
    }
    Ok(Pairing { known, left })
}

/// What is said where an id and a name are not of one column.
fn told_apart(name: &str, id: Option<i64>, here: &Column) -> String {
    let column = |id: Option<i64>| match id {
        Some(id) => format!("column {id}"),
        None => "a column without an id".to_owned(),
    };
    format!("`{name}` is {} in the document and {} here", column(id), column(here.field_id))
}

/// Whether two masks stand on one column, in one place of it or one within the other.
fn overlap(left: &ColumnMask, right: &ColumnMask) -> bool {
    let same_column = match (left.column.field_id, right.column.field_id) {
        (Some(left), Some(right)) => left == right,
        _ => same_name(&left.column.name, &right.column.name),
    };
    let mut fields = left.path.iter().zip(&right.path);
    same_column && fields.all(|(left, right)| same_name(left, right))
}

/// The first that is it, taken out.
fn taken<'c>(left: &mut Vec<(usize, &'c Column)>, is: impl Fn(&Column) -> bool) -> Option<&'c Column> {
    let place = left.iter().position(|(_, column)| is(column))?;
    Some(left.remove(place).1)
}

/// A table whose columns have no ids gets none from a document: its log has none to know them by.
fn on_top(said: Column, was: Option<&Column>, has_ids: bool, removal: Removal) -> Column {
    let said = Column { field_id: said.field_id.filter(|_| has_ids), ..said };
    let Some(was) = was else { return said };
    let mut tags = match removal {
        Removal::Keep => was.tags.clone(),
        Removal::Prune => Tags::new(),
    };
    tags.extend(said.tags);
    let name = if same_id(was.field_id, said.field_id) { was.name.clone() } else { said.name };
    Column { name, field_id: was.field_id.or(said.field_id), tags, ..said }
}

fn check_keeps_tags(said: &Column, was: &Column, snapshot: &Snapshot) -> Told<()> {
    let lost = governed(was.tags.keys().filter(|key| !said.tags.contains_key(*key)), snapshot);
    if lost.is_empty() {
        return Ok(());
    }
    Err(format!("its column `{}` would lose the governed tags {lost}: take them off first", was.name))
}

fn check_may_go(column: &Column, table: &Table, snapshot: &Snapshot) -> Told<()> {
    let governed = governed(column.tags.keys(), snapshot);
    let stands = match governed.is_empty() {
        false => format!("has the governed tags {governed}"),
        true if table.masks.iter().any(|mask| mask.column.is_on(column)) => "has a mask".to_owned(),
        true => return Ok(()),
    };
    Err(format!("its column `{}`, which is not in the document, {stands}: take that off first", column.name))
}

/// Those of the tags that are governed, as they are told.
fn governed<'t>(keys: impl Iterator<Item = &'t TagKey>, snapshot: &Snapshot) -> String {
    let governed = keys.filter(|key| snapshot.governed_tag(key).is_some());
    governed.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

fn same_id(left: Option<i64>, right: Option<i64>) -> bool {
    left.is_some() && left == right
}

fn same_name(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}
