//! The plugin: mosquitto's C interface (version 5) on one side, [`Access`] on the other.
//!
//! Owns every unsafe block of the crate. mosquitto calls from one thread; its pointers are valid
//! for the call that brings them, and are copied at once. Its functions are looked up by name when
//! the plugin starts, so that this crate also links into programs that are no mosquitto. A client
//! without a certificate comes from the plain loopback listener: the service, or this machine's
//! tools; it is not judged.
//!
//! Where AWS closes a connection for what policy denies, so does this: the client is marked and
//! kicked at the next tick, since mosquitto goes on using it after the call that denied.

use crate::access::Access;
use crate::{DIRECT, KICK, REQUEST, SERVICE, topics};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

const SUCCESS: c_int = 0;
const AUTH: c_int = 11;
const ACL_DENIED: c_int = 12;
const UNKNOWN: c_int = 13;

const READ: c_int = 1;
const WRITE: c_int = 2;
const SUBSCRIBE: c_int = 4;

const EVENTS: [(c_int, Callback); 5] = [
    (2, acl_check),
    (3, basic_auth),
    (7, message),
    (9, tick),
    (10, disconnect),
];

type Client = *const c_void;
type Callback = extern "C" fn(c_int, *mut c_void, *mut c_void) -> c_int;

#[repr(C)]
pub struct Opt {
    key: *const c_char,
    value: *const c_char,
}

#[repr(C)]
struct AclCheck {
    future: *mut c_void,
    client: Client,
    topic: *const c_char,
    payload: *const c_void,
    properties: *mut c_void,
    access: c_int,
    payloadlen: u32,
    qos: u8,
    retain: bool,
}

#[repr(C)]
struct BasicAuth {
    future: *mut c_void,
    client: Client,
}

#[repr(C)]
struct Message {
    future: *mut c_void,
    client: Client,
    topic: *const c_char,
    payload: *const c_void,
    properties: *mut c_void,
    reason_string: *mut c_char,
    payloadlen: u32,
    qos: u8,
    reason_code: u8,
    retain: bool,
}

#[repr(C)]
struct Disconnect {
    future: *mut c_void,
    client: Client,
}

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// mosquitto's functions, and the two of OpenSSL's that give a certificate's bytes.
struct Broker {
    client_id: extern "C" fn(Client) -> *const c_char,
    client_address: extern "C" fn(Client) -> *const c_char,
    client_certificate: extern "C" fn(Client) -> *mut c_void,
    kick: extern "C" fn(*const c_char, bool) -> c_int,
    set_username: extern "C" fn(Client, *const c_char) -> c_int,
    publish: extern "C" fn(
        *const c_char,
        *const c_char,
        c_int,
        *const c_void,
        c_int,
        bool,
        *mut c_void,
    ) -> c_int,
    i2d_x509: extern "C" fn(*mut c_void, *mut *mut u8) -> c_int,
    free_x509: extern "C" fn(*mut c_void),
}

/// A connection with a certificate, from its CONNECT on.
struct Peer {
    id: String,
    certificate: String,
    address: String,
    session: u64,
    /// Cleared by a client that says goodbye; see [`disconnect`].
    kicked: Option<&'static str>,
}

struct State {
    broker: Broker,
    log: PathBuf,
    access: Access,
    peers: BTreeMap<usize, Peer>,
    sessions: u64,
}

impl State {
    /// Looks at the registry's file. Whatever notices the change, a message's check or the clock:
    /// whoever may not be here any more is cut off at the next tick.
    fn refresh(&mut self) {
        if self.access.refresh() {
            for peer in self.peers.values_mut() {
                if !self.access.may_connect(&peer.certificate, &peer.id) {
                    peer.kicked = Some("FORBIDDEN_ACCESS");
                }
            }
        }
    }
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

/// Newest version of the interface that both sides speak.
#[unsafe(no_mangle)]
pub extern "C" fn mosquitto_plugin_version(count: c_int, versions: *const c_int) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: mosquitto passes an array of `count` integers.
    let known = (0..count).any(|i| unsafe { *versions.add(i) } == 5);
    if known { 5 } else { -1 }
}

