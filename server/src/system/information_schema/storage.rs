//! Volumes, external locations and storage credentials.

use weir_catalog::{Privilege, SecurableId, VolumeKind};

use super::rows::{Rows, name, stamps, yes_or_no};
use super::tables::names;
use super::{Asked, Definition, Holds, Key, Reach, STAMPS, View};

/// The columns by which a view names a volume.
pub(super) const VOLUME: &[Definition] = &[
    ("volume_catalog", Holds::Text, "The volume's catalog."),
    ("volume_schema", Holds::Text, "The volume's schema."),
    ("volume_name", Holds::Text, "The volume."),
];

/// The key of a view that names volumes by [`VOLUME`].
pub(super) const VOLUME_KEY: Key = [Some("volume_catalog"), Some("volume_schema"), Some("volume_name")];

pub(super) static VOLUMES: View = View {
    name: "volumes",
    meaning: "Volumes.",
    reach: Reach::Catalog,
    key: VOLUME_KEY,
    columns: &[
        VOLUME,
        &[
            ("volume_type", Holds::Text, "`MANAGED` or `EXTERNAL`."),
            ("volume_owner", Holds::Text, "Its owner."),
            ("comment", Holds::Text, "A remark for people."),
            ("storage_location", Holds::Text, "Where it is; null to those who do not administer it."),
        ],
        STAMPS,
    ],
    rows: volumes,
};

fn volumes(asked: &Asked<'_>, rows: &mut Rows) {
    for volume in asked.visible.volumes(&asked.within) {
        let (kind, location) = match &volume.kind {
            VolumeKind::Managed { location } => ("MANAGED", location),
            VolumeKind::External { location } => ("EXTERNAL", location),
        };
        let administers = asked.may(Privilege::Manage, SecurableId::Volume(volume.id));
        let about = [
            kind.into(),
            asked.principal_name(volume.owner).into(),
            volume.comment.clone().into(),
            administers.then(|| location.clone()).into(),
        ];
        rows.push([&names(&volume.name), &about, &stamps(asked, volume.stamps)]);
    }
}

pub(super) static EXTERNAL_LOCATIONS: View = View {
    name: "external_locations",
    meaning: "External locations.",
    reach: Reach::Metastore,
    key: [None, None, None],
    columns: &[
        &[
            ("external_location_name", Holds::Text, "The location."),
            ("external_location_owner", Holds::Text, "Its owner."),
            ("url", Holds::Text, "Where it is; null to those who do not administer it."),
            ("storage_credential_name", Holds::Text, "With whose key it is read; null as the URL is."),
            ("read_only", Holds::Text, "`NO`."),
            ("comment", Holds::Text, "A remark for people."),
        ],
        STAMPS,
    ],
    rows: external_locations,
};

fn external_locations(asked: &Asked<'_>, rows: &mut Rows) {
    for location in asked.visible.external_locations() {
        let administers = asked.may(Privilege::Manage, SecurableId::ExternalLocation(location.id));
        let credential = location.credential.and_then(|id| asked.snapshot.storage_credential_by_id(id));
        let about = [
            name(&location.name),
            asked.principal_name(location.owner).into(),
            administers.then(|| location.url.clone()).into(),
            credential.filter(|_| administers).map(|credential| name(&credential.name)).into(),
            yes_or_no(false),
            location.comment.clone().into(),
        ];
        rows.push([&about, &stamps(asked, location.stamps)]);
    }
}

pub(super) static STORAGE_CREDENTIALS: View = View {
    name: "storage_credentials",
    meaning: "Storage credentials, by name: no secret stands in the catalog.",
    reach: Reach::Metastore,
    key: [None, None, None],
    columns: &[
        &[
            ("storage_credential_name", Holds::Text, "The credential."),
            ("storage_credential_owner", Holds::Text, "Its owner."),
            ("read_only", Holds::Text, "`NO`."),
            ("comment", Holds::Text, "A remark for people."),
        ],
        STAMPS,
    ],
    rows: |asked, rows| {
        for credential in asked.visible.storage_credentials() {
            let about = [
                name(&credential.name),
                asked.principal_name(credential.owner).into(),
                yes_or_no(false),
                credential.comment.clone().into(),
            ];
            rows.push([&about, &stamps(asked, credential.stamps)]);
        }
    },
};
