//! What `apply` observes on a node, under its locks, before anything is touched.

use std::path::PathBuf;
use std::time::Duration;

use crate::apply::{HEALTH_DEADLINE, HealthCheck, Locks, NodeReceipts};
use crate::cli;
use crate::commands::node::{self, Need, When};
use crate::commands::{Ui, files, selection};
use crate::host::files::Root;
use crate::host::kube::Api;
use crate::host::signals::Interrupts;
use crate::host::{clock, systemd};
use crate::kubelet::Bootstrap;
use crate::node::{Explanation, Kubelet};
use crate::plan::{Edit, Restart};
use crate::report::Problem;
use crate::text::hint::Command;

use super::cluster::{ClusterView, IssuableRequest};
use super::decide::{self, Decision, Observed, OpenRequest, Options};
use super::issue::Ready;
use super::run::NodeRun;
use super::spec::RunSpec;
use super::{EditStopped, drop_in, interrupted, receipts};

/// A node under the locks of one run, as far as it was observed.
pub(super) struct ApplySite<'a> {
    pub(super) arguments: &'a cli::Apply,
    pub(super) ui: &'a Ui,
    pub(super) locks: Locks,
    pub(super) receipts: NodeReceipts,
    pub(super) kubelet: Kubelet,
    pub(super) check: HealthCheck,
    pub(super) options: Options,
    pub(super) observed: Observed,
    /// What the API said; `None` if it was not asked.
    pub(super) cluster: Option<ClusterView>,
    /// The request that can still be issued.
    open: Option<IssuableRequest>,
}

impl<'a> ApplySite<'a> {
    /// Locks the node and reads its files; `None` if its service unit is to leave it alone.
    ///
    /// # Errors
    /// What cannot be read, or is refused. Nothing was changed, unless an interrupted run could be undone only in part.
    pub(super) fn open(
        arguments: &'a cli::Apply,
        ui: &'a Ui,
        interrupts: &Interrupts,
    ) -> Result<Option<Self>, EditStopped> {
        let selection = &arguments.selection;
        let options = Options::of(arguments)?;
        let need = match options.restart {
            cli::RestartPolicy::Never => Need::File,
            cli::RestartPolicy::Auto | cli::RestartPolicy::Always => Need::Unit,
        };
        let located = node::locate(selection.root.as_deref(), need, When::NextStart)?;
        let root = located.root.clone();
        if root.is_image() {
            files::image::check(&root, &located.path)?;
        }
        let paths = located.paths()?;
        let patch = selection.patches.as_deref();
        let patch = patch.map(|directory| files::patch_path(&root, directory));
        let patch = patch.transpose()?;
        let paths = paths.iter().chain(&selection.kubeadm_config).chain(&patch);
        let locking = selection::locking(arguments.dry_run);
        let locks = Locks::of_node(&root, paths.map(PathBuf::as_path), locking)
            .map_err(|error| located.unreadable(&error))?;
        let mut receipts = receipts::open(&root, ui)?;
        if drop_in::is_unwanted_service(&receipts, options.wanted, ui) {
            return Ok(None);
        }
        interrupted::undo_part(&locks, &mut receipts, arguments, ui, interrupts)?;
        // Looked at again under the lock: what another run did meanwhile is seen, and done no second time.
        let located = node::locate(selection.root.as_deref(), need, When::NextStart)?;
        let kubelet = located.read(ui)?;
        if root.is_image() {
            files::image::warn(&root, options.wanted, ui);
        }
        let edits = edits(&root, &kubelet, selection, options.wanted, ui)?;
        let observed = Observed {
            edits,
            interrupted: receipts.interrupted.clone(),
            is_running: kubelet.started.is_some(),
            is_behind: is_behind(&kubelet, options.wanted),
            sick: None,
            api: None,
        };
        if decide::completes(&observed) {
            say_completing(&receipts, ui);
        }
        let check = HealthCheck::of(&kubelet, arguments.settle, Some(options.wanted))
            .map_err(Problem::from)?;
        Ok(Some(Self {
            arguments,
            ui,
            locks,
            receipts,
            kubelet,
            check,
            options,
            observed,
            cluster: None,
            open: None,
        }))
    }

    /// Opens the API, if the plan depends on what it says.
    ///
    /// # Errors
    /// What keeps this from reaching it. Nothing was changed.
    pub(super) fn open_api(&self) -> Result<Option<Api>, Problem> {
        if !self.options.asks_api(&self.observed) || self.arguments.selection.root.is_some() {
            return Ok(None);
        }
        ClusterView::open(self.arguments, &self.kubelet).map(Some)
    }

