//! What packagers install: completion scripts and manual pages.

use std::process::{Command, Stdio};

use super::kubelet_tls;

fn output(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let assert = kubelet_tls(directory.path())
        .args(arguments)
        .assert()
        .code(0)
        .stderr_eq("");
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn verbs() -> Vec<String> {
    let pages = output(&["man", "-o", "name"]);
    let verbs = pages
        .lines()
        .filter_map(|page| page.strip_prefix("kubelet-tls-"));
    verbs.map(str::to_owned).collect()
}

/// In a real bash: the script loads, and TAB knows the verbs, the options and their values.
#[test]
fn the_completion_script_completes_in_bash() {
    let complete = |words: &[&str]| {
        let script = output(&["completions", "bash"]);
        let ask = format!(
            "{script}\nCOMP_WORDS=({}); COMP_CWORD={}; $(complete -p kubelet-tls | sed 's/.*-F \\([^ ]*\\).*/\\1/') kubelet-tls \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words
                .iter()
                .map(|word| format!("'{word}'"))
                .collect::<Vec<_>>()
                .join(" "),
            words.len() - 1
        );
        let bash = Command::new("bash")
            .args(["--norc", "-c", &ask])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(bash.status.success() && bash.stderr.is_empty(), "{bash:?}");
        let text = String::from_utf8(bash.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["kubelet-tls", "ro"]), ["rollback"]);
    assert_eq!(
        complete(&["kubelet-tls", "apply", "--kubec"]),
        ["--kubeconfig"]
    );
    assert_eq!(
        complete(&["kubelet-tls", "apply", "--wait", ""]),
        ["csr", "issued", "none"]
    );
    let first = complete(&["kubelet-tls", ""]);
    // Those below `cluster` and `api-server` come after them.
    let verbs = verbs();
    let mut verbs = verbs
        .iter()
        .filter(|verb| !verb.starts_with("cluster-") && !verb.starts_with("api-server-"));
    assert!(verbs.all(|verb| first.contains(verb)), "{first:?}");
}

/// zsh and fish read theirs without a complaint, where they are installed.
#[test]
fn zsh_and_fish_load_their_completion_scripts() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["zsh", "fish"] {
        let path = directory.path().join(shell);
        std::fs::write(&path, output(&["completions", shell])).unwrap();
        match Command::new(shell).arg("-n").arg(&path).output() {
            Ok(read) => assert!(read.status.success() && read.stderr.is_empty(), "{read:?}"),
            Err(error) => println!("skipped: {shell}: {error}"),
        }
    }
}

#[test]
fn every_verb_has_a_page() {
    assert!(verbs().len() >= 7, "{:?}", verbs());
    for verb in verbs() {
        let page = output(&["man", &format!("kubelet-tls-{verb}")]);
        assert!(
            page.contains(&format!(".TH kubelet-tls-{verb} 1")),
            "{page}"
        );
        for section in ["EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES"] {
            assert!(
                page.contains(&format!(".SH {section}"))
                    || page.contains(&format!(".SH \"{section}\"")),
                "{section}: {page}"
            );
        }
        let words: Vec<_> = page.split(".SH EXAMPLES").collect();
        assert!(words[1].contains("kubelet\\-tls"), "{page}");
        // The verb's own words name the page too.
        let verb = verb.replace("cluster-", "cluster ");
        let short: Vec<_> = std::iter::once("man").chain(verb.split(' ')).collect();
        assert_eq!(page, output(&short));
    }
    assert!(output(&["man"]).contains("EXIT STATUS"));
    let synopsis = |verb: &str| {
        let page = output(&["man", verb])
            .replace("\\fB", "")
            .replace("\\fI", "");
        let page = page.replace("\\fR", "").replace("\\-", "-");
        let (_, rest) = page.split_once(".SH SYNOPSIS\n").unwrap();
        rest.lines().next().unwrap().to_owned()
    };
    assert_eq!(
        synopsis("apply"),
        "kubelet-tls apply [--kubeadm-config FILE...] [--patches DIR] [--disable] [--api-server] [--root DIR] [--dry-run] \
         [--restart WHEN] [--wait WHAT] [--timeout DURATION] [--settle DURATION] [--issue-first] [--kubeconfig FILE] \
         [-o|--output FORMAT] [--color WHEN] [-q|--quiet] [-v|--verbose] [-h|--help] [FILE...]"
    );
    let approve = synopsis("approve");
    assert!(
        approve.ends_with("{CSR... | --node NODE... | --all | --watch}"),
        "{approve}"
    );
    assert!(
        synopsis("cluster").ends_with(" COMMAND"),
        "{}",
        synopsis("cluster")
    );
    let directory = tempfile::tempdir().unwrap();
    kubelet_tls(directory.path())
        .args(["man", "nope"])
        .assert()
        .code(64)
        .stdout_eq("")
        .stderr_eq(
            "error: cannot print nope: no such manual page\nhint: kubelet-tls man -o name\n",
        );
}

/// Where kubectl runs it as a plug-in, usage says so, and kubectl gets the program that completes `kubectl kubelet-tls`.
#[test]
fn usage_and_completion_know_the_kubectl_plugin() {
    let directory = tempfile::tempdir().unwrap();
    let plug_in = directory.path().join("kubectl-kubelet_tls");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubelet-tls"), &plug_in).unwrap();
    let run = |arguments: &[&str]| Command::new(&plug_in).args(arguments).output().unwrap();
    let help = String::from_utf8(run(&["apply", "--help"]).stdout).unwrap();
    assert!(help.contains("Usage: kubectl kubelet-tls apply "), "{help}");

    let script = run(&["completions", "zsh"]).stdout;
    assert!(String::from_utf8_lossy(&script).contains("kubectl kubelet-tls"));
    let path = directory.path().join("kubectl_complete-kubelet_tls");
    std::fs::write(&path, script).unwrap();
    let complete = |words: &[&str]| {
        let bash = Command::new("bash")
            .arg(&path)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(bash.stderr.is_empty(), "{bash:?}");
        String::from_utf8(bash.stdout).unwrap()
    };
    assert_eq!(complete(&["ro"]), "rollback\n:4\n");
    assert_eq!(
        complete(&["apply", "--wait", ""]),
        "csr\nissued\nnone\n:4\n"
    );
}

#[test]
fn the_schemas_are_printed() {
    let kinds = output(&["schema", "-o", "name"]);
    assert!(kinds.lines().any(|kind| kind == "ApplyResult"), "{kinds}");
    for kind in kinds.lines() {
        let path = format!("docs/schema/{kind}.json");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let shipped = std::fs::read_to_string(path).unwrap();
        assert_eq!(output(&["schema", kind]), shipped);
    }
    let directory = tempfile::tempdir().unwrap();
    kubelet_tls(directory.path())
        .args(["schema", "Nope"])
        .assert()
        .code(64)
        .stderr_eq("error: cannot print a schema: no result document has the kind \"Nope\"\nhint: kubelet-tls schema -o name\n");
}
