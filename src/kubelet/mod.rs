//! KubeletConfiguration: setting `serverTLSBootstrap` in it, and what else the program needs to know of it.

mod api_server;
mod cause;
pub(crate) mod config;
mod flags;
mod foreign;
pub(crate) mod goyaml;
pub(crate) mod image;
mod installed;
pub(crate) mod meta;
pub(crate) mod recognise;
pub(crate) mod secrets;
mod settings;
mod shape;
pub mod unit;
pub(crate) mod verdict;
pub(crate) mod warnings;

pub use api_server::ApiServerCause;
pub use cause::{Cause, Effect};
pub use flags::Flags;
pub use installed::Installed;
pub use settings::Settings;
pub use shape::{SecondDocument, Shape};
pub use verdict::{Refusal, RefusalClass, Warning};

/// The port of a kubelet whose configuration or Node does not say otherwise
/// (pkg/kubelet/apis/config/v1beta1/defaults.go).
pub const DEFAULT_PORT: u16 = 10250;

pub use crate::yaml::Position;

/// The wanted state of `serverTLSBootstrap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Bootstrap {
    /// `true`: the kubelet asks the API server for its serving certificate.
    Enabled,
    /// `false`, or no key at all: it signs its own, or uses `tlsCertFile`.
    Disabled,
}

impl Bootstrap {
    /// The state that the value `is_enabled` of the key stands for.
    pub fn of(is_enabled: bool) -> Self {
        match is_enabled {
            true => Self::Enabled,
            false => Self::Disabled,
        }
    }
}
