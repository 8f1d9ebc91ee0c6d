//! The whole main job with nothing installed: a kubeadm node in a temporary directory, with an API server on
//! loopback that speaks real TLS, and stand-ins for the kubelet and systemd. What it prints after a `#` is what an
//! administrator types on such a node, and what follows is what `kubelet-tls` really answers.
//!
//! `cargo run --release --example demo`; ends with an error if any step does not do what it should.
#![allow(
    clippy::disallowed_methods,
    reason = "the demo plays the administrator: it writes files and starts processes"
)]

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use kubelet_tls::host::signals::Interrupts;
use kubelet_tls::host::tls;
use kubelet_tls::node::Served;
use standins::{Node, Options};

/// What `kubeadm join --config` takes, without the document that the key would go into.
const JOIN_FILE: &str = "\
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: 10.0.0.2:6443
    token: abcdef.0123456789abcdef
    unsafeSkipCAVerification: true
";

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
        Some("kubelet-tls") => kubelet_tls::commands::main(&arguments),
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
    let executable = std::env::current_exe().map_err(|error| error.to_string())?;
    let node = Node::new(Options {
        executable: Some(executable.clone()),
        ..Options::default()
    });
    symlink(&executable, node.path("/bin/kubelet-tls")).map_err(|error| error.to_string())?;
    fs::write(node.path("/join.yaml"), JOIN_FILE).map_err(|error| error.to_string())?;
    println!(
        "Node {} of kubeadm 1.36 in {}",
        node.name(),
        node.root().display()
    );
    println!(
        "API server {}; kubelet on port {} (really 10250)",
        node.api().url(),
        node.kubelet_port()
    );
    println!("--settle is 1s here instead of 5s, to save your time");
    let before = serving(&node, "Before: a certificate that the kubelet made itself")?;
    expect(
        before.verified.is_err() && before.certificate.issuer.contains("-ca@"),
        "a fresh kubelet serves what it signed itself",
    )?;

    let mut shell = Shell {
        node: &node,
        interrupts: &mut interrupts,
    };
    let diff = shell.run("kubelet-tls diff", 1)?;
    expect(
        diff.contains("+serverTLSBootstrap: true"),
        "diff shows the line",
    )?;

    let apply = shell.run("kubelet-tls apply --settle 1s", 0)?;
    let requests = node.api().csrs_of(node.name());
    let [request] = requests.as_slice() else {
        return Err(format!(
            "there are {} requests instead of one",
            requests.len()
        ));
    };
    let name = &request.metadata.name;
    expect(
        apply.lines().any(|line| line == name),
        "apply prints the request's name",
    )?;

    println!("\n# kubectl certificate approve $(kubelet-tls csr)");
    let named = node.run(node.path("/bin/kubelet-tls"), &["csr"]);
    expect(
        named.stdout == format!("{name}\n"),
        "csr prints that name and nothing else",
    )?;
    expect(
        node.api().approve(named.stdout.trim()),
        "the API server takes the approval",
    )?;
    println!("certificatesigningrequest.certificates.k8s.io/{name} approved");

    shell.run("kubelet-tls apply --wait issued", 0)?;
    let after = serving(&node, "Now: a certificate of the cluster's CA")?;
    expect(
        after.verified.is_ok() && after.certificate.issuer == "CN=kubernetes",
        "the certificate verifies against the cluster's CA",
    )?;
    // A second opinion: a client that has nothing in common with the tool but the CA's certificate.
    node.handshake(node.name())?;

    let starts = node.kubelet_starts();
    let again = shell.run("kubelet-tls apply", 0)?;
    expect(
        again.contains("unchanged"),
        "a second apply says that nothing is to do",
    )?;
    expect(
        node.kubelet_starts() == starts,
        "a second apply restarts nothing",
    )?;

    println!("\nA file in which the key would have no effect is refused, and why is said:");
    shell.run("kubelet-tls apply join.yaml", 65)?;
    let untouched = fs::read_to_string(node.path("/join.yaml")).unwrap_or_default();
    expect(untouched == JOIN_FILE, "a refused file is as it was")
}

/// Plays the administrator's shell on the node.
struct Shell<'a> {
    node: &'a Node,
    interrupts: &'a mut Interrupts,
}

impl Shell<'_> {
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
    let port = SocketAddr::from((Ipv4Addr::LOCALHOST, node.kubelet_port()));
    let served = tls::probe(port, &[ca.contents]).map_err(|why| why.to_string())?;
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
