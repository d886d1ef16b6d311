//! Two connections, without a socket between them.

use std::convert::Infallible;

use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::{ConnectionTrafficSecrets, ProtocolVersion};

use super::*;

impl Tls {
    /// Has the next records sealed with other keys, as happens after 2^24 of them.
    fn refresh_keys(&mut self) {
        let refreshed = match self {
            Self::Dialler(side) => match side.process(&mut []).state {
                Ok(ConnectionState::WriteTraffic(traffic)) => traffic.refresh_traffic_keys(),
                _ => panic!("the stream is not open"),
            },
            Self::Acceptor(_) => panic!("only a dialler does in tests"),
        };
        refreshed.expect("the handshake is done");
    }
}

fn configs() -> Configs {
    Configs::new(&Identity::generate().unwrap()).unwrap()
}

/// What is in the records of `out`, which `to` takes; what it answers.
fn give(out: &mut Outgoing, to: &mut Tls, answers: &mut Outgoing) -> Result<Vec<u8>, Error> {
    let mut heard = Vec::new();
    let mut bytes = out.waiting().to_vec();
    out.written(bytes.len());
    let taken = to.take(&mut bytes, answers, &mut |run: &[u8]| {
        heard.extend_from_slice(run);
        Ok::<_, Infallible>(())
    });
    match taken {
        Ok((used, _)) => assert_eq!(used, bytes.len()),
        Err(RecordError::Tls(error)) => return Err(error),
        Err(RecordError::Sink(never)) => match never {},
    }
    Ok(heard)
}

fn pair() -> (Tls, Tls) {
    pair_from(&configs(), &configs())
}

fn pair_from(near: &Configs, far: &Configs) -> (Tls, Tls) {
    let (mut dialler, mut acceptor) = (near.dial(far.own()).unwrap(), far.accept().unwrap());
    let (mut to_acceptor, mut to_dialler) = (Outgoing::default(), Outgoing::default());
    dialler
        .take(&mut [], &mut to_acceptor, &mut |_: &[u8]| {
            Ok::<_, Infallible>(())
        })
        .ok()
        .unwrap();
    while dialler.common().is_handshaking() || acceptor.common().is_handshaking() {
        assert!(!to_acceptor.waiting().is_empty());
        give(&mut to_acceptor, &mut acceptor, &mut to_dialler).unwrap();
        give(&mut to_dialler, &mut dialler, &mut to_acceptor).unwrap();
    }
    assert!(to_dialler.waiting().is_empty() && to_acceptor.waiting().is_empty());
    (dialler, acceptor)
}

