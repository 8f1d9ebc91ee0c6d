//! The IP addresses of the host that is dialled, and who names that host if it has no address.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use tower_service::Service;

/// Who names the host that is dialled: that of the API server, or that of the proxy before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostSource {
    /// `server` of a cluster in these kubeconfigs.
    Server(Vec<PathBuf>),
    /// `proxy-url` of a cluster in these kubeconfigs.
    ProxyUrl(Vec<PathBuf>),
    /// The environment variable `HTTPS_PROXY`.
    ProxyVariable,
    /// The environment variable `KUBERNETES_SERVICE_HOST`, which every pod has.
    Pod,
}

impl fmt::Display for HostSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (field, paths) = match self {
            Self::Server(paths) => ("server", paths),
            Self::ProxyUrl(paths) => ("proxy-url", paths),
            Self::ProxyVariable => return f.write_str("the proxy of HTTPS_PROXY"),
            Self::Pod => return f.write_str("the KUBERNETES_SERVICE_HOST of this pod"),
        };
        let shown: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let which = match paths.len() {
            1 => "kubeconfig",
            _ => "one of the kubeconfigs",
        };
        write!(f, "the {field} in {which} {}", shown.join(", "))
    }
}

/// This machine's resolver has no IP address for a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this machine finds no IP address for host {host} ({reason}), {named}")]
pub struct UnknownHost {
    /// The name that was looked up: the API server's, or its proxy's.
    pub host: String,
    /// Where that name is written.
    pub named: HostSource,
    /// What the resolver said, such as `Name or service not known`.
    pub reason: String,
}

/// The system's resolver, whose failures say which host was asked for.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    system: GaiResolver,
    named: HostSource,
}

impl Resolver {
    pub(super) fn new(named: HostSource) -> Self {
        Self {
            system: GaiResolver::new(),
            named,
        }
    }
}

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = UnknownHost;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, UnknownHost>> + Send>>;

    // The system's resolver is ready at any time.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), UnknownHost>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let host = name.as_str().to_owned();
        let named = self.named.clone();
        let answer = self.system.call(name);
        Box::pin(async move {
            answer.await.map_err(|error| UnknownHost {
                host,
                named,
                reason: reason(&error),
            })
        })
    }
}

/// The resolver's words, without those that the standard library puts before them.
fn reason(error: &io::Error) -> String {
    let text = error.to_string().replace(['\n', '\r'], " ");
    match text.strip_prefix("failed to lookup address information: ") {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_and_who_names_it_are_in_the_message() {
        let of = |named| {
            UnknownHost {
                host: "api.invalid".into(),
                named,
                reason: "Name or service not known".into(),
            }
            .to_string()
        };
        let start =
            "this machine finds no IP address for host api.invalid (Name or service not known), ";
        for (named, end) in [
            (
                HostSource::Server(vec!["/a".into()]),
                "the server in kubeconfig /a",
            ),
            (
                HostSource::Server(vec!["/a".into(), "b".into()]),
                "the server in one of the kubeconfigs /a, b",
            ),
            (
                HostSource::ProxyUrl(vec!["/a".into()]),
                "the proxy-url in kubeconfig /a",
            ),
            (HostSource::ProxyVariable, "the proxy of HTTPS_PROXY"),
            (HostSource::Pod, "the KUBERNETES_SERVICE_HOST of this pod"),
        ] {
            assert_eq!(of(named), format!("{start}{end}"));
        }
    }
}
