//! A bad day before anything is touched: nothing is touched.

use std::time::Duration;

use standins::api::ServerCertificate;
use standins::{Config, Fault, Options};

use super::faults::{forbidding, useless};
use super::scene::{Scene, lists, play};

const TIMEOUT: Duration = Duration::from_secs(1);

fn refused(scene: &Scene, code: i32) {
    let (config, starts) = (scene.node.config(), scene.node.kubelet_starts());
    let run = scene.apply(&["--settle", "0s", "--timeout", "1s"]);
    scene.check_never_wrong(&run, TIMEOUT);
    assert_eq!((run.output.code, run.names.len()), (code, 0), "{run}");
    assert_eq!(scene.node.config(), config, "{run}");
    assert_eq!(scene.node.kubelet_starts(), starts, "{run}");
    assert!(run.output.stdout.is_empty(), "{run}");
    assert!(run.output.stderr.contains("error: cannot "), "{run}");
}

#[test]
fn a_useless_answer_leaves_the_node_untouched() {
    play(&useless(), |fault| {
        let scene = Scene::new();
        scene.node.api().inject(lists(), fault.clone());
        refused(&scene, 69);
    });
}

#[test]
fn a_forbidding_answer_leaves_the_node_untouched() {
    play(&forbidding(), |fault| {
        let scene = Scene::new();
        scene.node.api().inject(lists(), fault.clone());
        refused(&scene, 77);
    });
}

#[test]
fn a_server_that_cannot_prove_itself_is_not_believed() {
    let certificates = [
        ("another CA", ServerCertificate::OtherCa),
        ("expired", ServerCertificate::Expired),
        ("another name", ServerCertificate::OtherName),
    ];
    play(&certificates, |certificate| {
        let api = Config {
            server_certificate: *certificate,
            ..Config::default()
        };
        let scene = Scene::with(Options {
            api,
            ..Options::default()
        });
        refused(&scene, 69);
        let log = scene.node.api().requests();
        assert!(log.is_empty(), "asked all the same: {log:?}");
    });
}

#[test]
fn a_server_that_recovers_is_asked_again() {
    let passing = [
        ("closed", Fault::Close),
        ("garbage", Fault::Garbage),
        ("half a body", Fault::HalfBody),
        ("429", Fault::Status(429, Some(1))),
        ("503", Fault::Status(503, None)),
        ("slow", Fault::Delay(Duration::from_millis(700))),
        ("trickling", Fault::Trickle(Duration::from_micros(50))),
    ];
    play(&passing, |fault| {
        let scene = Scene::new();
        scene.node.api().inject(lists().times(2), fault.clone());
        let run = scene.apply(&["--settle", "0s", "--timeout", "9s"]);
        scene.check_named(&run, Duration::from_secs(9));
    });
}
