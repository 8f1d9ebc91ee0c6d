//! What is asked of the API server as an administrator: which kubeconfig, and what to say of errors.

use std::path::Path;

use crate::cli::Access;
use crate::host::kube::kubeconfig::{ADMIN_CONF, Source};
use crate::host::kube::{Admin, ApiError};
use crate::report::{Code, Problem};

/// Opens the API with the administrator's credential.
///
/// # Errors
/// When the kubeconfig cannot be used.
pub(crate) fn open(access: &Access) -> Result<Admin, Problem> {
    let source = Source::of_administrator(access.kubeconfig.as_deref(), access.context.as_deref());
    Admin::open(&source).map_err(|error| problem("reach", "the API server", &error))
}

/// An API error as a problem: `cannot VERB OBJECT: CAUSE`.
pub(crate) fn problem(verb: &str, object: &str, error: &ApiError) -> Problem {
    match error {
        ApiError::Kubeconfig { path, reason } => {
            let message = format!("cannot use kubeconfig {error}");
            if reason.is_permission() {
                Problem::new(Code::Permission, message).only_root()
            } else {
                Problem::new(Code::Unavailable, message)
                    .advise(
                        "set --kubeconfig or KUBECONFIG to a cluster administrator's kubeconfig",
                    )
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
