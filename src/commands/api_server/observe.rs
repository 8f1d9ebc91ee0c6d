//! What is read before anything is decided: the manifest and its directory, and kubeadm's configuration of the cluster.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::commands::{admin, files};
use crate::edit::api_server::{self, Manifest};
use crate::host::files::{self as host_files, Root};
use crate::host::kube::Admin;
use crate::node::ConfigMap;
use crate::plan::Edit;
use crate::report::{Code, Problem};
use crate::yaml::MAX_BYTES;

/// The manifest of this node's API server as it was read.
#[derive(Debug)]
pub(super) struct SeenManifest {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    /// Other files of the same directory that the kubelet reads as a Pod of an API server, by name.
    pub(super) twins: Vec<PathBuf>,
}

/// Reads the manifest and looks for other files beside it that the kubelet would run in its place.
///
/// # Errors
/// When the manifest cannot be read.
pub(super) fn manifest(path: &Path) -> Result<SeenManifest, Problem> {
    let bytes = host_files::read(path, MAX_BYTES as u64).map_err(|error| {
        let problem = Problem::from(&error);
        if error.cause.is_not_found() {
            problem
                .advise("is this a control-plane node whose API server is a static Pod?")
                .hint("kubelet-tls api-server diff --help")
        } else {
            problem
        }
    })?;
    Ok(SeenManifest {
        twins: twins(path),
        path: path.to_owned(),
        bytes,
    })
}

/// The kubelet reads every file of the directory whose name does not begin with a dot (docs/api-server-facts.md, Static
/// Pods). What cannot be read or is not a manifest is left to the kubelet.
fn twins(manifest: &Path) -> Vec<PathBuf> {
    let directory = match manifest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut names: Vec<OsString> = Root::host().names(directory).unwrap_or_default();
    names.sort();
    let others = names.into_iter().filter(|name| {
        !name.as_bytes().starts_with(b".") && Some(name.as_os_str()) != manifest.file_name()
    });
    others
        .map(|name| directory.join(name))
        .filter(|path| {
            let bytes = host_files::read(path, MAX_BYTES as u64);
            bytes.is_ok_and(|bytes| Manifest::read(&bytes).is_ok())
        })
        .collect()
}

/// Reads the ConfigMap in which kubeadm keeps the ClusterConfiguration; none if kubeadm did not create this cluster.
///
/// # Errors
/// When it cannot be read.
pub(super) fn kubeadm_config(admin: &Admin, end: Instant) -> Result<Option<ConfigMap>, Problem> {
    let target = ConfigMap::target_of(ConfigMap::KUBEADM_CONFIG);
    admin
        .kubeadm_config(end)
        .map_err(|error| admin::problem("get", &target.to_string(), &error))
}

/// kubeadm did not create this cluster.
pub(super) fn no_kubeadm_config() -> Problem {
    Problem::new(
        Code::Unavailable,
        format!(
            "cannot get {}: not found, so kubeadm did not create this cluster",
            ConfigMap::target_of(ConfigMap::KUBEADM_CONFIG)
        ),
    )
    .advise("is the kubeconfig for the right cluster?")
    .hint("kubectl -n kube-system get configmaps")
}

/// The API server's flags by the manifest before `edit` and after it.
///
/// # Errors
/// When one of them is not a manifest of an API server.
pub(super) fn flags(edit: &Edit) -> Result<(Vec<String>, Vec<String>), Problem> {
    let of = |manifest: &[u8]| {
        api_server::flags(manifest)
            .map_err(|refusal| files::refused(&edit.target, &refusal, files::Whose::Node))
    };
    Ok((of(edit.bytes_before())?, of(edit.bytes_after())?))
}
