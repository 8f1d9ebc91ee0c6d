//! For each rule the ways in which a good request, or what surrounds it, can break this rule alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use kubelet_tls::parts::approval::{
    Approval, ApprovalPolicy, Inventory, Rule, ServedAt, Violation, judge_renewal,
};
use kubelet_tls::parts::csr::{KUBELET_SERVING, Newest, Request, State};
use kubelet_tls::parts::x509::{Certificate, Names};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::json;

use super::cluster::{add, add_service, asking, cluster, network, node, policy};
use super::request::*;

const CREATED: i64 = 1_795_763_809;
/// All usages that a request may ask for, without a claim to be complete.
const USAGES: &[&str] = &[
    "digital signature",
    "key encipherment",
    "server auth",
    "client auth",
    "cert sign",
    "any",
];

/// A request of worker-1's with everything that it is judged by.
pub(crate) struct Case {
    pub(crate) made: Made,
    /// What it asks for, as GeneralNames.
    pub(crate) names: Vec<Vec<u8>>,
    /// Attributes in the place of those that ask for `names`.
    attributes: Option<Vec<Vec<u8>>>,
    pub(crate) request: Request,
    pub(crate) inventory: Inventory,
    pub(crate) policy: ApprovalPolicy,
    others: Vec<Request>,
    /// What the node serves at each address, and under which names.
    pub(crate) served: Names,
    served_to: (String, String),
    /// An address at which no one was asked.
    not_dialled: Option<IpAddr>,
    damage: Damage,
}

/// What happens to the PKCS#10 request after it was made.
#[derive(Debug, Clone)]
enum Damage {
    None,
    /// Only so much of it is sent.
    Cut(Index),
    /// Another kind of PEM block.
    Label(String),
    /// Text before or behind the block.
    Around(String, String),
    /// Other bytes altogether.
    Other(Vec<u8>),
}

impl Damage {
    fn pem(&self, made: &Made) -> Vec<u8> {
        match self {
            Self::None => made.pem(),
            Self::Cut(at) => {
                let der = made.der();
                pem(&der[..at.index(der.len())])
            }
            Self::Label(label) => {
                let text = String::from_utf8(made.pem()).unwrap();
                text.replace("CERTIFICATE REQUEST", label).into_bytes()
            }
            Self::Around(before, behind) => {
                let text = String::from_utf8(made.pem()).unwrap();
                format!("{before}{text}{behind}").into_bytes()
            }
            Self::Other(bytes) => bytes.clone(),
        }
    }
}

/// In what good requests differ.
#[derive(Debug, Clone)]
pub(crate) struct Variation {
    usages: Vec<&'static str>,
    groups: Vec<String>,
    seconds: Option<i64>,
    dns: Vec<&'static str>,
    ips: Vec<&'static str>,
    has_older: bool,
    has_prefixes: bool,
}

pub(crate) fn variation() -> impl Strategy<Value = Variation> {
    let usages = select(vec![
        vec!["digital signature", "server auth"],
        vec!["server auth", "digital signature"],
        vec!["digital signature", "key encipherment", "server auth"],
        vec!["server auth", "key encipherment", "digital signature"],
    ]);
    let groups = vec("[a-z:]{1,12}", 0..3);
    let seconds = prop::option::of(1..=365 * 86_400_i64);
    let dns = subsequence(
        vec!["worker-1", "WORKER-1", "worker-1.example"],
        0..=3_usize,
    );
    let ips = subsequence(vec!["fd00::7", "203.0.113.7"], 0..=2_usize);
    let flags = (any::<bool>(), any::<bool>());
    (usages, groups, seconds, dns, ips, flags).prop_map(
        |(usages, mut groups, seconds, dns, mut ips, (has_older, has_prefixes))| {
            groups.push("system:nodes".into());
            // Without an address no one can be asked what the node serves.
            ips.push("10.0.0.7");
            Variation {
                usages,
                groups,
                seconds,
                dns,
                ips,
                has_older,
                has_prefixes,
            }
        },
    )
}

