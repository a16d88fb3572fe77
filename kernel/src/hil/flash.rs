//! Flash in pages: read, program, erase.
//!
//! Owns upstream's traits (`reference/tock.md` §4.8). NOR rules are the driver's: erasing sets 0xFF,
//! writing only clears bits.

/// Gives a driver its client.
pub trait HasClient<'a, C> {
    /// Whom to call back.
    fn set_client(&'a self, client: &'a C);
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The device failed.
    FlashError,
    /// The page must not be changed.
    FlashMemoryProtectionError,
}

/// Flash of equal pages, numbered from 0.
pub trait Flash {
    /// One page's bytes.
    type Page: AsMut<[u8]> + Default;

    /// Reads a page; `read_complete` later.
    ///
    /// # Errors
    /// With the buffer: no such page, or busy.
    fn read_page(
        &self,
        page_number: usize,
        buf: &'static mut Self::Page,
    ) -> Result<(), (crate::ErrorCode, &'static mut Self::Page)>;
    /// Writes a page that is erased; `write_complete` later.
    ///
    /// # Errors
    /// With the buffer: no such page, or busy.
    fn write_page(
        &self,
        page_number: usize,
        buf: &'static mut Self::Page,
    ) -> Result<(), (crate::ErrorCode, &'static mut Self::Page)>;
    /// Erases a page; `erase_complete` later.
    ///
    /// # Errors
    /// No such page, or busy.
    fn erase_page(&self, page_number: usize) -> Result<(), crate::ErrorCode>;
}

/// Hears of pages.
pub trait Client<F: Flash> {
    /// A page was read.
    fn read_complete(&self, buffer: &'static mut F::Page, result: Result<(), Error>);
    /// A page was written.
    fn write_complete(&self, buffer: &'static mut F::Page, result: Result<(), Error>);
    /// A page was erased.
    fn erase_complete(&self, result: Result<(), Error>);
}
