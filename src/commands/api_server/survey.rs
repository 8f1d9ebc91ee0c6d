//! Whether every node is secured where this API server dials it: the precondition of the switch.

use std::path::Path;
use std::time::Instant;

use crate::commands::admin;
use crate::edit::api_server::Manifest;
use crate::host::files as host_files;
use crate::host::kube::Admin;
use crate::host::kubelets::{self, Depth, Dial};
use crate::node::{AddressPreference, NodeSurvey, SurveyedNode};
use crate::report::{Code, Problem};
use crate::text::hint::Command;
use crate::text::{SEMICOLONS, some};
use crate::x509::pem::certificates;
use crate::yaml::MAX_BYTES;

/// How many nodes an error names.
const NAMED: usize = 20;

/// The certificates in DER of the CA that the flag names, from the host's file.
///
/// # Errors
/// When the file cannot be read, is not PEM, or has no certificate: the API server then exits, or verifies no kubelet.
pub(super) fn roots(manifest: &Manifest) -> Result<Vec<Vec<u8>>, Problem> {
    let path = Path::new(&manifest.ca_file_on_host);
    let pem = host_files::read(path, MAX_BYTES as u64)?;
    let unusable = |why: &str| {
        Problem::new(
            Code::Refused,
            format!("cannot use the CA file {}: {why}", path.display()),
        )
        .hint(Command::from("openssl x509 -noout -subject -in").arg(path))
    };
    let certificates = certificates(&pem).map_err(|error| unusable(&error.to_string()))?;
    if certificates.is_empty() {
        return Err(unusable("it has no certificate"));
    }
    Ok(certificates)
}

/// Dials each node's kubelet as the API server of `manifest` does, verified against `roots`, until `end`.
///
/// # Errors
/// When the Nodes cannot be listed. What goes wrong with one node is in its own row.
pub(super) fn survey(
    admin: &Admin,
    manifest: &Manifest,
    roots: &[Vec<u8>],
    end: Instant,
) -> Result<NodeSurvey, Problem> {
    let preference = AddressPreference::of(manifest);
    let dial = Dial {
        preference: &preference,
        roots,
    };
    let seen = kubelets::survey(admin, Depth::AsApiServer(dial), end)
        .map_err(|error| admin::problem("list", "nodes", &error))?;
    Ok(NodeSurvey::new(&seen.nodes, &preference))
}

/// The survey where an administrator accepts that these nodes are not secured (`--except NODE`).
///
/// # Errors
/// When no Node has one of the names.
pub(super) fn except(survey: NodeSurvey, names: &[String]) -> Result<NodeSurvey, Problem> {
    survey.except(names).map_err(|error| {
        Problem::of(Code::Input, error)
            .context("cannot use --except")
            .hint("kubectl get nodes")
    })
}

/// Every node that is not excepted is secured.
///
/// # Errors
/// A refusal that names each node that is not, or of which that is not known. Also where the cluster has no Nodes,
/// because nothing was proved then.
pub(super) fn require_secured(survey: &NodeSurvey) -> Result<(), Problem> {
    let refused = |why: String| {
        Problem::new(
            Code::Refused,
            format!("cannot have the API server verify kubelets: {why}"),
        )
        .advise("nothing was changed")
    };
    if survey.nodes.is_empty() {
        return Err(refused("the cluster has no Nodes".to_owned()).hint("kubectl get nodes"));
    }
    let unproved = survey.unproved();
    if unproved.is_empty() {
        return Ok(());
    }
    let count = format!(
        "{} of {} nodes are not secured where it dials them",
        unproved.len(),
        survey.nodes.len()
    );
    let said: Vec<String> = unproved.iter().map(|node| said(node)).collect();
    let said = some(&said, NAMED, SEMICOLONS);
    Err(refused(format!("{count}: {said}"))
        .advise("--except NODE accepts a node that is known to be off")
        .hint("kubelet-tls cluster status"))
}

