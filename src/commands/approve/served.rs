//! What the nodes serve at the addresses of their requests, of `--renewals`.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::approval::{ServedAt, Verdict};
use crate::host::kube::Admin;
use crate::host::tls;
use crate::kubelet::DEFAULT_PORT;

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
        let node = observed.inventory.node(&approval.node);
        let port = node
            .and_then(|node| node.kubelet_port)
            .unwrap_or(DEFAULT_PORT);
        let ips = &approval.names.ips;
        let addresses: Vec<SocketAddr> = ips.iter().map(|ip| (*ip, port).into()).collect();
        let seen = tls::served_at(&addresses, api.roots());
        served.insert(request.name.clone(), seen);
    }
    served
}
