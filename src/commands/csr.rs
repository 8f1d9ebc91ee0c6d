//! `csr`: the name of this node's newest kubelet-serving request.

use std::time::{Duration, Instant};

use crate::cli;
use crate::csr::State;
use crate::report::{Code, CsrReport, Document, Problem};

use super::{Console, node, request};

/// How long to ask before giving up.
const DEADLINE: Duration = Duration::from_secs(30);

/// Prints the name.
///
/// # Errors
/// [`Code::Negative`] when there is none; else why the API cannot be asked.
pub(crate) fn run(
    arguments: &cli::Csr,
    console: &Console,
    document: &mut Document,
) -> Result<(), Problem> {
    document.csr = Some(None);
    let kubeconfig = match &arguments.kubeconfig {
        Some(path) => path.clone(),
        None => node::kubeconfig(),
    };
    let api = request::open(&kubeconfig, document)?;
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
    console.name(&newest.name);
    console.detail(&request::describe(&newest));
    match newest.state {
        State::Pending => {}
        State::Denied => console.warn(
            document,
            format!(
                "{} is Denied; the kubelet makes a new request within 32 seconds",
                newest.name
            ),
        ),
        state => console.detail(&format!("{} needs no approval: it is {state}", newest.name)),
    }
    request::warn_of_stale(&listing.stale(), console, document);
    document.csr = Some(Some(CsrReport::from(&newest)));
    Ok(())
}
