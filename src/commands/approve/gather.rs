//! The requests in question, each with its verdict; of all others no more than what tells which is the newest.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::approval::{Asked, Broken, Judge, Newest, quoted};
use crate::cli;
use crate::csr::KUBELET_SERVING;
use crate::host::kube::{Admin, escaped};
use crate::report::Problem;
use crate::x509::requested_names;

use super::super::admin;
use super::REQUESTS;

/// A request in question.
#[derive(Debug)]
pub(super) struct Candidate {
    /// It, without what is large and judged already.
    pub(super) asked: Asked,
    /// Why it is in question.
    pub(super) chosen: Chosen,
    /// The names that it asks for, as far as they can be read, for people.
    pub(super) names: Vec<String>,
    /// Whether it keeps every rule.
    pub(super) verdict: Result<(), Broken>,
}

/// How a request came to be in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    /// By its name.
    Name,
    /// By its node's.
    Node,
    /// By `--all`.
    All,
}

/// What the list told.
#[derive(Default)]
pub(super) struct Gathered {
    /// In the order of their nodes and ages.
    pub(super) candidates: Vec<Candidate>,
    pub(super) newest: Newest,
    /// Names of no request.
    pub(super) missing: Vec<String>,
}

impl Candidate {
    fn new(mut asked: Asked, chosen: Chosen, judge: &Judge<'_>) -> Self {
        /// More names than that are not worth holding, in one request.
        const NAMES: usize = 64;
        let verdict = judge.judge(&asked);
        let requested = requested_names(&asked.request).unwrap_or_default();
        let dns = requested.dns.iter().map(|name| quoted(name));
        let ips = requested.ips.iter().map(ToString::to_string);
        asked.request = Vec::new();
        asked.groups = Vec::new();
        asked.usages = Vec::new();
        Self {
            names: dns.chain(ips).take(NAMES).collect(),
            asked,
            chosen,
            verdict,
        }
    }
}

/// Reads all kubelet-serving requests, page by page, and judges those that `arguments` choose.
///
/// # Errors
/// Why the API cannot be asked.
pub(super) fn gather(
    api: &Admin,
    arguments: &cli::Approve,
    judge: &Judge<'_>,
    end: Instant,
) -> Result<Gathered, Problem> {
    let choose = |asked: &Asked| {
        let pending = asked.decision.is_none();
        let of_node = |node: &str| arguments.nodes.iter().any(|named| named == node);
        if arguments.requests.contains(&asked.name) {
            Some(Chosen::Name)
        } else if pending && asked.node().is_some_and(of_node) {
            Some(Chosen::Node)
        } else {
            (pending && arguments.all).then_some(Chosen::All)
        }
    };
    let take = |(newest, chosen): &mut (Newest, BTreeMap<String, Candidate>), asked: Asked| {
        newest.add(&asked);
        if let Some(how) = choose(&asked) {
            chosen.insert(asked.name.clone(), Candidate::new(asked, how, judge));
        }
    };
    let serving = format!(
        "{REQUESTS}?fieldSelector={}",
        escaped(&format!("spec.signerName={KUBELET_SERVING}"))
    );
    let (newest, mut chosen) = api
        .list(&serving, take, end)
        .map_err(|error| admin::problem("list", "certificatesigningrequests", &error))?;
    let mut missing = Vec::new();
    for name in &arguments.requests {
        // It may be another signer's: then that is the rule that it breaks.
        if !chosen.contains_key(name) {
            match get(api, name, end)? {
                Some((asked, _)) => {
                    let candidate = Candidate::new(asked, Chosen::Name, judge);
                    chosen.insert(name.clone(), candidate);
                }
                None => missing.push(name.clone()),
            }
        }
    }
    let mut candidates: Vec<Candidate> = chosen.into_values().collect();
    for candidate in &mut candidates {
        if candidate.verdict.is_ok() {
            candidate.verdict = newest.judge(&candidate.asked);
        }
    }
    candidates.sort_by(|a, b| {
        let key =
            |candidate: &Candidate| (candidate.asked.requestor.clone(), candidate.asked.created);
        key(a).cmp(&key(b))
    });
    missing.sort();
    missing.dedup();
    Ok(Gathered {
        candidates,
        newest,
        missing,
    })
}

/// One request, and the JSON that it was read from; none where there is none of that name.
///
/// # Errors
/// Why the API cannot be asked.
pub(super) fn get(
    api: &Admin,
    name: &str,
    end: Instant,
) -> Result<Option<(Asked, serde_json::Value)>, Problem> {
    let object = format!("certificatesigningrequest {}", quoted(name));
    let bytes = match api.get(&format!("{REQUESTS}/{}", escaped(name)), end) {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(admin::problem("get", &object, &error)),
    };
    let nonsense = |error: serde_json::Error| {
        admin::problem("get", &object, &api.nonsense(&error.to_string()))
    };
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(nonsense)?;
    let asked = serde_json::from_slice(&bytes).map_err(nonsense)?;
    Ok(Some((asked, value)))
}
