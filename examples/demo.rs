//! The whole job with nothing installed: a kubeadm node in a temporary directory, an API server on loopback that speaks
//! real TLS, and stand-ins for the kubelet and systemd. A line after `#` is what an administrator types on such a node;
//! below it is what `kubelet-tls` really prints. The lines between tell what happens.
//!
//! `cargo run --release --example demo`; it ends with an error if any step does not do what it should.
#![allow(
    clippy::disallowed_methods,
    reason = "the demo plays the administrator: it writes files and starts processes"
)]

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use kubelet_tls::parts::host;
use kubelet_tls::parts::host::Interrupts;
use kubelet_tls::parts::node::Served;
use standins::api::{Csr, NodeSpec};
use standins::pki::Sans;
use standins::{Node, Options};

/// The CSR that must not be approved. Its name sorts last, so that the order in which both are decided is certain.
const FORGED: &str = "csr-zzkq8";

/// Why the demo failed.
type Failure = String;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // One executable for all: cargo builds no other for an example, and the node needs them under their own names.
    let name = arguments
        .first()
        .map(Path::new)
        .and_then(Path::file_name)
        .unwrap_or_default();
    match name.to_str() {
        Some("kubelet-tls") => kubelet_tls::main(&arguments),
        Some("demo") if arguments.len() == 1 => match demo() {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("demo: {failure}");
                ExitCode::FAILURE
            }
        },
        _ => {
            let words: Vec<String> = std::env::args().collect();
            ExitCode::from(u8::try_from(standins::multicall(&words)).unwrap_or(1))
        }
    }
}

fn demo() -> Result<(), Failure> {
    // Ctrl-C ends the step that runs, and with it the demo, but not before the node is taken down.
    let mut interrupts = Interrupts::hold();
    let address = machine_address();
    let node = set_up(address.unwrap_or(Ipv4Addr::LOCALHOST))?;
    println!(
        "Node {} of Kubernetes 1.36, made by kubeadm, in {}",
        node.name(),
        node.root().display()
    );
    println!(
        "API server {}; kubelet on port {} (really 10250)",
        node.api().url(),
        node.kubelet_port()
    );
    println!("--settle is 1s here instead of 5s, to save your time");

    let before = serving(
        &node,
        "1. Before: the kubelet signed its certificate itself, so no client can verify it.",
    )?;
    expect(
        before.verified.is_err() && before.certificate.issuer.contains("-ca@"),
        "a fresh kubelet serves what it signed itself",
    )?;
    let mut shell = Shell {
        node: &node,
        interrupts: &mut interrupts,
    };
    shell.tell("2. One line of the kubelet's configuration would change:");
    let diff = shell.run("kubelet-tls diff", 1)?;
    expect(
        diff.contains("+serverTLSBootstrap: true"),
        "diff shows the line",
    )?;
    request_and_approve(&mut shell, address.is_some())?;
    switch(&mut shell)?;
    keep_and_check(&mut shell)?;
    undo(&mut shell)
}

/// Starts the node. Its networks are ones that no machine's address is in.
fn set_up(address: Ipv4Addr) -> Result<Node, Failure> {
    let executable = std::env::current_exe().map_err(|error| error.to_string())?;
    let node = Node::new(Options {
        address,
        executable: Some(executable.clone()),
        ..Options::default()
    });
    symlink(&executable, node.path("/bin/kubelet-tls")).map_err(|error| error.to_string())?;
    let (namespace, name) = ("kube-system", "kubeadm-config");
    let kubeadm = node.api().configmap(namespace, name);
    let text = kubeadm
        .and_then(|mut object| object.data.remove("ClusterConfiguration"))
        .ok_or("the cluster has no kubeadm-config")?
        .replace("10.96.0.0/12", "198.18.0.0/16")
        .replace("10.244.0.0/16", "198.19.0.0/16");
    node.api()
        .set_configmap(namespace, name, &[("ClusterConfiguration", &text)]);
    Ok(node)
}

