//! A metrics-server that runs: which of its two TLS channels is broken, and what to do.

mod kubelets;
mod objects;
mod program;

use std::fmt;

use serde::Serialize;

use crate::node::conditions::{Condition, ConditionStatus, Verdict, fails, holds, unknown};
use crate::node::{Explanation, NotServed, Served, Unverified};
use crate::x509::Certificate;

pub use objects::{
    ADDRESS_TYPES, ApiService, Deployment, Dialled, Pod, Service, dialled, of_config_map, of_secret,
};
pub use program::MountSource;

/// The conditions of a metrics-server that runs, in the order in which each rests on those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum MetricsServerConditionType {
    /// The APIService has the API server verify metrics-server.
    APIServiceVerifies,
    /// metrics-server's serving certificate verifies against the `caBundle`.
    MetricsServerCertificateTrusted,
    /// The API server reaches metrics-server.
    APIServiceAvailable,
    /// metrics-server is started so that it verifies the kubelets.
    KubeletsVerified,
    /// The kubelets' certificates verify.
    KubeletsTrusted,
    /// The first TLS channel: from the API server to metrics-server.
    APIServerToMetricsServer,
    /// The second TLS channel: from metrics-server to the kubelets.
    MetricsServerToKubelets,
}

impl fmt::Display for MetricsServerConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// All that the conditions are drawn from. An `Err` says why something was not seen.
#[derive(Debug, Clone)]
pub struct ChannelEvidence {
    /// The APIService; `None` if it does not exist.
    pub api_service: Option<ApiService>,
    /// Its serving certificate, verified against the `caBundle` for the name that the API server verifies.
    pub serving: Result<Serving, Explanation>,
    /// The Deployment that the Service selects, and why it was not found.
    pub deployment: Result<Deployment, Explanation>,
    /// Its Pods, which run what they were created with, whatever the Deployment says by now.
    pub pods: Result<Vec<Pod>, Explanation>,
    /// What the kubelets are verified against, for people.
    pub kubelet_ca: Result<String, Explanation>,
    /// What each kubelet serves, verified against that.
    pub kubelets: Result<Kubelets, Explanation>,
}

/// Kubelets, and what each serves.
pub type Kubelets = Vec<(Dialled, Result<Served, NotServed>)>;

/// The serving certificate and what became of its verification.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Where it was seen.
    pub place: SeenAt,
    /// The name that was verified.
    pub name: String,
    /// The certificate and the verdict.
    pub served: Served,
}

/// Where the serving certificate was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenAt {
    /// On the wire, at this address.
    Wire(std::net::SocketAddr),
    /// In this Secret, because the address could not be reached from here, for this reason.
    Secret(String, String),
}

impl fmt::Display for SeenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(address) => write!(f, "{address}"),
            Self::Secret(name, _) => write!(f, "secret/{name}"),
        }
    }
}

/// The command that puts both channels right.
const INSTALL: &str =
    "kubelet-tls metrics-server --dir metrics-server && kubectl apply -k metrics-server";

/// Draws the conditions: what each channel rests on, then each channel.
pub fn conditions(seen: &ChannelEvidence) -> Vec<Condition<MetricsServerConditionType>> {
    use MetricsServerConditionType as Kind;
    let first = [
        (Kind::APIServiceVerifies, api_service_verifies(seen)),
        (
            Kind::MetricsServerCertificateTrusted,
            certificate_trusted(seen),
        ),
    ];
    let second = [
        (Kind::KubeletsVerified, kubelets::verified(seen)),
        (Kind::KubeletsTrusted, kubelets::trusted(seen)),
    ];
    let channels = [
        (
            Kind::APIServerToMetricsServer,
            first_channel(seen, channel(&first)),
        ),
        (Kind::MetricsServerToKubelets, channel(&second)),
    ];
    let available = (Kind::APIServiceAvailable, available(seen));
    let all = first.into_iter().chain([available]);
    let all = all.chain(second).chain(channels);
    all.map(|(kind, verdict)| Condition::new(kind, verdict))
        .collect()
}