impl Case {
    /// A renewal of worker-1's of which every rule holds.
    pub(crate) fn good() -> Self {
        Self::with(&Variation {
            usages: vec!["digital signature", "server auth"],
            groups: vec!["system:nodes".into()],
            seconds: None,
            dns: vec!["worker-1"],
            ips: vec!["10.0.0.7"],
            has_older: false,
            has_prefixes: false,
        })
    }

    /// The same, varied.
    pub(crate) fn with(variation: &Variation) -> Self {
        let Variation {
            dns: names, ips, ..
        } = variation;
        let mut request = asking(Vec::new());
        request.created = Some(jiff::Timestamp::from_second(CREATED).unwrap());
        request.usages = variation.usages.iter().map(|&usage| usage.into()).collect();
        request.groups = variation.groups.clone();
        request.expiration_seconds = variation.seconds;
        let served = Names {
            dns: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        };
        let mut case = Self {
            made: Made::new(&[]),
            names: names
                .iter()
                .map(|name| dns(name))
                .chain(ips.iter().map(|address| ip(address)))
                .collect(),
            attributes: None,
            request,
            inventory: cluster(),
            policy: policy(),
            others: Vec::new(),
            served,
            served_to: ("system:node:worker-1".into(), "system:nodes".into()),
            not_dialled: None,
            damage: Damage::None,
        };
        if variation.has_older {
            case.has_other(-60, "400", State::Approved);
        }
        if variation.has_prefixes {
            let prefixes = ["10.0.0.0/24", "203.0.113.0/24", "fd00::/64"];
            case.policy.ip_prefixes = prefixes.map(network).into();
        }
        case
    }

    /// Another request of the same node, so many seconds younger.
    fn has_other(&mut self, seconds: i64, version: &str, state: State) {
        let created = jiff::Timestamp::from_second(CREATED + seconds).unwrap();
        self.others.push(Request {
            name: format!("csr-other-{}", self.others.len()),
            created: Some(created),
            resource_version: version.into(),
            state,
            ..self.request.clone()
        });
    }

    /// Asks for this name too.
    fn asks(&mut self, name: Vec<u8>) {
        self.names.push(name);
    }

    /// Has another part of the subject in the place of `old`.
    fn replaces(&mut self, old: &[u8], new: Vec<u8>) {
        let mut parts = self.made.subject.iter_mut();
        if let Some(part) = parts.find(|part| *part == old) {
            *part = new;
        }
    }

    /// Lets worker-1's Node have this address, ask for it and serve it.
    pub(crate) fn has(&mut self, address: &str) {
        if let Some(mut facts) = self.inventory.node("worker-1").cloned() {
            facts.ips.insert(address.parse().unwrap());
            self.inventory.put_node(facts);
        }
        self.served.ips.push(address.parse().unwrap());
        self.asks(ip(address));
    }

    pub(crate) fn judge(mut self) -> Result<Approval, Violation> {
        let asked = || vec![extensions(&[san(&self.names)])];
        self.made.attributes = self.attributes.clone().unwrap_or_else(asked);
        self.request.pem = self.damage.pem(&self.made);
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
            common_name: Some(self.served_to.0),
            organizations: vec![self.served_to.1],
            issuer: "CN=kubernetes".into(),
            not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2027-01-01T00:00:00Z".parse().unwrap(),
            names: self.served.clone(),
            self_issued: false,
        };
        let dialled = approval.names.ips.iter();
        let served = dialled
            .filter(|address| Some(**address) != self.not_dialled)
            .map(|address| ServedAt {
                address: *address,
                certificate: Ok(certificate.clone()),
            });
        judge_renewal(&approval, &served.collect::<Vec<_>>())?;
        Ok(approval)
    }
}

/// One change that breaks one rule.
#[derive(Clone)]
pub(crate) struct Break {
    what: String,
    apply: Rc<dyn Fn(&mut Case)>,
}

impl fmt::Debug for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Break {
    pub(crate) fn apply(&self, case: &mut Case) {
        (self.apply)(case);
    }
}

/// A change with each of these values.
fn with<T: fmt::Debug + 'static>(
    values: impl Strategy<Value = T> + 'static,
    apply: impl Fn(&mut Case, &T) + Clone + 'static,
) -> BoxedStrategy<Break> {
    let of = move |value: T| {
        let apply = apply.clone();
        Break {
            what: format!("{value:?}"),
            apply: Rc::new(move |case| apply(case, &value)),
        }
    };
    values.prop_map(of).boxed()
}

