//! The same as the main package's example `standin`, for the stand-ins' own tests.

fn main() {
    let args: Vec<String> = std::env::args().collect();
    std::process::exit(kubelet_tls_standins::multicall(&args));
}
