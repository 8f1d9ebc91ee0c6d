//! Nodes and requests whose names and words were chosen to be taken for commands.

use standins::api::{Csr, NodeSpec};
use standins::hostile;
use standins::pki::Sans;

use super::scene::Scene;

#[test]
fn no_name_of_a_node_is_printed_as_it_is() {
    let scene = Scene::new();
    let names = hostile::names();
    for (number, name) in names.iter().enumerate() {
        // The name of a Node, what a Node says of itself, and the name of a request.
        scene.api.set_node(NodeSpec {
            server_tls_bootstrap: Some(true),
            ..NodeSpec::new(name, "127.0.0.1")
        });
        let addresses = ["InternalIP", "Hostname", "InternalDNS"]
            .map(|kind| (kind.to_owned(), name.clone()))
            .to_vec();
        scene.api.set_node(NodeSpec {
            addresses,
            kubelet_version: name.clone(),
            ..NodeSpec::new(&format!("odd-{number}"), "127.0.0.1")
        });
        let mut csr = Csr::kubelet_serving("worker-1", &Sans::default());
        csr.metadata.name.clone_from(name);
        scene.api.add_csr(csr);
    }
    for verb in [
        &["cluster", "status"][..],
        &["cluster", "diff"],
        &["cluster", "apply", "--dry-run"],
        &["cluster", "apply"],
        &["approve", "--all"],
    ] {
        for format in ["text", "json", "yaml", "name"] {
            let output = scene.run(&[verb, &["-o", format]].concat());
            hostile::assert_harmless(&format!("{}{}", output.stdout, output.stderr), &names);
        }
    }
}