/// Asks for one of these DNS names too.
fn asks_dns(names: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Break> {
    with(names, |case, name| case.asks(dns(name)))
}

/// Asks for one of these addresses too.
fn asks_ip(addresses: impl Strategy<Value = IpAddr> + 'static) -> BoxedStrategy<Break> {
    with(addresses, |case, address| {
        case.asks(ip(&address.to_string()))
    })
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_map(str::to_owned)
}

/// IPv4 addresses that begin so.
fn v4_below<const N: usize>(start: [u8; N]) -> BoxedStrategy<IpAddr> {
    let whole = move |mut octets: [u8; 4]| {
        octets[..N].copy_from_slice(&start);
        IpAddr::from(octets)
    };
    any::<[u8; 4]>().prop_map(whole).boxed()
}

/// IPv6 addresses that begin so.
fn v6_below(start: &'static [u16]) -> BoxedStrategy<IpAddr> {
    let whole = move |mut segments: [u16; 8]| {
        segments[..start.len()].copy_from_slice(start);
        IpAddr::from(segments)
    };
    any::<[u16; 8]>().prop_map(whole).boxed()
}

/// What breaks the rule and no other.
pub(crate) fn breaker(rule: Rule) -> BoxedStrategy<Break> {
    match rule {
        Rule::Undecided
        | Rule::RequestNameIsValid
        | Rule::SignerIsKubeletServing
        | Rule::RequestorIsNode
        | Rule::RequestorInSystemNodes
        | Rule::UsagesAreServing
        | Rule::DurationWithinMaximum
        | Rule::NewestOfNode => object(rule),
        Rule::RequestIsWellFormed => damage(),
        Rule::SubjectIsPlain | Rule::CommonNameIsRequestor | Rule::OrganizationIsSystemNodes => {
            subject(rule)
        }
        Rule::KeyIsStrong => with(weak_key(), |case, key| case.made.key = Some(key.clone())),
        Rule::SignatureVerifies => with(0..5000_usize, |case, bit| case.made.spoilt = Some(*bit)),
        Rule::OnlyAlternativeNames => more_attributes(),
        Rule::HasNames => {
            let empty = [vec![], vec![extensions(&[])], vec![extensions(&[san(&[])])]];
            with(select(empty.to_vec()), |case, attributes| {
                case.attributes = Some(attributes.clone());
            })
        }
        Rule::NamesAreDnsOrIp => {
            let kinds = select(vec![0x81, 0x86, 0x88, 0xa0, 0xa3, 0xa4, 0xa5]);
            let names = (kinds, vec(any::<u8>(), 0..20));
            with(names, |case, (kind, content)| {
                case.asks(tlv(*kind, &[content]));
            })
        }
        Rule::NamesWithinMaximum => with(33..90_usize, |case, count| {
            while case.names.len() < *count {
                case.asks(dns("worker-1"));
            }
        }),
        Rule::NodeExists => with("worker-1[0-9a-z]{1,3}", |case, other| {
            case.inventory.remove_node("worker-1");
            add(
                &mut case.inventory,
                node(other, json!({}), &[("InternalIP", "10.0.0.7")]),
            );
        }),
        Rule::NamesAreServed => not_served(),
        _ => names(rule),
    }
}

/// Of rules about the API's object.
fn object(rule: Rule) -> BoxedStrategy<Break> {
    match rule {
        Rule::Undecided => {
            let decided = [State::Approved, State::Denied, State::Failed, State::Issued];
            prop_oneof![
                with(select(decided.to_vec()), |case, state| case.request.state =
                    *state),
                with(Just("odd"), |case, _| case.request.odd = true),
            ]
            .boxed()
        }
        Rule::RequestNameIsValid => with(
            prop_oneof![
                "[a-z0-9-]{0,6}[A-Z_; /$%ü\u{1b}][a-z0-9.-]{0,6}",
                "-[a-z]{0,5}",
                "[a-z]{1,3}\\.\\.[a-z]{1,3}",
                "[a-z]{254,300}",
                Just(String::new()),
            ],
            |case, name| case.request.name = name.clone(),
        ),
        Rule::SignerIsKubeletServing => {
            let other = "[a-z./-]{0,40}".prop_filter("is the signer", |one| one != KUBELET_SERVING);
            let known = one_of(&[
                "kubernetes.io/kube-apiserver-client-kubelet",
                "kubernetes.io/kube-apiserver-client",
                "kubernetes.io/legacy-unknown",
                "kubernetes.io/kubelet-serving ",
            ]);
            with(prop_oneof![other, known], |case, signer| {
                case.request.signer = signer.clone();
            })
        }
        Rule::RequestorIsNode => {
            let node = "system:node:";
            let other =
                "[a-z:-]{0,20}".prop_filter("is a node", |one| !one.starts_with("system:node:"));
            let odd = prop_oneof!["[a-z]{0,3}[A-Z_:/ ][a-z]{0,3}", Just(String::new())];
            let odd = odd.prop_map(move |name| format!("{node}{name}"));
            with(prop_oneof![other, odd], |case, requestor| {
                case.request.requestor = requestor.clone();
            })
        }
        Rule::RequestorInSystemNodes => {
            let group = "[a-z:]{0,12}".prop_filter("is the group", |one| one != "system:nodes");
            with(vec(group, 0..4), |case, groups| {
                case.request.groups = groups.clone();
            })
        }
        Rule::UsagesAreServing => {
            let accepted = |usages: &Vec<&str>| {
                let mut usages = usages.clone();
                usages.sort_unstable();
                usages == ["digital signature", "server auth"]
                    || usages == ["digital signature", "key encipherment", "server auth"]
            };
            let other = vec(select(USAGES), 0..5)
                .prop_filter("is accepted", move |usages| !accepted(usages));
            with(other, |case, usages| {
                case.request.usages = usages.iter().map(|&usage| usage.into()).collect();
            })
        }
        Rule::DurationWithinMaximum => {
            let most = 365 * 86_400;
            let seconds = prop_oneof![most + 1..most * 3, i64::MIN..=0, most + 1..=i64::MAX];
            with(seconds, |case, seconds| {
                case.request.expiration_seconds = Some(*seconds);
            })
        }
        _ => {
            let states = || {
                select(vec![
                    State::Pending,
                    State::Approved,
                    State::Denied,
                    State::Failed,
                    State::Issued,
                ])
            };
            prop_oneof![
                with((1..1_000_000_i64, states()), |case, (seconds, state)| {
                    case.has_other(*seconds, "502", *state);
                }),
                // Of the same second: the revision tells, or nothing does.
                with(502..u64::MAX, |case, version| {
                    case.has_other(0, &version.to_string(), State::Pending);
                }),
                with(("[0-9a-z]{0,5}", states()), |case, (version, state)| {
                    let state = match state {
                        State::Pending => State::Denied,
                        other => *other,
                    };
                    case.has_other(0, version, state);
                }),
            ]
            .boxed()
        }
    }
}

fn damage() -> BoxedStrategy<Break> {
    let some = || vec(any::<u8>(), 1..40);
    let damage = prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        one_of(&["CERTIFICATE", "NEW CERTIFICATE REQUEST", "PRIVATE KEY", ""])
            .prop_map(Damage::Label),
        "[a-zA-Z:]{1,9}\n".prop_map(|text| Damage::Around(text, String::new())),
        "[a-zA-Z:\n]{0,9}[a-z]".prop_map(|text| Damage::Around(String::new(), text)),
        some().prop_map(Damage::Other),
        some().prop_map(|bytes| Damage::Other(pem(&bytes))),
        (49_000..70_000_usize).prop_map(|count| Damage::Other(pem(&vec![0; count]))),
    ];
    prop_oneof![
        with(damage, |case, damage| case.damage = damage.clone()),
        with(some(), |case, bytes| case.made.trailing = bytes.clone()),
        with(some(), |case, bytes| case.made.surplus = tlv(4, &[bytes])),
    ]
    .boxed()
}