/// `worker-1 (NotEnabled: 10.0.0.7:10250 serves the kubelet's own certificate, of CN=…)`
fn said(node: &SurveyedNode) -> String {
    let security = &node.security;
    format!("{} ({}: {})", node.name, security.reason, security.message)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test writes its CA file")]
mod tests {
    use super::*;
    use crate::node::Security;
    use crate::node::conditions::ConditionStatus;

    const YES: &str =
        include_str!("../../../testdata/captured/1.36/kube-apiserver-v1beta4-yes.yaml");

    fn node(name: &str, status: ConditionStatus) -> SurveyedNode {
        SurveyedNode {
            name: name.to_owned(),
            dialled: None,
            is_ready: true,
            is_excepted: false,
            security: Security {
                status,
                reason: "Why",
                message: "because".to_owned(),
                remedy: None,
            },
        }
    }

    #[test]
    fn each_node_that_is_not_secured_is_named() {
        use ConditionStatus::{False, True, Unknown};
        let survey = |states: &[(&str, ConditionStatus)]| NodeSurvey {
            nodes: states
                .iter()
                .map(|(name, status)| node(name, *status))
                .collect(),
        };
        let refusal = |survey: &NodeSurvey| {
            let problem = require_secured(survey).err()?;
            assert_eq!(problem.code, Code::Refused);
            Some(problem.message())
        };
        assert_eq!(refusal(&survey(&[("a", True), ("b", True)])), None);
        let mixed = survey(&[("a", True), ("b", False), ("c", Unknown)]);
        assert_eq!(
            refusal(&mixed).unwrap(),
            "cannot have the API server verify kubelets: 2 of 3 nodes are not secured where it dials them: b (Why: because); \
             c (Why: because); nothing was changed; --except NODE accepts a node that is known to be off"
        );
        let names = ["b".to_owned(), "c".to_owned()];
        let one = except(mixed.clone(), &names[..1]).unwrap();
        assert!(refusal(&one).unwrap().contains("1 of 3 nodes"));
        assert_eq!(refusal(&except(mixed.clone(), &names).unwrap()), None);
        let error = except(mixed, &["d;\u{1b}".to_owned()]).unwrap_err();
        assert_eq!(
            error.message(),
            "cannot use --except: no Node is called \"d\\u{3b}\\u{1b}\""
        );
        // Nothing was proved of a cluster without nodes.
        assert!(refusal(&NodeSurvey::default()).is_some());
        let many: Vec<_> = (0..30)
            .map(|number| (format!("n{number}"), False))
            .collect();
        let many: Vec<_> = many
            .iter()
            .map(|(name, status)| (name.as_str(), *status))
            .collect();
        assert!(
            refusal(&survey(&many))
                .unwrap()
                .contains("n19 (Why: because); and 10 more;")
        );
    }

    #[test]
    fn a_ca_file_that_cannot_verify_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.crt");
        let mut manifest = Manifest::read(YES.as_bytes()).unwrap();
        manifest.ca_file_on_host = path.to_str().unwrap().to_owned();
        assert_eq!(roots(&manifest).unwrap_err().code, Code::Io);
        let ca = include_str!("../../../testdata/captured/1.36/ca.crt");
        for (text, expected) in [
            ("", Err("it has no certificate")),
            ("not PEM\n", Err("it has no certificate")),
            (
                "-----BEGIN CERTIFICATE-----\nMIIB\n",
                Err("a PEM section is broken"),
            ),
            (ca, Ok(1)),
        ] {
            std::fs::write(&path, text).unwrap();
            match (roots(&manifest), expected) {
                (Ok(roots), Ok(count)) => assert_eq!(roots.len(), count),
                (Err(problem), Err(why)) => {
                    assert_eq!(problem.code, Code::Refused);
                    assert!(problem.message().ends_with(why), "{}", problem.message());
                }
                (roots, expected) => panic!("{roots:?}, not {expected:?}"),
            }
        }
    }
}
