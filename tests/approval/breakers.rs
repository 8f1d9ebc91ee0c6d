//! For each rule one change of a good request, or of what surrounds it, that breaks this rule alone. Singly each is refused
//! for that rule; in any company it is refused.

use std::time::Duration;

use kubelet_tls::parts::approval::{
    Approval, ApprovalPolicy, Inventory, Rule, ServedAt, Violation, judge_renewal,
};
use kubelet_tls::parts::csr::{Newest, Request, State};
use kubelet_tls::parts::x509::{Certificate, Names};
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::json;

use super::cluster::{add, add_service, asking, cluster, network, node, policy};
use super::request::*;

/// A request with everything that it is judged by.
struct Case {
    made: Made,
    request: Request,
    inventory: Inventory,
    policy: ApprovalPolicy,
    others: Vec<Request>,
    served: Names,
    /// A PEM that no change of `made` gives.
    pem: Option<Vec<u8>>,
}

impl Case {
    /// worker-1's renewal, of which every rule holds.
    fn good() -> Self {
        let mut request = asking(Vec::new());
        request.created = Some("2026-11-23T07:16:49Z".parse().unwrap());
        Self {
            made: Made::new(&[dns("worker-1"), ip("10.0.0.7")]),
            request,
            inventory: cluster(),
            policy: policy(),
            others: Vec::new(),
            served: Names {
                dns: vec!["worker-1".into()],
                ips: vec!["10.0.0.7".parse().unwrap()],
            },
            pem: None,
        }
    }

    /// Asks for these names beside worker-1's own, which it serves too.
    fn asks(&mut self, names: &[Vec<u8>]) {
        let all = [&[dns("worker-1"), ip("10.0.0.7")], names].concat();
        self.made.attributes = vec![extensions(&[san(&all)])];
    }

    /// Lets worker-1's Node have this address, and serve it.
    fn has(&mut self, address: &str) {
        if let Some(mut facts) = self.inventory.node("worker-1").cloned() {
            facts.ips.insert(address.parse().unwrap());
            self.inventory.put_node(facts);
        }
        self.served.ips.push(address.parse().unwrap());
    }

    fn judge(mut self) -> Result<Approval, Violation> {
        self.request.pem = self.pem.unwrap_or_else(|| self.made.pem());
        let mut newest = Newest::default();
        for request in self.others.iter().chain([&self.request]) {
            newest.add(request);
        }
        let standing = newest.standing(&self.request);
        let verdict = self
            .policy
            .judge_with(&self.request, &standing, &self.inventory);
        let approval = verdict.into_result()?;
        let certificate = Certificate {
            common_name: Some("system:node:worker-1".into()),
            organizations: vec!["system:nodes".into()],
            issuer: "CN=kubernetes".into(),
            not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2027-01-01T00:00:00Z".parse().unwrap(),
            names: self.served.clone(),
            self_issued: false,
        };
        let served = approval.names.ips.iter().map(|address| ServedAt {
            address: *address,
            certificate: Ok(certificate.clone()),
        });
        judge_renewal(&approval, &served.collect::<Vec<_>>())?;
        Ok(approval)
    }
}

/// What breaks the rule.
fn breaks(case: &mut Case, rule: Rule) {
    let subject = |o: &str, cn: &str| vec![rdn(10, o), rdn(3, cn)];
    match rule {
        Rule::Undecided => case.request.state = State::Denied,
        Rule::RequestNameIsValid => case.request.name = "x;touch pwned;#".into(),
        Rule::SignerIsKubeletServing => {
            case.request.signer = "kubernetes.io/kube-apiserver-client-kubelet".into();
        }
        Rule::RequestorIsNode => case.request.requestor = "kubernetes-admin".into(),
        Rule::RequestorInSystemNodes => case.request.groups = vec!["system:authenticated".into()],
        Rule::UsagesAreServing => case.request.usages.push("client auth".into()),
        Rule::DurationWithinMaximum => case.request.expiration_seconds = Some(366 * 86_400),
        Rule::RequestIsWellFormed => case.made.trailing = vec![0],
        Rule::SubjectIsPlain => case.made.subject.push(rdn(11, "unit")),
        Rule::CommonNameIsRequestor => {
            case.made.subject = subject("system:nodes", "system:node:worker-2");
        }
        Rule::OrganizationIsSystemNodes => {
            case.made.subject = subject("system:masters", "system:node:worker-1");
        }
        Rule::KeyIsStrong => {
            case.pem = Some(std::fs::read("testdata/approval/rsa-1024.pem").unwrap());
        }
        Rule::SignatureVerifies => case.made.spoilt = true,
        Rule::OnlyAlternativeNames => {
            let ca = extension(&[0x55, 0x1d, 19], &[0x30, 3, 1, 1, 0xff]);
            case.made.attributes = vec![extensions(&[san(&[dns("worker-1")]), ca])];
        }
        Rule::NamesAreDnsOrIp => case.asks(&[tlv(0x86, &[b"spiffe://x"])]),
        Rule::HasNames => case.made.attributes = vec![],
        Rule::NamesWithinMaximum => case.asks(&vec![dns("worker-1"); 31]),
        Rule::NodeExists => case.inventory.remove_node("worker-1"),
        Rule::NameIsValid => case.asks(&[dns("*.example")]),
        Rule::NameIsUnicast => case.asks(&[ip("127.0.0.1")]),
        Rule::NameIsNotApiServers => case.asks(&[ip("198.51.100.8")]),
        Rule::NameIsNotServices => {
            let service = json!({"metadata": {"name": "s", "namespace": "n"}, "spec": {"externalIPs": ["10.0.0.7"]}});
            add_service(&mut case.inventory, service);
        }
        Rule::NameIsNotPods => case.asks(&[ip("10.244.3.4")]),
        Rule::NameIsNodes => case.asks(&[ip("10.0.0.99")]),
        Rule::AddressWithinPrefixes => {
            case.policy.ip_prefixes = vec![network("10.1.0.0/16"), network("fd00::/8")];
        }
        Rule::NameIsNoOtherNodes => {
            let liar = node("worker-3", json!({}), &[("InternalIP", "10.0.0.7")]);
            add(&mut case.inventory, liar);
        }
        Rule::NewestOfNode => {
            let mut newer = case.request.clone();
            newer.name = "csr-2".into();
            newer.created = Some("2026-11-23T07:16:50Z".parse().unwrap());
            case.others.push(newer);
        }
        Rule::NamesAreServed => {
            case.asks(&[ip("10.0.0.70")]);
            case.has("10.0.0.70");
            case.served.ips.pop();
        }
    }
}

