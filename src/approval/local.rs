//! A second opinion from the node itself: what a request asks for, held against what the machine knows of itself.

use std::net::IpAddr;

use serde::Serialize;

use super::names::{canonical, is_local, not_unicast};
use crate::csr::{Request, requestor_of};
use crate::text::quoted;
use crate::x509::Names;

/// What the machine knows of itself.
#[derive(Debug, Clone, Default)]
pub struct Local {
    /// The node's name, from the kubelet's client certificate.
    pub node: String,
    /// The host's name; none where it cannot be read.
    pub host_name: Option<String>,
    /// The addresses of all its network interfaces.
    pub interfaces: Vec<IpAddr>,
    /// The kubelet's `--node-ip`.
    pub node_ip: Option<String>,
    /// The kubelet's `--hostname-override`.
    pub hostname_override: Option<String>,
    /// The kubelet's `--cloud-provider`: then the cloud says which addresses the Node has, some of them on no interface.
    pub cloud_provider: Option<String>,
    /// The names in the certificate that the API server presents.
    pub api_server: Names,
    /// Whether this machine runs an API server, so that some of those names may be its own.
    pub runs_api_server: bool,
}

/// What a comparison showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Finding {
    /// The machine knows it too.
    Agrees,
    /// The machine knows better.
    Differs,
    /// The machine cannot know it; an administrator has to judge it.
    Unknown,
}

/// One thing that `csr` compared: a part of the request with a fact of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// What of the request: `subject`, `DNS worker-1`, `IP 10.0.0.7`.
    pub what: String,
    /// Whether the two agree, differ, or could not be compared.
    pub finding: Finding,
    /// The fact of this node, as a sentence for a table.
    pub message: String,
}

impl Check {
    fn new(what: impl Into<String>, finding: Finding, message: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            finding,
            message: message.into(),
        }
    }

    fn agrees(what: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(what, Finding::Agrees, message)
    }

    fn differs(what: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(what, Finding::Differs, message)
    }
}

impl Local {
    /// Compares everything that `request` asks for, and then everything that it should ask for and does not.
    pub fn check(&self, request: &Request) -> Vec<Check> {
        let ips = request.names.ips.iter().map(|ip| self.check_ip(*ip));
        let dns = request.names.dns.iter().map(|name| self.check_dns(name));
        let mut checks = vec![self.check_subject(&request.subject)];
        checks.extend(dns.chain(ips));
        if request.names.ips.is_empty() && request.names.dns.is_empty() {
            checks.push(Check::differs("names", "it asks for no name"));
        }
        checks.extend(self.missing(request));
        checks
    }

    fn check_subject(&self, subject: &str) -> Check {
        let name = requestor_of(&self.node);
        let (o, cn) = ("O=system:nodes".to_owned(), format!("CN={name}"));
        let good = [format!("{o}, {cn}"), format!("{cn}, {o}")];
        if good.iter().any(|good| good == subject) {
            Check::agrees("subject", "as this node's client certificate has it")
        } else {
            let message = format!("it is {}, and should be {o}, {cn}", quoted(subject));
            Check::differs("subject", message)
        }
    }

    /// The addresses of `--node-ip` that are some; it may be two, and `0.0.0.0` and `::` only choose a family.
    fn node_ips(&self) -> Vec<IpAddr> {
        let listed = self.node_ip.as_deref().unwrap_or_default().split(',');
        listed
            .filter_map(|ip| ip.trim().parse::<IpAddr>().ok())
            .map(|ip| ip.to_canonical())
            .filter(|ip| !ip.is_unspecified())
            .collect()
    }

    fn check_ip(&self, ip: IpAddr) -> Check {
        let ip = ip.to_canonical();
        let what = format!("IP {ip}");
        if let Some(why) = not_unicast(ip) {
            return Check::differs(what, format!("it is {why}, not a node's own address"));
        }
        if self.api_server.ips.contains(&ip) && !self.runs_api_server {
            let message = "it is the API server's; if the kubelet took a virtual IP for its own address, set its --node-ip";
            return Check::differs(what, message);
        }
        let node_ips = self.node_ips();
        let named = node_ips.contains(&ip);
        // Without a cloud provider the kubelet reports what --node-ip says and no more (pkg/kubelet/nodestatus).
        if !node_ips.is_empty() && !named && self.cloud_provider.is_none() {
            let node_ip = self.node_ip.as_deref().unwrap_or_default();
            return Check::differs(what, format!("--node-ip={}", quoted(node_ip)));
        }
        match (self.interfaces.contains(&ip), &self.cloud_provider) {
            (true, _) if named => Check::agrees(what, "on an interface, and --node-ip says so"),
            (true, _) => Check::agrees(what, "on an interface"),
            (false, None) => Check::differs(what, "on no interface of this machine"),
            (false, Some(_)) => Check::new(
                what,
                Finding::Unknown,
                "on no interface of this machine; with a cloud provider it may be an address before a NAT: look it up there",
            ),
        }
    }

