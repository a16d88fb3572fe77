//! The stand-in against a real mosquitto, as a device sees it.

use cloud::{Cloud, Mischief, OtaFile, ROTATE, ROTATE_TEMPLATE, Thing, broker};
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn folder(name: &str) -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("tockstone-cloud-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn start(dir: &std::path::Path) -> Cloud {
    Cloud::start(&broker::Config {
        dir,
        host: "iot.tockstone.test",
        validity: None,
        port: None,
    })
    .unwrap()
}

/// A client on the plain listener and what it receives.
fn client(cloud: &Cloud, filters: &[&str]) -> (Client, Receiver<(String, Vec<u8>)>) {
    let mut options = MqttOptions::new("test", "127.0.0.1", cloud.broker.plain_port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut connection) = Client::new(options, 100);
    let (sender, receiver) = channel();
    let (ready, subscribed) = channel();
    for filter in filters {
        client.subscribe(*filter, QoS::AtLeastOnce).unwrap();
    }
    std::thread::spawn(move || {
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::Publish(p))) => {
                    if sender.send((p.topic, p.payload.to_vec())).is_err() {
                        return;
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.send(())),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    for _ in filters {
        subscribed.recv_timeout(LIMIT).unwrap();
    }
    (client, receiver)
}

#[test]
fn an_update_is_announced_fetched_and_reported() {
    let dir = folder("update");
    let mut cloud = start(&dir);
    let thing = cloud.create_thing("lamp").unwrap();
    assert_eq!(thing.certificate[0], 0x30);
    let (client, inbox) = client(
        &cloud,
        &["$aws/things/lamp/jobs/#", "$aws/things/lamp/streams/#"],
    );
    let next = |ending: &str| loop {
        let (topic, payload) = inbox
            .recv_timeout(LIMIT)
            .unwrap_or_else(|e| panic!("{ending}: {e}"));
        if topic.ends_with(ending) {
            return (topic, payload);
        }
    };
    let file = vec![0x5A; 10_000];
    let job = cloud
        .create_ota_update(
            "lamp",
            "one",
            &[OtaFile::rsa("non_secure image", file, "c2ln")],
        )
        .unwrap();
    assert_eq!(job, "AFR_OTA-one");
    next("notify-next");
    client
        .publish(
            "$aws/things/lamp/jobs/start-next",
            QoS::AtLeastOnce,
            false,
            "{}",
        )
        .unwrap();
    let (_, payload) = next("start-next/accepted");
    let answer: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let document = &answer["execution"]["jobDocument"]["afr_ota"];
    assert_eq!(document["files"][0]["sig-sha256-rsa"], "c2ln");
    let stream = document["streamname"].as_str().unwrap();
    cloud.set_mischief(Mischief {
        duplicate: 1,
        ..Mischief::default()
    });
    // {f: 0, l: 4096, o: 2, n: 1}
    let get = [
        0xA4, 0x61, b'f', 0, 0x61, b'l', 0x19, 0x10, 0, 0x61, b'o', 2, 0x61, b'n', 1,
    ];
    client
        .publish(
            format!("$aws/things/lamp/streams/{stream}/get/cbor"),
            QoS::AtMostOnce,
            false,
            get,
        )
        .unwrap();
    for _ in 0..2 {
        let (_, payload) = next("data/cbor");
        // f, i = 2, l = 1808
        assert_eq!(
            &payload[..12],
            [
                0xBF, 0x61, b'f', 0, 0x61, b'i', 2, 0x61, b'l', 0x19, 7, 0x10
            ]
        );
    }
    let update = r#"{"status":"SUCCEEDED","expectedVersion":2}"#;
    client
        .publish(
            format!("$aws/things/lamp/jobs/{job}/update"),
            QoS::AtLeastOnce,
            false,
            update,
        )
        .unwrap();
    next("update/accepted");
    let done = cloud
        .wait_job("lamp", &job, LIMIT, |e| e.status.is_terminal())
        .unwrap();
    let states: Vec<&str> = done.history.iter().map(|c| c.status.name()).collect();
    assert_eq!(states, ["QUEUED", "IN_PROGRESS", "SUCCEEDED"]);
    assert!(
        cloud
            .create_ota_update("nobody", "x", &[])
            .unwrap_err()
            .to_string()
            .contains("no thing")
    );
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn devices_need_their_own_certificate_and_see_their_own_topics() {
    let dir = folder("mutual");
    let mut cloud = start(&dir);
    let lamp = cloud.create_thing("lamp").unwrap();
    let publish = |topic: &str, with_key: bool| {
        let mut command = Command::new("mosquitto_pub");
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &cloud.broker.port.to_string(),
            "-q",
            "1",
            "-V",
            "5",
        ]);
        command.args([
            "-i",
            "lamp",
            "-t",
            topic,
            "-m",
            "hello",
            "--insecure",
            "--cafile",
        ]);
        command.arg(cloud.broker.authority().certificate());
        if with_key {
            command
                .arg("--cert")
                .arg(&lamp.files.0)
                .arg("--key")
                .arg(&lamp.files.1);
        }
        command
            .output()
            .expect("mosquitto_pub (Debian package mosquitto-clients)")
    };
    assert!(!publish("lamp/ml/inference", false).status.success());
    assert!(publish("lamp/ml/inference", true).status.success());
    publish("other/ml/inference", true);
    // What comes last has everything else before it.
    cloud.publish("the/end", b"").unwrap();
    let topics = || -> Vec<String> { cloud.messages().into_iter().map(|m| m.topic).collect() };
    let since = std::time::Instant::now();
    while !topics().contains(&"the/end".to_owned()) {
        assert!(since.elapsed() < LIMIT, "{:?}", topics());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(topics(), ["lamp/ml/inference", "the/end"]);
    drop(cloud);
    let mut cloud = start(&dir);
    assert_eq!(
        cloud.create_thing("lamp").unwrap().key,
        lamp.key,
        "the registry survives a restart"
    );
    assert!(cloud.create_thing("no spaces").is_err());
    std::fs::remove_dir_all(dir).unwrap();
}

/// Which event of `lamp` comes next, and its reason.
fn event(inbox: &Receiver<(String, Vec<u8>)>) -> (String, String) {
    let (topic, payload) = inbox.recv_timeout(LIMIT).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(body["clientId"], "lamp");
    assert_eq!(body["principalIdentifier"].as_str().map(str::len), Some(64));
    let kind = topic.split('/').nth(3).unwrap().to_owned();
    let reason = body["disconnectReason"].as_str().unwrap_or_default();
    (kind, reason.to_owned())
}

#[test]
fn presence_says_who_came_and_why_it_went() {
    let dir = folder("presence");
    let mut cloud = start(&dir);
    let lamp = cloud.create_thing("lamp").unwrap();
    let (_client, inbox) = client(&cloud, &["$aws/events/presence/#"]);
    let tool = |program: &str, more: &[&str]| {
        let mut command = Command::new(program);
        let port = cloud.broker.port.to_string();
        command.args(["-h", "127.0.0.1", "-p", &port, "-i", "lamp", "--insecure"]);
        command
            .arg("--cafile")
            .arg(cloud.broker.authority().certificate());
        command.arg("--cert").arg(&lamp.files.0);
        command.arg("--key").arg(&lamp.files.1).args(more);
        command.spawn().unwrap()
    };
    let connected = ("connected".to_owned(), String::new());
    let left = |reason: &str| ("disconnected".to_owned(), reason.to_owned());
    tool("mosquitto_pub", &["-t", "lamp/x", "-m", "y"])
        .wait()
        .unwrap();
    assert_eq!(event(&inbox), connected);
    assert_eq!(event(&inbox), left("CLIENT_INITIATED_DISCONNECT"));
    let mut killed = tool("mosquitto_sub", &["-t", "lamp/x"]);
    assert_eq!(event(&inbox), connected);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(event(&inbox), left("CONNECTION_LOST"));
    let mut denied = tool("mosquitto_sub", &["-t", "other/x"]);
    assert_eq!(event(&inbox), connected);
    assert_eq!(
        event(&inbox),
        left("FORBIDDEN_ACCESS"),
        "a filter that policy denies"
    );
    denied.kill().unwrap();
    denied.wait().unwrap();
    // It may have come again before it was killed: until the broker has seen it go, and behind
    // everything that it said of it.
    let since = std::time::Instant::now();
    loop {
        let log = cloud.broker.log().unwrap();
        let count = |what: &str| log.lines().filter(|l| l.contains(what)).count();
        let came = log
            .lines()
            .filter(|l| l.contains("New client connected") && l.contains(" as lamp "));
        if came.count() <= count("Client lamp ") {
            break;
        }
        assert!(since.elapsed() < LIMIT, "{log}");
        std::thread::sleep(Duration::from_millis(20));
    }
    cloud.publish("$aws/events/presence/end", b"").unwrap();
    while inbox.recv_timeout(LIMIT).unwrap().0 != "$aws/events/presence/end" {}
    let mut cut = tool("mosquitto_sub", &["-t", "lamp/x"]);
    assert_eq!(event(&inbox), connected);
    cloud.core().set_certificates("lamp", "INACTIVE").unwrap();
    assert_eq!(event(&inbox), left("FORBIDDEN_ACCESS"), "at once");
    // The console's view follows the event, in a thread of the cloud's.
    let told = || cloud.core().presence()["lamp"].connected;
    let since = std::time::Instant::now();
    while told() {
        assert!(since.elapsed() < LIMIT, "still told as connected");
        std::thread::sleep(Duration::from_millis(20));
    }
    cut.kill().unwrap();
    cut.wait().unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn jobs_in_flight_go_on_after_a_restart() {
    let dir = folder("restart");
    let mut cloud = start(&dir);
    cloud.create_thing("lamp").unwrap();
    let file = OtaFile::rsa("non_secure image", vec![0x5A; 3000], "c2ln");
    let job = cloud.create_ota_update("lamp", "one", &[file]).unwrap();
    let stream = |cloud: &Cloud| {
        let execution = cloud.execution("lamp", &job).unwrap();
        let document = &execution.document["afr_ota"];
        document["streamname"].as_str().unwrap().to_owned()
    };
    let before = stream(&cloud);
    drop(cloud);
    let cloud = start(&dir);
    assert_eq!(stream(&cloud), before);
    let topic = format!("$aws/things/lamp/streams/{before}/get/json");
    let (client, inbox) = client(&cloud, &["$aws/things/lamp/#"]);
    client
        .publish(
            topic,
            QoS::AtLeastOnce,
            false,
            r#"{"f":0,"l":1024,"o":2,"n":9}"#,
        )
        .unwrap();
    let (_, payload) = loop {
        let (topic, payload) = inbox.recv_timeout(LIMIT).unwrap();
        if topic.ends_with("data/json") {
            break (topic, payload);
        }
    };
    let block: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!((&block["i"], &block["l"]), (&2.into(), &952.into()));
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_server_certificate_can_expire_under_a_running_cloud() {
    let dir = folder("expire");
    let mut cloud = start(&dir);
    let lamp = cloud.create_thing("lamp").unwrap();
    let (port, root) = (cloud.broker.port, cloud.broker.authority().certificate());
    let shown = || {
        let output = Command::new("openssl")
            .args(["s_client", "-brief", "-verify_return_error", "-connect"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-CAfile")
            .arg(&root)
            .arg("-cert")
            .arg(&lamp.files.0)
            .arg("-key")
            .arg(&lamp.files.1)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(shown().contains("Verification: OK"), "{}", shown());
    let past = ("20200101000000Z", "20210101000000Z");
    cloud.broker.reissue(Some(past)).unwrap();
    assert!(shown().contains("certificate has expired"));
    cloud.broker.reissue(None).unwrap();
    assert!(shown().contains("Verification: OK"));
    std::fs::remove_dir_all(dir).unwrap();
}

/// A thing publishes over mutual TLS; what answers, at the plain listener, is the result.
fn ask(
    cloud: &Cloud,
    inbox: &Receiver<(String, Vec<u8>)>,
    thing: &Thing,
    topic: &str,
    body: &Value,
) -> (String, Value) {
    let mut command = Command::new("mosquitto_pub");
    let port = cloud.broker.port.to_string();
    command.args(["-h", "localhost", "-p", &port, "-i", &thing.name, "-q", "1"]);
    command
        .arg("--cafile")
        .arg(cloud.broker.authority().certificate());
    command.arg("--cert").arg(&thing.files.0);
    command.arg("--key").arg(&thing.files.1);
    command.args(["-t", topic, "-m", &body.to_string()]);
    assert!(command.status().unwrap().success());
    loop {
        let (at, body) = inbox.recv_timeout(LIMIT).unwrap();
        if let Some(last) = at.strip_prefix(topic).and_then(|l| l.strip_prefix('/')) {
            return (last.into(), serde_json::from_slice(&body).unwrap());
        }
    }
}

/// Where the answers of provisioning come by.
const PROVISIONING: [&str; 2] = ["$aws/certificates/#", "$aws/provisioning-templates/#"];

/// A request for a certificate of its own key.
fn request(dir: &Path) -> String {
    let run = |words: &str| {
        let out = Command::new("openssl")
            .args(words.split(' '))
            .current_dir(dir)
            .output();
        String::from_utf8(out.unwrap().stdout).unwrap()
    };
    run("ecparam -name prime256v1 -genkey -noout -out new.key");
    run("req -new -key new.key -subj /CN=x")
}

#[test]
fn a_device_gets_a_certificate_for_itself_and_for_nobody_else() {
    let dir = folder("hook");
    let mut cloud = start(&dir);
    let (a, b) = (
        cloud.create_thing("a").unwrap(),
        cloud.create_thing("b").unwrap(),
    );
    let core = cloud.core();
    core.create_rotation().unwrap();
    let (_client, inbox) = client(&cloud, &PROVISIONING);
    let csr = json!({"certificateSigningRequest": request(&dir)});
    let topic = format!("$aws/provisioning-templates/{ROTATE}/provision/json");
    let certificate = |thing: &Thing| {
        let (last, made) = ask(
            &cloud,
            &inbox,
            thing,
            "$aws/certificates/create-from-csr/json",
            &csr,
        );
        assert_eq!(last, "accepted", "{made}");
        made
    };
    let provision = |thing: &Thing, made: &Value, name: &str| {
        let body = json!({"certificateOwnershipToken": made["certificateOwnershipToken"],
            "parameters": {"ThingName": name}});
        ask(&cloud, &inbox, thing, &topic, &body)
    };
    let made = certificate(&a);
    let (last, answer) = provision(&a, &made, "b");
    assert_eq!(
        (&last[..], &answer["statusCode"], &answer["errorCode"]),
        ("rejected", &403.into(), &"ACCESS_DENIED".into()),
        "{answer}"
    );
    let log = std::fs::read_to_string(dir.join("lambda").join(ROTATE).with_extension("log"));
    assert_eq!(log.unwrap(), "a has asked for a certificate of b\n");
    let (last, answer) = provision(&a, &made, "c");
    assert_eq!(last, "rejected", "a thing that is not there: {answer}");
    assert_eq!(core.things(), ["a", "b"]);
    assert_eq!(core.certificates_of("b").len(), 1);
    let (last, answer) = provision(&a, &made, "a");
    assert_eq!((&last[..], &answer["thingName"]), ("accepted", &"a".into()));
    assert_eq!(core.certificates_of("a").len(), 2);
    let (last, answer) = provision(&b, &certificate(&b), "b");
    assert_eq!((&last[..], &answer["thingName"]), ("accepted", &"b".into()));

    // Without the hook the policy alone lets it: what the hook is there for.
    core.create_template(ROTATE, ROTATE_TEMPLATE, None).unwrap();
    let (last, answer) = provision(&a, &certificate(&a), "b");
    assert_eq!((&last[..], &answer["thingName"]), ("accepted", &"b".into()));
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_hook_sees_the_request_may_change_it_and_its_failure_denies() {
    let dir = folder("hook-event");
    let mut cloud = start(&dir);
    let a = cloud.create_thing("a").unwrap();
    let core = cloud.core();
    let own = core.certificates_of("a");
    let (_client, inbox) = client(&cloud, &PROVISIONING);
    let csr = json!({"certificateSigningRequest": request(&dir)});
    let topic = format!("$aws/provisioning-templates/{ROTATE}/provision/json");
    let provision = |source: &str| {
        core.create_template(ROTATE, ROTATE_TEMPLATE, Some(source))
            .unwrap();
        let (_, made) = ask(
            &cloud,
            &inbox,
            &a,
            "$aws/certificates/create-from-csr/json",
            &csr,
        );
        let body = json!({"certificateOwnershipToken": made["certificateOwnershipToken"],
            "parameters": {"ThingName": "none", "more": "1"}});
        (ask(&cloud, &inbox, &a, &topic, &body), made)
    };
    let source = "import json
def lambda_handler(event, context):
    print(json.dumps(event))
    return {'allowProvisioning': True, 'parameterOverrides': {'ThingName': event['clientId']}}
";
    let ((last, answer), made) = provision(source);
    assert_eq!((&last[..], &answer["thingName"]), ("accepted", &"a".into()));
    let log = dir.join("lambda").join(ROTATE).with_extension("log");
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(log).unwrap()).unwrap();
    let arn = format!("arn:aws:iot:us-east-1:123456789012:provisioningtemplate/{ROTATE}");
    assert_eq!(
        seen,
        json!({"claimCertificateId": own[0], "certificateId": made["certificateId"],
            "certificatePem": made["certificatePem"], "templateArn": arn, "clientId": "a",
            "parameters": {"ThingName": "none", "more": "1"}})
    );
    let returns = |what: &str| format!("def lambda_handler(event, context): return {what}");
    for bad in [
        returns("{}"),
        returns("None"),
        returns("{'allowProvisioning': 'false'}"),
        returns("{'allowProvisioning': 1}"),
        returns("event['nothing']"),
        "no Python".into(),
    ] {
        let ((last, answer), made) = provision(&bad);
        assert_eq!(
            (&last[..], &answer["errorCode"]),
            ("rejected", &"ACCESS_DENIED".into())
        );
        let id = made["certificateId"].as_str().unwrap();
        assert!(!core.certificates_of("a").iter().any(|c| c == id), "{bad}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_port_that_somebody_else_has_is_no_broker() {
    let dir = folder("taken");
    let other = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let config = broker::Config {
        dir: &dir,
        host: "iot.tockstone.test",
        validity: None,
        port: Some(other.local_addr().unwrap().port()),
    };
    let why = format!("{:#}", Cloud::start(&config).err().unwrap());
    assert!(why.contains("Address already in use"), "{why}");
    std::fs::remove_dir_all(dir).unwrap();
}
