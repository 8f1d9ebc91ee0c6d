//! `status -o prometheus`: the metrics of one node, printed or written for a node exporter.

use std::path::Path;

use jiff::Timestamp;

use crate::csr::State;
use crate::host::files::OutputDirectory;
use crate::node::PendingRequest;
use crate::node::conditions::{Condition, NodeEvidence, Stored};
use crate::report::{Code, Gauge, Problem};
use crate::text::hint::Command;

/// The permission bits of the file: node_exporter reads it as a user of its own.
const MODE: u32 = 0o644;

/// What an administrator wants to be warned of, as gauges.
pub(super) fn gauges(evidence: &NodeEvidence, conditions: &[Condition]) -> Vec<Gauge> {
    let now = evidence.now.1;
    let mut all = Gauge::new(
        "kubelet_tls_condition",
        "Whether a condition of kubelet-tls status has this status.",
    );
    for condition in conditions {
        all.add_status(("type", &condition.kind.to_string()), condition.status);
    }
    let not_after = match &evidence.stored {
        Stored::Pair(_, certificate) => Some(certificate.not_after.as_second()),
        Stored::Missing(_) | Stored::NotSymlink(_) | Stored::Broken(..) => None,
    };
    vec![
        all,
        Gauge::new(
            "kubelet_tls_certificate_not_after_timestamp_seconds",
            "When the kubelet's serving certificate ends.",
        )
        .with(not_after),
        Gauge::new(
            "kubelet_tls_pending_request_age_seconds",
            "How long this node's newest CSR has been pending; 0 if none is pending.",
        )
        .with(pending_age(evidence, now)),
        Gauge::new(
            "kubelet_tls_status_timestamp_seconds",
            "When kubelet-tls status looked.",
        )
        .with(Some(now.as_second())),
    ]
}

/// None where the requests could not be read.
fn pending_age(evidence: &NodeEvidence, now: Timestamp) -> Option<i64> {
    let listing = evidence.requests.as_ref().ok()?;
    let newest = listing.newest.as_ref();
    let pending = newest.filter(|request| request.state == State::Pending);
    pending.map_or(Some(0), |request| {
        let pending = PendingRequest {
            name: request.name.clone(),
            created: request.created,
        };
        pending.age(now)
    })
}

/// Writes the metrics for node_exporter's textfile collector, which reads files called `*.prom`. The file is replaced in
/// one step, so that no half of it is ever read.
///
/// # Errors
/// [`Code::Usage`] when the path names no such file; [`Code::Refused`] when another user may write to its directory; else
/// why it cannot be written.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Problem> {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(name) = name.filter(|name| name.ends_with(".prom")) else {
        return Err(Problem::new(
            Code::Usage,
            format!(
                "cannot write {}: node_exporter reads only files whose names end in .prom",
                path.display()
            ),
        )
        .hint(
            Command::new("kubelet-tls")
                .args(["status", "--textfile"])
                .arg(path.with_extension("prom")),
        ));
    };
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    OutputDirectory::open(directory)
        .and_then(|directory| directory.write(&[(name, text.as_bytes(), MODE)], &[], &[]))
        .map_err(Problem::from)
}
