//! What the API says before anything is touched, and what the kubelet serves.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::certificate::Certificate;
use crate::cli;
use crate::commands::{Console, request};
use crate::csr::{Listing, Request, State};
use crate::host::api::{Api, Sight};
use crate::host::tls::Served;
use crate::host::{clock, files as host_files};
use crate::observed::{Kubelet, Node};
use crate::report::{Code, Document, Problem};

/// How long the API is asked before anything is touched: a kubelet that cannot reach it could ask for nothing.
/// Who gives less time to the request gives no more to this; but one answer of a busy server takes a moment.
const PREFLIGHT_DEADLINE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long the Node is asked for where it only adds to what is said.
const NODE_DEADLINE: Duration = Duration::from_secs(1);
/// The server's times and its clock are each known to the second.
const TIME_SLACK: i64 = 2;
/// A serving certificate with its chain and key is a few kilobytes, in bytes.
const PEM_CAP: u64 = 256 * 1024;

/// What the API said before anything was touched.
pub(super) struct Cluster {
    pub(super) api: Api,
    pub(super) listing: Listing,
    /// The node's addresses, where they were needed.
    pub(super) node: Option<Node>,
    /// A certificate on disk that the kubelet goes on serving, so that it asks for none.
    pub(super) kept: Option<Certificate>,
    /// When the running kubelet started.
    pub(super) started: Option<jiff::Timestamp>,
}

impl Cluster {
    pub(super) fn ask(
        arguments: &cli::Apply,
        kubelet: &Kubelet,
        console: &Console,
        document: &mut Document,
    ) -> Result<Self, Problem> {
        let (least, most) = PREFLIGHT_DEADLINE;
        let end = Instant::now() + arguments.timeout.clamp(least, most);
        let kubeconfig = arguments
            .kubeconfig
            .clone()
            .unwrap_or_else(|| kubelet.kubeconfig());
        let untouched = |problem: Problem| match problem.code {
            Code::Unavailable => problem.hint(
                "nothing was changed; to go on without the API: kubelet-tls apply --wait none",
            ),
            _ => problem,
        };
        let api = request::open(&kubeconfig, document).map_err(untouched)?;
        let listing = api
            .requests(end)
            .map_err(|error| untouched(request::problem("list", &error)))?;
        let on_disk = host_files::read(&kubelet.serving_certificate(), PEM_CAP)
            .ok()
            .and_then(|pem| Certificate::from_pem(&pem).ok());
        let node = match &on_disk {
            None => None,
            Some(_) => api
                .node(end)
                .map_err(|error| {
                    console.warn(
                        document,
                        format!("cannot get Node {}: {error}", api.node_name()),
                    )
                })
                .ok(),
        };
        let kept = on_disk.filter(|certificate| {
            node.as_ref().is_some_and(|node| {
                node.would_serve(api.node_name(), certificate, clock::timestamp())
            })
        });
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

    /// The newest request, if the running kubelet made it and it is not refused. An issued one counts: the kubelet may be
    /// about to fetch its certificate.
    pub(super) fn open_request(&self) -> Option<&Request> {
        let newest = self.listing.newest.as_ref()?;
        let open = matches!(
            newest.state,
            State::Pending | State::Approved | State::Issued
        );
        // By the server's clock, and its times are cut to the second.
        let since = self
            .started
            .zip(newest.created)
            .is_none_or(|(started, created)| {
                created.as_second() + TIME_SLACK >= started.as_second() + self.listing.clock_ahead
            });
        (open && since).then_some(newest)
    }

    /// Whether the running kubelet has made a request since it started, so that it runs with the key on.
    pub(super) fn has_asked(&self) -> bool {
        self.started.is_some() && self.open_request().is_some()
    }

    /// Watches for requests; with `open` also for what becomes of that one.
    pub(super) fn watch(&self, open: Option<&Request>, end: Instant) -> Receiver<Sight> {
        let mut listing = self.listing.clone();
        if let Some(open) = open {
            listing.known.remove(&open.name);
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
    ) -> Result<Served, String> {
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
