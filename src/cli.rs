//! The command line. The doc comments here are the manual.

mod api_server;
mod approve;
mod cluster;
mod metrics_server;
mod node;
pub(crate) mod pages;
pub(crate) mod program;
mod usage;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use api_server::{
    API_SERVER_MANIFEST, ApiServerApply, ApiServerDiff, ApiServerRollback, ApiServerStatus,
    ApiServerVerb, Waiting,
};
pub use approve::Approve;
pub use cluster::{ClusterApply, ClusterDiff, ClusterStatus, ClusterVerb};
pub use metrics_server::MetricsServer;
pub use node::{Apply, Csr, Diff, RestartPolicy, Rollback, Selection, Status, Wait};
pub use program::parse;
pub use usage::explain;
pub use values::{
    domain, duration, lifetime, name_or_ip, network, node_name, request_name, written,
};

/// The headings of options in the help.
pub(crate) const WHAT: &str = "What to edit";
pub(crate) const HOW_FAR: &str = "How far to go and to wait";
pub(crate) const CONNECTION: &str = "Connection";
pub(crate) const POLICY: &str = "Policy";
const OUTPUT: &str = "Output";

/// Give a kubeadm node's kubelet a CA-signed serving certificate
///
/// Sets `serverTLSBootstrap: true` in the file that this node's kubelet reads and changes no other byte. Restarts the
/// kubelet through systemd and checks that it is healthy, or rolls the change back. Reports the name of the CSR that the
/// kubelet creates.
#[derive(Debug, Parser)]
#[command(
    name = "kubelet-tls",
    version,
    max_term_width = 100,
    arg_required_else_help = false
)]
#[command(after_help = "\
Examples:
  kubelet-tls diff                          # what would change on this node
  sudo kubelet-tls apply --issue-first      # switch this node without an outage of port 10250
  kubelet-tls approve --all --dry-run       # on a control plane: which pending CSRs are good

Exit codes: 0 done or nothing to do · 1 differences, or no request · 64 usage · 65 refused input · \
69 systemd or API unavailable · 74 read or write failed · 75 out of time · 77 not permitted · \
78 refused, or rolled back")]
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
    /// Make the change, restart the kubelet, check that it is healthy, report the CSR
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
    /// whether the next upgrade keeps it. Anything that cannot be determined is reported as Unknown, with the reason.
    /// Exits 1 when a condition is not True.
    #[command(after_long_help = "\
Examples:
  kubelet-tls status
  kubelet-tls status -o prometheus
  kubelet-tls status -o json | jq -r '.conditions[] | select(.status != \"True\") | .type, .hint'")]
    Status(Status),
    /// Print the name of this node's newest kubelet-serving CSR
    ///
    /// Asks the API server with the kubelet's own credential. Exits 1 when the node has no such CSR.
    ///
    /// With --check it compares the subject and every name that the request asks for with the node's name, the host's
    /// name, the addresses of the interfaces, and the kubelet's --node-ip and --hostname-override. It prints the name only
    /// when nothing differs, and exits 1 otherwise. With --cloud-provider the cloud gives a Node names and addresses that
    /// no interface has: those are warnings.
    #[command(after_long_help = "\
Examples:
  kubelet-tls approve $(kubelet-tls csr)
  kubelet-tls csr --check
  kubelet-tls csr -o json | jq .csr.ipAddresses")]
    Csr(Csr),
    /// Undo the last `apply` exactly, restart the kubelet and check that it is healthy
    ///
    /// Shows the inverse diff, restores the old bytes, restarts the kubelet and checks that it is healthy. If the kubelet
    /// is not healthy, the change is restored. Refuses a file that was edited after the last `apply`.
    #[command(after_long_help = "\
Examples:
  kubelet-tls rollback --dry-run            # the diff alone
  kubelet-tls rollback
  kubelet-tls cluster rollback              # what the last `cluster apply` changed")]
    Rollback(Rollback),
    /// On a control plane: check pending CSRs against every rule, approve those that pass
    ///
    /// The signer checks little, and a kubelet writes its own Node's addresses: anyone with one node's credential can ask
    /// for another node's address or the API server's. This verb compares each request with all Nodes, Services and the
    /// API server, and approves it only if every rule holds. Otherwise it names the rule and the value that breaks it. A
    /// request that changes in the meantime is checked again. Nothing is denied without --deny.
    ///
    /// Exits 78 when a request is refused, 65 when a request that was named does not exist; the others are still
    /// approved. A request that is approved already counts as done.
    #[command(after_long_help = "\
Examples:
  kubelet-tls approve --all --dry-run                # all that are pending, each with its verdict
  kubelet-tls approve csr-jcdc4
  kubelet-tls approve --node worker-1 --node worker-2
  kubelet-tls approve --all -o json | jq '.requests[] | select(.approved | not) | .name, .rule'")]
    Approve(Approve),
    /// Make the same change in the cluster's ConfigMap; show every node's state
    #[command(after_long_help = "\
Examples:
  kubelet-tls cluster status                # which nodes are secured
  kubelet-tls cluster diff                  # what would change, and which nodes run without it
  kubelet-tls cluster apply                 # once per cluster; a node changes when it joins or is upgraded")]
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// On a control plane: have the API server verify kubelets
    #[command(after_long_help = "\
Examples:
  kubelet-tls api-server diff               # what would change on this control-plane node and in kubeadm-config
  kubelet-tls api-server apply              # on each control-plane node in turn
  kubelet-tls api-server rollback           # undo it exactly")]
    #[command(subcommand)]
    ApiServer(ApiServerVerb),
    /// Write a kustomization that runs metrics-server with both its TLS channels verified
    ///
    /// A new CA, a serving certificate, the APIService with its `caBundle`, and the Deployment's arguments without
    /// `--kubelet-insecure-tls`, as an overlay over the official manifest. No cluster is needed. Run again with the same
    /// DIR, it renews the certificate if that is due and otherwise changes nothing.
    /// With --check it writes nothing and examines a running metrics-server. Exits 1 when a condition is not True.
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
    /// The page of the program, or of a verb. `-o name` prints the names of all pages, one per line.
    #[command(after_long_help = "\
Examples:
  kubelet-tls man | man -l -
  kubelet-tls man apply | man -l -
  for page in $(kubelet-tls man -o name); do kubelet-tls man $page >$page.1; done")]
    Man(Man),
}

/// Options that every verb takes.
#[derive(Debug, Args)]
#[command(next_help_heading = OUTPUT)]
pub struct Global {
    /// Output format
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
    /// When to use colors
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Only print warnings and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print more detail
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// How the answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// for people
    Text,
    /// the result document as JSON, and nothing else on standard output
    Json,
    /// the result document as YAML, and nothing else on standard output
    Yaml,
    /// only names, one per line
    Name,
    /// metrics in Prometheus' text format, of `status` and `cluster status`
    Prometheus,
}

/// When to use colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// on a terminal, unless NO_COLOR or CLICOLOR_FORCE is set
    Auto,
    /// always
    Always,
    /// never
    Never,
}

/// How the verbs for administrators find the API server and a credential.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = CONNECTION)]
pub struct Access {
    /// Kubeconfig to use [default: $KUBECONFIG, a list is merged; else ~/.kube/config, a pod's service account, or
    /// /etc/kubernetes/admin.conf]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig to use [default: its current-context]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
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
    /// The verb, such as apply or cluster apply, or the name of its page
    #[arg(value_name = "PAGE")]
    pub page: Vec<String>,
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
