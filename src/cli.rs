//! The command line. The doc comments here are the manual.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Give a kubeadm node's kubelet a CA-signed serving certificate
///
/// Sets `serverTLSBootstrap: true` where this node's kubelet reads it, changes no other byte, restarts the kubelet
/// through systemd, proves that it came back (or puts everything back), and reports the name of the
/// CertificateSigningRequest that the kubelet made.
#[derive(Debug, Parser)]
#[command(
    name = "kubelet-tls",
    version,
    max_term_width = 100,
    arg_required_else_help = false
)]
#[command(after_help = "\
Exit codes: 0 done or nothing to do · 1 differences, or no request · 64 usage · 65 refused input · \
69 systemd or API unavailable · 74 read or write failed · 75 out of time · 77 not permitted · \
78 refused, or put back")]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
    /// Options that every verb takes
    #[command(flatten)]
    pub global: Global,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Print what `apply` would change
    ///
    /// Without FILE: the file of this node that decides the value. Needs no root where that file is readable.
    /// Exits 1 when there are differences, as diff(1) does.
    #[command(after_long_help = "\
Examples:
  kubelet-tls diff                          # this node
  kubelet-tls diff kubeadm.yaml             # a file, before a cluster exists
  kubectl -n kube-system get cm kubelet-config -o 'jsonpath={.data.kubelet}' | kubelet-tls diff -")]
    Diff(Diff),
    /// Make the change, restart the kubelet, prove that it came back, report the CSR
    ///
    /// Without FILE: this node, as root. With FILE only the files are edited: no systemd, no API, no root needed.
    #[command(after_long_help = "\
Examples:
  kubelet-tls apply                         # this node; prints the diff and the request's name
  kubelet-tls apply --wait issued           # also wait until the certificate is served and verifies
  kubelet-tls apply kubeadm.yaml            # a file, before `kubeadm init --config kubeadm.yaml`
  kubelet-tls apply - <in.yaml >out.yaml    # a pipe")]
    Apply(Apply),
    /// Print the node's conditions, each with its evidence and what to do about it
    ///
    /// What the kubelet really runs with, whether it is healthy, what it serves on every address of its Node, and
    /// whether the next upgrade leaves it so. What cannot be seen is Unknown. Exits 1 when a condition is not True.
    #[command(after_long_help = "\
Examples:
  kubelet-tls status
  kubelet-tls status -o json | jq -r '.conditions[] | select(.status != \"True\") | .type, .hint'")]
    Status(Status),
    /// Print the name of this node's newest kubelet-serving CSR
    ///
    /// Asks the API server with the kubelet's own credential. Exits 1 when there is none.
    #[command(after_long_help = "\
Examples:
  kubectl certificate approve $(kubelet-tls csr)
  kubelet-tls csr -o json | jq .csr.ipAddresses")]
    Csr(Csr),
    /// Undo the last `apply`, byte for byte, with the same gate
    ///
    /// Shows the inverse diff, puts the old bytes back, restarts the kubelet and proves that it came back; if it does not,
    /// what was applied stands again. Refuses a file that somebody has edited since.
    #[command(after_long_help = "\
Examples:
  kubelet-tls rollback --dry-run            # the diff alone
  kubelet-tls rollback")]
    Rollback(Rollback),
    /// Print a completion script, for packagers
    #[command(after_long_help = "\
Examples:
  kubelet-tls completions bash >/usr/share/bash-completion/completions/kubelet-tls
  kubelet-tls completions zsh >/usr/share/zsh/vendor-completions/_kubelet-tls
  kubelet-tls completions fish >/usr/share/fish/vendor_completions.d/kubelet-tls.fish")]
    Completions(Completions),
    /// Print a manual page, for packagers
    ///
    /// The main one, or that of PAGE. `-o name` prints the names of all pages, one a line.
    #[command(after_long_help = "\
Examples:
  kubelet-tls man | man -l -
  for page in $(kubelet-tls man -o name); do kubelet-tls man $page >$page.1; done")]
    Man(Man),
}

/// Options that every verb takes.
#[derive(Debug, Args)]
pub struct Global {
    /// How to print the answer; json and yaml print one document on standard output and nothing else there
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Say less on standard error
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more on standard error
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// How the answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// for people
    Text,
    /// the result document as JSON
    Json,
    /// the result document as YAML
    Yaml,
    /// names alone, one a line
    Name,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// on a terminal, and as NO_COLOR and CLICOLOR_FORCE say
    Auto,
    /// always
    Always,
    /// never
    Never,
}

