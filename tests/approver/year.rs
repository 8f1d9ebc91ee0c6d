//! A year of a cluster in half a minute: Nodes join and leave, kubelets renew, the API server restarts, credentials are
//! rotated, an approver is replaced, and two of them decide at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use standins::api::{Csr, NodeSpec};
use standins::pki::Sans;
use standins::{Fault, KubeconfigStyle, Matcher, pace};

use super::scene::{Approver, LONG, Scene};

const DAYS: u32 = 365;
const NETWORK: &[&str] = &["--ip-prefix", "10.20.0.0/16"];
/// 2026-01-01, in seconds since 1970.
const START: i64 = 1_767_225_600;
/// What the resident memory may grow by from the spring to the end, in MiB.
const GROWTH: f64 = 12.0;

struct Year {
    scene: Scene,
    approvers: Vec<Approver>,
    /// Which credential is in use.
    credential: u32,
    /// Decisions that were told, by request: who approved it, and how often.
    told: BTreeMap<String, u32>,
    honest: Vec<String>,
    hostile: Vec<String>,
    /// Requests that are approved, and were looked at.
    done: BTreeSet<String>,
    warnings: Vec<String>,
}

impl Year {
    fn new() -> Self {
        let mut year = Self {
            scene: Scene::new(),
            approvers: Vec::new(),
            credential: 0,
            told: BTreeMap::new(),
            honest: Vec::new(),
            hostile: Vec::new(),
            done: BTreeSet::new(),
            warnings: Vec::new(),
        };
        let kubeconfig = year.write_credential();
        year.approvers = [(); 2]
            .map(|()| Approver::start(&kubeconfig, NETWORK))
            .into();
        year.approvers.iter().for_each(Approver::ready);
        year
    }

    /// A new client certificate in the files that the kubeconfig names, of a user of its own.
    fn write_credential(&self) -> PathBuf {
        let user = format!("approver-{}", self.credential);
        let identity = self.scene.api.client_identity(&user, &["system:masters"]);
        let directory = self.scene.directory.path();
        let path = directory.join("approver.conf");
        let style = KubeconfigStyle::Paths;
        self.scene
            .api
            .write_kubeconfig(&path, directory, &identity, style)
    }

    /// The kubelet of `node` asks for `address` on this day.
    fn ask(&self, node: &str, day: u32, address: &str) -> String {
        let sans = Sans {
            dns: vec![node.to_owned()],
            ips: vec![address.parse().unwrap()],
        };
        let mut csr = Csr::kubelet_serving(node, &sans);
        let created = Timestamp::from_second(START + i64::from(day) * 86_400).unwrap();
        csr.metadata.creation_timestamp = Some(created.to_string());
        csr.metadata.name = format!("csr-{day}-{node}");
        self.scene.api.add_csr(csr)
    }

    fn day(&mut self, day: u32) {
        // A node joins each day, and one of a month ago renews; by and by the first ones go.
        let address = |node: u32| format!("10.20.{}.{}", node / 200, node % 200 + 1);
        let node = |node: u32| format!("n-{node}");
        let (api, new) = (&self.scene.api, node(day));
        api.set_node(NodeSpec::new(&new, &address(day)));
        self.honest.push(self.ask(&new, day, &address(day)));
        if let Some(older) = day.checked_sub(30) {
            self.honest
                .push(self.ask(&node(older), day, &address(older)));
        }
        if let Some(gone) = day.checked_sub(90) {
            api.remove_node(&node(gone));
        }
        if day % 7 == 3 {
            // A compromised kubelet wants another one's address.
            let evil = format!("evil-{day}");
            api.set_node(NodeSpec::new(&evil, &format!("10.20.9.{}", day / 7)));
            self.hostile.push(self.ask(&evil, day, &address(day - 1)));
        }
        match day % 60 {
            // The API server restarts.
            9 => {
                api.inject(Matcher::new().times(12), Fault::Status(503, None));
                api.compact();
                api.disconnect_all();
            }
            // A load balancer drops connections.
            29 => api.disconnect_all(),
            // The client certificate is rotated. Two days later the old one is not accepted any more.
            45 => {
                self.credential += 1;
                drop(self.write_credential());
            }
            47 => {
                let old = format!("approver-{}", self.credential - 1);
                let matcher = Matcher::new().user(&old);
                api.inject(matcher, Fault::Status(401, None));
            }
            _ => {}
        }
        if day == 200 {
            // One of them is replaced by a new one, as by an upgrade.
            let kubeconfig = self.scene.directory.path().join("approver.conf");
            let old = std::mem::replace(
                &mut self.approvers[0],
                Approver::start(&kubeconfig, NETWORK),
            );
            self.hear(&old);
            assert_eq!(old.end(), Some(0));
        }
    }

