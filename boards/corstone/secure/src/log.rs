//! The secure log on UART0: short lines, no formatting machinery.
//!
//! Owns how a line is put together. Nothing secret is ever printed.

use chip::polled_uart::PolledUart;

/// A line under construction; ends with [`Line::end`].
pub struct Line(PolledUart);

/// Starts a line.
pub fn line(text: &str) -> Line {
    Line(crate::cpu::secure_uart()).text("spe: ").text(text)
}

impl Line {
    /// Appends text.
    pub fn text(mut self, text: &str) -> Self {
        self.0.write_bytes(text.as_bytes());
        self
    }

    /// Appends bytes, anything unprintable as `?`.
    #[allow(dead_code)]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            let printable = byte.is_ascii_graphic() || *byte == b' ';
            self.0.write_bytes(&[if printable { *byte } else { b'?' }]);
        }
        self
    }

    /// Appends `0x` and eight digits.
    pub fn hex(self, value: u32) -> Self {
        let mut line = self.text("0x");
        for shift in (0..8).rev() {
            let digit = (value >> (4 * shift) & 0xF) as u8;
            let ascii = if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            };
            line.0.write_bytes(&[ascii]);
        }
        line
    }

    /// Ends the line.
    pub fn end(self) {
        self.text("\r\n");
    }
}
