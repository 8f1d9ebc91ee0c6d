//! Requests made by hand, so that each can be wrong in one way.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

/// A tag, the length, the contents one behind the other.
pub fn tlv(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let content = contents.concat();
    let length = match content.len() {
        n @ 0..0x80 => vec![n as u8],
        n @ 0x80..0x100 => vec![0x81, n as u8],
        n => vec![0x82, (n >> 8) as u8, n as u8],
    };
    [&[tag][..], &length, &content].concat()
}

pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;
pub const PRINTABLE: u8 = 0x13;
pub const UTF8: u8 = 0x0c;

pub fn oid(bytes: &[u8]) -> Vec<u8> {
    tlv(6, &[bytes])
}

/// An attribute of a subject: CN is 3, O is 10.
pub fn pair(kind: u8, string: u8, text: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[&oid(&[0x55, 4, kind]), &tlv(string, &[text])])
}

pub fn rdn(kind: u8, text: &str) -> Vec<u8> {
    tlv(SET, &[&pair(kind, PRINTABLE, text.as_bytes())])
}

pub fn dns(name: &str) -> Vec<u8> {
    tlv(0x82, &[name.as_bytes()])
}

pub fn ip(address: &str) -> Vec<u8> {
    match address.parse().unwrap() {
        std::net::IpAddr::V4(ip) => tlv(0x87, &[&ip.octets()]),
        std::net::IpAddr::V6(ip) => tlv(0x87, &[&ip.octets()]),
    }
}

pub fn extension(id: &[u8], value: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[&oid(id), &tlv(4, &[value])])
}

pub fn san(names: &[Vec<u8>]) -> Vec<u8> {
    extension(&[0x55, 0x1d, 17], &tlv(SEQUENCE, &[&names.concat()]))
}

pub const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];

/// The attribute that asks for these extensions.
pub fn extensions(all: &[Vec<u8>]) -> Vec<u8> {
    let sequence = tlv(SEQUENCE, &[&all.concat()]);
    tlv(
        SEQUENCE,
        &[&oid(EXTENSION_REQUEST), &tlv(SET, &[&sequence])],
    )
}

/// The parts of a request.
pub struct Made {
    pub subject: Vec<Vec<u8>>,
    pub attributes: Vec<Vec<u8>>,
    /// Behind the attributes, inside what is signed.
    pub surplus: Vec<u8>,
    /// Behind the request.
    pub trailing: Vec<u8>,
    /// Which bit of the signature is flipped, counted from its end, and around.
    pub spoilt: Option<usize>,
    /// Another key (SubjectPublicKeyInfo in DER) than that of the signature.
    pub key: Option<Vec<u8>>,
}

impl Made {
    pub fn new(names: &[Vec<u8>]) -> Self {
        Self {
            subject: vec![rdn(10, "system:nodes"), rdn(3, "system:node:worker-1")],
            attributes: vec![extensions(&[san(names)])],
            surplus: vec![],
            trailing: vec![],
            spoilt: None,
            key: None,
        }
    }

    pub fn der(&self) -> Vec<u8> {
        let random = SystemRandom::new();
        let signing = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(signing, pkcs8.as_ref(), &random).unwrap();
        let ec = oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]);
        let p256 = oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
        let point = tlv(3, &[&[0], key.public_key().as_ref()]);
        let own = tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&ec, &p256]), &point]);
        let info = tlv(
            SEQUENCE,
            &[
                &[2, 1, 0],
                &tlv(SEQUENCE, &[&self.subject.concat()]),
                self.key.as_ref().unwrap_or(&own),
                &tlv(0xa0, &[&self.attributes.concat()]),
                &self.surplus,
            ],
        );
        let mut signature = key.sign(&random, &info).unwrap().as_ref().to_vec();
        if let Some(bit) = self.spoilt {
            let byte = signature.len() - 1 - bit / 8 % signature.len();
            signature[byte] ^= 1 << (bit % 8);
        }
        let with_sha256 = oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
        let request = tlv(
            SEQUENCE,
            &[
                &info,
                &tlv(SEQUENCE, &[&with_sha256]),
                &tlv(3, &[&[0], &signature]),
            ],
        );
        [request, self.trailing.clone()].concat()
    }

    pub fn pem(&self) -> Vec<u8> {
        pem(&self.der())
    }
}

pub fn pem(der: &[u8]) -> Vec<u8> {
    let request = pem::Pem::new("CERTIFICATE REQUEST", der);
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&request, config).into_bytes()
}
