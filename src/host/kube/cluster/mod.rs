//! The kubelets' configuration in the cluster, and what the cluster's kubelets run with.

mod answers;

use std::time::Instant;

use http::Method;
use serde_json::json;

use crate::node::ConfigMap;

use super::ApiError;
use super::admin::{Admin, escaped};
use super::error::existing;

use super::answers::parse_minor;
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
        self.0.read(VERSION, end, parse_minor)
    }

    /// The ConfigMap `name` of kube-system, which is one of kubeadm's; `None` if it does not exist.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn configmap(&self, name: &str, end: Instant) -> Result<Option<ConfigMap>, ApiError> {
        existing(self.0.read(&path_of(name), end, parse_configmap))
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
        let dry_run = match mode {
            WriteMode::Persist => "",
            WriteMode::DryRun => "&dryRun=All",
        };
        let patch = json!({
            "metadata": {"resourceVersion": seen.resource_version},
            "data": {ConfigMap::key_of(&seen.name): text},
        });
        let path = format!("{}?fieldManager=kubelet-tls{dry_run}", path_of(&seen.name));
        let connection = &self.0.connection;
        self.0.once(end, async {
            let patch = patch.to_string();
            let written = connection.write(Method::PATCH, &path, patch.as_bytes());
            let bytes = written.await?;
            parse_configmap(&bytes).map_err(|error| connection.invalid(error))
        })
    }

    /// What the kubelet of `node` runs with, asked through the API server, once.
    ///
    /// # Errors
    /// As [`Admin::get`]; also when the API server cannot reach the kubelet, such as one that waits for its certificate.
    pub fn running_bootstrap(&self, node: &str, end: Instant) -> Result<bool, ApiError> {
        let path = format!("{NODES}/{}/proxy/configz", escaped(node));
        let attempt = self.0.connection.parsed(&path, parse_configz);
        self.0.once(end, attempt)
    }
}

/// Where the API has the ConfigMap `name` of kube-system.
pub(super) fn path_of(name: &str) -> String {
    let namespace = ConfigMap::NAMESPACE;
    format!(
        "/api/v1/namespaces/{namespace}/configmaps/{}",
        escaped(name)
    )
}
