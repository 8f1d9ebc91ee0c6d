//! The judgement of one request: pure, and the same for every way in which requests come.

use super::claims::Claims;
use super::inventory::Inventory;
use super::rule::{Rule, Violation};
use super::settings::ApprovalPolicy;
use crate::csr::{KUBELET_SERVING, Request, Standing, State};
use crate::text::names::{is_csr_name, shown};
use crate::text::quoted;
use crate::x509::Names;
use crate::x509::pkcs10::Pkcs10;

/// The sets of usages that the signer accepts (pkg/apis/certificates/helpers.go), sorted.
const USAGES: [&[&str]; 2] = [
    &["digital signature", "key encipherment", "server auth"],
    &["digital signature", "server auth"],
];

/// What a policy says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No rule is broken.
    Approve(Approval),
    /// The first rule that is broken.
    Refuse(Violation),
}

/// A request that every rule holds of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The name of the requestor's Node object.
    pub node: String,
    /// The names that are vouched for.
    pub names: Names,
    /// What an administrator should know although the request is approved.
    pub warning: Option<&'static str>,
}

impl Approval {
    /// The message of the condition Approved.
    pub fn message(&self) -> String {
        let dns = self.names.dns.iter().map(|name| quoted(name));
        let ips = self.names.ips.iter().map(ToString::to_string);
        let names: Vec<String> = dns.chain(ips).collect();
        format!(
            "kubelet-tls approve: every rule holds; the names belong to Node {} alone: {}.",
            self.node,
            names.join(", ")
        )
    }
}

impl Verdict {
    /// As a result.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub fn into_result(self) -> Result<Approval, Violation> {
        match self {
            Self::Approve(approval) => Ok(approval),
            Self::Refuse(violation) => Err(violation),
        }
    }
}

impl ApprovalPolicy {
    /// Whether every rule holds of `request`, of those that one request and the cluster decide: all but
    /// [`Rule::NewestOfNode`] and [`Rule::NamesAreServed`]. `inventory` must have been read after the request was.
    pub fn judge(&self, request: &Request, inventory: &Inventory) -> Verdict {
        self.judge_with(request, &Standing::Newest, inventory)
    }

    /// The same, where it is known how the request stands among those of its requestor. Of one that is superseded that is
    /// what counts: its defects do not matter any more.
    pub fn judge_with(
        &self,
        request: &Request,
        standing: &Standing,
        inventory: &Inventory,
    ) -> Verdict {
        self.judge_read(request, None, standing, inventory)
    }

    /// As [`Self::judge_with`], where `read` is what the request's PEM says, if that was read before: reading it is most of
    /// the work.
    pub(crate) fn judge_read(
        &self,
        request: &Request,
        read: Option<&Pkcs10>,
        standing: &Standing,
        inventory: &Inventory,
    ) -> Verdict {
        match self.approval(request, read, standing, inventory) {
            Ok(approval) => Verdict::Approve(approval),
            Err(violation) => Verdict::Refuse(violation),
        }
    }

    /// All rules, in the order in which they are checked. Every verdict comes from here.
    fn approval(
        &self,
        request: &Request,
        read: Option<&Pkcs10>,
        standing: &Standing,
        inventory: &Inventory,
    ) -> Result<Approval, Violation> {
        let node = identify(request)?;
        newest(standing)?;
        self.check_object(request)?;
        let own;
        let pkcs10 = match read {
            Some(read) => read,
            None => {
                own = Pkcs10::read(&request.pem)?;
                &own
            }
        };
        self.check_subject(request, pkcs10)?;
        let Some(facts) = inventory.node(node) else {
            let message = format!("Node {node} does not exist");
            return Err(Violation::new(Rule::NodeExists, message));
        };
        let claims = Claims {
            policy: self,
            inventory,
            node: facts,
        };
        let Names { dns, ips } = &pkcs10.names;
        dns.iter().try_for_each(|name| claims.check_dns(name))?;
        ips.iter().try_for_each(|ip| claims.check_ip(*ip))?;
        Ok(Approval {
            node: node.to_owned(),
            warning: ips.is_empty().then_some(
                "asks for DNS names alone: metrics-server and the API server dial addresses and cannot use its certificate, \
                 and the kubelet asks again once its Node has an address",
            ),
            names: pkcs10.names.clone(),
        })
    }

    /// What the API's object says beside whose it is.
    fn check_object(&self, request: &Request) -> Result<(), Violation> {
        let broken = |rule, message: String| Err(Violation::new(rule, message));
        if !request.groups.iter().any(|group| group == "system:nodes") {
            let message = format!("{} is not in the group system:nodes", request.requestor);
            return broken(Rule::RequestorInSystemNodes, message);
        }
        let mut usages: Vec<&str> = request.usages.iter().map(String::as_str).collect();
        usages.sort_unstable();
        if !USAGES.contains(&usages.as_slice()) {
            let message = format!("the usages are {}", quoted(&request.usages.join(", ")));
            return broken(Rule::UsagesAreServing, message);
        }
        if let Some(seconds) = request.expiration_seconds {
            let most = self.max_duration.as_secs();
            let within = u64::try_from(seconds).is_ok_and(|seconds| (1..=most).contains(&seconds));
            if !within {
                let message = format!("it asks for {seconds} s, not for 1 to {most} s");
                return broken(Rule::DurationWithinMaximum, message);
            }
        }
        Ok(())
    }

