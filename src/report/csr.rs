//! The result of `csr`.

use serde::Serialize;

use super::{CsrReport, Kind, VerbResult};
use crate::approval::Check;

/// This node's newest kubelet-serving CSR.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CsrResult {
    /// The node's name, from the kubelet's client certificate; absent where the kubeconfig cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The CSR; null where none was found.
    pub csr: Option<CsrReport>,
    /// What the node itself says about its request, of `--check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<Check>>,
}

impl VerbResult for CsrResult {
    fn kind(&self) -> Kind {
        Kind::CsrResult
    }
}
