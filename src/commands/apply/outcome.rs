//! What is said of a kubelet that came back: its request, its certificate, or why there is none.

use std::time::{Duration, Instant};

use crate::apply::WatchOutcome;
use crate::cli;
use crate::commands::request;
use crate::csr::State;
use crate::host::kube::ApiError;
use crate::node::Node;
use crate::report::{CertificateReport, Code, Document, Problem};

use super::issue;
use super::run::{Run, is_lost};

/// How long the API is asked for the list once more.
const ASK_AGAIN: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// Requests that a kubelet before this one has left behind.
    pub(super) fn tell_stale(&self, watched: &WatchOutcome, document: &mut Document) {
        if let (Some(current), Some(cluster)) = (&watched.request, &self.cluster) {
            let stale = cluster.listing.pending_besides(Some(&current.name));
            request::warn_of_stale(&stale, self.ui);
        }
    }

    /// The kubelet is healthy; does it serve what was installed, and has it asked for nothing?
    fn prove_issued(&mut self, document: &mut Document) -> Result<(), Problem> {
        let port = self.kubelet.port();
        let (Some(ready), Some(cluster)) = (&self.ready, &self.cluster) else {
            return Ok(());
        };
        let node = cluster.node.clone().unwrap_or_default();
        let proved = issue::served_everywhere(ready, &node, port, cluster.api.roots());
        document.certificate = Some(Some(CertificateReport::new(
            &ready.certificate,
            proved.is_ok(),
        )));
        let stale = cluster.listing.pending_besides(Some(&ready.request.name));
        request::warn_of_stale(&stale, self.ui);
        let another = cluster
            .api
            .requests(Instant::now() + ASK_AGAIN)
            .ok()
            .and_then(|listing| listing.newest)
            .filter(|newest| newest.name != ready.request.name)
            .filter(|newest| !cluster.listing.known.contains(&newest.name));
        let problem = match (proved, &another) {
            (Ok(()), None) => {
                self.ui.say(&format!(
                    "port {port} serves the certificate of {} on every address, valid until {}; the kubelet made no request of its own",
                    ready.request.name, ready.certificate.not_after
                ));
                return Ok(());
            }
            (Err(why), _) => Problem::new(
                Code::Temporary,
                format!(
                    "cannot see the certificate of {} in use: the kubelet is healthy, but {why}",
                    ready.request.name
                ),
            ),
            (Ok(()), Some(another)) => Problem::new(
                Code::Temporary,
                format!(
                    "cannot keep the kubelet from asking: it serves the certificate of {}, and has made {} all the same",
                    ready.request.name, another.name
                ),
            ),
        };
        Err(match &another {
            Some(another) if another.state == State::Pending => {
                problem.hint(format!("kubectl certificate approve {}", another.name))
            }
            _ => problem.hint("kubelet-tls status"),
        })
    }

    /// The kubelet is healthy; is what was waited for there?
    pub(super) fn conclude(
        &mut self,
        watched: &WatchOutcome,
        document: &mut Document,
    ) -> Result<(), Problem> {
        if self.ready.is_some() {
            return self.prove_issued(document);
        }
        let port = self.kubelet.port();
        let wait = self.spec.wait;
        let Some(cluster) = self.cluster.as_mut() else {
            return Ok(());
        };
        let request = watched.request.as_ref();
        let issued =
            cluster.kept.is_some() || request.is_some_and(|request| request.state == State::Issued);
        let served = if issued {
            cluster.served(request, port)
        } else {
            Err("no certificate is issued".to_owned())
        };
        if let Ok(served) = &served {
            let verified = served.verified.is_ok();
            document.certificate =
                Some(Some(CertificateReport::new(&served.certificate, verified)));
        }
        if let (Some(kept), None) = (&cluster.kept, request) {
            self.ui.say(&format!(
                "the kubelet keeps the serving certificate that it has, valid until {}; no request is coming",
                kept.not_after
            ));
        }
        let interrupted = match (watched.interrupted, self.plan.changes()) {
            (true, true) => "interrupted when the change was made and the kubelet healthy with it",
            (true, false) => "interrupted",
            (false, _) => "out of time",
        };
        let done = match wait {
            cli::Wait::Csr => {
                cluster.kept.is_some() || request.is_some_and(|request| !is_lost(request))
            }
            cli::Wait::Issued => {
                issued && served.as_ref().is_ok_and(|served| served.verified.is_ok())
            }
            cli::Wait::None => true,
        };
        if done {
            if let (cli::Wait::Issued, Ok(served)) = (wait, &served) {
                self.ui.say(&format!(
                    "port {port} serves a certificate of {}, valid until {}, and it verifies",
                    served.certificate.issuer, served.certificate.not_after
                ));
            }
            return Ok(());
        }
        let code = if watched.trouble.as_ref().is_some_and(ApiError::is_forbidden) {
            Code::Permission
        } else {
            Code::Temporary
        };
        match request {
            Some(request) if issued => {
                let why = match served {
                    Ok(served) => served
                        .verified
                        .err()
                        .map(|why| why.to_string())
                        .unwrap_or_default(),
                    Err(why) => why,
                };
                Err(Problem::new(
                    code,
                    format!("cannot wait for the certificate of {}: {interrupted}: it is issued, but port {port}: {why}", request.name),
                )
                .hint("journalctl -u kubelet --no-pager | grep -i certificate"))
            }
            Some(request) => {
                let problem = Problem::new(
                    code,
                    format!(
                        "cannot wait for the certificate of {}: {interrupted}, and it is {}",
                        request.name, request.state
                    ),
                );
                Err(match request::next_step(request) {
                    Some((_, command)) => problem.hint(command),
                    None => problem.hint("kubectl get csr"),
                })
            }
            None => {
                let mut reasons = cluster.node().map(Node::why_no_request).unwrap_or_default();
                reasons.extend(watched.trouble.as_ref().map(ToString::to_string));
                let why = if reasons.is_empty() {
                    "the kubelet runs and has made none".to_owned()
                } else {
                    reasons.join("; ")
                };
                Err(Problem::new(
                    code,
                    format!("cannot wait for the kubelet's request: {interrupted}: {why}"),
                )
                .hint("journalctl -u kubelet --no-pager | grep -i csr"))
            }
        }
    }
}
