//! The modules of the collection: the verb of each, and the keys that its user may give.

/// What every module's name begins with where the binary itself lies in a `library/`.
pub const NAME: &str = "kubelet_tls";

/// How a key of the user's becomes options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
    pub(super) keys: &'static [(&'static str, Kind)],
}

/// The modules; a file of any other name is the first.
pub(super) const MODULES: [Module; 4] = [
    Module {
        name: NAME,
        verb: &["apply"],
        keys: &[
            ("state", Kind::State),
            ("restart", Kind::Word),
            ("wait", Kind::Word),
            ("timeout", Kind::Duration),
            ("settle", Kind::Duration),
            ("issue_first", Kind::Switch),
            ("kubeadm_config", Kind::Paths),
            ("kubeconfig", Kind::Path),
            ("root", Kind::Path),
            ("file", Kind::Files),
        ],
    },
    Module {
        name: "kubelet_tls_approve",
        verb: &["approve"],
        keys: &[
            ("request", Kind::Names),
            ("node", Kind::Words),
            ("deny", Kind::Switch),
            ("max_duration", Kind::Duration),
            ("timeout", Kind::Duration),
            ("kubeconfig", Kind::Path),
        ],
    },
    Module {
        name: "kubelet_tls_cluster",
        verb: &["cluster", "apply"],
        keys: &[("state", Kind::State), ("kubeconfig", Kind::Path)],
    },
    Module {
        name: "kubelet_tls_api_server",
        verb: &["api-server", "apply"],
        keys: &[
            ("state", Kind::State),
            ("except", Kind::Words),
            ("timeout", Kind::Duration),
            ("settle", Kind::Duration),
            ("manifest", Kind::Path),
            ("kubeconfig", Kind::Path),
        ],
    },
];
