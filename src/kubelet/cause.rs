//! Why a file is not edited: every refusal there is, its text and the way out.

use super::api_server::ApiServerCause;
use super::foreign::Foreign;
use super::shape::Shape;
use crate::text::shown;
use crate::yaml;

/// Why a file is not edited. It displays as the reason alone, without the place and without the advice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The file cannot be read as YAML, or the change cannot be made or proved in it.
    #[error(transparent)]
    Yaml(#[from] yaml::Error),
    /// The document is not what the reader of the file expects.
    #[error(transparent)]
    Shape(#[from] Shape),
    /// The document has more than one meaning.
    #[error(transparent)]
    Ambiguity(#[from] Ambiguity),
    /// The file is of another tool, which keeps a kubelet's settings somewhere else.
    #[error(transparent)]
    Foreign(#[from] Foreign),
    /// The change would have no effect, or would keep the kubelet from starting.
    #[error(transparent)]
    Effect(#[from] Effect),
    /// The API server's flag cannot be set or removed.
    #[error(transparent)]
    ApiServer(#[from] ApiServerCause),
}

/// What gives a document more than one meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguity {
    /// `<<` at the top level.
    #[error("a merge key (<<) at the top level, which may set or override any other key")]
    Merge,
    /// A tag at the top of the document.
    #[error("the document has a tag")]
    DocumentTag,
    /// `*alias: value`.
    #[error("an alias as a key")]
    AliasKey,
    /// `!!tag key: value`.
    #[error("a key with a tag")]
    TaggedKey,
    /// `{{ variable }}`: a mapping in a mapping, as its key.
    #[error(
        "a mapping as a key, which the kubelet and kubeadm refuse: it looks like a template that was not rendered"
    )]
    Template,
    /// `? [a, b]`.
    #[error("a {0} as a key, which the kubelet and kubeadm refuse")]
    CollectionKey(&'static str),
    /// A key that is there twice.
    #[error("the key {} is here a second time", shown(.0))]
    SecondTime(String),
    /// A spelling that the kubelet overwrites with its own.
    #[error("the kubelet does not read a key that is spelled {0}")]
    UnreadSpelling(String),
    /// Two spellings of one key in a drop-in.
    #[error("the key {0} differs from another in case only")]
    CaseOnly(String),
}

/// What makes the change pointless or fatal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Effect {
    /// The feature gate is off in the file.
    #[error(
        "{0} is false here, and with it the kubelet does not start if serverTLSBootstrap is true"
    )]
    GateOff(&'static str),
    /// The feature gate is off by a flag that kubeadm gives the kubelet.
    #[error(
        "the flag feature-gates sets {0}=false here, and with it the kubelet does not start if serverTLSBootstrap is true"
    )]
    GateOffByFlag(&'static str),
    /// A JoinConfiguration without a KubeletConfiguration.
    #[error("kubeadm join does not read a KubeletConfiguration from this file")]
    Join,
    /// A KubeletConfiguration beside a JoinConfiguration.
    #[error("kubeadm join does not read a KubeletConfiguration beside a JoinConfiguration")]
    BesideJoin,
    /// The flag of a JoinConfiguration says the opposite, and only the flag counts there.
    #[error(
        "the flag rotate-server-certificates is {0} here, and kubeadm join reads nothing else for this setting"
    )]
    JoinFlag(bool),
    /// Documents of kubeadm's, but none that goes with a KubeletConfiguration.
    #[error("kubeadm reads no KubeletConfiguration beside {}", .0.join(" and "))]
    Beside(Vec<String>),
    /// No document of kubeadm's.
    #[error("this file has no document of kubeadm's")]
    NoKubeadm,
    /// An operation of a JSON patch removes the key, or tests it.
    #[error("this operation is a {}, and another one for the same key would contradict it", shown(.0))]
    OtherOperation(String),
}

/// How a node that joins gets the setting.
const FOR_JOIN: &str = "for all nodes that join: kubelet-tls cluster apply; for this node: the flag rotate-server-certificates=true under \
     nodeRegistration.kubeletExtraArgs, or, from Kubernetes 1.25, a kubeletconfiguration patch in the directory of patches";

impl Cause {
    /// What to do about it; a phrase without a full stop.
    pub fn advice(&self) -> String {
        match self {
            Self::Yaml(error) => error.advice(),
            Self::Shape(shape) => shape.advice(),
            Self::Ambiguity(ambiguity) => ambiguity.advice().to_owned(),
            Self::Foreign(foreign) => foreign.advice().to_owned(),
            Self::Effect(effect) => effect.advice(),
            Self::ApiServer(cause) => cause.advice().to_owned(),
        }
    }
}

impl Ambiguity {
    fn advice(&self) -> &'static str {
        match self {
            Self::Merge => "write the merged keys out",
            Self::DocumentTag | Self::TaggedKey => "remove the tag",
            Self::AliasKey => "write the key out",
            Self::Template => "render the template first, then edit its result",
            Self::CollectionKey(_) => "write a plain word as the key",
            Self::SecondTime(_) | Self::CaseOnly(_) => "keep one of the two",
            Self::UnreadSpelling(_) => "spell it serverTLSBootstrap",
        }
    }
}

impl Effect {
    fn advice(&self) -> String {
        const GATE: &str = "RotateKubeletServerCertificate";
        match self {
            Self::GateOff(name) => {
                format!("remove {name} from featureGates, or set {GATE}: true there")
            }
            Self::GateOffByFlag(GATE) => "remove it from the flag, or set it to true".to_owned(),
            Self::GateOffByFlag(name) => {
                format!("remove {name} from the flag, or add {GATE}=true to it")
            }
            Self::Join | Self::BesideJoin => FOR_JOIN.to_owned(),
            Self::JoinFlag(true) => "remove the flag, or set it to false".to_owned(),
            Self::JoinFlag(false) => "remove the flag, or set it to true".to_owned(),
            Self::Beside(_) | Self::NoKubeadm => {
                "use the file of kubeadm init, with a ClusterConfiguration or an InitConfiguration"
                    .to_owned()
            }
            Self::OtherOperation(_) => "remove this operation".to_owned(),
        }
    }
}
