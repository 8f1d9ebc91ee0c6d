//! Which ConfigMap it is.

use super::scene::Scene;

const PLAIN: &str = "kubelet-config";

fn copy(scene: &Scene, name: &str) {
    let mut map = scene.configmap();
    map.metadata.name = name.into();
    map.metadata.uid = String::new();
    scene.api.set_configmap_object(map);
}

/// The ConfigMap that `cluster apply` changed.
fn changed(scene: &Scene) -> String {
    let document = scene.document(&["cluster", "apply"], 0);
    document["edits"][0]["target"].as_str().unwrap().to_owned()
}

#[test]
fn the_name_follows_the_control_planes_version() {
    for (version, name) in [
        ("v1.19.16", "kubelet-config-1.19"),
        ("v1.22.0", "kubelet-config-1.22"),
        ("v1.23.17", "kubelet-config-1.23"),
        ("v1.24.0", PLAIN),
        ("v1.36.2", PLAIN),
        ("v1.37.0-rc.0", PLAIN),
    ] {
        let scene = Scene::of(version);
        assert_eq!(
            changed(&scene),
            format!("configmap/kube-system/{name}"),
            "{version}"
        );
    }
}

#[test]
fn where_a_feature_gate_decided_the_existing_name_is_used() {
    for (version, other) in [("v1.23.1", PLAIN), ("v1.24.1", "kubelet-config-1.24")] {
        let scene = Scene::of(version);
        copy(&scene, other);
        scene.api.remove_configmap("kube-system", &scene.name);
        assert_eq!(
            changed(&scene),
            format!("configmap/kube-system/{other}"),
            "{version}"
        );
    }
}

#[test]
fn of_two_configmaps_the_one_that_kubeadm_reads_is_changed_with_a_warning() {
    for (version, other) in [
        ("v1.19.16", PLAIN),
        ("v1.23.1", PLAIN),
        ("v1.24.1", "kubelet-config-1.24"),
        ("v1.36.2", "kubelet-config-1.36"),
    ] {
        let scene = Scene::of(version);
        copy(&scene, other);
        let document = scene.document(&["cluster", "apply"], 0);
        let used = format!("configmap/kube-system/{}", scene.name);
        assert_eq!(document["edits"][0]["target"], used);
        let warning = document["warnings"][0].as_str().unwrap();
        assert!(
            warning.starts_with(&format!(
                "configmap/kube-system/{other} exists too; using {used}"
            )),
            "{warning}"
        );
        let untouched = scene.api.configmap("kube-system", other).unwrap();
        assert!(!untouched.data["kubelet"].contains("serverTLSBootstrap"));
    }
}

#[test]
fn a_cluster_that_kubeadm_did_not_create_is_refused() {
    for version in ["v1.19.16", "v1.24.1", "v1.36.2"] {
        let scene = Scene::of(version);
        scene.api.remove_configmap("kube-system", &scene.name);
        let output = scene.expect(&["cluster", "apply"], 69);
        let minor = version.split('.').nth(1).unwrap();
        assert!(
            output.stderr.starts_with(&format!(
                "error: cannot get configmap/kube-system/{}: not found, so kubeadm 1.{minor} did not create this cluster; is the kubeconfig for the right cluster?\nhint: kubectl -n kube-system get configmaps\n",
                scene.name
            )),
            "{}",
            output.stderr
        );
        assert!(!scene.state().exists());
    }
    // One that kubeadm of this version does not read does not count.
    let scene = Scene::of("v1.36.2");
    copy(&scene, "kubelet-config-1.36");
    scene.api.remove_configmap("kube-system", PLAIN);
    scene.expect(&["cluster", "apply"], 69);
}
