//! Files of other tools, which carry a kubelet's settings in a place of their own.
//!
//! To add a tool: an entry in the table below, a file of it in `testdata/field` and its line in `cases.json` there.

use std::ffi::OsString;
use std::path::Path;

use crate::text::hint::Command;

/// How a tool's files are told, and what comes next.
pub(super) struct Tool {
    /// The API group and the kind of its objects; `*` is any kind, and a group that begins with a dot is a suffix.
    pub(super) objects: &'static [(&'static str, &'static str)],
    /// The top-level keys of its files that have no kind: all keys of one of these lists. A key that ends in `*` is a
    /// beginning.
    pub(super) keys: &'static [&'static [&'static str]],
    /// What to do, where the reason does not say it; a phrase without a full stop.
    advice: &'static str,
    /// The next command; FILE at its end is the file.
    next: &'static str,
}

const NOT_EDITED: &str = "only kubelet and kubeadm configuration is edited here";
const SHOWN: &str = "what the nodes serve is shown by cluster status";
pub(super) const NAME_ONE: &str =
    "name a KubeletConfiguration, a file of kubeadm init or join, or a patch of kubeadm's";
const WITHOUT_FILE: &str = "without a FILE, the file that this node's kubelet reads is used";

macro_rules! tools {
    ($(
        $(#[$doc:meta])*
        $name:ident: $reason:literal,
        objects: [$(($group:literal, $kind:literal)),*],
        keys: [$([$($key:literal),*]),*],
        advice: $advice:expr,
        next: $next:literal;
    )*) => {
        /// The file of another tool. It displays as what it is and where the key goes in it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Foreign {
            $($(#[$doc])* #[error($reason)] $name,)*
        }

        impl Foreign {
            /// All of them; of two that a file may be, the first counts.
            pub(super) const ALL: &[Self] = &[$(Self::$name),*];

            /// Its entry in the table.
            pub(super) fn tool(self) -> &'static Tool {
                match self {
                    $(Self::$name => &Tool {
                        objects: &[$(($group, $kind)),*],
                        keys: &[$(&[$($key),*]),*],
                        advice: $advice,
                        next: $next,
                    },)*
                }
            }
        }
    };
}

tools! {
    /// kind's `Cluster` (kind's documentation, "Kubeadm Config Patches").
    Kind: "this is a cluster configuration of kind, where the key goes into an item of kubeadmConfigPatches: the text \"kind: KubeletConfiguration\" with a line \"serverTLSBootstrap: true\"",
        objects: [("kind.x-k8s.io", "*")], keys: [],
        advice: NOT_EDITED, next: "kind create cluster --config FILE";
    /// Objects of Cluster API's kubeadm provider (the Cluster API book, "Kubelet Configuration" of the kubeadm bootstrap
    /// provider).
    ClusterApi: "this is an object of Cluster API, where the kubelet's flag goes in instead: rotate-server-certificates: \"true\" under nodeRegistration.kubeletExtraArgs of both initConfiguration and joinConfiguration",
        objects: [("cluster.x-k8s.io", "*"), (".cluster.x-k8s.io", "*")], keys: [],
        advice: NOT_EDITED, next: "kubectl explain kubeadmconfigtemplate.spec.template.spec.joinConfiguration.nodeRegistration";
    /// The configuration of an EKS node. nodeadm sets the key itself and merges spec.kubelet.config over that
    /// (`defaultKubeletSubConfig` and `writeKubeletConfig` in nodeadm/internal/kubelet/config.go of amazon-eks-ami).
    Eks: "this is a NodeConfig of EKS, whose nodes set serverTLSBootstrap: true by default; only spec.kubelet.config could set it to false",
        objects: [("node.eks.aws", "*")], keys: [],
        advice: SHOWN, next: "nodeadm config check --config-source file://FILE";
    /// Node classes and pools of Karpenter. On EKS they start nodes with a NodeConfig, as above.
    Karpenter: "this is an object of Karpenter, whose spec.kubelet does not have this key; EKS nodes set it by default, and only spec.kubelet.config of a NodeConfig under spec.userData of the EC2NodeClass could set it to false",
        objects: [("karpenter.sh", "*"), ("karpenter.k8s.aws", "*"), ("karpenter.azure.com", "*")], keys: [],
        advice: SHOWN, next: "kubectl explain ec2nodeclass.spec.userData";
    /// The cluster file of eksctl, which sets the key itself and lets no one overwrite it (eksctl's documentation,
    /// "Customizing kubelet configuration").
    Eksctl: "this is a ClusterConfig of eksctl, which sets serverTLSBootstrap itself and does not let kubeletExtraConfig change it, so nothing is to be added here",
        objects: [("eksctl.io", "*")], keys: [],
        advice: SHOWN, next: "kubelet-tls cluster status";
    /// Cluster and InstanceGroup of kOps (`buildKubeletServingCertificate` in nodeup/pkg/model/kubelet.go).
    Kops: "this is an object of kOps, which gives each kubelet a serving certificate of the cluster's CA itself, so this key is not needed",
        objects: [("kops.k8s.io", "*")], keys: [],
        advice: SHOWN, next: "kubelet-tls cluster status";
    /// cluster.yml of RKE, the first (`KubeletService` in rancher/rke's types/rke_types.go).
    Rke: "this is a cluster file of RKE, where generate_serving_certificate: true goes under services.kubelet instead",
        objects: [], keys: [["nodes", "services"], ["nodes", "kubernetes_version"], ["nodes", "cluster_name"]],
        advice: NOT_EDITED, next: "rke up --config FILE";
    /// k0sctl's `Cluster`, which holds a ClusterConfig of k0s under spec.k0s.config; see that.
    K0sctl: "this is a cluster file of k0sctl; k0s sets serverTLSBootstrap: true and approves the CSRs itself, and only values of an item of spec.k0s.config.spec.workerProfiles could set it to false",
        objects: [("k0sctl.k0sproject.io", "*")], keys: [],
        advice: SHOWN, next: "k0sctl apply --dry-run --config FILE";
    /// The profile of a minikube cluster (minikube's documentation, "Configuration": --extra-config).
    Minikube: "this is a profile of minikube, which writes the kubelet's configuration itself; the kubelet's flag is given on its command line instead",
        objects: [], keys: [["KubernetesConfig"], ["MinikubeISO"]],
        advice: NOT_EDITED, next: "minikube start --extra-config=kubelet.rotate-server-certificates=true";
    /// A launch configuration of MicroK8s (pkg/k8sinit/schema.go of microk8s-cluster-agent).
    MicroK8s: "this is a launch configuration of MicroK8s, where the kubelet's flag goes in instead: --rotate-server-certificates: \"true\" under extraKubeletArgs",
        objects: [], keys: [["extraKubeletArgs"]],
        advice: NOT_EDITED, next: "kubelet-tls cluster status";
    /// Talos Linux' machine configuration (its guide "Deploying Metrics Server"), or the document of it that is about the
    /// kubelet alone (its reference, "KubeletConfig", from 1.14).
    Talos: "this is a machine configuration of Talos, where the kubelet's flag goes in instead: rotate-server-certificates: \"true\" under machine.kubelet.extraArgs, or under extraArgs of a KubeletConfig",
        objects: [("v1alpha1", "KubeletConfig")], keys: [["machine", "cluster"], ["machine", "version"]],
        advice: NOT_EDITED, next: r#"talosctl patch machineconfig --patch '{"machine":{"kubelet":{"extraArgs":{"rotate-server-certificates":"true"}}}}'"#;
    /// An object of OpenShift's machine configuration, such as a KubeletConfig (the templates kubelet.yaml of
    /// machine-config-operator set the key).
    OpenShift: "this is an object of OpenShift's machine configuration, which sets serverTLSBootstrap: true on every node; only spec.kubeletConfig of a KubeletConfig could set it to false",
        objects: [("machineconfiguration.openshift.io", "*")], keys: [],
        advice: SHOWN, next: "oc explain kubeletconfig.spec.kubeletConfig";
    /// A Butane file, from which an Ignition file is made; or that one.
    Butane: "this is a Butane or Ignition file, where the key goes into the contents of /var/lib/kubelet/config.yaml under storage.files",
        objects: [], keys: [["variant", "version"], ["ignition"]],
        advice: NOT_EDITED, next: "butane --strict FILE";
    /// User data of Bottlerocket (its reference of settings, settings.kubernetes).
    Bottlerocket: "this is a settings file of Bottlerocket, where server-tls-bootstrap = true goes under [settings.kubernetes]",
        objects: [], keys: [],
        advice: NOT_EDITED, next: "grep -n server-tls-bootstrap FILE";
    /// User data of cloud-init, as a cloud gives it to a new machine.
    CloudInit: "this is a cloud-init file, where the key goes into the content of the kubeadm file under write_files, or kubelet-tls apply goes under runcmd after kubeadm",
        objects: [], keys: [["write_files"], ["runcmd"], ["bootcmd"]],
        advice: NOT_EDITED, next: "cloud-init schema --config-file FILE";
    /// The configuration file of k3s or RKE2, or of a tool that runs one of them. The agent gets serving-kubelet.crt from its
    /// server, and the kubelet is started with it as --tls-cert-file (k3s issue 4271, "Certificate Rotation").
    K3s: "this is a configuration file of k3s or RKE2, where a kubelet's flag goes under kubelet-arg; their kubelets already serve certificates of the cluster's CA, so this key is not needed",
        objects: [("k3d.io", "*"), ("provisioning.cattle.io", "*")],
        keys: [["cluster-init"], ["kubelet-arg"], ["kube-apiserver-arg"], ["kube-controller-manager-arg"], ["write-kubeconfig-mode"], ["flannel-backend"], ["node-label"], ["tls-san"], ["protect-kernel-defaults"], ["server", "token"], ["token", "cni"]],
        advice: NOT_EDITED, next: "openssl x509 -noout -issuer -in /var/lib/rancher/k3s/agent/serving-kubelet.crt";
    /// k0s' ClusterConfig. Every worker profile has the key, and a controller approves the requests (`buildProfile` in
    /// pkg/component/controller/workerconfig/reconciler.go, and csrapprover.go beside it).
    K0s: "this is a ClusterConfig of k0s, which sets serverTLSBootstrap: true and approves the CSRs itself; only values of an item of spec.workerProfiles could set it to false",
        objects: [("k0s.k0sproject.io", "*")], keys: [],
        advice: SHOWN, next: "k0s config validate --config FILE";
    /// The node system configuration of a GKE node pool (GKE's documentation, "Customize the node system configuration": its
    /// kubeletConfig has a list of keys, and this is not among them).
    Gke: "this is a node system configuration of GKE, whose kubeletConfig does not have this key",
        objects: [], keys: [["kubeletConfig"], ["linuxConfig"]],
        advice: SHOWN, next: "kubelet-tls cluster status";
    /// What a kubelet answers at /configz.
    Configz: "this is what a kubelet answers at /configz, not a file that a kubelet reads",
        objects: [], keys: [["kubeletconfig"]],
        advice: WITHOUT_FILE, next: "kubelet-tls diff";
    /// Inventory or group variables of Kubespray (roles/kubernetes/node/defaults in kubespray).
    Kubespray: "this is a file of kubespray's variables or hosts, where the variable for this key is kubelet_rotate_server_certificates: true",
        objects: [], keys: [["kubelet_*"], ["kube_*"], ["kubeadm_*"], ["container_manager"], ["etcd_deployment_type"], ["all"]],
        advice: NOT_EDITED, next: "grep -n kubelet_rotate_server_certificates FILE";
    /// metrics-server's own manifest, which is told by its object's name.
    MetricsServer: "this is a manifest of metrics-server, which has no settings of the kubelet",
        objects: [], keys: [],
        advice: "to have metrics-server verify kubelets, name it with --base", next: "kubelet-tls metrics-server --dir metrics-server --base FILE";
    /// The manifest of kubeadm's API server, which is told by its object's name.
    ApiServerManifest: "this is the manifest of a kube-apiserver, which has no settings of the kubelet",
        objects: [], keys: [],
        advice: "the option --api-server edits the flag with which it verifies kubelets", next: "kubelet-tls diff --api-server FILE";
    /// A ConfigMap with a KubeletConfiguration, as kubeadm keeps one in the cluster.
    ConfigMap: "this is a ConfigMap, where the key goes into the text of the KubeletConfiguration under data.kubelet",
        objects: [("v1", "ConfigMap")], keys: [],
        advice: "to change it in the cluster: kubelet-tls cluster apply", next: "kubelet-tls cluster diff";
    /// A kubeconfig, such as /etc/kubernetes/kubelet.conf.
    Kubeconfig: "this is a kubeconfig, which says how to reach the API server and has no settings of the kubelet",
        objects: [("v1", "Config")], keys: [["clusters", "contexts"]],
        advice: WITHOUT_FILE, next: "kubelet-tls diff";
    /// A systemd unit or drop-in, or a file of environment variables or of flags.
    Flags: "this file sets a kubelet's flags; serverTLSBootstrap goes into the file that its flag --config names",
        objects: [], keys: [],
        advice: WITHOUT_FILE, next: "kubelet-tls diff";
    /// A certificate or a key.
    Pem: "this is a certificate or a key, not a configuration of the kubelet or of kubeadm",
        objects: [], keys: [],
        advice: NAME_ONE, next: "kubelet-tls diff --help";
    /// The output of diff(1) or git.
    Diff: "this is a diff, not the file that it changes",
        objects: [], keys: [],
        advice: NAME_ONE, next: "kubelet-tls diff --help";
    /// What a server answers in the place of a file.
    WebPage: "this is a web page, not a configuration of the kubelet or of kubeadm",
        objects: [], keys: [],
        advice: NAME_ONE, next: "kubelet-tls diff --help";
    /// A shell script, such as the user data of a machine that joins.
    Script: "this is a script, not a configuration of the kubelet or of kubeadm",
        objects: [], keys: [],
        advice: "edit the file that it passes to kubeadm --config, or have it run kubelet-tls apply after kubeadm", next: "grep -n kubeadm FILE";
    /// User data in several parts, as clouds and cloud-init take it.
    Mime: "this is user data of several MIME parts, where the key goes into the part that configures the kubelet or kubeadm",
        objects: [], keys: [],
        advice: NOT_EDITED, next: "grep -n Content-Type: FILE";
    /// Plays or tasks of Ansible.
    Playbook: "this is a playbook or a list of tasks of Ansible, not a configuration of the kubelet or of kubeadm",
        objects: [], keys: [],
        advice: "edit the file that it copies or the template that it renders, or use the module kubelet_tls", next: "grep -nE 'kubelet|kubeadm' FILE";
    /// A kustomization, whose kind may be left out.
    Kustomization: "this is a kustomization, not a configuration of the kubelet or of kubeadm",
        objects: [("kustomize.config.k8s.io", "*")], keys: [["resources", "patches"], ["resources", "images"], ["resources", "namespace"], ["patchesStrategicMerge"], ["configMapGenerator"], ["secretGenerator"]],
        advice: "edit the file that it refers to", next: r"grep -nE '\.(ya?ml|json)' FILE";
    /// A template of Jinja or Go, which is not YAML before it is rendered.
    Template: "this line is part of a template that was not rendered",
        objects: [], keys: [],
        advice: "render the template first, then edit its result", next: r"grep -nE '\{[{%]' FILE";
    /// A kubeadm patch of a KubeletConfiguration under another name than kubeadm knows.
    UnnamedPatch: "this has keys of a KubeletConfiguration but no kind; kubeadm takes it for a patch only under a name that begins with kubeletconfiguration, such as kubeletconfiguration0+merge.yaml",
        objects: [],
        keys: [["authentication"], ["cgroupDriver"], ["clusterDNS"], ["containerLogMaxSize"], ["evictionHard"], ["featureGates"], ["imageGCHighThresholdPercent"], ["kubeReserved"], ["maxPods"], ["rotateCertificates"], ["serverTLSBootstrap"], ["shutdownGracePeriod"], ["systemReserved"], ["tlsCipherSuites"]],
        advice: "rename it, or add apiVersion and kind if the kubelet reads it", next: "mv -n FILE";
}

/// A name under which kubeadm takes a file for a patch of a KubeletConfiguration.
const PATCH_NAME: &str = "kubeletconfiguration0+merge.yaml";

impl Foreign {
    /// What to do next, where the reason does not say it yet; a phrase without a full stop.
    pub(crate) fn advice(self) -> &'static str {
        self.tool().advice
    }

    /// The command that comes next, for a file in this place; none for standard input where the command needs the file.
    pub(crate) fn command(self, path: Option<&Path>) -> Option<Command> {
        const FILE: &str = "FILE";
        let next = self.tool().next;
        let Some((words, last)) = next.rsplit_once(' ').filter(|_| next.ends_with(FILE)) else {
            return Some(next.into());
        };
        let path = path?;
        let mut word = OsString::from(last.trim_end_matches(FILE));
        word.push(path);
        let command = Command::from(words).arg(word);
        Some(match self {
            Self::UnnamedPatch => command.arg(path.with_file_name(PATCH_NAME)),
            _ => command,
        })
    }
}
