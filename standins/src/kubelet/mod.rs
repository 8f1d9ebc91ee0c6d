//! A stand-in for the kubelet: one process that reads its flags and config as the real one does, answers
//! `/healthz`, serves TLS, and asks for its serving certificate if it is told to.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};

mod bootstrap;
pub mod config;
mod fields;
pub mod flags;
mod fleet;
mod healthz;
pub(crate) mod klog;
pub mod knobs;
mod pods;
mod serving;
mod yaml;

pub use config::KubeletConfig;
pub use fleet::Fleet;
pub use knobs::{Healthz, Knobs};

use crate::client::Kubeconfig;
use crate::pki::{Sans, kubelet_self_signed};
use bootstrap::Bootstrap;
use flags::Flags;
use serving::Serving;

/// Where certificates are unless `--cert-dir` says otherwise.
const CERT_DIR: &str = "/var/lib/kubelet/pki";

/// The kubelet. `args` are what follows its name; returns the exit code when it ends.
#[must_use]
pub fn kubelet_main(args: &[String]) -> i32 {
    // Before any thread is made, so that all of them inherit it and only this one sees signals.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    let _ = signals.thread_block();
    if std::env::var_os("STANDIN_SYSTEMD_DIR").is_some() {
        // Under the stand-in systemd: no kubelet outlives the test that started it.
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    }
    let (flags, knobs) = match Flags::parse(args).and_then(|f| Ok((knobs_of(&f)?, f))) {
        Ok((knobs, flags)) => (flags, knobs),
        Err(why) => return command_failed(&why, 1),
    };
    if flags.get("version").is_some() {
        // Asked by its path alone, it finds no knobs.
        let version = std::env::var("STANDIN_VERSION").unwrap_or(knobs.version);
        println!("Kubernetes {version}");
        return 0;
    }
    let stop = knobs.clone();
    std::thread::spawn(move || {
        let exit_code = match run(&flags, &knobs) {
            Ok(()) => return,
            Err(why) => command_failed(&why, 1),
        };
        std::process::exit(exit_code);
    });
    loop {
        let signal = signals.wait();
        if !stop.ignore_sigterm {
            klog::info(
                "server.go:1",
                &format!("\"Received signal, shutting down\" signal={signal:?}"),
            );
            std::thread::sleep(Duration::from_millis(stop.stop_delay_ms));
            return 0;
        }
    }
}

fn command_failed(why: &str, exit_code: i32) -> i32 {
    klog::error("run.go:72", &format!("\"command failed\" err={why:?}"));
    exit_code
}

fn cert_dir(flags: &Flags) -> PathBuf {
    flags.get("cert-dir").unwrap_or(CERT_DIR).into()
}

fn knobs_of(flags: &Flags) -> Result<Knobs, String> {
    Knobs::read(&cert_dir(flags), flags.get("config"))
}

