//! One decision as it is told: a line of text, or a JSON object a line.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::approval::Violation;
use crate::csr::Request;
use crate::text::names::shown;
use crate::x509::Names;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Decided {
    /// It is approved now.
    Approved,
    /// It would be approved; of a dry run.
    WouldApprove,
    /// It breaks a rule, and stays pending.
    Refused,
    /// It breaks a rule that its requestor alone answers for, and is denied now.
    Denied,
    /// The API did not take the decision; it is tried again.
    Failed,
}

/// One decision of `approve --watch`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionLine {
    /// When it was decided, RFC 3339.
    pub time: String,
    /// The request's name, safe to print.
    pub request: String,
    /// Its requestor's node; absent where the requestor is not a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The names that it asks for, safe to print.
    pub names: Vec<String>,
    /// What became of it.
    pub verdict: Decided,
    /// The rule that it breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// The value that breaks it, or why the API did not take the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Seconds between its creation, which the API tells to the second, and the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_creation: Option<f64>,
    /// Seconds between its arrival here and the decision.
    #[serde(skip)]
    pub seconds_after_arrival: f64,
}

impl DecisionLine {
    /// A decision about `request`, made now, so long after its arrival here.
    pub(super) fn new(request: &Request, verdict: Decided, after_arrival: Duration) -> Self {
        let now = crate::host::clock::timestamp();
        let created = request.created;
        Self {
            time: now.to_string(),
            request: shown(&request.name).into_owned(),
            node: request.node().map(str::to_owned),
            names: listed(&request.names),
            verdict,
            rule: None,
            message: None,
            seconds_after_creation: created
                .map(|created| (now.as_millisecond() - created.as_millisecond()) as f64 / 1000.0),
            seconds_after_arrival: after_arrival.as_secs_f64(),
        }
    }

    /// The same, with the rule that is broken.
    pub(super) fn breaking(mut self, violation: &Violation) -> Self {
        self.rule = Some(violation.rule.as_str());
        self.message = Some(format!("{}; {}", violation.message, violation.remedy));
        self
    }

    /// The same, with why the API did not take it.
    pub(super) fn because(mut self, message: String) -> Self {
        self.message = Some(message);
        self
    }
}

fn listed(names: &Names) -> Vec<String> {
    /// More are not worth a line.
    const MOST: usize = 32;
    let dns = names.dns.iter().cloned();
    let ips = names.ips.iter().map(ToString::to_string);
    dns.chain(ips).take(MOST).collect()
}

impl fmt::Display for DecisionLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Decided::Approved => "approved",
            Decided::WouldApprove => "would be approved (dry run)",
            Decided::Refused => "refused",
            Decided::Denied => "denied",
            Decided::Failed => "not decided",
        };
        let node = self.node.as_deref().unwrap_or("-");
        write!(
            f,
            "{} {} {node} {}: {verdict}",
            self.time,
            self.request,
            self.names.join(",")
        )?;
        if let Some(rule) = self.rule {
            write!(f, " {rule}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if let (Some(seconds), Decided::Approved) = (self.seconds_after_creation, self.verdict) {
            write!(f, " ({seconds:.1} s after its creation)")?;
        }
        Ok(())
    }
}
