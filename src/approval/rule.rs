//! The rules that a request must keep: each with its stable name, what must hold, and the way out where it does not.
//!
//! To add a rule: a line in the table below (`own` where the requestor alone answers for a breach, `other` where other
//! objects have a part in it) and its row in docs/approve.md, in the same order. Then its check:
//!
//! - of the object, of the values of CN and O, or of how many names there are: in `policy.rs`;
//! - of one name: in `claims.rs`;
//! - of the request's own bytes (its form and that of the subject, its key, its signature, its extensions): in
//!   `x509::pkcs10` and `x509::key`, whose `Pkcs10Error` is made a violation at the end of this file.
//!
//! `ApprovalPolicy::approval` in `policy.rs` has the order of the checks, of which the first that fails is the verdict. In
//! the tests: the ways to break the rule alone in tests/approval/breakers.rs, its property in tests/approval/each_rule.rs,
//! one breach in tests/approver/refused.rs, further cases in form.rs or names.rs of tests/approval/rules/. Where a case there
//! expects another rule, the new check must come after that rule's.

use std::fmt;

use crate::text::hint::Command;
use crate::text::names::is_csr_name;
use crate::x509::Pkcs10Error;

/// Who answers for a breach, as the table says it; no other word compiles.
macro_rules! answers_alone {
    (own) => {
        true
    };
    (other) => {
        false
    };
}

macro_rules! rules {
    ($($name:ident $fault:ident: $sentence:literal, $remedy:literal;)*) => {
        /// What must hold of a request that is approved. The names are a contract with scripts: none is renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = $sentence] $name,)*
        }

        impl Rule {
            /// All rules, in the order in which docs/approve.md has them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name, as the result document has it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What must hold, as a sentence.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }

            /// What to do about a request that breaks the rule.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }

            /// Whether the requestor alone answers for a breach of the rule, so that `--deny` may deny the request. What
            /// rests on other objects of the cluster is never denied: their writers could have a node denied.
            pub fn may_be_denied(self) -> bool {
                match self { $(Self::$name => answers_alone!($fault),)* }
            }
        }
    };
}

