//! Which address an API server dials, and whether the node is secured there, over constructed values.

use std::net::SocketAddr;

use super::*;
use crate::node::{
    ListedNode, MalformedNode, NotConfigured, NotServed, PendingRequest, Served, Unverified,
};
use crate::x509::Certificate;

const YES: &str = include_str!("../../../testdata/captured/1.36/kube-apiserver-v1beta4-yes.yaml");
const PEM: &[u8] = include_bytes!("../../../testdata/captured/1.36/kubelet-server-current.crt.pem");
const KUBEADM: &str = "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname";

fn preference(flags: &[&str]) -> AddressPreference {
    let mut manifest = Manifest::read(YES.as_bytes()).unwrap();
    manifest.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    AddressPreference::of(&manifest)
}

fn node(addresses: &[(&str, &str)]) -> Node {
    let addresses = addresses.iter();
    Node {
        addresses: addresses
            .map(|(kind, address)| ((*kind).to_owned(), (*address).to_owned()))
            .collect(),
        ..Node::default()
    }
}

/// A node whose kubelet serves this where it is dialled.
fn probed(node: Node, served: &[(&str, Result<Served, NotServed>)]) -> ProbedNode {
    let served = served.iter();
    ProbedNode {
        listed: Ok(ListedNode {
            name: "node36".into(),
            is_control_plane: true,
            is_ready: true,
            port: 10250,
            is_windows: false,
            node,
        }),
        configured: Ok(true),
        served: served
            .map(|(address, served)| (address.parse::<SocketAddr>().unwrap(), served.clone()))
            .collect(),
        pending: None,
    }
}

fn served(verified: Result<(), Unverified>) -> Result<Served, NotServed> {
    Ok(Served {
        certificate: Certificate::from_pem(PEM).unwrap(),
        verified,
    })
}

#[test]
fn the_address_that_the_api_server_prefers_is_dialled() {
    let all = &[
        ("InternalIP", "10.0.0.7"),
        ("InternalIP", "fd00::7"),
        ("ExternalIP", "203.0.113.9"),
        ("Hostname", "worker-1"),
    ][..];
    let only_ip = &[("InternalIP", "10.0.0.7")][..];
    let by_name = "--kubelet-preferred-address-types=Hostname";
    for (flags, addresses, expected) in [
        (&[KUBEADM][..], all, Some("10.0.0.7")),
        (&[KUBEADM], only_ip, Some("10.0.0.7")),
        (&[KUBEADM], &[("Hostname", "a")][..], Some("a")),
        // The default begins with the host's name.
        (&[], all, Some("worker-1")),
        (&[], only_ip, Some("10.0.0.7")),
        (&[by_name], all, Some("worker-1")),
        (&[by_name], only_ip, None),
        (
            &["--kubelet-preferred-address-types", "ExternalIP"],
            all,
            Some("203.0.113.9"),
        ),
        (
            &["--kubelet_preferred_address_types=ExternalIP"],
            all,
            Some("203.0.113.9"),
        ),
        // Given twice it accumulates.
        (&[by_name, KUBEADM], all, Some("worker-1")),
        (&[by_name, KUBEADM], only_ip, Some("10.0.0.7")),
        // An empty list has no address; types that do not exist match none.
        (&["--kubelet-preferred-address-types="], all, None),
        (
            &["--kubelet-preferred-address-types=internalIP, InternalIP"],
            all,
            None,
        ),
        (&[KUBEADM], &[], None),
        (&[KUBEADM], &[("InternalIP", "")], Some("")),
    ] {
        let node = node(addresses);
        assert_eq!(
            preference(flags).address(&node),
            expected,
            "{flags:?} {addresses:?}"
        );
    }
}

