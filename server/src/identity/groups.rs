//! [`GroupsOfIssuer`]: which groups of the catalog a token of an issuer makes its subject a member of.
//!
//! The issuer's configuration names the claim, and for each of the provider's names that count, the group it stands for; all
//! other names mean nothing here. The claim is a list of texts, or one text. One of another type is refused with its token:
//! to pass over it would take the subject out of groups that may be there to hide something.

use std::collections::BTreeMap;

use serde_json::Value;
use weir_catalog::ClaimedGroups;

use super::rejection::Rejection;
use crate::config;

/// The most names in a claim. A token with more is refused: none of them is left out in silence.
const NAMES_MAX: usize = 1000;

/// A claim that names groups, and the names that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupsOfIssuer {
    claim: String,
    /// Groups of the catalog by the provider's names.
    groups: BTreeMap<String, String>,
}

impl GroupsOfIssuer {
    /// As configured; none where the issuer's tokens name no groups.
    pub(super) fn of(issuer: &config::Issuer) -> Option<Self> {
        let claim = issuer.groups_claim.clone()?;
        Some(Self { claim, groups: issuer.groups.clone() })
    }

    /// The groups that these claims come to.
    pub(super) fn claimed(&self, claims: &BTreeMap<String, Value>) -> Result<ClaimedGroups, Rejection> {
        let refused = || Rejection::Claim("the groups claim");
        let names: &[Value] = match self.value(claims) {
            None => &[],
            Some(one @ Value::String(_)) => std::slice::from_ref(one),
            Some(Value::Array(names)) => names,
            Some(_) => return Err(refused()),
        };
        if names.len() > NAMES_MAX || !names.iter().all(Value::is_string) {
            return Err(refused());
        }
        let known = names.iter().filter_map(Value::as_str).filter_map(|name| self.groups.get(name));
        let claimed: ClaimedGroups = known.map(String::as_str).collect();
        let counted = claimed.iter().count();
        tracing::debug!(claim = self.claim, names = names.len(), groups = counted, "a token names groups");
        Ok(claimed)
    }

    /// The claim of that name, or, where it begins with a slash, what the JSON pointer (RFC 6901) points to.
    fn value<'c>(&self, claims: &'c BTreeMap<String, Value>) -> Option<&'c Value> {
        let Some(pointer) = self.claim.strip_prefix('/') else { return claims.get(&self.claim) };
        let (first, within) = match pointer.split_once('/') {
            Some((first, rest)) => (first, format!("/{rest}")),
            None => (pointer, String::new()),
        };
        claims.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(&within)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use serde_json::json;

    use super::*;

    fn claimed(claim: &str, claims: Value) -> Result<Vec<String>, Rejection> {
        let groups = [("idp-analysts", "analysts"), ("CN=hr,OU=groups", "hr"), ("staff", "analysts")];
        let groups = groups.map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned())).into();
        let of = GroupsOfIssuer { claim: claim.to_owned(), groups };
        let claims: BTreeMap<String, Value> = serde_json::from_value(claims).unwrap();
        of.claimed(&claims).map(|claimed| claimed.iter().map(str::to_owned).collect())
    }

    #[test]
    fn names_that_are_configured_count_and_no_others() {
        for (names, groups) in [
            (json!(["idp-analysts"]), vec!["analysts"]),
            (json!("idp-analysts"), vec!["analysts"]),
            (json!(["staff", "CN=hr,OU=groups", "idp-analysts"]), vec!["analysts", "hr"]),
            (json!([]), vec![]),
            (json!(""), vec![]),
            // Neither the catalog's own names, nor what looks alike, nor several names in one text.
            (json!(["analysts", "hr", "admins", "account users"]), vec![]),
            (json!(["IDP-ANALYSTS", " idp-analysts", "idp-analysts "]), vec![]),
            (json!("idp-analysts,staff"), vec![]),
            (json!("idp-analysts staff"), vec![]),
        ] {
            assert_eq!(claimed("groups", json!({"groups": names.clone()})).unwrap(), groups, "{names}");
        }
        assert!(claimed("groups", json!({"roles": ["staff"]})).unwrap().is_empty());
    }

    #[test]
    fn a_claim_of_another_type_or_without_end_refuses_its_token() {
        let many: Vec<String> = (0..=NAMES_MAX).map(|number| format!("group {number}")).collect();
        for names in [
            json!(null),
            json!(true),
            json!(7),
            json!({"idp-analysts": true}),
            json!(["idp-analysts", null]),
            json!(["idp-analysts", ["staff"]]),
            json!(["idp-analysts", 7]),
            json!(many),
        ] {
            let refused = claimed("groups", json!({"groups": names.clone()})).unwrap_err();
            assert_eq!(refused, Rejection::Claim("the groups claim"), "{names}");
        }
        assert!(claimed("groups", json!({"groups": many.get(..NAMES_MAX)})).unwrap().is_empty());
    }

    #[test]
    fn a_claim_within_another_is_pointed_to() {
        let nested = json!({"realm_access": {"roles": ["staff"]}, "a/b": {"~": ["CN=hr,OU=groups"]}});
        for (pointer, groups) in [
            ("/realm_access/roles", vec!["analysts"]),
            ("/a~1b/~0", vec!["hr"]),
            ("/realm_access/none", vec![]),
            ("/none/roles", vec![]),
            // What has dots is one name: providers use addresses.
            ("realm_access.roles", vec![]),
        ] {
            assert_eq!(claimed(pointer, nested.clone()).unwrap(), groups, "{pointer}");
        }
        assert!(claimed("/realm_access", nested).is_err());
        assert_eq!(claimed("/groups", json!({"groups": ["staff"]})).unwrap(), ["analysts"]);
        let dotted = json!({"https://weir.example.com/groups": ["staff"], "realm_access.roles": ["staff"]});
        assert_eq!(claimed("https://weir.example.com/groups", dotted.clone()).unwrap(), ["analysts"]);
        assert_eq!(claimed("/realm_access/roles", dotted).unwrap(), Vec::<String>::new());
    }
}
