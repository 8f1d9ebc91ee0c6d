//! Which proxy leads to the API server: client-go's rules, so that the tool goes where kubectl goes
//! (`k8s.io/client-go/rest`, `golang.org/x/net/http/httpproxy`).

use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;

/// What the kubeconfig and the environment say.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    /// `proxy-url` of the kubeconfig's cluster: always taken, whatever NO_PROXY says.
    pub(super) of_cluster: Option<String>,
    /// `HTTPS_PROXY`.
    pub(super) https: Option<String>,
    /// `NO_PROXY`.
    pub(super) none: Option<String>,
}

/// Why a proxy cannot be used. Its address is not part of the message: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It has no scheme and host.
    #[error("{0} is not an address")]
    NotAnAddress(ProxySource),
    /// Its protocol is not supported.
    #[error("{source_of} is {scheme}, and only http and https ones can be used")]
    Scheme {
        /// Who names the proxy.
        source_of: ProxySource,
        scheme: String,
    },
}

/// Who names a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxySource {
    #[error("its proxy-url")]
    Kubeconfig,
    #[error("the proxy of HTTPS_PROXY")]
    Environment,
}

impl Proxies {
    /// The proxy for this server, if any.
    ///
    /// # Errors
    /// When it is of a kind that is not spoken here. It is not quoted: it may hold a password.
    pub(super) fn for_server(&self, server: &Uri) -> Result<Option<Uri>, ProxyError> {
        let (proxy, source_of) = match (&self.of_cluster, &self.https) {
            (Some(proxy), _) => (proxy, ProxySource::Kubeconfig),
            (None, Some(proxy)) if self.leads_to(server) => (proxy, ProxySource::Environment),
            _ => return Ok(None),
        };
        let with_scheme = if proxy.contains("://") {
            proxy.clone()
        } else {
            format!("http://{proxy}")
        };
        let parsed = with_scheme.parse::<Uri>().ok();
        let parsed = parsed.filter(|uri| uri.scheme().is_some() && uri.host().is_some());
        match parsed {
            Some(uri) if matches!(uri.scheme_str(), Some("http" | "https")) => Ok(Some(uri)),
            Some(uri) => Err(ProxyError::Scheme {
                source_of,
                scheme: uri.scheme_str().unwrap_or_default().to_owned(),
            }),
            None => Err(ProxyError::NotAnAddress(source_of)),
        }
    }

    fn leads_to(&self, server: &Uri) -> bool {
        let host = host_of(server).to_ascii_lowercase();
        let port = server.port_u16().unwrap_or(443);
        let ip = host.parse::<IpAddr>().ok();
        if host == "localhost" || ip.is_some_and(|ip| ip.to_canonical().is_loopback()) {
            return false;
        }
        let except = self.none.as_deref().unwrap_or_default();
        let except = except.to_ascii_lowercase();
        let mut except = except.split(',').map(str::trim);
        !except.any(|entry| entry == "*" || is_for(entry, &host, ip, port))
    }
}

/// The host of an address, without brackets.
pub(super) fn host_of(server: &Uri) -> &str {
    server.host().unwrap_or_default().trim_matches(['[', ']'])
}

/// Whether this entry of NO_PROXY, in lower case, is for the host; what is malformed is for none.
fn is_for(entry: &str, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
    if let Some((network, length)) = entry.split_once('/') {
        let network = network.parse().ok().zip(length.parse().ok());
        let network = network.and_then(|(network, length)| IpNet::new(network, length).ok());
        return network
            .zip(ip)
            .is_some_and(|(network, ip)| network.contains(&ip));
    }
    let (name, only_port) = split_port(entry);
    if name.is_empty() || only_port.is_some_and(|only| only != port.to_string()) {
        return false;
    }
    if let Ok(excepted) = name.parse::<IpAddr>() {
        return ip == Some(excepted);
    }
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    match name.strip_prefix('.') {
        // Of a domain alone its subdomains are meant, of a host the host and them.
        Some(domain) => is_below(host, domain),
        None => host == name || is_below(host, name),
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.ends_with('.'))
}

