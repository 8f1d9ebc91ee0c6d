//! The same hostile answers to each question of `approve --watch`: it does not panic, approves nothing that it must not,
//! `/readyz` and `/healthz` tell what it knows, and it recovers. A sample by default, every case with `HOSTILE_WATCH=all`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use standins::{Fault, Matcher, pace};

use super::answers::{Harm, answers, of_watches};
use super::approver::{Approver, LONG, Scene};

/// So many are played at once; they mostly wait.
const AT_ONCE: usize = 12;
/// Of the cases one in so many is played by default.
const SAMPLE: usize = 23;
/// Played by default as well: parts of questions, and answers that look whole.
const ALWAYS: [(&str, &str); 6] = [
    ("list of", "metadata is null"),
    ("list of Nodes", "a name is null"),
    ("list of Services", "a name is null"),
    ("watch of Nodes", "401"),
    ("its request", "404"),
    ("its approval", "404"),
];
/// How long it is left with the hostile server.
const HOSTILE: Duration = Duration::from_millis(1500);

/// What `approve --watch` asks, by a part of the path.
const QUESTIONS: [(&str, &str, bool); 10] = [
    ("its list of requests", "certificatesigningrequests?", false),
    ("its watch of requests", "certificatesigningrequests?", true),
    ("its list of Nodes", "/api/v1/nodes", false),
    ("its watch of Nodes", "/api/v1/nodes", true),
    ("its list of Services", "/api/v1/services", false),
    ("its watch of Services", "/api/v1/services", true),
    ("its EndpointSlices", "/endpointslices", false),
    ("its kubeadm-config", "/kubeadm-config", false),
    ("its request", "certificatesigningrequests/csr-", false),
    ("its approval", "/approval", false),
];

struct Case {
    question: &'static str,
    path: &'static str,
    is_watch: bool,
    answer: String,
    harm: Harm,
    fault: Fault,
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (question, path, is_watch) in QUESTIONS {
        let mut answers = answers();
        if is_watch {
            answers.extend(of_watches());
        }
        for (answer, harm, fault) in answers {
            all.push(Case {
                question,
                path,
                is_watch,
                answer,
                harm,
                fault,
            });
        }
    }
    all
}

impl Case {
    fn is_list(&self) -> bool {
        !self.is_watch && !matches!(self.path, "certificatesigningrequests/csr-" | "/approval")
    }

    /// What is wrong with it.
    fn play(&self) -> String {
        let mut wrong = String::new();
        let mut must = |holds: bool, what: &str| {
            if !holds {
                let _ = writeln!(wrong, "{}: {}: {what}", self.question, self.answer);
            }
        };
        let scene = Scene::new();
        let bad = scene.request(2, [10, 0, 0, 13]);
        let matcher = Matcher::new().path(self.path);
        let matcher = if self.is_watch {
            matcher.watch()
        } else {
            matcher
        };
        let matcher = if self.is_list() {
            matcher.list()
        } else {
            matcher
        };
        scene.api.inject(matcher, self.fault.clone());
        let approver = scene.start(&["--ip-prefix", "10.0.0.0/24"]);
        let good = scene.good(1);
        thread::sleep(HOSTILE);
        let is_approved = |name: &str| scene.api.csr(name).is_some_and(|csr| csr.is("Approved"));
        must(
            approver.get("/healthz").0 == 200,
            "/healthz of one that has just begun",
        );
        let was_approved = is_approved(&good);
        let ready = approver.get("/readyz").0;
        // A watch that cannot be read is followed by a list, and until that is complete nothing is ready.
        let becomes_ready =
            || pace::wait_for(Duration::from_secs(5), || approver.get("/readyz").0 == 200);
        must(
            !was_approved || ready == 200 || becomes_ready(),
            "approved before it was ready",
        );
        let harms = matches!(self.harm, Harm::Useless | Harm::Lasting | Harm::Forbidding);
        // A cluster without these two objects is judged by others, and some wrong types are in fields that are not read.
        let lenient = matches!(self.path, "/endpointslices" | "/kubeadm-config");
        if self.is_list() && harms && !lenient {
            must(!was_approved, "approved with a fact unknown");
            must(ready == 503, "/readyz with a list that is not complete");
        }
        if matches!(self.path, "certificatesigningrequests/csr-" | "/approval") && harms {
            must(!was_approved, "approved without an answer");
        }
        // Where the server may be asked again soon, it recovers.
        scene.api.clear_faults();
        if self.harm != Harm::Lasting {
            let recovers = pace::wait_for(LONG, || is_approved(&good));
            must(recovers, "it does not recover");
            must(!recovers || becomes_ready(), "/readyz after it recovered");
        }
        must(!is_approved(&bad), "a wrong approval");
        let panicked =
            std::iter::from_fn(|| approver.warning()).any(|line| line.contains("panicked"));
        must(!panicked, "a panic");
        must(Approver::end(approver) == Some(0), "the exit code");
        wrong
    }
}

#[test]
fn no_server_misleads_the_approver() {
    let is_all = std::env::var("HOSTILE_WATCH").is_ok_and(|value| value == "all");
    let step = if is_all { 1 } else { SAMPLE };
    let mut number = 0;
    let mut cases = cases();
    cases.retain(|case| {
        number += 1;
        let mut always = ALWAYS.iter();
        (number - 1) % step == 0
            || always.any(|(question, answer)| {
                case.question.contains(question) && case.answer == *answer
            })
    });
    let next = Mutex::new(cases.iter());
    let wrong = Mutex::new(String::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().unwrap().next() else {
                        return;
                    };
                    let said = case.play();
                    wrong.lock().unwrap().push_str(&said);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    // Past the harness, which keeps to itself what a good test prints.
    let _ = writeln!(
        std::io::stderr(),
        "hostile servers and approve --watch: {} cases, {} violations",
        cases.len(),
        wrong.lines().count()
    );
    assert!(wrong.is_empty(), "{wrong}");
}