/// The certificate is requested before anything changes, beside a request that must not be approved.
fn request_and_approve(shell: &mut Shell<'_>, has_address: bool) -> Result<(), Failure> {
    let node = shell.node;
    shell.tell("3. Request the certificate first. The kubelet is unchanged so far:");
    let apply = shell.run("kubelet-tls apply --issue-first --wait csr", 0)?;
    let requests = node.api().csrs_of(node.name());
    let [request] = requests.as_slice() else {
        return Err(format!("{} CSRs exist instead of one", requests.len()));
    };
    let name = &request.metadata.name;
    expect(
        apply.lines().any(|line| line == name),
        "apply prints the CSR's name",
    )?;

    let attacker = "worker-2";
    let address = shell.address();
    node.api().set_node(NodeSpec::new(attacker, "198.51.100.8"));
    let wanted = Sans {
        dns: vec![attacker.to_owned()],
        ips: vec![address],
    };
    let mut forged = Csr::kubelet_serving(attacker, &wanted);
    forged.metadata.name = FORGED.to_owned();
    node.api().add_csr(forged);
    shell.tell(&format!(
        "4. Meanwhile a process with the credentials of {attacker} requests a certificate for {}'s address.\n   \
         An administrator lets kubelet-tls decide:",
        node.name()
    ));
    let approve = shell.run("kubelet-tls approve --all", 78)?;
    expect(
        approve.contains(&format!("{FORGED} refused: NameIsNodes: IP {address}")),
        "approve refuses the request of the other node",
    )?;
    if !has_address {
        shell.tell(
            "This machine has no address but loopback, for which approve approves nothing; kubectl checks nothing:",
        );
        println!("\n# kubectl certificate approve {name}");
        expect(
            node.api().approve(name),
            "the API server takes the approval",
        )?;
    }
    let is_issued = |node: &Node| {
        let csr = node.api().csr(name);
        csr.is_some_and(|csr| csr.state() == "Issued")
    };
    expect(
        node.wait_for(Duration::from_secs(10), is_issued),
        "the node's own CSR is approved and issued",
    )?;
    let state = node.api().csr(FORGED).map(|csr| csr.state());
    expect(state == Some("Pending"), "the other CSR stays pending")?;
    println!("\n# kubectl certificate deny {FORGED}");
    expect(node.api().deny(FORGED), "the API server takes the denial")?;
    println!("certificatesigningrequest.certificates.k8s.io/{FORGED} denied");
    Ok(())
}

/// The certificate is in place before the restart.
fn switch(shell: &mut Shell<'_>) -> Result<(), Failure> {
    let node = shell.node;
    shell.tell("5. The certificate is issued. Install it, set the key, restart, check the health:");
    shell.run("kubelet-tls apply --issue-first --settle 1s", 0)?;
    let after = serving(node, "6. Now: a certificate that the cluster's CA signed.")?;
    expect(
        after.verified.is_ok() && after.certificate.issuer == "CN=kubernetes",
        "the certificate verifies against the cluster's CA",
    )?;
    // A second opinion: a client that has nothing in common with the tool but the CA's certificate.
    node.handshake(node.name())?;
    let starts = node.kubelet_starts();
    shell.tell("7. The same command again finds nothing to do and restarts nothing:");
    let again = shell.run("kubelet-tls apply", 0)?;
    expect(
        again.contains("unchanged"),
        "a second apply says that nothing is to do",
    )?;
    expect(
        node.kubelet_starts() == starts,
        "a second apply restarts nothing",
    )
}

/// The ConfigMap keeps the change through upgrades, and `status` shows that everything is in order.
fn keep_and_check(shell: &mut Shell<'_>) -> Result<(), Failure> {
    shell.node.api().set_node(NodeSpec {
        kubelet_port: shell.node.kubelet_port(),
        server_tls_bootstrap: Some(true),
        ..NodeSpec::new(shell.node.name(), &shell.address().to_string())
    });
    shell.tell("8. Upgrades and new nodes copy a ConfigMap, so set the key there too:");
    shell.run("kubelet-tls cluster apply", 0)?;
    shell.tell("9. Is the node secured? Every condition has its evidence:");
    let status = shell.run("kubelet-tls status", 0)?;
    expect(
        status.contains("ServingCertificateTrusted"),
        "status shows the conditions",
    )
}

