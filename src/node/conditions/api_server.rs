//! The condition of a control-plane node's API server, from what this machine alone shows.

use super::{LocalApiServer, Verdict, fails, holds, unknown};
use crate::edit::api_server::{FLAG, last_value};
use crate::node::verification::{OLDER, PROCESSES, described, is_set, older, own_process};

/// Shows the edits that set the flag.
const DIFF: &str = "kubelet-tls api-server diff";

/// The running process verifies kubelets, and with its manifest the next start does too.
pub(super) fn verifies(seen: &LocalApiServer) -> Verdict {
    let manifest = match &seen.manifest {
        Ok(manifest) => manifest,
        Err(why) => return unknown("ManifestNotReadable", why.to_string()),
    };
    let process = match own_process(manifest, &seen.processes) {
        Ok(process) => process,
        Err(why) => return unknown(why.reason(), why.to_string()),
    };
    let running = last_value(&process.words, FLAG);
    let next = manifest.flag(FLAG);
    match (is_set(running), is_set(next)) {
        (true, true) => holds("Verifies", described(running)),
        (true, false) => fails(
            "NotInManifest",
            format!(
                "the running API server verifies kubelets, and its next start ends that: in the manifest {}",
                described(next)
            ),
            DIFF,
        ),
        (false, true) => fails(OLDER, older(running), PROCESSES),
        (false, false) => fails(
            "NotSet",
            format!(
                "the API server accepts any certificate of a kubelet: {}",
                described(running)
            ),
            DIFF,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::api_server::Manifest;
    use crate::node::conditions::ConditionStatus;
    use crate::node::{ApiServerProcess, Explanation, ProcessId};

    const YES: &str =
        include_str!("../../../testdata/captured/1.36/kube-apiserver-v1beta4-yes.yaml");
    const NO: &str = include_str!("../../../testdata/captured/1.36/kube-apiserver-v1beta4-no.yaml");

    fn process(text: &str, more: &[&str]) -> ApiServerProcess {
        let more = more.iter().map(|word| (*word).to_owned());
        let flags = Manifest::read(text.as_bytes()).unwrap().flags;
        ApiServerProcess {
            id: ProcessId { pid: 1, start: 1 },
            words: flags.into_iter().chain(more).collect(),
        }
    }

    #[test]
    fn the_running_process_and_its_next_start_decide_the_condition() {
        use ConditionStatus::{False, True, Unknown};
        let empty = &["--kubelet_certificate_authority="][..];
        let foreign = &["--secure-port=7443"][..];
        for (manifest, processes, expected) in [
            (YES, vec![process(YES, &[])], (True, "Verifies")),
            (NO, vec![process(NO, &[])], (False, "NotSet")),
            (YES, vec![process(NO, &[])], (False, "OlderThanManifest")),
            (YES, vec![process(YES, empty)], (False, "OlderThanManifest")),
            (NO, vec![process(YES, &[])], (False, "NotInManifest")),
            (YES, vec![], (Unknown, "NotRunning")),
            // Another cluster's, on the same machine.
            (YES, vec![process(YES, foreign)], (Unknown, "NotRunning")),
            (
                NO,
                vec![process(NO, &[]), process(YES, foreign)],
                (False, "NotSet"),
            ),
            (
                YES,
                vec![process(YES, &[]), process(NO, &[])],
                (Unknown, "SeveralProcesses"),
            ),
            (
                "",
                vec![process(YES, &[])],
                (Unknown, "ManifestNotReadable"),
            ),
        ] {
            let seen = LocalApiServer {
                manifest: Manifest::read(manifest.as_bytes()).map_err(Explanation::of),
                processes,
            };
            let (status, reason, message, hint) = verifies(&seen);
            assert_eq!((status, reason), expected, "{seen:?}");
            assert_eq!(hint.is_some(), status == False, "{message}");
        }
    }

    #[test]
    fn text_of_another_party_reaches_no_terminal_unescaped() {
        let mut words = process(YES, &["--kubelet-certificate-authority=\u{1b}[2J"]);
        words.words.retain(|word| !word.contains("/pki/ca.crt"));
        let seen = LocalApiServer {
            manifest: Manifest::read(YES.as_bytes()).map_err(Explanation::of),
            processes: vec![words],
        };
        assert!(!verifies(&seen).2.contains('\u{1b}'));
    }
}