#[test]
fn both_sides_agree_on_the_newest_version_the_fastest_cipher_and_a_hybrid_exchange() {
    let (dialler, acceptor) = pair();
    for side in [dialler, acceptor] {
        let common = side.common();
        assert_eq!(common.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let suite = common.negotiated_cipher_suite().unwrap();
        assert_eq!(suite, suites(&Processor::found())[0]);
        let group = common.negotiated_key_exchange_group().unwrap();
        assert_eq!(group.name(), rustls::NamedGroup::X25519MLKEM768);
    }
}

const TWO_BLOCKS: Processor = Processor {
    aes: true,
    two_blocks: true,
    four_blocks: false,
};

// Each side chooses for itself: whichever implementation seals, another one opens.
#[test]
fn nodes_on_different_processors_understand_each_other() {
    let identity = || Identity::generate().unwrap();
    let found = [
        Processor::default(),
        TWO_BLOCKS,
        Processor {
            aes: true,
            ..Processor::default()
        },
    ];
    for (near, far) in found
        .iter()
        .flat_map(|near| found.iter().map(move |far| (near, far)))
    {
        let near = Configs::on(near, &identity()).unwrap();
        let far = Configs::on(far, &identity()).unwrap();
        let (mut dialler, mut acceptor) = pair_from(&near, &far);
        let (mut out, mut answers) = (Outgoing::default(), Outgoing::default());
        dialler.seal(&[1; 40_000], &mut out).unwrap();
        assert_eq!(
            give(&mut out, &mut acceptor, &mut answers).unwrap(),
            [1; 40_000]
        );
        acceptor.seal(&[2; 40_000], &mut answers).unwrap();
        assert_eq!(
            give(&mut answers, &mut dialler, &mut out).unwrap(),
            [2; 40_000]
        );
    }
}

#[test]
fn the_cipher_is_the_one_that_the_processor_is_fastest_with() {
    let best = |processor: Processor| suites(&processor)[0];
    let aes = Processor {
        aes: true,
        ..Processor::default()
    };
    let four_blocks = Processor {
        four_blocks: true,
        ..TWO_BLOCKS
    };
    // Two suites of one number are equal, whoever implements them.
    let is = |found: SupportedCipherSuite, one: SupportedCipherSuite| {
        std::ptr::eq(found.tls13().unwrap(), one.tls13().unwrap())
    };
    let aws_lc = cipher_suite::TLS13_AES_128_GCM_SHA256;
    let chacha = cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
    assert!(is(best(Processor::default()), chacha));
    assert!(is(best(aes), aws_lc) && is(best(four_blocks), aws_lc));
    let of_ring = ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    assert!(is(best(TWO_BLOCKS), of_ring) && !is(of_ring, aws_lc));
}

/// Register: H5, H6. What is switched off, and that nothing older is built in.
#[test]
fn what_could_be_attacked_is_switched_off() {
    let Configs { dial, accept, .. } = configs();
    assert_eq!(dial.alpn_protocols, [PROTOCOL]);
    assert_eq!(accept.alpn_protocols, [PROTOCOL]);
    assert!(!dial.enable_sni && !dial.enable_early_data && !dial.enable_secret_extraction);
    assert_eq!(
        (accept.send_tls13_tickets, accept.max_early_data_size),
        (0, 0)
    );
    assert!(!accept.ticketer.enabled() && !accept.session_storage.can_cache());
    assert!(!accept.send_half_rtt_data && !accept.enable_secret_extraction);
    assert!(!dial.key_log.will_log("CLIENT_TRAFFIC_SECRET_0"));
    assert!(!accept.key_log.will_log("SERVER_TRAFFIC_SECRET_0"));
    let mut suites = provider(&Processor::found()).cipher_suites.into_iter();
    assert!(suites.all(|suite| suite.tls13().is_some()));
}

#[test]
fn fresh_keys_in_the_middle_lose_nothing() {
    let (mut dialler, mut acceptor) = pair();
    let (mut out, mut answers) = (Outgoing::default(), Outgoing::default());
    let mut heard = Vec::new();
    for round in 0..4_u8 {
        dialler.seal(&[round; 40_000], &mut out).unwrap();
        dialler.refresh_keys();
        dialler.seal(&[round; 3], &mut out).unwrap();
        heard.extend(give(&mut out, &mut acceptor, &mut answers).unwrap());
        acceptor.seal(&[round], &mut answers).unwrap();
        assert_eq!(give(&mut answers, &mut dialler, &mut out).unwrap(), [round]);
    }
    assert_eq!(heard.len(), 4 * 40_003);
    assert!(heard.is_sorted());
}

#[test]
fn a_changed_byte_ends_the_stream_with_one_alert() {
    let (mut dialler, mut acceptor) = pair();
    let (mut out, mut answers) = (Outgoing::default(), Outgoing::default());
    dialler.seal(b"honest", &mut out).unwrap();
    let last = out.end - 1;
    out.bytes[last] ^= 1;
    let error = give(&mut out, &mut acceptor, &mut answers).unwrap_err();
    assert_eq!(error, Error::DecryptError);
    assert!(!answers.waiting().is_empty());
    assert!(give(&mut answers, &mut dialler, &mut out).is_err());
}

/// Register: H15. Half a message of the handshake, after the handshake: an authenticated peer
/// that is hostile can send it, and the writer's half must not trip over it.
#[test]
fn half_a_handshake_message_after_the_handshake_ends_the_stream() {
    let mut near = configs();
    near.dial.enable_secret_extraction = true;
    let (dialler, mut acceptor) = pair_from(&near, &configs());
    let Tls::Dialler(dialler) = dialler else {
        unreachable!("the first one dialled");
    };
    let suite = dialler.negotiated_cipher_suite().unwrap().tls13().unwrap();
    let (secrets, _) = dialler.dangerous_into_kernel_connection().unwrap();
    let (sequence, secret) = secrets.tx;
    let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
    | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secret
    else {
        unreachable!("no other cipher is offered");
    };
    let half = OutboundPlainMessage {
        typ: ContentType::Handshake,
        version: ProtocolVersion::TLSv1_2,
        payload: OutboundChunks::Single(&[24, 0]),
    };
    let record = suite
        .aead_alg
        .encrypter(key, iv)
        .encrypt(half, sequence)
        .unwrap()
        .encode();
    let mut bytes = record;
    let mut answers = Outgoing::default();
    let mut sink = |_: &[u8]| Ok::<_, Infallible>(());
    let taken = acceptor.take(&mut bytes, &mut answers, &mut sink);
    let Err(RecordError::Tls(error)) = taken else {
        panic!("half a message was taken");
    };
    assert!(
        matches!(error, Error::InappropriateMessage { .. }),
        "{error}"
    );
}

#[test]
fn a_record_is_whole_when_its_last_byte_is_there() {
    let record = [23, 3, 3, 1, 2]
        .into_iter()
        .chain(std::iter::repeat_n(0, 258));
    let record: Vec<u8> = record.collect();
    assert!(has_record(&record));
    for end in 0..record.len() {
        assert!(!has_record(&record[..end]), "{end}");
    }
}