fn subject(rule: Rule) -> BoxedStrategy<Break> {
    let cn = || vec![rdn(10, "system:nodes"), rdn(3, "system:node:worker-1")];
    match rule {
        Rule::CommonNameIsRequestor => {
            let other = prop_oneof!["system:node:[a-z0-9-]{0,9}", "[a-zA-Z:. ]{0,20}"];
            let other = other.prop_filter("is it", |one| one != "system:node:worker-1");
            with(other, |case, name| {
                case.replaces(&rdn(3, "system:node:worker-1"), rdn(3, name));
            })
        }
        Rule::OrganizationIsSystemNodes => {
            let other = prop_oneof!["system:[a-z]{0,9}", "[a-zA-Z:. ]{0,20}"];
            let other = other.prop_filter("is it", |one| one != "system:nodes");
            with(other, |case, name| {
                case.replaces(&rdn(10, "system:nodes"), rdn(10, name));
            })
        }
        _ => prop_oneof![
            with(
                (0..3_usize, 1..50_u8, "[a-z ]{0,9}"),
                |case, (at, kind, text)| {
                    case.made.subject.insert(*at, rdn(*kind, text));
                }
            ),
            with(0..2_usize, |case, at| drop(case.made.subject.remove(*at))),
            with(Just("one set"), move |case, _| {
                let [o, cn] = [(10, "system:nodes"), (3, "system:node:worker-1")]
                    .map(|(kind, text)| pair(kind, PRINTABLE, text.as_bytes()));
                case.made.subject = vec![tlv(SET, &[&cn, &o])];
            }),
            with(select(vec![0x14, 0x16, 0x1e, 4]), move |case, string| {
                case.made.subject = cn();
                case.made.subject[1] = tlv(SET, &[&pair(3, *string, b"system:node:worker-1")]);
            }),
        ]
        .boxed(),
    }
}

