//! Users, service principals, groups and their members. All of it is for account admins.

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::{Created, Metastore, OnExisting, OnMissing, Request, Write};
use crate::audit::{Action, Requester};
use crate::error::{Dependents, Error, Reserved};
use crate::grant::Effect;
use crate::id::PrincipalId;
use crate::principal::{ACCOUNT_USERS, Principal, PrincipalKind};
use crate::securable::SecurableId;
use crate::snapshot::Snapshot;
use crate::store::Change;
use crate::tag_policy::TagPolicy;

/// A principal to be made.
#[derive(Debug, Clone)]
pub struct PrincipalSpec {
    /// Unique among all principals, compared exactly, immutable.
    pub name: String,
    /// User, service principal or group.
    pub kind: PrincipalKind,
}

/// Whether a principal may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Enablement {
    Enabled,
    Disabled,
}

/// Whether a principal is an account admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AccountAdmin {
    Yes,
    No,
}

/// Whether a service principal may present a user's token beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Delegation {
    MayActForUsers,
    OnlyForItself,
}

impl Metastore {
    /// `OnExisting::Keep` keeps a principal of the same kind only.
    pub async fn principal_create(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        spec: PrincipalSpec,
        on_existing: OnExisting,
    ) -> Result<Created<Principal>, Error> {
        check_name(&spec.name)?;
        let text = format!("{} `{}`", spec.kind.noun(), spec.name);
        self.write(Request::new(by, now, Action::PrincipalCreate, text), |caller| {
            let because = caller.require_account_admin(Reserved::ManagePrincipals)?;
            if let Some(existing) = caller.snapshot.principal_by_name(&spec.name) {
                if on_existing == OnExisting::Keep && existing.kind == spec.kind {
                    return Ok(Write::nothing(Created::Kept(existing.clone())));
                }
                return Err(Error::PrincipalExists { kind: existing.kind, name: spec.name.clone() });
            }
            let principal = Principal {
                id: PrincipalId::fresh(),
                name: spec.name.clone(),
                kind: spec.kind,
                disabled: false,
                account_admin: false,
                may_act_for_users: false,
            };
            let changes = vec![Change::PrincipalPut(principal.clone())];
            Ok(Write { changes, because, value: Created::Made(principal) })
        })
        .await
    }

    /// A disabled principal cannot log in; what it owns goes on to work.
    pub async fn principal_set_enablement(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &str,
        enablement: Enablement,
    ) -> Result<(), Error> {
        self.principal_alter(by, now, Action::PrincipalAlter, name, |principal| {
            if principal.kind == PrincipalKind::Group {
                return Err(unfit(principal, "be disabled or enabled"));
            }
            principal.disabled = enablement == Enablement::Disabled;
            Ok(())
        })
        .await
    }

    /// Of a user or service principal. Rank is never a group's.
    pub async fn account_admin_set(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &str,
        account_admin: AccountAdmin,
    ) -> Result<(), Error> {
        self.principal_alter(by, now, Action::AccountAdminSet, name, |principal| {
            if principal.kind == PrincipalKind::Group {
                return Err(unfit(principal, "be an account admin"));
            }
            principal.account_admin = account_admin == AccountAdmin::Yes;
            Ok(())
        })
        .await
    }

    /// Of a service principal.
    pub async fn delegation_set(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &str,
        delegation: Delegation,
    ) -> Result<(), Error> {
        self.principal_alter(by, now, Action::PrincipalAlter, name, |principal| {
            if principal.kind != PrincipalKind::ServicePrincipal {
                return Err(unfit(principal, "act for users"));
            }
            principal.may_act_for_users = delegation == Delegation::MayActForUsers;
            Ok(())
        })
        .await
    }

    /// Refused while the principal owns or is granted anything, and while a view or function
    /// tests for a group of the name. A principal of another kind is not found. Returns whether
    /// there was anything to drop.
    pub async fn principal_drop(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        name: &str,
        kind: PrincipalKind,
        on_missing: OnMissing,
    ) -> Result<bool, Error> {
        let text = format!("{} `{name}`", kind.noun());
        self.write(Request::new(by, now, Action::PrincipalDrop, &text), |caller| {
            let because = caller.require_account_admin(Reserved::ManagePrincipals)?;
            let found = caller.snapshot.principal_by_name(name).filter(|principal| principal.kind == kind);
            let Some(principal) = found else {
                return match on_missing {
                    OnMissing::Ignore => Ok(Write::nothing(false)),
                    OnMissing::Fail => Err(Error::PrincipalNotFound { name: name.to_owned() }),
                };
            };
            if name == ACCOUNT_USERS {
                return Err(unfit(principal, "be dropped: everybody is in it"));
            }
            check_admin_left(caller.snapshot, principal)?;
            check_holds_nothing(caller, principal, &text)?;
            if kind == PrincipalKind::Group {
                caller.check_group_untested(name)?;
            }
            Ok(Write { changes: vec![Change::PrincipalRemove(principal.id)], because, value: true })
        })
        .await
    }

    /// Adding a member that is there changes nothing.
    pub async fn member_add(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        group: &str,
        member: &str,
    ) -> Result<(), Error> {
        let text = format!("`{member}` to group `{group}`");
        self.write(Request::new(by, now, Action::MemberAdd, text), |caller| {
            let because = caller.require_account_admin(Reserved::ManagePrincipals)?;
            let (to, added) = (group_of_name(caller, group)?, caller.principal(member)?);
            if added.id == to.id || caller.snapshot.acts_as(to.id, added.id) {
                return Err(Error::GroupCycle { group: group.to_owned(), member: member.to_owned() });
            }
            if caller.snapshot.members_of(to.id).contains(&added.id) {
                return Ok(Write::nothing(()));
            }
            Ok(Write {
                changes: vec![Change::MemberAdd { group: to.id, member: added.id }],
                because,
                value: (),
            })
        })
        .await
    }

