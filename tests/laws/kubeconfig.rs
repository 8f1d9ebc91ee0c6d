//! The laws of reading a kubeconfig: what is wrong with it is said in words of the program's own, none of the file's.

use kubelet_tls::parts::host::{KubeconfigError, parse};

use crate::law::Broken;

/// Reads `bytes`.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Broken> {
    match parse(bytes) {
        Ok(parsed) => {
            law!(parsed.server.scheme_str() == Some("https"));
            let authority = parsed.server.authority().map_or("", |host| host.as_str());
            law!(!authority.contains('@'), "{authority}");
        }
        // These hold a position or words of the program alone.
        Err(
            KubeconfigError::NotKubeconfig(_)
            | KubeconfigError::Type { .. }
            | KubeconfigError::NoCurrentContext
            | KubeconfigError::UnknownCurrentContext
            | KubeconfigError::UnknownCluster
            | KubeconfigError::Forbidden { .. }
            | KubeconfigError::UnknownField { .. }
            | KubeconfigError::Server(_),
        ) => {}
        Err(error) => law!(false, "{error:?}"),
    }
    Ok(())
}
