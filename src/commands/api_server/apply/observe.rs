//! What `api-server apply` observes on a control-plane node, under its locks, before anything is touched.

use std::time::{Duration, Instant};

use crate::apply::Locks;
use crate::cli;
use crate::commands::api_server::execute::{ManifestOutcome, ManifestRun, Purpose};
use crate::commands::api_server::nodes::AskedNodes;
use crate::commands::api_server::observe::{self, SeenManifest};
use crate::commands::api_server::receipts::{Interrupted, ManifestReceipts};
use crate::commands::api_server::{approver, decide as edits, survey};
use crate::commands::{Ui, admin, files, selection};
use crate::edit::api_server::{Manifest, Verification};
use crate::host::control_planes::control_planes;
use crate::node::{ConfigMap, NodeSurvey, OtherControlPlanes};
use crate::plan::Target;
use crate::receipt::ReceiptState;
use crate::report::Problem;

use super::decide::{KubeadmConfig, Observed, Options};

/// How long the nodes may be looked at in all.
const BUDGET: Duration = Duration::from_secs(60);
/// How long each other question may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// A control-plane node under the lock of one run, as far as it was observed.
pub(super) struct ManifestSite<'a> {
    pub(super) run: ManifestRun<'a>,
    pub(super) wanted: Verification,
    /// The CA that the flag names in this manifest, if that is known.
    pub(super) ca_file: Option<String>,
    /// The CA that the process of this API server has to name; `None` if it is to verify none.
    pub(super) kubelet_ca: Option<String>,
    pub(super) observed: Observed,
}

impl<'a> ManifestSite<'a> {
    /// Locks the node, reads the manifest, looks at the process and asks the API.
    ///
    /// # Errors
    /// What cannot be read, or is refused. Nothing was changed.
    pub(super) fn open(arguments: &'a cli::ApiServerApply, ui: &'a Ui) -> Result<Self, Problem> {
        let wanted = selection::verification(arguments.disable);
        // Before the lock, so that a node without a manifest is told what it is.
        observe::manifest(&arguments.manifest)?;
        let locking = selection::locking(arguments.waiting.dry_run);
        let paths = [arguments.manifest.as_path()];
        let root = crate::host::files::Root::host();
        let locks = Locks::of_node(&root, paths, locking)?;
        let mut receipts = ManifestReceipts::open(ui)?;
        let seen = observe::manifest(&arguments.manifest)?;
        let edit = edits::edit(&seen, wanted)?;
        let interrupted = receipts.interrupted(&seen.path, &seen.bytes, ui);
        settle_unmade(&mut receipts, &interrupted, arguments.waiting.dry_run, ui);
        let run = ManifestRun {
            ui,
            waiting: &arguments.waiting,
            purpose: Purpose::Apply(wanted),
            locks,
            receipts,
            flags: observe::flags(&edit)?,
            admin: admin::open(&arguments.access)?,
            nodes: AskedNodes::new(arguments.except.clone()),
            outcome: ManifestOutcome::default(),
        };
        let ca_file = edits::expected_ca(&seen);
        let is_expected = wanted == Verification::Enabled;
        let mut site = Self {
            wanted,
            kubelet_ca: ca_file.clone().filter(|_| is_expected),
            ca_file,
            observed: Observed {
                edit,
                interrupted,
                twins: seen.twins.clone(),
                instance: run.check().healthy(),
                nodes: None,
                others: OtherControlPlanes::default(),
                approver: None,
                kubeadm: KubeadmConfig::Unread,
            },
            run,
        };
        site.look(&seen, &arguments.except)?;
        Ok(site)
    }

