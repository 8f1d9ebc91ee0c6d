//! The same change in kubeadm's configuration of the cluster, once every control-plane node is switched.

use std::thread;
use std::time::{Duration, Instant};

use crate::commands::api_server::{DEADLINE, LOOK, decide as edits};
use crate::commands::cluster::{ClusterReceipts, Failure, Writer};
use crate::commands::selection;
use crate::host::kube::WriteMode;
use crate::node::{ConfigMap, OtherControlPlanes};
use crate::plan::Edit;
use crate::receipt::KubeadmConfigSubject;
use crate::report::Problem;

use super::decide::{self, Configuration, KubeadmConfig};
use super::observe::ManifestSite;

/// How long the other control-plane nodes may take to report their API servers again.
const REPORTED: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl ManifestSite<'_> {
    /// Changes the ConfigMap, if that is due. The edit, if there is one.
    ///
    /// # Errors
    /// Why it was not written. The manifest stays as it is.
    pub(super) fn change_configuration(&self) -> Result<Option<Edit>, Failure> {
        let Some(seen) = self.configuration()? else {
            return Ok(None);
        };
        let kubeadm = self.compare(Some(&seen))?;
        let others = match kubeadm {
            KubeadmConfig::Differs => self.reported_others()?,
            _ => OtherControlPlanes::default(),
        };
        match decide::configuration(kubeadm, &others) {
            Configuration::Change => return self.write_configmap(seen).map(Some),
            Configuration::Wait => {
                let warning = decide::until_the_last(&others, self.wanted);
                self.run.ui.warn(warning);
            }
            Configuration::Nothing => self.settle(&seen)?,
        }
        Ok(None)
    }

    /// A kubelet reports the Pod of an API server that has just restarted some seconds later.
    fn reported_others(&self) -> Result<OtherControlPlanes, Problem> {
        let end = Instant::now() + REPORTED;
        loop {
            let now = self.others()?;
            let is_last = self.run.waiting.dry_run || Instant::now() + LOOK_AGAIN >= end;
            if now.unknown.is_empty() || is_last {
                return Ok(now);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn write_configmap(&self, seen: ConfigMap) -> Result<Edit, Failure> {
        let mode = selection::write_mode(self.run.waiting.dry_run);
        let mut receipts = ClusterReceipts::<KubeadmConfigSubject>::open(mode, self.run.ui)?;
        let writer = Writer {
            admin: &self.run.admin,
            ui: self.run.ui,
            mode,
            end: Instant::now() + DEADLINE,
            look: LOOK,
            made: "updated; kubeadm upgrade and control-plane nodes that join keep the change",
        };
        let ca_file = self.ca_file.as_deref();
        let decide = |seen: &ConfigMap| edits::configuration(seen, ca_file, self.wanted);
        receipts.change(&writer, seen, decide)
    }

    /// If a run was interrupted after it had changed the ConfigMap, that change is done now.
    fn settle(&self, seen: &ConfigMap) -> Result<(), Problem> {
        if !self.run.waiting.dry_run {
            ClusterReceipts::<KubeadmConfigSubject>::open(WriteMode::Persist, self.run.ui)?
                .settle(seen, self.run.ui);
        }
        Ok(())
    }
}
