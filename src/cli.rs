//! The command line. The doc comments here are the manual.

mod cluster;
mod metrics_server;
mod node;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

pub use cluster::{Cluster, ClusterApply, ClusterDiff, ClusterVerb};
pub use metrics_server::{MetricsServer, Packaging};
pub use node::{Apply, Csr, Diff, Restart, Rollback, Selection, Status, Wait};
pub use values::{duration, lifetime, request_name};

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
    /// Print the JSON Schema of a result document
    ///
    /// `-o name` prints all kinds of documents, one a line.
    #[command(after_long_help = "\
Examples:
  kubelet-tls schema ApplyResult
  kubelet-tls schema -o name")]
    Schema(Schema),
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

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// The document's kind, such as ApplyResult
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
