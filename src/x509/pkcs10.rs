//! A PKCS#10 request (RFC 2986) of the form that kubelets write, and of no other.

use super::der::{Der, MalformedDer, tag};
use super::key::PublicKey;
use super::pem::from_base64;
use super::{Names, Pkcs10Error, ip};
use crate::text::quoted;

const BEGIN: &str = "-----BEGIN CERTIFICATE REQUEST-----";
const END: &str = "-----END CERTIFICATE REQUEST-----";
/// The longest request that is read, in bytes of PEM. One for a hundred addresses with an RSA key of 8192 bits is shorter.
pub(crate) const PEM_CAP: usize = 64 * 1024;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
/// 1.2.840.113549.1.9.14
const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];

/// A request whose form and signature are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pkcs10 {
    pub(crate) common_name: String,
    pub(crate) organization: String,
    /// ASCII, as they are in the request; not checked to be names of hosts.
    pub(crate) names: Names,
}

impl Pkcs10 {
    /// Reads `spec.request`.
    ///
    /// # Errors
    /// What is wrong with its form, its key or its signature, the first thing that is.
    pub(crate) fn read(pem: &[u8]) -> Result<Self, Pkcs10Error> {
        let der = from_pem(pem).ok_or(Pkcs10Error::Malformed(
            "it is not one PEM block of a CERTIFICATE REQUEST and nothing else",
        ))?;
        let parts = Parts::read(&der)
            .map_err(|MalformedDer| Pkcs10Error::Malformed("it is not a PKCS#10 request in DER"))?;
        let [common_name, organization] = subject(parts.subject)?;
        let names = names(parts.attributes)?;
        let key = PublicKey::read(parts.key)?;
        key.verify(parts.algorithm, parts.info, parts.signature)?;
        Ok(Self {
            common_name,
            organization,
            names,
        })
    }
}

/// The API server takes the first block and passes over what is around it; a kubelet writes one block and no headers.
fn from_pem(pem: &[u8]) -> Option<Vec<u8>> {
    if pem.len() > PEM_CAP {
        return None;
    }
    let text = std::str::from_utf8(pem).ok()?;
    let text = text.strip_prefix(BEGIN)?.strip_prefix('\n')?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    from_base64(&text.strip_suffix(END)?.replace('\n', ""))
}

/// The parts of a request, each still DER.
struct Parts<'a> {
    info: &'a [u8],
    subject: Der<'a>,
    key: Der<'a>,
    attributes: Der<'a>,
    algorithm: Der<'a>,
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(der: &'a [u8]) -> Result<Self, MalformedDer> {
        let mut all = Der::new(der);
        let mut request = all.inside(tag::SEQUENCE)?;
        all.end()?;
        let info = request.whole()?;
        let algorithm = request.inside(tag::SEQUENCE)?;
        let signature = request.bits()?;
        request.end()?;
        let mut parts = Der::new(info).inside(tag::SEQUENCE)?;
        if parts.bytes(tag::INTEGER)? != [0] {
            return Err(MalformedDer);
        }
        let subject = parts.inside(tag::SEQUENCE)?;
        let key = parts.inside(tag::SEQUENCE)?;
        let attributes = parts.inside(tag::ATTRIBUTES)?;
        parts.end()?;
        Ok(Self {
            info,
            subject,
            key,
            attributes,
            algorithm,
            signature,
        })
    }
}

/// The CN and the O, each the only one, each in a set of its own.
fn subject(mut subject: Der<'_>) -> Result<[String; 2], Pkcs10Error> {
    let odd = Pkcs10Error::Subject;
    let mut found: [Option<String>; 2] = [None, None];
    while !subject.is_empty() {
        let (kind, text) = attribute(&mut subject).map_err(|MalformedDer| {
            odd("a part of the subject is not one attribute with one text")
        })?;
        let place = match kind {
            COMMON_NAME => 0,
            ORGANIZATION => 1,
            _ => return Err(odd("the subject has more than CN and O")),
        };
        if let Some(slot) = found.get_mut(place)
            && slot.replace(text).is_some()
        {
            return Err(odd("the subject has CN or O more than once"));
        }
    }
    match found {
        [Some(common_name), Some(organization)] => Ok([common_name, organization]),
        [None, _] => Err(odd("the subject has no CN")),
        [_, None] => Err(odd("the subject has no O")),
    }
}

