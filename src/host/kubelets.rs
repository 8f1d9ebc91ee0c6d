//! Every kubelet of a cluster, asked through the API server what it runs with and dialled for what it serves.
//!
//! A node that is slow, silent or malformed costs itself alone: the others are asked meanwhile, and an answer that does not
//! come is a value of its own.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::kube::{Admin, ApiError, NODES, listed_node, resolve, serving_requests};
use super::parallel::in_parallel;
use super::tls::{self, ProbeAnswer};
use crate::csr::{Request, State};
use crate::node::{
    AddressPreference, Listed, ListedNode, NotConfigured, PendingRequest, ProbedNode,
};
use crate::text::names::is_csr_name;

/// Kubelets that are asked and dialled at once. One that is silent takes [`EACH`] and a second more.
const AT_ONCE: usize = 64;
/// How long the API server is waited for with one kubelet's configuration.
const EACH: Duration = Duration::from_secs(3);
/// More Nodes than any cluster has; a list that never ends has more. The rest is not kept.
const MAX_NODES: usize = 50_000;

/// What is asked of each kubelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth<'a> {
    /// What it runs with.
    Configuration,
    /// Also what it serves at each IP address of its Node, verified against the kubeconfig's CA.
    Serving,
    /// Also what it serves where an API server dials it.
    AsApiServer(Dial<'a>),
}

/// How an API server that verifies kubelets dials them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dial<'a> {
    /// Which address of a Node it dials.
    pub preference: &'a AddressPreference,
    /// The CA certificates in DER that it verifies kubelets against.
    pub roots: &'a [Vec<u8>],
}

/// What was seen of a cluster's kubelets.
#[derive(Debug)]
pub struct Survey {
    /// Each Node, by name.
    pub nodes: Vec<ProbedNode>,
    /// Why the requests could not be read; then no node has a pending one.
    pub requests: Result<(), ApiError>,
}

/// Lists the Nodes and their pending requests and probes each kubelet, at most 64 at once, until `end`. What was not
/// asked by then is [`NotConfigured::OutOfTime`].
///
/// # Errors
/// Why the Nodes cannot be listed. What goes wrong with one node is in its own fields.
pub fn survey(admin: &Admin, depth: Depth<'_>, end: Instant) -> Result<Survey, ApiError> {
    let take = |all: &mut Vec<Listed>, item: Value| {
        if all.len() < MAX_NODES {
            all.push(listed_node(item));
        }
    };
    let mut nodes = admin.list(NODES, take, end)?;
    nodes.sort_by(|a, b| name_of(a).cmp(name_of(b)));
    let (mut pending, requests) = match depth {
        Depth::Configuration => (HashMap::new(), Ok(())),
        Depth::Serving | Depth::AsApiServer(_) => match pending_requests(admin, end) {
            Ok(pending) => (pending, Ok(())),
            Err(error) => (HashMap::new(), Err(error)),
        },
    };
    let forbidden = AtomicBool::new(false);
    let probe = |listed: &Listed| probe(admin, listed, depth, &forbidden, end);
    // The first one alone shows whether the credential may ask at all.
    let (first, rest) = nodes.split_at(nodes.len().min(1));
    let mut probed: Vec<_> = first.iter().map(probe).collect();
    probed.extend(in_parallel(rest, AT_ONCE, &probe));
    let nodes = nodes.into_iter().zip(probed);
    let nodes = nodes.map(|(listed, (configured, served))| ProbedNode {
        pending: pending.remove(name_of(&listed)),
        listed,
        configured,
        served,
    });
    Ok(Survey {
        nodes: nodes.collect(),
        requests,
    })
}

fn name_of(listed: &Listed) -> &str {
    match listed {
        Ok(listed) => &listed.name,
        Err(malformed) => &malformed.name,
    }
}

type Probed = (Result<bool, NotConfigured>, Vec<ProbeAnswer>);

fn probe(
    admin: &Admin,
    listed: &Listed,
    depth: Depth<'_>,
    forbidden: &AtomicBool,
    end: Instant,
) -> Probed {
    let listed = match listed {
        Ok(listed) => listed,
        Err(malformed) => {
            return (
                Err(NotConfigured::NoAnswer(malformed.reason.clone())),
                Vec::new(),
            );
        }
    };
    let configured = configured(admin, &listed.name, forbidden, end);
    if Instant::now() >= end {
        return (configured, Vec::new());
    }
    let served = match depth {
        Depth::Configuration => Vec::new(),
        Depth::Serving => {
            let addresses = at_port(listed.node.serving_names().0, listed.port);
            tls::probe_all(addresses, None, admin.roots())
        }
        Depth::AsApiServer(dial) => dialled(listed, dial, end),
    };
    (configured, served)
}

/// What the kubelet serves where the API server dials it, verified for the name or address that is dialled. Nothing where
/// the Node has no such address, or its name does not resolve in time.
fn dialled(listed: &ListedNode, dial: Dial<'_>, end: Instant) -> Vec<ProbeAnswer> {
    let Some(host) = dial.preference.address(&listed.node) else {
        return Vec::new();
    };
    let ips = match host.parse() {
        Ok(ip) => vec![ip],
        Err(_) => resolve(host, end.min(Instant::now() + EACH)).unwrap_or_default(),
    };
    tls::probe_all(at_port(ips, listed.port), Some(host), dial.roots)
}

fn at_port(ips: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for ip in ips {
        let address = SocketAddr::new(ip, port);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn configured(
    admin: &Admin,
    name: &str,
    forbidden: &AtomicBool,
    end: Instant,
) -> Result<bool, NotConfigured> {
    if forbidden.load(Ordering::Relaxed) {
        return Err(NotConfigured::Forbidden);
    }
    let now = Instant::now();
    if now >= end {
        return Err(NotConfigured::OutOfTime);
    }
    admin
        .running_bootstrap(name, end.min(now + EACH))
        .map_err(|error| {
            if error.is_forbidden() {
                forbidden.store(true, Ordering::Relaxed);
                NotConfigured::Forbidden
            } else {
                NotConfigured::NoAnswer(error.to_string())
            }
        })
}

/// The newest request of each node, of those that are Pending, by the node's name.
fn pending_requests(
    admin: &Admin,
    end: Instant,
) -> Result<HashMap<String, PendingRequest>, ApiError> {
    let take = |newest: &mut HashMap<String, Request>, request: Request| {
        let Some(node) = request.node().filter(|_| is_csr_name(&request.name)) else {
            return;
        };
        if newest
            .get(node)
            .is_none_or(|known| request.is_newer_than(known))
        {
            // Only what tells its age is kept.
            let kept = Request {
                name: request.name.clone(),
                created: request.created,
                resource_version: request.resource_version.clone(),
                state: request.state,
                odd: request.odd,
                ..Request::default()
            };
            newest.insert(node.to_owned(), kept);
        }
    };
    let newest = admin.list(&serving_requests(), take, end)?;
    let pending = newest
        .into_iter()
        .filter(|(_, request)| request.state == State::Pending);
    Ok(pending
        .map(|(node, request)| {
            let Request { name, created, .. } = request;
            (node, PendingRequest { name, created })
        })
        .collect())
}
