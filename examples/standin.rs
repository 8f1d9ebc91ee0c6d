//! The stand-ins for kubelet, systemd and API server in one executable, built with the tests that use it.

fn main() {
    let args: Vec<String> = std::env::args().collect();
    std::process::exit(standins::multicall(&args));
}
