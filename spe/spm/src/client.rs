//! Which non-secure client a call is made for: TF-M's non-secure client id extension (`tfm_nsce`).
//!
//! Owns the one context that there is and its token (`TFM_NS_CONTEXT_MAX` = 1). Ids are those
//! that the other world selects, negative, −1 until it selects one; services see them unchanged.
//! Does not own who may call: the veneers let handler mode in, and tell.
//!
//! The functions may interrupt a call; a call takes its id once, when it begins.

use crate::message::ClientId;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// Answers of release, load and save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NsceStatus {
    /// Done.
    Success = 0,
    /// The token is not that of an acquired context.
    BadToken = 1,
    /// A client id must be negative.
    BadClient = 2,
    /// Not called from handler mode.
    BadAccess = 3,
}

const DEFAULT: i32 = -1;
/// A token is below this: bits 31:24 are zero.
const NONE: u32 = 0xFFFF_FFFF;

/// The contexts of the other world: one.
#[derive(Debug)]
pub struct Contexts {
    token: AtomicU32,
    client: AtomicI32,
}

impl Default for Contexts {
    fn default() -> Self {
        Self::new()
    }
}

impl Contexts {
    /// Nothing acquired; the default client.
    pub const fn new() -> Self {
        Contexts {
            token: AtomicU32::new(NONE),
            client: AtomicI32::new(DEFAULT),
        }
    }

    /// The client that a call is made for now.
    pub fn client(&self) -> ClientId {
        ClientId(self.client.load(Ordering::Relaxed))
    }

    /// `tfm_nsce_init`: the number of contexts there are; 0 outside handler mode or for 0 wanted.
    pub fn init(&self, handler: bool, wanted: u32) -> u32 {
        u32::from(handler && wanted != 0)
    }

    /// `tfm_nsce_acquire_ctx`: a token (thread 7:0, group 15:8, context 0), 3 outside handler
    /// mode, `0xFFFF_FFFF` when the context is taken by another group.
    pub fn acquire(&self, handler: bool, group: u8, thread: u8) -> u32 {
        if !handler {
            return NsceStatus::BadAccess as u32;
        }
        let old = self.token.load(Ordering::Relaxed);
        if old != NONE && (old >> 8) as u8 != group {
            return NONE;
        }
        let token = u32::from(group) << 8 | u32::from(thread);
        self.token.store(token, Ordering::Relaxed);
        token
    }

    /// `tfm_nsce_release_ctx`: gives the context back and selects the default client.
    pub fn release(&self, handler: bool, token: u32) -> NsceStatus {
        let status = self.check(handler, token);
        if status == NsceStatus::Success {
            self.token.store(NONE, Ordering::Relaxed);
            self.client.store(DEFAULT, Ordering::Relaxed);
        }
        status
    }

    /// `tfm_nsce_load_ctx`: selects the client for the calls that follow.
    pub fn load(&self, handler: bool, token: u32, client: i32) -> NsceStatus {
        let status = self.check(handler, token);
        if status == NsceStatus::Success {
            if client >= 0 {
                return NsceStatus::BadClient;
            }
            self.client.store(client, Ordering::Relaxed);
        }
        status
    }

    /// `tfm_nsce_save_ctx`: the thread is switched out; selects the default client.
    pub fn save(&self, handler: bool, token: u32) -> NsceStatus {
        let status = self.check(handler, token);
        if status == NsceStatus::Success {
            self.client.store(DEFAULT, Ordering::Relaxed);
        }
        status
    }

    fn check(&self, handler: bool, token: u32) -> NsceStatus {
        if !handler {
            NsceStatus::BadAccess
        } else if token == NONE || token != self.token.load(Ordering::Relaxed) {
            NsceStatus::BadToken
        } else {
            NsceStatus::Success
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_selected_by_its_token_only() {
        let c = Contexts::new();
        assert_eq!(c.client(), ClientId(-1));
        assert_eq!(
            (c.init(false, 1), c.init(true, 1), c.init(true, 0)),
            (0, 1, 0)
        );
        assert_eq!(c.load(true, NONE, -2), NsceStatus::BadToken);
        assert_eq!(c.load(true, 0x105, -2), NsceStatus::BadToken);
        assert_eq!(c.acquire(false, 1, 5), 3);
        assert_eq!(c.acquire(true, 1, 5), 0x105);
        assert_eq!(c.acquire(true, 2, 5), NONE);
        assert_eq!(c.load(false, 0x105, -2), NsceStatus::BadAccess);
        assert_eq!(c.load(true, 0x105, 0), NsceStatus::BadClient);
        assert_eq!(c.load(true, 0x105, 259), NsceStatus::BadClient);
        assert_eq!(c.client(), ClientId(-1));
        assert_eq!(c.load(true, 0x105, -7), NsceStatus::Success);
        assert_eq!(c.client(), ClientId(-7));
        assert_eq!(c.save(true, 0x105), NsceStatus::Success);
        assert_eq!(c.client(), ClientId(-1));
        assert_eq!(c.load(true, 0x105, -7), NsceStatus::Success);
        assert_eq!(c.release(true, 0x104), NsceStatus::BadToken);
        assert_eq!(c.release(true, 0x105), NsceStatus::Success);
        assert_eq!(c.client(), ClientId(-1));
        assert_eq!(c.load(true, 0x105, -7), NsceStatus::BadToken);
    }
}
