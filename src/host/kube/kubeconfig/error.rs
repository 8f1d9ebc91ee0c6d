//! What is wrong with a kubeconfig, never with a quotation of it: it holds keys.

use std::io;

use super::super::proxy::ProxyError;
use crate::host::files::{FileCause, FileError};

/// Why a kubeconfig cannot be used. Nothing of the file is quoted but the names of fields that Kubernetes defines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// It, or a file that it names, cannot be read.
    #[error("{}{message}", of(.what))]
    Unreadable {
        /// The field that names the file; none for the kubeconfig itself.
        what: Option<&'static str>,
        /// The operating system's kind of the failure; `Other` where it is another reason.
        kind: io::ErrorKind,
        /// The path and the system's error, as one clause.
        message: String,
    },
    /// It is not YAML, or not a mapping.
    #[error("it is not a kubeconfig{}", place(.0))]
    NotKubeconfig(Option<(usize, usize)>),
    /// A part of it is not of the type that Kubernetes defines.
    #[error("{field} of its {section} is not {expected}")]
    Type {
        /// `cluster`, `user` or `context`.
        section: &'static str,
        /// The field's name in the kubeconfig.
        field: &'static str,
        /// What it should be, such as `a string`.
        expected: &'static str,
    },
    /// Neither `current-context` nor `--context` names a context.
    #[error("it has no current-context")]
    NoCurrentContext,
    /// The current context is not defined.
    #[error("its current-context is not one of its contexts")]
    UnknownCurrentContext,
    /// The context that was asked for is not defined.
    #[error("it has no context {0:?}")]
    UnknownContext(String),
    /// The context's cluster is not defined.
    #[error("the cluster of its context is not one of its clusters")]
    UnknownCluster,
    /// A field that changes who asks, runs a program or turns verification off.
    #[error("{field} of its {section} is not supported{}", why(.field))]
    Forbidden {
        /// `cluster` or `user`.
        section: &'static str,
        /// The field's name in the kubeconfig.
        field: &'static str,
    },
    /// A field that this program does not know, so that it cannot tell what it means.
    #[error("its {section} has a field that kubelet-tls does not know")]
    UnknownField {
        /// `cluster` or `user`.
        section: &'static str,
    },
    /// `exec` in the kubeconfig of a verb that runs on a node, with the node's own credential.
    #[error(
        "exec credential plugins are not supported on a node; use a kubeconfig with a client certificate"
    )]
    ExecOnNode,
    /// `exec` where the caller is root.
    #[error(
        "exec credential plugins are not supported as root, because an exec plug-in is a program that the kubeconfig names; run this as an ordinary user, or use a kubeconfig with a client certificate or a token"
    )]
    ExecAsRoot,
    /// A plug-in was run and gave no credential.
    #[error("its exec credential plugin {0}")]
    Plugin(PluginFailure),
    /// No client certificate, no token and no plug-in.
    #[error("its user has no client certificate and no token")]
    NoCredential,
    /// `server` cannot be used.
    #[error("the server's address {0}")]
    Server(&'static str),
    /// `proxy-url`, or the proxy of the environment.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A field that should be base64.
    #[error("{0} is not base64")]
    NotBase64(&'static str),
    /// A certificate authority without a certificate.
    #[error("its certificate authority is not a PEM certificate")]
    NoAuthority,
    /// A token that is not part of an HTTP header (RFC 9110, 5.5).
    #[error("its user's token has an invalid character")]
    Token,
    /// The client certificate cannot be read.
    #[error("its client certificate is {0}")]
    Certificate(String),
    /// The client certificate is not a node's.
    #[error("its client certificate is for {0:?}, not for a node")]
    NotNode(String),
    /// No client certificate where a node's is needed.
    #[error("it has no client certificate, so it is not a kubelet's")]
    NoCertificate,
    /// The TLS client refuses certificate and key.
    #[error("{0}")]
    Client(String),
}

/// How a plug-in failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginFailure {
    /// Not a version of the protocol that is known.
    #[error("speaks a version of client.authentication.k8s.io other than v1 and v1beta1")]
    Version,
    /// `command` is missing or empty.
    #[error("has no command")]
    NoCommand,
    /// It wants a terminal, and standard input is not one.
    #[error("wants a terminal (interactiveMode: Always)")]
    NoTerminal,
    /// It was not started.
    #[error("cannot be started: {0}")]
    Start(String),
    /// It did not end in time, in seconds.
    #[error("did not end within {0} s")]
    Deadline(u64),
    /// It ended with another code than 0.
    #[error("failed: {0}")]
    Failed(String),
    /// Its output is not an ExecCredential with a token or a certificate and a key.
    #[error("did not print an ExecCredential with a token or a client certificate")]
    Output,
    /// Its credential is of the past.
    #[error("printed a credential that has expired (is this machine's clock right?)")]
    Expired,
}

impl KubeconfigError {
    /// Whether the operating system refused permission to read a file.
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Unreadable { kind, .. } if *kind == io::ErrorKind::PermissionDenied)
    }

    /// Whether a file does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Unreadable { kind, .. } if *kind == io::ErrorKind::NotFound)
    }

    /// A file that cannot be read; `what` is the field that names it, none for the kubeconfig itself.
    pub(super) fn unreadable(what: Option<&'static str>, error: &FileError) -> Self {
        let kind = match &error.cause {
            FileCause::Io(error) => error.kind(),
            _ => io::ErrorKind::Other,
        };
        let message = match what {
            Some(_) => error.to_string(),
            None => error.cause.to_string(),
        };
        Self::Unreadable {
            what,
            kind,
            message,
        }
    }
}

fn of(what: &Option<&'static str>) -> String {
    what.map_or_else(String::new, |field| format!("{field}: "))
}

fn place(place: &Option<(usize, usize)>) -> String {
    place.map_or_else(String::new, |(line, column)| {
        format!(" at line {line}, column {column}")
    })
}

fn why(field: &str) -> &'static str {
    match field {
        "insecure-skip-tls-verify" => ": an unverified server may be anyone",
        "as" | "as-uid" | "as-groups" | "as-user-extra" => {
            ": it impersonates another user; use that user's own credential"
        }
        "auth-provider" => {
            ": auth providers run programs and left kubectl in 1.26; use a client certificate or a token"
        }
        "username" | "password" => {
            ": basic authentication left Kubernetes in 1.19; it has no client certificate and no token"
        }
        _ => "",
    }
}
