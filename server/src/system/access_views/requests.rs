//! Requests for access, for those who asked and those who may grant it.

use weir_catalog::{AccessRequest, Privilege};

use crate::system::information_schema::{Asked, Cell, Holds, Reach, View};

pub(crate) static REQUESTS: View = View {
    name: "requests",
    meaning: "Requests for access, the latest first: one's own, and those for what one may grant.",
    reach: Reach::Access,
    key: [None, None, None],
    columns: &[&[
        ("request_id", Holds::Text, "Given once."),
        ("requested_at", Holds::Moment, "When it was asked."),
        ("requested_by", Holds::Text, "Who asks; null when that principal is gone."),
        ("securable_type", Holds::Text, "The kind of what it is asked for; null when that is gone."),
        ("securable_name", Holds::Text, "Its kind and full name at that time."),
        ("privileges", Holds::Texts, "What is asked for."),
        ("comment", Holds::Text, "Why, in the asker's words."),
    ]],
    rows: |asked, rows| {
        for request in asked.requests.iter().filter(|request| may_read(asked, request)) {
            let privileges: Vec<String> =
                request.privileges.iter().map(|privilege| privilege.name().to_owned()).collect();
            let kind = asked.snapshot.kind_of(request.securable).map(|kind| kind.to_string());
            rows.push([&[
                request.id.to_string().into(),
                Cell::Moment(request.at),
                asked.principal_name(request.by).into(),
                kind.into(),
                request.securable_name.as_str().into(),
                privileges.into(),
                request.reason.clone().into(),
            ]]);
        }
    },
};

/// As `SHOW ACCESS REQUESTS` shows them.
fn may_read(asked: &Asked<'_>, request: &AccessRequest) -> bool {
    request.by == asked.by || asked.may(Privilege::ManageAccessControl, request.securable)
}
