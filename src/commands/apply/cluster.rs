//! What the API says before anything is touched, and what the kubelet serves.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::cli;
use crate::commands::Ui;
use crate::commands::request::{self, NothingServed};
use crate::csr::{Listing, Request, State};
use crate::host::kube::{Api, WatchEvent};
use crate::host::{clock, files as host_files};
use crate::node::{Kubelet, Node, Served};
use crate::report::{Code, Problem};
use crate::x509::Certificate;

/// How long the API is asked before anything is touched: a kubelet that cannot reach it could ask for nothing.
/// Who gives less time to the request gives no more to this; but one answer of a busy server takes a moment.
const PREFLIGHT_DEADLINE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long the Node is asked for where it only adds to what is said.
const NODE_DEADLINE: Duration = Duration::from_secs(1);
/// How far two times of the server's and its clock may be apart unnoticed, in seconds.
const TIME_SLACK: i64 = 2;
/// A serving certificate with its chain and key is a few kilobytes, in bytes.
pub(crate) const PEM_CAP: u64 = 256 * 1024;

/// A request that can still be issued.
#[derive(Debug, Clone)]
pub(in crate::commands) struct IssuableRequest {
    pub(super) request: Request,
    /// Whether it is the running kubelet's; else it may be of the one before, whose key is lost.
    pub(super) sure: bool,
}

/// What the API said before anything was touched.
pub(in crate::commands) struct ClusterView {
    pub(super) api: Api,
    pub(super) listing: Listing,
    /// The node's addresses, where they were needed.
    pub(super) node: Option<Node>,
    /// A certificate on disk that the kubelet continues serving, so that it asks for none.
    pub(super) kept: Option<Certificate>,
    /// When the running kubelet started.
    pub(super) started: Option<jiff::Timestamp>,
}

impl ClusterView {
    /// Opens the API with the node's credential.
    ///
    /// # Errors
    /// What keeps this from it; nothing was changed.
    pub(super) fn open(arguments: &cli::Apply, kubelet: &Kubelet) -> Result<Api, Problem> {
        let kubeconfig = arguments
            .kubeconfig
            .clone()
            .unwrap_or_else(|| kubelet.kubeconfig());
        request::open(&kubeconfig).map_err(|problem| untouched(problem, arguments))
    }

    /// Asks what the API knows of this node.
    ///
    /// # Errors
    /// When it does not list requests; nothing was changed.
    pub(super) fn ask(
        api: Api,
        arguments: &cli::Apply,
        kubelet: &Kubelet,
        ui: &Ui,
    ) -> Result<Self, Problem> {
        let (least, most) = PREFLIGHT_DEADLINE;
        let end = Instant::now() + arguments.timeout.clamp(least, most);
        let listing = api
            .requests(end)
            .map_err(|error| untouched(request::problem("list", &error), arguments))?;
        let on_disk = host_files::read(&kubelet.serving_certificate(), PEM_CAP)
            .ok()
            .and_then(|pem| Certificate::from_pem(&pem).ok());
        let node = api
            .node(end)
            .map_err(|error| ui.warn(format!("cannot get Node {}: {error}", api.node_name())))
            .ok();
        let kept = on_disk.filter(|certificate| {
            node.as_ref().is_some_and(|node| {
                node.would_serve(api.node_name(), certificate, clock::timestamp())
            })
        });
        if kept.is_none() {
            node.iter()
                .flat_map(Node::why_no_request)
                .for_each(|reason| ui.warn(reason));
            if let (pending @ 1.., 0) = listing.others {
                ui.warn(format!(
                    "no CSR of another node is approved, and {pending} pending: is an approver running?"
                ));
            }
        }
        let started = kubelet
            .started
            .and_then(|started| jiff::Timestamp::try_from(started).ok());
        Ok(Self {
            api,
            listing,
            node,
            kept,
            started,
        })
    }

    /// The newest request, if the running kubelet may have made it and it is not refused. An issued one counts: the
    /// kubelet may be about to fetch its certificate. `noted` is the one that an earlier run saw this same kubelet make.
    pub(super) fn open_request(&self, noted: Option<&str>) -> Option<IssuableRequest> {
        let request = self.listing.newest.clone()?;
        if !matches!(
            request.state,
            State::Pending | State::Approved | State::Issued
        ) {
            return None;
        }
        let Some((started, created)) = self.started.zip(request.created) else {
            return Some(IssuableRequest {
                request,
                sure: false,
            });
        };
        // By the server's clock; it and the times of objects are each known to the second.
        let later = created.as_second() - (started.as_second() + self.listing.clock_ahead);
        let sure = noted == Some(request.name.as_str()) || later > TIME_SLACK;
        (later >= -TIME_SLACK).then_some(IssuableRequest { request, sure })
    }

    /// How long the running kubelet has been running.
    pub(super) fn kubelet_age(&self) -> Duration {
        let age = self
            .started
            .map(|started| clock::timestamp().duration_since(started));
        age.and_then(|age| Duration::try_from(age).ok())
            .unwrap_or(Duration::MAX)
    }

    /// Watches for requests; with `open` also for changes of that one.
    pub(super) fn watch(
        &self,
        open: Option<&IssuableRequest>,
        end: Instant,
    ) -> Receiver<WatchEvent> {
        let mut listing = self.listing.clone();
        if let Some(open) = open {
            listing.known.remove(&open.request.name);
        }
        self.api.watch(&listing, end)
    }

    /// The Node's addresses, asked for once.
    pub(super) fn node(&mut self) -> Option<&Node> {
        if self.node.is_none() {
            self.node = self.api.node(Instant::now() + NODE_DEADLINE).ok();
        }
        self.node.as_ref()
    }

    /// What the kubelet serves, at an address of the request's or the Node's.
    pub(super) fn served(
        &mut self,
        request: Option<&Request>,
        port: u16,
    ) -> Result<Served, NothingServed> {
        let mut addresses = request
            .map(|request| request.names.ips.clone())
            .unwrap_or_default();
        if addresses.is_empty() {
            addresses = self
                .node()
                .map(|node| node.serving_names().0)
                .unwrap_or_default();
        }
        request::served(&addresses, port, self.api.roots())
    }
}

/// An API that cannot be reached keeps the kubelet from its request too, so nothing is begun without it.
fn untouched(problem: Problem, arguments: &cli::Apply) -> Problem {
    if problem.code != Code::Unavailable {
        return problem;
    }
    let without = cli::Apply {
        wait: Some(cli::Wait::None),
        issue_first: false,
        ..arguments.clone()
    };
    problem
        .advise("nothing was changed; --wait none continues without the API")
        .hint(without.command())
}
