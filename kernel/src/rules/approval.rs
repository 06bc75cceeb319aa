//! `approval_required`: a human approved the action, for each grant of a chain that asks for it.

use super::{Case, Findings};
use crate::approval::Given;
use crate::chain::Links;
use crate::codes::Denial;
use crate::registry::{Kind, Number};
use crate::signing::hex;
use crate::words::principal;

/// The grants of a chain that ask for an approval, each with the one that was given.
fn asking(case: &Case<'_>, links: &Links) -> impl Iterator<Item = (Number, Option<Given>)> {
    links.iter().filter_map(|number| {
        let approvers = case.registry.approvers(number)?;
        Some((
            number,
            case.approvals.of(case.digests.action, approvers, case.now),
        ))
    })
}

/// The grants of a chain that lack one, from the first grant up.
pub(crate) fn lacking(case: &Case<'_>, links: &Links) -> Vec<Number> {
    let lacks = |(number, given): (Number, Option<Given>)| given.is_none().then_some(number);
    asking(case, links).filter_map(lacks).collect()
}

/// The approvals that some chains rest on.
pub(crate) fn given<'a>(
    case: &Case<'_>,
    chains: impl IntoIterator<Item = &'a Links>,
) -> Vec<Given> {
    let all = chains.into_iter().flat_map(|links| asking(case, links));
    all.filter_map(|(_, given)| given).collect()
}

pub(crate) fn tell(case: &Case<'_>, number: Number, findings: &mut Findings) {
    let grants = &case.registry.grants;
    let id = grants.get(number).map_or("", |grant| grants.id(grant));
    let approvers = case.registry.approvers(number).unwrap_or_default();
    let name = |who: &Number| principal(Kind::Human.text(), case.registry.name(*who));
    let names: Vec<String> = approvers.iter().map(name).collect();
    findings.approvers.extend(approvers);
    findings.deny(
        Denial::ApprovalRequired,
        format!(
            "grant `{id}` requires an approval of digest {} by {}",
            hex(case.digests.action),
            names.join(" or ")
        ),
    );
}
