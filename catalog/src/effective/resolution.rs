//! From a table, a caller and the columns at hand to [`EffectivePolicies`].

use std::collections::HashMap;
use std::sync::Arc;

use super::{
    EffectiveArgument, EffectiveColumn, EffectiveFilter, EffectiveMask, EffectivePolicies, OpenedColumn,
    PolicyOrigin, PolicyRefusal, TagPolicyOrigin, matches_column, speaks_of,
};
use crate::id::PrincipalId;
use crate::policy::{ColumnBinding, Literal, PolicyArgument, SEMANTICS};
use crate::securable::{Column, SecurableId, Table};
use crate::snapshot::Snapshot;
use crate::tag::Tags;
use crate::tag_policy::{Composition, TagPolicy, TagPolicyArgument, TagPolicyRule};

/// One table and caller, while their policies are being found.
pub(super) struct Resolution<'a> {
    snapshot: &'a Snapshot,
    table: &'a Table,
    identities: Arc<[PrincipalId]>,
    tags: Tags,
    columns: Vec<(OpenedColumn<'a>, Option<&'a Column>)>,
    places: Places,
}

/// Where columns stand, by field id and by folded name; of several that share one, the first.
#[derive(Default)]
struct Places {
    by_id: HashMap<i64, usize>,
    by_name: HashMap<String, usize>,
}

impl Places {
    fn add(&mut self, place: usize, id: Option<i64>, name: Option<&str>) {
        if let Some(id) = id {
            self.by_id.entry(id).or_insert(place);
        }
        if let Some(name) = name {
            self.by_name.entry(name.to_lowercase()).or_insert(place);
        }
    }

    fn of_id(&self, id: Option<i64>) -> Option<usize> {
        id.and_then(|id| self.by_id.get(&id).copied())
    }

    fn of_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(&name.to_lowercase()).copied()
    }
}

/// How a policy stands to the caller.
enum Standing {
    /// It holds; the identity by which the policy names the caller.
    Holds(PrincipalId),
    /// It leaves the caller out by name.
    Excepts,
    /// It says nothing of the caller or of the table.
    Silent,
}