/// From start to everything being served; an error ends the process.
fn run(flags: &Flags, knobs: &Knobs) -> Result<(), String> {
    let config = config::load(flags)?;
    klog::info(
        "server.go:529",
        &format!("\"Kubelet version\" kubeletVersion={:?}", knobs.version),
    );
    let kubeconfig = flags.get("kubeconfig").filter(|_| !knobs.standalone);
    let node = match kubeconfig {
        Some(path) => Some(node_name(flags, Path::new(path))?),
        None => None,
    };
    for after in [
        knobs.die_after_ms,
        knobs
            .die_after_ms_if_bootstrap
            .filter(|_| config.server_tls_bootstrap),
    ] {
        die_after(after, knobs.exit_code);
    }
    let bootstrap = node
        .clone()
        .zip(kubeconfig)
        .filter(|_| config.server_tls_bootstrap)
        .map(|(node, kubeconfig)| Bootstrap {
            node,
            kubeconfig: kubeconfig.into(),
            cert_dir: cert_dir(flags),
            cloud_provider_is_external: flags.get("cloud-provider") == Some("external"),
            knobs: knobs.clone(),
        });
    let fixed = fixed_certificate(flags, &config, node.as_deref(), bootstrap.is_some())?;
    let current = bootstrap.as_ref().map(Bootstrap::current).transpose()?;
    let serving = Arc::new(Serving {
        fixed,
        issued: current.clone().map(RwLock::new),
        // From about 1.35 the bootstrapped certificate wins over a configured one.
        fixed_without_sni: knobs.minor() < 35,
        clients: config
            .client_ca_file
            .as_ref()
            .and_then(|file| serving::clients_of(&std::fs::read(file).ok()?)),
    });
    std::thread::sleep(Duration::from_millis(knobs.start_delay_ms));
    let tls = listen(&config.address, config.port, "Failed to listen and serve")?;
    klog::info(
        "server.go:166",
        &format!(
            "\"Starting to listen\" address={:?} port={}",
            config.address, config.port
        ),
    );
    let server = Arc::clone(&serving);
    std::thread::spawn(move || server.serve(&tls));
    if let (Some(bootstrap), Some(current)) = (bootstrap, current) {
        std::thread::spawn(move || bootstrap.run(&serving, current));
    }
    if config.healthz_port > 0 && knobs.healthz != Healthz::Refuse {
        let listener = listen(
            &config.healthz_bind_address,
            config.healthz_port,
            "Failed to start healthz server",
        )?;
        let knobs = knobs.clone();
        std::thread::spawn(move || healthz::serve(&listener, &knobs));
    }
    klog::info("kubelet.go:2500", "\"SyncLoop\" starting");
    if let Some(directory) = config.static_pod_path {
        let reporter = node.zip(kubeconfig).map(|(node, path)| pods::Reporter {
            node,
            kubeconfig: path.into(),
        });
        std::thread::spawn(move || pods::run(&directory, reporter.as_ref()));
    }
    Ok(())
}

/// The CN of the client certificate, not the host's name.
fn node_name(flags: &Flags, kubeconfig: &Path) -> Result<String, String> {
    let failed = |why: String| format!("failed to run Kubelet: {why}");
    if !kubeconfig.exists() {
        let missing = flags.get("bootstrap-kubeconfig").unwrap_or_default();
        return Err(failed(format!(
            "unable to load bootstrap kubeconfig: stat {missing}: no such file or directory"
        )));
    }
    let user = Kubeconfig::read(kubeconfig).map_err(failed)?.user();
    let node = user.as_deref().and_then(|u| u.strip_prefix("system:node:"));
    node.map(str::to_owned).ok_or_else(|| {
        failed(format!(
            "the client certificate is of {user:?}, not of a node"
        ))
    })
}

/// The administrator's certificate, or one the kubelet makes for itself.
fn fixed_certificate(
    flags: &Flags,
    config: &KubeletConfig,
    node: Option<&str>,
    bootstraps: bool,
) -> Result<Option<Arc<rustls::sign::CertifiedKey>>, String> {
    if let (Some(cert), Some(key)) = (&config.tls_cert_file, &config.tls_private_key_file) {
        return serving::read_pair(cert, key).map(Some);
    }
    if bootstraps {
        return Ok(None);
    }
    let dir = cert_dir(flags);
    let (cert, key) = (dir.join("kubelet.crt"), dir.join("kubelet.key"));
    if !cert.exists() || !key.exists() {
        let host = nix::unistd::gethostname()
            .ok()
            .and_then(|h| h.into_string().ok())
            .unwrap_or_default();
        let name = flags.get("hostname-override").or(node).unwrap_or(&host);
        let made = kubelet_self_signed(
            name,
            &Sans {
                dns: vec![name.to_owned()],
                ips: vec![],
            },
        );
        let write = |path: &Path, text: &str| {
            bootstrap::write_secret(path, text)
                .map_err(|e| format!("failed to initialize TLS: {e}"))
        };
        std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        write(&cert, &made.cert_pem)?;
        write(&key, &made.key_pem)?;
    }
    serving::read_pair(&cert, &key).map(Some)
}

fn listen(address: &str, port: u16, failure: &str) -> Result<TcpListener, String> {
    TcpListener::bind((address, port)).map_err(|e| {
        format!(
            "{failure}: listen tcp {address}:{port}: {}",
            config::go_error(&e)
        )
    })
}

fn die_after(after: Option<u64>, exit_code: i32) {
    let Some(after) = after else { return };
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(after));
        klog::error(
            "kubelet.go:1",
            "\"Failed to start ContainerManager\" err=\"told to die\"",
        );
        std::process::exit(exit_code);
    });
}
