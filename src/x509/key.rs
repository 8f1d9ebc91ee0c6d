//! The key of a request, and the signature that proves that the requestor has it.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};

use super::Pkcs10Error;
use super::der::{Der, MalformedDer, tag};

/// 1.2.840.10045.2.1
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// 1.3.101.112 (RFC 8410)
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// 1.3.132.0.34
const P384: &[u8] = &[0x2b, 0x81, 4, 0, 34];
/// 1.3.132.0.35
const P521: &[u8] = &[0x2b, 0x81, 4, 0, 35];
/// 1.2.840.10045.4.3, and in it 2: SHA-256, 3: SHA-384
const ECDSA_WITH: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
/// 1.2.840.113549.1.1, and in it 11: SHA-256, 12: SHA-384, 13: SHA-512
const RSA_WITH: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
/// What every common tool generates (65537). A small one invites attacks, a large one costs each client that verifies.
const EXPONENT: &[u8] = &[1, 0, 1];
/// In bits. More than that costs every client of the certificate, and ring verifies no more.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A key that is good enough.
#[derive(Debug, Clone, Copy)]
pub(super) enum PublicKey<'a> {
    /// ECDSA on P-256: the point.
    P256(&'a [u8]),
    /// ECDSA on P-384: the point.
    P384(&'a [u8]),
    /// RSA: modulus and exponent in DER.
    Rsa(&'a [u8]),
}

impl<'a> PublicKey<'a> {
    /// Reads the content of a SubjectPublicKeyInfo.
    pub(super) fn read(info: Der<'a>) -> Result<Self, Pkcs10Error> {
        Self::parse(info).unwrap_or(Err(Pkcs10Error::Malformed("its key is malformed")))
    }

    fn parse(mut info: Der<'a>) -> Result<Result<Self, Pkcs10Error>, MalformedDer> {
        let weak = |what: String| Ok(Err(Pkcs10Error::Key(what)));
        let mut algorithm = info.inside(tag::SEQUENCE)?;
        let bits = info.bits()?;
        info.end()?;
        let kind = algorithm.bytes(tag::OID)?;
        if kind == EC {
            let curve = algorithm.bytes(tag::OID)?;
            algorithm.end()?;
            return match (curve, bits.len(), bits.first()) {
                (P256, 65, Some(4)) => Ok(Ok(Self::P256(bits))),
                (P384, 97, Some(4)) => Ok(Ok(Self::P384(bits))),
                (P256 | P384, ..) => Err(MalformedDer),
                (P521, ..) => {
                    weak("its key is ECDSA P-521, whose signatures cannot be verified here".into())
                }
                _ => weak("its key is on a curve other than P-256 and P-384".into()),
            };
        }
        if kind == ED25519 {
            return weak(
                "its key is Ed25519, and kubelets and the API server's clients use ECDSA or RSA"
                    .into(),
            );
        }
        if kind != RSA {
            return weak("its key is neither ECDSA nor RSA".into());
        }
        if !algorithm.bytes(tag::NULL)?.is_empty() {
            return Err(MalformedDer);
        }
        algorithm.end()?;
        let mut outer = Der::new(bits);
        let mut pair = outer.inside(tag::SEQUENCE)?;
        outer.end()?;
        let (modulus, exponent) = (pair.positive()?, pair.positive()?);
        pair.end()?;
        let leading = modulus.first().map_or(0, |byte| byte.leading_zeros());
        let length = modulus.len() * 8 - usize::try_from(leading).unwrap_or(0);
        if !RSA_BITS.contains(&length) {
            return weak(format!("its key is RSA of {length} bits"));
        }
        if exponent != EXPONENT {
            return weak("its key is RSA with an exponent other than 65537".into());
        }
        Ok(Ok(Self::Rsa(bits)))
    }

    /// Whether `signature` of this `algorithm` (the content of an AlgorithmIdentifier) over `message` is this key's.
    pub(super) fn verify(
        self,
        mut algorithm: Der<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Pkcs10Error> {
        let wrong = Pkcs10Error::Signature;
        let kind = algorithm.bytes(tag::OID).unwrap_or_default();
        if algorithm.next_tag() == Some(tag::NULL) {
            let _ = algorithm.bytes(tag::NULL);
        }
        let (verifier, key): (&dyn VerificationAlgorithm, _) = match (self, kind.split_last()) {
            _ if !algorithm.is_empty() => {
                return Err(wrong("its signature's algorithm has parameters"));
            }
            (Self::P256(key), Some((2, ECDSA_WITH))) => (&ECDSA_P256_SHA256_ASN1, key),
            (Self::P256(key), Some((3, ECDSA_WITH))) => (&ECDSA_P256_SHA384_ASN1, key),
            (Self::P384(key), Some((2, ECDSA_WITH))) => (&ECDSA_P384_SHA256_ASN1, key),
            (Self::P384(key), Some((3, ECDSA_WITH))) => (&ECDSA_P384_SHA384_ASN1, key),
            (Self::Rsa(key), Some((11, RSA_WITH))) => (&RSA_PKCS1_2048_8192_SHA256, key),
            (Self::Rsa(key), Some((12, RSA_WITH))) => (&RSA_PKCS1_2048_8192_SHA384, key),
            (Self::Rsa(key), Some((13, RSA_WITH))) => (&RSA_PKCS1_2048_8192_SHA512, key),
            _ => {
                return Err(wrong(
                    "its signature's algorithm is not its key's with SHA-256 or better",
                ));
            }
        };
        UnparsedPublicKey::new(verifier, key)
            .verify(message, signature)
            .map_err(|_| wrong("it is not signed with its own key"))
    }
}
