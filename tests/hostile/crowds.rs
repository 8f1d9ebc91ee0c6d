//! Requests with hostile names, and far too many of them, beside the node's own: the API server checks hardly anything
//! of a request's name, and anybody who may create requests chooses it.

use standins::api::Csr;
use standins::pki::Sans;

/// Makes the requests of a crowd.
pub(crate) type Crowd = fn() -> Vec<Csr>;

/// Who else is there, and which nodes make such requests.
pub(crate) const CROWDS: [(&str, Crowd); 3] = [
    ("hostile names of other nodes", || hostile("worker-10")),
    ("hostile names of this node", || hostile("worker-1")),
    ("20,000 requests", many),
];

fn hostile(node: &str) -> Vec<Csr> {
    let mut names: Vec<String> = [
        "--all",
        "-f",
        "../x",
        ".",
        "..",
        "csr-wrong\ncsr-wrong",
        "csr-wrong\r",
        "csr-\u{1b}[2Jwrong",
        "csr-\u{202e}gnorw",
        "csr-\u{200b}wrong",
        "csr-wrong csr-wrong",
        "$(reboot)",
        "`reboot`",
        ";reboot",
        "csr-'\"wrong",
        "CSR-WRONG",
        "csr-wröng",
        "csr-wrong-",
    ]
    .map(str::to_owned)
    .into();
    names.push("a".repeat(254));
    names.push("a".repeat(5000));
    let one = Csr::kubelet_serving(node, &Sans::default());
    names.into_iter().map(|name| named(&one, name)).collect()
}

fn many() -> Vec<Csr> {
    let one = Csr::kubelet_serving("worker-10", &Sans::default());
    (0..20_000)
        .map(|n| named(&one, format!("csr-other-{n}")))
        .collect()
}

fn named(one: &Csr, name: String) -> Csr {
    let mut csr = one.clone();
    csr.metadata.name = name;
    csr
}
