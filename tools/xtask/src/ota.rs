//! `cargo xtask ota`: an update pushed, listed, watched and cancelled over the control plane.
//!
//! Owns the requests that a console, an S3 upload and a role would otherwise take by hand. Speaks
//! HTTP by itself, to a local cloud only: the requests carry a signature of the right form, which
//! the local cloud does not check and AWS would refuse.

use anyhow::{Context, Result, bail};
use cloud::http::request;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const BUCKET: &str = "tockstone-updates";

/// What `ota` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    verb: Verb,
    /// Control plane of the local cloud
    #[arg(long, global = true, default_value_t = format!("http://127.0.0.1:{}", cloud::http::PORT))]
    endpoint: String,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    /// Uploads a signed file and makes the update, with stream and job
    Push {
        /// File, as `cargo xtask build` makes it: build/kernel-update_signed.bin
        file: PathBuf,
        /// Path name of the file on the device: "non_secure image", "secure image", "apps/NAME"
        #[arg(long)]
        path: String,
        /// Thing; the only one that there is when absent
        #[arg(long)]
        thing: Option<String>,
        /// Signature in base64, or a file that holds it; FILE's neighbour <name>-update-signature.txt or
        /// update-signature.txt when absent
        #[arg(long)]
        signature: Option<String>,
        /// Algorithm of the signature
        #[arg(long, default_value = "RSA", value_parser = ["RSA", "ECDSA"])]
        algorithm: String,
        /// Name of the update; made of the time when absent
        #[arg(long)]
        id: Option<String>,
        /// Stay until the device has finished
        #[arg(long)]
        watch: bool,
    },
    /// Lists the updates and how far each thing is
    List,
    /// Follows an update until each thing has finished
    Watch {
        /// Name of the update
        id: String,
        /// Give up after so many seconds
        #[arg(long, default_value = "600")]
        limit: u64,
    },
    /// Cancels an update, one in progress too
    Cancel {
        /// Name of the update
        id: String,
    },
}

/// Does what was asked for.
///
/// # Errors
/// Names what the cloud refused, or that it is not there.
pub fn run(options: &Options) -> Result<()> {
    let cloud = Control(&options.endpoint);
    match &options.verb {
        Verb::Push {
            file,
            path,
            thing,
            signature,
            algorithm,
            id,
            watch,
        } => {
            let name = file.file_name().and_then(|n| n.to_str());
            let name = name.with_context(|| format!("{} is no file", file.display()))?;
            let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
            let signature = match signature {
                Some(given) if PathBuf::from(given).is_file() => std::fs::read_to_string(given)?,
                Some(given) => given.clone(),
                None => {
                    // Each product has its own; the non-secure image's is the reference's name.
                    let own = name.replace("_signed.bin", "-signature.txt");
                    let own = file.with_file_name(own);
                    let common = || file.with_file_name("update-signature.txt");
                    let file = Some(own).filter(|f| f != file && f.is_file());
                    let file = file.unwrap_or_else(common);
                    std::fs::read_to_string(&file).with_context(|| {
                        format!("no --signature, and no {} beside the file", file.display())
                    })?
                }
            };
            let thing = match thing {
                Some(thing) => thing.clone(),
                None => cloud.only_thing()?,
            };
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
            let id = id.clone().unwrap_or_else(|| format!("push-{now}"));
            let arn = cloud.iot("GET", &format!("/things/{thing}"), None)?["thingArn"].clone();
            cloud.send("s3", "PUT", &format!("/{BUCKET}"), Vec::new())?;
            let key = format!("{id}/{name}");
            cloud.send("s3", "PUT", &format!("/{BUCKET}/{key}"), bytes)?;
            let update = json!({"targets": [arn], "protocols": ["MQTT"],
                "roleArn": "arn:aws:iam::123456789012:role/tockstone-ota",
                "files": [{"fileName": path,
                    "fileLocation": {"s3Location": {"bucket": BUCKET, "key": key}},
                    "codeSigning": {"customCodeSigning": {
                        "signature": {"inlineDocument": request::base64(signature.trim())},
                        "certificateChain": {"certificateName": "0"},
                        "hashAlgorithm": "SHA256", "signatureAlgorithm": algorithm}}}]});
            let made = cloud.iot("POST", &format!("/otaUpdates/{id}"), Some(&update))?;
            let state = cloud.iot("GET", &format!("/otaUpdates/{id}"), None)?;
            let error = &state["otaUpdateInfo"]["errorInfo"];
            if error.is_object() {
                bail!("the update has failed: {}", text(&error["message"]));
            }
            println!(
                "ota: {id}: job {} for {thing}: {name} as `{path}`",
                text(&made["awsIotJobId"])
            );
            if *watch {
                cloud.watch(&id, Duration::from_secs(600))?;
            }
            Ok(())
        }
        Verb::List => {
            let list = cloud.iot("GET", "/otaUpdates", None)?;
            let updates = list["otaUpdates"].as_array();
            if updates.is_none_or(Vec::is_empty) {
                println!("ota: no updates");
            }
            for update in updates.into_iter().flatten() {
                let id = text(&update["otaUpdateId"]);
                for (thing, status) in cloud.states(&id)? {
                    println!("{id} {thing} {status}");
                }
            }
            Ok(())
        }
        Verb::Watch { id, limit } => cloud.watch(id, Duration::from_secs(*limit)),
        Verb::Cancel { id } => {
            cloud.iot(
                "PUT",
                &format!("/jobs/AFR_OTA-{id}/cancel?force=true"),
                None,
            )?;
            println!("ota: {id} is cancelled");
            Ok(())
        }
    }
}

