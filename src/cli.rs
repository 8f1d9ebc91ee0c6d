//! The command line. The doc comments here are the manual.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

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

/// When `apply` restarts the kubelet.
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
}
