//! The architecture, kept by reading the sources: floors, circles between files, effects and sizes.
//! `docs/architecture.md` has the picture.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The modules from the top floor to the bottom. A module may use those after it in this list.
const FLOORS: &[&str] = &[
    "commands",
    "ansible",
    "approver",
    "apply",
    "ui",
    "cli",
    "host",
    "report",
    "receipt",
    "metrics_server",
    "node",
    "plan",
    "approval",
    "csr",
    "x509",
    "edit",
    "kubelet",
    "text",
    "yaml",
];

/// The longest file in `src`, without its tests, in lines.
const MAX_FILE_LINES: usize = 300;

/// The longest function body in `src`, in lines.
const MAX_BODY_LINES: usize = 60;

/// What only `src/host` may call.
const EFFECTS: &[&str] = &[
    "std::fs::",
    "fs::File",
    "process::Command",
    "SystemTime::now",
    "Timestamp::now",
    "env::var",
    "TcpStream",
    "UdpSocket",
];

/// What only `src/ui.rs` may call.
const PRINTING: &[&str] = &[
    "println!",
    "eprintln!",
    "print!(",
    "io::stdout()",
    "io::stderr()",
];

/// Functions whose body may be longer, each with its reason.
const LONG_FUNCTIONS: &[&str] = &[];

struct Source {
    path: PathBuf,
    /// Without tests, comments and string contents.
    code: String,
    /// Lines without tests.
    lines: usize,
}

fn sources() -> Vec<Source> {
    let found = sources_in("src");
    assert!(found.len() > 100, "the sources are not where they were");
    found
}

