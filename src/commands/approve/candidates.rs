//! The requests in question; of all others no more than what tells which is the newest of its node.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::cli;
use crate::csr::{Newest, Request, Standing, State};
use crate::host::kube::{Admin, serving_requests};
use crate::report::Problem;
use crate::x509::pkcs10::PEM_CAP;

use super::super::admin;
use super::decide::{Candidate, ChosenBy, Observed};

/// More names than that are not worth holding for people, in one request.
const NAMES: usize = 64;

impl Candidate {
    fn new(mut request: Request, chosen: ChosenBy) -> Self {
        request.names.dns.truncate(NAMES);
        request.names.ips.truncate(NAMES);
        // One byte more than is read is enough to be refused.
        request.pem.truncate(PEM_CAP + 1);
        Self { request, chosen }
    }

    /// Forgets what is large, of one that is superseded: a node may have made any number of those.
    fn forget(&mut self) {
        self.request.pem = Vec::new();
        self.request.groups = Vec::new();
        self.request.usages = Vec::new();
    }
}

/// Reads all kubelet-serving requests, page by page, and keeps those that `arguments` choose. Nothing else is observed yet.
///
/// # Errors
/// Why the API cannot be asked for the list.
pub(super) fn find(
    api: &Admin,
    arguments: &cli::Approve,
    end: Instant,
) -> Result<Observed, Problem> {
    let choose = |request: &Request| {
        let pending = request.state == State::Pending;
        let of_node = |node: &str| arguments.nodes.iter().any(|named| named == node);
        if arguments.requests.contains(&request.name) {
            Some(ChosenBy::Name)
        } else if pending && request.node().is_some_and(of_node) {
            Some(ChosenBy::Node)
        } else {
            (pending && arguments.all).then_some(ChosenBy::All)
        }
    };
    let take = |(newest, chosen): &mut (Newest, BTreeMap<String, Candidate>), request: Request| {
        if let Some(old) = newest.add(&request)
            && let Some(candidate) = chosen.get_mut(&old)
        {
            candidate.forget();
        }
        if let Some(how) = choose(&request) {
            let superseded = newest.standing(&request) != Standing::Newest;
            let mut candidate = Candidate::new(request, how);
            if superseded {
                candidate.forget();
            }
            chosen.insert(candidate.request.name.clone(), candidate);
        }
    };
    let (newest, mut chosen) = api
        .list(&serving_requests(), take, end)
        .map_err(|error| admin::problem("list", "certificatesigningrequests", &error))?;
    let mut found = Observed {
        newest,
        ..Observed::default()
    };
    for name in &arguments.requests {
        // It may be another signer's: then that is the rule that it breaks.
        if chosen.contains_key(name) || found.missing.contains(name) {
            continue;
        }
        match api.signing_request(name, end) {
            Ok(Some(request)) => {
                chosen.insert(name.clone(), Candidate::new(request, ChosenBy::Name));
            }
            Ok(None) => found.missing.push(name.clone()),
            Err(error) => found.unread.push((name.clone(), error)),
        }
    }
    found.candidates = chosen.into_values().collect();
    found.candidates.sort_by(|a, b| {
        let key = |candidate: &Candidate| {
            (
                candidate.request.requestor.clone(),
                candidate.request.created,
            )
        };
        key(a).cmp(&key(b))
    });
    found.missing.sort();
    Ok(found)
}