#[test]
fn each_rule_is_broken_alone() {
    assert!(Case::good().judge().is_ok(), "{:?}", Case::good().judge());
    for rule in Rule::ALL {
        let mut case = Case::good();
        breaks(&mut case, *rule);
        let violation = case.judge().unwrap_err();
        assert_eq!(violation.rule, *rule, "{violation}");
        assert!(
            !violation.remedy.is_empty() && !violation.remedy.ends_with('.'),
            "{rule}"
        );
        let plain = |text: &str| text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
        assert!(plain(&violation.message), "{violation}");
    }
}

/// What another object of the cluster says never has a request denied.
#[test]
fn what_others_claim_is_never_a_reason_to_deny() {
    let of_others = [
        Rule::Undecided,
        Rule::RequestNameIsValid,
        Rule::SignerIsKubeletServing,
        Rule::RequestorIsNode,
        Rule::RequestorInSystemNodes,
        Rule::NodeExists,
        Rule::NameIsNotApiServers,
        Rule::NameIsNotServices,
        Rule::NameIsNotPods,
        Rule::NameIsNodes,
        Rule::AddressWithinPrefixes,
        Rule::NameIsNoOtherNodes,
        Rule::NewestOfNode,
        Rule::NamesAreServed,
    ];
    for rule in Rule::ALL {
        assert_eq!(rule.may_be_denied(), !of_others.contains(rule), "{rule}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No company makes a broken rule hold.
    #[test]
    fn rules_that_are_broken_together_are_refused(rules in subsequence(Rule::ALL.to_vec(), 1..6)) {
        let mut case = Case::good();
        for rule in &rules {
            breaks(&mut case, *rule);
        }
        let verdict = case.judge();
        prop_assert!(verdict.is_err(), "{rules:?}");
    }

    /// A lifetime is vouched for exactly up to the maximum.
    #[test]
    fn lifetimes_up_to_the_maximum_are_approved(seconds in any::<i64>(), most in 0_u32..100_000) {
        let mut case = Case::good();
        case.policy.max_duration = Duration::from_secs(most.into());
        case.request.expiration_seconds = Some(seconds);
        let within = seconds > 0 && seconds <= i64::from(most);
        prop_assert_eq!(case.judge().is_ok(), within);
    }

    /// So many names are vouched for, repeated ones counted.
    #[test]
    fn as_many_names_as_the_maximum_are_approved(count in 1_usize..40, most in 0_usize..40) {
        let mut case = Case::good();
        case.policy.max_names = most;
        case.made.attributes = vec![extensions(&[san(&vec![ip("10.0.0.7"); count])])];
        prop_assert_eq!(case.judge().is_ok(), count <= most);
    }

    /// With networks given, an address is approved exactly where it lies in one of them.
    #[test]
    fn only_addresses_within_the_prefixes_are_approved(third in 0_u8..4, length in 16_u8..=24) {
        let mut case = Case::good();
        let prefix = network(&format!("10.7.{third}.0/{length}"));
        let address = "10.7.1.7".parse().unwrap();
        case.policy.ip_prefixes = vec![prefix, network("10.0.0.0/24")];
        case.asks(&[ip("10.7.1.7")]);
        case.has("10.7.1.7");
        prop_assert_eq!(case.judge().is_ok(), prefix.contains(&std::net::IpAddr::V4(address)));
    }
}
