//! The ClusterRole that docs/approve.md gives and the one that deploy/approver has: `approve` works with these rights, and
//! not without any one of them.

use std::path::Path;
use std::process::Command;

use serde::Deserialize as _;
use serde_json::Value;
use standins::api::PolicyRule;
use standins::{Config, KubeconfigStyle, Output, pace};

use super::scene::{Approver, LONG, Renewer, Scene};

const USER: &str = "kubelet-tls-approver";
const NETWORK: &[&str] = &["--ip-prefix", "10.0.0.0/24"];

/// The rules of the first ClusterRole in this YAML.
fn cluster_role(yaml: &str) -> Vec<PolicyRule> {
    let objects =
        serde_yaml::Deserializer::from_str(yaml).map(|one| Value::deserialize(one).unwrap());
    let mut roles = objects.filter(|object| object["kind"] == "ClusterRole");
    serde_json::from_value(roles.next().unwrap()["rules"].clone()).unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn shipped() -> Vec<PolicyRule> {
    cluster_role(&read("deploy/approver/rbac.yaml"))
}

fn documented() -> Vec<PolicyRule> {
    let text = read("docs/approve.md");
    let mut blocks = text.split("```yaml\n").skip(1);
    let block = blocks.find(|block| block.contains("kind: ClusterRole\n"));
    cluster_role(block.unwrap().split("```").next().unwrap())
}

/// The same rights, each as a rule with one resource and one verb.
fn single(rules: &[PolicyRule]) -> Vec<PolicyRule> {
    let mut all = Vec::new();
    for rule in rules {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                all.push(PolicyRule {
                    resources: vec![resource.clone()],
                    verbs: vec![verb.clone()],
                    ..rule.clone()
                });
            }
        }
    }
    all.sort_by_key(|rule| (rule.resources.clone(), rule.verbs.clone()));
    all
}

/// The clusters that differ in what an approver asks of them.
#[derive(Clone, Copy, Debug)]
enum Cluster {
    Kubeadm,
    /// The networks are those of the ServiceCIDR objects.
    WithoutKubeadmConfig,
    /// No EndpointSlices in v1.
    Old,
}

const CLUSTERS: [Cluster; 3] = [
    Cluster::Kubeadm,
    Cluster::WithoutKubeadmConfig,
    Cluster::Old,
];

impl Cluster {
    fn scene(self, rules: &[PolicyRule]) -> Scene {
        let version = match self {
            Self::Kubeadm | Self::WithoutKubeadmConfig => "v1.36.2",
            Self::Old => "v1.19.16",
        };
        let scene = Scene::with(Config {
            version: version.into(),
            ..Config::default()
        });
        if matches!(self, Self::WithoutKubeadmConfig) {
            scene.api.remove_configmap("kube-system", "kubeadm-config");
        }
        scene.api.grant(USER, rules);
        scene
    }
}

fn kubeconfig(scene: &Scene) -> std::path::PathBuf {
    let identity = scene.api.client_identity(USER, &[]);
    let directory = scene.directory.path();
    let path = directory.join("approver.conf");
    scene
        .api
        .write_kubeconfig(&path, directory, &identity, KubeconfigStyle::Inline)
}

/// Whether `approve --watch` approves this pending request; otherwise what it says of what it may not do.
fn watches(scene: &Scene, name: &str, options: &[&str]) -> Result<(), String> {
    let approver = Approver::start(&kubeconfig(scene), options);
    let mut said = None;
    let ended = pace::wait_for(LONG, || {
        // A line has numbers beside its message, of which any may have these digits.
        let decision = approver.decision();
        let decision = decision.and_then(|line| Some(line["message"].as_str()?.to_owned()));
        let forbidden = |line: &String| line.contains("403") || line.contains("needs the rule");
        let told = approver.warning().or(decision).filter(forbidden);
        said = said.take().or(told);
        said.is_some() || scene.api.csr(name).unwrap().is("Approved")
    });
    assert!(ended, "{name} was not approved, and nothing was said");
    said.map_or(Ok(()), Err)
}

fn runs(scene: &Scene, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubelet-tls"));
    command.arg("approve").args(arguments);
    command
        .arg("--kubeconfig")
        .arg(kubeconfig(scene))
        .env_clear();
    let output = Output::of(&mut command);
    assert!(matches!(output.code, 0 | 77), "{output:?}");
    match output.code {
        0 => Ok(()),
        _ => Err(output.stderr),
    }
}

#[test]
fn the_role_that_is_shipped_is_the_documented_one_and_watch() {
    let mut documented = single(&documented());
    for watched in ["certificatesigningrequests", "nodes", "services"] {
        let listed = documented
            .iter()
            .find(|rule| rule.resources == [watched] && rule.verbs == ["list"]);
        let mut rule = listed.unwrap().clone();
        rule.verbs = vec!["watch".into()];
        documented.push(rule);
    }
    documented.sort_by_key(|rule| (rule.resources.clone(), rule.verbs.clone()));
    assert_eq!(documented, single(&shipped()));
}

#[test]
fn watch_works_with_the_shipped_role_and_not_with_less() {
    for cluster in CLUSTERS {
        let scene = cluster.scene(&shipped());
        let name = scene.good(1);
        let watched = watches(&scene, &name, NETWORK);
        assert_eq!(watched, Ok(()), "{cluster:?}");
    }
    for left_out in single(&shipped()) {
        let mut less = single(&shipped());
        less.retain(|rule| *rule != left_out);
        let is_needed = CLUSTERS.into_iter().any(|cluster| {
            let scene = cluster.scene(&less);
            let name = scene.good(1);
            watches(&scene, &name, NETWORK).is_err()
        });
        assert!(is_needed, "nothing needs {left_out:?}");
    }
}

#[test]
fn all_and_named_requests_work_with_the_documented_role_and_not_with_less() {
    let run = |cluster: Cluster, rules: &[PolicyRule]| {
        let scene = cluster.scene(rules);
        let name = scene.good(1);
        runs(&scene, &["--all"])?;
        assert!(scene.api.csr(&name).unwrap().is("Approved"));
        let name = scene.good(2);
        runs(&scene, &[&name])?;
        assert!(scene.api.csr(&name).unwrap().is("Approved"));
        scene.good(3);
        runs(&scene, &["--node", "worker-3"])
    };
    for cluster in CLUSTERS {
        assert_eq!(run(cluster, &documented()), Ok(()), "{cluster:?}");
    }
    for left_out in single(&documented()) {
        let mut less = single(&documented());
        less.retain(|rule| *rule != left_out);
        let is_needed = CLUSTERS
            .into_iter()
            .any(|cluster| run(cluster, &less).is_err());
        assert!(is_needed, "nothing needs {left_out:?}");
    }
}

#[test]
fn renewals_need_no_more_rights() {
    let scene = Cluster::Kubeadm.scene(&shipped());
    let Some(renewer) = Renewer::new(&scene) else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let name = renewer.asks(&scene);
    assert_eq!(watches(&scene, &name, &["--renewals"]), Ok(()));
    scene.api.grant(USER, &documented());
    // Creation times have whole seconds: of two in one second either may be the newer.
    scene.api.delete_csr(&name);
    let name = renewer.asks(&scene);
    assert_eq!(runs(&scene, &["--all", "--renewals"]), Ok(()));
    assert!(scene.api.csr(&name).unwrap().is("Approved"));
}
