//! Who asks what: each verb at each of its questions. A verb more is a line more.

use std::time::Duration;

use standins::{Fault, Matcher};

use super::scene::{Scene, lists, watches};

/// One verb at one of its questions.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) at: At,
    /// The exit code of a question answered in the end; never answered; forbidden.
    pub(crate) codes: [i32; 3],
    /// How long it may take, in seconds.
    pub(crate) seconds: u64,
    pub(crate) node: After,
    /// What the server does besides.
    pub(crate) besides: fn(&Scene),
}

/// Where it is met by a hostile answer.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// At this question, always.
    Always(Question),
    /// The same, and in every way that HTTP has.
    Thoroughly(Question),
    /// At this question at first, and then no more.
    Briefly(Question),
    /// On all its connections to the server but the first so many.
    Connections(usize),
    /// On the kubelet's port.
    Probe,
}

/// What the tool asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Every,
    List,
    /// The one after a watch that was told that its history is gone.
    LaterList,
    Watch,
    Node,
    /// The one after the kubelet was restarted.
    LaterNode,
    ConfigMap,
}

impl Question {
    /// These requests of the tool's, and none of the kubelet's.
    pub(crate) fn matcher(self) -> Matcher {
        let every = Matcher::new().agent("kubelet-tls/");
        match self {
            Self::Every => every,
            Self::List => lists(),
            Self::LaterList => lists().skip(1),
            Self::Watch => watches(),
            Self::Node => every.path("/api/v1/nodes/"),
            Self::LaterNode => every.path("/api/v1/nodes/").skip(1),
            Self::ConfigMap => every.path("/configmaps/"),
        }
    }
}

impl Row {
    fn question(&self) -> Option<Question> {
        match self.at {
            Always(question) | Thoroughly(question) | Briefly(question) => Some(question),
            Connections(_) | Probe => None,
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        self.question() == Some(List)
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.question() == Some(Watch)
    }

    /// Requests of others are in the list, or come while it watches.
    pub(crate) fn takes_crowds(&self) -> bool {
        self.is_list() || matches!(self.at, Thoroughly(Watch))
    }

    /// A Node or a ConfigMap, where some wrong types are in fields that are not read.
    pub(crate) fn asks_for_an_object(&self) -> bool {
        matches!(self.question(), Some(Node | LaterNode | ConfigMap))
    }
}

/// How the node is afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Not a byte of it has changed.
    Untouched,
    /// The change is made, and a healthy kubelet runs with it.
    Applied,
}

use After::{Applied, Untouched};
use At::{Always, Briefly, Connections, Probe, Thoroughly};
use Question::{ConfigMap, Every, LaterList, LaterNode, List, Node, Watch};

const CSR: &[&str] = &["csr"];
const STATUS: &[&str] = &["status", "-o", "json"];
const APPLY: &[&str] = &["apply", "-o", "name", "--settle", "0s", "--timeout", "2s"];
const PATIENT: &[&str] = &["apply", "-o", "name", "--settle", "0s", "--timeout", "9s"];
const ISSUED: &[&str] = &[
    "apply",
    "-o",
    "name",
    "--settle",
    "0s",
    "--timeout",
    "2s",
    "--wait",
    "issued",
];

/// All of them, those that take longest first.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row("csr, its list", CSR, Thoroughly(List), [0, 69, 77], 30, Untouched, nothing),
    row("csr, its connection", CSR, Connections(0), [0, 69, 69], 30, Untouched, nothing),
    row("status, every request", STATUS, Always(Every), [1, 1, 1], 6, Untouched, nothing),
    row("status, its list", STATUS, Always(List), [1, 1, 1], 6, Untouched, nothing),
    row("status, its Node", STATUS, Thoroughly(Node), [1, 1, 1], 6, Untouched, nothing),
    row("status, its ConfigMap", STATUS, Always(ConfigMap), [1, 1, 1], 6, Untouched, nothing),
    row("status, its connection", STATUS, Connections(0), [1, 1, 1], 6, Untouched, nothing),
    row("status, its probe", STATUS, Probe, [1, 1, 1], 6, Untouched, nothing),
    row("apply before, every request", APPLY, Always(Every), [0, 69, 77], 2, Untouched, nothing),
    row("apply before, its list", APPLY, Always(List), [0, 69, 77], 2, Untouched, nothing),
    row("apply before, its connection", APPLY, Connections(0), [0, 69, 69], 2, Untouched, nothing),
    row("apply before, its Node", PATIENT, Always(Node), [0, 0, 0], 18, Applied, nothing),
    row("apply after, its watch", APPLY, Thoroughly(Watch), [0, 75, 77], 3, Applied, nothing),
    row("apply after, its watch at first", PATIENT, Briefly(Watch), [0, 0, 0], 9, Applied, nothing),
    row("apply after, its new list", APPLY, Always(LaterList), [0, 75, 77], 3, Applied, expired),
    row("apply after, its new list at first", PATIENT, Briefly(LaterList), [0, 0, 0], 9, Applied, expired_for_a_while),
    row("apply after, its Node", APPLY, Always(LaterNode), [75, 75, 75], 4, Applied, silent_watch),
    row("apply after, its connection", APPLY, Connections(1), [0, 75, 75], 3, Applied, nothing),
    row("apply after, its probe", ISSUED, Probe, [75, 75, 75], 4, Applied, approving),
];

const fn row(
    name: &'static str,
    arguments: &'static [&'static str],
    at: At,
    codes: [i32; 3],
    seconds: u64,
    node: After,
    besides: fn(&Scene),
) -> Row {
    Row {
        name,
        arguments,
        at,
        codes,
        seconds,
        node,
        besides,
    }
}

fn nothing(_: &Scene) {}

fn expired(scene: &Scene) {
    scene.node.api().inject(watches(), Fault::Gone);
}

fn expired_for_a_while(scene: &Scene) {
    scene
        .node
        .api()
        .inject(watches().times(3), Fault::Status(410, None));
}

fn silent_watch(scene: &Scene) {
    scene
        .node
        .api()
        .inject(watches(), Fault::Silent(Duration::from_secs(60)));
}

fn approving(scene: &Scene) {
    scene.node.api().auto_approve(Duration::ZERO);
}
