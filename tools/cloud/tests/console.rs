//! The console from outside: each page and form, what it refuses by name, and who may ask.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloud::console::{self, ATTESTATION_KEY};
use cloud::http::Server;
use cloud::{Cloud, Core, broker};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A token of the attestation service of this workspace, for the challenge of 32 bytes of 9, and the
/// public half of its key (0x42 in every byte).
const TOKEN: &str = "d28443a10126a058f2a83a000124ff58200909090909090909090909090909090909090909090909\
    0909090909090909093a000124fb5820bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\
    bbbbbbbbbbbbbbbb3a00012500582101ebcbb922963fb3b722f937b2ee672446a8c8ab91d379afa5\
    c36692c777221f033a000124fa5820aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
    aaaaaaaaaaaaaa3a000124f8213a000124f91930003a000124fd81a20163535045025820dddddddd\
    dddddddddddddddddddddddddddddddddddddddddddddddddddddddd3a000124f7715053415f494f\
    545f50524f46494c455f31584023002cb520c45b4922a08200c6022deeca31c4fe0d290a51e971de\
    84bd071b8b736453ba637480ead386d1a02cead120931d412d4959664e6f25a88c91e2f4bf";
const KEY: &str = "043ad3861a95621392516bb593ef05583ed2e5866f5cb6260a3017237fd89b90afd0961c7e37075a\
    6791a39c61f56295b02b6d26567b615e60aa41ee1c8e83388d";

