//! §7: libtock's drivers of devices that our boards have not: their types, as libtock-rs's apps use
//! them.

use core::cell::Cell;
use core::time::Duration;
use libtock::adc::{ADCListener, Adc};
use libtock::air_quality::{AirQuality, AirQualityListener};
use libtock::ambient_light::{AmbientLight, IntensityListener};
use libtock::buzzer::{Buzzer, Note};
use libtock::i2c_master::I2CMaster;
use libtock::i2c_master_slave::I2CMasterSlave;
use libtock::ieee802154::{Frame, Ieee802154, RxOperator, RxRingBuffer, RxSingleBufferOperator};
use libtock::ninedof::{NineDof, NineDofData, NineDofListener};
use libtock::platform::share::{Handle, List, SplittableHandle};
use libtock::platform::{ErrorCode, Subscribe, command_return};
use libtock::proximity::Proximity;
use libtock::runtime::TockSyscalls as T;
use libtock::screen::Screen;
use libtock::sound_pressure::{SoundPressure, SoundPressureListener};
use libtock::spi_controller::SpiController;
use libtock::temperature::{Temperature, TemperatureListener};

type E<V> = Result<V, ErrorCode>;

/// A payload of a success and of a failure, by the traits' public names.
pub fn payloads<S: command_return::SuccessData, F: command_return::FailureData>() {
    let _ = (S::RETURN_VARIANT, F::RETURN_VARIANT);
    let _: fn(u32, u32, u32) -> S = S::from_raw_values;
    let _: fn(ErrorCode, u32, u32) -> F = F::from_raw_values;
}

pub fn splits<'h, L: List + SplittableHandle<'h>>(handle: Handle<'h, L>) -> L::SplitHandles {
    handle.split()
}

