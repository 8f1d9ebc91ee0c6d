//! What `api-server apply` observes on a control-plane node, under its locks, before anything is touched.

use std::time::{Duration, Instant};

use crate::apply::{InstanceCheck, Locks};
use crate::cli;
use crate::commands::api_server::nodes::AskedNodes;
use crate::commands::api_server::observe::{self, SeenManifest};
use crate::commands::api_server::receipts::{Interrupted, ManifestReceipts};
use crate::commands::api_server::{approver, decide as edits, survey};
use crate::commands::{Ui, admin, files, selection};
use crate::edit::api_server::{Manifest, Verification};
use crate::host::control_planes::control_planes;
use crate::host::kube::Admin;
use crate::node::{ConfigMap, NodeSurvey, OtherControlPlanes};
use crate::plan::{Edit, Target};
use crate::receipt::ReceiptState;
use crate::report::Problem;

use super::decide::{KubeadmConfig, Observed, Options};

/// How long the nodes may be looked at in all.
const BUDGET: Duration = Duration::from_secs(60);
/// How long each other question may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// A control-plane node under the lock of one run, as far as it was observed.
pub(super) struct ManifestSite<'a> {
    pub(super) ui: &'a Ui,
    pub(super) waiting: &'a cli::Waiting,
    pub(super) wanted: Verification,
    pub(super) locks: Locks,
    pub(super) receipts: ManifestReceipts,
    pub(super) admin: Admin,
    /// The flags of the manifest as it is, and as it will be.
    pub(super) flags: (Vec<String>, Vec<String>),
    /// The CA that the flag names in this manifest, if that is known.
    pub(super) ca_file: Option<String>,
    /// The Ready nodes, asked through this API server before the change.
    pub(super) nodes: AskedNodes,
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
        let flags = observe::flags(&edit)?;
        let admin = admin::open(&arguments.access)?;
        let ca_file = edits::expected_ca(&seen);
        let looked = Looker {
            ui,
            admin: &admin,
            flags: &flags.0,
            wanted,
            ca_file: ca_file.as_deref(),
        }
        .look(&seen, arguments, edit, interrupted)?;
        Ok(Self {
            ui,
            waiting: &arguments.waiting,
            wanted,
            locks,
            receipts,
            flags,
            ca_file,
            nodes: looked.nodes,
            observed: looked.observed,
            admin,
        })
    }

    /// What is asked for.
    pub(super) fn options(&self) -> Options<'_> {
        Options {
            wanted: self.wanted,
            kubelet_ca: kubelet_ca(self.wanted, self.ca_file.as_deref()),
        }
    }

    /// How this node's API server is watched.
    pub(super) fn check(&self) -> InstanceCheck<'_> {
        InstanceCheck {
            admin: &self.admin,
            flags: &self.flags.0,
            settle: self.waiting.settle,
            timeout: self.waiting.timeout,
        }
    }
}

fn kubelet_ca(wanted: Verification, ca_file: Option<&str>) -> Option<&str> {
    ca_file.filter(|_| wanted == Verification::Enabled)
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

/// What the API and the process table are asked.
struct Looker<'a> {
    ui: &'a Ui,
    admin: &'a Admin,
    flags: &'a [String],
    wanted: Verification,
    ca_file: Option<&'a str>,
}

struct Looked {
    nodes: AskedNodes,
    observed: Observed,
}

