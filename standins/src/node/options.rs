//! How a node is to be.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Config, Knobs};

/// Which release's files a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 1.19: the oldest cared for.
    V1_19,
    /// 1.36
    V1_36,
}

impl Release {
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::V1_19 => "v1.19.16",
            Self::V1_36 => "v1.36.2",
        }
    }

    pub(super) fn config(self) -> &'static str {
        match self {
            Self::V1_19 => include_str!("../../../testdata/captured/1.19/config.yaml"),
            Self::V1_36 => include_str!("../../../testdata/captured/1.36/config.yaml"),
        }
    }

    /// The manifest of the API server, without the flag by which it verifies kubelets, or with it.
    pub(super) fn manifest(self, verifies: bool) -> &'static str {
        match (self, verifies) {
            (Self::V1_19, false) => {
                include_str!("../../../testdata/captured/1.19/kube-apiserver-v1beta2-no.yaml")
            }
            (Self::V1_19, true) => {
                include_str!("../../../testdata/captured/1.19/kube-apiserver-v1beta2-yes.yaml")
            }
            (Self::V1_36, false) => {
                include_str!("../../../testdata/captured/1.36/kube-apiserver-v1beta4-no.yaml")
            }
            (Self::V1_36, true) => {
                include_str!("../../../testdata/captured/1.36/kube-apiserver-v1beta4-yes.yaml")
            }
        }
    }

    pub(super) fn kubeadm_flags(self) -> &'static str {
        match self {
            Self::V1_19 => include_str!("../../../testdata/captured/1.19/kubeadm-flags.env"),
            Self::V1_36 => include_str!("../../../testdata/captured/1.36/kubeadm-flags.env"),
        }
    }
}

/// How a node is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name.
    pub name: String,
    /// Its address, where the kubelet serves; one of this machine's.
    pub address: Ipv4Addr,
    /// Whose files it has.
    pub release: Release,
    /// A line to add to the kubelet's config, such as `serverTLSBootstrap: true`.
    pub config_line: Option<String>,
    /// Flags behind all others, as in `KUBELET_EXTRA_ARGS`.
    pub extra_args: Vec<String>,
    /// How the kubelet behaves.
    pub knobs: Knobs,
    /// `RestartSec`; really 10 s.
    pub restart_sec: Duration,
    /// How the API server is to be.
    pub api: Config,
    /// Whether it is a control-plane node, whose kubelet runs an instance of the API server as a static Pod.
    pub control_plane: bool,
    /// Whether its processes, and the commands that see it, have a process table of their own. Needs root.
    pub own_processes: bool,
    /// Whether the kubelet is started, and waited for.
    pub starts: bool,
    /// The stand-ins' executable. Default: `standin` where cargo puts examples, as seen from the running test.
    pub executable: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "worker-1".into(),
            address: Ipv4Addr::LOCALHOST,
            release: Release::V1_36,
            config_line: None,
            extra_args: vec![],
            knobs: Knobs::default(),
            restart_sec: Duration::from_millis(300),
            api: Config::default(),
            control_plane: false,
            own_processes: false,
            starts: true,
            executable: None,
        }
    }
}