/// Takes the options `registry`, the file of [`Access`], and `log`, mosquitto's own, and registers
/// for events.
#[unsafe(no_mangle)]
pub extern "C" fn mosquitto_plugin_init(
    identifier: *mut c_void,
    _user_data: *mut *mut c_void,
    options: *const Opt,
    count: c_int,
) -> c_int {
    let mut access = None;
    let mut log = PathBuf::new();
    for i in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: mosquitto passes `count` options whose strings live through this call.
        let (key, value) = unsafe { (text((*options.add(i)).key), text((*options.add(i)).value)) };
        if key == "registry" {
            access = Some(Access::new(Path::new(&value)));
        } else if key == "log" {
            log = PathBuf::from(value);
        }
    }
    let (Some(access), Some(broker)) = (access, Broker::find()) else {
        eprintln!("mosquitto-iot: no plugin_opt_registry, or a mosquitto without interface 5");
        return UNKNOWN;
    };
    type Register =
        extern "C" fn(*mut c_void, c_int, Callback, *const c_void, *mut c_void) -> c_int;
    // SAFETY: the function of this name has this signature in interface 5.
    let Some(register) = (unsafe { function::<Register>(c"mosquitto_callback_register") }) else {
        return UNKNOWN;
    };
    if let Ok(mut state) = STATE.lock() {
        *state = Some(State {
            broker,
            log,
            access,
            peers: BTreeMap::new(),
            sessions: 0,
        });
    }
    for (event, callback) in EVENTS {
        let status = register(
            identifier,
            event,
            callback,
            std::ptr::null(),
            std::ptr::null_mut(),
        );
        if status != SUCCESS {
            return status;
        }
    }
    SUCCESS
}

/// Forgets everything.
#[unsafe(no_mangle)]
pub extern "C" fn mosquitto_plugin_cleanup(
    _user_data: *mut c_void,
    _options: *const Opt,
    _count: c_int,
) -> c_int {
    if let Ok(mut state) = STATE.lock() {
        *state = None;
    }
    SUCCESS
}

extern "C" fn basic_auth(_: c_int, data: *mut c_void, _: *mut c_void) -> c_int {
    // SAFETY: this event brings a BasicAuth.
    let client = unsafe { (*data.cast::<BasicAuth>()).client };
    with_state(AUTH, |state| {
        state.peers.remove(&(client as usize));
        let Some(der) = state.broker.certificate(client) else {
            return SUCCESS;
        };
        let certificate = hex(&Sha256::digest(&der));
        let id = state.broker.id(client);
        state.refresh();
        if !state.access.may_connect(&certificate, &id) {
            return AUTH;
        }
        // For the log.
        if let Ok(name) = CString::new(id.as_str()) {
            (state.broker.set_username)(client, name.as_ptr());
        }
        state.sessions += 1;
        let peer = Peer {
            id,
            certificate,
            address: text((state.broker.client_address)(client)),
            session: state.sessions,
            kicked: None,
        };
        state.broker.presence(&peer, None);
        state.peers.insert(client as usize, peer);
        SUCCESS
    })
}

extern "C" fn acl_check(_: c_int, data: *mut c_void, _: *mut c_void) -> c_int {
    // SAFETY: this event brings an AclCheck.
    let event = unsafe { &*data.cast::<AclCheck>() };
    let topic = text(event.topic);
    with_state(ACL_DENIED, |state| {
        state.refresh();
        let Some(peer) = state.peers.get_mut(&(event.client as usize)) else {
            // The plain listener. Envelopes of the service are for the service.
            let own = state.broker.id(event.client) == SERVICE;
            let private = [REQUEST, DIRECT, KICK].iter().any(|p| topic.starts_with(p));
            return if private && !own { ACL_DENIED } else { SUCCESS };
        };
        let (certificate, id) = (&peer.certificate, &peer.id);
        let allowed = match event.access {
            READ => state.access.may_receive(certificate, id, &topic),
            WRITE => state
                .access
                .may_publish(certificate, id, &topic, event.retain),
            SUBSCRIBE => state.access.may_subscribe(certificate, id, &topic),
            _ => true,
        };
        if !allowed && event.access != READ {
            peer.kicked = Some("FORBIDDEN_ACCESS");
        }
        if allowed { SUCCESS } else { ACL_DENIED }
    })
}

