//! The fields of KubeletConfiguration v1beta1 and the kind of JSON each takes.

use serde_json::Value;

/// The Go type a field decodes into, as the decoder's errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    String,
    Strings,
    Structs,
    StringMap,
    Struct,
}

impl Kind {
    /// `json: cannot unmarshal string into Go struct field KubeletConfiguration.serverTLSBootstrap of type bool`
    pub(crate) fn check(self, field: &str, value: &Value) -> Result<(), String> {
        let wrong = |got: &Value, wanted: &str| {
            let got = json_type(got);
            Err(format!(
                "json: cannot unmarshal {got} into Go struct field KubeletConfiguration.{field} of type {wanted}"
            ))
        };
        match (self, value) {
            (_, Value::Null) | (Self::Bool, Value::Bool(_)) | (Self::String, Value::String(_)) => {
                Ok(())
            }
            (Self::Struct, Value::Object(_)) => Ok(()),
            (Self::Int, Value::Number(n)) if n.is_i64() => Ok(()),
            (Self::Strings, Value::Array(all)) => {
                all.iter().try_for_each(|v| Self::String.check(field, v))
            }
            (Self::Structs, Value::Array(all)) => {
                all.iter().try_for_each(|v| Self::Struct.check(field, v))
            }
            (Self::StringMap, Value::Object(all)) => {
                all.values().try_for_each(|v| Self::String.check(field, v))
            }
            (Self::Bool, got) => wrong(got, "bool"),
            (Self::Int, got) => wrong(got, "int32"),
            (Self::String, got) => wrong(got, "string"),
            (Self::Strings, got) => wrong(got, "[]string"),
            (Self::StringMap, got) => wrong(got, "map[string]string"),
            (Self::Struct | Self::Structs, got) => wrong(got, &format!("v1beta1.{field}")),
        }
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The kind of this field, if it is one. Fields of later versions are there too: nothing else depends on them.
pub(crate) fn kind_of(field: &str) -> Option<Kind> {
    let is = |all: &[&str]| all.contains(&field);
    match () {
        () if is(BOOLS) => Some(Kind::Bool),
        () if is(INTS) => Some(Kind::Int),
        () if is(STRINGS) => Some(Kind::String),
        () if is(STRING_LISTS) => Some(Kind::Strings),
        () if is(STRUCT_LISTS) => Some(Kind::Structs),
        () if is(STRING_MAPS) => Some(Kind::StringMap),
        () if is(STRUCTS) => Some(Kind::Struct),
        () => None,
    }
}

/// Every field, for drop-ins, whose keys are matched without regard to case.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    [
        BOOLS,
        INTS,
        STRINGS,
        STRING_LISTS,
        STRUCT_LISTS,
        STRING_MAPS,
        STRUCTS,
    ]
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

const STRING_LISTS: &[&str] = &[
    "tlsCipherSuites",
    "tlsCurvePreferences",
    "clusterDNS",
    "allowedUnsafeSysctls",
    "enforceNodeAllocatable",
    "preloadedImagesVerificationAllowlist",
];

const STRUCT_LISTS: &[&str] = &[
    "shutdownGracePeriodByPodPriority",
    "reservedMemory",
    "registerWithTaints",
];

const STRING_MAPS: &[&str] = &[
    "evictionHard",
    "evictionSoft",
    "evictionSoftGracePeriod",
    "evictionMinimumReclaim",
    "systemReserved",
    "kubeReserved",
    "qosReserved",
    "cpuManagerPolicyOptions",
    "topologyManagerPolicyOptions",
];

/// Some of them maps of other things than strings, which are not looked into here.
const STRUCTS: &[&str] = &[
    "staticPodURLHeader",
    "authentication",
    "authorization",
    "featureGates",
    "memorySwap",
    "logging",
    "tracing",
    "crashLoopBackOff",
    "userNamespaces",
];