/// `host:port`, `[::1]:port`, or a host alone, IPv6 addresses with their colons among them.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (entry, None),
    };
    (host.trim_matches(['[', ']']), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(server: &str, no_proxy: &str) -> bool {
        let proxies = Proxies {
            https: Some("http://proxy:3128".into()),
            none: Some(no_proxy.into()),
            ..Proxies::default()
        };
        let proxy = proxies.for_server(&server.parse().unwrap()).unwrap();
        proxy.is_some_and(|proxy| proxy.host() == Some("proxy"))
    }

    #[test]
    fn loopback_is_never_proxied() {
        for server in [
            "https://127.0.0.1:6443",
            "https://127.8.8.8",
            "https://[::1]:6443",
            "https://LocalHost:6443",
        ] {
            assert!(!proxied(server, ""), "{server}");
        }
        assert!(proxied("https://localhost.example:6443", ""));
    }

    #[test]
    fn no_proxy_excludes_hosts_domains_and_networks() {
        let (ip, name, v6) = (
            "https://10.0.0.7:6443",
            "https://Api.Cluster.example:6443",
            "https://[fd00::7]:6443",
        );
        for (server, no_proxy, excepted) in [
            (ip, "", false),
            (ip, "10.0.0.7", true),
            (ip, "10.0.0.70", false),
            (ip, "10.0.0.7:6443", true),
            (ip, "10.0.0.7:443", false),
            (ip, "10.0.0.0/8", true),
            (ip, "10.0.0.0/29", true),
            (ip, "10.0.0.8/29", false),
            (ip, "10.0.0.7/32", true),
            (ip, "0.0.0.0/0", true),
            (ip, "10.0.0.0/33", false),
            (ip, "::/0", false),
            (ip, "localhost,127.0.0.1, 10.96.0.0/12 ,10.0.0.0/16,", true),
            (ip, ",,no/host,[,:,*.,.", false),
            (ip, "*", true),
            (ip, "a, *", true),
            (name, "api.cluster.example", true),
            (name, "CLUSTER.example", true),
            (name, ".cluster.example", true),
            (name, "*.cluster.example", true),
            (name, ".api.cluster.example", false),
            (name, "luster.example", false),
            (name, "cluster.example:6443", true),
            (name, "cluster.example:443", false),
            (name, "cluster.example.org", false),
            (v6, "fd00::7", true),
            (v6, "[fd00::7]:6443", true),
            (v6, "[fd00::7]:443", false),
            (v6, "fd00::/8", true),
            (v6, "fe80::/10", false),
            (v6, "10.0.0.0/8", false),
        ] {
            assert_eq!(!proxied(server, no_proxy), excepted, "{server} {no_proxy}");
        }
    }

    #[test]
    fn the_proxy_is_chosen_as_client_go_chooses_it() {
        let of = |of_cluster: Option<&str>, https: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let proxies = Proxies {
                of_cluster: own(of_cluster),
                https: own(https),
                none: Some("*".into()).filter(|_| of_cluster.is_some()),
            };
            let proxy = proxies.for_server(&"https://10.0.0.7:6443".parse().unwrap());
            proxy.map(|proxy| proxy.map(|uri| uri.to_string()))
        };
        let is = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(of(None, None), Ok(None));
        assert_eq!(
            of(None, Some("http://proxy:3128")),
            is("http://proxy:3128/")
        );
        assert_eq!(of(None, Some("https://proxy")), is("https://proxy/"));
        // Without a scheme it is http.
        assert_eq!(of(None, Some("proxy:3128")), is("http://proxy:3128/"));
        assert_eq!(of(None, Some("proxy")), is("http://proxy/"));
        // The kubeconfig's goes before the environment's, and NO_PROXY is not for it.
        assert_eq!(
            of(Some("http://own:1"), Some("http://proxy:3128")),
            is("http://own:1/")
        );
        for wrong in ["socks5://me:secret@proxy", "http://", "://", "ht tp:secret"] {
            let said = of(None, Some(wrong)).unwrap_err().to_string();
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
