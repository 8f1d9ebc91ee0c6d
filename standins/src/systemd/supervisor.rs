//! The supervisor: one process that runs the services and answers `systemctl` over a Unix socket.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use serde::{Deserialize, Serialize};

use super::Layout;
use super::journal::Journal;
use super::service::{Job, Service, Wake};
use super::unit::Unit;

/// What a `systemctl` is to print, and its exit code.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

/// The services and the outcomes of jobs.
pub(crate) struct Manager {
    pub(crate) layout: Layout,
    pub(crate) state: Mutex<Services>,
    done: Condvar,
    wake: mpsc::Sender<Wake>,
}

#[derive(Default)]
pub(crate) struct Services {
    pub(crate) loaded: BTreeMap<String, Service>,
    last_job: u64,
    /// Jobs that were replaced by a later one.
    canceled: Vec<u64>,
}

impl Services {
    /// The unit, loaded if it was not, looked for again if it was not found.
    pub(crate) fn unit(&mut self, layout: &Layout, name: &str) -> &mut Service {
        let is_found = self.loaded.get(name).is_some_and(|s| s.unit.is_found());
        if !is_found {
            let unit = Unit::load(&layout.unit_directories(), name);
            self.loaded
                .insert(name.into(), Service::new(unit, Journal(layout.journal())));
        }
        self.loaded.get_mut(name).unwrap()
    }
}

impl Manager {
    /// Adds the job, and waits for it to be done. False: another took its place.
    pub(crate) fn run(&self, name: &str, job: Job, waits: bool) -> bool {
        let mut services = self.state.lock().unwrap();
        services.last_job += 1;
        let id = services.last_job;
        let replaced = services.unit(&self.layout, name).job.replace((id, job));
        services.canceled.extend(replaced.map(|(id, _)| id));
        let _ = self.wake.send(Wake::Job);
        if !waits {
            return true;
        }
        loop {
            if services.canceled.contains(&id) {
                return false;
            }
            let pending = services
                .loaded
                .get(name)
                .and_then(|s| s.job)
                .is_some_and(|(job, _)| job == id);
            if !pending {
                return true;
            }
            services = self.done.wait(services).unwrap();
        }
    }

    pub(crate) fn reload(&self) {
        let mut services = self.state.lock().unwrap();
        let directories = self.layout.unit_directories();
        for (name, service) in &mut services.loaded {
            service.unit = Unit::load(&directories, name);
        }
    }

    /// Makes all transitions that are due; returns when the next one is.
    fn step(&self) -> Option<Instant> {
        let mut services = self.state.lock().unwrap();
        for service in services.loaded.values_mut() {
            loop {
                let before = service.state;
                if service.step(&self.wake) {
                    service.job = None;
                }
                if service.state == before {
                    break;
                }
            }
        }
        self.done.notify_all();
        services.loaded.values().filter_map(|s| s.timer).min()
    }

    fn kill_all(&self) {
        // A thread that panicked with the lock must not keep the children alive.
        let services = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for service in services.loaded.values() {
            service.signal(Signal::SIGKILL);
        }
    }
}

/// Answers one command line of `systemctl`.
pub(crate) type Serve = fn(&Manager, &[String]) -> Reply;

/// Runs until SIGTERM or, with `stays_while_stdin`, until standard input ends; no child outlives it.
pub(crate) fn run(layout: Layout, stays_while_stdin: bool, serve: Serve) -> i32 {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    let _ = signals.thread_block();
    fs::create_dir_all(layout.run_directory()).unwrap();
    // Under its own name only once it listens: a client that finds it can connect.
    let socket = layout.socket();
    let unready = socket.with_extension("new");
    let _ = fs::remove_file(&unready);
    let listener =
        UnixListener::bind(&unready).unwrap_or_else(|e| panic!("{}: {e}", unready.display()));
    fs::rename(&unready, &socket).unwrap();
    let (wake, woken) = mpsc::channel();
    let manager = Arc::new(Manager {
        layout,
        state: Mutex::default(),
        done: Condvar::new(),
        wake,
    });
    let answering = Arc::clone(&manager);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let manager = Arc::clone(&answering);
            std::thread::spawn(move || answer(&manager, stream, serve));
        }
    });
    let ending = Arc::clone(&manager);
    std::thread::spawn(move || {
        let _ = signals.wait();
        ending.kill_all();
        std::process::exit(0);
    });
    if stays_while_stdin {
        let ending = Arc::clone(&manager);
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            ending.kill_all();
            std::process::exit(0);
        });
    }
    supervise(&manager, &woken)
}

/// In the process's first thread: children ask to die with the thread that made them.
fn supervise(manager: &Manager, woken: &mpsc::Receiver<Wake>) -> ! {
    loop {
        let next = manager.step();
        let pause = next.map_or(Duration::from_secs(3600), |at| {
            at.saturating_duration_since(Instant::now())
        });
        if let Ok(Wake::Exited(exit)) = woken.recv_timeout(pause)
            && let Some(service) = manager.state.lock().unwrap().loaded.get_mut(&exit.unit)
        {
            service.exited(&exit);
        }
    }
}

fn answer(manager: &Manager, mut stream: UnixStream, serve: Serve) {
    let mut line = String::new();
    let Ok(reading) = stream.try_clone() else {
        return;
    };
    if BufReader::new(reading).read_line(&mut line).is_err() {
        return;
    }
    let Ok(args) = serde_json::from_str::<Vec<String>>(&line) else {
        return;
    };
    let reply = serve(manager, &args);
    let _ = stream.write_all(serde_json::to_string(&reply).unwrap().as_bytes());
}