/// What a channel comes to: the first thing it rests on that fails, else that is unknown.
fn channel(rests_on: &[(MetricsServerConditionType, Verdict)]) -> Verdict {
    let first = |status: ConditionStatus| rests_on.iter().find(|(_, verdict)| verdict.0 == status);
    if let Some((kind, (_, _, _, hint))) = first(ConditionStatus::False) {
        let message = format!("this channel is insecure or broken: see {kind}");
        return (ConditionStatus::False, "Broken", message, hint.clone());
    }
    match first(ConditionStatus::Unknown) {
        Some((kind, _)) => unknown("NotSeen", format!("see {kind}")),
        None => holds("Verified", "verification is on, and succeeds"),
    }
}

/// The first channel succeeds only where the certificate was seen on the wire: a Secret does not say what is served.
fn first_channel(seen: &ChannelEvidence, verdict: Verdict) -> Verdict {
    match &seen.serving {
        Ok(Serving {
            place: SeenAt::Secret(name, why),
            ..
        }) if verdict.0 == ConditionStatus::True => unknown(
            "NotReached",
            format!("only secret/{name} was looked at, because {why}"),
        ),
        _ => verdict,
    }
}

fn missing() -> Verdict {
    fails(
        "NotFound",
        "the cluster has no APIService v1beta1.metrics.k8s.io",
        INSTALL,
    )
}

fn api_service_verifies(seen: &ChannelEvidence) -> Verdict {
    let Some(api_service) = &seen.api_service else {
        return missing();
    };
    if api_service.skips_verification {
        return fails(
            "SkipsVerification",
            "insecureSkipTLSVerify is true: the API server accepts any process that answers in metrics-server's place",
            INSTALL,
        );
    }
    match &api_service.ca_bundle {
        Err(why) => fails("CABundleUnusable", format!("caBundle: {why}"), INSTALL),
        // The API server then falls back on its own system's roots, which no metrics-server has a certificate of.
        Ok(cas) if cas.is_empty() => fails(
            "NoCABundle",
            "caBundle is empty, so no certificate of metrics-server verifies",
            INSTALL,
        ),
        Ok(cas) => holds(
            "CABundleSet",
            format!(
                "caBundle holds {} CA(s), insecureSkipTLSVerify is not true",
                cas.len()
            ),
        ),
    }
}

fn certificate_trusted(seen: &ChannelEvidence) -> Verdict {
    if seen.api_service.is_none() {
        return missing();
    }
    let serving = match &seen.serving {
        Ok(serving) => serving,
        Err(why) => return unknown("NotSeen", why.as_str()),
    };
    let (place, name, certificate) = (&serving.place, &serving.name, &serving.served.certificate);
    let aside = match place {
        SeenAt::Wire(_) => String::new(),
        SeenAt::Secret(_, why) => format!("; read from the Secret, because {why}"),
    };
    match &serving.served.verified {
        Ok(()) => holds(
            "Verifies",
            format!(
                "{place} verifies for {name}, valid until {}{aside}",
                certificate.not_after
            ),
        ),
        Err(why) => {
            let (reason, cause) = cause(why, certificate, name, "the caBundle");
            fails(reason, format!("{place} {cause}{aside}"), INSTALL)
        }
    }
}

/// Why it does not verify, as a reason and in words that follow what was looked at.
fn cause(
    why: &Unverified,
    certificate: &Certificate,
    name: &str,
    ca: &str,
) -> (&'static str, String) {
    match why {
        Unverified::UnknownAuthority => (
            "UnknownAuthority",
            format!(
                "has a certificate of {}, which {ca} does not verify",
                certificate.issuer
            ),
        ),
        Unverified::Expired => (
            "Expired",
            format!(
                "has a certificate that is not valid now: until {}",
                certificate.not_after
            ),
        ),
        Unverified::WrongName => (
            "NameMissing",
            format!(
                "has a certificate for {} and not for {name}",
                certificate.names.describe()
            ),
        ),
        Unverified::Other(why) => ("Unverified", format!("does not verify: {why}")),
    }
}

fn available(seen: &ChannelEvidence) -> Verdict {
    let Some(api_service) = &seen.api_service else {
        return missing();
    };
    match &api_service.available {
        Some((true, why)) => holds("Available", why.as_str()),
        Some((false, why)) => fails(
            "NotAvailable",
            why.as_str(),
            "kubectl describe apiservice v1beta1.metrics.k8s.io",
        ),
        None => unknown("NotSeen", "the APIService has no condition Available yet"),
    }
}
