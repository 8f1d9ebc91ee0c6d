//! The result for a kubelet that is healthy with the change: its CSR, its certificate, or why it has no certificate.

use std::time::{Duration, Instant};

use crate::apply::WatchOutcome;
use crate::cli::{self, written};
use crate::commands::request::{self, NothingServed};
use crate::csr::{Request, State};
use crate::host::kube::ApiError;
use crate::kubelet::Settings;
use crate::node::{Node, Served, version as kubelet_version};
use crate::report::{CertificateReport, Code, Problem};
use crate::text::hint::Command;

use super::run::NodeRun;
use super::served;
use super::watch::is_lost;

/// How long the API is asked for the list once more.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How long the API is asked for the ConfigMap, which only adds to what is said.
const CONFIGMAP_DEADLINE: Duration = Duration::from_secs(2);

/// What the kubelet serves, if that was looked at, and how the run ended.
type Concluded = (Option<CertificateReport>, Result<(), Problem>);

impl NodeRun<'_> {
    /// Warns of requests that a kubelet before this one has left behind.
    pub(super) fn tell_stale(&self, watched: &WatchOutcome) {
        if let (Some(current), Some(cluster)) = (&watched.request, &self.cluster) {
            let stale = cluster.listing.pending_besides(Some(&current.name));
            request::warn_of_stale(&stale, self.ui);
        }
    }

    /// The kubelet is healthy; is what was waited for there?
    pub(super) fn conclude(&mut self, watched: &WatchOutcome) -> Concluded {
        let concluded = if self.ready.is_some() {
            self.prove_issued()
        } else {
            self.conclude_request(watched)
        };
        if concluded.1.is_ok() {
            self.tell_configmap();
        }
        concluded
    }

    /// Does the kubelet serve what was installed, and has it made no request of its own?
    fn prove_issued(&mut self) -> Concluded {
        let port = self.kubelet.port();
        let (Some(ready), Some(cluster)) = (&self.ready, &self.cluster) else {
            return (None, Ok(()));
        };
        let name = &ready.request.name;
        let node = cluster.node.clone().unwrap_or_default();
        let proved = served::everywhere(&ready.certificate, &node, port, cluster.api.roots());
        let report = CertificateReport::new(&ready.certificate, proved.is_ok());
        let stale = cluster.listing.pending_besides(Some(name));
        request::warn_of_stale(&stale, self.ui);
        let another = cluster
            .api
            .requests(Instant::now() + ASK_AGAIN)
            .ok()
            .and_then(|listing| listing.newest)
            .filter(|newest| newest.name != *name)
            .filter(|newest| !cluster.listing.known.contains(&newest.name));
        let problem = match (proved, &another) {
            (Ok(()), None) => {
                self.ui.say(&format!(
                    "port {port} serves the certificate of {name} on every address, valid until {}; the kubelet created no CSR of its own",
                    ready.certificate.not_after
                ));
                return (Some(report), Ok(()));
            }
            (Err(why), _) => format!(
                "cannot see the certificate of {name} in use: the change is in place and the kubelet is healthy, but {why}"
            ),
            (Ok(()), Some(another)) => format!(
                "cannot keep the kubelet from making a CSR: it serves the certificate of {name}, and has created {} as well",
                another.name
            ),
        };
        let problem = Problem::new(Code::Temporary, problem);
        let problem = match &another {
            Some(another) if another.state == State::Pending => problem.hint(another.approve()),
            _ => problem.hint("kubelet-tls status"),
        };
        (Some(report), Err(problem))
    }

    fn conclude_request(&mut self, watched: &WatchOutcome) -> Concluded {
        let port = self.kubelet.port();
        let wait = self.spec.wait;
        let request = watched.request.as_ref();
        let Some(cluster) = self.cluster.as_mut() else {
            return (None, Ok(()));
        };
        let keeps = cluster.kept.is_some();
        let issued = keeps || request.is_some_and(|request| request.state == State::Issued);
        let looked = issued.then(|| cluster.served(request, port));
        let served = looked.as_ref().and_then(|looked| looked.as_ref().ok());
        let report = served
            .map(|served| CertificateReport::new(&served.certificate, served.verified.is_ok()));
        if let (Some(kept), None) = (&cluster.kept, request) {
            self.ui.say(&format!(
                "the kubelet already has a valid serving certificate (until {}); no new CSR is needed",
                kept.not_after
            ));
        }
        let is_served = served.is_some_and(|served| served.verified.is_ok());
        let done = match wait {
            cli::Wait::Csr => keeps || request.is_some_and(|request| !is_lost(request)),
            cli::Wait::Issued => issued && is_served,
            cli::Wait::None => true,
        };
        if !done {
            return (report, Err(self.not_awaited(watched, looked)));
        }
        if let (cli::Wait::Issued, Some(served)) = (wait, served) {
            self.ui.say(&format!(
                "port {port} serves a certificate of {}, valid until {}, and it verifies",
                served.certificate.issuer, served.certificate.not_after
            ));
        }
        (report, Ok(()))
    }

    /// The wait ended before what it was for. `served` is what the kubelet serves, if its certificate is issued.
    fn not_awaited(
        &mut self,
        watched: &WatchOutcome,
        served: Option<Result<Served, NothingServed>>,
    ) -> Problem {
        let port = self.kubelet.port();
        let until = match watched.interrupted {
            true => "interrupted".to_owned(),
            false => format!("timed out after {}", written(self.spec.timeout)),
        };
        let code = match &watched.degraded {
            Some(degraded) if degraded.is_forbidden() => Code::Permission,
            _ => Code::Temporary,
        };
        let problem = match (&watched.request, served) {
            (Some(request), Some(served)) => {
                let why = match served.map(|served| served.verified) {
                    Ok(Err(why)) => why.to_string(),
                    Ok(Ok(())) => "it serves another certificate".to_owned(),
                    Err(why) => why.to_string(),
                };
                let name = &request.name;
                let text = format!("{until}: {name} is issued, but port {port}: {why}. {IN_PLACE}");
                Problem::new(code, text)
                    .hint("journalctl -u kubelet --no-pager | grep -i certificate")
            }
            (Some(request), None) => not_issued(request, port, &until, code),
            (None, _) => self.no_request(watched.degraded.as_ref(), &until, code),
        };
        problem.context("cannot wait any longer")
    }

    /// No request came, or none was seen.
    fn no_request(&mut self, degraded: Option<&ApiError>, until: &str, code: Code) -> Problem {
        let port = self.kubelet.port();
        let Some(cluster) = self.cluster.as_mut() else {
            return Problem::new(code, format!("{until}. {IN_PLACE}"));
        };
        let name = cluster.api.node_name().to_owned();
        let reasons = cluster.node().map(Node::why_no_request).unwrap_or_default();
        // What the API did not say, the kubelet may have done.
        let mut text = match degraded {
            Some(degraded) => {
                format!("{until}: the kubelet is running, but no CSR of it was seen: {degraded}")
            }
            None => format!("{until}: the kubelet is running but has not created a CSR"),
        };
        if !reasons.is_empty() {
            text.push_str(&format!(": {}", reasons.join("; ")));
        }
        let problem = Problem::new(code, text).advise(format!(
            "the change is in place, and port {port} refuses TLS until one is approved"
        ));
        if reasons.is_empty() {
            problem.hint("journalctl -u kubelet --no-pager | grep -i csr")
        } else {
            problem.hint(Command::new("kubectl").args(["describe", "node", &name]))
        }
    }

    /// Says what to do if the cluster's configuration would revert this node.
    fn tell_configmap(&self) {
        let is_due = self.plan.changes() && self.kubelet.is_kubeadm;
        let Some(cluster) = self.cluster.as_ref().filter(|_| is_due) else {
            return;
        };
        let version = cluster
            .node
            .as_ref()
            .map(|node| node.kubelet_version.as_str());
        let minor = version.and_then(kubelet_version::minor);
        let end = Instant::now() + CONFIGMAP_DEADLINE;
        let Ok((name, text)) = cluster.api.kubelet_config(minor, end) else {
            return;
        };
        let set = Settings::read(text.as_bytes()).map(|settings| settings.server_tls_bootstrap);
        if matches!(set, Ok(None | Some(false))) {
            self.ui.say(&format!(
                "next: configmap/kube-system/{name} does not enable serverTLSBootstrap, so the next kubeadm upgrade will revert this node, and new nodes will not have it: kubelet-tls cluster apply"
            ));
        }
    }
}

/// What happened to the node before the wait ended.
const IN_PLACE: &str = "The change is in place and the kubelet is healthy";

/// The request is there and not issued.
fn not_issued(request: &Request, port: u16, until: &str, code: Code) -> Problem {
    let Request { name, state, .. } = request;
    let (still, next) = match state {
        State::Pending => ("still ", format!("{name} is approved")),
        State::Approved => ("", format!("{name} is issued")),
        State::Issued | State::Denied | State::Failed => ("", "another CSR is approved".to_owned()),
    };
    let text = format!(
        "{until}: {name} is {still}{state}. {IN_PLACE}; port {port} refuses TLS until {next}"
    );
    let problem = Problem::new(code, text);
    match state {
        State::Pending => problem.hint(request.approve()),
        State::Failed | State::Denied => problem.hint(request.show()),
        State::Approved | State::Issued => problem.hint("kubectl get csr"),
    }
}
