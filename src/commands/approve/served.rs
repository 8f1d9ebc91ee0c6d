//! What the nodes serve at the addresses of their requests, of `--renewals`.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::approval::{ServedAt, Verdict};
use crate::host::kube::Admin;
use crate::host::tls;

use super::decide::{Observed, Options};

/// The port of a kubelet whose Node does not say otherwise.
const PORT: u16 = 10250;

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
        let port = node.and_then(|node| node.kubelet_port).unwrap_or(PORT);
        let ips = &approval.names.ips;
        let addresses: Vec<SocketAddr> = ips.iter().map(|ip| (*ip, port).into()).collect();
        let answers = tls::probe_all(&addresses, api.roots());
        let seen = ips.iter().zip(answers).map(|(address, answer)| ServedAt {
            address: *address,
            certificate: match answer {
                Ok(served) => match served.verified {
                    Ok(()) => Ok(served.certificate),
                    Err(error) => Err(format!("the certificate does not verify: {error}")),
                },
                Err(error) => Err(format!("the kubelet serves no certificate: {error}")),
            },
        });
        served.insert(request.name.clone(), seen.collect());
    }
    served
}
