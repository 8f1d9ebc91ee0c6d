//! The command line of the verbs that are about a node or its files.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::text::hint::Command;

use super::values::{duration, written};
use super::{CONNECTION, HOW_FAR, WHAT};

/// Which files `diff` and `apply` work on, and what they want of them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = WHAT)]
pub struct Selection {
    /// Kubelet or kubeadm YAML or JSON files; - is standard input, with the result on standard output
    #[arg(value_name = "FILE", help_heading = None)]
    pub files: Vec<PathBuf>,
    /// Also edit this kubeadm config file (repeatable)
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub kubeadm_config: Vec<PathBuf>,
    /// Also write kubeadm's patch file in DIR, for kubeadm's own --patches (Kubernetes 1.25 and later)
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    pub patches: Option<PathBuf>,
    /// Set serverTLSBootstrap: false instead, with the same checks; with --api-server, remove the flag
    #[arg(long)]
    pub disable: bool,
    /// The other edit: kubelet-certificate-authority in a kube-apiserver manifest or a ClusterConfiguration
    #[arg(long, requires = "files", conflicts_with_all = ["kubeadm_config", "patches", "root"])]
    pub api_server: bool,
    /// Edit the node's files under DIR (an image, a chroot); systemd and the API are not used
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
#[derive(Debug, Clone, Args)]
pub struct Apply {
    /// The files
    #[command(flatten)]
    pub selection: Selection,
    /// Show what would be done, change nothing
    #[arg(long, help_heading = HOW_FAR)]
    pub dry_run: bool,
    /// When to restart the kubelet; auto: only if something changed, or the kubelet is older than its config
    #[arg(long, value_enum, default_value_t = RestartPolicy::Auto, value_name = "WHEN", conflicts_with = "files", help_heading = HOW_FAR)]
    pub restart: RestartPolicy,
    /// What to wait for before exiting [default: csr; with --issue-first: issued]
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "files", help_heading = HOW_FAR)]
    pub wait: Option<Wait>,
    /// How long to wait for that, such as 90s, 2m or 1h30m
    #[arg(long, value_parser = duration, default_value = "2m", value_name = "DURATION", conflicts_with = "files", help_heading = HOW_FAR)]
    pub timeout: Duration,
    /// How long the kubelet must stay up and answer before it counts as healthy
    #[arg(long, value_parser = duration, default_value = "5s", value_name = "DURATION", conflicts_with = "files", help_heading = HOW_FAR)]
    pub settle: Duration,
    /// Get the certificate issued before the restart, so that no TLS handshake on :10250 ever fails; with --wait csr in
    /// two steps: the request now, the switch when the same command is run after the approval
    #[arg(long, conflicts_with_all = ["files", "disable", "root"], help_heading = HOW_FAR)]
    pub issue_first: bool,
    /// Kubeconfig to use [default: the kubelet's own]
    #[arg(long, value_name = "FILE", conflicts_with = "files", help_heading = CONNECTION)]
    pub kubeconfig: Option<PathBuf>,
}

impl Apply {
    /// How far to wait. With `--issue-first` the default is to wait for the certificate.
    pub fn wait(&self) -> Wait {
        self.wait.unwrap_or(if self.issue_first {
            Wait::Issued
        } else {
            Wait::Csr
        })
    }

    /// The command line of this `apply`, with every option that is not the default. `--dry-run` is left out.
    pub fn command(&self) -> Command {
        let Self {
            selection,
            dry_run: _,
            restart,
            wait,
            timeout,
            settle,
            issue_first,
            kubeconfig,
        } = self;
        let restart = Some(*restart).filter(|restart| *restart != RestartPolicy::Auto);
        let command = Command::new("kubelet-tls")
            .arg("apply")
            .args(selection.disable.then_some("--disable"))
            .args(issue_first.then_some("--issue-first"))
            .options("--kubeadm-config", &selection.kubeadm_config)
            .options("--patches", &selection.patches)
            .options("--root", &selection.root)
            .options("--restart", restart.and_then(word))
            .options("--wait", wait.and_then(word))
            .options(
                "--timeout",
                (*timeout != TIMEOUT).then(|| written(*timeout)),
            )
            .options("--settle", (*settle != SETTLE).then(|| written(*settle)))
            .options("--kubeconfig", kubeconfig);
        match selection.files.is_empty() {
            true => command,
            false => command.arg("--").args(&selection.files),
        }
    }
}

