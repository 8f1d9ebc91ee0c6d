//! The fields of KubeletConfiguration v1beta1 and the kind of JSON each takes.

use serde_json::Value;

/// The Go type a field decodes into, as the decoder's errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    String,
    List,
    Map,
}

impl Kind {
    /// `json: cannot unmarshal string into Go struct field KubeletConfiguration.serverTLSBootstrap of type bool`
    pub(crate) fn check(self, field: &str, value: &Value) -> Result<(), String> {
        let fits = match (self, value) {
            (_, Value::Null) | (Self::Bool, Value::Bool(_)) | (Self::String, Value::String(_)) => {
                true
            }
            (Self::List, Value::Array(_)) | (Self::Map, Value::Object(_)) => true,
            (Self::Int, Value::Number(n)) => n.is_i64(),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let got = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let wanted = match self {
            Self::Bool => "bool",
            Self::Int => "int32",
            Self::String => "string",
            Self::List => "[]string",
            Self::Map => "map[string]string",
        };
        Err(format!(
            "json: cannot unmarshal {got} into Go struct field KubeletConfiguration.{field} of type {wanted}"
        ))
    }
}

/// The kind of this field, if it is one. Fields of later versions are there too: nothing else depends on them.
pub(crate) fn kind_of(field: &str) -> Option<Kind> {
    let is = |all: &[&str]| all.contains(&field);
    match () {
        () if is(BOOLS) => Some(Kind::Bool),
        () if is(INTS) => Some(Kind::Int),
        () if is(STRINGS) => Some(Kind::String),
        () if is(LISTS) => Some(Kind::List),
        () if is(MAPS) => Some(Kind::Map),
        () => None,
    }
}

/// Every field, for drop-ins, whose keys are matched without regard to case.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    [BOOLS, INTS, STRINGS, LISTS, MAPS]
        .into_iter()
        .flatten()
        .copied()
}

const BOOLS: &[&str] = &[
    "enableServer",
    "rotateCertificates",
    "serverTLSBootstrap",
    "enableControllerAttachDetach",
    "enableDebuggingHandlers",
    "enableContentionProfiling",
    "protectKernelDefaults",
    "makeIPTablesUtilChains",
    "failSwapOn",
    "cgroupsPerQOS",
    "cpuCFSQuota",
    "serializeImagePulls",
    "enableProfilingHandler",
    "enableDebugFlagsHandler",
    "seccompDefault",
    "enableSystemLogHandler",
    "enableSystemLogQuery",
    "registerNode",
    "localStorageCapacityIsolation",
    "failCgroupV1",
    "mergeDefaultEvictionSettings",
    "singleProcessOOMKill",
];

const INTS: &[&str] = &[
    "port",
    "readOnlyPort",
    "healthzPort",
    "registryPullQPS",
    "registryBurst",
    "eventRecordQPS",
    "eventBurst",
    "oomScoreAdj",
    "maxPods",
    "podPidsLimit",
    "maxOpenFiles",
    "kubeAPIQPS",
    "kubeAPIBurst",
    "podsPerCore",
    "evictionMaxPodGracePeriod",
    "iptablesMasqueradeBit",
    "iptablesDropBit",
    "imageGCHighThresholdPercent",
    "imageGCLowThresholdPercent",
    "nodeLeaseDurationSeconds",
    "nodeStatusMaxImages",
    "containerLogMaxFiles",
    "containerLogMaxWorkers",
    "maxParallelImagePulls",
];

const STRINGS: &[&str] = &[
    "staticPodPath",
    "syncFrequency",
    "fileCheckFrequency",
    "httpCheckFrequency",
    "staticPodURL",
    "address",
    "tlsCertFile",
    "tlsPrivateKeyFile",
    "tlsMinVersion",
    "healthzBindAddress",
    "clusterDomain",
    "streamingConnectionIdleTimeout",
    "nodeStatusUpdateFrequency",
    "nodeStatusReportFrequency",
    "imageMinimumGCAge",
    "imageMaximumGCAge",
    "volumeStatsAggPeriod",
    "kubeletCgroups",
    "systemCgroups",
    "cgroupRoot",
    "cgroupDriver",
    "cpuManagerPolicy",
    "cpuManagerReconcilePeriod",
    "memoryManagerPolicy",
    "topologyManagerPolicy",
    "topologyManagerScope",
    "runtimeRequestTimeout",
    "hairpinMode",
    "podCIDR",
    "resolvConf",
    "cpuCFSQuotaPeriod",
    "contentType",
    "evictionPressureTransitionPeriod",
    "containerLogMaxSize",
    "containerLogMonitorInterval",
    "configMapAndSecretChangeDetectionStrategy",
    "systemReservedCgroup",
    "kubeReservedCgroup",
    "showHiddenMetricsForVersion",
    "volumePluginDir",
    "providerID",
    "shutdownGracePeriod",
    "shutdownGracePeriodCriticalPods",
    "containerRuntimeEndpoint",
    "imageServiceEndpoint",
    "podLogsDir",
    "imagePullCredentialsVerificationPolicy",
];

const LISTS: &[&str] = &[
    "tlsCipherSuites",
    "tlsCurvePreferences",
    "clusterDNS",
    "allowedUnsafeSysctls",
    "enforceNodeAllocatable",
    "shutdownGracePeriodByPodPriority",
    "reservedMemory",
    "registerWithTaints",
    "preloadedImagesVerificationAllowlist",
];

const MAPS: &[&str] = &[
    "staticPodURLHeader",
    "authentication",
    "authorization",
    "evictionHard",
    "evictionSoft",
    "evictionSoftGracePeriod",
    "evictionMinimumReclaim",
    "featureGates",
    "memorySwap",
    "systemReserved",
    "kubeReserved",
    "qosReserved",
    "logging",
    "tracing",
    "crashLoopBackOff",
    "cpuManagerPolicyOptions",
    "topologyManagerPolicyOptions",
    "userNamespaces",
];
