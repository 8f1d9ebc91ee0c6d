//! The kubelet's request and its certificate: asking the API, and what to say of the answer.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::csr::{Request, State};
use crate::host::kube::{Api, ApiError};
use crate::host::tls;
use crate::node::{DEFAULT_KUBECONFIG, NotServed, Served};
use crate::report::{Code, Problem};
use crate::text::hint::{self, Command};

use super::{Ui, admin};

/// Opens the API with the node's credential.
///
/// # Errors
/// When the kubeconfig is not a kubelet's.
pub(crate) fn open(kubeconfig: &Path) -> Result<Api, Problem> {
    Api::open(kubeconfig).map_err(|error| problem("reach", &error))
}

/// What to say when the API server or the kubeconfig fails while CSRs are read; `verb` is that of RBAC, such as `list`.
pub(crate) fn problem(verb: &str, error: &ApiError) -> Problem {
    match error {
        ApiError::Kubeconfig { path, reason } => {
            let problem = Problem::new(Code::Unavailable, format!("cannot use kubeconfig {error}"));
            if reason.is_permission() {
                problem.with_code(Code::Permission).only_root()
            } else if reason.is_not_found() && path != Path::new(DEFAULT_KUBECONFIG) {
                problem
                    .advise("the kubelet's own is /etc/kubernetes/kubelet.conf on a kubeadm node")
                    .hint(hint::list_beside(path))
            } else if reason.is_not_found() {
                problem
                    .advise("has this node joined? kubeadm join creates the file; use --kubeconfig for another one")
                    .hint("ls -l /etc/kubernetes")
            } else {
                problem
                    .advise("the kubelet's own is /etc/kubernetes/kubelet.conf on a kubeadm node")
                    .hint(Command::from("kubectl config view --kubeconfig").arg(path))
            }
        }
        error => {
            let object = "certificatesigningrequests";
            let can_i = "kubectl --kubeconfig /etc/kubernetes/kubelet.conf auth can-i";
            let permissions = Command::from(can_i).args([verb, object]);
            let readyz = "kubectl --kubeconfig /etc/kubernetes/kubelet.conf get --raw /readyz";
            admin::refused(verb, object, error, permissions, readyz)
        }
    }
}

/// For people: whose it is, what it asks for, how far it is.
pub(crate) fn describe(request: &Request) -> String {
    format!(
        "{} is {}{}: {}, {}",
        request.name,
        request.state,
        request.said(),
        request.requestor,
        request.names.describe()
    )
}

/// Warns of requests that must not be approved, where there are some.
pub(crate) fn warn_of_stale(names: &[&str], ui: &Ui) {
    if !names.is_empty() {
        let names = names.join(", ");
        ui.warn(format!("older CSRs of this node are also Pending but useless (the kubelet discarded their keys); do not approve them: {names}"),
        );
    }
}

/// Why no certificate was seen on the kubelet's port.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NothingServed {
    /// The Node has no address to dial.
    #[error("the Node has no IP address")]
    NoAddress,
    /// An address presents no certificate.
    #[error("{0}: {1}")]
    At(SocketAddr, NotServed),
}

/// What the kubelet serves on `port` of `addresses`: the first that does not verify, else the first that does. An address
/// out of this node's own reach (an ExternalIP behind a NAT) does not count while another answers.
///
/// # Errors
/// When one has no certificate to present, or none can be reached.
pub(crate) fn served(
    addresses: &[IpAddr],
    port: u16,
    roots: &[Vec<u8>],
) -> Result<Served, NothingServed> {
    let mut failure = NothingServed::NoAddress;
    let mut good = None;
    let addresses = addresses.iter().map(|ip| SocketAddr::new(*ip, port));
    for (address, answer) in tls::probe_all(addresses.collect(), None, roots) {
        match answer {
            Ok(served) if served.verified.is_err() => return Ok(served),
            Ok(served) => good = good.or(Some(served)),
            Err(error @ NotServed::NoCertificate) => return Err(NothingServed::At(address, error)),
            Err(error) => failure = NothingServed::At(address, error),
        }
    }
    good.ok_or(failure)
}

/// What a request in this state is still without, as what is waited for.
pub(super) fn lacking(state: State, name: &str) -> String {
    match state {
        State::Pending => format!("the approval of {name}"),
        State::Approved => format!("the certificate of {name} to be issued"),
        State::Issued => format!("the certificate of {name} to be served"),
        State::Denied | State::Failed => "another request of the kubelet's".to_owned(),
    }
}
