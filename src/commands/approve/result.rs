//! The result document of `approve`.

use serde::Serialize;

use crate::csr::Request;
use crate::report::{ApprovalReport, ResultKind, VerbResult};
use crate::text::names::shown;
use crate::text::quoted;

use super::outcome::{Row, What};

/// What became of the requests in question.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApproveResult {
    /// Whether a request is approved or denied now that was not before; in a dry run, whether one would be.
    pub(crate) changed: bool,
    /// Whether this was `--dry-run`.
    pub(crate) dry_run: bool,
    /// Each request in question.
    pub(crate) requests: Vec<ApprovalReport>,
}

impl ApproveResult {
    pub(super) fn new(dry_run: bool, rows: &[Row]) -> Self {
        let changes = |row: &Row| matches!(row.what, What::Approved(_) | What::Denied(_));
        Self {
            changed: rows.iter().any(changes),
            dry_run,
            requests: rows.iter().map(ApprovalReport::from).collect(),
        }
    }
}

impl VerbResult for ApproveResult {
    const KIND: ResultKind = ResultKind::ApproveResult;

    fn has_changed_something(&self) -> bool {
        self.changed && !self.dry_run
    }
}

impl From<&Row> for ApprovalReport {
    fn from(row: &Row) -> Self {
        let request = &row.planned.request;
        let violation = match &row.what {
            What::Refused(violation) | What::Denied(violation) => Some(violation),
            _ => None,
        };
        let failure = match &row.what {
            What::Failed(error) => Some(error.to_string()),
            _ => None,
        };
        Self {
            name: shown(&request.name).into_owned(),
            node: request.node().map(str::to_owned),
            approved: matches!(row.what, What::Approved(_) | What::Already),
            denied: matches!(row.what, What::Denied(_)),
            rule: violation.map(|violation| violation.rule.as_str()),
            message: violation
                .map(|violation| violation.message.clone())
                .or(failure),
            remedy: violation.map(|violation| violation.remedy),
            created: request.created.map(|time| time.to_string()),
            names: names_of(request),
        }
    }
}

/// The names that a request asks for, as far as they can be read, for people.
pub(super) fn names_of(request: &Request) -> Vec<String> {
    let dns = request.names.dns.iter().map(|name| quoted(name));
    let ips = request.names.ips.iter().map(ToString::to_string);
    dns.chain(ips).collect()
}