impl<'a> Resolution<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        table: &'a Table,
        reader: PrincipalId,
        columns: &[OpenedColumn<'a>],
    ) -> Result<Self, PolicyRefusal> {
        let mut places = Places::default();
        for (place, opened) in columns.iter().enumerate() {
            places.add(place, opened.field_id, Some(opened.name));
        }
        let mut in_catalog = Places::default();
        for (place, known) in table.columns.iter().enumerate() {
            let opened = match known.field_id {
                Some(_) => places.of_id(known.field_id),
                None => places.of_name(&known.name),
            };
            if opened.is_none() && !known.tags.is_empty() {
                return Err(PolicyRefusal::TaggedColumnMissing {
                    table: table.name.clone(),
                    column: known.name.clone(),
                });
            }
            // The catalog's column is found by its field id where it has one, else by its name.
            let name = known.field_id.is_none().then_some(known.name.as_str());
            in_catalog.add(place, known.field_id, name);
        }
        let known = |opened: &OpenedColumn<'_>| {
            let found = [in_catalog.of_id(opened.field_id), in_catalog.of_name(opened.name)];
            found.into_iter().flatten().min().and_then(|place| table.columns.get(place))
        };
        let columns = columns.iter().map(|opened| (*opened, known(opened))).collect();
        Ok(Self {
            snapshot,
            table,
            identities: snapshot.identities_of(reader),
            tags: snapshot.tags_of(SecurableId::Table(table.id)),
            columns,
            places,
        })
    }

    pub(super) fn run(&self) -> Result<EffectivePolicies, PolicyRefusal> {
        let mut found = EffectivePolicies::default();
        let mut spoken = self.table.row_filter.is_some();
        own_policies(self.table, &mut found)?;
        for policy in self.snapshot.tag_policies_over(self.table) {
            let standing = self.standing(policy)?;
            if let Standing::Silent = standing {
                continue;
            }
            let Some(matched) = self.matched(policy, &standing)? else { continue };
            spoken |= policy.rule == TagPolicyRule::RowFilter;
            match standing {
                Standing::Holds(named) => self.take(policy, named, &matched, &mut found)?,
                Standing::Excepts => found.excepted.push(origin_of(policy, None)),
                Standing::Silent => {}
            }
        }
        found.masks = self.compose_masks(std::mem::take(&mut found.masks))?;
        found.denied_by_default = !spoken && self.snapshot.denies_by_default(self.table);
        Ok(found)
    }

    fn standing(&self, policy: &TagPolicy) -> Result<Standing, PolicyRefusal> {
        let names = |principals: &[PrincipalId]| {
            principals.iter().copied().find(|named| self.identities.binary_search(named).is_ok())
        };
        let excepted = names(&policy.audience.except).is_some();
        let named = names(&policy.audience.to);
        if named.is_none() && !excepted {
            return Ok(Standing::Silent);
        }
        if let (Some(_), false) = (named, excepted) {
            check_semantics(self.table, policy.semantics, &title(policy))?;
            let unknown =
                policy.tags().into_iter().find(|(key, _)| self.snapshot.governed_tag(key).is_none());
            if let Some((key, _)) = unknown {
                return Err(PolicyRefusal::UnknownTag {
                    table: self.table.name.clone(),
                    policy: self.told(policy),
                    key: key.clone(),
                });
            }
        }
        if !speaks_of(&policy.when, &self.tags, &self.table.columns) {
            return Ok(Standing::Silent);
        }
        Ok(match (named, excepted) {
            (Some(named), false) => Standing::Holds(named),
            _ => Standing::Excepts,
        })
    }

    /// The columns of each MATCH COLUMNS condition; `None` where the policy skips the table.
    fn matched(
        &self,
        policy: &TagPolicy,
        standing: &Standing,
    ) -> Result<Option<Vec<Vec<OpenedColumn<'a>>>>, PolicyRefusal> {
        let none = Tags::new();
        let mut all = Vec::new();
        for wanted in &policy.matches {
            let tagged = self.columns.iter().filter(|(_, known)| {
                matches_column(&wanted.condition, known.map_or(&none, |known| &known.tags))
            });
            let columns: Vec<OpenedColumn<'a>> = tagged.map(|(opened, _)| *opened).collect();
            if columns.is_empty() {
                return match (policy.denies_without_match(self.table), standing) {
                    (true, Standing::Holds(_)) => Err(PolicyRefusal::NoMatch {
                        table: self.table.name.clone(),
                        policy: self.told(policy),
                    }),
                    (true, _) => Ok(Some(Vec::new())),
                    (false, _) => Ok(None),
                };
            }
            all.push(columns);
        }
        Ok(Some(all))
    }

    /// Adds what the policy does to this table.
    fn take(
        &self,
        policy: &TagPolicy,
        named: PrincipalId,
        matched: &[Vec<OpenedColumn<'a>>],
        found: &mut EffectivePolicies,
    ) -> Result<(), PolicyRefusal> {
        let origin = origin_of(policy, Some(named));
        match &policy.rule {
            TagPolicyRule::RowFilter => {
                let arguments = self.arguments(policy, matched, &self.tags)?;
                let same = found.filters.iter_mut().find(|known| {
                    known.function == policy.function
                        && known.arguments == arguments
                        && known.composition == policy.composition
                });
                match same {
                    Some(known) => known.origins.push(origin),
                    None => found.filters.push(EffectiveFilter {
                        origins: vec![origin],
                        composition: policy.composition,
                        function: policy.function,
                        arguments,
                    }),
                }
            }
            TagPolicyRule::ColumnMask { on } => {
                let none = Tags::new();
                for column in self.alias(policy, matched, on)? {
                    let known = self.position(&column.found()).and_then(|place| self.columns.get(place));
                    let tags = known.and_then(|(_, known)| *known).map_or(&none, |known| &known.tags);
                    found.masks.push(EffectiveMask {
                        origins: vec![origin.clone()],
                        composition: policy.composition,
                        column: column.found(),
                        path: Vec::new(),
                        function: policy.function,
                        arguments: self.arguments(policy, matched, tags)?,
                    });
                }
            }
        }
        Ok(())
    }

    /// The columns an alias of the policy stands for.
    fn alias<'m>(
        &self,
        policy: &TagPolicy,
        matched: &'m [Vec<OpenedColumn<'a>>],
        alias: &str,
    ) -> Result<&'m [OpenedColumn<'a>], PolicyRefusal> {
        let named = policy.matches.iter().zip(matched);
        let mut named = named.filter(|(wanted, _)| wanted.alias.as_deref() == Some(alias));
        match (named.next(), named.next()) {
            (Some((_, columns)), None) => Ok(columns),
            _ => Err(PolicyRefusal::UnknownAlias {
                table: self.table.name.clone(),
                policy: self.told(policy),
                alias: alias.to_owned(),
            }),
        }
    }

    fn arguments(
        &self,
        policy: &TagPolicy,
        matched: &[Vec<OpenedColumn<'a>>],
        tags: &Tags,
    ) -> Result<Vec<EffectiveArgument>, PolicyRefusal> {
        let argument = |argument: &TagPolicyArgument| match argument {
            TagPolicyArgument::Literal(literal) => Ok(EffectiveArgument::Literal(literal.clone())),
            TagPolicyArgument::TagValue(key) => Ok(EffectiveArgument::Literal(
                tags.get(key).map_or(Literal::Null, |value| Literal::String(value.clone())),
            )),
            TagPolicyArgument::Alias(alias) => match self.alias(policy, matched, alias)? {
                [one] => Ok(EffectiveArgument::Column(one.found())),
                several => Err(PolicyRefusal::AmbiguousAlias {
                    table: self.table.name.clone(),
                    policy: self.told(policy),
                    alias: alias.clone(),
                    count: several.len(),
                }),
            },
        };
        policy.arguments.iter().map(argument).collect()
    }

    /// At most one mask for each value: see [`Snapshot::effective_policies`].
    fn compose_masks(&self, candidates: Vec<EffectiveMask>) -> Result<Vec<EffectiveMask>, PolicyRefusal> {
        let mut distinct: Vec<Vec<EffectiveMask>> = Vec::new();
        // Where in `distinct` the masks of a column stand.
        let mut of_place: HashMap<usize, usize> = HashMap::new();
        for candidate in candidates {
            let place = self.position(&candidate.column);
            let known = match place {
                Some(place) => of_place.get(&place).copied(),
                // A column that is missing is nobody's twin but its own name's.
                None => distinct.iter().position(|masks| {
                    masks.first().is_some_and(|first| {
                        first.column == candidate.column && self.position(&first.column).is_none()
                    })
                }),
            };
            let Some(of_column) = known.and_then(|at| distinct.get_mut(at)) else {
                if let Some(place) = place {
                    of_place.insert(place, distinct.len());
                }
                distinct.push(vec![candidate]);
                continue;
            };
            let same = of_column.iter_mut().find(|known| {
                known.path == candidate.path
                    && known.function == candidate.function
                    && known.arguments == candidate.arguments
            });
            match same {
                Some(known) => known.origins.extend(candidate.origins),
                None => of_column.push(candidate),
            }
        }
        let mut composed = Vec::new();
        for of_column in distinct {
            composed.extend(self.compose_column(of_column)?);
        }
        Ok(composed)
    }

    fn compose_column(&self, masks: Vec<EffectiveMask>) -> Result<Vec<EffectiveMask>, PolicyRefusal> {
        let Some((first, second)) = overlapping(&masks) else { return Ok(masks) };
        let conflict = || PolicyRefusal::MultipleMasks {
            table: self.table.name.clone(),
            column: first.column.name.clone(),
            first: self.told_origin(first.origins.first()),
            second: self.told_origin(second.origins.first()),
        };
        let winner = masks.iter().find(|mask| self.wins(mask, &masks)).cloned();
        winner.map(|mask| vec![mask]).ok_or_else(conflict)
    }

    /// Whether one of the policies behind the mask is restrictive, and no other mask has one on a wider
    /// scope, or a restrictive one on the same.
    fn wins(&self, mask: &EffectiveMask, all: &[EffectiveMask]) -> bool {
        let others = || all.iter().filter(|other| *other != mask).flat_map(|other| &other.origins);
        mask.path.is_empty()
            && mask.origins.iter().any(|own| {
                self.is_restrictive(own)
                    && others().all(|other| {
                        let (own, at) = (self.depth(own), self.depth(other));
                        at > own || (at == own && !self.is_restrictive(other))
                    })
            })
    }

    fn is_restrictive(&self, origin: &PolicyOrigin) -> bool {
        match origin {
            PolicyOrigin::Table => false,
            PolicyOrigin::Tag(origin) => origin.composition == Composition::Restrictive,
        }
    }

    /// How far below the metastore the policy stands.
    fn depth(&self, origin: &PolicyOrigin) -> usize {
        match origin {
            PolicyOrigin::Tag(TagPolicyOrigin { scope: SecurableId::Metastore, .. }) => 0,
            PolicyOrigin::Tag(origin) => self.snapshot.containers_of(origin.scope).count() + 1,
            PolicyOrigin::Table => self.snapshot.containers_of(SecurableId::Table(self.table.id)).count() + 1,
        }
    }

    fn position(&self, column: &EffectiveColumn) -> Option<usize> {
        match column.field_id {
            Some(_) => self.places.of_id(column.field_id),
            None => self.places.of_name(&column.name),
        }
    }

    fn told(&self, policy: &TagPolicy) -> String {
        self.told_origin(Some(&origin_of(policy, None)))
    }

    fn told_origin(&self, origin: Option<&PolicyOrigin>) -> String {
        match origin {
            Some(PolicyOrigin::Tag(origin)) => origin.describe(self.snapshot),
            Some(PolicyOrigin::Table) | None => "the table's own mask".to_owned(),
        }
    }
}

