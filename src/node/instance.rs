//! The kube-apiserver of this node as the process table shows it: what it runs with and where it listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::edit::api_server::{FLAG, last_value};

/// The port of a kube-apiserver that is not given one.
const SECURE_PORT: u16 = 6443;
/// A DNS name in every serving certificate that kubeadm makes for an API server.
const SERVICE_NAME: &str = "kubernetes";

/// A process that runs kube-apiserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiServerProcess {
    /// What tells it from a later process.
    pub id: ProcessId,
    /// The words of its command line after the program's name.
    pub words: Vec<String>,
}

/// What tells a process from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessId {
    /// The process number, which the kernel reuses.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub start: u64,
}

/// Where an API server is dialled, and the name that its certificate must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceAddress {
    /// The address of this one instance, never a load balancer's.
    pub socket: SocketAddr,
    /// An IP address or a DNS name.
    pub name: String,
}

impl ApiServerProcess {
    /// The CA that it verifies kubelets with; `None` if it verifies none. An empty value turns verification off.
    pub fn kubelet_ca(&self) -> Option<&str> {
        last_value(&self.words, FLAG).filter(|value| !value.is_empty())
    }

    /// Where it is dialled.
    pub fn address(&self) -> InstanceAddress {
        address(&self.words)
    }

    /// Whether it is an instance of the manifest with these flags: another API server on the same machine listens
    /// elsewhere.
    pub fn is_of(&self, flags: &[String]) -> bool {
        let where_to = ["advertise-address", "bind-address", "secure-port"];
        where_to
            .iter()
            .all(|flag| last_value(&self.words, flag) == last_value(flags, flag))
    }
}

/// Where an API server with these flags is dialled.
pub fn address(flags: &[String]) -> InstanceAddress {
    let ip = |name: &str| {
        let value = last_value(flags, name).and_then(|value| value.parse::<IpAddr>().ok());
        value.filter(|ip| !ip.is_unspecified())
    };
    let port = last_value(flags, "secure-port").and_then(|port| port.parse().ok());
    let advertised = ip("advertise-address");
    let dialled = ip("bind-address")
        .or(advertised)
        .unwrap_or(Ipv4Addr::LOCALHOST.into());
    InstanceAddress {
        socket: SocketAddr::new(dialled, port.unwrap_or(SECURE_PORT)),
        name: advertised.map_or_else(|| SERVICE_NAME.to_owned(), |ip| ip.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(line: &str) -> ApiServerProcess {
        ApiServerProcess {
            id: ProcessId { pid: 1, start: 1 },
            words: line.split(' ').map(str::to_owned).collect(),
        }
    }

    #[test]
    fn the_last_value_of_the_running_process_says_whether_it_verifies() {
        for (line, ca) in [
            ("--v=2", None),
            ("--kubelet-certificate-authority=/ca.crt", Some("/ca.crt")),
            ("--kubelet_certificate_authority /ca.crt", Some("/ca.crt")),
            (
                "--kubelet-certificate-authority=/ca.crt --kubelet-certificate-authority=",
                None,
            ),
        ] {
            assert_eq!(process(line).kubelet_ca(), ca, "{line}");
        }
    }

    #[test]
    fn an_instance_is_dialled_where_it_listens_itself() {
        for (line, socket, name) in [
            (
                "--advertise-address=10.0.0.1 --secure-port=6444",
                "10.0.0.1:6444",
                "10.0.0.1",
            ),
            ("--v=2", "127.0.0.1:6443", "kubernetes"),
            (
                "--advertise-address fd00::1 --bind-address=::",
                "[fd00::1]:6443",
                "fd00::1",
            ),
            (
                "--advertise-address=10.0.0.1 --bind-address=127.0.0.1",
                "127.0.0.1:6443",
                "10.0.0.1",
            ),
        ] {
            let expected = InstanceAddress {
                socket: socket.parse().unwrap(),
                name: name.to_owned(),
            };
            assert_eq!(process(line).address(), expected, "{line}");
        }
    }

    #[test]
    fn another_api_server_of_the_same_machine_is_told_apart() {
        let flags = process("--advertise-address=10.0.0.1 --secure-port=6443 --v=2").words;
        assert!(process("--secure_port 6443 --advertise-address=10.0.0.1").is_of(&flags));
        assert!(!process("--advertise-address=10.0.0.1 --secure-port=6444").is_of(&flags));
        assert!(!process("--v=2").is_of(&flags));
    }
}
