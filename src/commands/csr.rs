//! `csr`: the name of this node's newest kubelet-serving request.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::approval::{Check, Finding, Local};
use crate::cli;
use crate::csr::{Listing, Request, State};
use crate::host::kube::Api;
use crate::host::{files, interfaces};
use crate::report::{CsrReport, CsrResult, Ending, Outcome, Problem};
use crate::x509::Names;

use super::{Ui, node, request};

/// How long to ask before giving up.
const DEADLINE: Duration = Duration::from_secs(30);
/// kubeadm's static Pod of an API server.
const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/// Prints the name. Exit 1 when no CSR exists, or with `--check` when it differs from what this machine knows.
pub(crate) fn run(arguments: &cli::Csr, ui: &Ui) -> Outcome<CsrResult> {
    let mut result = CsrResult::default();
    let mut steps = || {
        let kubeconfig = arguments.kubeconfig.clone();
        let api = request::open(&kubeconfig.unwrap_or_else(node::kubeconfig))?;
        result.node = Some(api.node_name().to_owned());
        let listing = api
            .requests(Instant::now() + DEADLINE)
            .map_err(|error| request::problem("list", &error))?;
        let Some(newest) = &listing.newest else {
            let none = format!("node {} has no kubelet-serving CSR", api.node_name());
            return Ok(Ending::Negative(Some(none)));
        };
        result.csr = Some(CsrReport::from(newest));
        let checks = arguments.check.then(|| check(newest, &api, ui));
        result.checks = checks.transpose()?;
        Ok(tell(newest, &listing, result.checks.as_deref(), ui))
    };
    let ending = steps().unwrap_or_else(Ending::Failed);
    Outcome { result, ending }
}

/// Prints the name of a request that does not differ, and what a person should know of it.
fn tell(newest: &Request, listing: &Listing, checks: Option<&[Check]>, ui: &Ui) -> Ending {
    let mut checks = checks.unwrap_or_default().iter();
    let differs = checks.any(|check| check.finding == Finding::Differs);
    if !differs {
        ui.name(&newest.name);
    }
    ui.detail(&request::describe(newest));
    match newest.state {
        State::Pending => {}
        State::Denied => {
            let said = newest.message.as_deref().unwrap_or("no reason given");
            ui.warn(format!(
                "{} is Denied ({said}); the kubelet creates a new CSR within 32 seconds",
                newest.name
            ));
        }
        state => ui.detail(&format!("{} needs no approval: it is {state}", newest.name)),
    }
    request::warn_of_stale(&listing.stale(), ui);
    if differs {
        Ending::Negative(Some(format!(
            "{} requests names or a subject that this machine does not know as its own",
            newest.name
        )))
    } else {
        Ending::Done
    }
}

/// Compares what the request asks for with what this machine has, and says what comes of it.
///
/// # Errors
/// When the kubelet cannot be looked at.
fn check(request: &Request, api: &Api, ui: &Ui) -> Result<Vec<Check>, Problem> {
    let located = node::locate(None, node::Need::File, node::When::Now)?;
    for warning in located.warnings {
        ui.warn(warning);
    }
    let flag = |name: &str| {
        let value = located
            .kubelet
            .flags
            .get(name)
            .filter(|value| !value.is_empty());
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
    Ok(checks)
}
