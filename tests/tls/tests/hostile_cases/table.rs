//! The table of `hostile.rs`: every lie with the name in which it must end, and what is legal.

use super::*;

pub const CASES: &[Case] = &[
    // Certificates.
    chain("wrong-name", "host name does not match"),
    chain("name-below", "host name does not match"),
    chain("wildcard-below", "host name does not match"),
    chain("wildcard-within", "host name does not match"),
    chain("wildcard-alone", "host name does not match"),
    chain("address-only", "host name does not match"),
    chain("name-with-zero", "host name does not match"),
    chain("no-names", "host name does not match"),
    chain("version-1", "server certificate: chain breaks a rule"),
    chain("client-only", "server certificate: not for a server"),
    chain(
        "authority-as-leaf",
        "server certificate: chain breaks a rule",
    ),
    chain(
        "critical-extension",
        "server certificate: chain breaks a rule",
    ),
    chain(
        "sha1",
        "server certificate: unsupported signature algorithm",
    ),
    chain("bad-signature", "server certificate: bad signature"),
    chain("changed-after-signing", "server certificate: bad signature"),
    chain("truncated-certificate", "server certificate: bad encoding"),
    chain("garbage-certificate", "server certificate: bad encoding"),
    chain("unknown-root", "server certificate: unknown issuer"),
    chain("unknown-root-sent", "server certificate: unknown issuer"),
    chain("impostor-root", "server certificate: bad signature"),
    chain("missing-middle", "server certificate: unknown issuer"),
    chain(
        "middle-is-no-authority",
        "server certificate: chain breaks a rule",
    ),
    chain("path-length", "server certificate: chain breaks a rule"),
    chain(
        "name-constraints",
        "server certificate: chain breaks a rule",
    ),
    chain("excluded-name", "server certificate: chain breaks a rule"),
    chain("middle-for-clients", "server certificate: not for a server"),
    chain("weak-middle", "server certificate: weak or malformed key"),
    Case {
        chain: "weak-leaf",
        ..v13(
            "weak-leaf",
            at!(CertificateVerify, s => s.message = s.certificate_verify(0x0804, &{ s.key })),
            "server certificate: weak or malformed key",
        )
    },
    chain(
        "p521-leaf",
        "server certificate: unsupported signature algorithm",
    ),
    chain(
        "ed25519-leaf",
        "server certificate: unsupported signature algorithm",
    ),
    chain("too-deep", "server certificate: chain breaks a rule"),
    chain("oversized-chain", "TLS message larger than the buffer"),
    Case {
        days: 366,
        ..v13("expired", honest, "server certificate expired")
    },
    Case {
        days: -2,
        ..v13("not-yet-valid", honest, "server certificate not yet valid")
    },
    Case {
        days: 31,
        chain: "middle-of-30-days",
        ..v13("middle-expired", honest, "server certificate expired")
    },
    Case {
        version: Version::V12,
        chain: "wrong-name",
        ..v13("1.2-wrong-name", honest, "host name does not match")
    },
    Case {
        version: Version::V12,
        chain: "unknown-root",
        ..v13(
            "1.2-unknown-root",
            honest,
            "server certificate: unknown issuer",
        )
    },
    Case {
        version: Version::V12,
        chain: "weak-middle",
        ..v13(
            "1.2-weak-middle",
            honest,
            "server certificate: weak or malformed key",
        )
    },
    Case {
        version: Version::V12,
        days: 366,
        ..v13("1.2-expired", honest, "server certificate expired")
    },
    // Closing in every state.
    v13(
        "close-before-hello",
        close_at!(ServerHello),
        "closed by peer during TLS handshake",
    ),
    v13(
        "close-after-hello",
        close_at!(ChangeCipherSpec),
        "closed by peer during TLS handshake",
    ),
    v13(
        "close-before-extensions",
        close_at!(EncryptedExtensions),
        "closed by peer during TLS handshake",
    ),
    v13(
        "close-before-request",
        close_at!(CertificateRequest),
        "closed by peer during TLS handshake",
    ),
    v13(
        "close-before-certificate",
        close_at!(Certificate),
        "closed by peer during TLS handshake",
    ),
    v13(
        "close-before-verify",
        close_at!(CertificateVerify),
        "closed by peer during TLS handshake",
    ),
    v13(
        "close-before-finished",
        close_at!(Finished),
        "closed by peer during TLS handshake",
    ),
    v13(
        "close-after-handshake",
        close_at!(Established),
        "broker closed before CONNACK",
    ),
    v12(
        "1.2-close-before-hello",
        close_at!(ServerHello),
        "closed by peer during TLS handshake",
    ),
    v12(
        "1.2-close-before-certificate",
        close_at!(Certificate),
        "closed by peer during TLS handshake",
    ),
    v12(
        "1.2-close-before-exchange",
        close_at!(ServerKeyExchange),
        "closed by peer during TLS handshake",
    ),
    v12(
        "1.2-close-before-request",
        close_at!(CertificateRequest),
        "closed by peer during TLS handshake",
    ),
    v12(
        "1.2-close-before-done",
        close_at!(ServerHelloDone),
        "closed by peer during TLS handshake",
    ),
    v12(
        "1.2-close-before-ccs",
        close_at!(ChangeCipherSpec),
        "closed by peer during TLS handshake",
    ),
    v12(
        "1.2-close-before-finished",
        close_at!(Finished),
        "closed by peer during TLS handshake",
    ),
    v13(
        "close-in-record",
        at!(ServerHello, s => { s.raw(&[22, 3, 3, 0, 90, 2, 0]); s.stop = true }),
        "closed by peer during TLS handshake",
    ),
    v13(
        "close-notify-in-handshake",
        at!(Certificate, s => { s.send(ALERT, &[1, 0]); s.stop = true }),
        "server alert: close notify",
    ),
    // Stalling.
    v13(
        "stall-before-hello",
        at!(ServerHello, s => s.stall()),
        "TLS handshake timed out",
    ),
    v13(
        "stall-in-hello",
        at!(ServerHello, s => { s.raw(&[22, 3, 3, 0, 90, 2]); s.stall() }),
        "TLS handshake timed out",
    ),
    v13(
        "stall-before-finished",
        at!(Finished, s => s.stall()),
        "TLS handshake timed out",
    ),
    v12(
        "1.2-stall-before-done",
        at!(ServerHelloDone, s => s.stall()),
        "TLS handshake timed out",
    ),
    v12(
        "1.2-stall-before-finished",
        at!(Finished, s => s.stall()),
        "TLS handshake timed out",
    ),
    v13(
        "stall-after-handshake",
        at!(Established, s => s.stall()),
        "CONNACK timed out",
    ),
    // Not TLS, or broken records.
    v13(
        "http",
        at!(ServerHello, s => { s.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"); s.skip = true }),
        "server broke the TLS protocol: received corrupt message of type InvalidContentType",
    ),
    v13(
        "garbage",
        at!(ServerHello, s => { s.raw(&[0xA5; 600]); s.skip = true }),
        "server broke the TLS protocol: received corrupt message of type InvalidContentType",
    ),
    v13(
        "zeroes",
        at!(ServerHello, s => { s.raw(&[0; 600]); s.skip = true }),
        "server broke the TLS protocol: received corrupt message of type InvalidContentType",
    ),
    v13(
        "unknown-record-type",
        at!(ServerHello, s => s.raw(&record(99, &[1]))),
        "server broke the TLS protocol: received corrupt message of type InvalidContentType",
    ),
    v13(
        "wrong-record-version",
        at!(ServerHello, s => s.raw(&[22, 5, 5, 0, 1, 0])),
        "server broke the TLS protocol: received corrupt message of type UnknownProtocolVersion",
    ),
    v13(
        "record-of-65535",
        at!(Certificate, s => { s.raw(&[23, 3, 3, 0xFF, 0xFF]); s.raw(&[0; 0xFFFF]) }),
        "server broke the TLS protocol: received corrupt message of type MessageTooLarge",
    ),
    v13(
        "record-over-buffer",
        at!(Certificate, s => { s.raw(&[23, 3, 3, 0x47, 0x00]); s.raw(&[0; 0x4700]) }),
        "TLS message larger than the buffer",
    ),
    v13(
        "record-over-16k-and-256",
        at!(Certificate, s => { s.raw(&[23, 3, 3, 0x41, 0x01]); s.raw(&[0; 0x4101]) }),
        "record does not decrypt",
    ),
    v13(
        "plaintext-over-16k",
        at!(Established, s => s.send(DATA, &[0; 16_385])),
        "server broke the TLS protocol: peer sent excess record size",
    ),
    v13(
        "empty-record",
        at!(ServerHello, s => s.raw(&record(HANDSHAKE, &[]))),
        "server broke the TLS protocol: received corrupt message of type InvalidEmptyPayload",
    ),
    v13(
        "empty-records-flood",
        at!(Established, s => for _ in 0..5000 { s.send(DATA, &[]) }),
        "server broke the TLS protocol: peer misbehaved: TooManyEmptyFragments",
    ),
    v13(
        "empty-handshake-flood",
        at!(Certificate, s => for _ in 0..200 { s.send(HANDSHAKE, &[]) }),
        "server broke the TLS protocol: peer misbehaved: TooManyEmptyFragments",
    ),
    v13(
        "record-too-short-for-tag",
        at!(Certificate, s => s.raw(&record(DATA, &[0; 15]))),
        "record does not decrypt",
    ),
    v13(
        "record-of-padding",
        at!(Certificate, s => s.send(0, &[0; 40])),
        "server broke the TLS protocol: peer misbehaved: IllegalTlsInnerPlaintext",
    ),
    v13(
        "bad-tag",
        at!(Certificate, s => { let m = s.message.clone(); let mut r = s.sealed(HANDSHAKE, &m); *r.last_mut().unwrap() ^= 1; s.raw(&r) }),
        "record does not decrypt",
    ),
    v13(
        "bad-tag-after-handshake",
        at!(Established, s => { let mut r = s.sealed(DATA, &[0x20, 3, 0, 0, 0]); r[7] ^= 1; s.raw(&r) }),
        "record does not decrypt",
    ),
    v13(
        "replayed-record",
        at!(Established, s => { let r = s.sealed(DATA, &[0x20]); s.raw(&r); s.raw(&r) }),
        "record does not decrypt",
    ),
    v13(
        "truncated-hello",
        at!(ServerHello, s => { let m = s.message.clone(); s.message = handshake(2, &m[4..m.len() - 7]) }),
        "server broke the TLS protocol: received corrupt message of type MessageTooShort",
    ),
    v13(
        "huge-message",
        at!(Certificate, s => s.message = vec![11, 0xFF, 0xFF, 0xFF, 0, 0]),
        "server broke the TLS protocol: received corrupt message of type HandshakePayloadTooLarge",
    ),
    v13(
        "plaintext-after-hello",
        at!(EncryptedExtensions, s => { let m = s.message.clone(); s.raw(&record(HANDSHAKE, &m)) }),
        "record does not decrypt",
    ),
    v13(
        "interleaved-message",
        at!(Certificate, s => { let m = s.message[..20].to_vec(); s.send(HANDSHAKE, &m); s.send(ALERT, &[1, 90]) }),
        "server broke the TLS protocol: peer misbehaved: MessageInterleavedWithHandshakeMessage",
    ),
    v13(
        "fragment-across-keys",
        at!(ServerHello, s => s.message.extend([8, 0])),
        "server broke the TLS protocol: peer misbehaved: KeyEpochWithPendingFragment",
    ),
    // Alerts.
    v13(
        "fatal-alert",
        at!(ServerHello, s => s.raw(&record(ALERT, &[2, 40]))),
        "server alert: handshake failure",
    ),
    v13(
        "unknown-alert",
        at!(ServerHello, s => s.raw(&record(ALERT, &[2, 199]))),
        "server alert 199",
    ),
    v13(
        "malformed-alert",
        at!(ServerHello, s => s.raw(&record(ALERT, &[2, 40, 0]))),
        "server broke the TLS protocol: received corrupt message of type TrailingData(\"AlertMessagePayload\")",
    ),
    v13(
        "alert-flood",
        at!(ServerHello, s => for _ in 0..100 { s.raw(&record(ALERT, &[1, 90])) }),
        "server broke the TLS protocol: peer misbehaved: TooManyWarningAlertsReceived",
    ),
    v13(
        "alert-in-handshake",
        at!(Finished, s => s.send(ALERT, &[2, 80])),
        "server alert: internal error",
    ),
    v13(
        "alert-after-handshake",
        at!(Established, s => s.send(ALERT, &[2, 48])),
        "server alert: unknown CA",
    ),
    v12(
        "1.2-alert-flood",
        at!(Certificate, s => for _ in 0..100 { s.send(ALERT, &[1, 90]) }),
        "server broke the TLS protocol: peer misbehaved: TooManyWarningAlertsReceived",
    ),
    // ChangeCipherSpec.
    v13(
        "ccs-of-two",
        at!(ChangeCipherSpec, s => { s.skip = true; s.raw(&record(CCS, &[2])) }),
        "server broke the TLS protocol: peer misbehaved: IllegalMiddleboxChangeCipherSpec",
    ),
    v13(
        "ccs-long",
        at!(ChangeCipherSpec, s => { s.skip = true; s.raw(&record(CCS, &[1, 1])) }),
        "server broke the TLS protocol: peer misbehaved: IllegalMiddleboxChangeCipherSpec",
    ),
    v13(
        "ccs-flood",
        at!(ChangeCipherSpec, s => for _ in 0..50 { s.raw(&record(CCS, &[1])) }),
        "server broke the TLS protocol: peer misbehaved: IllegalMiddleboxChangeCipherSpec",
    ),
    v13(
        "ccs-after-handshake",
        at!(Established, s => s.raw(&record(CCS, &[1]))),
        "server broke the TLS protocol: received unexpected message: got ChangeCipherSpec when expecting ApplicationData or Handshake",
    ),
    v12(
        "1.2-early-ccs",
        at!(ServerKeyExchange, s => s.raw(&record(CCS, &[1]))),
        "server broke the TLS protocol: received unexpected message: got ChangeCipherSpec when expecting Handshake",
    ),
    // ServerHello.
    v13(
        "tls-1.1",
        at!(ServerHello, s => { s.message = s.server_hello(0xC009, &[]); s.message[5] = 2 }),
        "no TLS parameters in common: peer is incompatible: ServerDoesNotSupportTls12Or13",
    ),
    v13(
        "ssl-3",
        at!(ServerHello, s => { s.message = s.server_hello(0xC009, &[]); s.message[5] = 0 }),
        "no TLS parameters in common: peer is incompatible: ServerDoesNotSupportTls12Or13",
    ),
    v12(
        "downgrade-sentinel",
        at!(ServerHello, s => { s.random[24..].copy_from_slice(b"DOWNGRD\x01"); s.message[6 + 24..6 + 32].copy_from_slice(b"DOWNGRD\x01") }),
        "server broke the TLS protocol: peer misbehaved: AttemptedDowngradeToTls12WhenTls13IsSupported",
    ),
    v13(
        "supported-version-1.2",
        hello13!(s => [extension(43, &[3, 3]), extension(51, &[0, 23, 0, 0])].concat()),
        "server broke the TLS protocol: received corrupt message of type IllegalEmptyValue",
    ),
    v13(
        "unoffered-suite",
        at!(ServerHello, s => s.message = s.server_hello(0x1304, &key_share(s))),
        "server broke the TLS protocol: peer misbehaved: SelectedUnofferedCipherSuite",
    ),
    v13(
        "suite-of-1.2",
        at!(ServerHello, s => s.message = s.server_hello(0xC02B, &key_share(s))),
        "server broke the TLS protocol: peer misbehaved: SelectedUnusableCipherSuiteForVersion",
    ),
    v12(
        "suite-of-1.3-in-1.2",
        at!(ServerHello, s => s.message = s.server_hello(0x1301, &extension(0xFF01, &[0]))),
        "server broke the TLS protocol: peer misbehaved: SelectedUnusableCipherSuiteForVersion",
    ),
    v12(
        "1.2-null-suite",
        at!(ServerHello, s => s.message = s.server_hello(0, &extension(0xFF01, &[0]))),
        "server broke the TLS protocol: peer misbehaved: SelectedUnofferedCipherSuite",
    ),
    v13(
        "compression",
        at!(ServerHello, s => s.message[4 + 2 + 32 + 33 + 2] = 1),
        "server broke the TLS protocol: peer misbehaved: SelectedUnofferedCompression",
    ),
    v12(
        "1.2-compression",
        at!(ServerHello, s => s.message[4 + 2 + 32 + 33 + 2] = 1),
        "server broke the TLS protocol: peer misbehaved: SelectedUnofferedCompression",
    ),
    v13(
        "duplicate-extension",
        hello13!(s => [key_share(s), extension(43, &[3, 4])].concat()),
        "server broke the TLS protocol: received corrupt message of type DuplicateExtension(43)",
    ),
    v13(
        "unsolicited-extension",
        hello13!(s => [key_share(s), extension(0x1234, &[])].concat()),
        "server broke the TLS protocol: peer misbehaved: UnsolicitedServerHelloExtension",
    ),
    v13(
        "no-key-share",
        hello13!(s => extension(43, &[3, 4])),
        "server broke the TLS protocol: peer misbehaved: MissingKeyShare",
    ),
    v13(
        "share-of-another-group",
        hello13!(s => { let _ = &s; Server::hello13(29, &[9; 32]) }),
        "server broke the TLS protocol: peer misbehaved: WrongGroupForKeyShare",
    ),
    v13(
        "share-off-curve",
        hello13!(s => { let mut p = s.share(); p[64] ^= 1; Server::hello13(23, &p) }),
        "server broke the TLS protocol: peer misbehaved: InvalidKeyShare",
    ),
    v13(
        "share-compressed",
        hello13!(s => { let p = s.share(); Server::hello13(23, &[&[2], &p[1..33]].concat()) }),
        "server broke the TLS protocol: peer misbehaved: InvalidKeyShare",
    ),
    v13(
        "share-empty",
        hello13!(s => { let _ = &s; Server::hello13(23, &[]) }),
        "server broke the TLS protocol: received corrupt message of type IllegalEmptyValue",
    ),
    v13(
        "hello-trailing-bytes",
        at!(ServerHello, s => { let m = s.message[4..].to_vec(); s.message = handshake(2, &[&m[..], &[0]].concat()) }),
        "server broke the TLS protocol: received corrupt message of type TrailingData(\"ServerHelloPayload\")",
    ),
    v13(
        "second-hello",
        at!(EncryptedExtensions, s => s.message = s.server_hello(0x1301, &key_share(s))),
        "server broke the TLS protocol: received unexpected handshake message: got ServerHello when expecting EncryptedExtensions",
    ),
    v13(
        "certificate-first",
        at!(ServerHello, s => s.message = handshake(11, &[0, 0, 0, 0])),
        "server broke the TLS protocol: received corrupt message of type TrailingData(\"HandshakeMessagePayload\")",
    ),
    // HelloRetryRequest.
    v13(
        "retry-without-change",
        at!(ServerHello, s => { s.retry(&extension(43, &[3, 4])); }),
        "server broke the TLS protocol: peer misbehaved: IllegalHelloRetryRequestWithNoChanges",
    ),
    v13(
        "retry-same-group",
        at!(ServerHello, s => { s.retry(&[extension(43, &[3, 4]), extension(51, &[0, 23])].concat()); }),
        "server broke the TLS protocol: peer misbehaved: IllegalHelloRetryRequestWithOfferedGroup",
    ),
    v13(
        "retry-unoffered-group",
        at!(ServerHello, s => { s.retry(&[extension(43, &[3, 4]), extension(51, &[0, 25])].concat()); }),
        "server broke the TLS protocol: peer misbehaved: IllegalHelloRetryRequestWithUnofferedNamedGroup",
    ),
    v13(
        "retry-unknown-extension",
        at!(ServerHello, s => { s.retry(&[extension(43, &[3, 4]), extension(0x1234, &[])].concat()); }),
        "server broke the TLS protocol: received corrupt message of type UnknownHelloRetryRequestExtension",
    ),
    v13(
        "retry-empty-cookie",
        at!(ServerHello, s => { s.retry(&[extension(43, &[3, 4]), extension(44, &[0, 0])].concat()); }),
        "server broke the TLS protocol: received corrupt message of type IllegalEmptyValue",
    ),
    v13(
        "retry-duplicate-extension",
        at!(ServerHello, s => { s.retry(&[extension(43, &[3, 4]), extension(43, &[3, 4])].concat()); }),
        "server broke the TLS protocol: received corrupt message of type DuplicateExtension(43)",
    ),
    v13(
        "retry-for-ever",
        at!(ServerHello, s => for _ in 0..5 { if !s.retry(&[extension(43, &[3, 4]), extension(44, &vector(2, &[7]))].concat()) { break } }),
        "server broke the TLS protocol: received unexpected handshake message: got HelloRetryRequest when expecting ServerHello",
    ),
    // The encrypted flight.
    v13(
        "extensions-skipped",
        at!(EncryptedExtensions, s => s.skip = true),
        "server broke the TLS protocol: received unexpected handshake message: got CertificateRequest when expecting EncryptedExtensions",
    ),
    v13(
        "extensions-unsolicited",
        at!(EncryptedExtensions, s => s.message = handshake(8, &vector(2, &extension(0x1234, &[])))),
        "server broke the TLS protocol: peer misbehaved: UnsolicitedEncryptedExtension",
    ),
    v13(
        "extensions-twice-the-same",
        at!(EncryptedExtensions, s => s.message = handshake(8, &vector(2, &[extension(10, &[0, 2, 0, 23]), extension(10, &[0, 2, 0, 23])].concat()))),
        "server broke the TLS protocol: received corrupt message of type DuplicateExtension(10)",
    ),
    v13(
        "extensions-of-hello",
        at!(EncryptedExtensions, s => s.message = handshake(8, &vector(2, &extension(51, &[0, 23])))),
        "server broke the TLS protocol: received corrupt message of type MissingData(\"u16\")",
    ),
    v13(
        "alpn-unasked",
        at!(EncryptedExtensions, s => s.message = handshake(8, &vector(2, &extension(16, &[0, 3, 2, b'h', b'2'])))),
        "server broke the TLS protocol: peer misbehaved: UnsolicitedEncryptedExtension",
    ),
    v13(
        "certificate-empty",
        at!(Certificate, s => s.message = handshake(11, &[0, 0, 0, 0])),
        "server certificate: none presented",
    ),
    v13(
        "certificate-context",
        at!(Certificate, s => { let m = s.message[5..].to_vec(); s.message = handshake(11, &[&[1, 7], &m[..]].concat()) }),
        "server broke the TLS protocol: received corrupt message of type InvalidCertRequest",
    ),
    v13(
        "certificate-extension",
        at!(Certificate, s => { let c = s.chain[0].clone(); let e = [vector(3, &c), vector(2, &extension(0x1234, &[]))].concat(); s.message = handshake(11, &[&[0][..], &vector(3, &e)].concat()) }),
        "server broke the TLS protocol: received corrupt message of type UnknownCertificateExtension",
    ),
    v13(
        "certificate-twice",
        at!(CertificateVerify, s => { let c = s.chain[0].clone(); s.message = handshake(11, &[&[0][..], &vector(3, &[vector(3, &c), vec![0, 0]].concat())].concat()) }),
        "server broke the TLS protocol: received unexpected handshake message: got Certificate when expecting CertificateVerify",
    ),
    v13(
        "certificate-skipped",
        at!(Certificate, s => s.skip = true),
        "server broke the TLS protocol: received unexpected handshake message: got CertificateVerify when expecting Certificate",
    ),
    v13(
        "verify-skipped",
        at!(CertificateVerify, s => s.skip = true),
        "server broke the TLS protocol: received unexpected handshake message: got Finished when expecting CertificateVerify",
    ),
    v13(
        "verify-bad-signature",
        at!(CertificateVerify, s => *s.message.last_mut().unwrap() ^= 1),
        "server certificate: bad signature",
    ),
    v13(
        "verify-by-another-key",
        at!(CertificateVerify, s => s.message = s.certificate_verify(0x0403, &[0x42; 32])),
        "server certificate: bad signature",
    ),
    v13(
        "verify-of-another-transcript",
        at!(CertificateVerify, s => { let t = s.transcript.clone(); s.transcript.push(0); s.message = s.certificate_verify(0x0403, &{ s.key }); s.transcript = t }),
        "server certificate: bad signature",
    ),
    v13(
        "verify-sha1",
        at!(CertificateVerify, s => s.message = s.certificate_verify(0x0203, &{ s.key })),
        "server broke the TLS protocol: peer misbehaved: SignedHandshakeWithUnadvertisedSigScheme",
    ),
    v13(
        "verify-as-rsa",
        at!(CertificateVerify, s => s.message = s.certificate_verify(0x0804, &{ s.key })),
        "server certificate: unsupported signature algorithm",
    ),
    v13(
        "verify-as-pkcs1",
        at!(CertificateVerify, s => s.message = s.certificate_verify(0x0401, &{ s.key })),
        "server broke the TLS protocol: peer misbehaved: SignedHandshakeWithUnadvertisedSigScheme",
    ),
    v13(
        "verify-empty",
        at!(CertificateVerify, s => s.message = handshake(15, &[4, 3, 0, 0])),
        "server certificate: bad signature",
    ),
    v13(
        "finished-wrong",
        at!(Finished, s => s.message[10] ^= 1),
        "record does not decrypt",
    ),
    v13(
        "finished-short",
        at!(Finished, s => s.message = handshake(20, &[0; 12])),
        "record does not decrypt",
    ),
    v13(
        "finished-skipped",
        at!(Finished, s => { s.skip = true; s.send(DATA, &[0x20]) }),
        "server broke the TLS protocol: received unexpected message: got ApplicationData when expecting Handshake",
    ),
    v13(
        "finished-early",
        at!(Certificate, s => s.message = handshake(20, &[0; 32])),
        "server broke the TLS protocol: received unexpected handshake message: got Finished when expecting Certificate",
    ),
    v13(
        "data-in-handshake",
        at!(Certificate, s => s.send(DATA, b"early")),
        "server broke the TLS protocol: received unexpected message: got ApplicationData when expecting Handshake",
    ),
    v13(
        "unknown-message",
        at!(CertificateRequest, s => s.message = handshake(77, &[1, 2, 3])),
        "server broke the TLS protocol: received unexpected handshake message: got HandshakeType(0x4d) when expecting Certificate or CertificateRequest",
    ),
    v13(
        "hello-done-in-1.3",
        at!(CertificateRequest, s => s.message = handshake(14, &[])),
        "server broke the TLS protocol: received unexpected handshake message: got ServerHelloDone when expecting Certificate or CertificateRequest",
    ),
    // After the handshake.
    v13(
        "hello-request",
        at!(Established, s => s.send(HANDSHAKE, &handshake(0, &[]))),
        "server broke the TLS protocol: received unexpected handshake message: got HelloRequest when expecting NewSessionTicket or KeyUpdate",
    ),
    v13(
        "client-hello-back",
        at!(Established, s => s.send(HANDSHAKE, &handshake(1, &[0; 40]))),
        "server broke the TLS protocol: received corrupt message of type IllegalEmptyList(\"CipherSuites\")",
    ),
    v13(
        "late-certificate-request",
        at!(Established, s => s.send(HANDSHAKE, &handshake(13, &[0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]))),
        "server broke the TLS protocol: received unexpected handshake message: got CertificateRequest when expecting NewSessionTicket or KeyUpdate",
    ),
    v13(
        "late-finished",
        at!(Established, s => s.send(HANDSHAKE, &handshake(20, &[0; 32]))),
        "server broke the TLS protocol: received unexpected handshake message: got Finished when expecting NewSessionTicket or KeyUpdate",
    ),
    v13(
        "key-update-of-two",
        at!(Established, s => s.send(HANDSHAKE, &handshake(24, &[2]))),
        "server broke the TLS protocol: received corrupt message of type InvalidKeyUpdate",
    ),
    v13(
        "key-update-with-old-key",
        at!(Established, s => { s.send(HANDSHAKE, &handshake(24, &[0])); s.send(DATA, &[0x20]) }),
        "record does not decrypt",
    ),
    v13(
        "ticket-malformed",
        at!(Established, s => s.send(HANDSHAKE, &handshake(4, &[0; 5]))),
        "server broke the TLS protocol: received corrupt message of type MissingData(\"u32\")",
    ),
    // TLS 1.2.
    v12(
        "1.2-exchange-bad-signature",
        at!(ServerKeyExchange, s => *s.message.last_mut().unwrap() ^= 1),
        "server certificate: bad signature",
    ),
    v12(
        "1.2-exchange-unoffered-scheme",
        at!(ServerKeyExchange, s => s.message = s.key_exchange(&Server::params(&s.share()), 0x0203)),
        "server broke the TLS protocol: peer misbehaved: SignedHandshakeWithUnadvertisedSigScheme",
    ),
    v12(
        "1.2-exchange-as-rsa",
        at!(ServerKeyExchange, s => s.message = s.key_exchange(&Server::params(&s.share()), 0x0401)),
        "server broke the TLS protocol: peer misbehaved: SignedKxWithWrongAlgorithm",
    ),
    v12(
        "1.2-exchange-unoffered-curve",
        at!(ServerKeyExchange, s => { let mut p = Server::params(&s.share()); p[2] = 30; s.message = s.key_exchange(&p, 0x0403) }),
        "server broke the TLS protocol: peer misbehaved: SelectedUnofferedKxGroup",
    ),
    v12(
        "1.2-exchange-explicit-curve",
        at!(ServerKeyExchange, s => { let mut p = Server::params(&s.share()); p[0] = 1; s.message = s.key_exchange(&p, 0x0403) }),
        "server broke the TLS protocol: received corrupt message of type MissingKeyExchange",
    ),
    v12(
        "1.2-exchange-off-curve",
        at!(ServerKeyExchange, s => { let mut p = s.share(); p[64] ^= 1; s.message = s.key_exchange(&Server::params(&p), 0x0403) }),
        "server broke the TLS protocol: peer misbehaved: InvalidKeyShare",
    ),
    v12(
        "1.2-exchange-skipped",
        at!(ServerKeyExchange, s => s.skip = true),
        "server broke the TLS protocol: received unexpected handshake message: got CertificateRequest when expecting ServerKeyExchange",
    ),
    v12(
        "1.2-certificate-skipped",
        at!(Certificate, s => s.skip = true),
        "server broke the TLS protocol: received unexpected handshake message: got ServerKeyExchange when expecting Certificate",
    ),
    v12(
        "1.2-certificate-empty",
        at!(Certificate, s => s.message = handshake(11, &[0, 0, 0])),
        "server certificate: none presented",
    ),
    v12(
        "1.2-done-with-body",
        at!(ServerHelloDone, s => s.message = handshake(14, &[0])),
        "server broke the TLS protocol: received corrupt message of type TrailingData(\"ServerHelloDone\")",
    ),
    v12(
        "1.2-finished-wrong",
        at!(Finished, s => s.message[8] ^= 1),
        "record does not decrypt",
    ),
    v12(
        "1.2-finished-in-clear",
        at!(ChangeCipherSpec, s => { s.skip = true; s.raw(&record(HANDSHAKE, &handshake(20, &[0; 12]))) }),
        "server broke the TLS protocol: received unexpected message: got Handshake when expecting ChangeCipherSpec",
    ),
    v12(
        "1.2-bad-tag",
        at!(Established, s => { let mut r = s.sealed(DATA, &[0x20]); *r.last_mut().unwrap() ^= 1; s.raw(&r) }),
        "record does not decrypt",
    ),
    v12(
        "1.2-record-too-short",
        at!(Established, s => s.raw(&record(DATA, &[0; 23]))),
        "record does not decrypt",
    ),
    v12(
        "1.2-renegotiation-flood",
        at!(Established, s => for _ in 0..20 { s.send(HANDSHAKE, &handshake(0, &[])) }),
        "server broke the TLS protocol: peer misbehaved: TooManyRenegotiationRequests",
    ),
    v12(
        "1.2-duplicate-extension",
        at!(ServerHello, s => s.message = s.server_hello(0xC02B, &[extension(23, &[]), extension(23, &[])].concat())),
        "server broke the TLS protocol: received corrupt message of type DuplicateExtension(23)",
    ),
    v12(
        "1.2-unsolicited-extension",
        at!(ServerHello, s => s.message = s.server_hello(0xC02B, &[extension(23, &[]), extension(0x1234, &[])].concat())),
        "server broke the TLS protocol: peer misbehaved: UnsolicitedServerHelloExtension",
    ),
    v12(
        "1.2-alpn-unasked",
        at!(ServerHello, s => s.message = s.server_hello(0xC02B, &[extension(23, &[]), extension(16, &[0, 3, 2, b'h', b'2'])].concat())),
        "server broke the TLS protocol: peer misbehaved: UnsolicitedServerHelloExtension",
    ),
];

/// Handshakes that a careless client would refuse.
pub const LEGAL: &[(&str, Version, Hook)] = &[
    ("honest-1.3", Version::V13, after_handshake),
    ("no-ccs", Version::V13, |s, step| {
        s.skip = step == ChangeCipherSpec;
        after_handshake(s, step);
    }),
    ("every-byte-a-record", Version::V13, |s, step| {
        if step == Certificate || step == EncryptedExtensions {
            let message = s.message.clone();
            s.transcript.extend_from_slice(&message);
            for byte in &message {
                s.send(HANDSHAKE, &[*byte]);
            }
            s.skip = true;
        }
        after_handshake(s, step);
    }),
    ("every-byte-a-record-in-1.2", Version::V12, |s, step| {
        if step == Certificate || step == ServerHello {
            let message = s.message.clone();
            s.transcript.extend_from_slice(&message);
            for byte in &message {
                s.send(HANDSHAKE, &[*byte]);
            }
            s.skip = true;
        }
        after_handshake(s, step);
    }),
    ("retry-with-cookie", Version::V13, |s, step| {
        if step == ServerHello {
            s.retry(&[extension(43, &[3, 4]), extension(44, &vector(2, &[7; 60]))].concat());
            s.message = s.server_hello(0x1301, &key_share(s));
        }
        after_handshake(s, step);
    }),
    // rustls looks at neither of these two; the transcript covers both.
    ("other-session-id", Version::V13, |s, step| {
        if step == ServerHello {
            s.message[40] ^= 1;
        }
        after_handshake(s, step);
    }),
    (
        "1.2-renegotiation-info-not-empty",
        Version::V12,
        |s, step| {
            if step == ServerHello {
                let extensions = [extension(0xFF01, &[1, 7]), extension(23, &[])].concat();
                s.message = s.server_hello(0xC02B, &extensions);
            }
            after_handshake(s, step);
        },
    ),
    ("key-update-asked-for", Version::V13, |s, step| {
        if step == Established {
            s.send(HANDSHAKE, &handshake(24, &[1]));
            s.update_key();
            s.send(DATA, &[0x20, 3, 0, 0, 0]);
            s.receive();
            s.stop = true;
        }
    }),
    ("a-record-of-16k", Version::V13, |s, step| {
        if step == Established {
            // CONNACK with packets behind it that MQTT will not like: TLS must.
            s.send(DATA, &[&[0x20, 3, 0, 0, 0][..], &[0xFF; 16_379]].concat());
        }
        after_handshake(s, step);
    }),
    ("honest-1.2", Version::V12, after_handshake),
];