/// A key that is too weak or not known, as a SubjectPublicKeyInfo.
fn weak_key() -> impl Strategy<Value = Vec<u8>> {
    let key = |algorithm: &[Vec<u8>], bits: &[u8]| {
        tlv(
            SEQUENCE,
            &[
                &tlv(SEQUENCE, &[&algorithm.concat()]),
                &tlv(3, &[&[0], bits]),
            ],
        )
    };
    let positive = |mut bytes: Vec<u8>| {
        while bytes.len() > 1 && bytes[0] == 0 {
            bytes.remove(0);
        }
        if bytes[0] >= 0x80 {
            bytes.insert(0, 0);
        }
        tlv(2, &[&bytes])
    };
    let rsa = move |bits: usize, exponent: u32| {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= (8 - bits % 8) % 8;
        let exponent = positive(exponent.to_be_bytes().to_vec());
        let pair = tlv(SEQUENCE, &[&positive(modulus), &exponent]);
        let kind = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]);
        key(&[kind, tlv(5, &[])], &pair)
    };
    let ec = || oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]);
    let bits = || vec(any::<u8>(), 1..140);
    prop_oneof![
        prop_oneof![8..2048_usize, 8193..9000_usize].prop_map(move |bits| rsa(bits, 65_537)),
        (
            2048..=8192_usize,
            any::<u32>().prop_filter("is it", |one| *one != 65_537)
        )
            .prop_map(move |(bits, exponent)| rsa(bits, exponent)),
        // Curves of SEC 2 but P-384, and prime curves of X9.62 but P-256.
        (
            (0..40_u8).prop_filter("is P-384", |curve| *curve != 34),
            bits()
        )
            .prop_map(move |(curve, bits)| key(&[ec(), oid(&[0x2b, 0x81, 4, 0, curve])], &bits)),
        (1..7_u8, bits()).prop_map(move |(curve, bits)| {
            let curve = oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, curve]);
            key(&[ec(), curve], &bits)
        }),
        // Ed25519 and its like.
        (110..114_u8, bits()).prop_map(move |(kind, bits)| key(&[oid(&[0x2b, 0x65, kind])], &bits)),
    ]
}

