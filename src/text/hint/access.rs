//! How the program was run, as far as its hints repeat that.

use std::ffi::OsString;

/// How the program was run, for hints that repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Typed in a shell; hints repeat its options.
    CommandLine {
        /// What the program is called: `kubelet-tls`, or `kubectl kubelet-tls` where kubectl runs it as a plug-in.
        program: String,
        /// The words as they were typed, the program's among them.
        words: Vec<OsString>,
        /// How it says which cluster it asks.
        access: AccessOptions,
    },
    /// A task of Ansible's, which has no command line of its own.
    AnsibleTask,
}

/// The options with which a command line says which cluster it asks and with which credential. Hints repeat them, since
/// the same command without them may ask another cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessOptions {
    /// Of a verb for administrators: kubectl and the other verbs for administrators take the same options.
    Administrator(Vec<OsString>),
    /// Of `approve`, with the options by which it judges: only `approve` takes the latter, so that the command of a hint
    /// judges as the command before it did.
    Approver {
        /// As a verb for administrators.
        access: Vec<OsString>,
        /// `--ip-prefix`, `--dns-suffix` and the others of its policy, as they were typed.
        policy: Vec<OsString>,
        /// `--allow NAME`, which only requests by name or node take.
        allow: Vec<OsString>,
    },
    /// Of a verb of a node, which uses the kubelet's own credential: only such verbs repeat it.
    Node(Vec<OsString>),
}

impl Default for AccessOptions {
    fn default() -> Self {
        Self::Node(Vec::new())
    }
}
