//! What a kubelet's version says of its behaviour.

/// The first minor of which a bootstrapped certificate is served in preference to a static one: seen on 1.36 and not on
/// 1.19; read to be 1.35 or near it.
const BOOTSTRAP_WINS: u32 = 35;

/// The minor of `v1.36.2`.
pub fn minor(version: &str) -> Option<u32> {
    version
        .strip_prefix("v1.")?
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// The minor version of a kubelet of `version` (`v1.36.2`), and whether it serves a static certificate in preference to
/// the one that it bootstraps. `None` where the version is not known.
pub fn serves_static(version: Option<&str>) -> Option<(u32, bool)> {
    let minor = version.and_then(minor)?;
    Some((minor, minor < BOOTSTRAP_WINS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_that_is_served_depends_on_the_version() {
        assert_eq!(serves_static(Some("v1.34.9")), Some((34, true)));
        assert_eq!(serves_static(Some("v1.35.0")), Some((35, false)));
        assert_eq!(serves_static(Some("unknown")), None);
        assert_eq!(serves_static(None), None);
    }
}
