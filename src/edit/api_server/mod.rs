//! The edit by which the API server verifies kubelets: `--kubelet-certificate-authority`, in the manifest of its static Pod and
//! in kubeadm's ClusterConfiguration.

mod configuration;
mod container;
mod extra_args;
mod manifest;

pub use manifest::Manifest;

use serde::{Deserialize, Serialize};

use super::Edited;
use crate::kubelet::meta::{self, string};
use crate::kubelet::{ApiServerCause, Position, Refusal};
use crate::yaml::{self, Kept, Operation, PathStep, Stream, Syntax};

/// The flag, which has no default: without it the API server verifies no kubelet.
pub const FLAG: &str = "kubelet-certificate-authority";

/// The name of the cluster's CA in kubeadm's directory of certificates, which signs the kubelets' serving certificates.
const CA_FILE: &str = "ca.crt";

/// Whether the API server is to verify the serving certificates of kubelets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verification {
    /// The flag names the cluster's CA.
    Enabled,
    /// The flag is not set.
    Disabled,
}

/// Sets or removes the flag in a kube-apiserver manifest or in kubeadm's file, whichever these bytes are; every other byte is
/// kept.
///
/// # Errors
/// When the bytes are neither, the place is not certain, or the flag has another value or is given twice.
pub fn edit(before: &[u8], wanted: Verification) -> Result<Edited, Refusal> {
    let stream = Stream::parse(before)?;
    let first = stream.documents.first();
    let is_pod = first
        .is_some_and(|document| meta::meta(&stream, document.root).kind == Some(container::KIND));
    if is_pod {
        manifest::edit(&stream, wanted)
    } else {
        configuration::edit(&stream, wanted)
    }
}

/// Sets or removes the flag in the manifest of a kube-apiserver, where kubeadm of that version has it.
///
/// # Errors
/// When it is not one, the place is not certain, or the flag has another value or is given twice.
pub fn edit_manifest(before: &[u8], wanted: Verification) -> Result<Edited, Refusal> {
    manifest::edit(&Stream::parse(before)?, wanted)
}

/// The words after the program's name in the manifest of a kube-apiserver: those of `command`, then those of `args`.
///
/// # Errors
/// When the bytes are not one.
pub fn flags(manifest: &[u8]) -> Result<Vec<String>, Refusal> {
    manifest::flags(&Stream::parse(manifest)?)
}

/// Sets or removes the flag in `apiServer.extraArgs` of a ClusterConfiguration: in a file of kubeadm's, or in the text that the
/// ConfigMap `kubeadm-config` has under the key `ClusterConfiguration`.
///
/// # Errors
/// When none is there, its version is not known, or the flag has another value or is given twice.
pub fn edit_configuration(before: &[u8], wanted: Verification) -> Result<Edited, Refusal> {
    configuration::edit(&Stream::parse(before)?, wanted)
}

/// The value of the flag in a ClusterConfiguration, as [`edit_configuration`] takes it; `None` if it is not set.
///
/// # Errors
/// When the configuration cannot be read as kubeadm reads it, or the flag is given twice.
pub fn kubelet_ca(configuration: &[u8]) -> Result<Option<String>, Refusal> {
    configuration::kubelet_ca(&Stream::parse(configuration)?)
}

/// One occurrence of the flag.
struct FlagOccurrence<P> {
    value: String,
    position: Position,
    /// Where it is written.
    place: P,
}

/// The flag is there once with the expected value, or not at all.
fn only<P>(
    given: Vec<FlagOccurrence<P>>,
    expected: &str,
) -> Result<Option<FlagOccurrence<P>>, Refusal> {
    if let Some(second) = given.get(1) {
        return Err(Refusal::at(second.position, ApiServerCause::GivenTwice));
    }
    match given.into_iter().next() {
        Some(given) if given.value != expected => Err(Refusal::at(
            given.position,
            ApiServerCause::OtherValue {
                found: given.value,
                expected: expected.to_owned(),
            },
        )),
        given => Ok(given),
    }
}

/// The name of a flag as the API server reads it (`WordSepNormalizeFunc` in component-base).
fn normalized(name: &str) -> String {
    name.replace('_', "-")
}

/// The value of a flag among the words after the program's name; the last one if it is given more than once. An empty
/// value is a value.
pub fn last_value<'w>(words: &'w [String], name: &str) -> Option<&'w str> {
    values(words, name).pop()
}

/// Every value of a flag, in the order of the command line, as the API server reads it: with `=` or as the next word, `_`
/// in its name for `-`.
fn values<'w>(words: &'w [String], name: &str) -> Vec<&'w str> {
    let mut found = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next().filter(|word| *word != "--") {
        match split(word) {
            Some((flag, value)) if flag == name => found.extend(value.or_else(|| words.next())),
            _ => {}
        }
    }
    found
}

/// The name of a flag and its value, if that is in the same word.
fn split(word: &str) -> Option<(String, Option<&str>)> {
    let flag = word.strip_prefix("--")?;
    match flag.split_once('=') {
        Some((name, value)) => Some((normalized(name), Some(value))),
        None => Some((normalized(flag), None)),
    }
}

/// The text of a scalar that is a string.
fn text(stream: &Stream<'_>, node: usize) -> Result<String, Refusal> {
    string(stream, node)
        .map(str::to_owned)
        .ok_or_else(|| Refusal::at(stream.position(node), ApiServerCause::NotString))
}

/// A document of a stream, and the syntax in which it is edited.
struct EditedDocument<'e, 's> {
    stream: &'e Stream<'s>,
    /// Its number in the stream.
    number: usize,
    format: Syntax,
}

impl EditedDocument<'_, '_> {
    fn change(&self, path: &[PathStep<'_>], operation: &Operation<'_>) -> Result<Edited, Refusal> {
        let edited = yaml::edit(self.stream, &self.format, self.number, path, operation)?;
        Ok(super::changed(edited, Vec::new()))
    }

    /// Nothing changes, as the second parser confirms.
    fn keep(&self, path: &[PathStep<'_>], value: Kept<'_>) -> Result<Edited, Refusal> {
        yaml::confirm(self.stream, &self.format, self.number, path, value)?;
        Ok(super::unchanged(self.stream, Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_flag_counts() {
        let of = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            last_value(&words, FLAG).map(str::to_owned)
        };
        for (line, expected) in [
            ("--kubelet-certificate-authority=/a", Some("/a")),
            ("--kubelet-certificate-authority /a --v=2", Some("/a")),
            ("--kubelet_certificate_authority=/a", Some("/a")),
            (
                "--kubelet-certificate-authority=/a --kubelet_certificate-authority /b",
                Some("/b"),
            ),
            (
                "--kubelet-certificate-authority=/a --kubelet-certificate-authority=",
                Some(""),
            ),
            ("--kubelet-certificate-authority", None),
            ("--kubelet-certificate-authority-x=/a", None),
            ("-kubelet-certificate-authority=/a", None),
            ("-- --kubelet-certificate-authority=/a", None),
            ("", None),
        ] {
            assert_eq!(of(line).as_deref(), expected, "{line}");
        }
    }
}
