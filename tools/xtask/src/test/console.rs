//! The web console in a real browser: headless Chromium, a device behind it.
//!
//! Owns the case and the few commands of WebDriver that it takes (W3C WebDriver §8–17), over
//! `chromedriver` on loopback. With `TOCKSTONE_SCREENSHOTS` it writes the pictures of docs/images.

use super::Case;
use crate::build::UPDATE;
use crate::system::{Scratch, System};
use crate::{console, paths, setup, sign};
use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The cases.
pub const CASES: [Case; 1] = [Case {
    id: "console-in-chromium",
    run: in_chromium,
}];

/// For a page to show what the server knows, on a machine that is busy with others.
const SOON: Duration = Duration::from_secs(60);

/// How WebDriver names an element (§12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A device publishes, the page follows without being loaded again; what is published from the page is
/// seen there, too. The device takes an update that was uploaded through the form, and the job's page
/// follows it to SUCCEEDED. Asked for diagnostics, it answers with a token that the page verifies, and
/// that names the new version; a crash is on the page of crashes.
fn in_chromium() -> Result<()> {
    setup::browser()?;
    let system = System::new("tockstone-console")?;
    let server = console::serve(&system.cloud, None)?;
    let base = console::url(&server);
    let browser = Browser::start()?;
    let topic = format!("{}/ml/inference", system.thing);
    browser.open(&format!("{base}test"))?;
    browser.fill("topic", &topic)?;
    browser.click("#topic ~ button")?;
    browser.wait("No messages yet", SOON)?;
    let device = system.boot()?;
    browser.wait("<pre>yes</pre>", Duration::from_secs(120))?;
    browser.wait("<pre>no</pre>", Duration::from_secs(120))?;
    browser.picture("console-test-client", 1280)?;

    browser.open(&format!("{base}things/{}", system.thing))?;
    browser.wait("Connected", SOON)?;
    browser.picture("console-thing-480", 480)?;

    browser.open(&format!("{base}test?topic=console/%23"))?;
    browser.fill("name", "console/hello")?;
    browser.fill("payload", "from a person")?;
    browser.click("section[aria-labelledby=publish] button")?;
    browser.wait("Published to console/hello", SOON)?;
    browser.wait("<pre>from a person</pre>", SOON)?;

    let file = paths::build().join("kernel-update_signed.bin");
    browser.open(&format!("{base}updates"))?;
    browser.fill("id", "from-the-console")?;
    browser.fill("file", &file.display().to_string())?;
    browser.fill("signature", &sign::update_signature(&file)?)?;
    browser.click("form button")?;
    browser.wait("History of", SOON)?;
    // That the device has taken it, not the job alone.
    let taken = "<span class=\"state\">IN_PROGRESS</span>";
    browser.wait(taken, Duration::from_secs(120))?;
    let accepted = "<span class=\"state good\">SUCCEEDED</span>";
    browser.wait(accepted, Duration::from_secs(300))?;
    browser.picture("console-job", 1280)?;

    browser.open(&format!("{base}diagnostics?thing={}", system.thing))?;
    browser.wait("Not asked yet", SOON)?;
    browser.click("form button")?;
    browser.wait(
        "signed by this key, for this nonce",
        Duration::from_secs(60),
    )?;
    let page = browser.source()?;
    for shown in ["NSPE", UPDATE, "ota-agent", "tls handshakes"] {
        ensure!(page.contains(shown), "no `{shown}` on the page: {page}");
    }
    browser.picture("console-diagnostics", 1280)?;

    browser.open(&format!("{base}crashes"))?;
    browser.wait("No crash reports", SOON)?;
    device.console.send("\rfault inference\r")?;
    browser.wait("<td>inference</td>", Duration::from_secs(60))?;
    browser.picture("console-crashes", 1280)?;
    Ok(())
}

/// A session of a browser; both end when it is dropped, and nothing of theirs is left.
struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Home and place for temporary files; dropped when both have ended.
    _scratch: Scratch,
}

