//! A TLS server by hand: TLS 1.3 with TLS_AES_128_GCM_SHA256 and TLS 1.2 with
//! ECDHE-ECDSA-AES128-GCM-SHA256, secp256r1, a P-256 key, the client's certificate asked for.
//!
//! Before each message a script ([`Hook`]) may change it, drop it, send others, stall or close.

use psa_interface::Algorithm;
use spe_crypto::primitives::aead::Aead;
use spe_crypto::primitives::hash::{HashAlg, digest};
use spe_crypto::primitives::hmac::{Hmac, hmac};
use spe_crypto::primitives::tls12_prf::Prf;
use spe_crypto::primitives::{hkdf, p256};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SHA: HashAlg = HashAlg::Sha256;
/// Record types (RFC 8446 §5.1).
pub const CCS: u8 = 20;
/// Alert.
pub const ALERT: u8 = 21;
/// Handshake.
pub const HANDSHAKE: u8 = 22;
/// Application data.
pub const DATA: u8 = 23;

/// Where the server stands: about to send this, or waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// ServerHello; a hook may send a HelloRetryRequest first.
    ServerHello,
    /// TLS 1.3's meaningless one, or TLS 1.2's real one.
    ChangeCipherSpec,
    /// TLS 1.3.
    EncryptedExtensions,
    /// Both.
    CertificateRequest,
    /// Both.
    Certificate,
    /// TLS 1.3.
    CertificateVerify,
    /// TLS 1.2.
    ServerKeyExchange,
    /// TLS 1.2.
    ServerHelloDone,
    /// Both.
    Finished,
    /// The client has had our Finished and sent something since.
    Established,
}

/// A script: looks at the step, and lies.
pub type Hook = fn(&mut Server, Step);

/// Which protocol the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// What a server does with the next connection.
#[derive(Clone)]
pub struct Order {
    /// The protocol to speak.
    pub version: Version,
    /// Certificates to present, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The leaf's private key.
    pub key: [u8; 32],
    /// The script.
    pub hook: Hook,
}

/// A server that follows the order of the moment, one thread a connection; its port.
///
/// # Panics
/// Without a free port on loopback.
pub fn listen(order: Arc<Mutex<Order>>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let order = order.lock().unwrap().clone();
            std::thread::spawn(move || {
                Server::serve(stream, order.version, order.chain, order.key, order.hook);
            });
        }
    });
    port
}

/// Keys of one direction.
struct Keys {
    version: Version,
    key: Vec<u8>,
    iv: Vec<u8>,
    sequence: u64,
}

/// One connection.
pub struct Server {
    stream: TcpStream,
    /// The handshake message about to be sent.
    pub message: Vec<u8>,
    /// Do not send it (nor hash it).
    pub skip: bool,
    /// End the connection now.
    pub stop: bool,
    /// Certificates, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The leaf's private key.
    pub key: [u8; 32],
    /// What has been said, for the transcript hash.
    pub transcript: Vec<u8>,
    /// The ServerHello's random bytes.
    pub random: [u8; 32],
    client_random: Vec<u8>,
    session_id: Vec<u8>,
    client_share: Vec<u8>,
    sending: Option<Keys>,
    ephemeral: [u8; 32],
    hook: Hook,
    version: Version,
    /// The secret of what we send after a TLS 1.3 handshake.
    application: Vec<u8>,
}

/// Length-prefixed vector (RFC 8446 §3.4).
pub fn vector(prefix: usize, content: &[u8]) -> Vec<u8> {
    let mut out = (content.len() as u64).to_be_bytes()[8 - prefix..].to_vec();
    out.extend_from_slice(content);
    out
}

/// A handshake message.
pub fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &vector(3, body)].concat()
}

/// An extension.
pub fn extension(number: u16, body: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &vector(2, body)].concat()
}

/// A record without protection.
pub fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &vector(2, payload)].concat()
}

fn expand_label(secret: &[u8], label: &str, context: &[u8], len: usize) -> Vec<u8> {
    let mut info = (len as u16).to_be_bytes().to_vec();
    info.extend(vector(1, format!("tls13 {label}").as_bytes()));
    info.extend(vector(1, context));
    let mut out = vec![0; len];
    hkdf::expand(SHA, secret, &info, &mut out).unwrap();
    out
}

fn prf(secret: &[u8], label: &str, seed: &[u8], len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let text = [label.as_bytes(), seed].concat();
    Prf::new(Hmac::new(SHA, secret)).read(&text, &mut out);
    out
}