    fn check_dns(&self, name: &str) -> Check {
        let what = format!("DNS {}", quoted(name));
        let name = canonical(name);
        if is_local(&name) || name.contains('*') {
            return Check::differs(what, "not a node's own name");
        }
        let mut servers = self.api_server.dns.iter();
        if servers.any(|known| canonical(known) == name) && !self.runs_api_server {
            return Check::differs(what, "it is a name of the API server");
        }
        let known = [
            (Some(self.node.as_str()), "the node's name"),
            (self.hostname_override.as_deref(), "--hostname-override"),
            (self.host_name.as_deref(), "the host's name"),
        ];
        let fact = known
            .iter()
            .find(|(own, _)| own.is_some_and(|own| canonical(own) == name));
        match (fact, &self.cloud_provider) {
            (Some((_, fact)), _) => Check::agrees(what, *fact),
            (None, None) => Check::differs(what, format!("this is {}", self.names())),
            (None, Some(_)) => Check::new(
                what,
                Finding::Unknown,
                "not a name that this machine knows; with a cloud provider it may be the cloud's: look it up there",
            ),
        }
    }

    /// What this machine is called, for people.
    fn names(&self) -> String {
        let host = self.host_name.as_deref().filter(|host| *host != self.node);
        let host = host.map_or_else(String::new, |host| format!(" on host {}", quoted(host)));
        format!("node {}{host}", quoted(&self.node))
    }

