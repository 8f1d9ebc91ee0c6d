//! The static binary, as it is copied to nodes.

use std::path::Path;
use std::process::Command;

use crate::bar;
use support::rows::Row;

/// How it is made.
pub(crate) const HOW: &str =
    "it is built by cargo build --release --target x86_64-unknown-linux-musl";

/// Its size for each architecture, and how many shared libraries it needs. `path` is that of x86_64; `None` if that one was
/// not built.
pub(crate) fn size(path: &Path) -> Option<(Row, String)> {
    println!("\nThe static binary");
    let other = path.to_str()?.replace("x86_64", "aarch64");
    let mut sizes = Vec::new();
    for (architecture, path) in [("x86_64", path), ("aarch64", Path::new(&other))] {
        let Ok(metadata) = std::fs::metadata(path) else {
            println!("  {architecture}: does not exist: {HOW}");
            continue;
        };
        let size = metadata.len() as f64 / 1e6;
        bar(&format!("{architecture}: size"), size, " MB", 8.0);
        sizes.push(format!("{size:.1} MB ({architecture})"));
    }
    if !path.is_file() {
        return None;
    }
    match Command::new("ldd").arg(path).output() {
        Ok(output) => {
            let libraries = String::from_utf8_lossy(&output.stdout)
                .matches("=>")
                .count();
            bar("shared libraries", libraries as f64, "", 0.0);
            sizes.push(match libraries {
                0 => "no shared libraries".to_owned(),
                some => format!("{some} shared libraries"),
            });
        }
        Err(error) => println!("  cannot run ldd to look for shared libraries: {error}"),
    }
    Some((Row::Binary, sizes.join(", ")))
}
