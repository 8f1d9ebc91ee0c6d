//! The kubelets' configuration in the cluster, and what the cluster's kubelets run with.

mod answers;

use std::time::Instant;

use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use serde_json::json;

use crate::node::ConfigMap;

use super::Unreachable;
use super::admin::{Admin, escaped};
use super::{Api, ApiError};

use super::answers::parse_minor;
use super::client::Sent;
use super::connection::VERSION;
use super::nodes::NODES;
use answers::{parse_configmap, parse_configz};

/// Whether the API server stores a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// It stores the change.
    Persist,
    /// It does everything but that: authorisation, admission, validation (`dryRun=All`).
    DryRun,
}

impl Admin {
    /// The control plane's minor, of `/version`.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn minor(&self, end: Instant) -> Result<u32, ApiError> {
        self.read(VERSION, end, parse_minor)
    }

    /// The ConfigMap `name` of kube-system, which is one of kubeadm's; `None` if it does not exist.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn configmap(&self, name: &str, end: Instant) -> Result<Option<ConfigMap>, ApiError> {
        match self.read(&path_of(name), end, parse_configmap) {
            Err(error) if error.is_not_found() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// The ConfigMap `kubeadm-config` of kube-system; `None` if it does not exist.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn kubeadm_config(&self, end: Instant) -> Result<Option<ConfigMap>, ApiError> {
        self.configmap(ConfigMap::KUBEADM_CONFIG, end)
    }

    /// Writes `text` under the data key of a ConfigMap, if it is still as it was seen, and returns what it is
    /// then. A merge patch, so that nothing else of it is sent, let alone changed. Tried once.
    ///
    /// kubeadm's annotation `kubeadm.kubernetes.io/component-config.hash`, which `kubelet-config` has, stays as it is: that it no longer matches is
    /// how kubeadm knows a configuration that a user has changed, which it keeps (VerifyConfigMapSignature and
    /// fromConfigMap in its componentconfigs); one that matches it may make again.
    ///
    /// # Errors
    /// [`ApiError::is_conflict`] when it was changed since.
    pub fn write_text(
        &self,
        seen: &ConfigMap,
        text: &str,
        mode: WriteMode,
        end: Instant,
    ) -> Result<ConfigMap, ApiError> {
        let Api {
            connection,
            runtime,
            client,
            ..
        } = &self.0;
        let dry_run = match mode {
            WriteMode::Persist => "",
            WriteMode::DryRun => "&dryRun=All",
        };
        let patch = json!({
            "metadata": {"resourceVersion": seen.resource_version},
            "data": {ConfigMap::key_of(&seen.name): text},
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
                .body(Sent::from(patch.to_string().into_bytes()))
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

    /// What the kubelet of `node` runs with, asked through the API server, once.
    ///
    /// # Errors
    /// As [`Admin::get`]; also when the API server cannot reach the kubelet, such as one that waits for its certificate.
    pub fn running_bootstrap(&self, node: &str, end: Instant) -> Result<bool, ApiError> {
        let Api {
            connection,
            runtime,
            client,
            ..
        } = &self.0;
        let path = format!("{NODES}/{}/proxy/configz", escaped(node));
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
            ..
        } = &self.0;
        runtime.block_on(connection.repeat(end, || async {
            let bytes = connection.object(client, path).await?;
            parse(&bytes).map_err(|error| connection.invalid(error.to_string()))
        }))
    }
}

const AGENT: &str = concat!("kubelet-tls/", env!("CARGO_PKG_VERSION"));

fn path_of(name: &str) -> String {
    let namespace = ConfigMap::NAMESPACE;
    format!(
        "/api/v1/namespaces/{namespace}/configmaps/{}",
        escaped(name)
    )
}
