//! `csr`: the name of this node's newest kubelet-serving request.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::approval::{Check, Finding, Local};
use crate::cli;
use crate::csr::{Request, State};
use crate::host::kube::Api;
use crate::host::{files, interfaces};
use crate::report::{Code, CsrReport, Document, Problem};
use crate::x509::Names;

use super::{Ui, node, request};

/// How long to ask before giving up.
const DEADLINE: Duration = Duration::from_secs(30);
/// kubeadm's static Pod of an API server.
const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/// Prints the name.
///
/// # Errors
/// [`Code::Negative`] when there is none; else why the API cannot be asked.
pub(crate) fn run(arguments: &cli::Csr, ui: &Ui, document: &mut Document) -> Result<(), Problem> {
    document.csr = Some(None);
    let kubeconfig = match &arguments.kubeconfig {
        Some(path) => path.clone(),
        None => node::kubeconfig(),
    };
    let api = request::open(&kubeconfig)?;
    document.node = Some(api.node_name().to_owned());
    let listing = api
        .requests(Instant::now() + DEADLINE)
        .map_err(|error| request::problem("list", &error))?;
    let Some(newest) = listing.newest.clone() else {
        return Err(Problem::new(
            Code::Negative,
            format!(
                "no kubelet-serving request of node {} is in the cluster",
                api.node_name()
            ),
        ));
    };
    let differs = arguments.check && !check(&newest, &api, ui, document)?;
    if !differs {
        ui.name(&newest.name);
    }
    ui.detail(&request::describe(&newest));
    match newest.state {
        State::Pending => {}
        State::Denied => ui.warn(format!(
            "{} is Denied; the kubelet makes a new request within 32 seconds",
            newest.name
        )),
        state => ui.detail(&format!("{} needs no approval: it is {state}", newest.name)),
    }
    request::warn_of_stale(&listing.stale(), ui);
    document.csr = Some(Some(CsrReport::from(&newest)));
    if differs {
        let message = format!(
            "{} asks for what this machine does not know to be its own",
            newest.name
        );
        return Err(Problem::new(Code::Negative, message));
    }
    Ok(())
}

/// Whether nothing that the request asks for is other than this machine has it.
///
/// # Errors
/// When the kubelet cannot be looked at.
fn check(request: &Request, api: &Api, ui: &Ui, document: &mut Document) -> Result<bool, Problem> {
    let located = node::locate(None, node::Need::File, node::When::Now)?;
    for warning in located.warnings() {
        ui.warn(warning);
    }
    let flag = |name: &str| {
        let value = located.flags().get(name).filter(|value| !value.is_empty());
        value.map(str::to_owned)
    };
    let presented = api.presented_names(Instant::now() + DEADLINE);
    let api_server = presented.unwrap_or_else(|error| {
        ui.warn(format!(
            "the request was not compared with the API server's addresses: {error}"
        ));
        Names::default()
    });
    let local = Local {
        node: api.node_name().to_owned(),
        host_name: interfaces::host_name(),
        interfaces: interfaces::addresses(),
        node_ip: flag("node-ip"),
        hostname_override: flag("hostname-override"),
        cloud_provider: flag("cloud-provider"),
        api_server,
        runs_api_server: files::is_symlink(Path::new(API_SERVER)).is_some(),
    };
    let checks = local.check(request);
    for Check {
        what,
        finding,
        message,
    } in &checks
    {
        match finding {
            Finding::Agrees => ui.say(&format!("agrees: {what}: {message}")),
            Finding::Differs => ui.say(&format!("differs: {what}: {message}")),
            Finding::Unknown => ui.warn(format!("{what}: {message}")),
        }
    }
    let good = checks.iter().all(|check| check.finding != Finding::Differs);
    document.checks = Some(checks);
    Ok(good)
}
