//! The static binary, as it is copied to nodes.

use std::path::Path;
use std::process::Command;

use crate::bar;

/// How it is made.
pub(crate) const HOW: &str =
    "it is built by cargo build --release --target x86_64-unknown-linux-musl";

/// Its size, and that it needs nothing beside it.
pub(crate) fn size(path: &Path) {
    println!("\nThe static binary");
    let Ok(metadata) = std::fs::metadata(path) else {
        println!("  does not exist: {HOW}");
        return;
    };
    bar("size", metadata.len() as f64 / 1e6, " MB", 8.0);
    match Command::new("ldd").arg(path).output() {
        Ok(output) => {
            let libraries = String::from_utf8_lossy(&output.stdout)
                .matches("=>")
                .count();
            bar("shared libraries", libraries as f64, "", 0.0);
        }
        Err(error) => println!("  cannot run ldd to look for shared libraries: {error}"),
    }
}
