//! The API's answers, read: pure, and tested on real ones.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::version::Info;

use crate::node::version;
use crate::text::brief;

/// What kubeadm's ConfigMap holds for kubelets: data key `kubelet`.
pub(super) fn parse_kubelet_config(bytes: &[u8]) -> Result<String, serde_json::Error> {
    let map: ConfigMap = serde_json::from_slice(bytes)?;
    map.data
        .and_then(|mut data| data.remove("kubelet"))
        .ok_or_else(|| serde::de::Error::missing_field("kubelet"))
}

/// The minor of the API server's `/version`.
pub(super) fn parse_minor(bytes: &[u8]) -> Result<u32, serde_json::Error> {
    let info: Info = serde_json::from_slice(bytes)?;
    version::minor(&info.git_version)
        .ok_or_else(|| serde::de::Error::custom("its version is not one of Kubernetes 1"))
}

/// The `Date` header (RFC 9110, 5.6.7), of which servers send the fixed form alone.
pub(super) fn parse_date(text: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
}

/// The message of a `Status` object, or the beginning of whatever else was said.
pub(super) fn parse_status(bytes: &[u8]) -> String {
    let status = serde_json::from_slice::<serde_json::Value>(bytes);
    let message = status.map(|status| {
        let message = status.get("message").and_then(serde_json::Value::as_str);
        message.unwrap_or_default().to_owned()
    });
    brief(&message.unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::kube::ApiError;

    #[test]
    fn the_kubelet_configmap_is_read_as_a_node_may_read_it() {
        let text = parse_kubelet_config(include_bytes!(
            "../../../testdata/captured/1.36/kubelet-config-as-node.json"
        ));
        assert!(text.unwrap().contains("kind: KubeletConfiguration\n"));
        assert!(parse_kubelet_config(br#"{"data":{}}"#).is_err());
    }

    #[test]
    fn the_minor_version_is_read_from_each_form() {
        let of = |version: &str| {
            parse_minor(
                serde_json::json!({ "gitVersion": version })
                    .to_string()
                    .as_bytes(),
            )
            .ok()
        };
        assert_eq!(of("v1.19.16"), Some(19));
        assert_eq!(of("v1.36.2-gke.7"), Some(36));
        assert_eq!(of("v2.0.0"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn the_date_header_is_read() {
        let time = "2026-11-23T07:16:56Z".parse().unwrap();
        assert_eq!(parse_date("Mon, 23 Nov 2026 07:16:56 GMT"), Some(time));
        assert_eq!(parse_date("yesterday"), None);
    }

    #[test]
    fn an_error_says_what_the_server_said() {
        let forbidden = br#"{"kind":"Status","status":"Failure","message":"nodes \"x\" is forbidden","code":403}"#;
        assert_eq!(parse_status(forbidden), "nodes \"x\" is forbidden");
        assert_eq!(parse_status(b"<html>\x1b[2J"), "<html>\u{fffd}[2J");
        let error = ApiError::Status {
            server: "https://a".into(),
            code: 403,
            message: "no".into(),
            retry_after: None,
        };
        assert_eq!(error.to_string(), "https://a answers 403: no");
        assert!(error.is_forbidden() && !error.is_transient());
    }
}
