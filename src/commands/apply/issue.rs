//! `--issue-first`: the kubelet's certificate before the kubelet's restart, so that no TLS handshake ever fails.
//!
//! kubelet-tls creates the CSR that the kubelet would create, with the node's own credential. A kubelet that starts with
//! a good pair in its store serves it at once and creates no CSR (kubelet-facts, 3; seen on 1.19 and 1.36).

use std::time::Instant;

use crate::cli;
use crate::commands::{Ui, request};
use crate::csr::{FetchedRequest, Request, State};
use crate::host::key::{Key, KeyError};
use crate::host::kube::{Api, ApiError};
use crate::host::signals::Interrupts;
use crate::host::state::StateDirectory;
use crate::report::{Code, Problem};
use crate::text::hint::Command;
use crate::x509::{Certificate, Names, requested_key};

use super::cluster::ClusterView;
use super::next;

/// A certificate with its key, ready to be put into the kubelet's store.
pub(in crate::commands) struct Ready {
    pub(super) request: Request,
    pub(super) certificate: Certificate,
    /// The certificate with its chain, then the key, in PEM.
    pub(super) pair: Vec<u8>,
}

/// How far the request has come.
pub(super) enum Issued {
    Ready(Box<Ready>),
    /// It waits for its approval, and that is all that was asked for.
    Waiting,
}

/// Makes the request, or takes up the one that an earlier run has made, and waits for its certificate.
pub(super) struct Issue<'a> {
    pub(super) cluster: &'a ClusterView,
    pub(super) state: &'a StateDirectory,
    pub(super) arguments: &'a cli::Apply,
    pub(super) ui: &'a Ui,
    /// The request as it was last seen.
    pub(super) seen: Option<Request>,
}

impl Issue<'_> {
    /// Goes as far as `--wait` says.
    ///
    /// # Errors
    /// When no certificate was issued, or not the right one. The kubelet is unchanged then.
    pub(super) fn run(&mut self, interrupts: &Interrupts) -> Result<Issued, Problem> {
        let end = Instant::now() + self.patience();
        let names = self.names()?;
        // What is made from here on is said to be there when a signal ends the wait for it.
        interrupts.commit();
        let (key, mut held) = match self.taken_up(&names, end)? {
            Some(taken_up) => taken_up,
            None => self.begin(&names, end)?,
        };
        self.seen = Some(held.request.clone());
        next::tell_request(&held.request, self.ui);
        if held.request.state == State::Pending && self.arguments.wait() != cli::Wait::Issued {
            self.ui.say(
                "the kubelet is unchanged so far; once the request is approved, run the same command again",
            );
            return Ok(Issued::Waiting);
        }
        if held.request.state != State::Issued {
            held = self.wait(&held.request, end, interrupts)?;
        }
        self.seen = Some(held.request.clone());
        self.verified(&key, held, &names)
            .map(|ready| Issued::Ready(Box::new(ready)))
    }

    pub(super) fn api(&self) -> &Api {
        &self.cluster.api
    }

    /// The names that the kubelet would ask for.
    fn names(&self) -> Result<Names, Problem> {
        let name = self.api().node_name();
        let cannot = |code, why: &str| {
            Problem::new(code, format!("cannot create the CSR of Node {name}: {why}"))
                .advise("the kubelet is unchanged")
        };
        let Some(node) = &self.cluster.node else {
            return Err(cannot(Code::Unavailable, "its addresses are not known").rerun());
        };
        let (ips, dns) = node.serving_names();
        if ips.is_empty() {
            let describe = Command::new("kubectl").args(["describe", "node", name]);
            let why = "it has no IP address in its status yet";
            return Err(cannot(Code::Temporary, why).hint(describe));
        }
        Ok(Names { dns, ips })
    }

    /// The request of an earlier run, if it is still good.
    fn taken_up(
        &self,
        names: &Names,
        end: Instant,
    ) -> Result<Option<(Key, FetchedRequest)>, Problem> {
        let kept = self.state.key()?;
        let Some(key) = kept.and_then(|pem| Key::from_pem(&pem)) else {
            return Ok(None);
        };
        let Some(held) = self.find(&key, end)? else {
            self.ui
                .say("the CSR of an earlier run no longer exists; creating a new one");
            return Ok(None);
        };
        let name = &held.request.name;
        let lost = match held.request.state {
            State::Denied => "was denied",
            State::Failed => "failed",
            _ if !same_names(&held.request.names, names) => {
                "asks for other addresses than the Node has now"
            }
            _ => return Ok(Some((key, held))),
        };
        self.ui.say(&format!(
            "{name}, of an earlier run, {lost}; creating a new one"
        ));
        Ok(None)
    }

    /// The request of `key` among this node's.
    fn find(&self, key: &Key, end: Instant) -> Result<Option<FetchedRequest>, Problem> {
        let listing = &self.cluster.listing;
        let newest = listing.newest.as_ref().map(|newest| &newest.name);
        let others = listing.known.iter().filter(|name| Some(*name) != newest);
        for name in newest.into_iter().chain(others) {
            let held = self
                .api()
                .request(name, end)
                .map_err(|error| request::problem("get", &error))?;
            if let Some(held) = held
                && requested_key(&held.request.pem).is_ok_and(|asked| asked == key.public())
            {
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    /// A new key and its request. The key is on the disk first: a request whose key is lost is of no use.
    fn begin(&self, names: &Names, end: Instant) -> Result<(Key, FetchedRequest), Problem> {
        let cannot = |error: KeyError| {
            let node = self.api().node_name();
            Problem::of(Code::Io, error).context(format!("cannot create the CSR of Node {node}"))
        };
        let key = Key::generate().map_err(cannot)?;
        let pkcs10 = key.request(self.api().node_name(), names).map_err(cannot)?;
        self.state.write_key(key.to_pem().as_bytes())?;
        let created = self.api().create_request(&pkcs10, end);
        let held = created.map_err(|error| {
            if matches!(error, ApiError::Status { .. }) {
                // Nothing was made.
                self.forget();
            }
            request::problem("create", &error)
        })?;
        Ok((key, held))
    }
}

/// Whether two sets of names are the same, in whatever order.
fn same_names(one: &Names, other: &Names) -> bool {
    let has = |one: &Names, other: &Names| {
        one.dns.iter().all(|name| other.dns.contains(name))
            && one.ips.iter().all(|ip| other.ips.contains(ip))
    };
    has(one, other) && has(other, one)
}