    /// What the kubelet always asks for without a cloud provider: its host name or what overrides that, and `--node-ip`.
    fn missing(&self, request: &Request) -> Vec<Check> {
        if self.cloud_provider.is_some() {
            return Vec::new();
        }
        let Names { dns, ips } = &request.names;
        let has_ip = |ip: IpAddr| ips.iter().any(|asked| asked.to_canonical() == ip);
        let has_dns = |name: &str| dns.iter().any(|asked| canonical(asked) == name);
        let overriding = self.hostname_override.as_deref();
        let overriding = overriding.filter(|name| !name.is_empty());
        let (host, which) = match (overriding, self.host_name.as_deref()) {
            (Some(name), _) => (Some(canonical(name)), "--hostname-override"),
            (None, host) => (host.map(canonical), "the host's name"),
        };
        let host = host.filter(|host| match host.parse::<IpAddr>() {
            Ok(ip) => !has_ip(ip.to_canonical()),
            Err(_) => !has_dns(host),
        });
        let host = host.map(|host| {
            let host = quoted(&host);
            let message = format!("{which} is {host}, but the CSR does not ask for it");
            Check::differs("names", message)
        });
        let ips = self.node_ips().into_iter().filter(|ip| !has_ip(*ip));
        let ips = ips.map(|ip| {
            let message = format!("--node-ip is {ip}, but the CSR does not ask for it");
            Check::differs("names", message)
        });
        host.into_iter().chain(ips).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &str = "O=system:nodes, CN=system:node:worker-1";

    fn local() -> Local {
        Local {
            node: "worker-1".into(),
            host_name: Some("Worker-1".into()),
            interfaces: ["127.0.0.1", "10.0.0.7", "fd00::7", "192.168.5.5"]
                .map(|ip| ip.parse().unwrap())
                .to_vec(),
            ..Local::default()
        }
    }

    fn differences(local: &Local, subject: &str, names: &[&str]) -> Vec<String> {
        let mut request = Request::new("csr-1", "worker-1");
        request.subject = subject.into();
        for name in names {
            match name.parse() {
                Ok(ip) => request.names.ips.push(ip),
                Err(_) => request.names.dns.push((*name).to_owned()),
            }
        }
        let checks = local.check(&request).into_iter();
        checks
            .filter(|check| check.finding != Finding::Agrees)
            .map(|check| format!("{:?} {}: {}", check.finding, check.what, check.message))
            .collect()
    }

    #[test]
    fn names_that_the_machine_has_agree() {
        for names in [
            &["worker-1", "10.0.0.7"][..],
            &["worker-1", "10.0.0.7", "fd00::7"],
            &["WORKER-1"],
        ] {
            assert_eq!(differences(&local(), SUBJECT, names), [""; 0]);
        }
        let named = Local {
            node_ip: Some("10.0.0.7, fd00::7".into()),
            hostname_override: Some("w1.example".into()),
            ..local()
        };
        assert_eq!(
            differences(&named, SUBJECT, &["w1.example", "10.0.0.7", "fd00::7"]),
            [""; 0]
        );
        let any = Local {
            node_ip: Some("::".into()),
            ..local()
        };
        assert_eq!(
            differences(&any, SUBJECT, &["worker-1", "fd00::7"]),
            [""; 0]
        );
    }

    #[test]
    fn names_that_the_machine_does_not_have_differ() {
        let named = Local {
            node_ip: Some("10.0.0.7".into()),
            ..local()
        };
        let overridden = Local {
            hostname_override: Some("w1.example".into()),
            ..local()
        };
        for (local, subject, names, said) in [
            (
                local(),
                "CN=system:node:worker-2, O=system:nodes",
                &["worker-1"][..],
                "Differs subject: it is CN=system:node:worker-2",
            ),
            (local(), "", &["worker-1"], "Differs subject: it is , and"),
            (
                local(),
                SUBJECT,
                &["worker-1", "10.0.0.8"],
                "Differs IP 10.0.0.8: on no interface of this machine",
            ),
            (
                local(),
                SUBJECT,
                &["worker-1", "worker-2"],
                "Differs DNS worker-2: this is node worker-1 on host Worker-1",
            ),
            (
                local(),
                SUBJECT,
                &["worker-1", "127.0.0.1"],
                "Differs IP 127.0.0.1: it is loopback, not a node's own address",
            ),
            (
                local(),
                SUBJECT,
                &["worker-1", "localhost"],
                "Differs DNS localhost: not a node's own name",
            ),
            (
                named.clone(),
                SUBJECT,
                &["worker-1", "10.0.0.7", "192.168.5.5"],
                "Differs IP 192.168.5.5: --node-ip=10.0.0.7",
            ),
            (
                named,
                SUBJECT,
                &["worker-1"],
                "Differs names: --node-ip is 10.0.0.7, but the CSR does not ask for it",
            ),
            (
                overridden,
                SUBJECT,
                &["worker-1"],
                "Differs names: --hostname-override is w1.example, but the CSR does not ask for it",
            ),
        ] {
            let differences = differences(&local, subject, names);
            assert!(
                differences.len() == 1 && differences[0].starts_with(said),
                "{names:?}: {differences:?}"
            );
        }
        assert_eq!(differences(&local(), SUBJECT, &[]).len(), 2);
    }

    #[test]
    fn names_of_the_api_server_differ_on_a_worker() {
        let worker = Local {
            api_server: Names {
                dns: vec!["Kubernetes".into(), "worker-1".into()],
                ips: vec!["10.0.0.7".parse().unwrap()],
            },
            ..local()
        };
        // The kubelet took a virtual IP for its own address; it is on an interface nevertheless.
        for (name, said) in [
            ("10.0.0.7", "Differs IP 10.0.0.7: it is the API server's"),
            (
                "kubernetes",
                "Differs DNS kubernetes: it is a name of the API server",
            ),
        ] {
            let differences = differences(&worker, SUBJECT, &["worker-1", name]);
            assert!(
                differences.iter().any(|one| one.starts_with(said)),
                "{differences:?}"
            );
        }
        let control_plane = Local {
            runs_api_server: true,
            ..worker
        };
        assert_eq!(
            differences(&control_plane, SUBJECT, &["worker-1", "10.0.0.7"]),
            [""; 0]
        );
        let foreign = differences(&control_plane, SUBJECT, &["worker-1", "kubernetes"]);
        assert_eq!(
            foreign,
            ["Differs DNS kubernetes: this is node worker-1 on host Worker-1"]
        );
    }

    #[test]
    fn addresses_that_only_the_cloud_knows_are_unknown() {
        let cloud = Local {
            cloud_provider: Some("external".into()),
            ..local()
        };
        let unknown = differences(
            &cloud,
            SUBJECT,
            &["10.0.0.7", "203.0.113.7", "w1.internal", "127.0.0.1"],
        );
        assert_eq!(unknown.len(), 3, "{unknown:?}");
        assert!(unknown[0].starts_with("Unknown DNS w1.internal: "));
        assert!(unknown[1].starts_with("Unknown IP 203.0.113.7: "));
        assert!(unknown[2].starts_with("Differs IP 127.0.0.1: "));
    }
}
