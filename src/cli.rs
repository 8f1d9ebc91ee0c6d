//! The command line. The doc comments here are the manual.

mod cluster;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

pub use cluster::{Cluster, ClusterApply, ClusterDiff, ClusterVerb};

use crate::hint::path_word;
use crate::metrics_server;

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
  kubelet-tls apply --issue-first           # the certificate before the restart: no outage of port 10250
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
    ///
    /// With --check it compares the subject and every name that the request asks for with the node's name, the host's
    /// name, the addresses of the interfaces, and the kubelet's --node-ip and --hostname-override. It prints the name only
    /// when nothing differs, and exits 1 otherwise. With --cloud-provider the cloud gives a Node names and addresses that
    /// no interface has: those are warnings.
    #[command(after_long_help = "\
Examples:
  kubectl certificate approve $(kubelet-tls csr)
  kubelet-tls csr --check
  kubelet-tls csr -o json | jq .csr.ipAddresses")]
    Csr(Csr),
    /// Undo the last `apply`, byte for byte, with the same gate
    ///
    /// Shows the inverse diff, puts the old bytes back, restarts the kubelet and proves that it came back; if it does not,
    /// what was applied stands again. Refuses a file that somebody has edited since.
    #[command(after_long_help = "\
Examples:
  kubelet-tls rollback --dry-run            # the diff alone
  kubelet-tls rollback
  kubelet-tls rollback --cluster            # what the last `cluster apply` changed")]
    Rollback(Rollback),
    /// On a control plane: check every rule, then approve; refuse what breaks one
    ///
    /// The signer checks little, and a kubelet writes its own Node's addresses: whoever holds one node's credential can
    /// ask for another node's address or the API server's. This holds each request against all Nodes, Services and the
    /// API server, and approves it only if every rule holds; else it names the rule and the value that breaks it. It
    /// approves what it judged: a request that changes meanwhile is judged anew. It denies nothing unless told to.
    ///
    /// Exits 78 when a request given by name or --node is refused, 65 when there is no such request; the others still
    /// go through. One that is approved already is done.
    #[command(after_long_help = "\
Examples:
  kubelet-tls approve --all --dry-run                # all that are pending, each with its verdict
  kubelet-tls approve csr-jcdc4
  kubelet-tls approve --node worker-1 --node worker-2
  kubelet-tls approve --all -o json | jq '.requests[] | select(.approved | not) | .name, .rule'")]
    Approve(Approve),
    /// Make the same change in the ConfigMap that `kubeadm join` and `kubeadm upgrade` copy
    #[command(after_long_help = "\
Examples:
  kubelet-tls cluster diff                  # what would change, and which nodes run without it
  kubelet-tls cluster apply                 # once per cluster; no node changes before it joins or is upgraded")]
    Cluster(Cluster),
    /// Write a kustomization that runs metrics-server with both its TLS channels verified
    ///
    /// A CA made for this, a serving certificate, the APIService with its `caBundle`, and the Deployment's arguments
    /// without `--kubelet-insecure-tls`, as an overlay over the official manifest. Nothing is asked of a cluster. Run
    /// again over the same DIR, it renews the certificate where that is due and otherwise changes nothing.
    /// With --check it writes nothing and examines a metrics-server that runs. Exits 1 when a condition is not True.
    #[command(after_long_help = "\
Examples:
  kubelet-tls metrics-server --out metrics-server && kubectl apply -k metrics-server
  kubelet-tls metrics-server --out DIR --base components.yaml   # over a manifest of your own
  kubelet-tls metrics-server --out DIR --format helm            # values for the official chart
  kubelet-tls metrics-server --check                            # which of the two channels is broken")]
    MetricsServer(MetricsServer),
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
    /// How far to wait: the CSR exists, its certificate is being served and verifies, or not at all [default: csr; with
    /// --issue-first: issued]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub wait: Option<Wait>,
    /// How long to wait for that, such as 90s, 2m or 1h30m
    #[arg(long, value_parser = duration, default_value = "2m", value_name = "DURATION")]
    pub timeout: Duration,
    /// How long the kubelet must stay up and answer before it counts as healthy
    #[arg(long, value_parser = duration, default_value = "5s", value_name = "DURATION")]
    pub settle: Duration,
    /// Get the certificate issued before the restart, so that no TLS handshake on :10250 ever fails; with --wait csr in
    /// two steps: the request now, the switch when the same command is run after the approval
    #[arg(long, conflicts_with_all = ["files", "disable", "root"])]
    pub issue_first: bool,
    /// Talk to the API as this kubeconfig says [default: the kubelet's own]
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub kubeconfig: Option<PathBuf>,
}

