//! What is wrong with a document as a whole, and the way out.

use super::foreign::NAME_ONE;
use super::meta::{API_VERSION, KEY};
use crate::text::shown;

/// What is wrong with a document as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shape {
    /// A file that holds a program or an image, say.
    #[error("this is a binary file, not YAML or JSON")]
    Binary,
    /// No document at all.
    #[error("the file is empty")]
    EmptyFile,
    /// A document without content.
    #[error("not a KubeletConfiguration (the document is empty)")]
    EmptyDocument,
    /// A sequence or a scalar.
    #[error("not a KubeletConfiguration (the file is not a YAML mapping)")]
    NotMapping,
    /// A kind of another API group, such as a Deployment.
    #[error("this is a {}, not a configuration of the kubelet or of kubeadm", shown(.0))]
    Object(String),
    /// Another kind of the kubelet's, or a kind without an API version.
    #[error("this is a {}, not a KubeletConfiguration", shown(.0))]
    OtherKind(String),
    /// A document without `kind`.
    #[error("this document has no kind")]
    NoKind,
    /// A document without `kind` in kubeadm's file.
    #[error("this document has no kind")]
    NoKindForKubeadm,
    /// A KubeletConfiguration without `apiVersion`.
    #[error("this KubeletConfiguration has no apiVersion")]
    NoApiVersion,
    /// A KubeletConfiguration of a version that the kubelet does not know.
    #[error("apiVersion {} is not one of KubeletConfiguration", shown(.0))]
    ApiVersion(String),
    /// A `List` of KubeletConfigurations.
    #[error("this is a List, which the kubelet does not read")]
    List,
    /// The KubeletConfiguration is the second document or a later one.
    #[error("the KubeletConfiguration is not the first document, and the kubelet reads no other")]
    NotFirst,
    /// The kubelet reads the first document alone.
    #[error("a second KubeletConfiguration, which the kubelet does not read")]
    SecondKubelet,
    /// A file of kubeadm's with two KubeletConfigurations, of which neither can be edited alone.
    #[error("a second KubeletConfiguration, and kubeadm refuses a kind that is given twice")]
    SecondKubeletForKubeadm,
    /// A drop-in or a patch that holds two documents.
    #[error("a second document, which {0}")]
    SecondDocument(SecondDocument),
    /// A drop-in is changed only where it has the key.
    #[error("this drop-in does not have {KEY}")]
    DropInLacksKey,
    /// A line that YAML takes for the beginning of a document and kubeadm does not.
    #[error("kubeadm does not see that a document begins here")]
    UnseenDocument,
    /// A `%` line in kubeadm's file.
    #[error("kubeadm takes a directive for a document of its own, and refuses it")]
    Directive,
    /// kubeadm's documents are others than YAML's, at a place that cannot be told.
    #[error("kubeadm and YAML disagree about where documents begin")]
    DocumentsDisagree,
    /// A patch of type `json` that is not a list of operations.
    #[error("a patch of type json is a list of operations, and this is not a list")]
    NotOperations,
}

/// What reads only one document of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecondDocument {
    /// The kubelet, of a drop-in.
    #[error("the kubelet does not read")]
    DropIn,
    /// kubeadm applies each document of a patch file; here only one is edited.
    #[error("kubeadm applies after the first")]
    Patch,
}

/// How a file of the kubelet's begins.
const EXPECTED: &str = "a KubeletConfiguration starts with these lines: apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration";

impl Shape {
    pub(super) fn advice(&self) -> String {
        match self {
            Self::Binary => "name the kubelet's or kubeadm's configuration file",
            Self::Object(_) => NAME_ONE,
            Self::NoKindForKubeadm => {
                "kubeadm refuses a document without apiVersion and kind: complete or remove it"
            }
            Self::ApiVersion(_) => return format!("the kubelet reads {API_VERSION} only"),
            Self::List => "take the KubeletConfiguration out of its items, into a file of its own",
            Self::NotFirst => "move it to the top, or remove what is above it",
            Self::SecondKubelet | Self::SecondKubeletForKubeadm => "keep one of the two",
            Self::SecondDocument(SecondDocument::DropIn) => "make it a drop-in of its own",
            Self::SecondDocument(SecondDocument::Patch) => "make it a patch file of its own",
            Self::DropInLacksKey => {
                "set it in the file of the kubelet's --config, or in a drop-in that has it"
            }
            Self::UnseenDocument | Self::Directive | Self::DocumentsDisagree => {
                "put --- on a line of its own before each document"
            }
            Self::NotOperations => "write it as a list, or change the type in the file's name",
            Self::EmptyFile
            | Self::EmptyDocument
            | Self::NotMapping
            | Self::OtherKind(_)
            | Self::NoKind
            | Self::NoApiVersion => EXPECTED,
        }
        .to_owned()
    }
}