impl Server {
    /// Serves `stream` to its end: a handshake as `hook` makes of it. Errors of the stream end
    /// it: a client that has enough goes away.
    pub fn serve(
        stream: TcpStream,
        version: Version,
        chain: Vec<Vec<u8>>,
        key: [u8; 32],
        hook: Hook,
    ) {
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut server = Server {
            stream,
            message: Vec::new(),
            skip: false,
            stop: false,
            chain,
            key,
            transcript: Vec::new(),
            random: [0x5E; 32],
            client_random: Vec::new(),
            session_id: Vec::new(),
            client_share: Vec::new(),
            sending: None,
            ephemeral: [0x17; 32],
            hook,
            version,
            application: Vec::new(),
        };
        let done = server.hello().and_then(|()| match version {
            Version::V13 => server.tls13(),
            Version::V12 => server.tls12(),
        });
        if done.is_some() {
            // Until the client hangs up: what it says does not matter.
            server.drain();
        }
        let _ = server.stream.shutdown(Shutdown::Both);
    }

    /// Reads until the client hangs up, or five seconds.
    pub fn drain(&mut self) {
        let mut bytes = [0; 4096];
        while matches!(self.stream.read(&mut bytes), Ok(1..)) {}
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.stop |= self.stream.write_all(bytes).is_err();
    }

    /// One record, protected if keys are in use.
    pub fn send(&mut self, kind: u8, payload: &[u8]) {
        let bytes = self.sealed(kind, payload);
        self.raw(&bytes);
    }

