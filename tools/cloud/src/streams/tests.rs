//! Both forms against the measured bytes, and against anything.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minicbor::Encoder;

fn hex(s: &str) -> Vec<u8> {
    let digits: Vec<u8> = s.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap())
        .collect()
}

/// The vectors of aws-iot.md §4.3.
#[test]
fn data_is_the_measured_bytes() {
    let stream = Stream::new(vec![
        (0..4 * 256)
            .map(|i| (i / 256) as u8)
            .chain([0xDE, 0xAD, 0xBE, 0xEF])
            .collect(),
    ]);
    let get = hex("a4 6163 63726479 6166 00 616c 190100 616f 04");
    let out = stream.get(Format::Cbor, &get);
    assert_eq!(out.len(), 1);
    assert_eq!(
        out[0].1,
        hex("bf 6163 63726479 6166 00 6169 04 616c 04 6170 44 deadbeef ff")
    );
}

#[test]
fn bitmap_and_count_both_hold() {
    let stream = Stream::new(vec![vec![7; 40 * 4096]]);
    let get = hex("a6 6163 63726479 6166 00 616c 191000 616f 00 6162 44 4d513d3d 616e 03");
    let indices: Vec<u8> = stream
        .get(Format::Cbor, &get)
        .iter()
        .map(|(_, p)| p[1 + 6 + 3 + 2])
        .collect();
    assert_eq!(indices, [0, 2, 3]);
    assert_eq!(stream.get(Format::Cbor, &get)[0].1.len(), 4120);
}

#[test]
fn one_answer_is_bounded() {
    let stream = Stream::new(vec![vec![7; 400 * 4096]]);
    assert_eq!(
        stream
            .get(Format::Cbor, &hex("a2 6166 00 616c 191000"))
            .len(),
        32
    );
    assert_eq!(
        stream
            .get(Format::Cbor, &hex("a3 6166 00 616c 191000 616e 190100"))
            .len(),
        32
    );
}

#[test]
fn refusals_are_named() {
    let stream = Stream::new(vec![vec![1; 10]]);
    for (request, code) in [
        ("ff", "InvalidCbor"),
        ("a1 6166 00", "BlockSizeOutOfBounds"),
        ("a1 616c 191000", "InvalidRequest"),
        ("a2 6166 09 616c 191000", "ResourceNotFound"),
        ("a3 6173 02 6166 00 616c 191000", "VersionMismatch"),
        (
            "a3 616f 1a00018001 6166 00 616c 191000",
            "OffsetOutOfBounds",
        ),
        (
            "a3 616e 1a00018001 6166 00 616c 191000",
            "BlockCountLimitExceeded",
        ),
    ] {
        let out = stream.get(Format::Cbor, &hex(request));
        assert_eq!(out[0].0, "rejected/cbor");
        assert!(
            String::from_utf8_lossy(&out[0].1).contains(code),
            "{request}"
        );
    }
}

#[test]
fn any_bytes_are_answered() {
    let stream = Stream::new(vec![vec![1; 5000]]);
    let mut state = 7u32;
    for _ in 0..20_000 {
        let mut bytes =
            hex("a6 6163 63726479 6166 00 616c 191000 616f 00 6162 44 4d513d3d 616e 03");
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let at = state as usize % bytes.len();
            bytes[at] = (state >> 16) as u8;
        }
        stream.get(Format::Cbor, &bytes);
    }
}

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.1).unwrap()
}