impl Looker<'_> {
    fn look(
        &self,
        seen: &SeenManifest,
        arguments: &cli::ApiServerApply,
        edit: Edit,
        interrupted: Interrupted,
    ) -> Result<Looked, Problem> {
        let proves = self.wanted == Verification::Enabled
            && (edit.changes() || matches!(interrupted, Interrupted::Made(_)));
        let roots = match proves {
            true => Some(self.roots(seen)?),
            false => None,
        };
        let check = InstanceCheck {
            admin: self.admin,
            flags: self.flags,
            settle: Duration::ZERO,
            timeout: Duration::ZERO,
        };
        let mut observed = Observed {
            edit,
            interrupted,
            twins: seen.twins.clone(),
            instance: check.healthy(),
            nodes: None,
            others: OtherControlPlanes::default(),
            approver: None,
            kubeadm: KubeadmConfig::Unread,
        };
        // What is refused without the API needs no API; and an interrupted run may have left none.
        let Some(process) = observed
            .instance
            .as_ref()
            .ok()
            .filter(|_| seen.twins.is_empty())
        else {
            return Ok(Looked {
                nodes: AskedNodes::unasked(arguments.except.clone()),
                observed,
            });
        };
        let process = process.clone();
        observed.others = others(self.admin, self.flags, self.kubelet_ca())?;
        let configuration = kubeadm_config(self.admin)?;
        observed.kubeadm = compare(configuration.as_ref(), self.ca_file, self.wanted)?;
        if let Some((manifest, roots)) = roots {
            let nodes = self.survey(&manifest, &roots, &arguments.except)?;
            observed.nodes = Some(nodes);
            let approver = approver::seen(self.admin, Instant::now() + DEADLINE);
            observed.approver = Some(approver::notice(&approver));
        }
        let is_settled = !observed.edit.changes()
            && observed.interrupted == Interrupted::No
            && process.kubelet_ca() == self.kubelet_ca();
        let except = arguments.except.clone();
        let nodes = match (&observed.nodes, is_settled) {
            (_, true) => AskedNodes::unasked(except),
            (Some(nodes), false) => {
                let ready = nodes.ready().into_iter().map(str::to_owned).collect();
                AskedNodes::before(&check, &process, ready, except)
            }
            (None, false) => {
                AskedNodes::before(&check, &process, AskedNodes::list(self.admin)?, except)
            }
        };
        Ok(Looked { nodes, observed })
    }

    fn kubelet_ca(&self) -> Option<&str> {
        kubelet_ca(self.wanted, self.ca_file)
    }

    fn roots(&self, seen: &SeenManifest) -> Result<(Manifest, Vec<Vec<u8>>), Problem> {
        let target = Target::File(seen.path.clone());
        let manifest = Manifest::read(&seen.bytes)
            .map_err(|refusal| files::refused(&target, &refusal, files::Whose::Node))?;
        let roots = survey::roots(&manifest)?;
        Ok((manifest, roots))
    }

    fn survey(
        &self,
        manifest: &Manifest,
        roots: &[Vec<u8>],
        excepted: &[String],
    ) -> Result<NodeSurvey, Problem> {
        self.ui.wait_for("the nodes' kubelets");
        let nodes = survey::survey(self.admin, manifest, roots, Instant::now() + BUDGET);
        self.ui.waited();
        survey::except(nodes?, excepted)
    }
}

/// The control-plane nodes but the one with these flags.
///
/// # Errors
/// When the API does not say.
pub(super) fn others(
    admin: &Admin,
    flags: &[String],
    kubelet_ca: Option<&str>,
) -> Result<OtherControlPlanes, Problem> {
    let planes = control_planes(admin, Instant::now() + DEADLINE)
        .map_err(|error| admin::problem("list", "nodes and pods", &error))?;
    Ok(OtherControlPlanes::of(&planes, flags, kubelet_ca))
}

/// kubeadm's configuration of the cluster; none if kubeadm did not create it.
///
/// # Errors
/// When it cannot be read.
pub(super) fn kubeadm_config(admin: &Admin) -> Result<Option<ConfigMap>, Problem> {
    let target = ConfigMap::target_of(ConfigMap::KUBEADM_CONFIG);
    admin
        .kubeadm_config(Instant::now() + DEADLINE)
        .map_err(|error| admin::problem("get", &target.to_string(), &error))
}

/// Compares it with what is wanted.
///
/// # Errors
/// When its edit is refused.
pub(super) fn compare(
    seen: Option<&ConfigMap>,
    ca_file: Option<&str>,
    wanted: Verification,
) -> Result<KubeadmConfig, Problem> {
    let Some(seen) = seen else {
        return Ok(KubeadmConfig::Absent);
    };
    let decided = edits::configuration(seen, ca_file, wanted)?;
    Ok(match decided.edit.changes() {
        true => KubeadmConfig::Differs,
        false => KubeadmConfig::Agrees,
    })
}
