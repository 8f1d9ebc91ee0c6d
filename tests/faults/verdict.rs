//! What is right after a fault, and after the run that follows it.

use std::fs;

use standins::Output;

use super::scene::{End, Place, SOON, Scene, mode};
use super::trace::Fault;
use support::snapshot::Snapshot;

impl Scene {
    /// What is wrong right after a run that met a fault.
    pub fn faults_of(&self, run: &Output, fault: Fault, lost_its_answer: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        let (mut old, mut new) = (0, 0);
        for target in &self.targets {
            let now = Snapshot::of(&target.path).content;
            old += usize::from(now == target.before);
            new += usize::from(now == target.after);
            if now != target.before && now != target.after {
                wrong.push(format!(
                    "neither the old file nor the new one, whole: {now:?}"
                ));
            }
        }
        let all = self.targets.len();
        if let Some(mode) = self.receipt_path().and_then(|path| mode(&path))
            && mode != 0o600
        {
            wrong.push(format!("a receipt of mode {mode:o}"));
        }
        let others = self.second_manifests();
        if !others.is_empty() {
            wrong.push(format!("the kubelet would read {others:?}"));
        }
        if fault == Fault::Kill {
            return wrong;
        }
        let truthful = match run.code {
            // Where the answer could not be given, too.
            0 => new == all && self.scenario.end != End::PutBack,
            74 | 78 => old == all,
            65 | 69 | 75 | 77 => true,
            _ => false,
        };
        if !truthful {
            wrong.push(format!(
                "exit {} with {old} old and {new} new files",
                run.code
            ));
        }
        if self.node.is_some() && !lost_its_answer {
            wrong.extend(self.untruths(run, old == all));
        }
        wrong
    }

    /// What the document says that is not so.
    fn untruths(&self, run: &Output, untouched: bool) -> Option<String> {
        let Ok(document) = serde_json::from_str::<serde_json::Value>(&run.stdout) else {
            return Some(format!("no document: {}", run.stdout));
        };
        let code = document["error"]["code"].as_i64().unwrap_or(0);
        let said = (code, document["changed"].as_bool().unwrap_or(false));
        let is = (i64::from(run.code), !untouched);
        if said != is {
            return Some(format!(
                "the document says (code, changed) {said:?} of {is:?}"
            ));
        }
        self.misnamed(run.code, &document)
    }

    /// A request that is not the kubelet's newest, or none where the run was to wait for one and says that it did.
    fn misnamed(&self, code: i32, document: &serde_json::Value) -> Option<String> {
        let node = self.node.as_ref()?;
        // With a certificate in the store no request can be named.
        let may_be_nameless = match self.scenario.place {
            Place::NodeOfCluster => code != 0,
            Place::NodeAheadOfItsKubelet => true,
            Place::File | Place::Node | Place::NodeAndKubeadm | Place::ControlPlane => return None,
        };
        let requests = node.api().csrs_of(node.name());
        let newest = requests.last().map(|request| &*request.metadata.name);
        let named = document["csr"]["name"].as_str();
        let right = match named {
            Some(_) => named == newest,
            None => may_be_nameless,
        };
        (!right).then(|| format!("it names {named:?}, and the newest is {newest:?}"))
    }

    /// What is not as the kubelet's store has it: one pair, for root alone, and a symlink to it.
    fn ill_kept(&self) -> Option<String> {
        let store = self.store();
        let is_right = match &store[..] {
            [pair, current] => {
                mode(pair) == Some(0o600)
                    && fs::read_link(current).is_ok_and(|at| at.file_name() == pair.file_name())
            }
            _ => false,
        };
        (!is_right).then(|| format!("the kubelet's store has {store:?}"))
    }

    /// The next run: where everything must end, whatever happened before.
    pub fn faults_of_the_next_run(&self) -> Vec<String> {
        let run = self.run_tool(self.scenario.run, &[]);
        let mut wrong = Vec::new();
        let (code, state) = match self.scenario.end {
            End::Changed => (0, "Done"),
            End::Undone => (0, "RolledBack"),
            End::PutBack => (78, "PutBack"),
        };
        if run.code != code {
            wrong.push(format!("the next run exits {}", run.code));
        }
        if self.node.is_some() {
            let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap_or_default();
            wrong.extend(self.misnamed(run.code, &document));
        }
        for target in &self.targets {
            let now = Snapshot::of(&target.path).content;
            let wanted = match self.scenario.end {
                End::Changed | End::Undone => &target.after,
                End::PutBack => &target.before,
            };
            if now != *wanted {
                wrong.push(format!("the next run leaves {now:?}"));
            }
        }
        if let (Some(node), Some(receipt)) = (&self.node, self.receipt_path()) {
            if !node.wait_healthy(SOON) {
                wrong.push("the kubelet is not running".to_owned());
            }
            let text = fs::read_to_string(&receipt).unwrap_or_default();
            let parsed: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            if parsed["state"] != state {
                wrong.push(format!("the receipt is not {state}: {text}"));
            }
            if mode(&receipt) != Some(0o600) {
                wrong.push(format!("a receipt of mode {:?}", mode(&receipt)));
            }
        }
        if self.is_control_plane() {
            wrong.extend(self.ill_instance());
        }
        if self.scenario.place == Place::NodeAheadOfItsKubelet {
            wrong.extend(self.ill_kept());
        }
        wrong.extend(
            self.leftovers()
                .iter()
                .map(|path| format!("{} is left over", path.display())),
        );
        if !wrong.is_empty() {
            wrong.push(format!("the next run said: {}{}", run.stdout, run.stderr));
        }
        wrong
    }
}