/// The sizes that the reference's log shows (aws-iot.md §4.4).
#[test]
fn json_has_the_measured_sizes() {
    let stream = Stream::new(vec![vec![7; 145 * 4096 + 2623]]);
    let out = stream.get(Format::Json, br#"{"s":1,"f":0,"l":4096,"o":144,"n":2}"#);
    assert_eq!((out[0].0, out[0].1.len()), ("data/json", 5495));
    assert_eq!(out[1].1.len(), 3531);
    let small = Stream::new(vec![
        [vec![0; 3 * 256], vec![0xDE, 0xAD, 0xBE, 0xEF]].concat(),
    ]);
    let out = small.get(Format::Json, br#"{"f":0,"l":256,"o":3,"n":1}"#);
    assert_eq!(out[0].1, br#"{"f":0,"i":3,"l":4,"p":"3q2+7w=="}"#);
}

/// The example of AWS's documentation: blocks 20, 21, 24 and 43.
#[test]
fn json_bitmaps_are_hex_from_the_offset() {
    let stream = Stream::new(vec![vec![7; 60 * 256]]);
    let out = stream.get(
        Format::Json,
        br#"{"c":"x","f":0,"l":256,"o":20,"b":"0x130080"}"#,
    );
    let indices: Vec<u64> = out.iter().map(|a| json(a)["i"].as_u64().unwrap()).collect();
    assert_eq!(indices, [20, 21, 24, 43]);
    assert_eq!(json(&out[0])["c"], "x");
}

#[test]
fn json_describes_and_refuses_by_name() {
    let stream = Stream {
        version: 3,
        description: "d".into(),
        ..Stream::new(vec![vec![1; 10], vec![2; 20]])
    };
    let out = stream.describe(Format::Json, br#"{"c":"t"}"#);
    assert_eq!(out[0].0, "description/json");
    assert_eq!(
        out[0].1,
        br#"{"c":"t","s":3,"d":"d","r":[{"f":0,"z":10},{"f":1,"z":20}]}"#
    );
    assert_eq!(stream.describe(Format::Json, b"")[0].0, "description/json");
    for (request, code) in [
        ("[]", "InvalidJson"),
        ("{", "InvalidJson"),
        (r#"{"f":0,"l":"x"}"#, "InvalidRequest"),
        (r#"{"f":0,"l":-1}"#, "InvalidRequest"),
        (r#"{"l":256}"#, "InvalidRequest"),
        (r#"{"f":0,"l":255}"#, "BlockSizeOutOfBounds"),
        (r#"{"f":0,"l":131073}"#, "BlockSizeOutOfBounds"),
        (r#"{"f":2,"l":256}"#, "ResourceNotFound"),
        (r#"{"f":0,"l":256,"s":1}"#, "VersionMismatch"),
        (r#"{"f":0,"l":256,"o":98305}"#, "OffsetOutOfBounds"),
        (r#"{"f":0,"l":256,"n":98305}"#, "BlockCountLimitExceeded"),
        (r#"{"f":0,"l":256,"b":"130080"}"#, "InvalidRequest"),
        (r#"{"f":0,"l":256,"b":"0x1"}"#, "InvalidRequest"),
    ] {
        let out = stream.get(Format::Json, request.as_bytes());
        assert_eq!(
            (out[0].0, json(&out[0])["o"].as_str()),
            ("rejected/json", Some(code)),
            "{request}"
        );
    }
    let long = format!(r#"{{"f":0,"l":256,"b":"0x{}"}}"#, "ff".repeat(12_288));
    let out = stream.get(Format::Json, long.as_bytes());
    assert_eq!(json(&out[0])["o"], "BlockBitmapLimitExceeded");
}

/// Both forms carry the same request to the same blocks.
#[test]
fn the_two_forms_agree() {
    let stream = Stream::new(vec![(0..9000u32).map(|i| i as u8).collect()]);
    for (o, n, bits) in [
        (0u32, 4u32, 0xFFu8),
        (3, 2, 0x0F),
        (30, 9, 0xAA),
        (40, 1, 1),
    ] {
        let text = format!(r#"{{"f":0,"l":256,"o":{o},"n":{n},"b":"0x{bits:02x}"}}"#);
        let json_out = stream.get(Format::Json, text.as_bytes());
        let mut e = Encoder::new(Vec::new());
        e.map(5)
            .unwrap()
            .str("f")
            .unwrap()
            .u8(0)
            .unwrap()
            .str("l")
            .unwrap()
            .u32(256)
            .unwrap();
        e.str("o")
            .unwrap()
            .u32(o)
            .unwrap()
            .str("n")
            .unwrap()
            .u32(n)
            .unwrap();
        e.str("b").unwrap().bytes(&[bits]).unwrap();
        let cbor_out = stream.get(Format::Cbor, &e.into_writer());
        assert_eq!(json_out.len(), cbor_out.len());
        for (a, b) in json_out.iter().zip(&cbor_out) {
            let payload = STANDARD.decode(json(a)["p"].as_str().unwrap()).unwrap();
            assert!(b.1.windows(payload.len()).any(|w| w == payload));
        }
    }
}

#[test]
fn any_text_is_answered() {
    let stream = Stream::new(vec![vec![1; 5000]]);
    let mut state = 7u32;
    for _ in 0..20_000 {
        let mut bytes = br#"{"c":"x","s":1,"f":0,"l":4096,"o":0,"n":3,"b":"0x130080"}"#.to_vec();
        for _ in 0..2 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let at = state as usize % bytes.len();
            bytes[at] = (state >> 16) as u8 & 0x7F;
        }
        stream.get(Format::Json, &bytes);
        stream.describe(Format::Json, &bytes);
    }
}