impl Apply {
    /// How far to wait. Whoever wants the certificate first waits for it.
    pub fn wait(&self) -> Wait {
        self.wait.unwrap_or(if self.issue_first {
            Wait::Issued
        } else {
            Wait::Csr
        })
    }

    /// An `apply` of the same files to type next, with other options: `kubelet-tls apply --disable --restart never`.
    pub fn again(&self, disable: bool, options: &str) -> String {
        let disable = if disable { " --disable" } else { "" };
        let files = self.selection.kubeadm_config.iter();
        let files: String = files
            .map(|path| format!(" --kubeadm-config {}", path_word(path)))
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
    /// Compare what it asks for with what this machine knows of itself, before anybody approves it
    #[arg(long)]
    pub check: bool,
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
    /// Undo the last `cluster apply` of this user on this machine instead
    #[arg(long, conflicts_with_all = ["restart", "settle", "root"])]
    pub cluster: bool,
    /// With --cluster: talk to the API as this kubeconfig says [default: $KUBECONFIG, else /etc/kubernetes/admin.conf]
    #[arg(long, value_name = "FILE", requires = "cluster")]
    pub kubeconfig: Option<PathBuf>,
}

/// Arguments of `approve`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["requests", "nodes", "all"]))]
pub struct Approve {
    /// Requests, by name
    #[arg(value_name = "CSR", value_parser = request_name)]
    pub requests: Vec<String>,
    /// The pending requests of this node (repeatable)
    #[arg(long = "node", value_name = "NODE")]
    pub nodes: Vec<String>,
    /// All pending kubelet-serving requests
    #[arg(long, conflicts_with_all = ["requests", "nodes"])]
    pub all: bool,
    /// The verdicts alone
    #[arg(long)]
    pub dry_run: bool,
    /// Deny what breaks a rule; its kubelet asks again at once
    #[arg(long)]
    pub deny: bool,
    /// The longest life of a certificate to vouch for, such as 1y, 90d or 12h
    #[arg(long, value_parser = lifetime, default_value = "1y", value_name = "DURATION")]
    pub max_duration: Duration,
    /// How long all of it may take, such as 90s, 2m or 1h30m
    #[arg(long, value_parser = duration, default_value = "2m", value_name = "DURATION")]
    pub timeout: Duration,
    /// Talk to the API as this kubeconfig says [default: $KUBECONFIG, else /etc/kubernetes/admin.conf]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Arguments of `metrics-server`.
#[derive(Debug, Args)]
pub struct MetricsServer {
    /// Write the files into DIR; it is made where there is none
    #[arg(long, value_name = "DIR", required_unless_present = "check")]
    pub out: Option<PathBuf>,
    /// Examine a metrics-server that runs
    #[arg(long, conflicts_with_all = ["out", "base", "format", "kubelet_ca", "control_plane_ca", "namespace", "service",
        "cluster_domain", "duration", "renew_before", "keep_ca_key"])]
    pub check: bool,
    /// The manifest below: an https URL, or a file, which is copied into DIR [default: that of the official release]
    #[arg(long, value_name = "URL|FILE")]
    pub base: Option<String>,
    /// For which tool
    #[arg(long, value_enum, default_value_t = Packaging::Kustomize, value_name = "TOOL")]
    pub format: Packaging,
    /// Verify the kubelets against the CAs in FILE [default: the CA in every pod, which kubeadm's kubelets have]
    #[arg(long, value_name = "FILE", conflicts_with = "control_plane_ca")]
    pub kubelet_ca: Option<PathBuf>,
    /// Verify the kubelets against /etc/kubernetes/pki/ca.crt of the control-plane node that it then runs on
    #[arg(long)]
    pub control_plane_ca: bool,
    /// The namespace, which must exist
    #[arg(long, value_parser = metrics_server::namespace, default_value = "kube-system", value_name = "NAME")]
    pub namespace: String,
    /// What the Service is called
    #[arg(long, value_parser = metrics_server::service, default_value = "metrics-server", value_name = "NAME")]
    pub service: String,
    /// The cluster's DNS domain
    #[arg(long, value_parser = metrics_server::cluster_domain, default_value = "cluster.local", value_name = "DOMAIN")]
    pub cluster_domain: String,
    /// How long the certificate lives, such as 1y, 90d or 12h
    #[arg(long, value_parser = lifetime, default_value = "1y", value_name = "DURATION")]
    pub duration: Duration,
    /// How long before its end it is renewed
    #[arg(long, value_parser = lifetime, default_value = "30d", value_name = "DURATION")]
    pub renew_before: Duration,
    /// Keep the CA's key in DIR, so that the next certificate is of the same CA
    #[arg(long)]
    pub keep_ca_key: bool,
    /// With --check: talk to the API as this kubeconfig says [default: $KUBECONFIG, else /etc/kubernetes/admin.conf]
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub kubeconfig: Option<PathBuf>,
}

