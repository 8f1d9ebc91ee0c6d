//! The machine's own names and addresses.

use std::net::IpAddr;
use std::path::Path;

use nix::ifaddrs::getifaddrs;

use super::files;

/// Linux allows 64 bytes.
const NAME_CAP: u64 = 1024;

/// The addresses of all network interfaces; none where the kernel does not tell.
pub fn addresses() -> Vec<IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    let addresses = interfaces.filter_map(|interface| interface.address);
    addresses
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .collect()
}

/// The host's name, as the kubelet has it from the kernel.
pub fn host_name() -> Option<String> {
    let bytes = files::read(Path::new("/proc/sys/kernel/hostname"), NAME_CAP).ok()?;
    let name = String::from_utf8(bytes).ok()?.trim().to_owned();
    Some(name).filter(|name| !name.is_empty())
}