fn sources_in(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path
                    .file_stem()
                    .is_some_and(|name| name.to_str().unwrap().ends_with("tests"))
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = without_tests(&text);
                found.push(Source {
                    path: path.strip_prefix(&root).unwrap().to_owned(),
                    code: code_of(text),
                    lines: text.lines().count(),
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The text before the module of unit tests.
fn without_tests(text: &str) -> &str {
    let tests = text.find("\nmod tests {").unwrap_or(text.len());
    match text[..text.len().min(tests + 1)].rfind("\n#[cfg(test)]\n") {
        Some(start) if tests < text.len() => &text[..start],
        _ => text,
    }
}

/// Compares what was found with what is known and still to be repaired: neither may grow, and what was repaired leaves
/// the list.
fn assert_known(what: &str, found: &BTreeSet<String>, known: &[&str]) {
    let known: BTreeSet<String> = known.iter().map(|one| (*one).to_owned()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    let repaired: Vec<_> = known.difference(found).collect();
    assert!(new.is_empty(), "{what}: {new:#?}");
    assert!(
        repaired.is_empty(),
        "repaired, so take it off the list of {what}: {repaired:#?}"
    );
}

/// The text without its comments; enough for code that rustfmt has formatted.
fn code_of(text: &str) -> String {
    text.lines()
        .map(|line| {
            let end = line.find("//").filter(|at| !line[..*at].contains('"'));
            &line[..end.unwrap_or(line.len())]
        })
        .fold(String::new(), |mut code, line| {
            code.push_str(line);
            code.push('\n');
            code
        })
}

/// The module below `crate` that a file belongs to: `host` of `host/kube/mod.rs`.
fn module_of(path: &Path) -> String {
    let first = path.components().next().unwrap();
    let first = Path::new(first.as_os_str());
    first.with_extension("").to_str().unwrap().to_owned()
}

/// Every path that begins with `crate::`, braces taken apart: `crate::host::{kube, tls}` is two.
fn crate_paths(code: &str) -> BTreeSet<Vec<String>> {
    let mut paths = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        read_paths(&code[at + "crate::".len()..], &[], &mut paths);
    }
    paths
}

/// Reads one use tree into `paths` and returns how many bytes of `text` it took.
fn read_paths(text: &str, before: &[String], paths: &mut BTreeSet<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if rest.starts_with('{') {
            at += 1;
            loop {
                at += text[at..].len() - text[at..].trim_start_matches([' ', '\n', ',']).len();
                if text[at..].starts_with('}') || text[at..].is_empty() {
                    return at + 1;
                }
                let taken = read_paths(&text[at..], &path, paths);
                if taken == 0 {
                    return at;
                }
                at += taken;
                let next = text[at..].find([',', '}']).unwrap_or(text[at..].len());
                at += next;
            }
        }
        let length = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        if length == 0 {
            break;
        }
        path.push(rest[..length].to_owned());
        at += length;
        if !text[at..].starts_with("::") {
            break;
        }
        at += 2;
    }
    paths.insert(path);
    at
}

#[test]
fn no_module_uses_a_floor_above_its_own() {
    let floor = |module: &str| FLOORS.iter().position(|name| *name == module);
    let mut upwards = String::new();
    for source in sources() {
        let module = module_of(&source.path);
        if module == "lib" || module == "main" {
            continue;
        }
        let own =
            floor(&module).unwrap_or_else(|| panic!("{module} has no floor: add it to FLOORS"));
        for path in crate_paths(&source.code) {
            let Some(used) = floor(&path[0]) else {
                continue;
            };
            if used < own {
                let _ = writeln!(
                    upwards,
                    "{}: crate::{}",
                    source.path.display(),
                    path.join("::")
                );
            }
        }
    }
    assert!(upwards.is_empty(), "arrows that point upwards:\n{upwards}");
}

/// The file that a path below `crate` leads to, as far as files go.
fn file_of(path: &[String], files: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    let mut found = None;
    let mut prefix = PathBuf::new();
    for segment in path {
        prefix.push(segment);
        let file = prefix.with_extension("rs");
        let folder = prefix.join("mod.rs");
        if files.contains(&file) {
            found = Some(file);
        } else if files.contains(&folder) {
            found = Some(folder);
        } else {
            break;
        }
    }
    found
}

/// The module path of a file: `["host", "kube"]` of `host/kube/mod.rs`.
fn module_path(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_str().unwrap().to_owned())
        .collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let standins = sources_in("standins/src");
    assert!(standins.len() > 30, "the stand-ins are not where they were");
    for sources in [sources(), standins] {
        let circles = circles(&sources);
        assert!(
            circles.is_empty(),
            "files that lead back to themselves: {circles:#?}"
        );
    }
}

/// The files that lead back to themselves by what they use.
fn circles(sources: &[Source]) -> BTreeSet<String> {
    let files: BTreeSet<PathBuf> = sources.iter().map(|source| source.path.clone()).collect();
    let mut arrows: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for source in sources {
        let own = module_path(&source.path);
        let mut paths = crate_paths(&source.code);
        for (at, _) in source.code.match_indices("super::") {
            // `super::super::x` is found twice; the first time it is read whole.
            if source.code[..at].ends_with("super::") {
                continue;
            }
            let mut rest = &source.code[at..];
            let mut base = own.clone();
            while let Some(after) = rest.strip_prefix("super::") {
                base.pop();
                rest = after;
            }
            read_paths(rest, &base, &mut paths);
        }
        for path in paths {
            let Some(file) = file_of(&path, &files) else {
                continue;
            };
            // A module's own mod.rs declares its files and may use them, and they may use what it defines.
            let is_ancestor = |above: &Path, below: &Path| {
                above.file_name().is_some_and(|name| name == "mod.rs")
                    && below.starts_with(above.parent().unwrap())
            };
            if file != source.path
                && !is_ancestor(&file, &source.path)
                && !is_ancestor(&source.path, &file)
            {
                arrows.entry(source.path.clone()).or_default().insert(file);
            }
        }
    }
    let mut circles = BTreeSet::new();
    for start in arrows.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&PathBuf> = arrows[start].iter().collect();
        while let Some(file) = next.pop() {
            if file == start {
                circles.insert(start.display().to_string());
                break;
            }
            if seen.insert(file) {
                next.extend(arrows.get(file).into_iter().flatten());
            }
        }
    }
    circles
}

