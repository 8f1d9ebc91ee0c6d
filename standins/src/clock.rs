//! Times as the API, the kubelet and systemd write them.

use time::OffsetDateTime;

/// Now, as a Kubernetes timestamp: `2026-11-23T07:16:49Z`.
pub(crate) fn rfc3339() -> String {
    rfc3339_of(OffsetDateTime::now_utc())
}

/// `2026-11-23T07:16:49Z`
pub(crate) fn rfc3339_of(t: OffsetDateTime) -> String {
    let (y, mo, d) = (t.year(), u8::from(t.month()), t.day());
    format!(
        "{y:04}-{mo:02}-{d:02}T{:02}:{:02}:{:02}Z",
        t.hour(),
        t.minute(),
        t.second()
    )
}

/// `Mon, 23 Nov 2026 07:16:49 GMT`, for HTTP.
pub(crate) fn http_date() -> String {
    let t = OffsetDateTime::now_utc();
    let weekday = &t.weekday().to_string()[..3];
    let month = &t.month().to_string()[..3];
    let (h, m, s) = (t.hour(), t.minute(), t.second());
    format!(
        "{weekday}, {:02} {month} {:04} {h:02}:{m:02}:{s:02} GMT",
        t.day(),
        t.year()
    )
}
