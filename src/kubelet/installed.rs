//! A pair of certificate and key in the kubelet's store.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A pair of certificate and key in the kubelet's store (client-go/util/certificate/certificate_store.go).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installed {
    /// The store's symlink, `kubelet-server-current.pem`.
    pub link: PathBuf,
    /// The dated file that it points to.
    pub pair: PathBuf,
    /// What it pointed to before; none if no symlink existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<PathBuf>,
}

impl Installed {
    /// The directory of the store.
    pub fn directory(&self) -> &Path {
        self.link.parent().unwrap_or(Path::new("/"))
    }

    /// Whether the symlink and the pair lie in one directory and are named as the kubelet names them.
    pub(crate) fn is_kubelets(&self) -> bool {
        let name = |path: &Path| {
            path.file_name()
                .and_then(|name| name.to_str().map(str::to_owned))
        };
        self.link.parent() == self.pair.parent()
            && [&self.link, &self.pair].iter().all(|path| {
                path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
            })
            && name(&self.link).as_deref() == Some(CURRENT)
            && name(&self.pair).is_some_and(|name| is_dated(&name))
    }
}

/// The kubelet's symlink (updatedPairPath and pairNamePrefix in client-go's certificate_store.go).
const CURRENT: &str = "kubelet-server-current.pem";

/// `kubelet-server-2026-11-23-07-16-56.pem`.
fn is_dated(name: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00-00-00-00";
    let date = name
        .strip_prefix("kubelet-server-")
        .and_then(|rest| rest.strip_suffix(".pem"));
    date.is_some_and(|date| {
        date.len() == SHAPE.len()
            && date.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                other => byte == *other,
            })
    })
}