extern "C" fn message(_: c_int, data: *mut c_void, _: *mut c_void) -> c_int {
    // SAFETY: this event brings a Message.
    let event = unsafe { &*data.cast::<Message>() };
    let topic = text(event.topic);
    with_state(SUCCESS, |state| {
        let length = c_int::try_from(event.payloadlen).unwrap_or(0);
        if topics::is_request(&topic) {
            // Who asks, for the answer to go there; nobody by name from the plain listener.
            let peer = state.peers.get(&(event.client as usize));
            let who = peer.map_or(("", ""), |p| (&p.certificate, &p.id));
            let envelope = format!("{REQUEST}{}/{}/{topic}", who.0, who.1);
            state
                .broker
                .send(Some(SERVICE), &envelope, event.payload, length, 1);
        } else if state.peers.contains_key(&(event.client as usize)) {
            return SUCCESS;
        } else if let Some(id) = topic.strip_prefix(KICK) {
            for peer in state.peers.values_mut().filter(|p| p.id == id) {
                peer.kicked = Some("CONNECTION_LOST");
            }
        } else if let Some((id, topic)) = topic.strip_prefix(DIRECT).and_then(|t| t.split_once('/'))
        {
            let qos = c_int::from(event.qos);
            let certificate = state
                .peers
                .values()
                .find(|p| p.id == id)
                .map(|p| p.certificate.as_str());
            if certificate.is_some_and(|c| state.access.may_receive(c, id, topic)) {
                state
                    .broker
                    .send(Some(id), topic, event.payload, length, qos);
            }
        }
        SUCCESS
    })
}

extern "C" fn tick(_: c_int, _: *mut c_void, _: *mut c_void) -> c_int {
    let mut kicks = Vec::new();
    let kick = with_state(None, |state| {
        state.refresh();
        let marked = state.peers.values().filter(|p| p.kicked.is_some());
        kicks.extend(marked.filter_map(|p| CString::new(p.id.as_str()).ok()));
        Some(state.broker.kick)
    });
    // Outside the lock: a kick brings the disconnect event.
    if let Some(kick) = kick {
        for id in kicks {
            kick(id.as_ptr(), true);
        }
    }
    SUCCESS
}

extern "C" fn disconnect(_: c_int, data: *mut c_void, _: *mut c_void) -> c_int {
    // SAFETY: this event brings a Disconnect.
    let event = unsafe { &*data.cast::<Disconnect>() };
    with_state(SUCCESS, |state| {
        if let Some(peer) = state.peers.remove(&(event.client as usize)) {
            let taken_over = state.peers.values().any(|p| p.id == peer.id);
            let reason = match peer.kicked {
                Some(reason) => reason,
                None if taken_over => "DUPLICATE_CLIENTID",
                None => logged_reason(&state.log, &peer.id),
            };
            state.broker.presence(&peer, Some(reason));
        }
        SUCCESS
    })
}

/// Why a client went, by AWS's names. mosquitto 2.0.11 gives -1 as the reason of every event, but
/// has logged the true one just before.
fn logged_reason(log: &Path, id: &str) -> &'static str {
    let tail = || {
        let mut file = File::open(log)?;
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(4096)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let client = format!(": Client {id} ");
    let text = tail().unwrap_or_default();
    let said = text
        .lines()
        .rev()
        .find_map(|line| line.split_once(&client))
        .map_or("", |(_, said)| said);
    match said {
        "disconnected." => "CLIENT_INITIATED_DISCONNECT",
        _ if said.contains("exceeded timeout") => "MQTT_KEEP_ALIVE_TIMEOUT",
        _ if said.contains("due to") => "CLIENT_ERROR",
        _ => "CONNECTION_LOST",
    }
}

