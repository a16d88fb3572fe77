//! Nine-degrees-of-freedom driver: accelerometer, magnetometer, gyroscope.
//!
//! Owns the protocol of driver 0x60004: command 1 measures acceleration, 100 the magnetic field, 200
//! rotation; upcall 0 (x, y, z), signed, for all three.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::share::{self, Handle};
use libtock_platform::subscribe::OneId;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, Upcall};

/// The sensor.
pub struct NineDof<S: Syscalls>(S);

/// What was measured along three axes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub struct NineDofData {
    pub x: i32,
    pub y: i32,
    pub z: i32,
}

impl<S: Syscalls> NineDof<S> {
    /// Is there such a driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 0, 0, 0).to_result()
    }

    /// Begins a measurement of acceleration; the listener hears of its end.
    ///
    /// # Errors
    /// `Busy`: a measurement is under way.
    pub fn read_accelerometer() -> Result<(), ErrorCode> {
        Self::begin(READ_ACCELEROMETER)
    }

    /// Begins a measurement of the magnetic field; the listener hears of its end.
    ///
    /// # Errors
    /// `Busy`: a measurement is under way.
    pub fn read_magnetometer() -> Result<(), ErrorCode> {
        Self::begin(READ_MAGNETOMETER)
    }

    /// Begins a measurement of rotation; the listener hears of its end.
    ///
    /// # Errors
    /// `Busy`: a measurement is under way.
    pub fn read_gyro() -> Result<(), ErrorCode> {
        Self::begin(READ_GYRO)
    }

    /// Registers the listener; there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share, F: Fn(NineDofData)>(
        listener: &'share NineDofListener<F>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, DefaultConfig, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Takes the listener away.
    pub fn unregister_listener() {
        S::unsubscribe(DRIVER_NUM, 0);
    }

    /// Measures acceleration.
    ///
    /// # Errors
    /// As [`Self::read_accelerometer`].
    pub fn read_accelerometer_sync() -> Result<NineDofData, ErrorCode> {
        Self::measure(READ_ACCELEROMETER)
    }

    /// Measures the magnetic field.
    ///
    /// # Errors
    /// As [`Self::read_magnetometer`].
    pub fn read_magnetometer_sync() -> Result<NineDofData, ErrorCode> {
        Self::measure(READ_MAGNETOMETER)
    }

    /// Measures rotation.
    ///
    /// # Errors
    /// As [`Self::read_gyro`].
    pub fn read_gyroscope_sync() -> Result<NineDofData, ErrorCode> {
        Self::measure(READ_GYRO)
    }

    /// Measures acceleration, whatever its direction; 0 when it cannot be measured.
    pub fn read_accelerometer_mag() -> f64 {
        let Ok(NineDofData { x, y, z }) = Self::read_accelerometer_sync() else {
            return 0.0;
        };
        let square = |v: i32| u64::from(v.unsigned_abs()).pow(2);
        root(square(x) + square(y) + square(z))
    }

    fn begin(command: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command, 0, 0).to_result()
    }

    fn measure(command: u32) -> Result<NineDofData, ErrorCode> {
        let measured = Cell::new(None);
        let listener = NineDofListener(|data| measured.set(Some(data)));
        share::scope(|subscribe| {
            Self::register_listener(&listener, subscribe)?;
            Self::begin(command)?;
            loop {
                S::yield_wait();
                if let Some(data) = measured.get() {
                    return Ok(data);
                }
            }
        })
    }
}

/// Square root. The whole part is right to a factor of two; each step of Newton's then doubles the
/// right digits, so six are more than a double has.
fn root(square: u64) -> f64 {
    if square == 0 {
        return 0.0;
    }
    let mut root = square.isqrt() as f64;
    for _ in 0..6 {
        root = (root + square as f64 / root) / 2.0;
    }
    root
}

/// Calls a function with what was measured.
pub struct NineDofListener<F: Fn(NineDofData)>(pub F);

impl<F: Fn(NineDofData)> Upcall<OneId<DRIVER_NUM, 0>> for NineDofListener<F> {
    fn upcall(&self, x: u32, y: u32, z: u32) {
        self.0(NineDofData {
            x: x as i32,
            y: y as i32,
            z: z as i32,
        });
    }
}

const DRIVER_NUM: u32 = 0x60004;
const READ_ACCELEROMETER: u32 = 1;
const READ_MAGNETOMETER: u32 = 100;
const READ_GYRO: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};

    type NineDof = super::NineDof<fake::Syscalls>;

    #[test]
    fn each_of_the_three_asks_for_its_own() {
        let kernel = fake::Kernel::new();
        assert_eq!(NineDof::exists(), Err(ErrorCode::NoDevice));
        assert_eq!(NineDof::read_accelerometer_mag(), 0.0);
        let driver = fake::Scripted::new(DRIVER_NUM, |call| {
            call.schedule(0, (call.command, 2, -3_i32 as u32));
            command_return::success()
        });
        kernel.add_driver(&driver);
        let data = |x| Ok(NineDofData { x, y: 2, z: -3 });
        assert_eq!(NineDof::read_accelerometer_sync(), data(1));
        assert_eq!(NineDof::read_magnetometer_sync(), data(100));
        assert_eq!(NineDof::read_gyroscope_sync(), data(200));
    }

    #[test]
    fn roots_are_those_of_the_host() {
        let most = 3 * (1u64 << 62);
        for square in (0..100).chain([1 << 20, 999_999_937, u64::from(u32::MAX), most - 1, most]) {
            let (ours, host) = (root(square), (square as f64).sqrt());
            assert!(
                (ours - host).abs() <= host * 1e-15,
                "{square}: {ours} {host}"
            );
        }
    }

    #[test]
    fn one_measurement_at_a_time() {
        let kernel = fake::Kernel::new();
        let driver = fake::NineDof::new();
        kernel.add_driver(&driver);
        assert_eq!(NineDof::exists(), Ok(()));
        driver.set_value_sync(fake::NineDofData { x: 3, y: -4, z: 12 });
        assert_eq!(NineDof::read_accelerometer_mag(), 13.0);
        let told = Cell::new(None);
        let listener = NineDofListener(|data| told.set(Some(data)));
        share::scope(|subscribe| {
            NineDof::register_listener(&listener, subscribe).unwrap();
            assert_eq!(NineDof::read_gyro(), Ok(()));
            assert_eq!(NineDof::read_magnetometer(), Err(ErrorCode::Busy));
            assert_eq!(NineDof::read_accelerometer_sync(), Err(ErrorCode::Busy));
            driver.set_value(fake::NineDofData { x: 1, y: 2, z: 3 });
            // The failed call took the listener with it.
            assert_eq!(told.take(), None);
            NineDof::unregister_listener();
        });
    }
}
