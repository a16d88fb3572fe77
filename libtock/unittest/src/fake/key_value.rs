//! Key-value store: driver 0x50003.

use crate::command_return::{failure, success};
use crate::fake::{DriverInfo, DriverShareRef, SyscallDriver};
use crate::{RoAllowBuffer, RwAllowBuffer};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The driver, with a store that is empty at first.
#[derive(Default)]
pub struct KeyValue {
    store: RefCell<HashMap<Vec<u8>, Vec<u8>>>,
    key: RefCell<RoAllowBuffer>,
    value: RefCell<RoAllowBuffer>,
    destination: RefCell<RwAllowBuffer>,
    share_ref: DriverShareRef,
}

impl KeyValue {
    /// One with nothing in it.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<KeyValue> {
        Rc::default()
    }

    fn get(&self, key: &[u8]) -> Result<u32, (ErrorCode, u32)> {
        let store = self.store.borrow();
        let value = store.get(key).ok_or((ErrorCode::NoSupport, 0))?;
        let mut buffer = self.destination.borrow_mut();
        let n = buffer.len().min(value.len());
        buffer[..n].copy_from_slice(&value[..n]);
        let length = value.len() as u32;
        if n < value.len() {
            return Err((ErrorCode::Size, length));
        }
        Ok(length)
    }

    fn put(&self, key: Vec<u8>, wanted: Option<bool>) -> Result<u32, (ErrorCode, u32)> {
        let mut store = self.store.borrow_mut();
        if wanted.is_some_and(|w| store.contains_key(&key) != w) {
            return Err((ErrorCode::NoSupport, 0));
        }
        store.insert(key, self.value.borrow().to_vec());
        Ok(0)
    }
}

impl SyscallDriver for KeyValue {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x50003).upcall_count(1)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.replace(share_ref);
    }

    fn command(&self, command: u32, _: u32, _: u32) -> CommandReturn {
        let key = self.key.borrow().to_vec();
        let result = match command {
            0 => return success(),
            1 => self.get(&key),
            2 => self.put(key, None),
            3 => match self.store.borrow_mut().remove(&key) {
                Some(_) => Ok(0),
                None => Err((ErrorCode::NoSupport, 0)),
            },
            4 => self.put(key, Some(false)),
            5 => self.put(key, Some(true)),
            _ => return failure(ErrorCode::NoSupport),
        };
        let told = match result {
            Ok(length) => (0, length, 0),
            Err((e, length)) => (e as u32, length, 0),
        };
        self.share_ref.tell(0, told);
        success()
    }

    fn allow_readonly(
        &self,
        buffer_num: u32,
        buffer: RoAllowBuffer,
    ) -> Result<RoAllowBuffer, (RoAllowBuffer, ErrorCode)> {
        match buffer_num {
            0 => Ok(self.key.replace(buffer)),
            1 => Ok(self.value.replace(buffer)),
            _ => Err((buffer, ErrorCode::Invalid)),
        }
    }

    fn allow_readwrite(
        &self,
        buffer_num: u32,
        buffer: RwAllowBuffer,
    ) -> Result<RwAllowBuffer, (RwAllowBuffer, ErrorCode)> {
        match buffer_num {
            0 => Ok(self.destination.replace(buffer)),
            _ => Err((buffer, ErrorCode::Invalid)),
        }
    }
}
