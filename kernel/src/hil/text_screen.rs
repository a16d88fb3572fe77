//! Displays of characters.

use crate::ErrorCode;

/// A display. Each accepted command ends in one callback.
pub trait TextScreen<'a> {
    /// Whom to tell.
    fn set_client(&self, client: Option<&'a dyn TextScreenClient>);
    /// Columns and rows.
    fn get_size(&self) -> (usize, usize);
    /// Writes at the cursor; `write_complete` follows.
    ///
    /// # Errors
    /// `BUSY`, with the buffer.
    fn print(
        &self,
        buffer: &'static mut [u8],
        len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
    /// Moves the cursor.
    ///
    /// # Errors
    /// `BUSY`.
    fn set_cursor(&self, x_position: usize, y_position: usize) -> Result<(), ErrorCode>;
    /// Hides the cursor.
    ///
    /// # Errors
    /// `BUSY`.
    fn hide_cursor(&self) -> Result<(), ErrorCode>;
    /// Shows the cursor.
    ///
    /// # Errors
    /// `BUSY`.
    fn show_cursor(&self) -> Result<(), ErrorCode>;
    /// Lets the cursor blink.
    ///
    /// # Errors
    /// `BUSY`.
    fn blink_cursor_on(&self) -> Result<(), ErrorCode>;
    /// Stops that.
    ///
    /// # Errors
    /// `BUSY`.
    fn blink_cursor_off(&self) -> Result<(), ErrorCode>;
    /// Turns the display on.
    ///
    /// # Errors
    /// `BUSY`.
    fn display_on(&self) -> Result<(), ErrorCode>;
    /// Turns the display off.
    ///
    /// # Errors
    /// `BUSY`.
    fn display_off(&self) -> Result<(), ErrorCode>;
    /// Clears the display.
    ///
    /// # Errors
    /// `BUSY`.
    fn clear(&self) -> Result<(), ErrorCode>;
}

/// Learns of commands.
pub trait TextScreenClient {
    /// One that was not `print` ended.
    fn command_complete(&self, r: Result<(), ErrorCode>);
    /// A `print` ended.
    fn write_complete(&self, buffer: &'static mut [u8], len: usize, r: Result<(), ErrorCode>);
}
