//! What an administrator wants vouched for.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::address::parse_ip;
use super::names::canonical;

/// What an administrator wants vouched for. It judges requests one by one; which of a node's requests is the newest is
/// for [`crate::csr::Newest`] to say.
#[derive(Debug, Clone)]
pub struct ApprovalPolicy {
    /// The longest life to vouch for.
    pub max_duration: Duration,
    /// The most names in one request.
    pub max_names: usize,
    /// The networks in which a Node's addresses lie; none: anywhere.
    pub ip_prefixes: Vec<IpNet>,
    /// The domains below which a Node may have a name that begins with its own, in lower case.
    pub dns_suffixes: Vec<String>,
    /// The DNS names, in lower case, and the addresses for which the administrator vouches although a Service or nothing
    /// known says otherwise.
    pub vouched: Vouched,
}

/// Names that an administrator vouches for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vouched {
    pub(super) dns: BTreeSet<String>,
    pub(super) ips: BTreeSet<IpAddr>,
}

impl Vouched {
    /// Of DNS names and IP addresses as they were typed.
    pub fn new(names: &[String]) -> Self {
        let mut vouched = Self::default();
        for name in names {
            match parse_ip(name) {
                Some(ip) => drop(vouched.ips.insert(ip)),
                None => drop(vouched.dns.insert(canonical(name))),
            }
        }
        vouched
    }
}

impl Default for ApprovalPolicy {
    fn default() -> Self {
        Self {
            max_duration: Duration::from_secs(365 * 24 * 3600),
            max_names: 32,
            ip_prefixes: Vec::new(),
            dns_suffixes: Vec::new(),
            vouched: Vouched::default(),
        }
    }
}
