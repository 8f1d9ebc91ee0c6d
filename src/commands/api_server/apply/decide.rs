//! What `api-server apply` does on a control-plane node, decided from what was observed: no lock, clock, API call or output.

use std::path::PathBuf;

use crate::apply::NotReady;
use crate::commands::api_server::execute::Purpose;
use crate::commands::api_server::receipts::Interrupted;
use crate::commands::api_server::survey;
use crate::edit::api_server::Verification;
use crate::node::{ApiServerProcess, NodeSurvey, OtherControlPlanes};
use crate::plan::Edit;
use crate::report::Problem;
use crate::text::hint::{self, Command};

/// What was observed before anything is touched.
#[derive(Debug)]
pub(super) struct Observed {
    /// The edit that the manifest needs; one that changes nothing if it has the value already.
    pub(super) edit: Edit,
    /// What an earlier run has left of it.
    pub(super) interrupted: Interrupted,
    /// Other files of its directory that the kubelet reads as a Pod of an API server.
    pub(super) twins: Vec<PathBuf>,
    /// The running API server, or why it is not healthy.
    pub(super) instance: Result<ApiServerProcess, NotReady>,
    /// What each node's kubelet serves where this API server dials it; absent if none has to be proved.
    pub(super) nodes: Option<NodeSurvey>,
    /// The other control-plane nodes, compared with what is wanted here.
    pub(super) others: OtherControlPlanes,
    /// What a person should know of nodes that join; absent if the API was not asked.
    pub(super) approver: Option<String>,
    /// kubeadm's configuration of the cluster.
    pub(super) kubeadm: KubeadmConfig,
}

/// kubeadm's configuration of the cluster, compared with what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KubeadmConfig {
    /// It reads as wanted.
    Agrees,
    /// It has to be changed.
    Differs,
    /// The cluster has no such ConfigMap.
    Absent,
    /// It was not read, because the API server is not healthy.
    Unread,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options<'a> {
    /// Whether the API server is to verify kubelets.
    pub(super) wanted: Verification,
    /// The CA that its process has to name; `None` if it is to verify none.
    pub(super) kubelet_ca: Option<&'a str>,
}

/// What is done about the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing: the API server runs as wanted.
    Nothing,
    /// It is edited, and the API server is watched.
    Switch,
    /// An interrupted run has edited it; the API server is watched.
    Complete,
    /// It reads as wanted, and the API server does not run with it yet; it is watched.
    Await,
}

/// What is done about kubeadm's configuration of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Configuration {
    /// Nothing: it reads as wanted, or the cluster has no such ConfigMap.
    Nothing,
    /// It is changed after the manifest.
    Change,
    /// It is left until the other control-plane nodes are changed too.
    Wait,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// The edit of the manifest. That of an interrupted run, if it has made it.
    pub(super) edit: Edit,
    pub(super) act: Act,
    pub(super) configuration: Configuration,
    /// What a person should know before it is done.
    pub(super) warnings: Vec<String>,
}

/// Decides what to do.
///
/// # Errors
/// Why the API server must not be switched. Nothing was changed.
pub(super) fn decide(observed: &Observed, options: &Options<'_>) -> Result<Decision, Problem> {
    if let Some(twin) = observed.twins.first() {
        let why = format!(
            "the kubelet reads {} as a Pod of the API server too, and may run it instead",
            twin.display()
        );
        return Err(Purpose::Apply(options.wanted)
            .refused(why)
            .advise("move it to another directory")
            .hint(hint::move_away(twin)));
    }
    let act = act(observed, options);
    if act == Act::Switch
        && let Err(why) = &observed.instance
    {
        return Err(unhealthy(observed, options.wanted, why));
    }
    if let Some(nodes) = &observed.nodes {
        survey::require_secured(nodes)?;
    }
    let edit = match &observed.interrupted {
        Interrupted::Made(made) if act == Act::Complete => made.clone(),
        _ => observed.edit.clone(),
    };
    let configuration = configuration(observed.kubeadm, &observed.others);
    Ok(Decision {
        warnings: warnings(observed, options, act, configuration),
        edit,
        act,
        configuration,
    })
}