#[test]
fn effects_are_in_host_and_printing_is_in_ui() {
    let mut found = String::new();
    for source in sources() {
        let module = module_of(&source.path);
        let mut report = |words: &[&str]| {
            for (number, line) in source.code.lines().enumerate() {
                if words.iter().any(|word| line.contains(word)) {
                    let _ = writeln!(
                        found,
                        "{}:{}: {}",
                        source.path.display(),
                        number + 1,
                        line.trim()
                    );
                }
            }
        };
        if module != "host" && module != "main" {
            report(EFFECTS);
        }
        // A module's answer to Ansible is the one other thing that is printed.
        if module != "ui" && source.path != Path::new("commands/ansible.rs") {
            report(PRINTING);
        }
    }
    assert!(found.is_empty(), "effects outside their module:\n{found}");
}

/// What test files share is in tests/support.
#[test]
fn every_module_is_where_its_name_says() {
    for directory in ["src", "standins/src", "tests", "benches", "examples"] {
        for source in sources_in(directory) {
            let is_elsewhere = source
                .code
                .lines()
                .any(|line| line.trim().starts_with("#[path"));
            assert!(!is_elsewhere, "{directory}/{}", source.path.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_the_limit() {
    let long = sources()
        .iter()
        .filter(|source| source.lines > MAX_FILE_LINES)
        .map(|source| source.path.display().to_string())
        .collect();
    assert_known("files longer than 300 lines without tests", &long, &[]);
}

#[test]
fn no_function_is_longer_than_the_limit() {
    let long = sources()
        .iter()
        .flat_map(|source| {
            let path = source.path.display();
            bodies(&source.code)
                .into_iter()
                .filter(|(_, lines)| *lines > MAX_BODY_LINES)
                .map(move |(name, _)| format!("{path}: {name}"))
        })
        .collect();
    assert!(LONG_FUNCTIONS.len() <= 5);
    assert_known("functions longer than 60 lines", &long, LONG_FUNCTIONS);
}

/// The name of each function and the lines between its braces. rustfmt puts the closing brace of a body under the
/// beginning of its function.
fn bodies(code: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let before = line.split("fn ").next().unwrap();
        let is_function = line.contains("fn ")
            && before.split_whitespace().all(|word| {
                word.starts_with("pub")
                    || ["const", "async", "crate)", "extern"].contains(&word)
                    || word.ends_with(')')
            });
        let open = (start..lines.len()).find(|at| lines[*at].ends_with(['{', ';', '}']));
        let (true, Some(open)) = (is_function, open) else {
            continue;
        };
        if !lines[open].ends_with('{') {
            continue;
        }
        let close = (open..lines.len())
            .find(|at| lines[*at].trim() == "}" && indent(lines[*at]) == indent(line))
            .unwrap_or_else(|| panic!("the function in line {start} has no end: {line}"));
        let name = line.split("fn ").nth(1).unwrap();
        let end = name.find(['(', '<']).unwrap_or(name.len());
        found.push((&name[..end], close - open - 1));
    }
    found
}

#[test]
fn bodies_are_counted_between_their_braces() {
    let code = "pub(super) async fn one(\n    a: u8,\n) -> u8 {\n    a\n        + 1\n}\n\
                trait T {\n    fn none(&self);\n    fn two<F: Fn() -> u8>(&self) {\n        todo()\n    }\n}\n";
    assert_eq!(bodies(code), [("one", 2), ("two", 1)]);
}

#[test]
fn no_error_is_a_string() {
    let is_error = |line: &str| line.contains("Result<") && line.contains(", String>");
    let sources = sources();
    let found: Vec<_> = sources
        .iter()
        .filter(|source| source.code.lines().any(is_error))
        .map(|source| source.path.display())
        .collect();
    assert!(found.is_empty(), "errors that are Strings: {found:?}");
}

#[test]
fn use_trees_are_read_whole() {
    let paths =
        crate_paths("use crate::host::{kube::{Admin, tls}, files};\nlet x = crate::plan::Plan;\n");
    let joined: Vec<String> = paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(
        joined,
        [
            "host::files",
            "host::kube::Admin",
            "host::kube::tls",
            "plan::Plan"
        ]
    );
}