    /// What is asked for.
    pub(super) fn options(&self) -> Options<'_> {
        Options {
            wanted: self.wanted,
            kubelet_ca: self.kubelet_ca.as_deref(),
        }
    }

    /// Asks the API and the nodes.
    fn look(&mut self, seen: &SeenManifest, excepted: &[String]) -> Result<(), Problem> {
        let is_unproved = self.observed.edit.changes() || self.observed.interrupted.is_made();
        let roots = match self.wanted == Verification::Enabled && is_unproved {
            true => Some(roots(seen)?),
            false => None,
        };
        // What is refused without the API needs no API; and an interrupted run may have left none.
        let Ok(process) = self.observed.instance.clone() else {
            return Ok(());
        };
        if !seen.twins.is_empty() {
            return Ok(());
        }
        self.observed.others = self.others()?;
        let configuration = self.configuration()?;
        self.observed.kubeadm = self.compare(configuration.as_ref())?;
        if let Some((manifest, roots)) = roots {
            self.observed.nodes = Some(self.survey(&manifest, &roots, excepted)?);
            let approver = approver::seen(&self.run.admin, Instant::now() + DEADLINE);
            self.observed.approver = Some(approver::notice(&approver));
        }
        let is_settled = !self.observed.edit.changes()
            && self.observed.interrupted == Interrupted::No
            && process.kubelet_ca() == self.kubelet_ca.as_deref();
        if is_settled {
            return Ok(());
        }
        let ready = match &self.observed.nodes {
            Some(nodes) => nodes.ready().into_iter().map(str::to_owned).collect(),
            None => AskedNodes::list(&self.run.admin)?,
        };
        self.run.ask_before(&process, ready);
        Ok(())
    }

    fn survey(
        &self,
        manifest: &Manifest,
        roots: &[Vec<u8>],
        excepted: &[String],
    ) -> Result<NodeSurvey, Problem> {
        self.run.ui.wait_for("the nodes' kubelets");
        let end = Instant::now() + BUDGET;
        let nodes = survey::survey(&self.run.admin, manifest, roots, end);
        self.run.ui.waited();
        survey::except(nodes?, excepted)
    }

    /// The other control-plane nodes.
    ///
    /// # Errors
    /// When the API does not say.
    pub(super) fn others(&self) -> Result<OtherControlPlanes, Problem> {
        let planes = control_planes(&self.run.admin, Instant::now() + DEADLINE)
            .map_err(|error| admin::problem("list", "nodes and pods", &error))?;
        let (own, kubelet_ca) = (&self.run.flags.0, self.kubelet_ca.as_deref());
        Ok(OtherControlPlanes::of(&planes, own, kubelet_ca))
    }

    /// kubeadm's configuration of the cluster; none if kubeadm did not create it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn configuration(&self) -> Result<Option<ConfigMap>, Problem> {
        observe::kubeadm_config(&self.run.admin, Instant::now() + DEADLINE)
    }

    /// Compares it with what is wanted.
    ///
    /// # Errors
    /// When its edit is refused.
    pub(super) fn compare(&self, seen: Option<&ConfigMap>) -> Result<KubeadmConfig, Problem> {
        let Some(seen) = seen else {
            return Ok(KubeadmConfig::Absent);
        };
        let decided = edits::configuration(seen, self.ca_file.as_deref(), self.wanted)?;
        Ok(match decided.edit.changes() {
            true => KubeadmConfig::Differs,
            false => KubeadmConfig::Agrees,
        })
    }
}

/// A run that was interrupted before its edit, or after it had undone it, is over.
fn settle_unmade(
    receipts: &mut ManifestReceipts,
    interrupted: &Interrupted,
    dry_run: bool,
    ui: &Ui,
) {
    if *interrupted != Interrupted::NotMade || dry_run {
        return;
    }
    let state = receipts.store().receipt().map(|receipt| receipt.undone());
    receipts.end(state.unwrap_or(ReceiptState::PutBack), ui);
}

fn roots(seen: &SeenManifest) -> Result<(Manifest, Vec<Vec<u8>>), Problem> {
    let target = Target::File(seen.path.clone());
    let manifest = Manifest::read(&seen.bytes)
        .map_err(|refusal| files::refused(&target, &refusal, files::Whose::Node))?;
    let roots = survey::roots(&manifest)?;
    Ok((manifest, roots))
}
