//! The rules that a request must keep, by their stable names.

use std::fmt;

/// What must hold of a request that is approved. The names are a contract with scripts: none is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Nobody has approved or denied it, and the signer has not failed on it.
    Undecided,
    /// `spec.signerName` is `kubernetes.io/kubelet-serving`.
    SignerIsKubeletServing,
    /// `spec.username` is `system:node:NODE`.
    RequestorIsNode,
    /// `spec.groups` has `system:nodes`.
    RequestorInSystemNodes,
    /// `spec.usages` is one of the two sets that the signer accepts.
    UsagesAreServing,
    /// `spec.expirationSeconds` is not more than the approver vouches for.
    DurationWithinMaximum,
    /// `spec.request` is one PEM block with one PKCS#10 request in DER, of no other form than kubelets write.
    RequestIsWellFormed,
    /// The subject is one CN and one O, each a name of its own.
    SubjectIsPlain,
    /// CN is the requestor.
    CommonNameIsRequestor,
    /// O is `system:nodes`.
    OrganizationIsSystemNodes,
    /// The key is ECDSA P-256 or better, or RSA of 2048 bits or more.
    KeyIsStrong,
    /// The request is signed with its own key.
    SignatureVerifies,
    /// It asks for subject alternative names, once, and for no other extension.
    OnlyAlternativeNames,
    /// The names are DNS names and IP addresses: no e-mail, URI or other.
    NamesAreDnsOrIp,
    /// There is at least one.
    HasNames,
    /// The requestor's Node exists.
    NodeExists,
    /// A DNS name is a host's: no wildcard, no address in disguise, no odd characters.
    NameIsValid,
    /// It is not what every machine calls itself, a link-local, multicast or unspecified address.
    NameIsUnicast,
    /// It is not the API server's, unless the Node is the control plane that has it.
    NameIsNotApiServers,
    /// It is not a Service's.
    NameIsNotServices,
    /// It is one of the Node's addresses, as its type says.
    NameIsNodes,
    /// No other Node has it.
    NameIsNoOtherNodes,
    /// No later request of its node is there: the key of an older one is lost.
    NewestOfNode,
}

impl Rule {
    /// As the result document has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecided => "Undecided",
            Self::SignerIsKubeletServing => "SignerIsKubeletServing",
            Self::RequestorIsNode => "RequestorIsNode",
            Self::RequestorInSystemNodes => "RequestorInSystemNodes",
            Self::UsagesAreServing => "UsagesAreServing",
            Self::DurationWithinMaximum => "DurationWithinMaximum",
            Self::RequestIsWellFormed => "RequestIsWellFormed",
            Self::SubjectIsPlain => "SubjectIsPlain",
            Self::CommonNameIsRequestor => "CommonNameIsRequestor",
            Self::OrganizationIsSystemNodes => "OrganizationIsSystemNodes",
            Self::KeyIsStrong => "KeyIsStrong",
            Self::SignatureVerifies => "SignatureVerifies",
            Self::OnlyAlternativeNames => "OnlyAlternativeNames",
            Self::NamesAreDnsOrIp => "NamesAreDnsOrIp",
            Self::HasNames => "HasNames",
            Self::NodeExists => "NodeExists",
            Self::NameIsValid => "NameIsValid",
            Self::NameIsUnicast => "NameIsUnicast",
            Self::NameIsNotApiServers => "NameIsNotApiServers",
            Self::NameIsNotServices => "NameIsNotServices",
            Self::NameIsNodes => "NameIsNodes",
            Self::NameIsNoOtherNodes => "NameIsNoOtherNodes",
            Self::NewestOfNode => "NewestOfNode",
        }
    }

    /// Whether a request that breaks it may be denied. Not so where it is another approver's business or already
    /// decided, where a moment may mend it (a Node that is being made), and where another Node may be the one that
    /// claims what is not its own: denying would let it have others denied.
    pub fn may_be_denied(self) -> bool {
        !matches!(
            self,
            Self::Undecided
                | Self::SignerIsKubeletServing
                | Self::NodeExists
                | Self::NameIsNoOtherNodes
        )
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule that does not hold, and the value that breaks it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {message}")]
pub struct Broken {
    /// The rule.
    pub rule: Rule,
    /// What breaks it, fit for a terminal.
    pub message: String,
}

impl Broken {
    pub(super) fn new(rule: Rule, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
        }
    }
}

/// What somebody else wrote, for a line on a terminal: its beginning, in ASCII, everything else escaped.
pub(crate) fn quoted(text: &str) -> String {
    /// More of it says no more, in characters.
    const ENOUGH: usize = 100;
    let mut short: String = text
        .chars()
        .take(ENOUGH)
        .flat_map(|c| {
            // A quotation mark needs no escape here.
            let plain = c.is_ascii_graphic() || c == ' ';
            let escaped = (!plain).then(|| c.escape_default());
            plain
                .then_some(c)
                .into_iter()
                .chain(escaped.into_iter().flatten())
        })
        .collect();
    if text.chars().nth(ENOUGH).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        assert_eq!(quoted("node \"a\"\\"), "node \"a\"\\");
        assert_eq!(
            quoted("\u{1b}[2J\u{202e}ä\n"),
            "\\u{1b}[2J\\u{202e}\\u{e4}\\n"
        );
        assert_eq!(quoted(&"x".repeat(101)).chars().count(), 101);
    }
}