/// Which files `diff` and `apply` work on, and what they want of them.
#[derive(Debug, Args)]
pub struct Selection {
    /// Kubelet or kubeadm YAML or JSON files; - is standard input, with the result on standard output
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Edit this kubeadm file too, in the same plan (repeatable)
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub kubeadm_config: Vec<PathBuf>,
    /// The opposite: `serverTLSBootstrap: false`, as carefully
    #[arg(long)]
    pub disable: bool,
    /// The node's files lie under DIR (an image, a chroot); systemd and the API are left alone
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    pub root: Option<PathBuf>,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The files
    #[command(flatten)]
    pub selection: Selection,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// The files
    #[command(flatten)]
    pub selection: Selection,
    /// Everything but the change; the same output
    #[arg(long)]
    pub dry_run: bool,
    /// When to restart the kubelet; auto: only if something changed, or the kubelet is older than its config
    #[arg(long, value_enum, default_value_t = Restart::Auto, value_name = "WHEN")]
    pub restart: Restart,
    /// How far to wait: the CSR exists, its certificate is being served and verifies, or not at all
    #[arg(long, value_enum, default_value_t = Wait::Csr, value_name = "WHAT")]
    pub wait: Wait,
    /// How long to wait for that, such as 90s, 2m or 1h30m
    #[arg(long, value_parser = duration, default_value = "2m", value_name = "DURATION")]
    pub timeout: Duration,
    /// How long the kubelet must stay up and answer before it counts as healthy
    #[arg(long, value_parser = duration, default_value = "5s", value_name = "DURATION")]
    pub settle: Duration,
    /// Talk to the API as this kubeconfig says [default: the kubelet's own]
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub kubeconfig: Option<PathBuf>,
}

impl Apply {
    /// An `apply` of the same files to type next, with other options: `kubelet-tls apply --disable --restart never`.
    pub fn again(&self, disable: bool, options: &str) -> String {
        let disable = if disable { " --disable" } else { "" };
        let files = self.selection.kubeadm_config.iter();
        let files: String = files
            .map(|path| format!(" --kubeadm-config {}", path.display()))
            .collect();
        format!("kubelet-tls apply{disable}{files} {options}")
            .trim_end()
            .to_owned()
    }
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Talk to the API as this kubeconfig says [default: the kubelet's own]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Arguments of `csr`.
#[derive(Debug, Args)]
pub struct Csr {
    /// Talk to the API as this kubeconfig says [default: the kubelet's own]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    /// Everything but the change; the same output
    #[arg(long)]
    pub dry_run: bool,
    /// When to restart the kubelet; auto: only if something changed, or the kubelet is older than its config
    #[arg(long, value_enum, default_value_t = Restart::Auto, value_name = "WHEN")]
    pub restart: Restart,
    /// How long the kubelet must stay up and answer before it counts as healthy
    #[arg(long, value_parser = duration, default_value = "5s", value_name = "DURATION")]
    pub settle: Duration,
    /// The node's files lie under DIR (an image, a chroot); systemd is left alone
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Which page, such as kubelet-tls-apply
    #[arg(
        value_name = "PAGE",
        default_value = "kubelet-tls",
        hide_default_value = true
    )]
    pub page: String,
}

/// When `apply` and `rollback` restart the kubelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Restart {
    /// only if something changed, or the kubelet is older than its config
    Auto,
    /// never
    Never,
    /// always
    Always,
}

/// How far `apply` waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wait {
    /// until the request exists
    Csr,
    /// until its certificate is served and verifies
    Issued,
    /// not at all
    None,
}

/// Reads a duration as Go and humantime write them: `90s`, `1m30s`, `1.5h`, `2 minutes`.
///
/// # Errors
/// What is wrong with it, for clap to print.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "not a duration; write it as 90s, 2m or 1h30m".to_owned())?;
    let duration =
        Duration::try_from(parsed).map_err(|_| "a duration cannot be negative".to_owned())?;
    // As Go's; more could not be added to a clock without an overflow.
    if duration > Duration::from_nanos(i64::MAX.unsigned_abs()) {
        return Err("longer than 292 years".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_read_as_go_and_humantime_write_them() {
        for (text, millis) in [
            ("2m", 120_000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
            ("2 minutes", 120_000),
            ("1m 30s", 90_000),
            ("2min", 120_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "2x",
            "-3s",
            "1y",
            "soon",
            "2562048h",
            "9223372036854775807s",
            "99999999999999999999h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
