//! What `/metrics`, `/healthz` and `/readyz` answer.

use crate::host::endpoint::Answer;

use super::health::Health;
use super::metrics::Metrics;

/// The answer to a request for `path`.
pub(super) fn answer(path: &str, health: &Health, metrics: &Metrics) -> Answer {
    match path {
        "/healthz" | "/livez" => plain(&health.deaf()),
        "/readyz" => plain(&health.unready()),
        "/metrics" => Answer {
            status: 200,
            content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
            body: metrics.encode(health),
        },
        _ => Answer::plain(404, "try /metrics, /healthz or /readyz\n"),
    }
}

/// 200, or 503 with what fails.
fn plain(failing: &[String]) -> Answer {
    let body: String = failing.iter().map(|line| format!("{line}\n")).collect();
    match body.is_empty() {
        true => Answer::plain(200, "ok\n"),
        false => Answer::plain(503, body),
    }
}
