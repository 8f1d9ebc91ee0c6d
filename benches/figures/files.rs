//! `diff FILE`, whole processes: against peers, and as the file grows.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::bar;
use crate::measure::{Contender, interleave, is_installed, millis, peak};
use support::rows::Row;

/// A configuration as kubeadm wrote it.
const REAL: &str = "testdata/captured/1.36/config.yaml";
/// The edit as an expression of jq's language.
const EDIT: &str = ".serverTLSBootstrap = true";

/// Compared with what every machine has, and with what an administrator would use instead: a real file and a large one.
pub(crate) fn against_peers(tools: &[(&'static str, PathBuf)]) -> Vec<(Row, String)> {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join(REAL);
    let real = std::fs::read_to_string(&real).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let contenders = in_turn(tools, directory.path(), &real, 400);
    // The dynamically linked one comes first, see `tools` of main.rs.
    let ours = contenders[1..=tools.len()].iter();
    let mut rows: Vec<_> = ours
        .zip([Row::DiffDynamic, Row::DiffStatic])
        .map(|(contender, row)| (row, figure(contender, &contenders, true)))
        .collect();
    let large = in_turn(tools, directory.path(), &configuration(1_000_000), 20);
    rows.push((Row::Large, figure(&large[tools.len()], &large, false)));
    rows
}

/// Runs `cat`, our binaries and the peers in turn on a file with this text, and prints what they took.
fn in_turn(
    tools: &[(&'static str, PathBuf)],
    directory: &Path,
    text: &str,
    rounds: usize,
) -> Vec<Contender> {
    let (file, edited) = (directory.join("a.yaml"), directory.join("b.yaml"));
    std::fs::write(&file, text).unwrap();
    std::fs::write(&edited, format!("{text}serverTLSBootstrap: true\n")).unwrap();
    let (file, edited) = (file.to_str().unwrap(), edited.to_str().unwrap());

    println!(
        "\ndiff FILE, {} bytes: medians of whole processes, run in turn",
        text.len()
    );
    let mut contenders = vec![Contender::new("cat", &["cat", file], 1)];
    for (name, path) in tools {
        contenders.push(Contender::new(
            name,
            &[path.to_str().unwrap(), "diff", file],
            1,
        ));
    }
    // Debian's yq is Python around jq; another program of the same name is a compiled one.
    let peers: [(&str, &str, &[&str]); 5] = [
        ("diff -u", "diffutils", &["diff", "-u", file, edited]),
        ("yq -y", "yq 0", &["yq", "-y", EDIT, file]),
        ("yq -y", "yq 3", &["yq", "-y", EDIT, file]),
        ("yq (Go)", "mikefarah", &["yq", EDIT, file]),
        (
            "dasel",
            "dasel",
            &[
                "dasel",
                "put",
                "-f",
                file,
                "-o",
                "-",
                "-t",
                "bool",
                "-v",
                "true",
                ".serverTLSBootstrap",
            ],
        ),
    ];
    let mut missing = Vec::new();
    for (name, mark, command) in peers {
        if is_installed(command[0], mark) {
            let every = if name == "yq -y" { 20 } else { 1 };
            contenders.push(Contender::new(name, command, every));
        } else {
            missing.push(name);
        }
    }
    missing.retain(|name| contenders.iter().all(|c| c.name != *name));
    if !missing.is_empty() {
        println!("  not installed, so not measured: {}", missing.join(", "));
    }
    interleave(&mut contenders, rounds);

    let cat = millis(contenders[0].median());
    for contender in &contenders {
        let time = millis(contender.median());
        let peak = peak(&contender.command);
        println!(
            "  {:<20} {time:>8.2} ms {:>7.2} x cat {peak:>8} KiB resident",
            contender.name,
            time / cat
        );
    }
    contenders
}

/// The cell of the document about one of ours; `held` to the bars of a real file.
fn figure(ours: &Contender, all: &[Contender], held: bool) -> String {
    let (time, cat) = (millis(ours.median()), millis(all[0].median()));
    let mut figure = format!("{time:.2} ms: {:.1} × `cat`", time / cat);
    if held {
        bar(
            &format!("{}: time of cat", ours.name),
            time / cat,
            " x",
            1.6,
        );
    }
    if let Some(yq) = all.iter().find(|c| c.name == "yq -y") {
        let faster = millis(yq.median()) / time;
        let _ = write!(figure, ", {faster:.0} × faster than Debian's `yq`");
        let verdict = match held {
            true if faster < 30.0 => ", bar 30 x: MISSED",
            true => ", bar 30 x: met",
            false => "",
        };
        println!("  {}: faster than yq -y: {faster:.0} x{verdict}", ours.name);
    }
    let resident = peak(&ours.command) as f64 / 1024.0;
    if held {
        bar(&format!("{}: resident", ours.name), resident, " MiB", 8.0);
    }
    let _ = write!(figure, ", {resident:.1} MiB resident");
    figure
}

/// Ten times the bytes, ten times the work?
pub(crate) fn growth(tools: &[(&'static str, PathBuf)]) -> (Row, String) {
    const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];
    println!("\ndiff FILE as the file grows: medians; what each further byte costs");
    let directory = tempfile::tempdir().unwrap();
    let mut ratios = Vec::new();
    for (name, tool) in tools {
        let mut contenders: Vec<_> = SIZES
            .iter()
            .map(|&size| {
                let path = directory.path().join(format!("{size}.yaml"));
                std::fs::write(&path, configuration(size)).unwrap();
                Contender::new(
                    "",
                    &[tool.to_str().unwrap(), "diff", path.to_str().unwrap()],
                    1,
                )
            })
            .collect();
        interleave(&mut contenders, 30);
        let mut further = Vec::new();
        let mut before: Option<(usize, f64, u64)> = None;
        for (size, contender) in SIZES.iter().zip(&contenders) {
            let (time, peak) = (millis(contender.median()), peak(&contender.command));
            let mut line = format!("  {name:<20} {size:>8} bytes {time:>8.2} ms {peak:>7} KiB");
            if let Some((earlier, time_then, peak_then)) = before {
                let bytes = (size - earlier) as f64;
                let nanos = (time - time_then) * 1e6 / bytes;
                let memory = peak.saturating_sub(peak_then) as f64 * 1024.0 / bytes;
                let _ = write!(line, "  {nanos:>6.0} ns and {memory:>5.1} B a byte");
                further.push(nanos);
            }
            println!("{line}");
            before = Some((*size, time, peak));
        }
        let ratio = further[1] / further[0];
        bar(
            &format!("{name}: a byte of 1 MB costs, of one of 100 kB"),
            ratio,
            " x",
            1.5,
        );
        ratios.push(ratio);
    }
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    (Row::Growth, format!("{least:.1} to {most:.1} ×"))
}

/// A KubeletConfiguration of about so many bytes, with what a large one would consist of.
fn configuration(size: usize) -> String {
    let mut text =
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n".to_owned();
    text.push_str("staticPodPath: /etc/kubernetes/manifests\nstaticPodURLHeader:\n");
    let mut number = 0;
    while text.len() < size {
        let _ = write!(
            text,
            "  X-Header-{number}:\n  - \"value {number} # not a comment\" # a comment\n"
        );
        number += 1;
    }
    text
}
