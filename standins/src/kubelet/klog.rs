//! Log lines as klog writes them, on standard error.

use std::io::Write as _;

use time::OffsetDateTime;

/// `I1123 07:15:42.123456     314 server.go:529] "Kubelet version" kubeletVersion="v1.36.2"`
pub(crate) fn info(place: &str, message: &str) {
    line('I', place, message);
}

/// The same with a `W`.
pub(crate) fn warning(place: &str, message: &str) {
    line('W', place, message);
}

/// The same with an `E`.
pub(crate) fn error(place: &str, message: &str) {
    line('E', place, message);
}

fn line(level: char, place: &str, message: &str) {
    let t = OffsetDateTime::now_utc();
    let (month, day) = (u8::from(t.month()), t.day());
    let (h, m, s, us) = (t.hour(), t.minute(), t.second(), t.microsecond());
    let pid = std::process::id();
    let line = format!(
        "{level}{month:02}{day:02} {h:02}:{m:02}:{s:02}.{us:06} {pid:7} {place}] {message}\n"
    );
    // One write, so that lines of several threads do not mix; a closed journal does not end the kubelet.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