/// The control plane at an endpoint.
struct Control<'a>(&'a str);

impl Control<'_> {
    fn iot(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let answer = self.send("iot", method, path, body.into_bytes())?;
        Ok(serde_json::from_slice(&answer)?)
    }

    fn send(&self, service: &str, method: &str, path: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        let endpoint = self.0;
        request::send(endpoint, service, method, path, &body).map_err(|e| {
            match e.downcast_ref::<std::io::Error>() {
                Some(_) => e.context(format!(
                    "no cloud at {endpoint} (`cargo xtask cloud` and `run` serve one; --endpoint)"
                )),
                None => e.context(endpoint.to_owned()),
            }
        })
    }

    fn only_thing(&self) -> Result<String> {
        let list = self.iot("GET", "/things", None)?;
        let names: Vec<String> = list["things"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|t| text(&t["thingName"]))
            .collect();
        match &names[..] {
            [one] => Ok(one.clone()),
            [] => bail!("the cloud knows no thing"),
            _ => bail!("--thing is one of {}", names.join(", ")),
        }
    }

    /// Things of an update, and the status of each with its details.
    fn states(&self, id: &str) -> Result<Vec<(String, String)>> {
        let info = self.iot("GET", &format!("/otaUpdates/{id}"), None)?;
        let info = &info["otaUpdateInfo"];
        if info["otaUpdateStatus"] == "CREATE_FAILED" {
            let message = text(&info["errorInfo"]["message"]);
            return Ok(vec![("-".into(), format!("CREATE_FAILED: {message}"))]);
        }
        let mut out = Vec::new();
        for target in info["targets"].as_array().into_iter().flatten() {
            let arn = text(target);
            let thing = arn.rsplit('/').next().unwrap_or_default().to_owned();
            let path = format!("/things/{thing}/jobs/AFR_OTA-{id}");
            let status = match self.iot("GET", &path, None) {
                Ok(found) => {
                    let details = &found["execution"]["statusDetails"]["detailsMap"];
                    let shown = details.as_object().map(|_| format!(" {details}"));
                    text(&found["execution"]["status"]) + &shown.unwrap_or_default()
                }
                Err(_) => "no job".into(),
            };
            out.push((thing, status));
        }
        Ok(out)
    }

    fn watch(&self, id: &str, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        let mut shown: Vec<(String, String)> = Vec::new();
        loop {
            let states = self.states(id)?;
            for state in states.iter().filter(|s| !shown.contains(s)) {
                println!("ota: {id}: {} {}", state.0, state.1);
            }
            let open = |s: &str| s.starts_with("QUEUED") || s.starts_with("IN_PROGRESS");
            if !states.iter().any(|(_, status)| open(status)) {
                let good = |s: &str| s.starts_with("SUCCEEDED");
                if states.iter().all(|(_, status)| good(status)) {
                    return Ok(());
                }
                bail!("update {id} has not succeeded everywhere");
            }
            if Instant::now() > end {
                bail!("update {id} has not ended within {} s", limit.as_secs());
            }
            shown = states;
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