    fn hear(&mut self, approver: &Approver) {
        while let Some(line) = approver.decision() {
            if line["verdict"] == "approved" {
                let name = line["request"].as_str().unwrap().to_owned();
                *self.told.entry(name).or_default() += 1;
            }
        }
        while let Some(warning) = approver.warning() {
            self.warnings.push(warning);
        }
    }

    /// Takes in what happened, and removes approved requests, as garbage collection does.
    fn look(&mut self) {
        let approvers = std::mem::take(&mut self.approvers);
        approvers.iter().for_each(|approver| self.hear(approver));
        self.approvers = approvers;
        let approved = self.scene.api.csrs().into_iter();
        for csr in approved.filter(|csr| !csr.status.conditions.is_empty()) {
            let conditions = &csr.status.conditions;
            assert_eq!(conditions.len(), 1, "{conditions:?}");
            assert!(csr.is("Approved"));
            let name = csr.metadata.name.clone();
            assert!(!self.hostile.contains(&name), "{name} is hostile");
            // What a restart has kept from its approver is there for a while.
            if self.done.contains(&name) || self.told.contains_key(&name) {
                self.scene.api.delete_csr(&name);
            }
            self.done.insert(name);
        }
    }

    fn memory(&self) -> f64 {
        let all = self.approvers.iter().map(Approver::resident);
        all.fold(0.0, f64::max)
    }
}

#[test]
fn every_honest_request_of_a_year_is_approved_once() {
    let mut year = Year::new();
    let began = Instant::now();
    let mut spring = 0.0;
    for day in 0..DAYS {
        let yesterdays = year.honest.len();
        year.day(day);
        // The approvers' own pauses do not go faster: a day lasts until the requests of the day before are approved.
        let are_done = pace::wait_for(LONG, || {
            year.look();
            year.honest[..yesterdays]
                .iter()
                .all(|name| year.done.contains(name))
        });
        assert!(are_done, "day {day}: {:?}", year.warnings);
        if day == 90 {
            spring = year.memory();
        }
    }
    let lasted = began.elapsed();
    let all_done = pace::wait_for(LONG, || {
        year.look();
        year.honest.iter().all(|name| year.done.contains(name))
    });
    let missed = year.honest.iter().filter(|name| !year.done.contains(*name));
    assert!(
        all_done,
        "missed {:?}; {:?}",
        missed.collect::<Vec<_>>(),
        year.warnings
    );
    // Every credential was used, the last one at the end.
    let users: BTreeSet<String> = year
        .scene
        .api
        .requests()
        .into_iter()
        .map(|call| call.user)
        .collect();
    let unused =
        (0..=year.credential).find(|number| !users.contains(&format!("approver-{number}")));
    assert_eq!(unused, None, "{users:?}");
    let end = year.memory();
    let twice = year.told.iter().filter(|(_, times)| **times > 1);
    assert_eq!(twice.collect::<Vec<_>>(), [], "told twice");
    for approver in &year.approvers {
        assert_eq!(approver.get("/healthz").0, 200);
        assert_eq!(approver.get("/readyz").0, 200);
    }
    let speed = f64::from(DAYS) * 86_400.0 / lasted.as_secs_f64();
    // Past the harness, which keeps to itself what a good test prints.
    let _ = writeln!(
        std::io::stderr(),
        "a year at {speed:.0}x, two approvers, {} credentials: {} honest requests, each approved once; {} hostile ones, none \
         approved; {spring:.1} MiB resident in the spring, {end:.1} MiB at the end",
        year.credential + 1,
        year.honest.len(),
        year.hostile.len(),
    );
    assert!(end < spring + GROWTH, "{spring} MiB, then {end} MiB");
    let approvers = std::mem::take(&mut year.approvers);
    for approver in approvers {
        assert_eq!(approver.end(), Some(0));
    }
}
