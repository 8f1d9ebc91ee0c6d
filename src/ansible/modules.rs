//! The modules of the collection: the verb of each, and the keys that its user may give.

/// What every module's name begins with where the binary itself lies in a `library/`.
pub const NAME: &str = "kubelet_tls";

/// How a key of the user's becomes options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// `enabled`, or `disabled` for `--disable`.
    State,
    /// A word; which ones there are is the option's business.
    Word,
    /// An option's values: a list, or one.
    Words,
    /// What follows the options: a list, or one.
    Names,
    /// A duration as the option takes it, or a number of seconds.
    Duration,
    /// A switch, as Ansible writes booleans.
    Switch,
    /// The value of an option.
    Path,
    /// A list of them, or one.
    Paths,
    /// The paths that follow the options: a list, or one.
    Files,
}

/// A module: a verb, and its user's keys. An option is named as its key, with `-` for `_`.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: &'static str,
    pub(super) verb: &'static [&'static str],
    pub(super) keys: &'static [(&'static str, KeyKind)],
}

/// The modules; a file of any other name is the first.
pub(super) const MODULES: [Module; 4] = [
    Module {
        name: NAME,
        verb: &["apply"],
        keys: &[
            ("state", KeyKind::State),
            ("restart", KeyKind::Word),
            ("wait", KeyKind::Word),
            ("timeout", KeyKind::Duration),
            ("settle", KeyKind::Duration),
            ("issue_first", KeyKind::Switch),
            ("kubeadm_config", KeyKind::Paths),
            ("kubeconfig", KeyKind::Path),
            ("root", KeyKind::Path),
            ("file", KeyKind::Files),
        ],
    },
    Module {
        name: "kubelet_tls_approve",
        verb: &["approve"],
        keys: &[
            ("request", KeyKind::Names),
            ("node", KeyKind::Words),
            ("deny", KeyKind::Switch),
            ("max_duration", KeyKind::Duration),
            ("timeout", KeyKind::Duration),
            ("kubeconfig", KeyKind::Path),
        ],
    },
    Module {
        name: "kubelet_tls_cluster",
        verb: &["cluster", "apply"],
        keys: &[("state", KeyKind::State), ("kubeconfig", KeyKind::Path)],
    },
    Module {
        name: "kubelet_tls_api_server",
        verb: &["api-server", "apply"],
        keys: &[
            ("state", KeyKind::State),
            ("except", KeyKind::Words),
            ("timeout", KeyKind::Duration),
            ("settle", KeyKind::Duration),
            ("manifest", KeyKind::Path),
            ("kubeconfig", KeyKind::Path),
        ],
    },
];
