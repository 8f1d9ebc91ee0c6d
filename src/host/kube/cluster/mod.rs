//! The kubelets' configuration in the cluster, and what the cluster's kubelets run with.

mod answers;

use std::time::Instant;

use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use kube::client::Body;
use serde_json::json;

use crate::node::KubeletConfigMap;

use super::Unreachable;
use super::admin::Admin;
use super::{Api, ApiError};

use answers::{parse_configmap, parse_configz, parse_minor, parse_node_names};

/// Nodes to a page; of each the metadata alone, a few kilobytes, is asked for.
const PAGE: u32 = 100;
/// More than any cluster has; a list without end has more.
const MAX_NODES: usize = 50_000;

/// Whether a change is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is.
    Yes,
    /// The API server does everything but that: authorisation, admission, validation (`dryRun=All`).
    No,
}

impl Admin {
    /// The control plane's minor, of `/version`.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn minor(&self, end: Instant) -> Result<u32, ApiError> {
        self.read("/version", end, parse_minor)
    }

    /// The ConfigMap `name` of kube-system; none where there is none.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn kubelet_configmap(
        &self,
        name: &str,
        end: Instant,
    ) -> Result<Option<KubeletConfigMap>, ApiError> {
        match self.read(&path_of(name), end, parse_configmap) {
            Err(error) if error.is_not_found() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Writes `text` under the data key `kubelet` of a ConfigMap, if it is still as it was seen, and returns what it is
    /// then. A merge patch, so that nothing else of it is sent, let alone changed. Tried once.
    ///
    /// kubeadm's annotation `kubeadm.kubernetes.io/component-config.hash` stays as it is: that it no longer matches is
    /// how kubeadm knows a configuration that a user has changed, which it keeps (VerifyConfigMapSignature and
    /// fromConfigMap in its componentconfigs); one that matches it may make anew.
    ///
    /// # Errors
    /// [`ApiError::is_conflict`] when it was changed since.
    pub fn write_kubelet_text(
        &self,
        seen: &KubeletConfigMap,
        text: &str,
        keep: Keep,
        end: Instant,
    ) -> Result<KubeletConfigMap, ApiError> {
        let Api {
            connection,
            runtime,
            client,
        } = &self.0;
        let dry_run = match keep {
            Keep::Yes => "",
            Keep::No => "&dryRun=All",
        };
        let patch = json!({
            "metadata": {"resourceVersion": seen.resource_version},
            "data": {"kubelet": text},
        });
        let attempt = async {
            let request = http::Request::builder()
                .method(Method::PATCH)
                .uri(format!(
                    "{}?fieldManager=kubelet-tls{dry_run}",
                    path_of(&seen.name)
                ))
                .header(CONTENT_TYPE, "application/merge-patch+json")
                .header(ACCEPT, "application/json")
                .header(USER_AGENT, AGENT)
                .body(Body::from(patch.to_string().into_bytes()))
                .map_err(|error| connection.invalid(error.to_string()))?;
            let answer = connection.exchange(client, request).await?;
            let bytes = connection.whole(answer.into_body()).await?;
            parse_configmap(&bytes).map_err(|error| connection.invalid(error.to_string()))
        };
        runtime.block_on(async {
            match tokio::time::timeout_at(end.into(), attempt).await {
                Ok(answer) => answer,
                Err(_) => Err(connection.unreachable(Unreachable::Timeout)),
            }
        })
    }

    /// The names of all Nodes, page by page.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn node_names(&self, end: Instant) -> Result<Vec<String>, ApiError> {
        let (mut names, mut next) = (Vec::new(), String::new());
        let mut begun_anew = false;
        loop {
            match self.node_page(&next, end)? {
                Some(page) => {
                    names.extend(page.0);
                    next = page.1;
                }
                None if !begun_anew => {
                    (names, next, begun_anew) = (Vec::new(), String::new(), true);
                    continue;
                }
                None => {
                    let reason = "the list of nodes changes faster than it can be read";
                    return Err(self.0.connection.invalid(reason));
                }
            }
            if next.is_empty() {
                return Ok(names);
            }
            if names.len() > MAX_NODES || Instant::now() >= end {
                return Err(self.0.connection.invalid("the list of nodes never ends"));
            }
        }
    }

    /// A page of names and the token of the next one; none where the list's state is older than what the server keeps of
    /// its history, so that asking for the page again would not help.
    fn node_page(
        &self,
        next: &str,
        end: Instant,
    ) -> Result<Option<(Vec<String>, String)>, ApiError> {
        let Api {
            connection,
            runtime,
            client,
        } = &self.0;
        let mut path = format!("/api/v1/nodes?limit={PAGE}");
        if !next.is_empty() {
            path.push_str("&continue=");
            path.push_str(&escape(next));
        }
        runtime.block_on(connection.repeat(end, || async {
            let request = http::Request::get(&path)
                .header(
                    ACCEPT,
                    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
                )
                .header(USER_AGENT, AGENT)
                .body(Body::empty())
                .map_err(|error| connection.invalid(error.to_string()))?;
            let answer = match connection.exchange(client, request).await {
                Err(error) if error.is_gone() => return Ok(None),
                answer => answer?,
            };
            let bytes = connection.whole(answer.into_body()).await?;
            let page = parse_node_names(&bytes);
            page.map(Some)
                .map_err(|error| connection.invalid(error.to_string()))
        }))
    }

    /// What the kubelet of `node` runs with, asked through the API server, once.
    ///
    /// # Errors
    /// As [`Admin::get`]; also when the API server cannot reach the kubelet, such as one that waits for its certificate.
    pub fn running_bootstrap(&self, node: &str, end: Instant) -> Result<bool, ApiError> {
        let Api {
            connection,
            runtime,
            client,
        } = &self.0;
        let path = format!("/api/v1/nodes/{}/proxy/configz", escape(node));
        let attempt = async {
            let bytes = connection.object(client, &path).await?;
            parse_configz(&bytes).map_err(|error| connection.invalid(error.to_string()))
        };
        runtime.block_on(async {
            match tokio::time::timeout_at(end.into(), attempt).await {
                Ok(answer) => answer,
                Err(_) => Err(connection.unreachable(Unreachable::Timeout)),
            }
        })
    }

    /// One object, read and understood; failed attempts at either are repeated until `end`.
    fn read<T>(
        &self,
        path: &str,
        end: Instant,
        parse: fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, ApiError> {
        let Api {
            connection,
            runtime,
            client,
        } = &self.0;
        runtime.block_on(connection.repeat(end, || async {
            let bytes = connection.object(client, path).await?;
            parse(&bytes).map_err(|error| connection.invalid(error.to_string()))
        }))
    }
}

const AGENT: &str = concat!("kubelet-tls/", env!("CARGO_PKG_VERSION"));

fn path_of(name: &str) -> String {
    let namespace = KubeletConfigMap::NAMESPACE;
    format!("/api/v1/namespaces/{namespace}/configmaps/{}", escape(name))
}

/// Percent-encodes what is no letter, digit, `-`, `.` or `_`: names and tokens come from a server.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_change_a_path() {
        assert_eq!(escape("worker-1.example"), "worker-1.example");
        assert_eq!(escape("../x?y=ä"), "..%2Fx%3Fy%3D%C3%A4");
    }
}