/// A panic must not unwind into C: it would be mosquitto's end; it is a refusal instead.
fn with_state<T>(otherwise: T, action: impl FnOnce(&mut State) -> T) -> T {
    let run = || {
        let mut guard = STATE.lock().ok()?;
        guard.as_mut().map(action)
    };
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(Some(value)) => value,
        _ => otherwise,
    }
}

impl Broker {
    fn find() -> Option<Broker> {
        // SAFETY: each name has the signature that its field states, in interface 5 and OpenSSL 3.
        unsafe {
            Some(Broker {
                client_id: function(c"mosquitto_client_id")?,
                client_address: function(c"mosquitto_client_address")?,
                client_certificate: function(c"mosquitto_client_certificate")?,
                kick: function(c"mosquitto_kick_client_by_clientid")?,
                set_username: function(c"mosquitto_set_username")?,
                publish: function(c"mosquitto_broker_publish_copy")?,
                i2d_x509: function(c"i2d_X509")?,
                free_x509: function(c"X509_free")?,
            })
        }
    }

    fn id(&self, client: Client) -> String {
        text((self.client_id)(client))
    }

    /// DER of the client's certificate, if it came with one.
    fn certificate(&self, client: Client) -> Option<Vec<u8>> {
        let certificate = (self.client_certificate)(client);
        if certificate.is_null() {
            return None;
        }
        let length = (self.i2d_x509)(certificate, std::ptr::null_mut());
        let mut der = vec![0; usize::try_from(length).unwrap_or(0)];
        let mut end = der.as_mut_ptr();
        // The second call writes as many bytes as the first one told.
        (self.i2d_x509)(certificate, &raw mut end);
        (self.free_x509)(certificate);
        Some(der)
    }

    /// Publishes to one client, subscribed or not, or to every subscriber.
    fn send(
        &self,
        to: Option<&str>,
        topic: &str,
        payload: *const c_void,
        length: c_int,
        qos: c_int,
    ) {
        let to = to.map(CString::new).transpose();
        if let (Ok(to), Ok(topic)) = (to, CString::new(topic)) {
            let to = to.as_ref().map_or(std::ptr::null(), |t| t.as_ptr());
            // mosquitto copies topic and payload.
            (self.publish)(
                to,
                topic.as_ptr(),
                length,
                payload,
                qos,
                false,
                std::ptr::null_mut(),
            );
        }
    }

    /// AWS's lifecycle event (reference/aws-iot.md §1.6).
    fn presence(&self, peer: &Peer, reason: Option<&str>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let kind = if reason.is_some() {
            "disconnected"
        } else {
            "connected"
        };
        let mut body = json!({"clientId": peer.id,
            "timestamp": now.map_or(0, |d| d.as_millis() as u64), "eventType": kind,
            "sessionIdentifier": format!("{:032x}", peer.session),
            "principalIdentifier": peer.certificate, "ipAddress": peer.address,
            "versionNumber": peer.session});
        if let Some(reason) = reason {
            body["clientInitiatedDisconnect"] = (reason == "CLIENT_INITIATED_DISCONNECT").into();
            body["disconnectReason"] = reason.into();
        }
        let body = body.to_string();
        let topic = format!("$aws/events/presence/{kind}/{}", peer.id);
        let length = c_int::try_from(body.len()).unwrap_or(0);
        self.send(None, &topic, body.as_ptr().cast(), length, 1);
    }
}

/// A function of this process, by its name.
///
/// # Safety
/// `F` is an `extern "C"` function pointer of the signature that the name has.
unsafe fn function<F: Copy>(name: &CStr) -> Option<F> {
    // SAFETY: looks a name up in the whole process (RTLD_DEFAULT is null); changes nothing.
    let found = unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) };
    let fits = size_of::<F>() == size_of::<*mut c_void>();
    // SAFETY: of the same size; that the bits are such a function is the caller's promise.
    (fits && !found.is_null()).then(|| unsafe { std::mem::transmute_copy(&found) })
}

fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: mosquitto's strings end with a zero, and live through the call that brings them.
    unsafe { CStr::from_ptr(string) }
        .to_string_lossy()
        .into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
