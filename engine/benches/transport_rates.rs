//! How fast streams are, over loopback TCP: ours, tokio-rustls with each cipher, and the ciphers
//! alone.
//!
//! `cargo bench -p fairhaul --bench transport_rates -- [GiB] [rounds]`
//!
//! One thread sends units of 256 KiB, another one receives and copies them to where they belong.
//! CPU seconds are those of both.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::aead;
use fairhaul::identity::Identity;
use fairhaul::transport::Endpoint;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, sign};
use rustls::crypto::ring;
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme, SupportedCipherSuite,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const UNIT: usize = 256 * 1024;
const RECORD: usize = 16 * 1024;
const GIB: usize = 1 << 30;
/// A GiB in MB.
const GIB_MB: f64 = GIB as f64 / 1e6;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let gib: usize = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let mut out = std::io::stdout();
    let suites = [
        ("aes-128-gcm", cipher_suite::TLS13_AES_128_GCM_SHA256),
        (
            "aes-128-gcm of ring",
            ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
        ),
        ("aes-256-gcm", cipher_suite::TLS13_AES_256_GCM_SHA384),
        ("chacha20", cipher_suite::TLS13_CHACHA20_POLY1305_SHA256),
    ];
    writeln!(out, "stream,cipher,MB_per_s,cpu_s_per_GiB")?;
    for _ in 0..rounds {
        let ours = measure(gib, ours)?;
        writeln!(out, "unbuffered,aes-128-gcm,{:.0},{:.2}", ours.0, ours.1)?;
        for (name, suite) in suites {
            let rates = measure(gib, || buffered(suite))?;
            writeln!(out, "tokio-rustls,{name},{:.0},{:.2}", rates.0, rates.1)?;
        }
    }
    for (name, algorithm) in [
        ("aes-128-gcm", &aead::AES_128_GCM),
        ("aes-256-gcm", &aead::AES_256_GCM),
        ("chacha20", &aead::CHACHA20_POLY1305),
    ] {
        let (seal, open) = alone(algorithm)?;
        writeln!(out, "seal alone,{name},{seal:.0},{:.2}", GIB_MB / seal)?;
        writeln!(out, "open alone,{name},{open:.0},{:.2}", GIB_MB / open)?;
    }
    Ok(())
}

/// Sends, and receives, so many units over a socket.
type Side = Box<dyn FnOnce(TcpStream, usize) -> anyhow::Result<()> + Send>;

/// MB/s, and CPU seconds per GiB, of what `make` makes: a sender and a receiver.
fn measure(
    gib: usize,
    make: impl Fn() -> anyhow::Result<(Side, Side)>,
) -> anyhow::Result<(f64, f64)> {
    let (send, receive) = make()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let near = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    drop(listener);
    let units = gib * GIB / UNIT;
    let (cpu, start) = (cpu_seconds()?, Instant::now());
    let receiver = std::thread::spawn(move || receive(tokio_stream(far)?, units));
    let sender = std::thread::spawn(move || send(tokio_stream(near)?, units));
    sender.join().expect("no panic")?;
    receiver.join().expect("no panic")?;
    let (cpu, elapsed) = (cpu_seconds()? - cpu, start.elapsed());
    let bytes = (units * UNIT) as f64;
    Ok((bytes / 1e6 / elapsed.as_secs_f64(), cpu / gib as f64))
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread");
}

fn tokio_stream(stream: std::net::TcpStream) -> anyhow::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    RUNTIME.with(|runtime| {
        let _inside = runtime.enter();
        Ok(TcpStream::from_std(stream)?)
    })
}