    /// Asks the API what it knows of this node.
    ///
    /// # Errors
    /// What it refused. Nothing was changed.
    pub(super) fn ask(&mut self, api: Option<Api>) -> Result<(), Problem> {
        let Some(api) = api else {
            return Ok(());
        };
        let cluster = ClusterView::ask(api, self.arguments, &self.kubelet, self.ui)?;
        let seen = self
            .kubelet
            .unit
            .as_ref()
            .and_then(|unit| self.receipts.observed(&unit.invocation_id));
        self.open = cluster.open_request(seen);
        self.observed.api = Some(decide::ServingState {
            request: match &self.open {
                None => OpenRequest::No,
                Some(open) if open.sure => OpenRequest::OfThisStart,
                Some(_) => OpenRequest::Unsure,
            },
            keeps_certificate: cluster.kept.is_some(),
        });
        self.cluster = Some(cluster);
        Ok(())
    }

    /// Looks whether the kubelet is healthy, if it may be restarted. One that has only just started gets the time to
    /// answer that every start gets, but no more than `--timeout`.
    pub(super) fn look_at_health(&mut self) {
        let Some(unit) = self.kubelet.unit.as_ref() else {
            return;
        };
        if self.options.restart == cli::RestartPolicy::Never || decide::completes(&self.observed) {
            return;
        }
        let age = self
            .kubelet
            .started
            .and_then(|started| clock::now().duration_since(started).ok());
        let patience = age.map_or(Duration::ZERO, |age| {
            HEALTH_DEADLINE
                .saturating_sub(age)
                .min(self.arguments.timeout)
        });
        let ui = self.ui;
        let waiting = || {
            let seconds = age.unwrap_or_default().as_secs();
            ui.say(&format!(
                "{} started {seconds} s ago and does not answer yet; waiting for it",
                systemd::KUBELET
            ));
            ui.wait_for(format!("{} to answer", systemd::KUBELET));
        };
        let checked = self.check.check_start(unit, patience, waiting);
        self.observed.sick = checked.err().map(Explanation::of);
        ui.waited();
    }

    /// The command that rolls this node back.
    pub(super) fn rollback(&self) -> Command {
        Command::new("kubelet-tls")
            .arg("rollback")
            .options("--root", &self.arguments.selection.root)
    }

    /// The pending requests of which a restart loses the keys.
    pub(super) fn pending(&self) -> Vec<&str> {
        self.cluster
            .as_ref()
            .map(|cluster| cluster.listing.pending_besides(None))
            .unwrap_or_default()
    }

    /// The run that executes `decision`, with a certificate to install first where one was issued.
    pub(super) fn into_run(self, decision: Decision, ready: Option<Box<Ready>>) -> NodeRun<'a> {
        let restarts = decision.plan.restart != Restart::No;
        let mut cluster = self.cluster;
        if let (Some(cluster), Some(ready)) = (&mut cluster, &ready) {
            cluster.kept = Some(ready.certificate.clone());
        }
        NodeRun {
            spec: RunSpec::of(self.arguments),
            ui: self.ui,
            check: self.check,
            plan: decision.plan,
            completes: decision.completes,
            locks: self.locks,
            receipts: self.receipts,
            kubelet: self.kubelet,
            cluster,
            ready,
            open: self.open.filter(|_| !restarts),
        }
    }
}

/// Says whose change this run completes.
fn say_completing(receipts: &NodeReceipts, ui: &Ui) {
    let receipt = receipts.receipt();
    let by_start = receipt.and_then(|receipt| receipt.subject.probation);
    ui.say(match by_start {
        Some(_) => {
            "the kubelet's own start has made this change; checking the kubelet's health with it"
        }
        None => "an earlier run was interrupted after it had made this change; completing it",
    });
}

/// Whether a restart would bring another value. A flag that the kubelet runs with is not changed by a newer file.
fn is_behind(kubelet: &Kubelet, wanted: Bootstrap) -> bool {
    let by_flag = wanted == Bootstrap::Enabled && kubelet.is_enabled_by_flag();
    kubelet.is_behind(clock::now()) && (!by_flag || kubelet.flags_change)
}

/// The edits that the files need, the kubelet's own first.
fn edits(
    root: &Root,
    kubelet: &Kubelet,
    selection: &cli::Selection,
    wanted: Bootstrap,
    ui: &Ui,
) -> Result<Vec<Edit>, Problem> {
    let mut edits = vec![node::edit(kubelet, wanted, ui)?];
    for path in &selection.kubeadm_config {
        edits.push(files::of_kubeadm(root, path, wanted, ui)?);
    }
    if let Some(patches) = &selection.patches {
        edits.extend(files::of_patches(root, patches, wanted, ui)?);
    }
    Ok(edits)
}
