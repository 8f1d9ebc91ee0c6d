//! Why the flag by which an API server verifies kubelets is not set in a file.

use crate::text::shown;

/// Why `--kubelet-certificate-authority` is not set in a kube-apiserver manifest or a ClusterConfiguration, or not removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiServerCause {
    /// Another kind of file.
    #[error("this is neither a kube-apiserver manifest nor a ClusterConfiguration")]
    OtherFile,
    /// The flag has a value that this program would not set.
    #[error("kubelet-certificate-authority is already {} here, and {} is expected", shown(.found), shown(.expected))]
    OtherValue {
        /// The value in the file.
        found: String,
        /// The path that was asked for.
        expected: String,
    },
    /// The flag is given more than once; the last one counts.
    #[error("kubelet-certificate-authority is given a second time here")]
    GivenTwice,
    /// A Pod of something else.
    #[error("no container of this Pod runs kube-apiserver")]
    NoContainer,
    /// Two containers that run it.
    #[error("a second container of this Pod runs kube-apiserver")]
    SecondContainer,
    /// A shell or another program starts it.
    #[error("kube-apiserver is started by {} here, so its flags cannot be seen", shown(.0))]
    Wrapper(String),
    /// The kubelet reads the first document of a manifest alone.
    #[error("a second document, which the kubelet does not read")]
    SecondDocument,
    /// Nothing says which CA is the cluster's.
    #[error("this manifest has no client-ca-file, so the cluster's CA cannot be told")]
    NoClientCa,
    /// A CA of another name than kubeadm's: it may not be the one that signs kubelets' certificates.
    #[error(
        "client-ca-file is {}, not kubeadm's ca.crt: it cannot be told whether this CA signs the kubelets' certificates",
        shown(.0)
    )]
    OtherClientCa(String),
    /// The API server's container would not see the file.
    #[error("no hostPath volume of this container contains {}", shown(.0))]
    NotMounted(String),
    /// kubeadm's file without the document that has the API server's flags.
    #[error("this file has no ClusterConfiguration")]
    NoConfiguration,
    /// A file of kubeadm's with two ClusterConfigurations, of which neither can be edited alone.
    #[error("a second ClusterConfiguration, and kubeadm refuses a kind that is given twice")]
    SecondConfiguration,
    /// A version whose flags are written in a way that is not known.
    #[error("apiVersion {} is not a known one of ClusterConfiguration", shown(.0))]
    Version(String),
    /// An alias where one flag is expected.
    #[error("this flag is not a plain string")]
    NotString,
}

impl ApiServerCause {
    /// What to do about it; a phrase without a full stop.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::OtherFile => {
                "name kubeadm's kube-apiserver.yaml, or the configuration file of kubeadm init"
            }
            Self::OtherValue { .. } => {
                "changing a CA is for an administrator: remove the flag first if the cluster's CA should verify kubelets"
            }
            Self::GivenTwice => "keep one of the two",
            Self::NoContainer | Self::SecondContainer => {
                "name the manifest in which one container runs kube-apiserver"
            }
            Self::Wrapper(_) => "add the flag by hand where kube-apiserver is started",
            Self::SecondDocument => "make it a manifest of its own",
            Self::NoClientCa | Self::OtherClientCa(_) => {
                "add the flag by hand, with the CA that signs the kubelets' certificates"
            }
            Self::NotMounted(_) => "mount the directory of the CA into the container first",
            Self::NoConfiguration => {
                "use the file of kubeadm init, with a ClusterConfiguration or an InitConfiguration"
            }
            Self::SecondConfiguration => "keep one of the two",
            Self::Version(_) => "kubeadm config migrate writes a version that is known",
            Self::NotString => "write the flag out as a string",
        }
    }
}
