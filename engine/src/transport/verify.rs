//! Verifies the raw public key that signed a handshake.
//!
//! A key is twelve fixed bytes and the 32 of an Ed25519 key, and one Ed25519 signature proves it.
//! Certificates, chains, other algorithms and weak keys are refused without being parsed.

use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, SignatureScheme,
};

use crate::identity::PublicKey;

/// What stands before the key in a `SubjectPublicKeyInfo` (RFC 8410, section 4).
const SPKI_HEAD: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The raw public key of `key`.
pub(super) fn spki(key: PublicKey) -> Vec<u8> {
    [&SPKI_HEAD[..], key.as_bytes()].concat()
}

/// The key in `spki`, if that is what it is.
///
/// # Errors
///
/// If it is anything else, or a key that proves nothing.
pub(super) fn key_in(spki: &[u8]) -> Result<PublicKey, Error> {
    let bytes = spki.strip_prefix(&SPKI_HEAD[..]);
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or(CertificateError::BadEncoding)?;
    let key = PublicKey::from_bytes(bytes);
    key.map_err(|error| CertificateError::Other(OtherError(Arc::new(error))).into())
}

/// Another key than the one that was dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {got}, not {expected}")]
pub(super) struct WrongKey {
    pub(super) expected: PublicKey,
    pub(super) got: PublicKey,
}

/// Accepts one key.
#[derive(Debug)]
pub(super) struct Only(pub(super) PublicKey);

/// Accepts every key that is proved: whether its owner is welcome is judged after the handshake.
#[derive(Debug)]
pub(super) struct Proved;

fn sole_key(spki: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<PublicKey, Error> {
    if !more.is_empty() {
        return Err(CertificateError::BadEncoding.into());
    }
    key_in(spki)
}

fn check(
    message: &[u8],
    spki: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signed.scheme != SignatureScheme::ED25519 {
        return Err(CertificateError::BadSignature.into());
    }
    proved(key_in(spki)?, message, signed.signature())?;
    Ok(HandshakeSignatureValid::assertion())
}

fn proved(key: PublicKey, message: &[u8], signature: &[u8]) -> Result<(), CertificateError> {
    let key = UnparsedPublicKey::new(&ED25519, key.as_bytes());
    let proof = key.verify(message, signature);
    proof.map_err(|_| CertificateError::BadSignature)
}

/// Never asked: no other version is built in.
fn too_old() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
}

/// What both ends ask of a signature: TLS 1.3, of a raw key.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            too_old()
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            check(message, cert, dss)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let got = sole_key(end_entity, intermediates)?;
        if got != self.0 {
            let expected = self.0;
            let wrong = OtherError(Arc::new(WrongKey { expected, got }));
            return Err(CertificateError::Other(wrong).into());
        }
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Proved {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        sole_key(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    signatures!();
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::*;
    use crate::identity::PublicKeyError;

    /// The order of the group, little endian.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    fn key() -> (Ed25519KeyPair, PublicKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        (pair, PublicKey::from_bytes(public).unwrap())
    }

    /// Register: H4. A longer one, a shorter one, and every other head.
    #[test]
    fn nothing_but_the_one_form_of_a_raw_key_is_a_key() {
        let (_, key) = key();
        let honest = spki(key);
        assert_eq!(key_in(&honest), Ok(key));
        let bad = Err(CertificateError::BadEncoding.into());
        assert_eq!(key_in(&[&honest[..], &[0]].concat()), bad);
        for end in 0..honest.len() {
            assert_eq!(key_in(&honest[..end]), bad, "{end}");
        }
        for at in 0..SPKI_HEAD.len() {
            for bit in 0..8 {
                let mut other = honest.clone();
                other[at] ^= 1 << bit;
                assert_eq!(key_in(&other), bad, "{at} {bit}");
            }
        }
    }

    /// Register: H10. The all-zero key is the one for which a forged signature is easiest.
    #[test]
    fn a_key_of_small_order_is_no_key() {
        for weak in [
            [0; 32],
            {
                let mut one = [0; 32];
                one[0] = 1;
                one
            },
            [0xff; 32],
        ] {
            let error = key_in(&[&SPKI_HEAD[..], &weak].concat()).unwrap_err();
            let Error::InvalidCertificate(CertificateError::Other(why)) = error else {
                panic!("{error}");
            };
            assert!(why.0.downcast_ref::<PublicKeyError>().is_some(), "{why}");
        }
    }

    /// Register: H10. Adding the order to the second half of a signature gives another one that
    /// the equation allows.
    #[test]
    fn a_signature_proves_a_key_in_one_spelling_only() {
        let (pair, key) = key();
        let honest = pair.sign(b"words");
        assert_eq!(proved(key, b"words", honest.as_ref()), Ok(()));
        let mut malleable = honest.as_ref().to_vec();
        let mut carry = 0;
        for (byte, order) in malleable[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert_eq!(carry, 0);
        let bad = Err(CertificateError::BadSignature);
        assert_eq!(proved(key, b"words", &malleable), bad);
        assert_eq!(proved(key, b"other words", honest.as_ref()), bad);
        assert_eq!(proved(key, b"words", &honest.as_ref()[..63]), bad);
    }

    /// Register: H3. Who has no key does not pass the handshake, whatever is asked after it.
    #[test]
    fn a_caller_must_have_a_key() {
        assert!(Proved.client_auth_mandatory());
    }

    /// Register: H1, H3. One key, and it is the right one.
    #[test]
    fn a_chain_is_refused_even_if_it_starts_with_the_right_key() {
        let (_, key) = key();
        let spki = CertificateDer::from(spki(key));
        assert_eq!(sole_key(&spki, &[]), Ok(key));
        let bad = Err(CertificateError::BadEncoding.into());
        assert_eq!(sole_key(&spki, std::slice::from_ref(&spki)), bad);
    }
}
