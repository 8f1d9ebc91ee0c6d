//! Bearer tokens, and a serving certificate that is replaced.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::io::{Read as _, Write as _};

use kubelet_tls_standins::client::{client_config, connect};
use kubelet_tls_standins::pki::{Ca, Sans};
use kubelet_tls_standins::{ApiServer, Config};
use serde_json::{Value, json};

/// Status and body of a GET with this `Authorization`, of a server that this CA vouches for.
fn get(api: &ApiServer, ca_pem: &str, authorization: &str) -> Result<(u16, Value), String> {
    let tls = client_config(ca_pem.as_bytes(), None)?;
    let address = api.address().to_string();
    let mut stream = connect(&address, "127.0.0.1".try_into().unwrap(), &tls)
        .map_err(|error| error.to_string())?;
    let head = format!(
        "GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n"
    );
    let whole = stream.write_all(head.as_bytes()).and_then(|()| {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    });
    let answer = whole.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((code, serde_json::from_str(body).unwrap()))
}

#[test]
fn a_token_is_its_users_until_it_is_revoked() {
    let api = ApiServer::start(Config::default());
    let get = |authorization: &str| get(&api, api.ca_pem(), authorization).unwrap();
    let unauthorized = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    });
    let refused = (401, unauthorized);
    api.add_token("secret", "an-admin", &["system:masters"]);
    api.add_token("weak", "someone", &[]);
    assert_eq!(get("Authorization: Bearer secret\r\n").0, 200);
    assert_eq!(get("Authorization: bearer  secret\r\n").0, 200);
    let (code, body) = get("Authorization: Bearer weak\r\n");
    assert_eq!(code, 403);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("User \"someone\"")
    );
    // One that is not known is refused; a client without any is anonymous, unless that is switched off.
    assert_eq!(get("Authorization: Bearer other\r\n"), refused);
    assert_eq!(get("").0, 403);
    api.require_credentials();
    assert_eq!(get(""), refused);
    assert_eq!(get("Authorization: Basic c2VjcmV0\r\n"), refused);
    api.revoke_token("secret");
    assert_eq!(get("Authorization: Bearer secret\r\n"), refused);
}

#[test]
fn another_certificate_is_presented_to_new_connections() {
    let api = ApiServer::start(Config::default());
    api.add_token("secret", "an-admin", &["system:masters"]);
    let token = "Authorization: Bearer secret\r\n";
    let ca = Ca::new("kubernetes");
    assert!(get(&api, ca.pem(), token).is_err());
    let sans = Sans {
        dns: vec![],
        ips: vec!["127.0.0.1".parse().unwrap()],
    };
    api.present(&ca.server("kube-apiserver", &sans));
    assert_eq!(get(&api, ca.pem(), token).unwrap().0, 200);
    assert!(get(&api, api.ca_pem(), token).is_err());
}
