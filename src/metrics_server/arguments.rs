//! The arguments that metrics-server is started with.

use super::KubeletCa;
use super::pod::{KUBELET_CA_FILE, SERVING};

/// The official manifest's own since v0.7.0, except for the ones below.
const OFFICIAL: &[&str] = &[
    "--cert-dir=/tmp",
    "--kubelet-use-node-status-port",
    "--metric-resolution=15s",
];
/// The port of the official manifest since v0.7.0; up to v0.6 it was 4443.
pub(super) const PORT: u16 = 10250;
/// Kubelets are dialled by IP address, which their serving certificates name (kubelet-facts, 3 and 7).
const ADDRESSES: &str = "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname";

/// What decides either channel, and so is never taken over: with a value.
const DECIDING: &[&str] = &[
    "tls-cert-file",
    "tls-private-key-file",
    // Would be served instead of ours, to clients that name what it names.
    "tls-sni-cert-key",
    "kubelet-preferred-address-types",
    "kubelet-certificate-authority",
];
/// The same, of flags that need no value.
const DECIDING_SWITCHES: &[&str] = &[
    "kubelet-insecure-tls",
    "deprecated-kubelet-completely-insecure",
];

/// What a flag is to the two channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    Other,
    /// It decides one and is done with.
    Whole,
    /// It decides one and its value is the next word.
    TakesNext,
}

fn flag(word: &str) -> Flag {
    let Some(rest) = word.strip_prefix("--") else {
        return Flag::Other;
    };
    let (name, value) = rest
        .split_once('=')
        .map_or((rest, None), |(name, value)| (name, Some(value)));
    // `_` and `-` are the same to component-base's flag sets.
    let name = name.replace('_', "-");
    if DECIDING_SWITCHES.contains(&name.as_str()) {
        Flag::Whole
    } else if !DECIDING.contains(&name.as_str()) {
        Flag::Other
    } else if value.is_some() {
        Flag::Whole
    } else {
        Flag::TakesNext
    }
}

/// Whether any of these words decides one of the channels.
pub(super) fn decides(words: &[String]) -> bool {
    words.iter().any(|word| flag(word) != Flag::Other)
}

/// The official arguments, for a manifest that is not looked into.
pub(super) fn official(kubelet_ca: &KubeletCa) -> Vec<String> {
    let mut all: Vec<String> = OFFICIAL.iter().map(|word| (*word).to_owned()).collect();
    all.extend(ours(kubelet_ca));
    all
}

/// The arguments of a manifest that was read, with ours in place of those that decide a channel.
pub(super) fn over(base: &[String], kubelet_ca: &KubeletCa) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = base.iter();
    while let Some(word) = words.next() {
        match flag(word) {
            Flag::Other => kept.push(word.clone()),
            Flag::Whole => {}
            Flag::TakesNext => {
                words.next();
            }
        }
    }
    kept.extend(ours(kubelet_ca));
    kept
}

fn ours(kubelet_ca: &KubeletCa) -> Vec<String> {
    let mut all = vec![
        ADDRESSES.to_owned(),
        format!("--tls-cert-file={SERVING}/tls.crt"),
        format!("--tls-private-key-file={SERVING}/tls.key"),
    ];
    match kubelet_ca {
        KubeletCa::InCluster => {}
        KubeletCa::Certificates(_) | KubeletCa::ControlPlane => {
            all.push(format!("--kubelet-certificate-authority={KUBELET_CA_FILE}"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_decide_a_channel_are_replaced_and_the_others_kept() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let base = words(
            "--cert-dir=/tmp --kubelet-insecure-tls --kubelet_insecure_tls=false --secure-port=4443 \
             --kubelet-certificate-authority /a --tls-cert-file=/b --v 2 --kubelet-preferred-address-types Hostname",
        );
        assert!(decides(&base));
        assert_eq!(
            over(&base, &KubeletCa::ControlPlane),
            words(
                "--cert-dir=/tmp --secure-port=4443 --v 2 \
                 --kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname \
                 --tls-cert-file=/etc/kubelet-tls/serving/tls.crt \
                 --tls-private-key-file=/etc/kubelet-tls/serving/tls.key \
                 --kubelet-certificate-authority=/etc/kubelet-tls/kubelet-ca/ca.crt"
            )
        );
        assert!(!decides(&words("/metrics-server --v=2")));
    }
}
