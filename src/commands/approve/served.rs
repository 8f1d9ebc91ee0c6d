//! What the nodes serve at the addresses of their requests, of `--renewals`.

use std::collections::HashMap;

use crate::approval::{ServedAt, Verdict};
use crate::host::kube::Admin;
use crate::host::tls;

use super::decide::{Observed, Options};

/// Dials every address of every request that all other rules hold of; no other address, since a request is what another
/// party wrote. By the request's name.
pub(super) fn look(
    api: &Admin,
    observed: &Observed,
    options: &Options,
) -> HashMap<String, Vec<ServedAt>> {
    let mut served = HashMap::new();
    for candidate in &observed.candidates {
        let request = &candidate.request;
        let standing = observed.newest.standing(request);
        let verdict = options
            .policy
            .judge_with(request, &standing, &observed.inventory);
        let Verdict::Approve(approval) = verdict else {
            continue;
        };
        let port = observed.inventory.kubelet_port(&approval.node);
        let seen = tls::served_at(&approval.names.ips, port, api.roots());
        served.insert(request.name.clone(), seen);
    }
    served
}
