//! `api-server status`: whether this node's API server verifies kubelets, keeps doing so, and still reaches them.

use std::time::{Duration, Instant};

use crate::cli;
use crate::commands::files::{Whose, refused};
use crate::commands::{Ui, admin, status};
use crate::edit::api_server::{Manifest, kubelet_ca};
use crate::host::kube::Admin;
use crate::host::process;
use crate::host::reach::reach;
use crate::node::api_server::{self, ApiServerEvidence, ReachedNode};
use crate::node::{ApiServerProcess, ConfigMap, Explanation, NodeSurvey, own_process};
use crate::plan::Target;
use crate::report::{ApiServerStatusResult, Outcome, Problem};

use super::observe::{self, SeenManifest};
use super::{approver, survey};

/// How long all of it may take. What was not seen by then is Unknown.
const BUDGET: Duration = Duration::from_secs(50);

/// Prints the conditions. Exit 1 when one is not True.
pub(crate) fn run(arguments: &cli::ApiServerStatus, ui: &Ui) -> Outcome<ApiServerStatusResult> {
    let evidence = match observe(arguments) {
        Ok(evidence) => evidence,
        Err(problem) => return Outcome::failed(ApiServerStatusResult::default(), problem),
    };
    let (conditions, ending) = status::show(api_server::conditions(&evidence), ui);
    let process = own_process(&evidence.manifest, &evidence.processes).ok();
    Outcome {
        result: ApiServerStatusResult {
            address: process.map(|process| process.address().socket.to_string()),
            conditions: Some(conditions),
        },
        ending,
    }
}

/// Looks at this machine and, as far as the credential and the time reach, at the cluster.
///
/// # Errors
/// When the manifest cannot be read, or is not one.
fn observe(arguments: &cli::ApiServerStatus) -> Result<ApiServerEvidence, Problem> {
    let end = Instant::now() + BUDGET;
    let SeenManifest { path, bytes, twins } = observe::manifest(&arguments.manifest)?;
    let manifest = Manifest::read(&bytes)
        .map_err(|refusal| refused(&Target::File(path), &refusal, Whose::Node))?;
    let processes = process::api_servers();
    let admin =
        admin::open(&arguments.access).map_err(|problem| Explanation::new(problem.message()));
    let admin = admin.as_ref().map_err(Clone::clone);
    let nodes = admin.clone().and_then(|admin| nodes(admin, &manifest, end));
    Ok(ApiServerEvidence {
        kubeadm_config: admin.clone().and_then(|admin| kubeadm_config(admin, end)),
        reached: admin
            .clone()
            .and_then(|admin| reached(admin, &manifest, &processes, &nodes, end)),
        approver: admin.and_then(|admin| approver::seen(admin, end)),
        nodes,
        manifest,
        twins,
        processes,
    })
}

fn nodes(admin: &Admin, manifest: &Manifest, end: Instant) -> Result<NodeSurvey, Explanation> {
    let unseen = |problem: Problem| Explanation::new(problem.message());
    let roots = survey::roots(manifest).map_err(unseen)?;
    survey::survey(admin, manifest, &roots, end).map_err(unseen)
}

fn kubeadm_config(admin: &Admin, end: Instant) -> Result<Option<String>, Explanation> {
    let target = ConfigMap::target_of(ConfigMap::KUBEADM_CONFIG);
    let found = observe::kubeadm_config(admin, end)
        .map_err(|problem| Explanation::new(problem.message()))?;
    let map = found.ok_or_else(|| Explanation::new(format!("{target} does not exist")))?;
    let text = map.text.ok_or_else(|| {
        Explanation::new(format!("{target} has no data key ClusterConfiguration"))
    })?;
    kubelet_ca(text.as_bytes())
        .map_err(|refusal| Explanation::new(format!("{target}: {}", refusal.reason())))
}

/// Asks each Ready node through this API server at its own address.
fn reached(
    admin: &Admin,
    manifest: &Manifest,
    processes: &[ApiServerProcess],
    nodes: &Result<NodeSurvey, Explanation>,
    end: Instant,
) -> Result<Vec<ReachedNode>, Explanation> {
    let process =
        own_process(manifest, processes).map_err(|why| Explanation::new(why.to_string()))?;
    let survey = nodes.as_ref().map_err(Clone::clone)?;
    let instance = admin
        .instance(&process.address())
        .map_err(|error| Explanation::new(error.to_string()))?;
    let reached = reach(&instance, &survey.ready(), end).into_iter();
    let reached = reached.map(|node| {
        let answer = node.answer;
        let answer = answer.map_err(|error| Explanation::new(error.to_string()));
        (node.name, answer)
    });
    Ok(reached.collect())
}
