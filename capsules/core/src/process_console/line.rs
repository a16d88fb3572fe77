//! The command line: keys out of bytes, editing, history.
//!
//! Owns what is typed and what a terminal must be sent so that it shows the same. Knows no command.

use super::COMMAND_BUF_LEN;

/// A command that was typed.
#[derive(Clone, Copy)]
pub struct Command {
    bytes: [u8; COMMAND_BUF_LEN],
    length: usize,
}

impl Default for Command {
    fn default() -> Self {
        Command {
            bytes: [0; COMMAND_BUF_LEN],
            length: 0,
        }
    }
}

impl Command {
    fn text(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn set(&mut self, text: &[u8]) {
        self.length = text.len().min(COMMAND_BUF_LEN);
        for (to, byte) in self.bytes.iter_mut().zip(text) {
            *to = *byte;
        }
    }
}

/// What somebody pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Byte(u8),
    Enter,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
}

/// Recognises keys in bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Keys {
    escape: Escape,
    /// The last one was CR: LF is part of it.
    after_cr: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Begun,
    Bracket,
    Digit(u8),
}

impl Keys {
    /// The key that `byte` completes.
    pub(super) fn key(&mut self, byte: u8) -> Option<Key> {
        let after_cr = core::mem::replace(&mut self.after_cr, byte == b'\r');
        let escape = core::mem::take(&mut self.escape);
        match (escape, byte) {
            (_, 0x1b) => {
                self.escape = Escape::Begun;
                None
            }
            (Escape::Begun, b'[' | b'O') => {
                self.escape = Escape::Bracket;
                None
            }
            (Escape::Bracket, b'0'..=b'9') => {
                self.escape = Escape::Digit(byte);
                None
            }
            (Escape::Bracket, b'A') => Some(Key::Up),
            (Escape::Bracket, b'B') => Some(Key::Down),
            (Escape::Bracket, b'C') => Some(Key::Right),
            (Escape::Bracket, b'D') => Some(Key::Left),
            (Escape::Bracket, b'H') => Some(Key::Home),
            (Escape::Bracket, b'F') => Some(Key::End),
            (Escape::Digit(b'1' | b'7'), b'~') => Some(Key::Home),
            (Escape::Digit(b'4' | b'8'), b'~') => Some(Key::End),
            (Escape::Digit(b'3'), b'~') => Some(Key::Delete),
            (Escape::Begun | Escape::Bracket | Escape::Digit(_), _) => None,
            (Escape::None, b'\n') if after_cr => None,
            (Escape::None, b'\r' | b'\n') => Some(Key::Enter),
            (Escape::None, 0x08 | 0x7f) => Some(Key::Backspace),
            (Escape::None, b' '..=b'~') => Some(Key::Byte(byte)),
            (Escape::None, _) => None,
        }
    }
}

/// The line that is typed, and those before.
pub(super) struct Line<const HISTORY: usize> {
    buffer: &'static mut [u8],
    length: usize,
    cursor: usize,
    history: &'static mut [Command; HISTORY],
    remembered: usize,
    /// How far back the line shown is; 0 is the one that is typed.
    back: usize,
}

impl<const HISTORY: usize> Line<HISTORY> {
    pub(super) fn new(buffer: &'static mut [u8], history: &'static mut [Command; HISTORY]) -> Self {
        Line {
            buffer,
            length: 0,
            cursor: 0,
            history,
            remembered: 0,
            back: 0,
        }
    }

    /// Most bytes of a line.
    fn limit(&self) -> usize {
        self.buffer.len().min(COMMAND_BUF_LEN)
    }

    /// Does what a key does; `show` is what the terminal must be sent.
    pub(super) fn key(&mut self, key: Key, show: &mut dyn FnMut(&[u8])) {
        match key {
            Key::Enter => {}
            Key::Byte(byte) => {
                if self.length >= self.limit() {
                    return;
                }
                self.buffer
                    .copy_within(self.cursor..self.length, self.cursor + 1);
                if let Some(to) = self.buffer.get_mut(self.cursor) {
                    *to = byte;
                }
                self.length += 1;
                self.show_tail(show);
                self.cursor += 1;
                self.back_to_cursor(show);
            }
            Key::Backspace if self.cursor > 0 => {
                show(b"\x08");
                self.cursor -= 1;
                self.remove(show);
            }
            Key::Delete if self.cursor < self.length => self.remove(show),
            Key::Left if self.cursor > 0 => {
                show(b"\x08");
                self.cursor -= 1;
            }
            Key::Right if self.cursor < self.length => {
                let byte = self.buffer.get(self.cursor).copied().unwrap_or(b' ');
                show(&[byte]);
                self.cursor += 1;
            }
            Key::Home => {
                (0..self.cursor).for_each(|_| show(b"\x08"));
                self.cursor = 0;
            }
            Key::End => {
                self.show_tail(show);
                self.cursor = self.length;
            }
            Key::Up if self.back < self.remembered => self.recall(self.back + 1, show),
            Key::Down if self.back > 0 => self.recall(self.back - 1, show),
            Key::Backspace | Key::Delete | Key::Left | Key::Right | Key::Up | Key::Down => {}
        }
    }

    /// The line as it stands; the next one begins. It is remembered unless it is empty or the same
    /// as the one before.
    pub(super) fn take(&mut self, out: &mut [u8; COMMAND_BUF_LEN]) -> usize {
        let length = self.length.min(out.len());
        let text = self.buffer.get(..length).unwrap_or_default();
        for (to, byte) in out.iter_mut().zip(text) {
            *to = *byte;
        }
        let again = self.remembered > 0 && self.history.first().is_some_and(|h| h.text() == text);
        if length > 0 && !again {
            self.history.rotate_right(1);
            if let Some(newest) = self.history.first_mut() {
                newest.set(text);
                self.remembered = (self.remembered + 1).min(HISTORY);
            }
        }
        (self.length, self.cursor, self.back) = (0, 0, 0);
        length
    }

    fn show_tail(&self, show: &mut dyn FnMut(&[u8])) {
        show(
            self.buffer
                .get(self.cursor..self.length)
                .unwrap_or_default(),
        );
    }

    fn back_to_cursor(&self, show: &mut dyn FnMut(&[u8])) {
        (self.cursor..self.length).for_each(|_| show(b"\x08"));
    }

    /// Takes the byte under the cursor away.
    fn remove(&mut self, show: &mut dyn FnMut(&[u8])) {
        self.buffer
            .copy_within(self.cursor + 1..self.length, self.cursor);
        self.length -= 1;
        self.show_tail(show);
        show(b" \x08");
        self.back_to_cursor(show);
    }

    /// Shows the line that is `back` back.
    fn recall(&mut self, back: usize, show: &mut dyn FnMut(&[u8])) {
        self.key(Key::End, show);
        (0..self.length).for_each(|_| show(b"\x08 \x08"));
        let old = match back.checked_sub(1) {
            Some(i) => self.history.get(i).copied().unwrap_or_default(),
            None => Command::default(),
        };
        let text = old.text();
        self.length = text.len().min(self.limit());
        for (to, byte) in self.buffer.iter_mut().zip(text) {
            *to = *byte;
        }
        self.cursor = self.length;
        self.back = back;
        show(self.buffer.get(..self.length).unwrap_or_default());
    }
}
