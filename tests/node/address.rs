//! Addresses that the machines of a test have besides loopback.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// An address of the host's, and so of its machines: `approve` and `csr --check` refuse loopback, and no two nodes may
/// have the same.
pub struct Address(String);

impl Address {
    /// One of those for tests between networks (RFC 2544), which no network uses.
    pub fn new() -> Self {
        static TAKEN: AtomicU32 = AtomicU32::new(1);
        let number = TAKEN.fetch_add(1, Ordering::Relaxed);
        let address = format!("198.18.{}.{number}", std::process::id() % 250);
        let _ = ip_address("del", &address).output();
        let added = ip_address("add", &address).status().expect("ip");
        assert!(added.success(), "ip address add {address}: {added}");
        Self(address)
    }

    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        let _ = ip_address("del", &self.0).output();
    }
}

fn ip_address(verb: &str, address: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["address", verb, &format!("{address}/32"), "dev", "lo"]);
    command
}
