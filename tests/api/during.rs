//! A bad day between the restart and the request: the right name, or none.

use std::time::Duration;

use standins::{Fault, Knobs, Matcher, Options};

use super::faults::{forbidding, useless};
use super::scene::{Run, Scene, lists, play, watches};

const TIMEOUT: Duration = Duration::from_secs(2);

fn apply(scene: &Scene, timeout: &str) -> Run {
    scene.apply(&["--settle", "0s", "--timeout", timeout])
}

/// The change stands and the kubelet runs with it, whatever became of the request.
fn check_applied(scene: &Scene, run: &Run) {
    assert!(
        scene.node.config().contains("serverTLSBootstrap: true"),
        "{run}"
    );
    assert_eq!(scene.node.kubelet_starts(), 2, "{run}");
    assert!(scene.node.is_healthy(), "{run}");
}

#[test]
fn a_watch_that_fails_for_a_while_is_taken_up_again() {
    let again = |fault| (watches().times(2), fault);
    let mut scenes: Vec<(&str, (Matcher, Fault))> = useless()
        .into_iter()
        .filter(|(_, fault)| !matches!(fault, Fault::Silent(_) | Fault::Raw(_)))
        .filter(|(_, fault)| !matches!(fault, Fault::Status(429, Some(_))))
        .chain(forbidding())
        .map(|(name, fault)| (name, again(fault)))
        .collect();
    let brief = Duration::from_millis(400);
    scenes.extend([
        ("dropped at once", again(Fault::DropAfter(0))),
        (
            "dropped after an event, always",
            (watches(), Fault::DropAfter(1)),
        ),
        (
            "reset after an event, always",
            (watches(), Fault::ResetAfter(1)),
        ),
        ("silent for a while", again(Fault::Silent(brief))),
        ("late", (watches(), Fault::Delay(brief))),
        (
            "a byte at a time",
            (watches(), Fault::Trickle(Duration::from_micros(200))),
        ),
        ("a bookmark without a request", (watches(), Fault::Bookmark)),
        ("429, in a second", again(Fault::Status(429, Some(1)))),
    ]);
    play(&scenes, |(matcher, fault)| {
        let scene = Scene::new();
        scene.node.api().inject(matcher.clone(), fault.clone());
        let run = apply(&scene, "9s");
        scene.check_named(&run, Duration::from_secs(9));
        check_applied(&scene, &run);
    });
}

#[test]
fn an_expired_watch_begins_with_a_new_list_and_never_names_an_old_request() {
    let gone = [
        ("410", Fault::Status(410, None)),
        ("410 as an event", Fault::Gone),
    ];
    let mut scenes = Vec::new();
    for (name, fault) in gone {
        // Each with a list that is well, and with one that first fails.
        scenes.push((name, (fault.clone(), None)));
        for (_, relist) in useless().into_iter().chain(forbidding()) {
            if !matches!(
                relist,
                Fault::Silent(_) | Fault::Raw(_) | Fault::Status(429, Some(_))
            ) {
                scenes.push((name, (fault.clone(), Some(relist))));
            }
        }
    }
    play(&scenes, |(gone, relist)| {
        let scene = Scene::new();
        let api = scene.node.api();
        api.inject(watches().times(3), gone.clone());
        if let Some(fault) = relist {
            api.inject(lists().nth(2), fault.clone());
        }
        let run = apply(&scene, "9s");
        scene.check_named(&run, Duration::from_secs(9));
        let log = api.requests();
        let lists = log
            .iter()
            .filter(|r| !r.target.contains("watch=true") && r.target.contains("spec.signerName"));
        assert!(lists.count() > 1, "{run}");
    });
}

#[test]
fn a_request_made_while_the_history_is_lost_is_found_in_the_new_list() {
    let scene = Scene::new();
    let api = scene.node.api();
    // By the time a watch is let in, the request is there and the history before it is not.
    api.inject(watches().times(3), Fault::Status(503, None));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let known = api.csrs_of(scene.node.name()).len();
            let made = api.wait_for_csr(scene.node.name(), known, Duration::from_secs(20));
            assert!(made.is_some());
            api.compact();
        });
        let run = apply(&scene, "9s");
        scene.check_named(&run, Duration::from_secs(9));
    });
}

#[test]
fn a_watch_that_never_works_ends_in_time_without_a_name() {
    let mut scenes = useless();
    scenes.push(("a byte a second", Fault::Trickle(Duration::from_secs(1))));
    play(&scenes, |fault| {
        let scene = Scene::new();
        scene.node.api().inject(watches(), fault.clone());
        let run = apply(&scene, "2s");
        scene.check_never_wrong(&run, TIMEOUT);
        assert_eq!((run.output.code, run.names.len()), (75, 0), "{run}");
        check_applied(&scene, &run);
    });
}

#[test]
fn a_watch_that_is_never_permitted_is_said_to_be() {
    play(&forbidding(), |fault| {
        let scene = Scene::new();
        scene.node.api().inject(watches(), fault.clone());
        let run = apply(&scene, "2s");
        scene.check_never_wrong(&run, TIMEOUT);
        assert_eq!((run.output.code, run.names.len()), (77, 0), "{run}");
        check_applied(&scene, &run);
    });
}

#[test]
fn trouble_that_is_over_is_not_the_cause() {
    let knobs = Knobs {
        never_csr: true,
        ..Knobs::default()
    };
    let scene = Scene::with(Options {
        knobs,
        ..Options::default()
    });
    scene
        .node
        .api()
        .inject(watches().once(), Fault::Status(403, None));
    let run = apply(&scene, "2s");
    scene.check_never_wrong(&run, TIMEOUT);
    assert_eq!(run.output.code, 75, "{run}");
    assert!(!run.output.stderr.contains("403"), "{run}");
}

#[test]
fn a_new_list_that_is_never_whole_names_nothing() {
    let scenes: Vec<_> = useless().into_iter().chain(forbidding()).collect();
    play(&scenes, |fault| {
        let scene = Scene::new();
        let api = scene.node.api();
        api.inject(watches(), Fault::Gone);
        api.inject(lists().skip(1), fault.clone());
        let run = apply(&scene, "2s");
        scene.check_never_wrong(&run, TIMEOUT);
        assert!(matches!(run.output.code, 75 | 77), "{run}");
        assert!(run.names.is_empty(), "{run}");
        check_applied(&scene, &run);
    });
}

#[test]
fn a_server_that_falls_silent_altogether_does_not_hold_the_tool_beyond_its_time() {
    let scene = Scene::new();
    let api = scene.node.api();
    let silence = Fault::Silent(Duration::from_secs(60));
    api.inject(watches(), silence.clone());
    // The diagnosis wants the Node; the kubelet reads its own before the tool does.
    api.inject(Matcher::new().path("/api/v1/nodes/").skip(1), silence);
    let run = apply(&scene, "2s");
    scene.check_never_wrong(&run, TIMEOUT);
    assert_eq!(run.output.code, 75, "{run}");
}
