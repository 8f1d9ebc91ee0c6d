//! The arguments of `approve`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgGroup, Args};
use ipnet::IpNet;

use super::{
    Access, CONNECTION, HOW_FAR, POLICY, domain, duration, lifetime, name_or_ip, network,
    node_name, request_name,
};

/// Arguments of `approve`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["requests", "nodes", "all", "watch"]))]
#[command(group = ArgGroup::new("networks").multiple(true).args(["ip_prefixes", "renewals"]))]
pub struct Approve {
    /// Requests, by name
    #[arg(value_name = "CSR", value_parser = request_name)]
    pub requests: Vec<String>,
    /// The pending requests of this node (repeatable)
    #[arg(long = "node", value_name = "NODE", value_parser = node_name)]
    pub nodes: Vec<String>,
    /// All pending kubelet-serving requests
    #[arg(long, conflicts_with_all = ["requests", "nodes"])]
    pub all: bool,
    /// Keep running, and decide each request as it comes: new nodes and renewals; needs --ip-prefix or --renewals
    ///
    /// Follows requests, Nodes and Services, and prints one line per decision. A request that is refused is judged again
    /// when a fact that it rests on changes. Ends on SIGTERM; SIGHUP and changed credential files are picked up. Several
    /// instances may run at once.
    #[arg(long, conflicts_with_all = ["requests", "nodes"], requires = "networks")]
    pub watch: bool,
    /// With --watch: serve /metrics, /healthz and /readyz at this address, such as 127.0.0.1:9095
    #[arg(long, value_name = "ADDRESS", requires = "watch", help_heading = CONNECTION)]
    pub metrics: Option<SocketAddr>,
    /// Show the decisions without approving anything
    #[arg(long, help_heading = HOW_FAR)]
    pub dry_run: bool,
    /// Deny a request that breaks a rule which its requestor alone answers for; its kubelet asks again at once
    #[arg(long)]
    pub deny: bool,
    /// Approve only addresses in this network (repeatable)
    #[arg(long = "ip-prefix", value_parser = network, value_name = "CIDR", help_heading = POLICY)]
    pub ip_prefixes: Vec<IpNet>,
    /// Approve a node's own name below this domain too: NODE.NAME (repeatable)
    #[arg(long = "dns-suffix", value_parser = domain, value_name = "NAME", help_heading = POLICY)]
    pub dns_suffixes: Vec<String>,
    /// The most names in one request
    #[arg(long, default_value_t = 32, value_name = "N", help_heading = POLICY)]
    pub max_names: usize,
    /// Maximum certificate lifetime to approve, such as 1y, 90d or 12h
    #[arg(long, value_parser = lifetime, default_value = "1y", value_name = "DURATION", help_heading = POLICY)]
    pub max_duration: Duration,
    /// Vouch for this name of the given requests although a Service or nothing known says otherwise (repeatable)
    #[arg(long, value_parser = name_or_ip, value_name = "NAME_OR_IP", conflicts_with_all = ["all", "watch"], help_heading = POLICY)]
    pub allow: Vec<String>,
    /// Approve only renewals: requests whose names are all in the certificate that the node serves now
    ///
    /// Every address that a request asks for is dialled, and what the kubelet there presents must verify against the
    /// cluster's CA, be the node's, and have every name of the request.
    #[arg(long, conflicts_with_all = ["requests", "nodes"], help_heading = POLICY)]
    pub renewals: bool,
    /// A Service subnet, for clusters without configmap/kube-system/kubeadm-config (repeatable)
    #[arg(long = "service-cidr", value_parser = network, value_name = "CIDR", help_heading = POLICY)]
    pub service_cidrs: Vec<IpNet>,
    /// A pod subnet, for the same clusters (repeatable)
    #[arg(long = "pod-cidr", value_parser = network, value_name = "CIDR", help_heading = POLICY)]
    pub pod_cidrs: Vec<IpNet>,
    /// Overall timeout, such as 90s, 2m or 1h30m
    #[arg(long, value_parser = duration, default_value = "2m", value_name = "DURATION", help_heading = HOW_FAR)]
    pub timeout: Duration,
    /// The kubeconfig and its context
    #[command(flatten)]
    pub access: Access,
}
