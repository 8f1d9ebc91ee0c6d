//! What is asked of the API server as an administrator: which kubeconfig, and what to say of errors.

use std::path::{Path, PathBuf};

use crate::cli::Access;
use crate::host::environment;
use crate::host::kube::kubeconfig::{KubeconfigError, Source};
use crate::host::kube::{Admin, ApiError, HostSource, Unreachable};
use crate::report::{Code, Problem};
use crate::text::hint::{self, Command};

/// Opens the API with the administrator's credential.
///
/// # Errors
/// When the kubeconfig cannot be used.
pub(crate) fn open(access: &Access) -> Result<Admin, Problem> {
    let source = Source::of_administrator(access.kubeconfig.as_deref(), access.context.as_deref());
    Admin::open(&source).map_err(|error| not_opened(access, &error))
}

/// Why the API cannot be opened with the credential that `access` names.
pub(crate) fn not_opened(access: &Access, error: &ApiError) -> Problem {
    match error {
        ApiError::Kubeconfig { path, reason } if !reason.is_permission() => {
            let problem = Problem::new(Code::Unavailable, format!("cannot use kubeconfig {error}"));
            let named = match (&access.kubeconfig, environment::first_of(&["KUBECONFIG"])) {
                (Some(_), _) => Named::Option,
                (None, Some(_)) => Named::Variable,
                (None, None) => Named::Default,
            };
            unusable(problem, path, reason, named)
        }
        error => problem("reach", "the API server", error),
    }
}

/// Who says which kubeconfig is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// `--kubeconfig`.
    Option,
    /// `$KUBECONFIG`.
    Variable,
    Default,
}

/// Adds what to do about a kubeconfig that cannot be used.
fn unusable(problem: Problem, path: &Path, reason: &KubeconfigError, named: Named) -> Problem {
    let kubectl_config = |verb: &str| {
        let command = Command::from("kubectl config").arg(verb);
        match named {
            Named::Option => command.arg("--kubeconfig").arg(path),
            Named::Variable | Named::Default => command,
        }
    };
    match (reason, named) {
        (KubeconfigError::UnknownContext(_), _) => problem
            .advise("choose one of its contexts with --context")
            .hint(kubectl_config("get-contexts")),
        (KubeconfigError::NoCurrentContext | KubeconfigError::UnknownCurrentContext, _) => problem
            .advise("choose one of its contexts with --context, if it is a cluster administrator's kubeconfig")
            .hint(kubectl_config("get-contexts")),
        (reason, Named::Option) if reason.is_not_found() => problem
            .advise(ADVICE)
            .hint(hint::list_beside(path)),
        (reason, Named::Variable) if reason.is_not_found() => problem
            .advise("the variable KUBECONFIG names it")
            .advise(ADVICE)
            .hint("unset KUBECONFIG"),
        (reason, Named::Default) if reason.is_not_found() => problem
            .advise(ADVICE)
            .advise("kubeadm writes one on control-plane nodes: /etc/kubernetes/admin.conf")
            .hint("ls -l ~/.kube /etc/kubernetes"),
        _ => problem.advise(ADVICE).hint(kubectl_config("view")),
    }
}

const ADVICE: &str = "set --kubeconfig or KUBECONFIG to a cluster administrator's kubeconfig";

/// An API error as a problem: `cannot VERB OBJECT: CAUSE`.
pub(crate) fn problem(verb: &str, object: &str, error: &ApiError) -> Problem {
    match error {
        ApiError::Kubeconfig { reason, .. } => {
            let message = format!("cannot use kubeconfig {error}");
            match reason.is_permission() {
                true => Problem::new(Code::Permission, message).only_root(),
                false => Problem::new(Code::Unavailable, message).hint("kubectl config view"),
            }
        }
        error => {
            let permissions = "kubectl auth can-i --list".into();
            refused(
                verb,
                object,
                error,
                permissions,
                "kubectl get --raw /readyz",
            )
        }
    }
}

/// What the API server did not do, whatever the credential: `permissions` and `readyz` ask it with the same one what that
/// may do, and whether it answers.
pub(super) fn refused(
    verb: &str,
    object: &str,
    error: &ApiError,
    permissions: Command,
    readyz: &'static str,
) -> Problem {
    let problem = |code| Problem::new(code, format!("cannot {verb} {object}: {error}"));
    match error {
        ApiError::Unreachable {
            reason: Unreachable::UnknownHost(host),
            ..
        } => unknown_host(problem(Code::Unavailable), &host.named),
        error if error.is_forbidden() => problem(Code::Permission).hint(permissions),
        _ => problem(Code::Unavailable).hint(readyz),
    }
}

/// Adds where the name of a host is written that has no IP address.
fn unknown_host(problem: Problem, named: &HostSource) -> Problem {
    let shown = match named {
        HostSource::Server(paths) | HostSource::ProxyUrl(paths) if paths.len() != 1 => {
            "kubectl config view --minify".into()
        }
        HostSource::Server(paths) => hint::grep("server:", paths.iter().map(PathBuf::as_path)),
        HostSource::ProxyUrl(paths) => hint::grep("proxy-url:", paths.iter().map(PathBuf::as_path)),
        HostSource::ProxyVariable => Command::from("env").pipe(hint::grep("https_proxy", [])),
        HostSource::Pod => Command::from("env").pipe(hint::grep("kubernetes_service", [])),
    };
    problem
        .advise("correct the name there, or fix this machine's DNS")
        .hint(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forbidden_is_77_with_the_question_what_is_permitted() {
        let status = |code| ApiError::Status {
            server: "https://a:6443".into(),
            code,
            message: String::new(),
            retry_after: None,
        };
        for (code, exit, hint) in [
            (403, Code::Permission, "kubectl auth can-i --list"),
            (500, Code::Unavailable, "kubectl get --raw /readyz"),
        ] {
            let problem = problem("list", "nodes", &status(code));
            assert_eq!(problem.code, exit);
            assert_eq!(problem.hint, Some(hint.into()));
            assert_eq!(
                problem.message(),
                format!("cannot list nodes: https://a:6443 answers {code}")
            );
        }
    }
}
