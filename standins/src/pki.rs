//! The cluster's CA, the certificates of its clients and servers, PKCS#10 requests and what is issued for them.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::string::PrintableString;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SubjectPublicKeyInfo,
};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509CertificationRequest};

/// A year of 365 days, what the controller manager signs for by default.
pub const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, or its chain.
    pub cert_pem: String,
    /// Its key, PKCS#8.
    pub key_pem: String,
}

impl Identity {
    /// Certificate, then key, as in `kubelet-client-current.pem`.
    #[must_use]
    pub fn pair_pem(&self) -> String {
        format!("{}{}", self.cert_pem, self.key_pem)
    }
}

/// A cluster CA such as `kubeadm init` makes.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    cert_pem: String,
    key_pem: String,
}

/// The names a certificate is to carry.
#[derive(Clone, Debug, Default)]
pub struct Sans {
    /// DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ips: Vec<IpAddr>,
}

impl Ca {
    /// A new CA called `common_name`; kubeadm's is called `kubernetes`.
    #[must_use]
    pub fn new(common_name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([common_name.to_owned()]).unwrap();
        params.distinguished_name = dn(&[], common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyCertSign,
        ];
        validity(&mut params, YEAR * 10);
        let cert_pem = params.self_signed(&key).unwrap().pem();
        let key_pem = key.serialize_pem();
        Self {
            issuer: Issuer::new(params, key),
            cert_pem,
            key_pem,
        }
    }

    /// The CA's certificate, `ca.crt`.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.cert_pem
    }

    /// The CA's key, `ca.key`.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// A server certificate for these names.
    #[must_use]
    pub fn server(&self, common_name: &str, sans: &Sans) -> Identity {
        let mut params = leaf(&[], common_name, ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names = san_types(sans);
        self.issue(params)
    }

    /// A server certificate that ended yesterday.
    #[must_use]
    pub fn expired_server(&self, common_name: &str, sans: &Sans) -> Identity {
        let mut params = leaf(&[], common_name, ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names = san_types(sans);
        let now = OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::days(30);
        params.not_after = now - time::Duration::days(1);
        self.issue(params)
    }

    /// A client certificate: the CN is the user, the organisations its groups.
    #[must_use]
    pub fn client(&self, user: &str, groups: &[&str]) -> Identity {
        self.issue(leaf(groups, user, ExtendedKeyUsagePurpose::ClientAuth))
    }

    /// The certificate for a PKCS#10 request, with the request's key, subject and names, as the controller manager makes it.
    pub fn sign(
        &self,
        request: &Request,
        usages: &[String],
        lifetime: Duration,
    ) -> Result<String, String> {
        let spki =
            SubjectPublicKeyInfo::from_der(&request.public_key_der).map_err(|e| e.to_string())?;
        let organizations: Vec<&str> = request.organizations.iter().map(String::as_str).collect();
        let mut params = leaf(
            &organizations,
            &request.common_name,
            ExtendedKeyUsagePurpose::ServerAuth,
        );
        params.subject_alt_names = san_types(&request.sans);
        params.key_usages.clear();
        params.extended_key_usages.clear();
        for usage in usages {
            match usage.as_str() {
                "digital signature" => params.key_usages.push(KeyUsagePurpose::DigitalSignature),
                "key encipherment" => params.key_usages.push(KeyUsagePurpose::KeyEncipherment),
                "server auth" => params
                    .extended_key_usages
                    .push(ExtendedKeyUsagePurpose::ServerAuth),
                "client auth" => params
                    .extended_key_usages
                    .push(ExtendedKeyUsagePurpose::ClientAuth),
                other => return Err(format!("unrecognized usage values: [{other:?}]")),
            }
        }
        validity(&mut params, lifetime);
        Ok(params
            .signed_by(&spki, &self.issuer)
            .map_err(|e| e.to_string())?
            .pem())
    }

    fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let cert_pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity {
            cert_pem,
            key_pem: key.serialize_pem(),
        }
    }
}

/// What the kubelet makes for itself while no CA has signed anything: leaf and CA in one `kubelet.crt`.
#[must_use]
pub fn kubelet_self_signed(node: &str, sans: &Sans) -> Identity {
    let at = OffsetDateTime::now_utc().unix_timestamp();
    let ca = Ca::new(&format!("{node}-ca@{at}"));
    let leaf = ca.server(&format!("{node}@{at}"), sans);
    Identity {
        cert_pem: format!("{}{}", leaf.cert_pem, ca.pem()),
        ..leaf
    }
}