/// What is done about kubeadm's configuration: it is changed with the last control-plane node, because kubeadm writes the
/// manifest of each one from it.
pub(super) fn configuration(kubeadm: KubeadmConfig, others: &OtherControlPlanes) -> Configuration {
    match kubeadm {
        KubeadmConfig::Differs if others.agree() => Configuration::Change,
        KubeadmConfig::Differs => Configuration::Wait,
        KubeadmConfig::Agrees | KubeadmConfig::Absent | KubeadmConfig::Unread => {
            Configuration::Nothing
        }
    }
}

fn act(observed: &Observed, options: &Options<'_>) -> Act {
    let runs = |process: &ApiServerProcess| process.kubelet_ca() == options.kubelet_ca;
    if observed.edit.changes() {
        Act::Switch
    } else if observed.interrupted.is_made() {
        Act::Complete
    } else if observed.instance.as_ref().is_ok_and(runs) {
        Act::Nothing
    } else {
        Act::Await
    }
}

/// What follows from the change.
fn warnings(
    observed: &Observed,
    options: &Options<'_>,
    act: Act,
    configuration: Configuration,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if act == Act::Switch {
        let target = &observed.edit.target;
        warnings.push(match observed.others.count {
            0 => format!(
                "the kubelet restarts the API server when {target} changes, and this cluster has no other one: the API is \
                 unavailable for 14 to 39 s"
            ),
            _ => format!(
                "the kubelet restarts the API server when {target} changes: this one is unavailable for 14 to 39 s"
            ),
        });
    }
    if act != Act::Nothing && options.wanted == Verification::Enabled {
        warnings.extend(observed.approver.clone());
    }
    if configuration == Configuration::Wait {
        warnings.push(until_the_last(&observed.others, options.wanted));
    }
    if observed.kubeadm == KubeadmConfig::Absent {
        warnings.push(
            "configmap/kube-system/kubeadm-config does not exist: whatever writes this cluster's manifests has to keep the \
             change"
                .to_owned(),
        );
    }
    warnings
}

/// That kubeadm would undo the change, until it is made on the other control-plane nodes.
pub(super) fn until_the_last(others: &OtherControlPlanes, wanted: Verification) -> String {
    let (undoes, without) = match wanted {
        Verification::Enabled => ("removes the flag again", "does not have the flag"),
        Verification::Disabled => ("sets the flag again", "still has the flag"),
    };
    let named = |names: &[String], what: &str| match names {
        [] => None,
        names => Some(format!("{}: {what}", names.join(", "))),
    };
    let which = [
        named(&others.differ, without),
        named(&others.unknown, "its flags are not known"),
    ];
    let which: Vec<String> = which.into_iter().flatten().collect();
    format!(
        "the next kubeadm upgrade {undoes}, because configmap/kube-system/kubeadm-config is only changed together with \
         the last control-plane node ({})",
        which.join("; ")
    )
}

/// It cannot be told afterwards what broke an API server that is not healthy now.
fn unhealthy(observed: &Observed, wanted: Verification, why: &NotReady) -> Problem {
    let mut alone = Command::new("kubelet-tls").arg("apply");
    if let crate::plan::Target::File(path) = &observed.edit.target {
        alone = alone.arg(path);
    }
    alone = alone.arg("--api-server");
    if wanted == Verification::Disabled {
        alone = alone.arg("--disable");
    }
    let why = format!("the API server of this node is not healthy: {why}");
    Purpose::Apply(wanted)
        .refused(why)
        .advise("nothing was changed")
        .advise(format!("fix it first, or change only the file: {}", alone))
        .hint("crictl ps -a --name kube-apiserver")
}

#[cfg(test)]
mod tests;
