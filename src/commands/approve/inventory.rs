//! Facts that are unknown, as problems: each with the RBAC rule or the object to repair.

use crate::host::kube::{ApiError, Fact, FactError};
use crate::report::{Code, Problem};
use crate::text::hint::Command;

/// That a fact is unknown, so that nothing is approved.
pub(super) fn problem(error: FactError) -> Problem {
    let (code, fact) = match &error {
        FactError::Api(fact, error) if error.is_forbidden() => (Code::Permission, Some(*fact)),
        FactError::Api(fact, ApiError::InvalidResponse { .. })
        | FactError::Malformed { fact, .. } => (Code::Input, Some(*fact)),
        FactError::Object(malformed) => (Code::Input, Some(malformed.fact())),
        FactError::NoNetworks => (Code::Input, None),
        FactError::NoEndpoints => (Code::Refused, Some(Fact::EndpointSlices)),
        FactError::Api(..) | FactError::Presented(_) | FactError::Unresolved { .. } => {
            (Code::Unavailable, None)
        }
    };
    let no_networks = matches!(error, FactError::NoNetworks);
    let problem = Problem::of(code, error)
        .context("cannot judge any request")
        .advise("nothing was approved");
    match (code, fact) {
        (Code::Permission, Some(fact)) => {
            let (verb, object, namespace) = fact.access();
            let command = Command::new("kubectl").args(["auth", "can-i", verb, object]);
            let command = namespace.into_iter().fold(command, |command, namespace| {
                command.args(["-n", namespace])
            });
            problem
                .advise(format_args!("the credential needs the rule {}", fact.rbac_rule()))
                .hint(command)
        }
        (_, Some(fact)) => problem.advise("repair the object").hint(look_at(fact)),
        _ if no_networks => problem
            .advise("give the subnets with --service-cidr and --pod-cidr")
            .hint("kubectl -n kube-system get pods -l component=kube-controller-manager -o yaml | grep cidr"),
        _ => problem.hint("kubectl get --raw /readyz"),
    }
}

fn look_at(fact: Fact) -> &'static str {
    match fact {
        Fact::Nodes => "kubectl get nodes -o yaml",
        Fact::Services => "kubectl get services --all-namespaces -o yaml",
        Fact::EndpointSlices => {
            "kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes -o yaml"
        }
        Fact::Endpoints => "kubectl -n default get endpoints kubernetes -o yaml",
        Fact::KubeadmConfig => "kubectl -n kube-system edit configmap kubeadm-config",
        Fact::ServiceCidrs => "kubectl get servicecidrs -o yaml",
    }
}
