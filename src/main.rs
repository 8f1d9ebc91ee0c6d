//! The executable; the program is [`kubelet_tls::main`], so that the demo can run it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    kubelet_tls::main(&arguments)
}
