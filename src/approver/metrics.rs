//! What the approver counts, as OpenMetrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::health::Health;
use super::line::{Decided, DecisionLine};
use super::timestamp;

/// The metrics, shared by the loop and the endpoint.
#[derive(Debug, Clone)]
pub(super) struct Metrics(Arc<All>);

#[derive(Debug)]
struct All {
    registry: Registry,
    decisions: Family<Decision, Counter>,
    latency: Histogram,
    pending: Gauge,
    /// Creation of the oldest pending request, in seconds since 1970; 0 if none is pending pending.
    oldest: AtomicU64,
    oldest_age: Gauge<f64, AtomicU64>,
    heard: Family<Watch, Gauge<f64, AtomicU64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    verdict: Decided,
    /// The rule that is broken; empty of an approval.
    rule: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Watch {
    watch: &'static str,
}

impl EncodeLabelValue for Decided {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let value = match self {
            Self::Approved => "approved",
            Self::WouldApprove => "would_approve",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Failed => "failed",
        };
        EncodeLabelValue::encode(&value, encoder)
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("kubelet_tls_approver");
        let decisions = Family::<Decision, Counter>::default();
        registry.register(
            "decisions",
            "Decisions about CSRs, by verdict and broken rule",
            decisions.clone(),
        );
        let latency =
            Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0]);
        registry.register_with_unit(
            "decision_latency",
            "Time from a CSR's arrival to its approval or denial",
            Unit::Seconds,
            latency.clone(),
        );
        let pending = Gauge::default();
        registry.register("pending_requests", "CSRs that are pending", pending.clone());
        let oldest_age = Gauge::<f64, AtomicU64>::default();
        registry.register_with_unit(
            "oldest_pending_request_age",
            "Age of the oldest pending CSR that is the newest of its node; 0 if none is pending",
            Unit::Seconds,
            oldest_age.clone(),
        );
        let heard = Family::<Watch, Gauge<f64, AtomicU64>>::default();
        registry.register_with_unit(
            "watch_last_event_timestamp",
            "When a watch last heard from the API server",
            Unit::Seconds,
            heard.clone(),
        );
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The program's version", Info::new(version));
        Self(Arc::new(All {
            registry,
            decisions,
            latency,
            pending,
            oldest: AtomicU64::new(0),
            oldest_age,
            heard,
        }))
    }

    pub(super) fn decided(&self, line: &DecisionLine) {
        let decision = Decision {
            verdict: line.verdict,
            rule: line.rule.unwrap_or_default(),
        };
        self.0.decisions.get_or_create(&decision).inc();
        if matches!(line.verdict, Decided::Approved | Decided::Denied) {
            self.0.latency.observe(line.seconds_after_arrival);
        }
    }

    /// How many requests are pending, and when the oldest was created, in seconds since 1970.
    pub(super) fn pending(&self, count: usize, oldest: Option<i64>) {
        self.0.pending.set(i64::try_from(count).unwrap_or(i64::MAX));
        let oldest = oldest.and_then(|oldest| u64::try_from(oldest).ok());
        self.0.oldest.store(oldest.unwrap_or(0), Ordering::Relaxed);
    }

    /// All metrics as OpenMetrics text.
    pub(super) fn encode(&self, health: &Health) -> String {
        let oldest = self.0.oldest.load(Ordering::Relaxed);
        let age = match oldest {
            0 => 0.0,
            oldest => (timestamp() - oldest as f64).max(0.0),
        };
        self.0.oldest_age.set(age);
        for (watch, at) in health.last_heard() {
            self.0.heard.get_or_create(&Watch { watch }).set(at);
        }
        let mut text = String::new();
        // A String takes everything.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_every_metric() {
        let metrics = Metrics::new();
        metrics.pending(3, Some(1));
        let text = metrics.encode(&Health::new());
        for line in [
            "kubelet_tls_approver_pending_requests 3\n",
            "# TYPE kubelet_tls_approver_decision_latency_seconds histogram\n",
            "# EOF\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
