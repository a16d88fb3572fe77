//! The kernel's byte-addressed store: pages in Protected Storage, as `hil::nonvolatile_storage`.
//!
//! Owns the objects [`FIRST_UID`] + page under the kernel's client id, each a page of bytes; a page
//! that was never written reads as 0xFF. So bytes are encrypted, authenticated and safe against
//! replay, and what is written inside one page is there whole or not at all, whenever power fails.
//! Does not own who may reach which address. One call into the secure world at a time.

use core::cell::Cell;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::nonvolatile_storage::{NonvolatileStorage, NonvolatileStorageClient};
use kernel::utilities::cells::{MapCell, OptionalCell, TakeCell};
use psa_client::ps;
use psa_interface::Status;
use psa_interface::storage::FLAG_NONE;
use tfm_psa_driver::{Gate, KernelClient, Spe};

/// `uid` of page 0: "TOCKNV", 0.
pub const FIRST_UID: u64 = 0x544F_434B_4E56_0000;
/// What a byte reads as that was never written.
const ERASED: u8 = 0xFF;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
}

struct Request {
    kind: Kind,
    buffer: &'static mut [u8],
    address: usize,
    length: usize,
    done: usize,
    /// The page is in memory, changed, and is to be stored.
    changed: bool,
}

/// Bytes from Protected Storage, for one user.
pub struct PsaNvm<'a, G: Gate> {
    spe: &'a Spe<G>,
    client: OptionalCell<&'a dyn NonvolatileStorageClient>,
    request: MapCell<Request>,
    page: TakeCell<'static, [u8]>,
    page_length: usize,
    length: usize,
    first_page: usize,
    busy: Cell<bool>,
    deferred: DeferredCall,
}

impl<'a, G: Gate> PsaNvm<'a, G> {
    /// `pages` pages, as long as `page` (at most 4 KiB), from page `first_page` on. The board
    /// registers the deferred call.
    pub fn new(spe: &'a Spe<G>, page: &'static mut [u8], first_page: usize, pages: usize) -> Self {
        let page_length = page.len();
        PsaNvm {
            spe,
            client: OptionalCell::empty(),
            request: MapCell::empty(),
            page: TakeCell::new(page),
            page_length,
            length: page_length.saturating_mul(pages),
            first_page,
            busy: Cell::new(false),
            // A page is encrypted at a time.
            deferred: DeferredCall::new_slow(),
        }
    }

    fn accept(
        &self,
        kind: Kind,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), ErrorCode> {
        let end = address.checked_add(length);
        if end.is_none_or(|end| end > self.length) || length > buffer.len() {
            return Err(ErrorCode::INVAL);
        }
        if self.busy.replace(true) {
            return Err(ErrorCode::BUSY);
        }
        self.request.put(Request {
            kind,
            buffer,
            address,
            length,
            done: 0,
            changed: false,
        });
        self.deferred.set();
        Ok(())
    }

    /// One call; whether another must follow.
    fn step(&self, request: &mut Request, page: &mut [u8]) -> Result<bool, Status> {
        let left = request.length.saturating_sub(request.done);
        if left == 0 || self.page_length == 0 {
            return Ok(false);
        }
        let at = request.address + request.done;
        let (number, offset) = (at / self.page_length, at % self.page_length);
        let n = left.min(self.page_length - offset);
        let uid = FIRST_UID + (self.first_page + number) as u64;
        let spe = &KernelClient(self.spe);
        if request.changed {
            ps::set(spe, uid, page, FLAG_NONE)?;
            request.changed = false;
            request.done += n;
            return Ok(request.done < request.length);
        }
        let had = match ps::get(spe, uid, 0, page) {
            Ok(had) => had,
            Err(Status::DOES_NOT_EXIST) => 0,
            Err(status) => return Err(status),
        };
        page.get_mut(had..).unwrap_or_default().fill(ERASED);
        let bytes = request.buffer.get_mut(request.done..request.done + n);
        let (Some(bytes), Some(there)) = (bytes, page.get_mut(offset..offset + n)) else {
            return Err(Status::GENERIC_ERROR);
        };
        match request.kind {
            Kind::Read => {
                bytes.copy_from_slice(there);
                request.done += n;
                Ok(request.done < request.length)
            }
            Kind::Write => {
                there.copy_from_slice(bytes);
                request.changed = true;
                Ok(true)
            }
        }
    }
}

impl<G: Gate> DeferredCallClient for PsaNvm<'_, G> {
    fn handle_deferred_call(&self) {
        let Some(mut request) = self.request.take() else {
            return;
        };
        let more = self
            .page
            .map(|page| self.step(&mut request, page))
            .unwrap_or(Err(Status::GENERIC_ERROR));
        if more == Ok(true) {
            self.request.put(request);
            self.deferred.set();
            return;
        }
        // A failure is told by a length that is too small.
        self.busy.set(false);
        if let Some(client) = self.client.get() {
            match request.kind {
                Kind::Read => client.read_done(request.buffer, request.done),
                Kind::Write => client.write_done(request.buffer, request.done),
            }
        }
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

impl<'a, G: Gate> NonvolatileStorage<'a> for PsaNvm<'a, G> {
    fn set_client(&self, client: &'a dyn NonvolatileStorageClient) {
        self.client.set(client);
    }

    fn read(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), ErrorCode> {
        self.accept(Kind::Read, buffer, address, length)
    }

    fn write(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), ErrorCode> {
        self.accept(Kind::Write, buffer, address, length)
    }
}
