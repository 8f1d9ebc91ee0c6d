//! kubelet-tls.

fn main() {}
