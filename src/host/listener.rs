//! Which process listens at an address: /proc/net/tcp and tcp6 name the socket, /proc/PID/fd who holds it.
#![expect(clippy::disallowed_methods, reason = "this is where /proc is read")]

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::files::Root;

/// A shell that starts the program without `exec`, and not a tree of processes.
const MAX_PROCESSES: usize = 64;
/// TCP_LISTEN in include/net/tcp_states.h, as /proc prints it.
const LISTENING: &str = "0A";

/// Whether process `pid`, or one that it started, listens at `address`. `None` if that cannot be determined: no socket of
/// this network namespace is seen to listen there, or this process may not look at the other's files, as in a service
/// without `CAP_SYS_PTRACE`.
pub(crate) fn listens(pid: u32, address: SocketAddr) -> Option<bool> {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    let tables = tables.map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets: BTreeSet<u64> = tables
        .iter()
        .flat_map(|table| parse_listeners(table))
        .filter(|(local, _)| accepts(*local, address))
        .map(|(_, inode)| inode)
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let mut processes = vec![pid];
    let mut seen = 0;
    while let Some(process) = processes.pop() {
        let held = match (sockets_of(process), process == pid) {
            (Some(held), _) => held,
            (None, true) => return None,
            // It has ended.
            (None, false) => continue,
        };
        if held.iter().any(|inode| sockets.contains(inode)) {
            return Some(true);
        }
        seen += 1;
        if seen == MAX_PROCESSES {
            return None;
        }
        processes.extend(children(process));
    }
    Some(false)
}

/// Whether a socket that listens at `local` takes connections to `address`.
fn accepts(local: SocketAddr, address: SocketAddr) -> bool {
    let bare = |ip: IpAddr| ip.to_canonical();
    local.port() == address.port()
        && match bare(local.ip()) {
            IpAddr::V4(ip) if ip.is_unspecified() => bare(address.ip()).is_ipv4(),
            // Of both families, unless it says otherwise, which /proc does not tell.
            IpAddr::V6(ip) if ip.is_unspecified() => true,
            ip => ip == bare(address.ip()),
        }
}

/// The addresses and inodes of the sockets that listen.
fn parse_listeners(table: &str) -> Vec<(SocketAddr, u64)> {
    let parse = |line: &str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        if fields.nth(1)? != LISTENING {
            return None;
        }
        Some((parse_address(local)?, fields.nth(5)?.parse().ok()?))
    };
    table.lines().skip(1).filter_map(parse).collect()
}

/// `0100007F:2808`: the address as the machine's own integers of 32 bits, the port as a number.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut octets = Vec::new();
    let mut rest = address;
    while !rest.is_empty() {
        let (word, others) = rest.split_at_checked(8)?;
        octets.extend(u32::from_str_radix(word, 16).ok()?.to_ne_bytes());
        rest = others;
    }
    let ip = match <[u8; 4]>::try_from(octets.as_slice()) {
        Ok(v4) => IpAddr::V4(Ipv4Addr::from(v4)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
    };
    Some(SocketAddr::new(ip, port))
}

/// The inodes of the sockets that `process` holds; none where it has ended, or may not be looked at.
fn sockets_of(process: u32) -> Option<Vec<u64>> {
    let directory = PathBuf::from(format!("/proc/{process}/fd"));
    let names = Root::host().names(&directory).ok()?;
    let mut sockets = Vec::new();
    for name in &names {
        match fs::read_link(directory.join(name)) {
            Ok(link) => sockets.extend(link.to_str().and_then(parse_socket)),
            // The directory may be listed with CAP_DAC_OVERRIDE; its links take CAP_SYS_PTRACE.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return None,
            // It was closed meanwhile.
            Err(_) => {}
        }
    }
    Some(sockets)
}

/// `socket:[12345]`.
fn parse_socket(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

fn children(process: u32) -> Vec<u32> {
    let directory = PathBuf::from(format!("/proc/{process}/task"));
    let tasks = Root::host().names(&directory).unwrap_or_default();
    let texts = tasks
        .iter()
        .filter_map(|task| fs::read_to_string(directory.join(task).join("children")).ok());
    texts
        .flat_map(|text| {
            let words = text.split_whitespace().filter_map(|word| word.parse().ok());
            words.collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:2808 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0\n   1: 0100007F:2808 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 777 1 0 100 0 0 10 0\n";
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(parse_listeners(table), [(at("127.0.0.1:10248"), 12345)]);
        assert_eq!(
            parse_address("00000000000000000000000001000000:2808"),
            Some(at("[::1]:10248"))
        );
        for odd in [
            "",
            ":",
            "0100007F",
            "0100007:2808",
            "xx:1",
            "0100007F00:1",
            "é:1",
        ] {
            assert_eq!(parse_address(odd), None, "{odd}");
        }
        assert_eq!(parse_socket("socket:[12]"), Some(12));
        assert_eq!(parse_socket("/dev/null"), None);
    }

    #[test]
    fn an_unspecified_address_takes_connections_to_any() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (local, address, accepted) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.2:1", "127.0.0.1:1", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
        ] {
            assert_eq!(
                accepts(at(local), at(address)),
                accepted,
                "{local} {address}"
            );
        }
    }

    #[test]
    fn a_socket_is_tied_to_the_process_that_holds_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(listens(std::process::id(), address), Some(true));
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert_eq!(listens(other.id(), address), Some(false));
        other.kill().unwrap();
        other.wait().unwrap();
        drop(listener);
        assert_eq!(listens(u32::MAX, address), None);
    }
}
