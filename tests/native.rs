//! What of the program is not Rust: a dependency that compiles or links foreign code is named here with its reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// The packages of the program that have foreign code or a `links` key on every platform: ring has C and assembly of
/// BoringSSL; k8s-openapi's key keeps two versions apart and names no library.
const KNOWN: [&str; 2] = ["k8s-openapi", "ring"];
/// Crates by which a build script compiles, finds or binds foreign code.
const COMPILERS: [&str; 9] = [
    "autotools",
    "bindgen",
    "cc",
    "cmake",
    "cxx-build",
    "nasm-rs",
    "pkg-config",
    "system-deps",
    "vcpkg",
];

/// The platforms of the release.
const PLATFORMS: [&str; 3] = [
    "x86_64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
];

fn metadata(platform: &str) -> Value {
    let cargo = std::env::var_os("CARGO").unwrap();
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().unwrap().iter()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// The packages that a package depends on, by `kind`: null for what is linked, "build" for what its build script uses.
fn dependencies<'a>(node: &'a Value, kind: &Value) -> BTreeSet<&'a str> {
    list(node, "deps")
        .filter(|dependency| list(dependency, "dep_kinds").any(|one| one["kind"] == *kind))
        .map(|dependency| text(dependency, "pkg"))
        .collect()
}

/// The names of the packages of the program that have a `links` key or whose build script uses a compiler.
fn foreign(metadata: &Value) -> BTreeSet<String> {
    let packages: BTreeMap<&str, &Value> = list(metadata, "packages")
        .map(|package| (text(package, "id"), package))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"], "nodes")
        .map(|node| (text(node, "id"), node))
        .collect();
    let program = packages
        .iter()
        .find(|(_, package)| text(package, "name") == env!("CARGO_PKG_NAME"))
        .map(|(id, _)| *id)
        .unwrap();
    let (mut seen, mut open) = (BTreeSet::new(), vec![program]);
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(dependencies(nodes[id], &Value::Null));
        }
    }
    assert!(seen.len() > 100, "only {} packages were found", seen.len());
    let compiles = |id: &str| {
        dependencies(nodes[id], &"build".into())
            .iter()
            .any(|used| COMPILERS.contains(&text(packages[used], "name")))
    };
    seen.into_iter()
        .filter(|id| packages[id]["links"].is_string() || compiles(id))
        .map(|id| text(packages[id], "name").to_owned())
        .collect()
}

#[test]
fn the_program_links_no_foreign_code_but_what_is_named_here() {
    let known: BTreeSet<String> = KNOWN.map(str::to_owned).into();
    for platform in PLATFORMS {
        assert_eq!(foreign(&metadata(platform)), known, "{platform}");
    }
}
