//! Time spans and points in time as systemd writes them.

use std::time::Duration;

use time::OffsetDateTime;

/// What `infinity` stands for.
pub(crate) const INFINITY: Duration = Duration::MAX;

/// `10`, `300ms`, `1min 30s`, `0.3`, `infinity`.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if text == "infinity" {
        return Some(INFINITY);
    }
    let mut total = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().ok()?;
        rest = rest[end..].trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "" | "s" | "sec" | "second" | "seconds" => 1.0,
                "ms" | "msec" => 1e-3,
                "us" | "usec" => 1e-6,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hr" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86400.0,
                _ => return None,
            };
        rest = rest[end..].trim_start();
    }
    Some(Duration::from_secs_f64(total))
}

/// `10s`, `300ms`, `1min 30s`.
pub(crate) fn show(span: Duration) -> String {
    if span == INFINITY {
        return "infinity".into();
    }
    let mut micros = span.as_micros();
    let mut parts = Vec::new();
    for (unit, size) in [
        ("d", 86_400_000_000),
        ("h", 3_600_000_000),
        ("min", 60_000_000),
        ("s", 1_000_000),
        ("ms", 1000),
        ("us", 1),
    ] {
        if micros >= size {
            parts.push(format!("{}{unit}", micros / size));
            micros %= size;
        }
    }
    if parts.is_empty() {
        "0".into()
    } else {
        parts.join(" ")
    }
}

/// A point in time, by the wall's clock and by the monotonic one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    wall: OffsetDateTime,
    monotonic_micros: i64,
}

impl Stamp {
    pub(crate) fn now() -> Self {
        let monotonic = nix::time::ClockId::CLOCK_MONOTONIC.now().unwrap();
        Self {
            wall: OffsetDateTime::now_utc(),
            monotonic_micros: monotonic.tv_sec() * 1_000_000 + monotonic.tv_nsec() / 1000,
        }
    }

    /// `Mon 2026-11-23 07:15:42 UTC`
    pub(crate) fn wall(self) -> String {
        let t = self.wall;
        let weekday = &t.weekday().to_string()[..3];
        let (month, day) = (u8::from(t.month()), t.day());
        format!(
            "{weekday} {:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
            t.year(),
            t.hour(),
            t.minute(),
            t.second()
        )
    }

    pub(crate) fn monotonic(self) -> String {
        self.monotonic_micros.to_string()
    }
}
