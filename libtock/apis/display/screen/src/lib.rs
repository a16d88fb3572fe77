//! Screen driver.
//!
//! Owns the protocol of driver 0x90001: the commands of [`command`]; RO 0 pixels; upcall 0 (status, …)
//! when a change is done. What a command answers with a number is answered at once.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::command_return::SuccessData;
use libtock_platform::{AllowRo, DefaultConfig, ErrorCode, Subscribe, Syscalls};
use libtock_platform::{allow_ro, allow_rw, share, subscribe};

/// The screen.
pub struct Screen<S: Syscalls, C: Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: Config> Screen<S, C> {
    /// Is there a screen driver?
    ///
    /// # Errors
    /// `Fail` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        match S::command(DRIVER_NUM, command::EXISTS, 0, 0).is_success() {
            true => Ok(()),
            false => Err(ErrorCode::Fail),
        }
    }

    /// Whether resolution and pixel format can be set.
    ///
    /// # Errors
    /// The kernel's.
    pub fn screen_setup() -> Result<u32, ErrorCode> {
        Self::ask(command::SCREEN_SETUP, 0)
    }

    /// Turns it on.
    ///
    /// # Errors
    /// `Invalid` for 0; else the kernel's.
    pub fn set_power(value: usize) -> Result<(), ErrorCode> {
        Self::set_non_zero(command::SET_POWER, value)
    }

    /// How bright it is.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_brightness(value: usize) -> Result<(), ErrorCode> {
        Self::change(command::SET_BRIGHTNESS, narrow(value)?, 0)
    }

    /// Inverts its colours.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_invert_on() -> Result<(), ErrorCode> {
        Self::change(command::SET_INVERT_ON, 0, 0)
    }

    /// Shows its colours as they are.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_invert_off() -> Result<(), ErrorCode> {
        Self::change(command::SET_INVERT_OFF, 0, 0)
    }

    /// Inverts its colours, by the newer command.
    ///
    /// # Errors
    /// `Invalid` for 0; else the kernel's.
    pub fn set_invert(value: usize) -> Result<(), ErrorCode> {
        Self::set_non_zero(command::SET_INVERT, value)
    }

    /// How many resolutions there are.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_resolution_modes_count() -> Result<u32, ErrorCode> {
        Self::ask(command::RESOLUTION_MODES, 0)
    }

    /// Width and height of one of them.
    ///
    /// # Errors
    /// `Invalid`: there is none of this number.
    pub fn get_resolution_width_height(index: usize) -> Result<(u32, u32), ErrorCode> {
        Self::ask(command::RESOLUTION_OF_MODE, narrow(index)?)
    }

    /// How many pixel formats there are.
    ///
    /// # Errors
    /// The kernel's.
    pub fn pixel_modes_count() -> Result<u32, ErrorCode> {
        Self::ask(command::PIXEL_MODES, 0)
    }

    /// One of them.
    ///
    /// # Errors
    /// `Invalid`: there is none of this number.
    pub fn pixel_format(index: usize) -> Result<u32, ErrorCode> {
        Self::ask(command::PIXEL_FORMAT_OF_MODE, narrow(index)?)
    }

    /// How far it is turned.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_rotation() -> Result<u32, ErrorCode> {
        let told: Cell<Option<Result<(u32,), ErrorCode>>> = Cell::new(None);
        share::scope::<Subscribe<'_, S, DRIVER_NUM, DONE>, _, _>(|subscribe| {
            S::subscribe::<_, _, C, DRIVER_NUM, DONE>(subscribe, &told)?;
            let answer = S::command(DRIVER_NUM, command::GET_ROTATION, 0, 0);
            if let Some(rotation) = answer.get_success_u32() {
                return Ok(rotation);
            }
            // Some kernels tell it by upcall.
            answer.to_result::<(), ErrorCode>()?;
            loop {
                S::yield_wait();
                if let Some(told) = told.get() {
                    return told.map(|(rotation,)| rotation);
                }
            }
        })
    }

    /// Turns it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_rotation(rotation: usize) -> Result<(), ErrorCode> {
        Self::change(command::SET_ROTATION, narrow(rotation)?, 0)
    }

    /// Width and height that are set.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_resolution() -> Result<(u32, u32), ErrorCode> {
        Self::ask(command::GET_RESOLUTION, 0)
    }

    /// Sets them.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_resolution(width: usize, height: usize) -> Result<(), ErrorCode> {
        Self::change(command::SET_RESOLUTION, narrow(width)?, narrow(height)?)
    }

    /// The pixel format that is set.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_pixel_format() -> Result<u32, ErrorCode> {
        Self::ask(command::GET_PIXEL_FORMAT, 0)
    }

    /// Sets it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_pixel_format(format: usize) -> Result<(), ErrorCode> {
        Self::change(command::SET_PIXEL_FORMAT, narrow(format)?, 0)
    }

    /// What the next writes and fills go to. Each number has 16 bits.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_write_frame(x: u32, y: u32, width: u32, height: u32) -> Result<(), ErrorCode> {
        let pair = |a: u32, b: u32| (a & 0xFFFF) << 16 | b & 0xFFFF;
        Self::change(command::SET_WRITE_FRAME, pair(x, y), pair(width, height))
    }

    /// Writes pixels to the frame.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(s: &[u8]) -> Result<(), ErrorCode> {
        Self::draw(command::WRITE, narrow(s.len())?, s)
    }

    /// Fills the frame with a colour of 16 bits; `s` is the room for it.
    ///
    /// # Errors
    /// `Fail`: `s` has no two bytes. Else the kernel's.
    pub fn fill(s: &mut [u8], color: u16) -> Result<(), ErrorCode> {
        let colour = s.first_chunk_mut().ok_or(ErrorCode::Fail)?;
        *colour = color.to_be_bytes();
        Self::draw(command::FILL, 0, s)
    }

    fn ask<T: SuccessData>(number: u32, argument: u32) -> Result<T, ErrorCode> {
        S::command(DRIVER_NUM, number, argument, 0).to_result()
    }

    /// The upcall of these two is not waited for: they are also done without one.
    fn set_non_zero(number: u32, value: usize) -> Result<(), ErrorCode> {
        match narrow(value)? {
            0 => Err(ErrorCode::Invalid),
            value => Self::ask(number, value),
        }
    }

    fn change(number: u32, a: u32, b: u32) -> Result<(), ErrorCode> {
        let done = Cell::new(None);
        share::scope::<Subscribe<'_, S, DRIVER_NUM, DONE>, _, _>(|subscribe| {
            S::subscribe::<_, _, C, DRIVER_NUM, DONE>(subscribe, &done)?;
            Self::run(number, a, b, &done)
        })
    }

    fn draw(number: u32, length: u32, pixels: &[u8]) -> Result<(), ErrorCode> {
        type Shares<'a, S> = (
            AllowRo<'a, S, DRIVER_NUM, PIXELS>,
            Subscribe<'a, S, DRIVER_NUM, DONE>,
        );
        let done = Cell::new(None);
        share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow, subscribe) = handle.split();
            S::allow_ro::<C, DRIVER_NUM, PIXELS>(allow, pixels)?;
            S::subscribe::<_, _, C, DRIVER_NUM, DONE>(subscribe, &done)?;
            Self::run(number, length, 0, &done)
        })
    }

    /// Commands, and waits for the upcall.
    fn run(number: u32, a: u32, b: u32, done: &Done) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, number, a, b).to_result::<(), ErrorCode>()?;
        loop {
            S::yield_wait();
            if let Some(result) = done.get() {
                return result;
            }
        }
    }
}

