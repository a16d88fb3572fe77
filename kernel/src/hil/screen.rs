//! Displays of pixels.

use crate::ErrorCode;
use crate::utilities::leasable_buffer::SubSliceMut;
use core::ops::{Add, Sub};

/// How the picture is turned.
#[derive(Copy, Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum ScreenRotation {
    Normal,
    Rotated90,
    Rotated180,
    Rotated270,
}

impl ScreenRotation {
    fn quarters(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::Rotated90 => 1,
            Self::Rotated180 => 2,
            Self::Rotated270 => 3,
        }
    }
    fn from_quarters(n: u8) -> Self {
        match n % 4 {
            0 => Self::Normal,
            1 => Self::Rotated90,
            2 => Self::Rotated180,
            _ => Self::Rotated270,
        }
    }
}

impl Add for ScreenRotation {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::from_quarters(self.quarters() + other.quarters())
    }
}

impl Sub for ScreenRotation {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::from_quarters(4 + self.quarters() - other.quarters())
    }
}

/// How a pixel is written; the numbers are those of the system call interface.
#[derive(Copy, Clone, PartialEq, Debug)]
#[repr(usize)]
#[allow(non_camel_case_types)]
pub enum ScreenPixelFormat {
    /// One bit.
    Mono = 0,
    /// Red 3, green 3, blue 2 bits.
    RGB_332 = 1,
    /// Red 5, green 6, blue 5 bits.
    RGB_565 = 2,
    /// Eight bits each.
    RGB_888 = 3,
    /// Alpha and colours, eight bits each.
    ARGB_8888 = 4,
    /// Blue, green, red and opaque, one bit each.
    RGB_4BIT = 5,
    /// One bit; a byte is eight pixels downwards.
    Mono_8BitPage = 6,
}

impl ScreenPixelFormat {
    /// Bits of a pixel.
    pub fn get_bits_per_pixel(&self) -> usize {
        match self {
            Self::Mono | Self::Mono_8BitPage => 1,
            Self::RGB_4BIT => 4,
            Self::RGB_332 => 8,
            Self::RGB_565 => 16,
            Self::RGB_888 => 24,
            Self::ARGB_8888 => 32,
        }
    }
}

/// Settings. Those that are accepted end in `command_complete`.
pub trait ScreenSetup<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn ScreenSetupClient);
    /// Width and height in pixels.
    ///
    /// # Errors
    /// `NOSUPPORT`, `OFF`.
    fn set_resolution(&self, resolution: (usize, usize)) -> Result<(), ErrorCode>;
    /// How pixels are written.
    ///
    /// # Errors
    /// `NOSUPPORT`, `OFF`.
    fn set_pixel_format(&self, format: ScreenPixelFormat) -> Result<(), ErrorCode>;
    /// How the picture is turned.
    ///
    /// # Errors
    /// `NOSUPPORT`, `OFF`.
    fn set_rotation(&self, rotation: ScreenRotation) -> Result<(), ErrorCode>;
    /// Resolutions there are; at least one.
    fn get_num_supported_resolutions(&self) -> usize;
    /// One of them.
    fn get_supported_resolution(&self, index: usize) -> Option<(usize, usize)>;
    /// Formats there are.
    fn get_num_supported_pixel_formats(&self) -> usize;
    /// One of them.
    fn get_supported_pixel_format(&self, index: usize) -> Option<ScreenPixelFormat>;
}

/// A display.
pub trait Screen<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn ScreenClient);
    /// Width and height in pixels, as it is turned.
    fn get_resolution(&self) -> (usize, usize);
    /// How pixels are written.
    fn get_pixel_format(&self) -> ScreenPixelFormat;
    /// How the picture is turned.
    fn get_rotation(&self) -> ScreenRotation;
    /// The rectangle that `write` fills.
    ///
    /// # Errors
    /// `INVAL`, `BUSY`, `OFF`.
    fn set_write_frame(
        &self,
        x: usize,
        y: usize,
        width: usize,
        height: usize,
    ) -> Result<(), ErrorCode>;
    /// Writes pixels, from the rectangle's start or where the last write ended.
    ///
    /// # Errors
    /// `SIZE`, `BUSY`, `OFF`.
    fn write(
        &self,
        buffer: SubSliceMut<'static, u8>,
        continue_write: bool,
    ) -> Result<(), ErrorCode>;
    /// Lightness: 0 dark, 65535 most.
    ///
    /// # Errors
    /// `NOSUPPORT`, `OFF`.
    fn set_brightness(&self, brightness: u16) -> Result<(), ErrorCode>;
    /// Power; `screen_is_ready` follows.
    ///
    /// # Errors
    /// `INVAL`: not with these settings.
    fn set_power(&self, enabled: bool) -> Result<(), ErrorCode>;
    /// Inverts colours.
    ///
    /// # Errors
    /// `NOSUPPORT`, `INVAL` (not in this format), `OFF`.
    fn set_invert(&self, enabled: bool) -> Result<(), ErrorCode>;
}

/// Both.
pub trait ScreenAdvanced<'a>: Screen<'a> + ScreenSetup<'a> {}
impl<'a, T: Screen<'a> + ScreenSetup<'a>> ScreenAdvanced<'a> for T {}

/// Learns of settings.
pub trait ScreenSetupClient {
    /// One took effect, or not.
    fn command_complete(&self, r: Result<(), ErrorCode>);
}

/// Learns of commands.
pub trait ScreenClient {
    /// One that was not `write` ended.
    fn command_complete(&self, result: Result<(), ErrorCode>);
    /// A `write` ended.
    fn write_complete(&self, buffer: SubSliceMut<'static, u8>, result: Result<(), ErrorCode>);
    /// It changed power.
    fn screen_is_ready(&self);
}

#[cfg(test)]
mod tests {
    use super::ScreenRotation::{self, *};

    #[test]
    fn rotations_add_up_to_full_turns() {
        let all = [Normal, Rotated90, Rotated180, Rotated270];
        for a in all {
            for b in all {
                assert_eq!((a + b) - b, a);
            }
        }
        assert_eq!(Rotated270 + Rotated180, Rotated90);
        assert_eq!(ScreenRotation::Normal - Rotated90, Rotated270);
    }
}
