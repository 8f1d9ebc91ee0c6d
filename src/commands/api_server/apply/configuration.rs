//! The same change in kubeadm's configuration of the cluster, once every control-plane node is switched.

use std::thread;
use std::time::{Duration, Instant};

use crate::commands::api_server::decide as edits;
use crate::commands::api_server::{LOOK, decide::DecidedEdit};
use crate::commands::cluster::{self, ClusterReceipts, Failure, Writer, Written};
use crate::commands::selection;
use crate::host::kube::WriteMode;
use crate::node::{ConfigMap, OtherControlPlanes};
use crate::plan::Edit;
use crate::receipt::KubeadmConfigSubject;
use crate::report::Problem;

use super::decide::{self, Configuration, KubeadmConfig};
use super::observe::{ManifestSite, compare, kubeadm_config, others};

/// How long the ConfigMap may take to be written, however often it is tried.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long the other control-plane nodes may take to report their API servers again.
const REPORTED: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl ManifestSite<'_> {
    /// Changes the ConfigMap, if that is due. The edit, if there is one, and whether it was made.
    ///
    /// # Errors
    /// Why it was not written. The manifest stays as it is.
    pub(super) fn change_configuration(&self) -> Result<Option<(Edit, bool)>, Failure> {
        let Some(seen) = kubeadm_config(&self.admin)? else {
            return Ok(None);
        };
        let ca_file = self.ca_file.as_deref();
        let kubeadm = compare(Some(&seen), ca_file, self.wanted)?;
        let others = match kubeadm {
            KubeadmConfig::Differs => self.others()?,
            _ => OtherControlPlanes::default(),
        };
        match decide::configuration(kubeadm, &others) {
            Configuration::Change => self.write_configmap(seen).map(Some),
            Configuration::Wait => {
                self.ui.warn(decide::until_the_last(&others, self.wanted));
                Ok(None)
            }
            Configuration::Nothing => {
                self.settle(&seen)?;
                Ok(None)
            }
        }
    }

    /// A kubelet reports the Pod of an API server that has just restarted some seconds later.
    fn others(&self) -> Result<OtherControlPlanes, Problem> {
        let end = Instant::now() + REPORTED;
        loop {
            let now = others(&self.admin, &self.flags.0, self.options().kubelet_ca)?;
            let is_last = self.waiting.dry_run || Instant::now() + LOOK_AGAIN >= end;
            if now.unknown.is_empty() || is_last {
                return Ok(now);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn write_configmap(&self, seen: ConfigMap) -> Result<(Edit, bool), Failure> {
        let mode = selection::write_mode(self.waiting.dry_run);
        let mut receipts = ClusterReceipts::<KubeadmConfigSubject>::open(mode, self.ui)?;
        let writer = Writer {
            admin: &self.admin,
            ui: self.ui,
            mode,
            end: Instant::now() + DEADLINE,
            look: LOOK,
        };
        let ca_file = self.ca_file.as_deref();
        let decide = |seen: &ConfigMap| {
            let DecidedEdit { edit, warnings } = edits::configuration(seen, ca_file, self.wanted)?;
            let mut decision = cluster::Decision::of(edit, seen);
            decision.warnings = warnings;
            Ok(decision)
        };
        match receipts.change(&writer, seen, decide)? {
            Written::Written(edit) => {
                let what =
                    "updated; kubeadm upgrade and control-plane nodes that join keep the change";
                writer.tell(&edit, what);
                Ok((edit, mode == WriteMode::Persist))
            }
            Written::Unchanged(_, edit) => Ok((edit, false)),
        }
    }

    /// If a run was interrupted after it had changed the ConfigMap, that change is done now.
    fn settle(&self, seen: &ConfigMap) -> Result<(), Problem> {
        if !self.waiting.dry_run {
            ClusterReceipts::<KubeadmConfigSubject>::open(WriteMode::Persist, self.ui)?
                .settle(seen, self.ui);
        }
        Ok(())
    }
}