/// The default of `--timeout`.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The default of `--settle`.
const SETTLE: Duration = Duration::from_secs(5);

/// A value from a fixed set, as it is typed.
fn word(value: impl ValueEnum) -> Option<String> {
    let value = value.to_possible_value()?;
    Some(value.get_name().to_owned())
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Also write this node's metrics to FILE (*.prom), atomically, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub textfile: Option<PathBuf>,
    /// Kubeconfig to use [default: the kubelet's own]
    #[arg(long, value_name = "FILE", help_heading = CONNECTION)]
    pub kubeconfig: Option<PathBuf>,
}

/// Arguments of `csr`.
#[derive(Debug, Args)]
pub struct Csr {
    /// Compare what it asks for with what this machine knows of itself, before it is approved
    #[arg(long)]
    pub check: bool,
    /// Kubeconfig to use [default: the kubelet's own]
    #[arg(long, value_name = "FILE", help_heading = CONNECTION)]
    pub kubeconfig: Option<PathBuf>,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
#[command(next_help_heading = HOW_FAR)]
pub struct Rollback {
    /// Show what would be done, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// When to restart the kubelet; auto: only if something changed, or the kubelet is older than its config
    #[arg(long, value_enum, default_value_t = RestartPolicy::Auto, value_name = "WHEN")]
    pub restart: RestartPolicy,
    /// How long the kubelet must stay up and answer before it counts as healthy
    #[arg(long, value_parser = duration, default_value = "5s", value_name = "DURATION")]
    pub settle: Duration,
    /// Undo in the node's files under DIR (an image, a chroot); systemd is not used
    #[arg(long, value_name = "DIR", help_heading = WHAT)]
    pub root: Option<PathBuf>,
    /// With --root: a kubeadm file that is undone too, if the image's receipt names it (repeatable)
    #[arg(long, value_name = "FILE", requires = "root", help_heading = WHAT)]
    pub kubeadm_config: Vec<PathBuf>,
    /// Undo the last `cluster apply` of this user on this machine instead
    #[arg(long, conflicts_with_all = ["restart", "settle", "root"], help_heading = WHAT)]
    pub cluster: bool,
    /// With --cluster: kubeconfig to use [default: as for cluster apply]
    #[arg(long, value_name = "FILE", requires = "cluster", help_heading = CONNECTION)]
    pub kubeconfig: Option<PathBuf>,
    /// With --cluster: context of the kubeconfig to use [default: its current-context]
    #[arg(long, value_name = "NAME", requires = "cluster", help_heading = CONNECTION)]
    pub context: Option<String>,
}

/// When `apply` and `rollback` restart the kubelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RestartPolicy {
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::{Cli, Verb};

    /// A hint that repeats a command line must not lose an option, whichever are added later.
    #[test]
    fn a_command_line_is_repeated_with_all_its_options() {
        for line in [
            "kubelet-tls apply",
            "kubelet-tls apply --disable --kubeadm-config a --kubeadm-config b --patches p --root r --restart never --wait none --timeout 90s --settle 1500ms",
            "kubelet-tls apply --issue-first --restart always --wait csr --kubeconfig k",
            "kubelet-tls apply -- a.yaml -",
        ] {
            let Verb::Apply(apply) = Cli::parse_from(line.split(' ')).verb else {
                panic!("{line}");
            };
            assert_eq!(apply.command().to_string(), line);
        }
    }
}