struct Run {
    dir: PathBuf,
    _cloud: Cloud,
    core: Arc<Core>,
    server: Server,
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Run {
    fn new(name: &str) -> Run {
        let dir = std::env::temp_dir().join(format!("tockstone-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let mut cloud = Cloud::start(&broker::Config {
            dir: &dir,
            host: "iot.tockstone.test",
            validity: None,
            port: None,
        })
        .unwrap();
        cloud.create_thing("lamp").unwrap();
        let core = cloud.core();
        let server = console::serve(Arc::clone(&core), None).unwrap();
        Run {
            dir,
            _cloud: cloud,
            core,
            server,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.server.port)).unwrap();
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).unwrap();
        stream
    }

    fn send(&self, line: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        write!(
            stream,
            "{line} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        )
        .unwrap();
        let _ = stream.write_all(body);
        let mut out = Vec::new();
        let _ = stream.read_to_end(&mut out);
        let out = String::from_utf8_lossy(&out).into_owned();
        let (head, body) = out.split_once("\r\n\r\n").unwrap_or((&out, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        Answer {
            status: status.parse().unwrap_or(0),
            head: head.to_lowercase(),
            body: body.into(),
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), "host: localhost\r\n", b"")
    }

    fn token(&self) -> String {
        let page = self.get("/ui/updates").body;
        let rest = page.split_once("name=\"token\" value=\"").unwrap().1;
        rest.split('"').next().unwrap().into()
    }

    fn post(&self, path: &str, members: &str) -> Answer {
        let kind = "host: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n";
        let body = format!("token={}&{members}", self.token());
        self.send(&format!("POST {path}"), kind, body.as_bytes())
    }

    fn upload(&self, path: &str, members: &[(&str, &[u8])]) -> Answer {
        let kind = "host: localhost\r\ncontent-type: multipart/form-data; boundary=b0\r\n";
        let token = self.token();
        let mut body = Vec::new();
        for (name, value) in [("token", token.as_bytes())].iter().chain(members) {
            let head = format!("--b0\r\ncontent-disposition: form-data; name=\"{name}\"");
            body.extend(head.as_bytes());
            if *name == "file" {
                body.extend(b"; filename=\"f.bin\"");
            }
            body.extend(b"\r\n\r\n");
            body.extend(*value);
            body.extend(b"\r\n");
        }
        body.extend(b"--b0--\r\n");
        self.send(&format!("POST {path}"), kind, &body)
    }

    /// Publishes and waits for the message to be recorded.
    fn publish(&self, topic: &str, payload: &[u8]) {
        let before = self.core.messages().len();
        self.core.publish(topic, payload, 1, false).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.core.messages().len() == before {
            assert!(Instant::now() < deadline, "{topic} did not come");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn has(answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!(answer.status, status, "{}", answer.body);
    for word in words {
        assert!(answer.body.contains(word), "no `{word}` in {}", answer.body);
    }
}

#[test]
fn only_this_machines_own_pages_ask() {
    let run = Run::new("console-guard");
    let port = run.server.port;
    let ask = |headers: &str| run.send("GET /ui/things", headers, b"").status;
    assert_eq!(ask(&format!("host: 127.0.0.1:{port}\r\n")), 200);
    assert_eq!(ask("host: [::1]:9\r\n"), 200);
    assert_eq!(ask("host: localhost\r\nsec-fetch-site: none\r\n"), 200);
    for bad in [
        "host: attacker.test\r\n",
        "host: localhost.attacker.test\r\n",
        "host: 127.0.0.1.attacker.test:4566\r\n",
        "",
        "host: localhost\r\norigin: http://attacker.test\r\n",
        "host: localhost:1\r\norigin: http://localhost:2\r\n",
        "host: localhost\r\norigin: null\r\n",
        "host: localhost\r\nsec-fetch-site: cross-site\r\n",
        "host: localhost\r\nsec-fetch-site: same-site\r\n",
    ] {
        let answer = run.send("GET /ui/things", bad, b"");
        // Without a Host it is no request of HTTP/1.1 at all.
        assert!([400, 403].contains(&answer.status), "{bad}");
        assert!(!answer.body.contains("lamp"));
    }
    // A page's form reaches the control plane, too, if nobody looks: it signs in the query.
    let signed = "POST /topics/x?X-Amz-Credential=a/20260101/us-east-1/iotdata/aws4_request";
    let forged = "host: localhost\r\norigin: http://attacker.test\r\n";
    has(&run.send(signed, forged, b"!"), 403, &["another origin"]);
    has(&run.send(signed, "host: localhost\r\n", b"!"), 200, &[]);

    // Each form without this run's token.
    for path in [
        "/ui/test",
        "/ui/updates",
        "/ui/attestation",
        "/ui/diagnostics",
        "/ui/jobs/x/cancel",
    ] {
        let kind = "host: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n";
        for body in ["name=a&payload=b", "token=&name=a", "token=0123&name=a"] {
            let answer = run.send(&format!("POST {path}"), kind, body.as_bytes());
            has(&answer, 403, &["ForbiddenException"]);
        }
    }
    let head = run.get("/ui/things").head;
    for rule in [
        "content-security-policy: default-src 'none'",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(head.contains(rule), "{head}");
    }
}

#[test]
fn pages_show_what_there_is_and_errors_have_names() {
    let run = Run::new("console-pages");
    let root = run.get("/ui/");
    assert_eq!(root.status, 303);
    assert!(root.head.contains("location: /ui/things"));
    has(
        &run.get("/ui/things"),
        200,
        &["lamp", "Never connected", "ACTIVE"],
    );
    has(&run.get("/ui/jobs"), 200, &["No jobs"]);
    has(
        &run.get("/ui/updates"),
        200,
        &["No OTA updates", "type=\"file\""],
    );
    for missing in [
        "/ui/things/nobody",
        "/ui/jobs/nothing",
        "/ui/x",
        "/ui/things/a/b",
    ] {
        has(&run.get(missing), 404, &["ResourceNotFoundException"]);
    }
    let odd = run.send("DELETE /ui/things", "host: localhost\r\n", b"");
    has(&odd, 405, &["MethodNotAllowedException"]);

    // Whatever a device says is text.
    let attack = "</pre><script>alert(1)</script>\"'&";
    run.publish("lamp/crash", attack.as_bytes());
    run.publish("lamp/diagnostics", b"{\"heap\":1234}");
    run.publish("lamp/ml/inference", &[0xFF, 0x0D]);
    let page = run.get("/ui/things/lamp");
    let shown = [
        "&lt;script&gt;alert(1)",
        "&quot;heap&quot;: 1234",
        "ff0d",
        "thing/lamp",
    ];
    has(&page, 200, &shown);
    assert!(!page.body.contains("<script>alert"));
    let filter = run.get("/ui/test?topic=%22%3E%3Cscript%3Ealert(1)%3C/script%3E");
    has(&filter, 200, &["&lt;script&gt;alert(1)"]);
    assert!(!filter.body.contains("<script>alert"));

    // Every input has its label, every table its caption, and headings do not skip.
    for path in [
        "things",
        "things/lamp",
        "test?topic=%23",
        "jobs",
        "updates",
        "attestation",
        "diagnostics?thing=lamp",
        "crashes",
    ] {
        let body = run.get(&format!("/ui/{path}")).body;
        for tag in ["<input ", "<select ", "<textarea "] {
            for rest in body.split(tag).skip(1) {
                let tag = rest.split('>').next().unwrap();
                if tag.contains("type=\"hidden\"") {
                    continue;
                }
                let id = tag
                    .split_once("id=\"")
                    .expect(tag)
                    .1
                    .split('"')
                    .next()
                    .unwrap();
                assert!(
                    body.contains(&format!("<label for=\"{id}\">")),
                    "{path}: {id}"
                );
            }
        }
        let count = |what: &str| body.matches(what).count();
        assert_eq!(count("<table>"), count("<caption>"), "{path}");
        let levels: Vec<u8> = body
            .match_indices("<h")
            .filter_map(|(at, _)| body.as_bytes().get(at + 2).copied())
            .filter(u8::is_ascii_digit)
            .collect();
        assert_eq!(levels.first(), Some(&b'1'), "{path}");
        assert!(
            levels.windows(2).all(|w| w[1] <= w[0] + 1 && w[1] > b'1'),
            "{path}: {levels:?}"
        );
    }
}

#[test]
fn the_test_client_subscribes_and_publishes() {
    let run = Run::new("console-test");
    let sent = run.post(
        "/ui/test",
        "topic=a%2F%2B&name=a%2Fb&payload=one%0D%0Atwo&qos=1",
    );
    assert_eq!(sent.status, 303, "{}", sent.body);
    assert!(
        sent.head
            .contains("location: /ui/test?topic=a%2f%2b&published=a%2fb")
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    while run.core.messages().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(run.core.messages()[0].payload, b"one\ntwo");
    has(&run.get("/ui/test?topic=a/%2B"), 200, &["one\ntwo"]);
    has(&run.get("/ui/test?topic=b/%23"), 200, &["No messages yet"]);
    for (topic, words) in [
        ("%24aws/%23", "begin with `$`"),
        ("a%23", "topic filter `a#`"),
    ] {
        let page = run.get(&format!("/ui/test?topic={topic}"));
        has(&page, 200, &["InvalidRequestException", words]);
    }
    for bad in ["name=", "name=a%2F%23&payload=kept", "name=%2B"] {
        has(
            &run.post("/ui/test", bad),
            400,
            &["InvalidRequestException"],
        );
    }
    has(
        &run.post("/ui/test", "name=%23&payload=kept"),
        400,
        &[">kept</textarea>"],
    );
    let long = format!("name=a&payload={}", "x".repeat(128 * 1024 + 1));
    has(&run.post("/ui/test", &long), 400, &["at most 128 KB"]);
}

#[test]
fn a_live_part_follows_what_happens() {
    let run = Run::new("console-live");
    let mut stream = run.connect();
    let line = "GET /ui/live/test?topic=lamp/ml/inference HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(line.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut event = || lines.find(|l| l.starts_with("data: ")).expect("an event");
    assert!(event().contains("No messages yet"));
    run.publish("lamp/other", b"no");
    run.publish("lamp/ml/inference", b"yes\r\ndata: forged");
    let next = event();
    assert!(next.contains("<td>lamp/ml/inference</td>"), "{next}");
    assert!(!next.contains("lamp/other"));
    let html: String = serde_json::from_str(&next["data: ".len()..]).unwrap();
    assert!(html.contains("<pre>"));
}

#[test]
fn an_update_is_made_of_a_file_and_its_signature() {
    let run = Run::new("console-updates");
    let good: [(&str, &[u8]); 7] = [
        ("id", b"one"),
        ("thing", b"lamp"),
        ("file", b"\x00image\r\n--b\xff"),
        ("path", b"non_secure image"),
        ("signature", b"c2ln\r\nbmF0dXJl\n"),
        ("algorithm", b"sig-sha256-rsa"),
        ("certificate", b"0"),
    ];
    let with = |name: &str, value: &'static [u8]| {
        let mut members = good;
        for member in &mut members {
            if member.0 == name {
                member.1 = value;
            }
        }
        run.upload("/ui/updates", &members)
    };
    for (name, value, words) in [
        ("file", &b""[..], "no file was chosen"),
        ("signature", b"", "no base64 text"),
        ("signature", b"<b>", "no base64 text"),
        ("path", b" ", "the path name"),
        ("algorithm", b"md5", "algorithm `md5`"),
        ("id", b"a b", "otaUpdateId `a b`"),
    ] {
        has(&with(name, value), 400, &["InvalidRequestException", words]);
    }
    has(&with("thing", b"nobody"), 404, &["no thing `nobody`"]);
    let broken = "host: localhost\r\ncontent-type: multipart/form-data\r\n";
    has(
        &run.send("POST /ui/updates", broken, b"x"),
        400,
        &["InvalidRequestException"],
    );
    let long = vec![b'x'; (25 << 20) + 1];
    has(
        &run.send("POST /ui/updates", broken, &long),
        400,
        &["longer than 25 MB"],
    );
    assert!(run.core.updates().is_empty() && run.core.jobs().is_empty());

    let made = run.upload("/ui/updates", &good);
    assert_eq!(made.status, 303, "{}", made.body);
    assert!(made.head.contains("location: /ui/jobs/afr_ota-one"));
    let execution = run.core.execution("lamp", "AFR_OTA-one").unwrap();
    let file = &execution.document["afr_ota"]["files"][0];
    assert_eq!(file["filesize"], good[2].1.len());
    assert_eq!(file["sig-sha256-rsa"], "c2lnbmF0dXJl");
    has(
        &with("file", b"other"),
        409,
        &["ResourceAlreadyExistsException"],
    );
    has(&run.get("/ui/updates"), 200, &["AFR_OTA-one", "QUEUED"]);
    has(&run.get("/ui/jobs"), 200, &["AFR_OTA-one", "IN_PROGRESS"]);
    has(
        &run.get("/ui/jobs/AFR_OTA-one"),
        200,
        &["History of lamp", "QUEUED", "Cancel job"],
    );

    let cancelled = run.post("/ui/jobs/AFR_OTA-one/cancel", "");
    assert_eq!(cancelled.status, 303);
    has(&run.get("/ui/jobs/AFR_OTA-one"), 200, &["CANCELED"]);
    has(
        &run.post("/ui/jobs/AFR_OTA-one/cancel", ""),
        400,
        &["is CANCELED"],
    );
    has(
        &run.post("/ui/jobs/two/cancel", ""),
        404,
        &["ResourceNotFoundException"],
    );
}

#[test]
fn progress_is_what_the_device_says() {
    let run = Run::new("console-progress");
    run.core.create_job("lamp", "j", json!({"a": 1})).unwrap();
    let update = |body: &str| {
        let path = "/things/lamp/jobs/j";
        let send = cloud::http::request::send;
        send(
            &run.server.url(),
            "iot-jobs-data",
            "POST",
            path,
            body.as_bytes(),
        )
        .unwrap();
    };
    update(r#"{"status":"IN_PROGRESS","statusDetails":{"receive":"12/40"}}"#);
    has(
        &run.get("/ui/jobs/j"),
        200,
        &["max=\"40\"", "12 of 40 blocks"],
    );
    update(r#"{"status":"SUCCEEDED","statusDetails":{"reason":"<accepted>"}}"#);
    let page = run.get("/ui/jobs/j");
    has(
        &page,
        200,
        &[
            "SUCCEEDED",
            "reason: &lt;accepted&gt;",
            "receive: 12/40",
            "COMPLETED",
        ],
    );
    assert!(!page.body.contains("<progress"));
}

#[test]
fn a_token_is_judged() {
    let run = Run::new("console-attest");
    let (token, key, nonce) = (TOKEN, KEY, "09".repeat(32));
    let nonce = nonce.as_str();
    let ask = |members: &[(&str, &[u8])]| run.upload("/ui/attestation", members);
    let nonce_of = |page: &str| {
        let rest = page.split_once("<textarea id=\"nonce\"").unwrap().1;
        let rest = rest.split_once('>').unwrap().1;
        rest.split('<').next().unwrap().to_owned()
    };
    let (one, two) = (
        run.get("/ui/attestation").body,
        run.get("/ui/attestation").body,
    );
    assert_eq!(nonce_of(&one).len(), 64);
    assert_ne!(nonce_of(&one), nonce_of(&two));

    let form = |text: &str, nonce: &str, key: &str| {
        ask(&[
            ("text", text.as_bytes()),
            ("nonce", nonce.as_bytes()),
            ("key", key.as_bytes()),
            ("thing", b"lamp"),
        ])
    };
    has(
        &form(token, nonce, key),
        200,
        &["Verified", "PSA_IOT_PROFILE_1", "Boot seed"],
    );
    let other = nonce.replace('9', "8");
    has(
        &form(token, &other, key),
        422,
        &["AttestationRefused", "another challenge"],
    );
    let forged = format!("{}00", &token[..token.len() - 2]);
    has(&form(&forged, nonce, key), 422, &["not signed by this key"]);
    has(
        &form("!", nonce, key),
        400,
        &["neither hexadecimal digits nor base64"],
    );
    has(&form("", nonce, key), 400, &["there is no token"]);
    has(&form(token, "00", key), 400, &["the nonce is not"]);
    has(&form(token, nonce, "zz"), 400, &["the key is not"]);
    has(
        &form(token, nonce, ""),
        400,
        &["no attribute attestationKey"],
    );

    // The factory's attribute, and a token that the device published.
    run.core
        .set_attribute("lamp", ATTESTATION_KEY, key)
        .unwrap();
    has(&form(token, nonce, ""), 200, &["Verified"]);
    let digit = |at: usize| u8::from_str_radix(&token[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..token.len()).step_by(2).map(digit).collect();
    run.publish("lamp/attestation", &bytes);
    has(&run.get("/ui/attestation"), 200, &["lamp/attestation ("]);
    let arrived = ask(&[
        ("arrived", token.as_bytes()),
        ("nonce", nonce.as_bytes()),
        ("thing", b"lamp"),
    ]);
    has(&arrived, 200, &["Verified"]);
    let file = ask(&[
        ("file", &bytes),
        ("nonce", nonce.as_bytes()),
        ("thing", b"lamp"),
    ]);
    has(&file, 200, &["Verified"]);
}

/// The page asks with a nonce of its own, and shows nothing as verified that is not.
#[test]
fn diagnostics_are_asked_for_and_judged() {
    let run = Run::new("console-diagnostics");
    let page = "/ui/diagnostics?thing=lamp";
    has(&run.get(page), 200, &["Not asked yet"]);
    has(
        &run.post("/ui/diagnostics", "thing=nobody"),
        404,
        &["ResourceNotFoundException"],
    );
    let ask = || {
        let before = run.core.messages().len();
        let asked = run.post("/ui/diagnostics", "thing=lamp");
        assert_eq!(asked.status, 303, "{}", asked.body);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let all = run.core.messages();
            if let Some(request) = all[before..]
                .iter()
                .find(|m| m.topic == "lamp/diagnostics/request")
            {
                let request: serde_json::Value = serde_json::from_slice(&request.payload).unwrap();
                return request["nonce"].as_str().unwrap().to_owned();
            }
            assert!(Instant::now() < deadline, "no request");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let (one, two) = (ask(), ask());
    assert_eq!(one.len(), 64);
    assert_ne!(one, two);
    has(&run.get(page), 200, &["Waiting for the answer", &two]);
    // Another device's, or an old one: genuine, and for another challenge.
    let digit = |at: usize| u8::from_str_radix(&TOKEN[at..at + 2], 16).unwrap();
    let token: Vec<u8> = (0..TOKEN.len()).step_by(2).map(digit).collect();
    let answer = |attestation: String| json!({ "attestation": attestation }).to_string();
    let genuine = answer(STANDARD.encode(&token));
    run.publish("lamp/diagnostics", genuine.as_bytes());
    has(&run.get(page), 200, &["no attribute attestationKey"]);
    run.core
        .set_attribute("lamp", ATTESTATION_KEY, KEY)
        .unwrap();
    has(&run.get(page), 200, &["it answers another challenge"]);
    for (document, words) in [
        (answer("!".into()), "the token is no base64"),
        (answer(String::new()), "no tagged COSE_Sign1"),
        ("nonsense".into(), "the answer is no JSON"),
        (
            json!({"error": "MalformedRequest", "message": "<b>"}).to_string(),
            "the device answers MalformedRequest: &lt;b&gt;",
        ),
    ] {
        ask();
        has(&run.get(page), 200, &["Waiting for the answer"]);
        run.publish("lamp/diagnostics", document.as_bytes());
        let shown = run.get(page);
        has(&shown, 200, &[words]);
        assert!(!shown.body.contains("Verified"), "{}", shown.body);
    }
}

#[test]
fn crash_reports_are_listed() {
    let run = Run::new("console-crashes");
    has(&run.get("/ui/crashes"), 200, &["No crash reports"]);
    let report = json!({"report": 5, "process": "<inference>", "reason": "bus error",
        "registers": {"cfsr": "0x00008200"}, "restarts": 0, "restartInMs": 10,
        "versions": {"app": 1}, "time": 1_800_000_000, "beforeReset": true});
    run.publish("lamp/crash", report.to_string().as_bytes());
    run.publish("lamp/crash", b"no JSON");
    let shown = [
        "Crash reports (2)",
        "&lt;inference&gt;",
        "bus error (before a reset)",
        "cfsr 0x00008200",
        "number 1, after 10 ms",
        "2027-01-15",
        "stays stopped",
    ];
    has(&run.get("/ui/crashes"), 200, &shown);
}