pub fn sensors() {
    let _: [fn() -> E<()>; 12] = [
        Adc::exists,
        Adc::read_single_sample,
        AirQuality::exists,
        AirQuality::read_co2,
        AirQuality::read_tvoc,
        AmbientLight::exists,
        AmbientLight::read_intensity,
        NineDof::exists,
        Proximity::exists,
        Proximity::read,
        Temperature::exists,
        Temperature::read_temperature,
    ];
    let _: [fn() -> E<()>; 7] = [
        NineDof::read_accelerometer,
        NineDof::read_magnetometer,
        NineDof::read_gyro,
        SoundPressure::exists,
        SoundPressure::read,
        SoundPressure::enable,
        SoundPressure::disable,
    ];
    let _: [fn(); 6] = [
        Adc::unregister_listener,
        AirQuality::unregister_listener,
        AmbientLight::unregister_listener,
        NineDof::unregister_listener,
        Proximity::unregister_listener,
        Temperature::unregister_listener,
    ];
    let _: fn() -> E<u16> = Adc::read_single_sample_sync;
    let _: [fn() -> E<u32>; 5] = [
        Adc::get_resolution_bits,
        Adc::get_reference_voltage_mv,
        AirQuality::read_co2_sync,
        AirQuality::read_tvoc_sync,
        AmbientLight::read_intensity_sync,
    ];
    let _: fn() -> E<(u32, u32)> = AirQuality::read_sync;
    let _: fn() -> E<i32> = Temperature::read_temperature_sync;
    let _: [fn() -> E<u8>; 2] = [SoundPressure::read_sync, Proximity::read_sync];
    let _: (fn(u8, u8) -> E<()>, fn(u8, u8) -> E<u8>) = (
        Proximity::read_on_interrupt,
        Proximity::wait_for_value_between,
    );
    let _: [fn() -> E<NineDofData>; 3] = [
        NineDof::read_accelerometer_sync,
        NineDof::read_magnetometer_sync,
        NineDof::read_gyroscope_sync,
    ];
    let _: fn() -> f64 = NineDof::read_accelerometer_mag;
    let _ = (ADCListener(|_: u16| ()), AirQualityListener(|_: u32| ()));
    let _ = (
        IntensityListener(|_: u32| ()),
        NineDofListener(|_: NineDofData| ()),
    );
    let _ = (
        SoundPressureListener(|_: u32| ()),
        TemperatureListener(|_: i32| ()),
    );
    type Slot<'a, 's, const D: u32> = Handle<'a, Subscribe<'s, T, D, 0>>;
    let _: fn(&'static ADCListener<fn(u16)>, Slot<'_, 'static, 5>) -> E<()> =
        Adc::register_listener;
    let _: fn(&'static Cell<Option<(u32,)>>, Slot<'_, 'static, 0x60005>) -> E<()> =
        Proximity::register_listener;
}

pub fn buses() {
    let _: [fn() -> E<()>; 3] = [
        I2CMaster::exists,
        I2CMasterSlave::exists,
        SpiController::exists,
    ];
    let _: [fn(u16, &mut [u8], u16) -> E<()>; 2] = [
        I2CMaster::i2c_master_write_sync,
        I2CMaster::i2c_master_read_sync,
    ];
    let _: fn(u16, &mut [u8], u16, u16) -> E<()> = I2CMaster::i2c_master_write_read_sync;
    type M = I2CMasterSlave;
    let _: fn(u16, &[u8], u16) -> E<()> = M::i2c_master_slave_write_sync;
    let _: fn(u16, &mut [u8], u16) -> (usize, E<()>) = M::i2c_master_slave_read_sync;
    let _: fn(u16, &mut [u8], &mut [u8], u16, u16) -> (usize, E<()>) =
        M::i2c_master_slave_write_read_sync;
    let _: fn(u8) -> E<()> = M::i2c_master_slave_set_slave_address;
    let _: fn(&mut [u8]) -> (usize, E<()>) = M::i2c_master_slave_write_recv_sync;
    let _: fn(&[u8], usize) -> (usize, E<()>) = M::i2c_master_slave_read_send_sync;
    let _: fn(&[u8], &mut [u8], u32) -> E<()> = SpiController::spi_controller_write_read_sync;
    let _: fn(&[u8], u32) -> E<()> = SpiController::spi_controller_write_sync;
    let _: [fn(&mut [u8], u32) -> E<()>; 2] = [
        SpiController::spi_controller_read_sync,
        SpiController::spi_controller_inplace_write_read_sync,
    ];
}

pub fn radio() -> E<u8> {
    let _: [fn() -> bool; 2] = [Ieee802154::exists, Ieee802154::is_on];
    let _: [fn() -> E<()>; 2] = [Ieee802154::radio_on, Ieee802154::radio_off];
    let _: [fn(u16); 2] = [Ieee802154::set_address_short, Ieee802154::set_pan];
    let _: (fn(u64), fn()) = (Ieee802154::set_address_long, Ieee802154::commit_config);
    let _: (fn(u8) -> E<()>, fn(i8) -> E<()>) = (Ieee802154::set_channel, Ieee802154::set_tx_power);
    let _: [fn() -> E<u16>; 2] = [Ieee802154::get_address_short, Ieee802154::get_pan];
    let _: fn() -> E<u64> = Ieee802154::get_address_long;
    let _: (fn() -> E<u8>, fn() -> E<i8>) = (Ieee802154::get_channel, Ieee802154::get_tx_power);
    let _: fn(&[u8]) -> E<()> = Ieee802154::transmit_frame;
    let mut buf = RxRingBuffer::<2>::new();
    let mut operator = RxSingleBufferOperator::new(&mut buf);
    let frame: &mut Frame = operator.receive_frame()?;
    let _: [u8; 127] = frame.body;
    Ok(frame.header_len + frame.payload_len + frame.mic_len)
}

pub fn screen_and_buzzer() {
    let _: [fn() -> E<()>; 4] = [
        Screen::exists,
        Screen::set_invert_on,
        Screen::set_invert_off,
        Buzzer::exists,
    ];
    let _: [fn() -> E<u32>; 5] = [
        Screen::screen_setup,
        Screen::get_resolution_modes_count,
        Screen::pixel_modes_count,
        Screen::get_rotation,
        Screen::get_pixel_format,
    ];
    let _: [fn(usize) -> E<()>; 5] = [
        Screen::set_power,
        Screen::set_brightness,
        Screen::set_invert,
        Screen::set_rotation,
        Screen::set_pixel_format,
    ];
    let _: (fn(usize) -> E<(u32, u32)>, fn(usize) -> E<u32>) =
        (Screen::get_resolution_width_height, Screen::pixel_format);
    let _: fn() -> E<(u32, u32)> = Screen::get_resolution;
    let _: fn(usize, usize) -> E<()> = Screen::set_resolution;
    let _: fn(u32, u32, u32, u32) -> E<()> = Screen::set_write_frame;
    let _: (fn(&[u8]) -> E<()>, fn(&mut [u8], u16) -> E<()>) = (Screen::write, Screen::fill);
    let _: [fn(u32, Duration) -> E<()>; 2] = [Buzzer::tone, Buzzer::tone_sync];
    const _: [u32; 2] = [Note::B0 as u32 - 31, Note::DS8 as u32 - 4978];
}