fn attribute<'a>(subject: &mut Der<'a>) -> Result<(&'a [u8], String), MalformedDer> {
    let mut set = subject.inside(tag::SET)?;
    let mut pair = set.inside(tag::SEQUENCE)?;
    set.end()?;
    let kind = pair.bytes(tag::OID)?;
    let (string, text) = pair.any()?;
    pair.end()?;
    if !matches!(string, tag::PRINTABLE_STRING | tag::UTF8_STRING) {
        return Err(MalformedDer);
    }
    let text = std::str::from_utf8(text).map_err(|_| MalformedDer)?;
    Ok((kind, text.to_owned()))
}

/// The subject alternative names, which are all that the attributes ask for.
fn names(mut attributes: Der<'_>) -> Result<Names, Pkcs10Error> {
    let ill = |MalformedDer| Pkcs10Error::Malformed("its requested extensions are malformed");
    let more = Pkcs10Error::Extensions;
    if attributes.is_empty() {
        return Err(Pkcs10Error::NoNames);
    }
    let mut attribute = attributes.inside(tag::SEQUENCE).map_err(ill)?;
    if !attributes.is_empty() || attribute.bytes(tag::OID).map_err(ill)? != EXTENSION_REQUEST {
        return Err(more("it has attributes other than one extension request"));
    }
    let mut values = attribute.inside(tag::SET).map_err(ill)?;
    attribute.end().map_err(ill)?;
    let mut extensions = values.inside(tag::SEQUENCE).map_err(ill)?;
    values.end().map_err(ill)?;
    if extensions.is_empty() {
        return Err(Pkcs10Error::NoNames);
    }
    let mut extension = extensions.inside(tag::SEQUENCE).map_err(ill)?;
    if !extensions.is_empty() || extension.bytes(tag::OID).map_err(ill)? != SUBJECT_ALT_NAME {
        return Err(more(
            "it asks for extensions other than one of subject alternative names",
        ));
    }
    if extension.next_tag() == Some(tag::BOOLEAN)
        && extension.bytes(tag::BOOLEAN).map_err(ill)? != [0xff]
    {
        return Err(ill(MalformedDer));
    }
    let mut value = Der::new(extension.bytes(tag::OCTET_STRING).map_err(ill)?);
    extension.end().map_err(ill)?;
    let mut general = value.inside(tag::SEQUENCE).map_err(ill)?;
    value.end().map_err(ill)?;
    let mut names = Names::default();
    while !general.is_empty() {
        let (kind, content) = general.any().map_err(ill)?;
        add_name(&mut names, kind, content)?;
    }
    if names.is_empty() {
        return Err(Pkcs10Error::NoNames);
    }
    Ok(names)
}

/// Takes in a GeneralName (RFC 5280, 4.2.1.6).
fn add_name(names: &mut Names, kind: u8, content: &[u8]) -> Result<(), Pkcs10Error> {
    let text = || quoted(&String::from_utf8_lossy(content));
    let other = |what: String| Err(Pkcs10Error::KindOfName(what));
    match kind {
        0x81 => other(format!("it asks for the e-mail address {}", text())),
        0x82 if content.is_ascii() && !content.is_empty() => {
            names
                .dns
                .push(String::from_utf8_lossy(content).into_owned());
            Ok(())
        }
        0x82 => Err(Pkcs10Error::Name(format!(
            "DNS {} is not a host's name",
            text()
        ))),
        0x86 => other(format!("it asks for the URI {}", text())),
        0x87 => {
            names.ips.push(ip(content).ok_or_else(|| {
                let length = content.len();
                Pkcs10Error::Name(format!("it asks for an IP address of {length} bytes"))
            })?);
            Ok(())
        }
        0x88 => other("it asks for a registered ID".into()),
        0xa0 => other("it asks for a name of another kind (otherName)".into()),
        0xa4 => other("it asks for a directory name".into()),
        _ => other(format!(
            "it asks for a name of the unknown kind {kind:#04x}"
        )),
    }
}
