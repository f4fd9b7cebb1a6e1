//! Privileges from every source that gives one, and what takes them away: grants and denials, here and on
//! containers, ownership, and rank.

use weir_catalog::{
    Effect, PrincipalId, Privilege, SecurableId, authorize, is_account_admin, is_metastore_admin,
    visible_grants,
};

use crate::system::information_schema::{Asked, Cell, Holds, Reach, Rows, View, yes_or_no};

pub(super) static EFFECTIVE_PRIVILEGES: View = View {
    name: "effective_privileges",
    meaning: "Who may do what and why: a row for each privilege and source on everything the caller sees. \
One's own and one's groups', and everybody's on what one administers.",
    reach: Reach::Access,
    key: [Some("catalog_name"), Some("schema_name"), Some("object_name")],
    columns: &[&[
        ("grantee", Holds::Text, "Who has it, or from whom it is taken."),
        ("securable_type", Holds::Text, "The kind of the securable."),
        ("catalog_name", Holds::Text, "Its catalog, where it is in one or is one."),
        ("schema_name", Holds::Text, "Its schema, where it is in one or is one."),
        ("object_name", Holds::Text, "Its own name, where it is in a schema."),
        ("securable_name", Holds::Text, "Its full name."),
        ("privilege_type", Holds::Text, "The privilege, e.g. `USE_SCHEMA`."),
        ("source", Holds::Text, "`GRANT`, `DENY`, `OWNERSHIP` or `RANK`."),
        ("inherited_from_type", Holds::Text, "The kind of the container it comes from; null for its own."),
        ("inherited_from_name", Holds::Text, "That container's full name; null for its own."),
        (
            "is_effective",
            Holds::Text,
            "`YES` if the grantee can use it as things are: nothing denies it, and what it needs on the way is \
there. Of a denial, `YES`.",
        ),
    ]],
    rows: |asked, rows| {
        for on in asked.securables() {
            push(asked, rows, on);
        }
    },
};

/// One privilege from one source.
struct Source {
    grantee: PrincipalId,
    privilege: Privilege,
    word: &'static str,
    from: SecurableId,
    effective: bool,
}

fn push(asked: &Asked<'_>, rows: &mut Rows, on: SecurableId) {
    let named = names(asked, on);
    let kind = asked.snapshot.kind_of(on).map(underlined);
    for source in sources(asked, on) {
        let from = (source.from != on).then_some(source.from);
        let from_kind = from.and_then(|from| asked.snapshot.kind_of(from)).map(underlined);
        rows.push([
            &[asked.principal_name(source.grantee).into(), kind.clone().into()],
            &named,
            &[
                asked.snapshot.display_name(on).into(),
                underlined(source.privilege.name()).into(),
                source.word.into(),
                from_kind.into(),
                from.map(|from| asked.snapshot.display_name(from)).into(),
                yes_or_no(source.effective),
            ],
        ]);
    }
}

fn sources(asked: &Asked<'_>, on: SecurableId) -> Vec<Source> {
    let snapshot = asked.snapshot;
    let usable = |grantee, privilege| authorize(snapshot, grantee, privilege, on).is_allowed();
    let Some(kind) = snapshot.kind_of(on) else { return Vec::new() };
    let grants = visible_grants(snapshot, asked.by, on).into_iter();
    let grants = grants.filter(|grant| grant.securable == on || grant.privilege.is_right_on(kind));
    let mut sources: Vec<Source> = grants
        .map(|grant| {
            let (word, effective) = match grant.effect {
                Effect::Allow => ("GRANT", usable(grant.principal, grant.privilege)),
                Effect::Deny => ("DENY", true),
            };
            Source {
                grantee: grant.principal,
                privilege: grant.privilege,
                word,
                from: grant.securable,
                effective,
            }
        })
        .collect();
    sources.extend(owners(asked, on, &usable));
    if on == SecurableId::Metastore {
        sources.extend(ranked(asked));
    }
    sources
}

/// Owners have everything on their own, and MANAGE on all it contains.
fn owners(
    asked: &Asked<'_>,
    on: SecurableId,
    usable: &impl Fn(PrincipalId, Privilege) -> bool,
) -> Vec<Source> {
    let snapshot = asked.snapshot;
    let owned = std::iter::once(on).chain(snapshot.containers_of(on));
    let owned = owned.filter_map(|owned| Some((owned, snapshot.owner_of(owned)?)));
    let told = owned.filter(|(owned, owner)| {
        snapshot.acts_as(asked.by, *owner) || asked.may(Privilege::ManageAccessControl, *owned)
    });
    told.map(|(owned, owner)| {
        let privilege = if owned == on { Privilege::AllPrivileges } else { Privilege::Manage };
        Source {
            grantee: owner,
            privilege,
            word: "OWNERSHIP",
            from: owned,
            effective: usable(owner, privilege),
        }
    })
    .collect()
}

/// Account admins and the metastore admin manage everything; for those of rank to read, and each for
/// oneself.
fn ranked(asked: &Asked<'_>) -> Vec<Source> {
    let snapshot = asked.snapshot;
    let all = is_account_admin(snapshot, asked.by) || is_metastore_admin(snapshot, asked.by);
    let admins = snapshot.principals().filter(|principal| principal.account_admin);
    let ranked = admins.map(|principal| principal.id).chain(snapshot.metastore_owner());
    let told = ranked.filter(|grantee| all || snapshot.acts_as(asked.by, *grantee));
    told.map(|grantee| Source {
        grantee,
        privilege: Privilege::Manage,
        word: "RANK",
        from: SecurableId::Metastore,
        effective: true,
    })
    .collect()
}

/// Catalog, schema and object, as far as the securable has them.
fn names(asked: &Asked<'_>, on: SecurableId) -> [Cell; 3] {
    let snapshot = asked.snapshot;
    let path = std::iter::once(on).chain(snapshot.containers_of(on));
    let mut names = [Cell::Null, Cell::Null, Cell::Null];
    let mut put = |place: usize, text: String| {
        if let Some(cell) = names.get_mut(place) {
            *cell = text.into();
        }
    };
    for part in path {
        match part {
            SecurableId::Catalog(id) => {
                snapshot.catalog_by_id(id).into_iter().for_each(|found| put(0, found.name.to_string()));
            }
            SecurableId::Schema(id) => {
                let found = snapshot.schema_by_id(id).into_iter();
                found.for_each(|found| put(1, found.name.schema.to_string()));
            }
            SecurableId::Table(id) => {
                let found = snapshot.table_by_id(id).into_iter();
                found.for_each(|found| put(2, found.name.object.to_string()));
            }
            SecurableId::Function(id) => {
                let found = snapshot.function_by_id(id).into_iter();
                found.for_each(|found| put(2, found.name.object.to_string()));
            }
            SecurableId::Volume(id) => {
                let found = snapshot.volume_by_id(id).into_iter();
                found.for_each(|found| put(2, found.name.object.to_string()));
            }
            SecurableId::Metastore
            | SecurableId::ExternalLocation(_)
            | SecurableId::StorageCredential(_)
            | SecurableId::GovernedTag(_) => {}
        }
    }
    names
}

fn underlined(words: impl ToString) -> String {
    words.to_string().replace(' ', "_")
}