/// A PKCS#10 request, as far as a signer looks at it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Subject's common name.
    pub common_name: String,
    /// Subject's organisations.
    pub organizations: Vec<String>,
    /// DNS and IP names asked for.
    pub sans: Sans,
    /// E-mail names, which a signer refuses.
    pub emails: Vec<String>,
    /// URI names, which a signer refuses.
    pub uris: Vec<String>,
    /// The key, DER.
    pub public_key_der: Vec<u8>,
}

impl Request {
    /// Reads a PEM request.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem)
            .map_err(|_| "PEM block type must be CERTIFICATE REQUEST")?;
        if pem.label != "CERTIFICATE REQUEST" {
            return Err("PEM block type must be CERTIFICATE REQUEST".into());
        }
        let (_, csr) =
            X509CertificationRequest::from_der(&pem.contents).map_err(|e| e.to_string())?;
        let info = &csr.certification_request_info;
        let mut request = Self {
            common_name: text(info.subject.iter_common_name())
                .pop()
                .unwrap_or_default(),
            organizations: text(info.subject.iter_organization()),
            public_key_der: info.subject_pki.raw.to_vec(),
            ..Self::default()
        };
        for extension in csr.requested_extensions().into_iter().flatten() {
            let ParsedExtension::SubjectAlternativeName(san) = extension else {
                continue;
            };
            for name in &san.general_names {
                match name {
                    GeneralName::DNSName(n) => request.sans.dns.push((*n).to_owned()),
                    GeneralName::RFC822Name(n) => request.emails.push((*n).to_owned()),
                    GeneralName::URI(n) => request.uris.push((*n).to_owned()),
                    GeneralName::IPAddress(n) => request.sans.ips.extend(ip(n)),
                    _ => {}
                }
            }
        }
        Ok(request)
    }

    /// A new key and the PEM request for it: what the kubelet puts into a CSR.
    #[must_use]
    pub fn make(common_name: &str, organizations: &[&str], sans: &Sans) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = dn(organizations, common_name);
        params.subject_alt_names = san_types(sans);
        (
            params.serialize_request(&key).unwrap().pem().unwrap(),
            key.serialize_pem(),
        )
    }
}

fn text<'a>(
    attributes: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
) -> Vec<String> {
    attributes
        .filter_map(|a| a.as_str().ok().map(str::to_owned))
        .collect()
}

pub(crate) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn leaf(
    organizations: &[&str],
    common_name: &str,
    purpose: ExtendedKeyUsagePurpose,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = dn(organizations, common_name);
    // The real ones say CA:FALSE in so many words, and so on in this order.
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    validity(&mut params, YEAR);
    params
}

/// From five minutes ago, against clocks that differ, as the controller manager does.
fn validity(params: &mut CertificateParams, lifetime: Duration) {
    params.not_before = OffsetDateTime::now_utc() - time::Duration::minutes(5);
    params.not_after = params.not_before + lifetime;
}

fn dn(organizations: &[&str], common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    // rcgen keeps one value per type, so a second organisation goes in by its OID
    let types = [
        DnType::OrganizationName,
        DnType::CustomDnType(vec![2, 5, 4, 10]),
    ];
    assert!(
        organizations.len() <= types.len(),
        "no more than two organisations"
    );
    for (organization, dn_type) in organizations.iter().zip(types) {
        name.push(dn_type, string(organization));
    }
    name.push(DnType::CommonName, string(common_name));
    name
}

/// Go writes PrintableString where it can, so the real certificates have it.
fn string(s: &str) -> DnValue {
    match PrintableString::try_from(s) {
        Ok(printable) => DnValue::PrintableString(printable),
        Err(_) => DnValue::Utf8String(s.to_owned()),
    }
}

fn san_types(sans: &Sans) -> Vec<SanType> {
    let dns = sans
        .dns
        .iter()
        .filter_map(|n| Some(SanType::DnsName(n.as_str().try_into().ok()?)));
    dns.chain(sans.ips.iter().map(|i| SanType::IpAddress(*i)))
        .collect()
}
