//! A service's process: started, its words copied into the journal, its end reported.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::service::{Exit, Service, Wake};

impl Service {
    pub(crate) fn spawn(&self, exits: &mpsc::Sender<Wake>) -> Result<u32, String> {
        let (words, environment) = self.unit.command()?;
        let (program, args) = words.split_first().ok_or("No such file or directory")?;
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
            .env("LANG", "C.UTF-8")
            .env("INVOCATION_ID", &self.invocation)
            .env("STANDIN_SYSTEMD_DIR", self.journal.0.parent().unwrap())
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|_| "No such file or directory")?;
        let pid = child.id();
        let (drained, both) = mpsc::channel();
        self.copy(child.stdout.take().unwrap(), pid, drained.clone());
        self.copy(child.stderr.take().unwrap(), pid, drained);
        let (exits, unit) = (exits.clone(), self.unit.name.clone());
        std::thread::spawn(move || {
            let Ok(status) = child.wait() else { return };
            // The process's last lines come before systemd's.
            for _ in 0..2 {
                let _ = both.recv_timeout(Duration::from_millis(200));
            }
            let _ = exits.send(Wake::Exited(Exit { unit, pid, status }));
        });
        Ok(pid)
    }

    fn copy(&self, from: impl std::io::Read + Send + 'static, pid: u32, drained: mpsc::Sender<()>) {
        let (journal, unit, invocation) = (
            self.journal.clone(),
            self.unit.name.clone(),
            self.invocation.clone(),
        );
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines() {
                let Ok(line) = line else { break };
                journal.process(&unit, &invocation, pid, &line);
            }
            let _ = drained.send(());
        });
    }
}