#[test]
fn each_state_of_a_dialled_node_has_its_verdict() {
    use NotServed::{NoCertificate, Refused, Silent};
    let here = &[("InternalIP", "10.77.0.21"), ("ExternalIP", "203.0.113.9")][..];
    let at = "10.77.0.21:10250";
    for (addresses, serves, expected) in [
        // The certificate is not for the external address, which is not dialled.
        (here, vec![(at, served(Ok(())))], "True(Verified)"),
        (
            here,
            vec![(at, served(Err(Unverified::UnknownAuthority)))],
            "False(UnknownAuthority)",
        ),
        (
            here,
            vec![(at, served(Err(Unverified::WrongName)))],
            "False(NameMissing)",
        ),
        (
            here,
            vec![(at, served(Err(Unverified::Expired)))],
            "False(Expired)",
        ),
        (here, vec![(at, Err(NoCertificate))], "False(NoCertificate)"),
        (here, vec![(at, Err(Silent))], "Unknown(Unreachable)"),
        (here, vec![(at, Err(Refused))], "Unknown(Unreachable)"),
        (here, vec![], "Unknown(NotDialled)"),
        (&[("InternalDNS", "a")][..], vec![], "False(NoAddress)"),
        (&[], vec![], "False(NoAddress)"),
        // A name with several addresses: each that answers must verify.
        (
            &[("Hostname", "node36")][..],
            vec![(at, served(Ok(()))), ("10.0.0.9:10250", Err(Refused))],
            "True(Verified)",
        ),
        (
            &[("Hostname", "node36")][..],
            vec![(at, served(Ok(()))), ("10.0.0.9:10250", Err(NoCertificate))],
            "False(NoCertificate)",
        ),
        (
            &[("Hostname", "\u{1b}[2Jx")][..],
            vec![],
            "Unknown(NotDialled)",
        ),
    ] {
        let security =
            probed(node(addresses), &serves).security_as_dialled(&preference(&[KUBEADM]));
        let said = format!("{}({})", security.status, security.reason);
        assert_eq!(said, expected, "{addresses:?} {serves:?}");
        assert_eq!(
            security.remedy.is_none(),
            security.status == ConditionStatus::True
        );
        assert!(!security.message.contains('\u{1b}'), "{}", security.message);
    }
}

#[test]
fn the_survey_names_the_nodes_of_each_kind() {
    let preference = preference(&[KUBEADM]);
    let here = node(&[("InternalIP", "10.77.0.21")]);
    let good = probed(here.clone(), &[("10.77.0.21:10250", served(Ok(())))]);
    let mut waiting = probed(
        node(&[("InternalIP", "fd00::7")]),
        &[("[fd00::7]:10250", Err(NotServed::NoCertificate))],
    );
    if let Ok(listed) = &mut waiting.listed {
        listed.name = "waiting".into();
        (listed.is_control_plane, listed.is_ready) = (false, false);
    }
    waiting.pending = Some(PendingRequest {
        name: "csr-1".into(),
        created: None,
    });
    let mut odd = probed(here, &[]);
    odd.listed = Err(MalformedNode {
        name: "odd".into(),
        reason: "its name is not a DNS subdomain".into(),
    });
    odd.configured = Err(NotConfigured::OutOfTime);
    let survey = NodeSurvey::new(&[good, waiting, odd], &preference);
    let dialled: Vec<_> = survey
        .nodes
        .iter()
        .map(|node| node.dialled.as_deref())
        .collect();
    assert_eq!(
        dialled,
        [Some("10.77.0.21:10250"), Some("[fd00::7]:10250"), None]
    );
    assert_eq!(survey.ready(), ["node36"]);
    let unproved = |survey: &NodeSurvey| {
        let nodes = survey.unproved().into_iter();
        nodes
            .map(|node| format!("{} {}", node.name, node.security.reason))
            .collect::<Vec<_>>()
    };
    assert_eq!(unproved(&survey), ["waiting Pending", "odd Malformed"]);
    let except = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        survey.clone().except(&names)
    };
    assert_eq!(unproved(&except(&["odd", "waiting"]).unwrap()), [""; 0]);
    assert_eq!(
        except(&["odd", "Waiting"]),
        Err(UnknownNode("Waiting".into()))
    );
}
