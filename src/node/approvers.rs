//! Signs of an approver of kubelet-serving CSRs: what runs, and what was approved lately.

use std::fmt;

use jiff::Timestamp;

/// The systemd unit in which `kubelet-tls approve --watch` runs on a control-plane node.
pub const UNIT: &str = "kubelet-tls-approver.service";

/// Images whose containers approve kubelet-serving CSRs, by their last path component: a mirror keeps that.
const IMAGES: [&str; 2] = ["kubelet-csr-approver", "kubelet-serving-cert-approver"];
/// This program's own image, which does other things too.
const OWN_IMAGE: &str = "kubelet-tls";

/// The reason that `kubectl certificate approve` gives.
const BY_KUBECTL: &str = "KubectlApprove";
/// The reason that `kubelet-tls approve` gives, with `--watch` and without.
const BY_KUBELET_TLS: &str = "KubeletTLSApprove";
/// How soon after its creation a CSR is approved by `approve --watch` and not by a person or a script, in seconds.
const SOON: i64 = 1;

/// What shows that an approver is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApproverSign {
    /// [`UNIT`] is active on this machine.
    Unit,
    /// A Deployment of a known approver has a Pod that is available: its namespace and its name, safe to print.
    Deployment(String, String),
    /// A kubelet-serving CSR was approved, and not by a person: the reason that its approver gave, safe to print.
    Approval(String),
}

impl fmt::Display for ApproverSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => write!(f, "{UNIT} is active"),
            Self::Deployment(namespace, name) => {
                write!(f, "deployment {name} in namespace {namespace} is available")
            }
            Self::Approval(reason) => {
                write!(
                    f,
                    "a kubelet-serving CSR was approved by a program ({reason})"
                )
            }
        }
    }
}

/// Whether a container with this image and these words after it approves kubelet-serving CSRs.
pub fn is_approver(image: &str, words: &[&str]) -> bool {
    let name = image.split('@').next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default();
    let watches = || words.contains(&"approve") && words.contains(&"--watch");
    IMAGES.contains(&name) || (name == OWN_IMAGE && watches())
}

/// Whether an approval with this reason was a program's: kubectl is a person's, and `kubelet-tls approve` may be, unless
/// the CSR had just been created.
pub fn is_by_program(
    reason: &str,
    created: Option<Timestamp>,
    approved: Option<Timestamp>,
) -> bool {
    let elapsed = approved
        .zip(created)
        .map(|(approved, created)| approved.as_second() - created.as_second());
    match reason {
        BY_KUBECTL | "" => false,
        BY_KUBELET_TLS => elapsed.is_some_and(|elapsed| (0..=SOON).contains(&elapsed)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_approves_is_recognised() {
        let watch = &["approve", "--watch", "--renewals"][..];
        for (image, words, expected) in [
            ("kubelet-tls:0.1.0", watch, true),
            (
                "registry.example:5000/mirror/kubelet-tls@sha256:ab",
                watch,
                true,
            ),
            ("kubelet-tls:0.1.0", &["metrics-server"][..], false),
            ("kubelet-tls:0.1.0", &[], false),
            (
                "ghcr.io/postfinance/kubelet-csr-approver:v1.2.13",
                &[],
                true,
            ),
            (
                "ghcr.io/alex1989hu/kubelet-serving-cert-approver:main",
                &[],
                true,
            ),
            ("registry.example/kubelet-csr-approver", &[], true),
            ("registry.example/not-kubelet-csr-approver", &[], false),
            ("kubelet-csr-approver/nginx", watch, false),
            ("", watch, false),
        ] {
            assert_eq!(is_approver(image, words), expected, "{image} {words:?}");
        }
    }

    #[test]
    fn an_approval_by_a_program_is_recognised() {
        let at = |second: i64| Some(Timestamp::from_second(second).unwrap());
        for (reason, created, approved, expected) in [
            ("KubectlApprove", at(100), at(101), false),
            ("AutoApproved", at(100), at(900), true),
            ("CSRApproved", None, None, true),
            ("KubeletTLSApprove", at(100), at(101), true),
            ("KubeletTLSApprove", at(100), at(102), false),
            ("KubeletTLSApprove", at(100), at(99), false),
            ("KubeletTLSApprove", None, at(100), false),
            ("", at(100), at(100), false),
        ] {
            let found = is_by_program(reason, created, approved);
            assert_eq!(found, expected, "{reason} {created:?} {approved:?}");
        }
    }
}
