//! Whether a node is secured, over constructed values.

use super::*;
use crate::node::Unverified;

const PEM: &[u8] = include_bytes!("../../../testdata/captured/1.36/kubelet-server-current.crt.pem");

fn served(verified: Result<(), Unverified>) -> Result<Served, NotServed> {
    Ok(Served {
        certificate: Certificate::from_pem(PEM).unwrap(),
        verified,
    })
}

/// The captured node of 1.36 with what it serves at each of these addresses.
fn probed(
    configured: Result<bool, NotConfigured>,
    served: &[Result<Served, NotServed>],
) -> ProbedNode {
    let addresses = ["10.77.0.21:10250", "203.0.113.9:10250"];
    let addresses = addresses.iter().map(|address| address.parse().unwrap());
    ProbedNode {
        listed: Ok(ListedNode {
            name: "node36".into(),
            is_control_plane: false,
            is_ready: true,
            port: 10250,
            is_windows: false,
            node: Node {
                addresses: vec![
                    ("InternalIP".into(), "10.77.0.21".into()),
                    ("Hostname".into(), "node36".into()),
                ],
                ..Node::default()
            },
        }),
        configured,
        served: addresses.zip(served.iter().cloned()).collect(),
        pending: None,
    }
}

fn said(node: &ProbedNode) -> String {
    let Security {
        status,
        reason,
        remedy,
        ..
    } = node.security();
    assert_eq!(
        remedy.is_none(),
        status == ConditionStatus::True,
        "{reason}"
    );
    format!("{status}({reason})")
}

#[test]
fn each_state_of_a_node_has_its_row() {
    use NotServed::{NoCertificate, Refused, Silent};
    let silent = || NotConfigured::NoAnswer("503".into());
    let mut own = Certificate::from_pem(PEM).unwrap();
    own.issuer = "CN=node36-ca@1795448545".into();
    let own = Ok(Served {
        certificate: own,
        verified: Err(Unverified::UnknownAuthority),
    });
    for (configured, serves, expected) in [
        (Ok(true), vec![served(Ok(()))], "True(Verified)"),
        (Err(silent()), vec![served(Ok(()))], "True(Verified)"),
        (Ok(false), vec![served(Ok(()))], "True(StaticCertificate)"),
        // An address may be out of reach from here; the certificate is for it nevertheless.
        (
            Ok(true),
            vec![served(Ok(())), Err(Silent)],
            "True(Verified)",
        ),
        (Ok(false), vec![own.clone()], "False(NotEnabled)"),
        (Ok(true), vec![own], "False(SelfSigned)"),
        (
            Ok(true),
            vec![served(Err(Unverified::UnknownAuthority))],
            "False(UnknownAuthority)",
        ),
        (
            Ok(true),
            vec![served(Err(Unverified::Expired))],
            "False(Expired)",
        ),
        (
            Ok(true),
            vec![served(Err(Unverified::WrongName))],
            "False(NameMissing)",
        ),
        (
            Ok(true),
            vec![served(Err(Unverified::Other("x".into())))],
            "False(Unverified)",
        ),
        // One good address does not make up for a bad one.
        (
            Ok(true),
            vec![served(Ok(())), served(Err(Unverified::WrongName))],
            "False(NameMissing)",
        ),
        (
            Err(silent()),
            vec![Err(NoCertificate)],
            "False(NoCertificate)",
        ),
        (Ok(false), vec![Err(Refused)], "False(NotEnabled)"),
        (Ok(true), vec![Err(Refused)], "Unknown(Unreachable)"),
        (
            Err(NotConfigured::OutOfTime),
            vec![],
            "Unknown(Unreachable)",
        ),
    ] {
        let node = probed(configured.clone(), &serves);
        assert_eq!(said(&node), expected, "{configured:?} {serves:?}");
    }
}

#[test]
fn a_pending_request_is_named() {
    let mut node = probed(Ok(true), &[Err(NotServed::NoCertificate)]);
    node.pending = Some(PendingRequest {
        name: "csr-a".into(),
        created: None,
    });
    let security = node.security();
    assert_eq!(security.reason, "Pending");
    assert_eq!(security.remedy, Some(NodeRemedy::Approve("csr-a".into())));
    // A renewal is pending beside a good certificate.
    node.served = probed(Ok(true), &[served(Ok(()))]).served;
    assert_eq!(said(&node), "True(Verified)");
}

#[test]
fn the_certificate_is_this_nodes_and_for_all_its_addresses() {
    let mut other = probed(Ok(true), &[served(Ok(()))]);
    other.listed.as_mut().unwrap().name = "node37".into();
    assert_eq!(said(&other), "False(OtherNode)");
    let mut moved = probed(Ok(true), &[served(Ok(()))]);
    let addresses = &mut moved.listed.as_mut().unwrap().node.addresses;
    addresses.push(("InternalIP".into(), "10.77.0.99".into()));
    assert_eq!(said(&moved), "False(NameMissing)");
    let mut bare = probed(Ok(true), &[]);
    bare.listed.as_mut().unwrap().node.addresses.clear();
    assert_eq!(said(&bare), "False(NoAddress)");
    let malformed = ProbedNode {
        listed: Err(MalformedNode {
            name: "x".into(),
            reason: "its name is not a DNS subdomain".into(),
        }),
        ..bare
    };
    assert_eq!(said(&malformed), "Unknown(Malformed)");
}
