//! Which ConfigMap it is.

use std::time::Instant;

use crate::commands::{Ui, admin};
use crate::host::kube::Admin;
use crate::node::ConfigMap;
use crate::report::{Code, Problem};

use super::problem;

/// The ConfigMap that the kubeadm of this control plane reads: by the API server's version, and where that leaves a
/// choice, by which there is.
///
/// # Errors
/// When it does not exist or cannot be read.
pub(super) fn find(admin: &Admin, end: Instant, ui: &Ui) -> Result<ConfigMap, Problem> {
    let minor = admin
        .minor(end)
        .map_err(|error| admin::problem("get", "/version", &error))?;
    let (name, other) = ConfigMap::names(minor);
    let get = |name: &str| {
        admin
            .configmap(name, end)
            .map_err(|error| problem("get", name, &error))
    };
    match (get(&name)?, ConfigMap::has_choice(minor)) {
        (Some(found), choice) => {
            // It is read only to warn of it, so an error does not stop the run.
            if let Ok(Some(other)) = admin.configmap(&other, end) {
                let which = if choice {
                    format!(
                        "kubeadm 1.{minor} uses it unless UnversionedKubeletConfigMap says otherwise"
                    )
                } else {
                    format!("kubeadm 1.{minor} reads no other")
                };
                let text = format!(
                    "{} exists too; using {}: {which}",
                    other.target(),
                    found.target()
                );
                ui.warn(text);
            }
            Ok(found)
        }
        (None, true) => get(&other)?.ok_or_else(|| missing(&name, minor)),
        (None, false) => Err(missing(&name, minor)),
    }
}

fn missing(name: &str, minor: u32) -> Problem {
    Problem::new(
        Code::Unavailable,
        format!(
            "cannot get configmap/kube-system/{name}: not found, so kubeadm 1.{minor} did not create this cluster"
        ),
    )
    .advise("is the kubeconfig for the right cluster?")
    .hint("kubectl -n kube-system get configmaps")
}