    /// Of a direct member.
    pub async fn member_remove(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        group: &str,
        member: &str,
    ) -> Result<(), Error> {
        let text = format!("`{member}` from group `{group}`");
        self.write(Request::new(by, now, Action::MemberRemove, text), |caller| {
            let because = caller.require_account_admin(Reserved::ManagePrincipals)?;
            let (from, removed) = (group_of_name(caller, group)?, caller.principal(member)?);
            if !caller.snapshot.members_of(from.id).contains(&removed.id) {
                return Err(Error::MemberNotFound { group: group.to_owned(), member: member.to_owned() });
            }
            let changes = vec![Change::MemberRemove { group: from.id, member: removed.id }];
            Ok(Write { changes, because, value: () })
        })
        .await
    }

    async fn principal_alter(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        action: Action,
        name: &str,
        alter: impl Fn(&mut Principal) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.write(Request::new(by, now, action, format!("principal `{name}`")), |caller| {
            let because = caller.require_account_admin(Reserved::ManagePrincipals)?;
            let principal = caller.principal(name)?;
            let mut altered = principal.clone();
            alter(&mut altered)?;
            if altered == *principal {
                return Ok(Write::nothing(()));
            }
            if !can_administer(&altered) {
                check_admin_left(caller.snapshot, principal)?;
            }
            Ok(Write { changes: vec![Change::PrincipalPut(altered)], because, value: () })
        })
        .await
    }
}

/// Names are compared exactly; blanks and quotes count.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > 255 || name.contains(char::is_control) {
        return Err(Error::InvalidPrincipalName { name: name.to_owned() });
    }
    Ok(())
}

fn unfit(principal: &Principal, act: &'static str) -> Error {
    Error::PrincipalKindUnfit { name: principal.name.clone(), kind: principal.kind, act }
}

fn group_of_name<'s>(caller: &Caller<'s>, name: &str) -> Result<&'s Principal, Error> {
    let group = caller.principal(name)?;
    if name == ACCOUNT_USERS {
        return Err(unfit(group, "be given members or lose them: everybody is in it"));
    }
    if group.kind == PrincipalKind::Group { Ok(group) } else { Err(unfit(group, "have members")) }
}

fn can_administer(principal: &Principal) -> bool {
    principal.account_admin && !principal.disabled
}

/// Refuses when without `leaving` nobody is left who can administer.
fn check_admin_left(snapshot: &Snapshot, leaving: &Principal) -> Result<(), Error> {
    let is_left = snapshot.principals().any(|other| other.id != leaving.id && can_administer(other));
    if can_administer(leaving) && !is_left {
        return Err(Error::LastAccountAdmin { name: leaving.name.clone() });
    }
    Ok(())
}

/// Account admins see everything, so nothing in the list is hidden.
fn check_holds_nothing(caller: &Caller<'_>, principal: &Principal, text: &str) -> Result<(), Error> {
    let snapshot = caller.snapshot;
    let described = |id| snapshot.name_of(id).map_or_else(String::new, |name| name.to_string());
    let securables = (snapshot.catalogs().map(|c| SecurableId::Catalog(c.id)))
        .chain(snapshot.catalogs().flat_map(|c| snapshot.schemas(c.id)).map(|s| SecurableId::Schema(s.id)))
        .chain(snapshot.all_tables().map(|t| SecurableId::Table(t.id)))
        .chain(snapshot.all_functions().map(|f| SecurableId::Function(f.id)))
        .chain(snapshot.all_volumes().map(|v| SecurableId::Volume(v.id)))
        .chain(snapshot.external_locations().map(|l| SecurableId::ExternalLocation(l.id)))
        .chain(snapshot.storage_credentials().map(|c| SecurableId::StorageCredential(c.id)))
        .chain(snapshot.governed_tags().map(|t| SecurableId::GovernedTag(t.id)))
        .chain([SecurableId::Metastore]);
    let owned = securables
        .filter(|id| snapshot.owner_of(*id) == Some(principal.id))
        .map(|id| format!("the ownership of {}", described(id)));
    let granted =
        snapshot.grants().filter(|grant| grant.principal == principal.id).map(|grant| match grant.effect {
            Effect::Allow => format!("the grant of {} on {}", grant.privilege, described(grant.securable)),
            Effect::Deny => format!("the denial of {} on {}", grant.privilege, described(grant.securable)),
        });
    let named = |policy: &&TagPolicy| {
        let audience = &policy.audience;
        audience.to.contains(&principal.id) || audience.except.contains(&principal.id)
    };
    let policies = snapshot
        .all_tag_policies()
        .filter(named)
        .map(|policy| format!("policy `{}` on {}", policy.name, described(policy.scope)));
    let tests = snapshot
        .policy_tests()
        .filter(|test| test.as_user == principal.id || test.owner == principal.id)
        .map(|test| format!("policy test `{}`", test.name));
    let mut visible: Vec<String> = owned.chain(granted).chain(policies).chain(tests).collect();
    if visible.is_empty() {
        return Ok(());
    }
    visible.sort();
    Err(Error::DependentsExist { what: text.to_owned(), dependents: Dependents { visible, hidden: 0 } })
}
