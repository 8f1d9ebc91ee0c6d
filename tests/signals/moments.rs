//! Every blow at many moments, on a few nodes at once; a node that stood one stands the next.

use std::io::Write as _;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use standins::{Node, Output};

use super::blow::{BINARY, Blow, End, Moment, State, Verb, node, state, strike};

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

fn cases() -> Vec<(Blow, Moment)> {
    let after = |millis| Moment::After(Duration::from_millis(millis));
    let targets = [
        Moment::Receipt,
        Moment::Config,
        Moment::Restart,
        Moment::Healthy,
    ];
    let mut cases = Vec::new();
    for signal in SIGNALS {
        // Before the first write it is a matter of milliseconds, behind it of hundreds.
        let spread = (0..10)
            .map(|step| after(step * 8))
            .chain((1..=12).map(|step| after(step * 100)));
        cases.extend(
            targets
                .into_iter()
                .chain(spread)
                .map(|at| (Blow::Signal(signal), at)),
        );
    }
    let others = [
        Blow::Two(Signal::SIGINT, Signal::SIGINT),
        Blow::Two(Signal::SIGHUP, Signal::SIGTERM),
        Blow::Stopped,
        Blow::NoOutput,
        Blow::NoOutputNorError,
        Blow::HangUp,
        Blow::LostShell,
    ];
    for blow in others {
        let spread = [30, 200, 400, 700].map(after);
        cases.extend(targets.into_iter().chain(spread).map(|at| (blow, at)));
    }
    // Where nothing can be heard nothing can be waited for.
    cases.retain(|case| *case != (Blow::NoOutputNorError, Moment::Healthy));
    cases
}

#[test]
fn a_change_is_made_whole_or_not_at_all_whenever_a_signal_comes() {
    let cases = cases();
    let next = Mutex::new(cases.iter());
    let violations = Mutex::new(Vec::new());
    let fates = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut kept = None;
                loop {
                    let Some((blow, moment)) = next.lock().unwrap().next() else {
                        return;
                    };
                    let node = kept.take().unwrap_or_else(node);
                    let mut good = true;
                    for verb in [Verb::Apply, Verb::Rollback] {
                        let before = state(&node);
                        let end = strike(&node, verb, *blow, *moment);
                        match judge(&node, verb, *blow, *moment, &before, &end) {
                            Ok(fate) => fates.lock().unwrap().push(fate),
                            Err(wrong) => {
                                good = false;
                                violations.lock().unwrap().push(format!(
                                    "{verb:?}, {blow:?}, {moment:?}: {wrong}\n{end:?}"
                                ));
                                break;
                            }
                        }
                    }
                    kept = Some(node).filter(|_| good);
                }
            });
        }
    });
    let violations = violations.into_inner().unwrap();
    let fates = fates.into_inner().unwrap();
    let count = |fate| fates.iter().filter(|one| **one == fate).count();
    let (untouched, done, short) = (
        count(Fate::Untouched),
        count(Fate::Done),
        count(Fate::CutShort),
    );
    // Past the harness, which keeps to itself what a good test prints.
    let _ = writeln!(
        std::io::stderr(),
        "signals: {} runs struck, {} violations; {untouched} untouched, {done} completed, {short} completed without the wait",
        fates.len() + violations.len(),
        violations.len()
    );
    assert!(violations.is_empty(), "{}", violations.join("\n\n"));
    assert!(
        untouched > 0 && done > 0 && short > 0,
        "the moments are ill chosen"
    );
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Untouched,
    Done,
    /// Done, and it does not wait for the request: exit 75.
    CutShort,
}

fn judge(
    node: &Node,
    verb: Verb,
    blow: Blow,
    moment: Moment,
    before: &State,
    end: &End,
) -> Result<Fate, String> {
    let after = state(node);
    let must = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => Err(format!("{what}\nbefore: {before:?}\nafter: {after:?}")),
    };
    must(after.leftovers.is_empty(), "a leftover")?;
    must(!end.stderr.contains("panicked"), "a panic")?;
    let untouched = after == *before;
    let fate = match (end.code, end.signal) {
        (_, Some(signal)) => {
            let sent = match blow {
                Blow::Signal(one) => vec![one],
                Blow::Two(one, two) => vec![one, two],
                Blow::HangUp => vec![Signal::SIGHUP],
                _ => vec![],
            };
            must(
                sent.iter().any(|sent| *sent as i32 == signal),
                "it died of something else",
            )?;
            must(untouched, "it died half-way")?;
            Fate::Untouched
        }
        (None, None) if untouched => Fate::Untouched,
        (None, None) => Fate::Done,
        (Some(0), _) => Fate::Done,
        (Some(75), _) => {
            let says = "the change is in place";
            must(end.stderr.contains(says), "it does not say what is done")?;
            Fate::CutShort
        }
        _ => return must(false, "the exit code").map(|()| Fate::Done),
    };
    if fate != Fate::Untouched {
        let enabled = after.config.contains("\nserverTLSBootstrap: true\n");
        must(
            enabled == (verb == Verb::Apply),
            "the file is not as wanted",
        )?;
        must(
            after.starts == before.starts + 1,
            "the kubelet was not restarted once",
        )?;
        let receipt = match verb {
            Verb::Apply => "Done",
            Verb::Rollback => "RolledBack",
        };
        must(after.receipt == receipt, "the receipt")?;
        must(node.is_healthy(), "the kubelet is not healthy")?;
        let signal = matches!(blow, Blow::Signal(_) | Blow::Two(..));
        if signal && matches!(moment, Moment::Receipt | Moment::Config) {
            must(
                end.stderr.contains("interrupted"),
                "it does not say that it was interrupted",
            )?;
        }
    }
    let next = next_run(node, verb);
    let settled = state(node);
    let must = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => Err(format!("the next run: {what}: {settled:?}\n{next:?}")),
    };
    must(next.code == 0, "the exit code")?;
    let enabled = settled.config.contains("\nserverTLSBootstrap: true\n");
    must(
        enabled == (verb == Verb::Apply),
        "the file is not as wanted",
    )?;
    must(
        settled.starts == before.starts + 1,
        "the number of restarts",
    )?;
    Ok(fate)
}

fn next_run(node: &Node, verb: Verb) -> Output {
    match verb {
        Verb::Apply => node.run(BINARY, &["apply", "--settle", "0s", "--timeout", "30s"]),
        Verb::Rollback => node.run(BINARY, &["rollback", "--settle", "0s"]),
    }
}