fn run(future: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

fn ours() -> anyhow::Result<(Side, Side)> {
    let dialler = Endpoint::new(&Identity::generate()?)?;
    let acceptor = Endpoint::new(&Identity::generate()?)?;
    let expected = acceptor.public();
    let send = move |stream, units| {
        run(async move {
            let mut secure = dialler.dial(stream, expected).await?;
            let unit = vec![7; UNIT];
            for _ in 0..units {
                secure.writer.write(&unit).await?;
            }
            Ok(secure.writer.close().await?)
        })
    };
    let receive = move |stream, units| {
        run(async move {
            let mut secure = acceptor.accept(stream).await?;
            let (mut unit, mut at, mut all) = (vec![0; UNIT], 0, 0);
            let mut sink = |mut run: &[u8]| {
                all += run.len();
                while !run.is_empty() {
                    let bytes = run.len().min(UNIT - at);
                    unit[at..at + bytes].copy_from_slice(&run[..bytes]);
                    at = (at + bytes) % UNIT;
                    run = &run[bytes..];
                }
                Ok::<_, Infallible>(())
            };
            while secure.reader.read(&mut sink).await? {}
            anyhow::ensure!(all == units * UNIT, "{all} bytes");
            Ok(())
        })
    };
    Ok((Box::new(send), Box::new(receive)))
}

fn buffered(suite: SupportedCipherSuite) -> anyhow::Result<(Side, Side)> {
    let provider = Arc::new(rustls::crypto::CryptoProvider {
        cipher_suites: vec![suite],
        ..default_provider()
    });
    let pair = aws_lc_rs::signature::Ed25519KeyPair::generate()?;
    let secret = pair.to_pkcs8v1()?;
    let secret = sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(secret.as_ref()))?;
    let spki = secret.public_key().map(SubjectPublicKeyInfoDer::into_owned);
    let spki = spki.expect("an Ed25519 key has one");
    let spki = CertificateDer::from(spki.as_ref().to_vec());
    let key = Arc::new(CertifiedKey::new(vec![spki], secret));
    let mut far = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
    // Nobody would read them.
    far.send_tls13_tickets = 0;
    let near = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let (near, far) = (Arc::new(near), Arc::new(far));
    let send = move |stream, units| {
        run(async move {
            let name = ServerName::try_from("peer.invalid")?;
            let mut stream = TlsConnector::from(near).connect(name, stream).await?;
            let unit = vec![7; UNIT];
            for _ in 0..units {
                stream.write_all(&unit).await?;
            }
            Ok(stream.shutdown().await?)
        })
    };
    let receive = move |stream, units| {
        run(async move {
            let mut stream = TlsAcceptor::from(far).accept(stream).await?;
            let mut unit = vec![0; UNIT];
            for _ in 0..units {
                stream.read_exact(&mut unit).await?;
            }
            anyhow::ensure!(stream.read(&mut unit).await? == 0, "more bytes");
            Ok(())
        })
    };
    Ok((Box::new(send), Box::new(receive)))
}

/// Accepts every key: what is measured comes after the handshake.
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

/// MB/s of sealing, and of opening, records in place.
fn alone(algorithm: &'static aead::Algorithm) -> anyhow::Result<(f64, f64)> {
    let secret = vec![7; algorithm.key_len()];
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, &secret)?);
    let nonce = || aead::Nonce::assume_unique_for_key([1; aead::NONCE_LEN]);
    let mut record = vec![7; RECORD];
    let rounds = GIB / RECORD;
    let rate = |elapsed: Duration| GIB as f64 / 1e6 / elapsed.as_secs_f64();
    let start = Instant::now();
    for _ in 0..rounds {
        let _tag = key.seal_in_place_separate_tag(nonce(), aead::Aad::empty(), &mut record)?;
    }
    let seal = rate(start.elapsed());
    key.seal_in_place_append_tag(nonce(), aead::Aad::empty(), &mut record)?;
    let mut opened = record.clone();
    let start = Instant::now();
    for _ in 0..rounds {
        opened.copy_from_slice(&record);
        key.open_in_place(nonce(), aead::Aad::empty(), &mut opened)?;
    }
    Ok((seal, rate(start.elapsed())))
}

/// CPU seconds of this process, to a hundredth.
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(ticks as f64 / 100.0)
}
