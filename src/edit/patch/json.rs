//! Patches of type `json`: a list of operations (RFC 6902).

use crate::kubelet::goyaml::lookup;
use crate::yaml::Stream;

/// The key's place in a JSON patch.
const PATH: &str = "/serverTLSBootstrap";

/// The last operation on the key, which decides.
pub(super) fn operation(stream: &Stream<'_>, root: usize) -> Option<usize> {
    let is_it = |item: &usize| {
        lookup(stream, *item, "path").is_some_and(|path| stream.text(stream.target(path)) == PATH)
    };
    stream.items(root).filter(is_it).last()
}
