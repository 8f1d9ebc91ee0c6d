//! What is asked of the API server as an administrator: which kubeconfig, and what to say of errors.

use std::path::{Path, PathBuf};

use crate::host::kube::{Admin, ApiError};
use crate::host::{environment, files};
use crate::report::{Code, Problem};

/// Where kubeadm leaves the administrator's kubeconfig on a control plane.
const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";

/// The administrator's kubeconfig: `named`, else the first file of `$KUBECONFIG` that exists, else kubeadm's. kubectl
/// merges the files of `$KUBECONFIG`; here the first is taken whole, and refused if it does not suffice.
pub(crate) fn kubeconfig(named: &Option<PathBuf>) -> PathBuf {
    if let Some(path) = named {
        return path.clone();
    }
    let listed = environment::first_of(&["KUBECONFIG"]).unwrap_or_default();
    let mut listed = listed
        .split(':')
        .filter(|path| !path.is_empty())
        .map(Path::new);
    let first = listed.clone().next();
    listed
        .find(|path| files::is_symlink(path).is_some())
        .or(first)
        .unwrap_or(Path::new(ADMIN_CONF))
        .to_owned()
}

/// Opens the API with the administrator's credential.
///
/// # Errors
/// When the kubeconfig cannot be used.
pub(crate) fn open(named: &Option<PathBuf>) -> Result<Admin, Problem> {
    Admin::open(&kubeconfig(named)).map_err(|error| problem("reach", "the API server", &error))
}

/// An API error as a problem: `cannot VERB OBJECT: CAUSE`.
pub(crate) fn problem(verb: &str, object: &str, error: &ApiError) -> Problem {
    match error {
        ApiError::Kubeconfig { path, reason } => {
            let message = format!("cannot use kubeconfig {error}");
            if reason.to_lowercase().contains("permission denied") {
                Problem::new(Code::Permission, message).as_root()
            } else {
                Problem::new(Code::Unavailable, message)
                    .advise("--kubeconfig or KUBECONFIG names an administrator's")
                    .hint(if path == Path::new(ADMIN_CONF) {
                        "export KUBECONFIG=~/.kube/config"
                    } else {
                        "export KUBECONFIG=/etc/kubernetes/admin.conf"
                    })
            }
        }
        error if error.is_forbidden() => {
            Problem::new(Code::Permission, format!("cannot {verb} {object}: {error}"))
                .hint("kubectl auth can-i --list")
        }
        error => Problem::new(
            Code::Unavailable,
            format!("cannot {verb} {object}: {error}"),
        )
        .hint("kubectl get --raw /readyz"),
    }
}
