//! Peers that do one thing wrong each, made of an ordinary TLS library.
#![expect(clippy::unwrap_used, reason = "a helper of tests")]

use std::io;
use std::sync::Arc;

use fairhaul::identity::PublicKey;
use fairhaul::transport::PROTOCOL;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, ResolvesClientCert};
use rustls::crypto::aws_lc_rs::{default_provider, sign};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio::io::DuplexStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

#[derive(Clone, Debug)]
enum Shows {
    Nothing,
    RawKey(Arc<CertifiedKey>),
    Certificate(Arc<CertifiedKey>),
}

/// What a peer shows and offers.
#[derive(Clone, Debug)]
pub(crate) struct Rogue {
    shows: Shows,
    protocols: Vec<Vec<u8>>,
    /// What an honest dialler would expect.
    public: PublicKey,
    dials: Arc<ClientConfig>,
}

impl Rogue {
    pub(crate) fn honest() -> Self {
        let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
        let secret = pair.to_pkcs8v1().unwrap();
        let secret = sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(secret.as_ref())).unwrap();
        let spki = secret.public_key().unwrap().as_ref().to_vec();
        let public = PublicKey::from_bytes(spki[12..].try_into().unwrap()).unwrap();
        let key = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], secret));
        let shows = Shows::RawKey(key);
        let protocols = vec![PROTOCOL.to_vec()];
        let dials = dials(&shows, &protocols);
        Self {
            shows,
            protocols,
            public,
            dials,
        }
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn nameless(self) -> Self {
        self.showing(Shows::Nothing)
    }

    pub(crate) fn certificate(self, key: Arc<CertifiedKey>) -> Self {
        self.showing(Shows::Certificate(key))
    }

    /// A certificate where a raw key belongs.
    pub(crate) fn in_place_of_a_raw_key(self, key: Arc<CertifiedKey>) -> Self {
        self.showing(Shows::RawKey(key))
    }

    pub(crate) fn protocols(mut self, names: &[&[u8]]) -> Self {
        self.protocols = names.iter().map(|name| name.to_vec()).collect();
        self.dials = dials(&self.shows, &self.protocols);
        self
    }

    fn showing(mut self, shows: Shows) -> Self {
        self.dials = dials(&shows, &self.protocols);
        self.shows = shows;
        self
    }
}

/// Certificates that sign themselves, with keys of three kinds, and one that has expired.
pub(crate) fn certificates() -> Vec<(&'static str, Arc<CertifiedKey>)> {
    let kinds = [
        ("Ed25519 certificate", &rcgen::PKCS_ED25519, false),
        ("expired certificate", &rcgen::PKCS_ED25519, true),
        ("P-256 certificate", &rcgen::PKCS_ECDSA_P256_SHA256, false),
        ("RSA certificate", &rcgen::PKCS_RSA_SHA256, false),
    ];
    let made = kinds.into_iter().map(|(name, kind, expired)| {
        let pair = rcgen::KeyPair::generate_for(kind).unwrap();
        let mut wanted = rcgen::CertificateParams::new(vec!["peer.invalid".to_owned()]).unwrap();
        if expired {
            wanted.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let certificate = wanted.self_signed(&pair).unwrap();
        let secret = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        let secret = sign::any_supported_type(&secret).unwrap();
        let chain = vec![certificate.der().clone()];
        (name, Arc::new(CertifiedKey::new(chain, secret)))
    });
    made.collect()
}

/// Resumes and sends early data wherever it can.
fn dials(shows: &Shows, protocols: &[Vec<u8>]) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody));
    let mut config = match shows {
        Shows::Nothing => config.with_no_client_auth(),
        Shows::RawKey(key) => {
            let key = AlwaysResolvesClientRawPublicKeys::new(Arc::clone(key));
            config.with_client_cert_resolver(Arc::new(key))
        }
        Shows::Certificate(key) => {
            config.with_client_cert_resolver(Arc::new(Always(Arc::clone(key))))
        }
    };
    config.alpn_protocols = protocols.to_vec();
    config.enable_early_data = true;
    Arc::new(config)
}

pub(crate) async fn dialler_with(
    rogue: Rogue,
    stream: DuplexStream,
) -> io::Result<client::TlsStream<DuplexStream>> {
    let name = ServerName::try_from("peer.invalid").unwrap();
    TlsConnector::from(rogue.dials).connect(name, stream).await
}

pub(crate) async fn acceptor_with(
    rogue: Rogue,
    stream: DuplexStream,
) -> io::Result<server::TlsStream<DuplexStream>> {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth();
    let mut config = match rogue.shows {
        Shows::RawKey(key) => {
            config.with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)))
        }
        Shows::Certificate(key) => config.with_cert_resolver(Arc::new(Always(key))),
        Shows::Nothing => panic!("an acceptor shows something"),
    };
    config.alpn_protocols = rogue.protocols;
    TlsAcceptor::from(Arc::new(config)).accept(stream).await
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Takes whatever the other side shows.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
