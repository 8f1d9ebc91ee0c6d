//! What a document calls itself, and how a KubeletConfiguration is called.

use crate::yaml::{Stream, Tag};

/// The key that this program sets.
pub(crate) const KEY: &str = "serverTLSBootstrap";
/// The only version of the group that has a KubeletConfiguration, since Kubernetes 1.10.
pub(crate) const API_VERSION: &str = "kubelet.config.k8s.io/v1beta1";
pub(crate) const KIND: &str = "KubeletConfiguration";

/// The texts of a document's keys `apiVersion` and `kind`.
#[derive(Debug, Default)]
pub(crate) struct Meta<'s> {
    pub(crate) api_version: Option<&'s str>,
    pub(crate) kind: Option<&'s str>,
}

/// What a document calls itself, as far as that can be seen.
pub(crate) fn meta<'s>(stream: &'s Stream<'_>, root: usize) -> Meta<'s> {
    let mut meta = Meta::default();
    for (key, value) in stream.entries(root) {
        match stream.text(key) {
            "apiVersion" => meta.api_version = string(stream, value),
            "kind" => meta.kind = string(stream, value),
            _ => {}
        }
    }
    meta
}

/// The text of a value that is a string.
pub(crate) fn string<'s>(stream: &'s Stream<'_>, value: usize) -> Option<&'s str> {
    let value = stream.target(value);
    let is_string =
        stream.is_scalar(value) && matches!(stream.event(value).tag, Tag::None | Tag::Str);
    is_string.then(|| stream.text(value))
}
