//! What to edit so that this node's API server verifies kubelets: pure.

use crate::commands::cluster::Decision;
use crate::commands::files::{Whose, refused};
use crate::edit::api_server::{self, Manifest, Verification};
use crate::node::ConfigMap;
use crate::plan::{Edit, Target};
use crate::report::{Code, Problem};

use super::observe::SeenManifest;

/// The CA that the flag names in this manifest: the one with which the API server checks client certificates.
pub(super) fn expected_ca(seen: &SeenManifest) -> Option<String> {
    Manifest::read(&seen.bytes)
        .ok()
        .map(|manifest| manifest.ca_file)
}

/// The edit of the manifest.
///
/// # Errors
/// When it is refused: not a manifest of kube-apiserver, a place that is not certain, or a flag with another value.
pub(super) fn edit(seen: &SeenManifest, wanted: Verification) -> Result<Edit, Problem> {
    let target = Target::File(seen.path.clone());
    let edited = api_server::edit_manifest(&seen.bytes, wanted)
        .map_err(|refusal| refused(&target, &refusal, Whose::Node))?;
    Ok(Edit::new(target, seen.bytes.clone(), edited.after))
}

/// The edit of the manifest with what a person should know who makes it by hand.
///
/// # Errors
/// As [`edit`].
pub(super) fn manifest(seen: &SeenManifest, wanted: Verification) -> Result<Decision, Problem> {
    let edit = edit(seen, wanted)?;
    let mut warnings = Vec::new();
    if edit.changes() {
        warnings.push(format!(
            "the kubelet restarts the API server when {} changes; it is then unavailable for about 15 seconds",
            edit.target
        ));
    }
    if edit.changes() && wanted == Verification::Enabled {
        warnings.push(
            "a node whose kubelet does not serve a certificate of the cluster's CA is then without logs, exec and \
             port-forward: check with kubelet-tls cluster status"
                .to_owned(),
        );
    }
    warnings.extend(seen.twins.iter().map(|twin| {
        format!(
            "the kubelet reads {} as a Pod of the API server too, and may run it instead: move it to another directory",
            twin.display()
        )
    }));
    Ok(Decision {
        edit,
        warnings,
        immutable: false,
    })
}

