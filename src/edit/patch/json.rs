//! Patches of type `json`: a list of operations (RFC 6902), of which a later one overrides an earlier one.

use crate::kubelet::goyaml::{self, BooleanState, lookup};
use crate::kubelet::{Bootstrap, Effect, Refusal, Shape};
use crate::yaml::{self, EntryPlace, EventKind, Operation, PathStep, Stream, Syntax, Value};

/// The key's place in a JSON patch.
const PATH: &str = "/serverTLSBootstrap";

/// A patch with this one operation.
pub(super) const FRESH: &str = "- op: add\n  path: /serverTLSBootstrap\n  value: true\n";

/// The last operation on the key, which decides, and its number.
pub(super) fn operation(stream: &Stream<'_>, root: usize) -> Option<(usize, usize)> {
    let is_it = |(_, item): &(usize, usize)| {
        lookup(stream, *item, "path").is_some_and(|path| stream.text(stream.target(path)) == PATH)
    };
    stream.items(root).enumerate().filter(is_it).last()
}

/// Sets the value of the last operation on the key, or adds an operation at the end; `None` if nothing is to be done.
pub(in crate::edit) fn edit(
    stream: &Stream<'_>,
    root: usize,
    wanted: Bootstrap,
) -> Result<Option<yaml::EditedStream>, Refusal> {
    if stream.event(root).kind != EventKind::Sequence {
        return Err(Refusal::at(stream.position(root), Shape::NotOperations));
    }
    let edit = |path: &[PathStep<'_>], operation: Operation<'_>| {
        let edited = yaml::edit(stream, &Syntax::Yaml, 0, path, &operation)?;
        Ok(Some(edited))
    };
    let truth = Value::Bool(wanted == Bootstrap::Enabled);
    let Some((number, item)) = operation(stream, root) else {
        if wanted == Bootstrap::Disabled {
            return Ok(None);
        }
        let added = Value::Mapping(vec![
            ("op", Value::Text("add")),
            ("path", Value::Text(PATH)),
            ("value", truth),
        ]);
        let end = [PathStep::Item(stream.items(root).count())];
        return edit(&end, Operation::Insert(added));
    };
    let text = |key: &str| lookup(stream, item, key).map(|value| stream.text(stream.target(value)));
    match (text("op").unwrap_or_default(), wanted) {
        ("add" | "replace", _) => {}
        ("remove", Bootstrap::Disabled) => return Ok(None),
        (other, _) => {
            let effect = Effect::OtherOperation(other.to_owned());
            return Err(Refusal::at(stream.position(item), effect));
        }
    }
    let state = lookup(stream, item, "value").map(|value| goyaml::boolean(stream, value));
    if matches!(
        (state, wanted),
        (Some(BooleanState::True), Bootstrap::Enabled)
            | (
                Some(BooleanState::False | BooleanState::Null),
                Bootstrap::Disabled
            )
    ) {
        return Ok(None);
    }
    let path = [PathStep::Item(number), PathStep::Key("value")];
    edit(&path, Operation::Set(truth, EntryPlace::After("path")))
}
