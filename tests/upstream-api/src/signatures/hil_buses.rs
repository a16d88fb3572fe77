//! Buses and converters: I2C, SPI, ADC, PWM.

use super::{Buffer, Kept, R, Sb};
use kernel::ErrorCode;
use kernel::hil::{adc, analog_comparator, dac, gpio, gpio_async, i2c, pwm, spi};

type Bus = Result<(), (i2c::Error, Sb)>;

pub fn i2cs<
    M: i2c::SMBusMaster<'static>,
    S: i2c::I2CSlave<'static>,
    D: i2c::SMBusDevice,
    C: i2c::I2CHwMasterClient + i2c::I2CClient,
>() {
    let _: fn(&M, &'static dyn i2c::I2CHwMasterClient) = M::set_master_client;
    let _: fn(&M, u8, Sb, usize, usize) -> Bus = M::write_read;
    let _: [fn(&M, u8, Sb, usize) -> Bus; 4] = [M::write, M::read, M::smbus_write, M::smbus_read];
    let _: fn(&S, u8) -> Result<(), i2c::Error> = S::set_address;
    let _: [fn(&S, Sb, usize) -> Bus; 2] = [S::write_receive, S::read_send];
    let _: fn(&D, Sb, usize, usize) -> Bus = D::write_read;
    let _: [fn(&D, Sb, usize) -> Bus; 2] = [D::write, D::read];
    let _: fn(&C, Sb, Result<(), i2c::Error>) = <C as i2c::I2CHwMasterClient>::command_complete;
    let _: fn(&C, Sb, Result<(), i2c::Error>) = <C as i2c::I2CClient>::command_complete;
    let _: fn(i2c::Error) -> ErrorCode = ErrorCode::from;
    // What stands for a bus's SMBus side when it has none.
    fn master<M: i2c::SMBusMaster<'static>>(_: M) {}
    let _: fn(i2c::NoSMBus) = master;
}

pub fn spis<
    M: spi::SpiMaster<'static>,
    D: spi::SpiMasterDevice<'static>,
    S: spi::SpiSlave<'static>,
    C: spi::SpiMasterClient,
    P: gpio::Output + 'static,
>() {
    type Refused = Result<(), (ErrorCode, Buffer, Option<Buffer>)>;
    let _: fn(&M) -> R = M::init;
    let _: fn(&M, &'static dyn spi::SpiMasterClient) = M::set_client;
    let _: fn(&M, Buffer, Option<Buffer>) -> Refused = M::read_write_bytes;
    let _: fn(&M, M::ChipSelect) -> R = M::specify_chip_select;
    let _: fn(&M, u32) -> Result<u32, ErrorCode> = M::set_rate;
    let _: fn(&D, Buffer, Option<Buffer>) -> Refused = D::read_write_bytes;
    let _: fn(&D, spi::ClockPolarity, spi::ClockPhase, u32) -> R = D::configure;
    let _: fn(&S, Option<&'static dyn spi::SpiSlaveClient>) = S::set_client;
    let _: fn(&C, Buffer, Option<Buffer>, Result<usize, ErrorCode>) = C::read_write_done;
    use spi::cs::{ActiveHigh, ActiveLow, ChipSelectPolar, IntoChipSelect};
    let _: fn(&'static P) -> ChipSelectPolar<'static, P> =
        <&P as IntoChipSelect<_, ActiveLow>>::into_cs;
    let _: fn(&'static P) -> ChipSelectPolar<'static, P> =
        <&P as IntoChipSelect<_, ActiveHigh>>::into_cs;
}

pub fn converters<
    A: adc::AdcHighSpeed<'static>,
    C: adc::AdcChannel<'static>,
    N: analog_comparator::AnalogComparator<'static>,
    D: dac::DacChannel,
    W: pwm::Pwm,
    P: pwm::PwmPin,
    G: gpio_async::Port,
>() {
    let _: fn(&A, &A::Channel) -> R = A::sample;
    let _: fn(&A, &A::Channel, u32) -> R = A::sample_continuous;
    let _: fn(&A, &'static dyn adc::Client) = A::set_client;
    let _: fn(&A, &'static mut [u16], usize) -> Kept<&'static mut [u16]> = A::provide_buffer;
    let _: fn(&A, &'static dyn adc::HighSpeedClient) = A::set_highspeed_client;
    let _: fn(&C) -> R = C::sample;
    let _: fn(&N, &N::Channel) -> bool = N::comparison;
    let _: fn(&D, usize) -> R = D::set_value;
    let _: fn(&W, &W::Pin, usize, usize) -> R = W::start;
    let _: fn(&P, usize, usize) -> R = P::start;
    let _: fn(&G, usize, gpio::FloatingState) -> R = G::make_input;
}