impl Browser {
    fn start() -> Result<Browser> {
        let scratch = Scratch::new("browser")?;
        let mut command = Command::new("chromedriver");
        let command = command.arg("--port=0").stderr(Stdio::null());
        for name in ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env(name, scratch.path());
        }
        // A group of their own: the browser's processes are the driver's.
        let command = command
            .process_group(0)
            .env("PULSE_RUNTIME_PATH", "/dev/null");
        let mut driver = command.stdout(Stdio::piped()).spawn()?;
        qemu_harness::track::add(driver.id());
        let output = driver.stdout.take().context("no output of chromedriver")?;
        let mut browser = Browser {
            driver,
            port: 0,
            session: String::new(),
            _scratch: scratch,
        };
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        browser.port = lines
            .find_map(|line| {
                let rest = line.split_once("successfully on port ")?.1;
                rest.trim_end_matches('.').parse().ok()
            })
            .context("chromedriver has not started")?;
        // Root has no sandbox, a container no large /dev/shm.
        let options =
            json!({"args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage"]});
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let made = browser.send("POST", "/session", &wanted)?;
        let id = made["sessionId"].as_str().context("no session")?;
        browser.session = format!("/session/{id}");
        Ok(browser)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(300)))?;
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        write!(
            stream,
            "{method} {}{path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.session,
            self.port,
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => bail!("{path}: {error}: {}", value["message"]),
            None => Ok(value),
        }
    }

    fn open(&self, url: &str) -> Result<()> {
        self.send("POST", "/url", &json!({ "url": url })).map(drop)
    }

    fn source(&self) -> Result<String> {
        let source = self.send("GET", "/source", &Value::Null)?;
        Ok(source.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the page, as it is now, holds `text`.
    fn wait(&self, text: &str, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !self.source()?.contains(text) {
            if Instant::now() > deadline {
                bail!("the page does not show `{text}`: {}", self.source()?);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    fn element(&self, selector: &str) -> Result<String> {
        let by = json!({"using": "css selector", "value": selector});
        let found = self.send("POST", "/element", &by)?;
        let id = found[ELEMENT].as_str().context("no element")?;
        Ok(format!("/element/{id}"))
    }

    fn fill(&self, id: &str, text: &str) -> Result<()> {
        let element = self.element(&format!("#{id}"))?;
        let keys = json!({ "text": text });
        self.send("POST", &format!("{element}/value"), &keys)
            .map(drop)
    }

    fn click(&self, selector: &str) -> Result<()> {
        let element = self.element(selector)?;
        self.send("POST", &format!("{element}/click"), &json!({}))
            .map(drop)
    }

    /// A picture of the page at a width, where pictures are wanted.
    fn picture(&self, name: &str, width: u32) -> Result<()> {
        if std::env::var_os("TOCKSTONE_SCREENSHOTS").is_none() {
            return Ok(());
        }
        let size = json!({"width": width, "height": 900});
        self.send("POST", "/window/rect", &size)?;
        let picture = self.send("GET", "/screenshot", &Value::Null)?;
        let folder = paths::root().join("docs/images");
        std::fs::create_dir_all(&folder)?;
        let bytes = STANDARD.decode(picture.as_str().unwrap_or_default())?;
        Ok(std::fs::write(folder.join(format!("{name}.png")), bytes)?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.send("DELETE", "", &Value::Null);
        }
        // What is left of the group: after the session's end, what has not ended yet.
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).status();
        let _ = self.driver.wait();
        qemu_harness::track::remove(self.driver.id());
        // Orphans of the browser are init's; their files are theirs until they are gone.
        let deadline = Instant::now() + SOON;
        let lives = || {
            let mut probe = Command::new("kill");
            let probe = probe.args(["-0", "--", &group]).stderr(Stdio::null());
            probe.status().is_ok_and(|s| s.success())
        };
        while lives() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
