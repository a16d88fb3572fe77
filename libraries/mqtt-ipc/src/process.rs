//! A process's connection to net-mqtt by Tock IPC: found, shared, kept alive.
//!
//! Owns discovery (until net-mqtt is up), the sharing of the page (once: the kernel maps it anew
//! for a net-mqtt that restarted), and the noticing of such a restart: a query every
//! [`QUERY_MS`] that a service without memory of us answers with [`Status::Lost`]. The caller then
//! sees the link go down, and up when it is; subscriptions must be made again after each "up".
//! Does not own the loop: the caller sleeps until its inbox has a notice or time is due.

use crate::{Client, Error, Event, Link, PACKAGE, Qos, Status};
use libtock_ipc::{Ipc, IpcInbox, Service, SharedMemory};
use libtock_platform::{ErrorCode, Syscalls};

/// From one query to the next, milliseconds.
pub const QUERY_MS: u64 = 5_000;
/// From one attempt at discovery to the next, milliseconds.
const DISCOVER_MS: u64 = 500;
/// Queries without an answer after which the service counts as gone.
const PATIENCE: u8 = 3;

/// Rings net-mqtt's bell.
pub struct ServiceBell<S>(Service, core::marker::PhantomData<fn() -> S>);

impl<S: Syscalls> crate::client::Bell for ServiceBell<S> {
    fn ring(&mut self) {
        // Restarting, or its queue is full: the next ring, at a query at the latest, makes up.
        let _ = Ipc::<S>::notify_service(self.0);
    }
}

enum State<S> {
    Searching {
        page: &'static mut [u8],
        next: u64,
    },
    Open(Client<SharedMemory, ServiceBell<S>>),
    /// The kernel refused the page: a fault of our own layout.
    Failed,
}

/// The connection; all times are milliseconds that never go back.
pub struct Connection<S> {
    state: State<S>,
    inbox: &'static IpcInbox,
    /// When the last query went out, its number while unanswered, and how many were not answered.
    asked: u64,
    query: Option<u32>,
    missed: u8,
    /// The service forgot us: `Open` has to go out again.
    reopen: bool,
    online: bool,
}

impl<S: Syscalls> Connection<S> {
    /// A connection over `page` ([`crate::PAGE_SIZE`] bytes); notices of the service will land in
    /// `inbox`.
    pub fn new(page: &'static mut [u8], inbox: &'static IpcInbox) -> Self {
        Connection {
            state: State::Searching { page, next: 0 },
            inbox,
            asked: 0,
            query: None,
            missed: 0,
            reopen: false,
            online: false,
        }
    }

    /// Does what is due; call it before [`Connection::poll`], at least every second.
    ///
    /// # Errors
    /// Once, when the kernel refuses to share the page; the connection is then dead.
    pub fn step(&mut self, now: u64) -> Result<(), ErrorCode> {
        while self.inbox.take().is_some() {}
        match &mut self.state {
            State::Failed => Ok(()),
            State::Searching { next, .. } if now < *next => Ok(()),
            State::Searching { next, .. } => {
                *next = now + DISCOVER_MS;
                match Ipc::<S>::discover(PACKAGE) {
                    Ok(service) => self.open(service, now),
                    Err(_) => Ok(()),
                }
            }
            State::Open(client) => {
                if self.reopen && client.reopen().is_ok() {
                    self.reopen = false;
                }
                if now >= self.asked + QUERY_MS {
                    if self.query.is_some() {
                        self.missed = self.missed.saturating_add(1);
                    }
                    self.asked = now;
                    match client.query() {
                        Ok(seq) => self.query = Some(seq),
                        // The mailbox is still full: nobody reads. The poll rings again.
                        Err(_) => self.missed = self.missed.saturating_add(1),
                    }
                }
                Ok(())
            }
        }
    }

    fn open(&mut self, service: Service, now: u64) -> Result<(), ErrorCode> {
        let State::Searching { page, .. } = core::mem::replace(&mut self.state, State::Failed)
        else {
            return Ok(());
        };
        Ipc::<S>::register_client(service, self.inbox)?;
        let memory = Ipc::<S>::share(service, page)?;
        let bell = ServiceBell(service, core::marker::PhantomData);
        self.state = State::Open(Client::new(memory, bell));
        self.asked = now;
        Ok(())
    }

    /// What the service reported: changes of the link, messages, and results (some of requests
    /// that are not the caller's).
    ///
    /// # Errors
    /// As [`Client::poll`]: that message is gone.
    pub fn poll<'b>(&mut self, buf: &'b mut [u8]) -> Result<Option<Event<'b>>, Error> {
        let State::Open(client) = &mut self.state else {
            return Ok(None);
        };
        if self.missed >= PATIENCE && self.online {
            self.online = false;
            return Ok(Some(Event::State(Link::Offline)));
        }
        let event = client.poll(buf)?;
        if event.is_some() {
            self.missed = 0;
        }
        match event {
            Some(Event::Result { seq, status }) if self.query == Some(seq) => {
                self.query = None;
                if status == Status::Lost {
                    self.reopen = true;
                    self.online = false;
                    return Ok(Some(Event::State(Link::Offline)));
                }
            }
            // Only changes are news; and what a service says that does not know us is none.
            Some(Event::State(link)) => {
                let online = link == Link::Online && !self.reopen;
                let changed = online != self.online;
                self.online = online;
                return Ok(event.filter(|_| changed));
            }
            _ => {}
        }
        Ok(event)
    }

    /// As [`Client::thing`].
    pub fn thing(&self) -> Option<&str> {
        match &self.state {
            State::Open(client) => client.thing(),
            _ => None,
        }
    }

    /// As [`Client::publish`].
    ///
    /// # Errors
    /// [`Error::Busy`] also while there is no service; else as there.
    pub fn publish(&mut self, topic: &str, payload: &[u8], qos: Qos) -> Result<u32, Error> {
        self.client()?.publish(topic, payload, qos)
    }

    /// As [`Client::subscribe`].
    ///
    /// # Errors
    /// [`Error::Busy`] also while there is no service; else as there.
    pub fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<u32, Error> {
        self.client()?.subscribe(filter, qos)
    }

    fn client(&mut self) -> Result<&mut Client<SharedMemory, ServiceBell<S>>, Error> {
        match &mut self.state {
            // Before it is opened again, whatever is asked is forgotten.
            State::Open(client) if !self.reopen => Ok(client),
            _ => Err(Error::Busy),
        }
    }
}