/// More than one list of alternative names.
fn more_attributes() -> BoxedStrategy<Break> {
    let own = |case: &Case| san(&case.names);
    let value = || vec(any::<u8>(), 0..20);
    let other = (0..=127_u8).prop_filter("is the list of names", |kind| *kind != 17);
    prop_oneof![
        with(
            (other, value(), any::<bool>()),
            move |case, (kind, value, first)| {
                let other = extension(&[0x55, 0x1d, *kind], value);
                let both = match first {
                    true => [other, own(case)],
                    false => [own(case), other],
                };
                case.attributes = Some(vec![extensions(&both)]);
            }
        ),
        with(Just("two lists"), move |case, _| {
            case.attributes = Some(vec![extensions(&[own(case), own(case)])]);
        }),
        // A challenge password and its like (RFC 2985, 5.4).
        with(
            (1..14_u8, value(), any::<bool>()),
            move |case, (kind, value, alone)| {
                let kind = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, *kind]);
                let other = tlv(SEQUENCE, &[&kind, &tlv(SET, &[&tlv(PRINTABLE, &[value])])]);
                case.attributes = Some(match alone {
                    true => vec![other],
                    false => vec![extensions(&[own(case)]), other],
                });
            }
        ),
    ]
    .boxed()
}

fn not_served() -> BoxedStrategy<Break> {
    prop_oneof![
        with(any::<Index>(), |case, at| {
            case.served.ips.remove(at.index(case.served.ips.len()));
        }),
        with("10\\.0\\.0\\.7[0-9]", |case, address| {
            case.has(address);
            // The prefixes have it as well.
            case.served.ips.pop();
        }),
        with("worker-1|worker-1\\.example", |case, name| {
            case.asks(dns(name));
            case.served.dns.retain(|served| served != name);
        }),
        with("system:node:worker-[02-9]|x|", |case, name| {
            case.served_to.0 = name.clone();
        }),
        with("system:masters|system:node|", |case, name| {
            case.served_to.1 = name.clone();
        }),
        with(Just("not dialled"), |case, _| {
            case.not_dialled = Some("10.0.0.7".parse().unwrap());
        }),
    ]
    .boxed()
}