/// For which tool `metrics-server` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Packaging {
    /// kubectl apply -k
    Kustomize,
    /// values for the official chart
    Helm,
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
    if duration > LONGEST {
        return Err(TOO_LONG.to_owned());
    }
    Ok(duration)
}

/// Reads a lifetime: as [`duration`], and with years (of 365 days), weeks and days before: `1y`, `90d`, `1y12h`.
///
/// # Errors
/// What is wrong with it, for clap to print.
pub fn lifetime(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()) {
        let (number, unit) = rest.split_at(end);
        let mut letters = unit.chars();
        let days = match (letters.next(), letters.clone().next()) {
            // `days`, `weeks` and `years` are for `duration` to refuse.
            (_, Some(next)) if next.is_ascii_alphabetic() => break,
            (Some('y'), _) => 365,
            (Some('w'), _) => 7,
            (Some('d'), _) => 1,
            _ => break,
        };
        let term = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(days * 24 * 3600));
        sum = term
            .and_then(|term| sum.checked_add(Duration::from_secs(term)))
            .filter(|sum| *sum <= LONGEST)
            .ok_or(TOO_LONG)?;
        rest = letters.as_str();
    }
    if sum > Duration::ZERO && rest.is_empty() {
        return Ok(sum);
    }
    let rest = duration(rest).map_err(|error| match error.as_str() {
        "not a duration; write it as 90s, 2m or 1h30m" => {
            "not a lifetime; write it as 1y, 90d or 12h".to_owned()
        }
        _ => error,
    })?;
    sum.checked_add(rest)
        .filter(|sum| *sum <= LONGEST)
        .ok_or_else(|| TOO_LONG.to_owned())
}

/// Reads a request's name, with or without its kind before it, as `kubectl get csr -o name` prints it.
///
/// # Errors
/// When no object can be called so.
pub fn request_name(text: &str) -> Result<String, String> {
    let kinds = [
        "csr/",
        "certificatesigningrequest/",
        "certificatesigningrequest.certificates.k8s.io/",
    ];
    let name = kinds
        .iter()
        .find_map(|kind| text.strip_prefix(kind))
        .unwrap_or(text);
    // What may be a segment of a path (apimachinery, pkg/api/validation/path).
    if matches!(name, "" | "." | "..") || name.contains(['/', '%']) {
        return Err("not a request's name".to_owned());
    }
    Ok(name.to_owned())
}

/// As Go's; more could not be added to a clock without an overflow.
const LONGEST: Duration = Duration::from_nanos(i64::MAX.unsigned_abs());
const TOO_LONG: &str = "longer than 292 years";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn lifetimes_have_years_weeks_and_days_too() {
        const HOUR: u64 = 3600;
        for (text, hours) in [
            ("1y", 365 * 24),
            ("90d", 90 * 24),
            ("2w", 14 * 24),
            ("1y2w3d", (365 + 14 + 3) * 24),
            ("1y12h", 365 * 24 + 12),
            ("0d12h", 12),
            ("12h", 12),
            ("0", 0),
            ("292y", 292 * 365 * 24),
        ] {
            assert_eq!(
                lifetime(text),
                Ok(Duration::from_secs(hours * HOUR)),
                "{text}"
            );
        }
        for text in [
            "",
            "y",
            "1",
            "-1y",
            "1y-1h",
            "1.5y",
            "1yy",
            "1 y",
            "293y",
            "99999999999999999999y",
            "soon",
            "1y5",
        ] {
            assert!(lifetime(text).is_err(), "{text} {:?}", lifetime(text));
        }
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

    #[test]
    fn lives_of_certificates() {
        let day = Duration::from_secs(86_400);
        for (text, life) in [("1y", day * 365), ("90d", day * 90), ("12h", day / 2)] {
            assert_eq!(lifetime(text), Ok(life), "{text}");
        }
        for text in ["", "y", "-1y", "1.5y", "soon", "999999999999999999y"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }

    #[test]
    fn requests_are_named_as_kubectl_names_them() {
        for text in [
            "csr-1",
            "csr/csr-1",
            "certificatesigningrequest.certificates.k8s.io/csr-1",
        ] {
            assert_eq!(request_name(text).as_deref(), Ok("csr-1"), "{text}");
        }
        for text in ["", "csr/", "..", "a/b", "a%2fb", "node/csr-1"] {
            assert!(request_name(text).is_err(), "{text}");
        }
    }
}
