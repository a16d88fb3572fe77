//! §4.8: UART, time, LED, GPIO, Ethernet, date and time, and what else a board has.

use super::{Kept, R, Sb};
use kernel::ErrorCode;
use kernel::hil::{ble_advertising, bus8080, buzzer, can, eic, radio, servo, text_screen, touch};
use kernel::hil::{date_time, ethernet, gpio, hw_debug, keyboard, led, log, screen, sensors};
use kernel::hil::{time, uart, usb, usb_hid};
use kernel::utilities::registers::InMemoryRegister;

pub fn uarts<
    T: uart::Configure + uart::Transmit<'static> + uart::ReceiveAdvanced<'static> + 'static,
    C: uart::TransmitClient + uart::ReceiveClient,
>() {
    let _ = uart::Parameters {
        baud_rate: 115_200,
        width: uart::Width::Eight,
        parity: uart::Parity::None,
        stop_bits: uart::StopBits::One,
        hw_flow_control: false,
    };
    const _: [usize; 3] = [
        uart::Width::Six as usize - 6,
        uart::Parity::Even as usize - 2,
        uart::StopBits::Two as usize - 2,
    ];
    use uart::Error::*;
    let _ = [
        None,
        ParityError,
        FramingError,
        OverrunError,
        RepeatCallError,
        ResetError,
        BreakError,
        Aborted,
    ];
    let _: fn(&T, uart::Parameters) -> R = T::configure;
    let _: fn(&T, &'static dyn uart::TransmitClient) = T::set_transmit_client;
    let _: fn(&T, Sb, usize) -> Kept<Sb> = T::transmit_buffer;
    let _: fn(&T, u32) -> R = T::transmit_word;
    let _: fn(&T) -> R = T::transmit_abort;
    let _: fn(&T, &'static dyn uart::ReceiveClient) = T::set_receive_client;
    let _: fn(&T, Sb, usize) -> Kept<Sb> = T::receive_buffer;
    let _: fn(&T) -> R = T::receive_word;
    let _: fn(&T) -> R = T::receive_abort;
    let _: fn(&T, Sb, usize, u8) -> Kept<Sb> = T::receive_automatic;
    let _: fn(&C, R) = C::transmitted_word;
    let _: fn(&C, Sb, usize, R) = C::transmitted_buffer;
    let _: fn(&C, u32, R, uart::Error) = C::received_word;
    let _: fn(&C, Sb, usize, R, uart::Error) = C::received_buffer;
    fn bundles<'a>(
        a: &'a (impl uart::Uart<'a> + uart::UartData<'a> + uart::UartAdvanced<'a>),
    ) -> &'a dyn uart::UartData<'a> {
        a
    }
    let _: fn(&'static T) -> &'static dyn uart::UartData<'static> = |t| bundles(t);
    let _: fn(&C) -> &dyn uart::Client = |c| c;
}

pub fn ticks<T: time::Ticks, F: time::Frequency>() {
    let _: fn() -> u32 = T::width;
    let _: fn(T) -> usize = T::into_usize;
    let _: fn(T) -> u32 = T::into_u32;
    let _: [fn() -> u32; 2] = [T::usize_padding, T::u32_padding];
    let _: fn(T) -> usize = T::into_usize_left_justified;
    let _: fn(T) -> u32 = T::into_u32_left_justified;
    let _: fn() -> usize = T::usize_left_justified_scale_freq::<F>;
    let _: fn() -> u32 = T::u32_left_justified_scale_freq::<F>;
    let _: [fn(T, T) -> T; 2] = [T::wrapping_add, T::wrapping_sub];
    let _: fn(T, T, T) -> bool = T::within_range;
    let _: [fn() -> T; 2] = [T::max_value, T::half_max_value];
    let _: fn(u64) -> T = T::from_or_max;
    let _: fn(T, u32, u32) -> u32 = T::saturating_scale;
    let _: fn() -> u32 = F::frequency;
    use time::{Freq1KHz, Freq1MHz, Freq10MHz, Freq16KHz, Freq16MHz};
    use time::{Freq32KHz, Freq100MHz, Freq600MHz};
    fn f<F: time::Frequency>() {}
    let _ = [
        f::<Freq1KHz>,
        f::<Freq16KHz>,
        f::<Freq32KHz>,
        f::<Freq1MHz>,
        f::<Freq10MHz>,
        f::<Freq16MHz>,
        f::<Freq100MHz>,
        f::<Freq600MHz>,
    ];
    fn t<T: time::Ticks>() {}
    let _ = [
        t::<time::Ticks16>,
        t::<time::Ticks24>,
        t::<time::Ticks32>,
        t::<time::Ticks64>,
    ];
}

pub fn clocks<
    A: time::Alarm<'static>,
    T: time::Timer<'static>,
    C: time::CounterOverflow<'static>,
>() {
    let _: fn(&A) -> A::Ticks = <A as time::Time>::now;
    let _: fn(&A, &'static dyn time::AlarmClient) = A::set_alarm_client;
    let _: fn(&A, A::Ticks, A::Ticks) = A::set_alarm;
    let _: [fn(&A) -> A::Ticks; 2] = [A::get_alarm, A::minimum_dt];
    let _: fn(&A) -> R = A::disarm;
    let _: fn(&A) -> bool = A::is_armed;
    let _: fn(&T, &'static dyn time::TimerClient) = T::set_timer_client;
    let _: [fn(&T, T::Ticks) -> T::Ticks; 2] = [T::oneshot, T::repeating];
    let _: [fn(&T) -> Option<T::Ticks>; 2] = [T::interval, T::time_remaining];
    let _: [fn(&T) -> bool; 3] = [T::is_oneshot, T::is_repeating, T::is_enabled];
    let _: fn(&T) -> R = T::cancel;
    let _: [fn(&C) -> R; 3] = [C::start, C::stop, C::reset];
    let _: fn(&C) -> bool = C::is_running;
    let _: fn(&C, &'static dyn time::OverflowClient) = C::set_overflow_client;
    use time::ConvertTicks;
    let _: [fn(&A, u32) -> A::Ticks; 3] =
        [A::ticks_from_seconds, A::ticks_from_ms, A::ticks_from_us];
    let _: [fn(&A, A::Ticks) -> u32; 3] = [A::ticks_to_seconds, A::ticks_to_ms, A::ticks_to_us];
}

pub fn pins<
    P: gpio::Pin + gpio::InterruptPin<'static> + 'static,
    V: gpio::InterruptValuePin<'static>,
    L: led::Led,
>() {
    use gpio::{Configuration, FloatingState, InterruptEdge};
    let _: [fn(&P) -> Configuration; 5] = [
        P::configuration,
        P::make_output,
        P::disable_output,
        P::make_input,
        P::disable_input,
    ];
    let _: fn(&P) = P::deactivate_to_low_power;
    let _: fn(&P, FloatingState) = P::set_floating_state;
    let _: fn(&P) -> FloatingState = P::floating_state;
    let _: [fn(&P) -> bool; 4] = [P::is_input, P::is_output, P::toggle, P::read];
    let _: [fn(&P); 2] = [P::set, P::clear];
    let _: fn(&P, gpio::ActivationMode) -> gpio::ActivationState = P::read_activation;
    let _: fn(&P, gpio::ActivationState, gpio::ActivationMode) = P::write_activation;
    use gpio::{Interrupt, InterruptWithValue};
    let _: fn(&P, &'static dyn gpio::Client) = <P as Interrupt>::set_client;
    let _: fn(&P, InterruptEdge) = <P as Interrupt>::enable_interrupts;
    let _: fn(&P) = <P as Interrupt>::disable_interrupts;
    let _: fn(&P) -> bool = <P as Interrupt>::is_pending;
    let _: fn(&V, &'static dyn gpio::ClientWithValue) = <V as InterruptWithValue>::set_client;
    let _: fn(&V, InterruptEdge) -> R = <V as InterruptWithValue>::enable_interrupts;
    let _: fn(&V, u32) = V::set_value;
    let _: fn(&V) -> u32 = V::value;
    let _: fn(&'static P) -> gpio::InterruptValueWrapper<'static, P> =
        gpio::InterruptValueWrapper::new;
    const _: [usize; 2] = [
        gpio::ActivationState::Inactive as usize,
        gpio::ActivationState::Active as usize - 1,
    ];
    let _ = [
        gpio::ActivationMode::ActiveHigh,
        gpio::ActivationMode::ActiveLow,
    ];
    let _: [fn(&L); 4] = [L::init, L::on, L::off, L::toggle];
    let _: fn(&L) -> bool = L::read;
    let _: fn(&'static P) -> led::LedHigh<'static, P> = led::LedHigh::new;
    let _: fn(&'static P) -> led::LedLow<'static, P> = led::LedLow::new;
    let _: fn(&led::LedHigh<'static, P>) -> &'static P = |led| led.pin;
    let _: fn(&led::LedLow<'static, P>) -> &'static P = |led| led.pin;
}

pub fn pins_that_are_both<B: gpio::ConfigureInputOutput>() {
    let _: fn(&B) -> gpio::Configuration = B::make_input_output;
    let _: fn(&B) -> bool = B::is_input_output;
}

pub fn network<
    E: ethernet::EthernetAdapterDatapath<'static>,
    C: ethernet::EthernetAdapterDatapathClient,
    D: date_time::DateTime<'static>,
>() {
    let _: fn(&E, &'static dyn ethernet::EthernetAdapterDatapathClient) = E::set_client;
    let _: [fn(&E); 2] = [E::enable_receive, E::disable_receive];
    let _: fn(&E, Sb, u16, usize) -> Kept<Sb> = E::transmit_frame;
    let _: fn(&C, R, Sb, u16, usize, Option<u64>) = C::transmit_frame_done;
    let _: fn(&C, &[u8], Option<u64>) = C::received_frame;
    let _: fn(&D) -> R = D::get_date_time;
    let _: fn(&D, date_time::DateTimeValues) -> R = D::set_date_time;
    let _: fn(&D, &'static dyn date_time::DateTimeClient) = D::set_client;
}

pub fn radios<
    T: radio::Radio<'static>,
    B: ble_advertising::BleAdvertisementDriver<'static> + ble_advertising::BleConfig,
    C: can::Configure + can::Controller + can::Filter + can::Transmit<8> + can::Receive<8>,
>() {
    let _: [fn(&T) -> R; 4] = [T::initialize, T::reset, T::start, T::stop];
    let _: fn(&T, radio::RadioChannel) = T::set_channel;
    let _: fn(&T, Sb, usize) -> Kept<Sb> = T::transmit;
    let _: fn(u8) -> Result<radio::RadioChannel, ()> = radio::RadioChannel::try_from;
    const _: usize = radio::MAX_BUF_SIZE - 130;
    let _: fn(&B, Sb, usize, ble_advertising::RadioChannel) = B::transmit_advertisement;
    let _: fn(&B, u8) -> R = B::set_tx_power;
    let _: fn(&C, u32) -> R = C::set_bitrate;
    let _: fn(&C, can::Id, &'static mut [u8; 8], usize) -> Kept<&'static mut [u8; 8]> = C::send;
    let _: fn(u32, u32) -> Result<can::BitTiming, ErrorCode> =
        <C as can::StandardBitTiming>::bit_timing_for_bitrate;
}

pub fn can_groups<C>() -> [fn(); 2]
where
    C: can::Configure + can::ConfigureFd + can::Controller,
    C: can::Transmit<8> + can::Receive<8> + can::Transmit<64> + can::Receive<64>,
{
    fn classic<C: can::Can>() {}
    fn long_frames<C: can::CanFd>() {}
    [classic::<C>, long_frames::<C>]
}

pub fn moment<M: time::Timestamp>() {
    let _: fn(&M) -> M::Ticks = M::now;
}

pub fn people<
    K: keyboard::Keyboard<'static>,
    S: screen::Screen<'static>,
    P: screen::ScreenSetup<'static>,
    T: text_screen::TextScreen<'static>,
    F: touch::Touch<'static>,
    B: buzzer::Buzzer<'static>,
    M: servo::Servo<'static>,
>() {
    let _: fn(&K, &'static dyn keyboard::KeyboardClient) = K::set_client;
    let _: fn(&S, &'static dyn screen::ScreenClient) = S::set_client;
    let _: fn(&S, super::Buffer, bool) -> R = S::write;
    let _: fn(&P, screen::ScreenRotation) -> R = P::set_rotation;
    let _: fn(&T, Sb, usize) -> Kept<Sb> = T::print;
    let _: fn(&F, &'static dyn touch::TouchClient) = F::set_client;
    let _: fn(&B, usize, usize) -> R = B::buzz;
    let _: fn(&M, u16) -> R = M::set_angle;
}

pub fn sensing<
    T: sensors::TemperatureDriver<'static>,
    H: sensors::HumidityDriver<'static>,
    A: sensors::AirQualityDriver<'static>,
    N: sensors::NineDof<'static>,
    P: sensors::PressureDriver<'static>,
    D: sensors::Distance<'static>,
    C: hw_debug::CycleCounter,
>() {
    let _: fn(&T, &'static dyn sensors::TemperatureClient) = T::set_client;
    let _: fn(&T) -> R = T::read_temperature;
    let _: fn(&H) -> R = H::read_humidity;
    let _: fn(&A, Option<i32>, Option<u32>) -> R = A::specify_environment;
    let _: [fn(&N) -> R; 3] = [
        N::read_accelerometer,
        N::read_magnetometer,
        N::read_gyroscope,
    ];
    let _: fn(&P) -> R = P::read_atmospheric_pressure;
    let _: fn(&D) -> R = D::read_distance;
    let _: fn(&C) -> u64 = C::count;
}

pub fn usb_and_more<
    U: usb::UsbController<'static>,
    H: usb_hid::UsbHid<'static, [u8; 64]> + 'static,
    B: bus8080::Bus8080<'static>,
    E: eic::ExternalInterruptController,
    L: log::LogRead<'static> + log::LogWrite<'static> + 'static,
>() {
    let _: fn(&U, usb::TransferType, usize) = U::endpoint_in_enable;
    type Memory = &'static [InMemoryRegister<u8>];
    let _: fn(&U, Memory) = U::endpoint_set_ctrl_buffer;
    let _: [fn(&U, usize, Memory); 2] = [U::endpoint_set_in_buffer, U::endpoint_set_out_buffer];
    let _: fn(
        &'static H,
        &'static mut [u8; 64],
    ) -> Result<usize, (ErrorCode, &'static mut [u8; 64])> = H::send_buffer;
    let _: fn(&B, bus8080::BusAddr8080) -> R = B::set_addr;
    let _: fn(&E, &E::Line, eic::InterruptMode) = E::line_enable;
    let _: fn(&L, Sb, usize) -> Kept<Sb> = L::append;
    let _: fn(&L, L::EntryID) -> R = L::seek;
}