    /// The bytes of that record.
    pub fn sealed(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let Some(keys) = &mut self.sending else {
            return record(kind, payload);
        };
        let sequence = keys.sequence;
        keys.sequence += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&sequence.to_be_bytes());
        match keys.version {
            Version::V13 => {
                let mut text = [payload, &[kind]].concat();
                for (byte, iv) in nonce.iter_mut().zip(&keys.iv) {
                    *byte ^= iv;
                }
                let header = [&[DATA, 3, 3][..], &(text.len() as u16 + 16).to_be_bytes()].concat();
                let mut aead = Aead::new(Algorithm::GCM, &keys.key, &nonce).unwrap();
                aead.additional_data(&header);
                aead.encrypt(&mut text);
                [header, text, aead.finish().to_vec()].concat()
            }
            Version::V12 => {
                nonce[..4].copy_from_slice(&keys.iv);
                let additional = [
                    &sequence.to_be_bytes()[..],
                    &[kind, 3, 3],
                    &(payload.len() as u16).to_be_bytes(),
                ]
                .concat();
                let mut text = payload.to_vec();
                let mut aead = Aead::new(Algorithm::GCM, &keys.key, &nonce).unwrap();
                aead.additional_data(&additional);
                aead.encrypt(&mut text);
                record(kind, &[&nonce[4..], &text, &aead.finish()].concat())
            }
        }
    }

    /// Waits for the client to have nothing more to say for a moment.
    pub fn stall(&mut self) {
        self.drain();
        self.stop = true;
    }

    /// Asks the script about a step; whether to go on.
    fn ask(&mut self, step: Step) -> Option<()> {
        self.skip = false;
        (self.hook)(self, step);
        (!self.stop).then_some(())
    }

    /// A handshake message, after the script has seen it.
    fn say(&mut self, step: Step, message: Vec<u8>) -> Option<()> {
        self.message = message;
        self.ask(step)?;
        if !self.skip {
            let message = self.message.clone();
            self.transcript.extend_from_slice(&message);
            for fragment in message.chunks(1 << 14) {
                self.send(HANDSHAKE, fragment);
            }
        }
        (!self.stop).then_some(())
    }

    /// Uses the next key of TLS 1.3 for what is sent from now on (RFC 8446 §7.2).
    pub fn update_key(&mut self) {
        self.application = expand_label(&self.application, "traffic upd", &[], 32);
        self.sending = Some(Self::keys13(&self.application));
    }

    /// One record of the client's.
    pub fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 5];
        self.stream.read_exact(&mut header).ok()?;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        self.stream.read_exact(&mut payload).ok()?;
        Some((header[0], payload))
    }

    fn hello(&mut self) -> Option<()> {
        let (kind, hello) = self.receive()?;
        assert_eq!((kind, hello[0]), (HANDSHAKE, 1), "no ClientHello");
        self.read_hello(&hello);
        Some(())
    }

    /// Reads a ClientHello; it becomes the transcript's next part.
    pub fn read_hello(&mut self, hello: &[u8]) {
        self.transcript.extend_from_slice(hello);
        self.client_random = hello[6..38].to_vec();
        let mut at = 38;
        let mut take = |prefix: usize| {
            let len = hello[at..at + prefix]
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte));
            at += prefix + len;
            hello[at - len..at].to_vec()
        };
        self.session_id = take(1);
        if self.version == Version::V12 {
            // One that is echoed would be a resumption.
            self.session_id = vec![0x77; 32];
        }
        take(2); // suites
        take(1); // compression
        let extensions = take(2);
        let mut rest = &extensions[..];
        while let [a, b, c, d, tail @ ..] = rest {
            let number = u16::from_be_bytes([*a, *b]);
            let (body, tail) = tail.split_at(usize::from(u16::from_be_bytes([*c, *d])));
            if number == 51 && body[2..4] == [0, 23] {
                self.client_share = body[6..71].to_vec();
            }
            rest = tail;
        }
    }

    /// Our public share.
    pub fn share(&self) -> [u8; 65] {
        p256::public_key(&self.ephemeral).unwrap()
    }

    /// A ServerHello of these fields.
    pub fn server_hello(&self, suite: u16, extensions: &[u8]) -> Vec<u8> {
        let body = [
            &[3, 3][..],
            &self.random,
            &vector(1, &self.session_id),
            &suite.to_be_bytes(),
            &[0],
            &vector(2, extensions),
        ]
        .concat();
        handshake(2, &body)
    }

    /// Extensions of a TLS 1.3 ServerHello with this key share.
    pub fn hello13(group: u16, share: &[u8]) -> Vec<u8> {
        let share = [&group.to_be_bytes()[..], &vector(2, share)].concat();
        [extension(43, &[3, 4]), extension(51, &share)].concat()
    }

    /// A HelloRetryRequest (RFC 8446 §4.1.4) with these extensions; the client's answer becomes
    /// the ClientHello. `false` when it sent none.
    pub fn retry(&mut self, extensions: &[u8]) -> bool {
        let honest = self.random;
        self.random = RETRY;
        let message = self.server_hello(0x1301, extensions);
        self.random = honest;
        // RFC 8446 §4.4.1: the first hello is hashed.
        let hash = digest(SHA, &[&self.transcript]);
        self.transcript = [handshake(254, &hash), message.clone()].concat();
        self.send(HANDSHAKE, &message);
        loop {
            match self.receive() {
                Some((HANDSHAKE, hello)) => {
                    self.read_hello(&hello);
                    return true;
                }
                Some((CCS, _)) => {}
                _ => {
                    self.stop = true;
                    return false;
                }
            }
        }
    }

    fn hash(&self) -> Vec<u8> {
        digest(SHA, &[&self.transcript]).to_vec()
    }

    fn keys13(secret: &[u8]) -> Keys {
        Keys {
            version: Version::V13,
            key: expand_label(secret, "key", &[], 16),
            iv: expand_label(secret, "iv", &[], 12),
            sequence: 0,
        }
    }

    fn certificates13(&self) -> Vec<u8> {
        let mut list = Vec::new();
        for certificate in &self.chain {
            list.extend(vector(3, certificate));
            list.extend([0, 0]);
        }
        handshake(11, &[&[0][..], &vector(3, &list)].concat())
    }

    /// A signature of `message` in DER, by our key or another.
    pub fn signature(&self, key: &[u8; 32], message: &[u8]) -> Vec<u8> {
        let hash = digest(SHA, &[message]);
        ecdsa_der::Der::from_raw(&p256::sign(SHA, key, &hash, &[]).unwrap())
            .unwrap()
            .to_vec()
    }

    /// CertificateVerify (RFC 8446 §4.4.3) of the transcript so far.
    pub fn certificate_verify(&self, scheme: u16, key: &[u8; 32]) -> Vec<u8> {
        let content = [
            &[0x20; 64][..],
            b"TLS 1.3, server CertificateVerify\0",
            &self.hash(),
        ]
        .concat();
        let signature = self.signature(key, &content);
        let body = [&scheme.to_be_bytes()[..], &vector(2, &signature)].concat();
        handshake(15, &body)
    }

    fn tls13(&mut self) -> Option<()> {
        let hello = self.server_hello(0x1301, &Self::hello13(23, &self.share()));
        self.say(Step::ServerHello, hello)?;
        let shared = p256::ecdh(&self.ephemeral, &self.client_share)?;
        let empty = digest(SHA, &[]);
        let early = hkdf::extract(SHA, &[], &[0; 32]);
        let derived = expand_label(&early, "derived", &empty, 32);
        let secret = hkdf::extract(SHA, &derived, &shared[..]);
        let traffic = expand_label(&secret, "s hs traffic", &self.hash(), 32);
        self.ask(Step::ChangeCipherSpec)?;
        if !self.skip {
            self.raw(&record(CCS, &[1]));
        }
        self.sending = Some(Self::keys13(&traffic));
        self.say(Step::EncryptedExtensions, handshake(8, &[0, 0]))?;
        let schemes = extension(13, &vector(2, &[4, 3, 8, 4]));
        let request = [&[0][..], &vector(2, &schemes)].concat();
        self.say(Step::CertificateRequest, handshake(13, &request))?;
        self.say(Step::Certificate, self.certificates13())?;
        let verify = self.certificate_verify(0x0403, &self.key);
        self.say(Step::CertificateVerify, verify)?;
        let finished_key = expand_label(&traffic, "finished", &[], 32);
        let verify = hmac(SHA, &finished_key, &[&self.hash()]);
        self.say(Step::Finished, handshake(20, &verify))?;
        let derived = expand_label(&secret, "derived", &empty, 32);
        let main = hkdf::extract(SHA, &derived, &[0; 32]);
        self.application = expand_label(&main, "s ap traffic", &self.hash(), 32);
        self.sending = Some(Self::keys13(&self.application));
        self.receive()?;
        self.ask(Step::Established)
    }

    /// ServerKeyExchange of TLS 1.2 with these parameters, signed as `scheme`.
    pub fn key_exchange(&self, params: &[u8], scheme: u16) -> Vec<u8> {
        let signed = [&self.client_random[..], &self.random, params].concat();
        let signature = self.signature(&self.key, &signed);
        let body = [params, &scheme.to_be_bytes(), &vector(2, &signature)].concat();
        handshake(12, &body)
    }

    /// ECParameters of secp256r1 with a public point.
    pub fn params(point: &[u8]) -> Vec<u8> {
        [&[3, 0, 23][..], &vector(1, point)].concat()
    }

    fn tls12(&mut self) -> Option<()> {
        // Extended master secret, renegotiation info, uncompressed points.
        let extensions = [
            extension(23, &[]),
            extension(0xFF01, &[0]),
            extension(11, &[1, 0]),
        ]
        .concat();
        let hello = self.server_hello(0xC02B, &extensions);
        self.say(Step::ServerHello, hello)?;
        let list: Vec<u8> = self.chain.iter().flat_map(|c| vector(3, c)).collect();
        self.say(Step::Certificate, handshake(11, &vector(3, &list)))?;
        let exchange = self.key_exchange(&Self::params(&self.share()), 0x0403);
        self.say(Step::ServerKeyExchange, exchange)?;
        let request = [vector(1, &[64]), vector(2, &[4, 3]), vector(2, &[])].concat();
        self.say(Step::CertificateRequest, handshake(13, &request))?;
        self.say(Step::ServerHelloDone, handshake(14, &[]))?;
        // Certificate, ClientKeyExchange, CertificateVerify; ChangeCipherSpec; Finished.
        let mut exchanged = 0;
        while let (HANDSHAKE, flight) = self.receive()? {
            let mut rest = &flight[..];
            while let [kind, a, b, c, ..] = *rest {
                let len = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
                let message = &rest[..len];
                self.transcript.extend_from_slice(message);
                if kind == 16 {
                    self.client_share = message[5..].to_vec();
                    exchanged = self.transcript.len();
                }
                rest = &rest[len..];
            }
        }
        self.receive()?; // the client's Finished, which we compute for ourselves
        let shared = p256::ecdh(&self.ephemeral, &self.client_share)?;
        let session = digest(SHA, &[&self.transcript[..exchanged]]);
        let master = prf(&shared[..], "extended master secret", &session, 48);
        let seed = [&self.random[..], &self.client_random].concat();
        let block = prf(&master, "key expansion", &seed, 40);
        let finished = prf(&master, "client finished", &self.hash(), 12);
        self.transcript.extend(handshake(20, &finished));
        self.ask(Step::ChangeCipherSpec)?;
        if !self.skip {
            self.raw(&record(CCS, &[1]));
        }
        self.sending = Some(Keys {
            version: Version::V12,
            key: block[16..32].to_vec(),
            iv: block[36..40].to_vec(),
            sequence: 0,
        });
        let finished = prf(&master, "server finished", &self.hash(), 12);
        self.say(Step::Finished, handshake(20, &finished))?;
        self.receive()?;
        self.ask(Step::Established)
    }
}

/// SHA-256 of "HelloRetryRequest" (RFC 8446 §4.1.3).
#[rustfmt::skip]
pub const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];
