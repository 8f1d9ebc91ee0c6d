//! When the credential is read again: pure, with the time as an argument.

use std::time::{Duration, Instant};

use super::pause::{LONGEST, Pause};

/// How often the credential's files are looked at while nothing fails.
const LOOK: Duration = Duration::from_secs(15);

/// What is known of the credential, over all runs of the watches.
///
/// A credential is read again when one of its files has changed, when the API server does not accept it any more, or when
/// SIGHUP asks for it. Each reading starts all watches again and may run an exec plug-in, so pauses between readings grow: an
/// API server that refuses every credential is asked once a minute.
#[derive(Debug, Default)]
pub(super) struct Reload {
    wanted: bool,
    /// Whether something failed that changed files would explain.
    suspected: bool,
    looked: Option<Instant>,
    read: Option<Instant>,
    not_before: Option<Instant>,
    pause: Pause,
    /// Why it could not be read last time.
    told: Option<String>,
}

impl Reload {
    /// SIGHUP asks to read it again, without a pause.
    pub(super) fn asked(&mut self) {
        self.wanted = true;
        self.not_before = None;
    }

    /// The API server does not accept it any more.
    pub(super) fn unauthorized(&mut self) {
        self.suspected = true;
        self.wanted = true;
    }

    /// The API server cannot be talked to. Its CA may have been replaced, so the files are looked at before it is time.
    pub(super) fn suspected(&mut self) {
        self.suspected = true;
    }

    /// Whether to read the credential now; `has_changed` tells whether its files changed since it was read.
    pub(super) fn is_due(&mut self, now: Instant, has_changed: impl FnOnce() -> bool) -> bool {
        let looks = self.looked.is_none_or(|at| now.duration_since(at) >= LOOK);
        if looks || std::mem::take(&mut self.suspected) {
            self.looked = Some(now);
            self.wanted |= has_changed();
        }
        if !self.wanted || self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        let is_calm = |at| now.duration_since(at) >= 2 * LONGEST;
        if self.read.is_none_or(is_calm) {
            self.pause = Pause::default();
        }
        self.read = Some(now);
        self.not_before = Some(now + self.pause.grow());
        self.wanted = false;
        true
    }

    /// It could be read.
    pub(super) fn succeeded(&mut self) {
        self.told = None;
    }

    /// It could not be read, for this reason; what to tell of that is returned, none where it was told already. It is tried
    /// again after a pause: a half-written file is whole a moment later.
    pub(super) fn failed(&mut self, reason: &str) -> Option<String> {
        self.wanted = true;
        let text = format!("cannot read the credential again: {reason}");
        let is_new = self.told.as_ref() != Some(&text);
        self.told = Some(text.clone());
        is_new.then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which of the first `seconds` the credential is read, asked every tenth of a second; `each` gets the tenth.
    fn readings(
        reload: &mut Reload,
        seconds: u64,
        mut each: impl FnMut(&mut Reload, u64) -> bool,
    ) -> Vec<u64> {
        let begin = Instant::now();
        let at = |tenth: u64| begin + Duration::from_millis(100 * tenth);
        let due = (0..seconds * 10).filter(|tenth| {
            let has_changed = each(reload, *tenth);
            reload.is_due(at(*tenth), || has_changed)
        });
        due.map(|tenth| tenth / 10).collect()
    }

    #[test]
    fn an_api_server_that_refuses_for_ever_is_asked_once_a_minute() {
        let mut reload = Reload::default();
        let read = readings(&mut reload, 300, |reload, _| {
            reload.unauthorized();
            false
        });
        assert_eq!(read, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    }

    #[test]
    fn a_credential_that_was_good_for_a_while_is_read_at_once() {
        // As a token of five minutes is.
        let mut reload = Reload::default();
        let read = readings(&mut reload, 1000, |reload, tenth| {
            if tenth % 3000 == 2990 {
                reload.unauthorized();
            }
            false
        });
        assert_eq!(read, [299, 599, 899]);
    }

    #[test]
    fn changed_files_are_found_in_time_and_at_once_where_something_fails() {
        let mut reload = Reload::default();
        assert_eq!(readings(&mut reload, 60, |_, at| at == 170), [0; 0]);
        let mut reload = Reload::default();
        assert_eq!(
            readings(&mut reload, 60, |_, at| (170..310).contains(&at)),
            [30]
        );
        let mut reload = Reload::default();
        let read = readings(&mut reload, 60, |reload, at| {
            if at == 170 {
                reload.suspected();
            }
            (170..180).contains(&at)
        });
        assert_eq!(read, [17]);
    }

    #[test]
    fn a_credential_that_cannot_be_read_is_tried_again_and_told_once() {
        let mut reload = Reload::default();
        let mut told = Vec::new();
        reload.asked();
        let begin = Instant::now();
        let mut read = Vec::new();
        for second in 0..9 {
            if reload.is_due(begin + Duration::from_secs(second), || false) {
                read.push(second);
                let reason = if second < 3 { "half" } else { "gone" };
                told.extend(reload.failed(reason));
            }
        }
        assert_eq!(read, [0, 1, 3, 7]);
        assert_eq!(told.len(), 2, "{told:?}");
        // SIGHUP does not wait.
        reload.asked();
        assert!(reload.is_due(begin + Duration::from_secs(9), || false));
        reload.succeeded();
        assert!(!reload.is_due(begin + Duration::from_secs(300), || false));
    }
}