type Done = Cell<Option<Result<(), ErrorCode>>>;

fn narrow(value: usize) -> Result<u32, ErrorCode> {
    u32::try_from(value).map_err(|_| ErrorCode::Invalid)
}

/// Reactions to displaced shares.
pub trait Config: allow_ro::Config + allow_rw::Config + subscribe::Config {}
impl<T: allow_ro::Config + allow_rw::Config + subscribe::Config> Config for T {}

const DRIVER_NUM: u32 = 0x90001;
const PIXELS: u32 = 0;
const DONE: u32 = 0;

/// The driver's commands.
mod command {
    pub const EXISTS: u32 = 0;
    pub const SCREEN_SETUP: u32 = 1;
    pub const SET_POWER: u32 = 2;
    pub const SET_BRIGHTNESS: u32 = 3;
    pub const SET_INVERT_ON: u32 = 4;
    pub const SET_INVERT_OFF: u32 = 5;
    pub const SET_INVERT: u32 = 6;
    pub const RESOLUTION_MODES: u32 = 11;
    pub const RESOLUTION_OF_MODE: u32 = 12;
    pub const PIXEL_MODES: u32 = 13;
    pub const PIXEL_FORMAT_OF_MODE: u32 = 14;
    pub const GET_ROTATION: u32 = 21;
    pub const SET_ROTATION: u32 = 22;
    pub const GET_RESOLUTION: u32 = 23;
    pub const SET_RESOLUTION: u32 = 24;
    pub const GET_PIXEL_FORMAT: u32 = 25;
    pub const SET_PIXEL_FORMAT: u32 = 26;
    pub const SET_WRITE_FRAME: u32 = 100;
    pub const WRITE: u32 = 200;
    pub const FILL: u32 = 300;
}

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};

    type Screen = super::Screen<fake::Syscalls>;

    #[test]
    fn what_is_set_is_what_is_told() {
        let kernel = fake::Kernel::new();
        assert_eq!(Screen::exists(), Err(ErrorCode::Fail));
        assert_eq!(Screen::set_brightness(1), Err(ErrorCode::NoDevice));
        let driver = fake::Screen::new();
        kernel.add_driver(&driver);
        assert_eq!((Screen::exists(), Screen::screen_setup()), (Ok(()), Ok(3)));
        assert_eq!(
            (Screen::set_power(1), Screen::set_power(0)),
            (Ok(()), Err(ErrorCode::Invalid))
        );
        assert_eq!(
            (Screen::set_brightness(90), Screen::set_invert_on()),
            (Ok(()), Ok(()))
        );
        assert_eq!(driver.get_look(), (90, true));
        assert_eq!(
            (Screen::set_invert_off(), driver.get_look()),
            (Ok(()), (90, false))
        );
        assert_eq!(
            (Screen::set_invert(1), driver.get_look()),
            (Ok(()), (90, true))
        );
        assert_eq!(
            (Screen::set_rotation(90), Screen::get_rotation()),
            (Ok(()), Ok(90))
        );
        assert_eq!(Screen::set_rotation(360), Err(ErrorCode::Invalid));
        assert_eq!(Screen::set_resolution(320, 240), Ok(()));
        assert_eq!(Screen::get_resolution(), Ok((320, 240)));
        assert_eq!(
            (Screen::set_pixel_format(2), Screen::get_pixel_format()),
            (Ok(()), Ok(2))
        );
        assert_eq!(
            (
                Screen::get_resolution_modes_count(),
                Screen::pixel_modes_count()
            ),
            (Ok(2), Ok(5))
        );
        assert_eq!(Screen::get_resolution_width_height(2), Ok((1280, 720)));
        assert_eq!(
            Screen::get_resolution_width_height(3),
            Err(ErrorCode::Invalid)
        );
        assert_eq!(
            (Screen::pixel_format(1), Screen::pixel_format(2)),
            (Ok(565), Err(ErrorCode::Invalid))
        );
    }

    #[test]
    fn pixels_arrive() {
        let kernel = fake::Kernel::new();
        let driver = fake::Screen::new();
        kernel.add_driver(&driver);
        Screen::set_pixel_format(2).unwrap();
        assert_eq!(Screen::set_write_frame(10, 20, 0x1_0030, 40), Ok(()));
        assert_eq!(driver.get_frame(), (0x000A_0014, 0x0030_0028));
        assert_eq!(Screen::write(&[1, 2, 3, 4]), Ok(()));
        assert_eq!(Screen::write(&[1, 2, 3]), Err(ErrorCode::Invalid));
        assert_eq!(Screen::fill(&mut [0; 4], 0xF800), Ok(()));
        assert_eq!(Screen::fill(&mut [0; 1], 0xF800), Err(ErrorCode::Fail));
        assert_eq!(driver.take_bytes(), [1, 2, 3, 4, 0xF8, 0]);
    }

    #[test]
    fn a_change_that_fails_late_fails() {
        let kernel = fake::Kernel::new();
        kernel.add_driver(&fake::Scripted::new(DRIVER_NUM, |call| {
            call.schedule(0, (u32::from(call.command != 21), 180, 0));
            command_return::success()
        }));
        assert_eq!(Screen::set_brightness(1), Err(ErrorCode::Fail));
        assert_eq!(Screen::get_rotation(), Ok(180));
    }
}