fn title(policy: &TagPolicy) -> String {
    format!("policy `{}`", policy.name)
}

fn origin_of(policy: &TagPolicy, named: Option<PrincipalId>) -> PolicyOrigin {
    PolicyOrigin::Tag(TagPolicyOrigin {
        id: policy.id,
        name: policy.name.clone(),
        scope: policy.scope,
        composition: policy.composition,
        named,
    })
}

fn argument_of(argument: &PolicyArgument) -> EffectiveArgument {
    match argument {
        PolicyArgument::Column(column) => EffectiveArgument::Column(bound(column)),
        PolicyArgument::Literal(literal) => EffectiveArgument::Literal(literal.clone()),
    }
}

fn bound(column: &ColumnBinding) -> EffectiveColumn {
    EffectiveColumn {
        name: column.name.clone(),
        field_id: column.field_id,
        bound_type: Some(column.type_text.clone()),
    }
}

/// Two masks of one column of which one stands on the other's value or inside it.
fn overlapping(masks: &[EffectiveMask]) -> Option<(&EffectiveMask, &EffectiveMask)> {
    let same = |left: &String, right: &String| left.to_lowercase() == right.to_lowercase();
    masks.iter().enumerate().find_map(|(at, first)| {
        let others = masks.iter().skip(at + 1);
        let second = others
            .into_iter()
            .find(|second| first.path.iter().zip(&second.path).all(|(left, right)| same(left, right)))?;
        Some((first, second))
    })
}

/// The policies that are set on the table itself.
pub(super) fn own_policies(table: &Table, found: &mut EffectivePolicies) -> Result<(), PolicyRefusal> {
    if let Some(filter) = &table.row_filter {
        check_semantics(table, filter.semantics, "row filter")?;
        found.filters.push(EffectiveFilter {
            origins: vec![PolicyOrigin::Table],
            composition: Composition::Restrictive,
            function: filter.function,
            arguments: filter.arguments.iter().map(argument_of).collect(),
        });
    }
    for mask in &table.masks {
        check_semantics(table, mask.semantics, "column mask")?;
        found.masks.push(EffectiveMask {
            origins: vec![PolicyOrigin::Table],
            composition: Composition::Permissive,
            column: bound(&mask.column),
            path: mask.path.clone(),
            function: mask.function,
            arguments: mask.arguments.iter().map(argument_of).collect(),
        });
    }
    Ok(())
}

fn check_semantics(table: &Table, semantics: u32, policy: &str) -> Result<(), PolicyRefusal> {
    match semantics {
        SEMANTICS => Ok(()),
        _ => Err(PolicyRefusal::UnknownSemantics { table: table.name.clone(), policy: policy.to_owned() }),
    }
}