/// The edit of kubeadm's configuration of the cluster; `manifest_ca` is the CA that the manifest names, where that is
/// known.
///
/// # Errors
/// When it is refused, or would name another CA than the manifest.
pub(super) fn configuration(
    seen: &ConfigMap,
    manifest_ca: Option<&str>,
    wanted: Verification,
) -> Result<Decision, Problem> {
    let target = seen.target();
    let get = "kubectl -n kube-system get configmap kubeadm-config -o yaml";
    let Some(text) = &seen.text else {
        return Err(Problem::new(
            Code::Input,
            format!("cannot edit {target}: it has no data key ClusterConfiguration"),
        )
        .advise("kubeadm init phase upload-config kubeadm recreates it")
        .hint(get));
    };
    let refused = |refusal| refused(&target, &refusal, Whose::Node);
    let edited = api_server::edit_configuration(text.as_bytes(), wanted).map_err(refused)?;
    let kept = api_server::kubelet_ca(&edited.after).map_err(refused)?;
    if let (Some(kept), Some(manifest_ca)) = (&kept, manifest_ca)
        && kept != manifest_ca
    {
        return Err(Problem::new(
            Code::Refused,
            format!(
                "cannot edit {target}: its certificatesDir makes the flag {}, and this node's manifest has {}",
                crate::text::shown(kept),
                crate::text::shown(manifest_ca)
            ),
        )
        .hint(get));
    }
    let edit = Edit::new(target, text.clone().into_bytes(), edited.after);
    let mut warnings = Vec::new();
    if edit.changes() {
        let target = &edit.target;
        if seen.immutable {
            warnings.push(format!(
                "{target} is immutable, for kubeadm too; delete and recreate it to change it"
            ));
        }
        warnings.extend(seen.keepers.iter().map(|keeper| {
            format!("{target} may be rewritten by {keeper}: make the same change at its source")
        }));
    }
    Ok(Decision {
        warnings,
        ..Decision::of(edit, seen)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: &str = include_str!("../../../testdata/captured/1.36/kube-apiserver-v1beta4-no.yaml");
    const YES: &str =
        include_str!("../../../testdata/captured/1.36/kube-apiserver-v1beta4-yes.yaml");
    const CA: &str = "/etc/kubernetes/pki/ca.crt";
    const HEAD: &str = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n";
    const FLAG: &str = "apiServer:\n  extraArgs:\n  - name: kubelet-certificate-authority\n    value: /etc/kubernetes/pki/ca.crt\n";

    /// Whether it changes something and how many warnings there are, or the exit code.
    fn of(decided: Result<Decision, Problem>) -> Result<(bool, usize), u8> {
        let decided = decided.map_err(|problem| problem.code as u8)?;
        Ok((decided.edit.changes(), decided.warnings.len()))
    }

    #[test]
    fn each_state_of_the_manifest_has_its_edit() {
        use Verification::{Disabled, Enabled};
        let other = YES.replace(
            "authority=/etc/kubernetes/pki/ca.crt",
            "authority=/other.crt",
        );
        let twice = YES.replace(
            "    - --tls-cert-file",
            "    - --kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt\n    - --tls-cert-file",
        );
        let twin: &[&str] = &["/etc/kubernetes/manifests/kube-apiserver.yaml.bak"];
        for (text, twins, wanted, expected) in [
            (NO, &[][..], Enabled, Ok((true, 2))),
            (NO, twin, Enabled, Ok((true, 3))),
            (NO, &[], Disabled, Ok((false, 0))),
            (YES, &[], Enabled, Ok((false, 0))),
            // The other file decides as much where nothing changes.
            (YES, twin, Enabled, Ok((false, 1))),
            (YES, &[], Disabled, Ok((true, 1))),
            (&other, &[], Enabled, Err(65)),
            (&other, &[], Disabled, Err(65)),
            (&twice, &[], Enabled, Err(65)),
            ("", &[], Enabled, Err(65)),
            ("apiVersion: v1\nkind: Pod\n", &[], Enabled, Err(65)),
        ] {
            let seen = SeenManifest {
                path: "/etc/kubernetes/manifests/kube-apiserver.yaml".into(),
                bytes: text.into(),
                twins: twins.iter().map(Into::into).collect(),
            };
            assert_eq!(of(manifest(&seen, wanted)), expected, "{wanted:?}\n{text}");
        }
    }

    #[test]
    fn each_state_of_the_configuration_has_its_edit() {
        use Verification::{Disabled, Enabled};
        let elsewhere = "certificatesDir: /srv/pki\n";
        let other = FLAG.replace("/etc/kubernetes/pki", "/other");
        for (text, manifest_ca, immutable, keepers, wanted, expected) in [
            (Some(""), Some(CA), false, &[][..], Enabled, Ok((true, 0))),
            (Some(""), None, false, &[], Enabled, Ok((true, 0))),
            (Some(""), Some(CA), true, &["Flux"], Enabled, Ok((true, 2))),
            (
                Some(FLAG),
                Some(CA),
                true,
                &["Flux"],
                Enabled,
                Ok((false, 0)),
            ),
            (Some(FLAG), Some(CA), false, &[], Disabled, Ok((true, 0))),
            (Some(""), Some(CA), false, &[], Disabled, Ok((false, 0))),
            (Some(elsewhere), Some(CA), false, &[], Enabled, Err(78)),
            (
                Some(elsewhere),
                Some(CA),
                false,
                &[],
                Disabled,
                Ok((false, 0)),
            ),
            (
                Some(elsewhere),
                Some("/srv/pki/ca.crt"),
                false,
                &[],
                Enabled,
                Ok((true, 0)),
            ),
            (Some(&other), Some(CA), false, &[], Enabled, Err(65)),
            (Some("a: 1\na: 2\n"), Some(CA), false, &[], Enabled, Err(65)),
            (None, Some(CA), false, &[], Enabled, Err(65)),
        ] {
            let seen = ConfigMap {
                name: ConfigMap::KUBEADM_CONFIG.into(),
                uid: "u".into(),
                resource_version: "1".into(),
                text: text.map(|text| format!("{HEAD}{text}")),
                immutable,
                keepers: keepers.iter().map(|keeper| (*keeper).to_owned()).collect(),
            };
            assert_eq!(
                of(configuration(&seen, manifest_ca, wanted)),
                expected,
                "{seen:?} {wanted:?}"
            );
        }
    }
}