/// `rollback` restores the bytes of before.
fn undo(shell: &mut Shell<'_>) -> Result<(), Failure> {
    let node = shell.node;
    shell.tell("10. Undo it: the old bytes, a restart, a health check.");
    shell.run("kubelet-tls rollback --settle 1s", 0)?;
    expect(
        !node.config().contains("serverTLSBootstrap"),
        "rollback removes the line",
    )?;
    let after = serving(
        node,
        "The kubelet serves its self-signed certificate again:",
    )?;
    expect(
        after.verified.is_err(),
        "the certificate does not verify after the rollback",
    )
}

/// An address of this machine that other machines could reach; approve approves no loopback address. Nothing is sent.
fn machine_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_link_local() => Some(ip),
        _ => None,
    }
}

/// Plays the administrator's shell on the node.
struct Shell<'a> {
    node: &'a Node,
    interrupts: &'a mut Interrupts,
}

impl Shell<'_> {
    /// What happens next, for the reader.
    fn tell(&self, text: &str) {
        println!("\n{text}");
    }

    /// The Node's address.
    fn address(&self) -> IpAddr {
        self.node.address().into()
    }

    /// Runs one line, shows and returns what it printed, and insists on its exit code.
    fn run(&mut self, line: &str, code: i32) -> Result<String, Failure> {
        let shown = if code == 0 { "" } else { "; echo $?" };
        println!("\n# {line}{shown}");
        let (output, status) = self
            .spawn(line)
            .map_err(|error| format!("{line}: {error}"))?;
        if code != 0 {
            println!("{}", status.unwrap_or(-1));
        }
        if let Some(signal) = self.interrupts.received() {
            return Err(format!("ended by {signal}"));
        }
        expect(status == Some(code), &format!("{line} exits {code}"))?;
        Ok(output)
    }

    /// Standard output and standard error through one pipe, as on a terminal, so that their order is the real one.
    fn spawn(&self, line: &str) -> io::Result<(String, Option<i32>)> {
        let mut words = line.split(' ');
        let program = words.next().unwrap_or_default();
        let (reader, writer) = io::pipe()?;
        let mut command = self.node.command(self.node.path("/bin").join(program));
        command.args(words).current_dir(self.node.root());
        if line.contains("kubelet-tls approve") || line.contains("kubelet-tls cluster") {
            command.env(
                "KUBECONFIG",
                self.node.api().admin_kubeconfig(self.node.root()),
            );
        }
        if io::stdout().is_terminal() {
            command.env("CLICOLOR_FORCE", "1");
        }
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let mut child = command.spawn()?;
        // It holds the pipe's other end, which has to close for the reader to end.
        drop(command);
        let mut output = String::new();
        for line in BufReader::new(reader).lines() {
            let line = line?;
            println!("{line}");
            output += &line;
            output.push('\n');
        }
        Ok((output, child.wait()?.code()))
    }
}

/// What the kubelet's port serves now, shown below a `title`.
fn serving(node: &Node, title: &str) -> Result<Served, Failure> {
    let ca = node.api().ca_pem().as_bytes();
    let (_, ca) = x509_parser::pem::parse_x509_pem(ca).map_err(|error| error.to_string())?;
    let port = SocketAddr::from((node.address(), node.kubelet_port()));
    let served = host::probe(port, &[ca.contents]).map_err(|why| why.to_string())?;
    let certificate = &served.certificate;
    println!("\n{title}");
    println!("  served on    {port}");
    println!("  issued by    {}", certificate.issuer);
    println!("  for          {}", certificate.names.describe());
    println!("  valid until  {}", certificate.not_after);
    match &served.verified {
        Ok(()) => println!("  verified     yes, against the cluster's CA"),
        Err(why) => println!("  verified     no: {why}"),
    }
    Ok(served)
}

fn expect(holds: bool, what: &str) -> Result<(), Failure> {
    let _ = io::stdout().flush();
    holds
        .then_some(())
        .ok_or_else(|| format!("this does not hold: {what}"))
}