/// Of rules about who may have which name. worker-1's Node claims what it asks for.
fn names(rule: Rule) -> BoxedStrategy<Break> {
    match rule {
        Rule::NameIsValid => {
            let invalid = prop_oneof![
                "[a-z]{0,4}[*_ /:;$\u{0}][a-z]{0,4}(\\.example)?",
                "(-[a-z]{1,4}|[a-z]{1,4}-|[a-z]{64,70})(\\.example)?",
                "[a-z]{1,4}\\.(\\.[a-z]{1,4})?",
                // Addresses in the place of names.
                "[0-9]{1,10}(\\.[0-9]{1,3}){0,3}",
                "([a-z]{1,4}\\.)?0x[0-9a-f]{1,8}",
            ];
            prop_oneof![
                asks_dns(invalid),
                with(vec(0x80..=0xff_u8, 0..9), |case, name| {
                    case.asks(tlv(0x82, &[name]));
                }),
                with(
                    vec(any::<u8>(), 0..40)
                        .prop_filter("is an address", |bytes| ![4, 16].contains(&bytes.len())),
                    |case, bytes| case.asks(tlv(0x87, &[bytes])),
                ),
            ]
            .boxed()
        }
        Rule::NameIsUnicast => {
            let v4 = prop_oneof![
                v4_below([0]),
                v4_below([127]),
                v4_below([169, 254]),
                (224..=255_u8).prop_flat_map(|first| v4_below([first])),
            ];
            let mapped =
                any::<u32>().prop_map(|ip| IpAddr::V6(Ipv4Addr::from(ip).to_ipv6_mapped()));
            let v6 = prop_oneof![
                mapped,
                Just(IpAddr::V6(Ipv6Addr::LOCALHOST)),
                Just(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
                v6_below(&[0, 0, 0, 0, 0, 0]),
                v6_below(&[0xfe80]),
                v6_below(&[0xff02]),
                v6_below(&[0x2002]),
                v6_below(&[0x2001, 0]),
                v6_below(&[0x64, 0xff9b, 0]),
                v6_below(&[0x64, 0xff9b, 1]),
            ];
            let local = prop_oneof![
                one_of(&["localhost", "LocalHost", "localhost6", "ip6-loopback"]),
                "([a-z]{1,5}\\.){0,2}localhost",
                "localhost4?\\.localdomain[46]?",
            ];
            prop_oneof![asks_ip(v4), asks_ip(v6), asks_dns(local)].boxed()
        }
        Rule::NameIsNotApiServers => {
            let ips = [
                "10.0.0.2",
                "10.0.0.3",
                "10.0.0.100",
                "198.51.100.6",
                "198.51.100.7",
            ];
            let ips = ips.map(|ip| ip.parse().unwrap());
            let known = one_of(&[
                "api.example",
                "API.public.example",
                "presented.example",
                "cp-1",
            ]);
            let own = "kubernetes(\\.default(\\.svc(\\.[a-z]{1,5}){0,2})?)?";
            let covered = "[a-z]{1,8}\\.wild\\.example";
            prop_oneof![
                asks_ip(select(ips.to_vec())),
                asks_dns(prop_oneof![known, own, covered])
            ]
            .boxed()
        }
        Rule::NameIsNotServices => {
            let v6 = any::<u32>().prop_map(|low| {
                let base = "fd00:96::".parse::<Ipv6Addr>().unwrap().to_bits();
                IpAddr::V6(Ipv6Addr::from_bits(base | u128::from(low & 0xf_ffff)))
            });
            let subnet = (96..112_u8).prop_flat_map(|second| v4_below([10, second]));
            let own = ["172.30.0.9", "198.51.100.1", "198.51.100.2", "198.51.100.3"];
            let own = own.map(|ip| ip.parse().unwrap());
            let dns = prop_oneof![
                one_of(&[
                    "web",
                    "web.shop",
                    "headless",
                    "lb.example",
                    "DB.example",
                    "svc"
                ]),
                "[a-z]{1,5}\\.(web|headless|db)\\.shop",
                "[a-z]{1,5}\\.[a-z]{1,5}\\.(svc|pod)(\\.[a-z]{1,5}){0,2}",
                "([a-z]{1,5}\\.){0,2}cluster\\.(test|local)",
            ];
            prop_oneof![
                asks_ip(prop_oneof![subnet, v6, select(own.to_vec())]),
                asks_dns(dns),
                with("s[a-z]{1,5}", |case, name| {
                    let metadata = json!({"name": name, "namespace": "n"});
                    let spec = json!({"externalIPs": ["10.0.0.7"]});
                    let service = json!({"metadata": metadata, "spec": spec});
                    add_service(&mut case.inventory, service);
                }),
            ]
            .boxed()
        }
        Rule::NameIsNotPods => asks_ip(prop_oneof![v4_below([10, 244]), v4_below([10, 245, 1])]),
        Rule::NameIsNodes => {
            let dns = prop_oneof![
                "q[a-z]{1,6}-[0-9]{1,3}(\\.example)?",
                "worker-1\\.q[a-z]{1,5}"
            ];
            prop_oneof![asks_ip(v4_below([10, 9])), asks_dns(dns)].boxed()
        }
        Rule::AddressWithinPrefixes => {
            let v4 = (1..=255_u8, 16..=32_u8)
                .prop_map(|(second, length)| network(&format!("10.{second}.0.0/{length}")));
            let v6 = (0..=0xffff_u16).prop_map(|low| network(&format!("fd01:{low:x}::/32")));
            with(vec(prop_oneof![v4, v6], 1..5), |case, prefixes| {
                case.policy.ip_prefixes = prefixes.clone();
            })
        }
        _ => prop_oneof![
            with("[a-z]{1,6}-[0-9]", |case, other| {
                let liar = node(other, json!({}), &[("ExternalIP", "10.0.0.7")]);
                add(&mut case.inventory, liar);
            }),
            // worker-1's name is the beginning of another one's.
            with("worker-1(\\.[a-z]{1,5}){1,3}", |case, other| {
                case.asks(dns("worker-1"));
                add(&mut case.inventory, node(other, json!({}), &[]));
            }),
            asks_dns(one_of(&["worker-2", "WORKER-2", "Worker-2", "cp-2"])),
        ]
        .boxed(),
    }
}
