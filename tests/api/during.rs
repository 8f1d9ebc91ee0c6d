//! A bad day between the restart and the request: the right name, or none. What a hostile server may answer is in
//! tests/hostile.

use std::time::Duration;

use standins::{Fault, Knobs, Options};

use super::scene::{Run, Scene, play, watches};

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
fn a_watch_that_ends_or_stalls_is_started_again() {
    let again = |fault| (watches().times(2), fault);
    let brief = Duration::from_millis(400);
    let scenes = [
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
    ];
    play(&scenes, |(matcher, fault)| {
        let scene = Scene::new();
        scene.node.api().inject(matcher.clone(), fault.clone());
        let run = apply(&scene, "9s");
        scene.check_named(&run, Duration::from_secs(9));
        check_applied(&scene, &run);
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

/// Each failure of the watch is followed by a list of every request of the cluster, so the pauses must grow.
#[test]
fn a_watch_that_can_never_be_read_does_not_list_without_pause() {
    let scene = Scene::with(Options {
        knobs: Knobs {
            never_csr: true,
            ..Knobs::default()
        },
        ..Options::default()
    });
    let event = b"{\"type\":\"ADDED\",\"object\":7}\n".to_vec();
    scene.node.api().inject(watches(), Fault::Body(event));
    let run = apply(&scene, "6s");
    assert_eq!(run.output.code, 75, "{run}");
    let requests = scene.node.api().requests();
    let is_list = |target: &str| {
        target.contains("certificatesigningrequests?") && !target.contains("watch=true")
    };
    let lists = requests.iter().filter(|r| is_list(&r.target)).count();
    // The first list, and one after each pause of 0.2, 0.4, 0.8, 1.6 and 3.2 seconds.
    assert!((3..=7).contains(&lists), "{lists} lists");
}
