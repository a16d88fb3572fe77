//! A watcher at the broker: which message passed when, and how long it was.
//!
//! Owns a connection of its own to the broker's plain listener; times are when a message came here.

use anyhow::{Result, bail};
use rumqttc::{Client, Event, MqttOptions, Outgoing, Packet, QoS};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A message that passed the broker.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// On which topic.
    pub topic: String,
}

/// The watcher; it leaves when dropped.
pub struct Watch {
    client: Client,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Watch {
    /// Watches everything that passes the broker at `port`.
    ///
    /// # Errors
    /// When the broker does not let it.
    pub fn start(port: u16) -> Result<Watch> {
        let mut options = MqttOptions::new("tockstone-bench", "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut connection) = Client::new(options, 100);
        for filter in ["#", "$aws/things/#"] {
            client.subscribe(filter, QoS::AtMostOnce)?;
        }
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, ready) = (Arc::clone(&seen), Arc::new(Mutex::new(0)));
        let subscribed = Arc::clone(&ready);
        std::thread::spawn(move || {
            for event in connection.iter() {
                let at = Instant::now();
                match event {
                    Ok(Event::Incoming(Packet::SubAck(_))) => *lock(&subscribed) += 1,
                    Ok(Event::Incoming(Packet::Publish(message))) => lock(&log).push(Seen {
                        at,
                        topic: message.topic,
                    }),
                    Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        });
        let deadline = Instant::now() + Duration::from_secs(10);
        while *lock(&ready) < 2 {
            if Instant::now() > deadline {
                bail!("the broker on port {port} lets nobody watch");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Watch { client, seen })
    }

    /// What passed so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