    fn check_subject(&self, request: &Request, pkcs10: &Pkcs10) -> Result<(), Violation> {
        if pkcs10.common_name != request.requestor {
            let (cn, requestor) = (quoted(&pkcs10.common_name), &request.requestor);
            let message = format!("the CN is {cn}, the requestor {requestor}");
            return Err(Violation::new(Rule::CommonNameIsRequestor, message));
        }
        if pkcs10.organization != "system:nodes" {
            let message = format!("the O is {}", quoted(&pkcs10.organization));
            return Err(Violation::new(Rule::OrganizationIsSystemNodes, message));
        }
        let count = pkcs10.names.len();
        if count > self.max_names {
            let message = format!(
                "it asks for {count} names, more than the maximum of {}",
                self.max_names
            );
            return Err(Violation::new(Rule::NamesWithinMaximum, message));
        }
        Ok(())
    }
}

/// The node of a request that is pending, for kubelet serving, and a node's.
fn identify(request: &Request) -> Result<&str, Violation> {
    undecided(request)?;
    let broken = |rule, message: String| Err(Violation::new(rule, message));
    if !is_csr_name(&request.name) {
        let message = format!("{} is not a DNS subdomain", shown(&request.name));
        return broken(Rule::RequestNameIsValid, message);
    }
    if request.signer != KUBELET_SERVING {
        let message = format!("the signer is {}", quoted(&request.signer));
        return broken(Rule::SignerIsKubeletServing, message);
    }
    request.node().ok_or_else(|| {
        let message = match request.requestor.strip_prefix("system:node:") {
            Some(node) => format!(
                "the requestor is a node called {}, which is not a valid Node name",
                shown(node)
            ),
            None => format!(
                "the requestor is {}, not a node",
                quoted(&request.requestor)
            ),
        };
        Violation::new(Rule::RequestorIsNode, message)
    })
}

fn undecided(request: &Request) -> Result<(), Violation> {
    let message = match request.state {
        State::Pending if request.odd => {
            "it has a certificate or a condition that no pending request has".to_owned()
        }
        State::Pending => return Ok(()),
        // The signer issues what was approved, so that Issued is Approved to an approver.
        State::Approved | State::Issued => "it is Approved already".to_owned(),
        State::Denied | State::Failed => {
            let why = request.message.as_deref();
            let why = why.map_or_else(String::new, |why| format!(" ({})", quoted(why)));
            format!("it is {} already{why}", request.state)
        }
    };
    Err(Violation::new(Rule::Undecided, message))
}

/// Whether a request is the newest of its requestor.
fn newest(standing: &Standing) -> Result<(), Violation> {
    let message = match standing {
        Standing::Newest => return Ok(()),
        Standing::Superseded { by } => {
            format!(
                "{} is newer, and the kubelet has discarded this one's key",
                shown(by)
            )
        }
        Standing::Tied => {
            "another one was created in the same second, so which is the newest is not known"
                .to_owned()
        }
    };
    Err(Violation::new(Rule::NewestOfNode, message))
}

#[cfg(test)]
mod tests {
    use super::super::facts::NodeFacts;
    use super::*;

    /// A request that was read before is judged by the same rules as one that was not.
    #[test]
    fn a_request_is_judged_alike_whether_it_was_read_before_or_not() {
        let pem = include_bytes!("../../testdata/approval/p384.pem").to_vec();
        let read = Pkcs10::read(&pem).unwrap();
        let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let good = Request {
            signer: KUBELET_SERVING.into(),
            requestor: read.common_name.clone(),
            groups: own(&["system:nodes"]),
            usages: own(&["digital signature", "server auth"]),
            pem,
            ..Request::new("csr-1", "worker-1")
        };
        let mut inventory = Inventory::default();
        inventory.put_node(NodeFacts {
            name: good.node().unwrap().to_owned(),
            ips: read.names.ips.iter().copied().collect(),
            hostnames: read.names.dns.iter().cloned().collect(),
            ..NodeFacts::default()
        });
        let policy = ApprovalPolicy::default();
        let judge = |request: &Request, standing: &Standing| {
            let both = [None, Some(&read)]
                .map(|read| policy.judge_read(request, read, standing, &inventory));
            assert_eq!(both[0], both[1]);
            assert_eq!(both[0], policy.judge_with(request, standing, &inventory));
            let [verdict, _] = both;
            verdict.into_result().map_err(|violation| violation.rule)
        };
        assert!(judge(&good, &Standing::Newest).is_ok());
        let change = |change: &dyn Fn(&mut Request)| {
            let mut request = good.clone();
            change(&mut request);
            judge(&request, &Standing::Newest).unwrap_err()
        };
        let broken = [
            judge(&good, &Standing::Tied).unwrap_err(),
            change(&|request| request.state = State::Denied),
            change(&|request| request.name = "x y".into()),
            change(&|request| request.signer = "x".into()),
            change(&|request| request.requestor = "x".into()),
            change(&|request| request.groups.clear()),
            change(&|request| request.usages.clear()),
            change(&|request| request.expiration_seconds = Some(0)),
            change(&|request| request.requestor.push('x')),
        ];
        assert_eq!(
            broken,
            [
                Rule::NewestOfNode,
                Rule::Undecided,
                Rule::RequestNameIsValid,
                Rule::SignerIsKubeletServing,
                Rule::RequestorIsNode,
                Rule::RequestorInSystemNodes,
                Rule::UsagesAreServing,
                Rule::DurationWithinMaximum,
                Rule::CommonNameIsRequestor,
            ]
        );
    }
}