rules! {
    Undecided other: "The request is neither approved nor denied, and the signer has not failed on it.",
        "the kubelet asks again by itself; approve its next request";
    RequestNameIsValid other: "The request's name is a DNS subdomain, as every kubelet's is.",
        "no kubelet made this request; find out who did";
    SignerIsKubeletServing other: "`spec.signerName` is `kubernetes.io/kubelet-serving`.",
        "leave it to the approver of that signer";
    RequestorIsNode other: "`spec.username` is `system:node:NODE`, NODE being a name that a Node can have.",
        "no kubelet made this request; find out who did";
    RequestorInSystemNodes other: "`spec.groups` has `system:nodes`.",
        "no kubelet made this request; find out who did";
    UsagesAreServing own: "`spec.usages` is one of the two sets that the signer accepts: `digital signature`, `server auth` and perhaps `key encipherment`.",
        "let the kubelet make the request itself";
    DurationWithinMaximum own: "`spec.expirationSeconds`, where it is set, is positive and at most `--max-duration`.",
        "to accept it, give a longer --max-duration";
    RequestIsWellFormed own: "`spec.request` is one PEM block with one PKCS#10 request in strict DER, at most 64 KiB long.",
        "let the kubelet make the request itself";
    SubjectIsPlain own: "The subject is one CN and one O, each an attribute of its own, and nothing else.",
        "let the kubelet make the request itself";
    CommonNameIsRequestor own: "The CN is the requestor.",
        "let the kubelet of that node make the request itself";
    OrganizationIsSystemNodes own: "The O is `system:nodes`.",
        "let the kubelet make the request itself";
    KeyIsStrong own: "The key is ECDSA on P-256 or P-384, or RSA of 2048 to 8192 bits with the exponent 65537.",
        "let the kubelet make its own key, which is ECDSA on P-256";
    SignatureVerifies own: "The request is signed with its own key and SHA-256 or better.",
        "let the kubelet make the request itself";
    OnlyAlternativeNames own: "The request asks for one list of subject alternative names and for no other extension or attribute.",
        "let the kubelet make the request itself";
    NamesAreDnsOrIp own: "The names are DNS names and IP addresses, not e-mail addresses, URIs or others.",
        "let the kubelet make the request itself";
    HasNames own: "The request asks for at least one name.",
        "give the kubelet an address (--node-ip) or a name (--hostname-override)";
    NamesWithinMaximum own: "The request asks for at most `--max-names` names.",
        "if the node has that many addresses, give a greater --max-names";
    NodeExists other: "The Node that asks exists.",
        "wait until the Node has registered; its kubelet asks again";
    NameIsValid own: "A DNS name is a host's name: not a wildcard, not an address in disguise, no odd characters.",
        "set the kubelet's --hostname-override to a DNS name and join the node again";
    NameIsUnicast own: "A name is not one that every machine has for itself, and an address is one host's: not loopback, link-local, multicast, unspecified, or IPv4 wrapped in IPv6.",
        "set the kubelet's --node-ip to the address by which others reach the node";
    NameIsNotApiServers other: "A name is not the API server's, unless the Node is a control-plane Node that has it.",
        "if the kubelet took a virtual IP for its own address, set its --node-ip";
    NameIsNotServices other: "A name is not a Service's, and not in a Service subnet or the Services' DNS domain.",
        "set the kubelet's --node-ip to an address of the node alone; or vouch for the name: approve CSR --allow NAME";
    NameIsNotPods other: "An address is not in the pod subnet, and not in another Node's podCIDRs.",
        "set the kubelet's --node-ip to an address outside the pod network; or vouch for the address: approve CSR --allow ADDRESS";
    NameIsNodes other: "A DNS name is the Node's name, its first label where that is the Node's Hostname, or one of the two below a `--dns-suffix`; an address is one of the Node's addresses.",
        "give --dns-suffix DOMAIN if nodes have names in that domain; or vouch for the name: approve CSR --allow NAME";
    AddressWithinPrefixes other: "An address is in a network of `--ip-prefix`, where any is given.",
        "give the network with --ip-prefix; or vouch for the address: approve CSR --allow ADDRESS";
    NameIsNoOtherNodes other: "A DNS name is not another Node's name or the beginning of one, and no other Node has the address.",
        "give each kubelet the address of its own node: --node-ip";
    NewestOfNode other: "The node has made no later request: the kubelet discards the keys of earlier ones.",
        "approve the newest request of the node";
    NamesAreServed other: "With `--renewals`: every name is in the certificate that the node serves now, which verifies against the cluster's CA at every address of the request.",
        "if the node has a new name or address, approve the request by its name, without --renewals";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule that does not hold, the value that breaks it, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {message}")]
pub struct Violation {
    /// The rule that is broken, which is also the metric's label.
    pub rule: Rule,
    /// What breaks it, fit for a terminal.
    pub message: String,
    /// What to do about it, without a full stop.
    pub remedy: &'static str,
    /// The address that breaks it, where it is likely that an administrator vouches for that with `--allow`.
    pub vouchable: Option<String>,
}

impl Violation {
    pub(super) fn new(rule: Rule, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
            remedy: rule.remedy(),
            vouchable: None,
        }
    }

    /// The same with a remedy that fits better than the rule's.
    #[must_use]
    pub(super) fn remedy(self, remedy: &'static str) -> Self {
        Self { remedy, ..self }
    }

    /// The same, where the next command may be to vouch for `name`.
    #[must_use]
    pub(super) fn vouchable(self, name: impl fmt::Display) -> Self {
        Self {
            vouchable: Some(name.to_string()),
            ..self
        }
    }

    /// The next command for the request `name` that breaks the rule.
    pub fn hint(&self, name: &str) -> Command {
        match &self.vouchable {
            _ if !is_csr_name(name) => Command::from(
                "kubectl get csr --field-selector spec.signerName=kubernetes.io/kubelet-serving",
            ),
            Some(vouchable) => {
                Command::new("kubelet-tls").args(["approve", name, "--allow", vouchable])
            }
            None => Command::new("kubectl").args(["describe", "csr", name]),
        }
    }
}

impl From<Pkcs10Error> for Violation {
    fn from(error: Pkcs10Error) -> Self {
        let rule = match error {
            Pkcs10Error::Malformed(_) => Rule::RequestIsWellFormed,
            Pkcs10Error::Subject(_) => Rule::SubjectIsPlain,
            Pkcs10Error::Extensions(_) => Rule::OnlyAlternativeNames,
            Pkcs10Error::NoNames => Rule::HasNames,
            Pkcs10Error::KindOfName(_) => Rule::NamesAreDnsOrIp,
            Pkcs10Error::Name(_) => Rule::NameIsValid,
            Pkcs10Error::Key(_) => Rule::KeyIsStrong,
            Pkcs10Error::Signature(_) => Rule::SignatureVerifies,
        };
        Self::new(rule, error.to_string())
    }
}
