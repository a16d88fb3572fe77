//! §5: what a board file or component of upstream's calls to make the capsules that both have.

use capsules_core::console::{self, Console};
use capsules_core::low_level_debug::{self, LowLevelDebug};
use capsules_core::stream::{self, SResult};
use capsules_core::test::capsule_test::{CapsuleTest, CapsuleTestClient, CapsuleTestError};
use capsules_core::virtualizers::virtual_uart::{MuxUart, UartDevice};
use capsules_core::{alarm, button, led, rng};
use capsules_core::{
    dec_consume, dec_try, enc_consume, enc_try, stream_cond, stream_done, stream_err,
    stream_from_option, stream_len_cond,
};
use capsules_extra::app_flash_driver::{self as app_flash, AppFlash};
use capsules_extra::date_time::{self, DateTimeCapsule};
use capsules_extra::ethernet_tap::{self, EthernetTapDriver};
use capsules_extra::hmac::{self, HmacDriver};
use capsules_extra::isolated_nonvolatile_storage_driver as isolated;
use capsules_extra::kv_driver::{self, KVStoreDriver};
use capsules_extra::nonvolatile_storage_driver as shared;
use capsules_extra::process_info_driver::ProcessInfo;
use capsules_extra::read_only_state::{self, ReadOnlyStateDriver};
use capsules_extra::sha::{self, ShaDriver};
use capsules_system::process_checker::basic::{AppCheckerNull, AppIdAssignerNames};
use kernel::Kernel;
use kernel::capabilities::{ProcessManagementCapability, ProcessStartCapability};
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::digest::{self, Digest};
use kernel::hil::ethernet::EthernetAdapterDatapath;
use kernel::hil::gpio::{ActivationMode, FloatingState, InterruptPin, InterruptValueWrapper};
use kernel::hil::kv::KVPermissions;
use kernel::hil::led::Led;
use kernel::hil::nonvolatile_storage::NonvolatileStorage;
use kernel::hil::rng::Rng;
use kernel::hil::time::{Alarm, Time};
use kernel::hil::uart;

type Slots<T, const U: u8, const RO: u8, const RW: u8> =
    Grant<T, UpcallCount<U>, AllowRoCount<RO>, AllowRwCount<RW>>;
type Bytes = &'static mut [u8];

pub fn core<
    A: Alarm<'static> + 'static,
    L: Led + 'static,
    P: InterruptPin<'static> + 'static,
    R: Rng<'static> + 'static,
    U: uart::Transmit<'static> + 'static,
>() {
    use alarm::AlarmDriver;
    let _: fn(&'static A, Slots<alarm::AlarmData<A::Ticks>, 1, 0, 0>) -> AlarmDriver<'static, A> =
        AlarmDriver::new;
    type Data = dyn uart::UartData<'static>;
    let _: fn(&'static Data, Bytes, Bytes, Slots<console::App, 3, 2, 2>) -> Console<'static> =
        Console::new;
    let _: fn(&'static [&'static L; 3]) -> led::LedDriver<'static, L, 3> = led::LedDriver::new;
    type Pins<P> = &'static [(
        &'static InterruptValueWrapper<'static, P>,
        ActivationMode,
        FloatingState,
    )];
    let _: fn(Pins<P>, Slots<button::App, 1, 0, 0>) -> button::Button<'static, P> =
        button::Button::new;
    let _: fn(&'static R, Slots<rng::App, 1, 0, 1>) -> rng::RngDriver<'static, R> =
        rng::RngDriver::new;
    type Debug<U> = LowLevelDebug<'static, U>;
    let _: fn(Bytes, &'static U, Slots<low_level_debug::AppData, 0, 0, 0>) -> Debug<U> =
        LowLevelDebug::new;
    let _: fn(&'static dyn uart::Uart<'static>, Bytes, u32) -> MuxUart<'static> = MuxUart::new;
    let _: fn(&MuxUart<'static>) = MuxUart::initialize;
    let _: fn(&'static MuxUart<'static>, bool) -> UartDevice<'static> = UartDevice::new;
    let _: fn(&'static UartDevice<'static>) = UartDevice::setup;
}

pub fn extra<
    H: Digest<'static, 32>
        + digest::Sha256
        + digest::Sha384
        + digest::Sha512
        + digest::HmacSha256
        + digest::HmacSha384
        + digest::HmacSha512
        + 'static,
    E: EthernetAdapterDatapath<'static> + 'static,
    V: KVPermissions<'static> + 'static,
    T: Time + 'static,
>() {
    type Out = &'static mut [u8; 32];
    type Sha<H> = ShaDriver<'static, H, 32>;
    let _: fn(&'static H, Bytes, Out, Slots<sha::App, 2, 2, 1>) -> Sha<H> = ShaDriver::new;
    type Hmac<H> = HmacDriver<'static, H, 32>;
    let _: fn(&'static H, Bytes, Out, Slots<hmac::App, 2, 3, 3>) -> Hmac<H> = HmacDriver::new;
    type Tap<E> = EthernetTapDriver<'static, E>;
    let _: fn(&'static E, Slots<ethernet_tap::App, 2, 1, 2>, Bytes) -> Tap<E> =
        EthernetTapDriver::new;
    let _: fn(&Tap<E>) = EthernetTapDriver::initialize;
    type Kv<V> = KVStoreDriver<'static, V>;
    let _: fn(&'static V, Bytes, Bytes, Slots<kv_driver::App, 1, 2, 1>) -> Kv<V> =
        KVStoreDriver::new;
    type Own = isolated::IsolatedNonvolatileStorage<'static, 2048>;
    type Below = dyn NonvolatileStorage<'static>;
    let _: fn(&'static Below, Slots<isolated::App, 3, 1, 1>, usize, usize, Bytes) -> Own = Own::new;
    type Shared = shared::NonvolatileStorage<'static>;
    type SharedGrant = Slots<shared::App, 2, 1, 1>;
    let _: fn(&'static Below, SharedGrant, usize, usize, usize, usize, Bytes) -> Shared =
        Shared::new;
    let _: fn(&'static Below, Slots<app_flash::App, 1, 1, 0>, Bytes) -> AppFlash<'static> =
        AppFlash::new;
    fn stores<S: NonvolatileStorage<'static>>() {}
    stores::<Shared>();
    let _: [usize; 2] = [shared::BUF_LEN, isolated::BUF_LEN];
    type State<T> = ReadOnlyStateDriver<'static, T>;
    let _: fn(&'static T, Slots<read_only_state::App, 0, 0, 0>) -> State<T> =
        ReadOnlyStateDriver::new;
}

/// What other capsules of upstream's take from the core crate.
pub fn shared<T: CapsuleTest, C: CapsuleTestClient + 'static>() {
    let _: fn(&T, &'static dyn CapsuleTestClient) = T::set_client;
    let _: fn(&'static C, Result<(), CapsuleTestError>) = C::done;
    let _: fn(kernel::ErrorCode) -> CapsuleTestError = CapsuleTestError::ErrorCode;
    let _ = CapsuleTestError::IncorrectResult;
    let _: fn(SResult<u16, u8>) -> Option<(usize, u16)> = SResult::done;
    let _: fn(SResult<u16, u8>) -> Option<usize> = SResult::needed;
    let _: fn(SResult<u16, u8>) -> Option<u8> = SResult::err;
    let _: [fn(&SResult) -> bool; 3] = [SResult::is_done, SResult::is_needed, SResult::is_err];
    let _: fn(&mut [u8], u8) -> SResult = stream::encode_u8;
    let _: fn(&mut [u8], u16) -> SResult = stream::encode_u16;
    let _: fn(&mut [u8], u32) -> SResult = stream::encode_u32;
    let _: [fn(&mut [u8], &[u8]) -> SResult; 2] = [stream::encode_bytes, stream::encode_bytes_be];
    let _: fn(&[u8]) -> SResult<u8> = stream::decode_u8;
    let _: fn(&[u8]) -> SResult<u16> = stream::decode_u16;
    let _: fn(&[u8]) -> SResult<u32> = stream::decode_u32;
    let _: [fn(&[u8], &mut [u8]) -> SResult; 2] = [stream::decode_bytes, stream::decode_bytes_be];
}

/// Two numbers and what follows them, in each form of the macros that upstream's capsules use.
pub struct Pair(u8, u16);

impl Pair {
    pub fn encode(&self, buf: &mut [u8], tail: &[u8]) -> SResult<&'static str> {
        stream_len_cond!(buf, 3);
        let mut off = enc_consume!(buf; stream::encode_u8, self.0);
        off = enc_consume!(buf, off; stream::encode_u16, self.1);
        let (off, ()) = enc_try!(buf, off; stream::encode_bytes, tail);
        stream_done!(off, "pair");
    }
    pub fn decode(buf: &[u8]) -> SResult<Pair> {
        let (off, first) = dec_try!(buf; stream::decode_u8);
        stream_cond!(first != 0);
        let (off, second) = dec_try!(buf, off; stream::decode_u16);
        stream_done!(off, Pair(first, stream_from_option!(Some(second))));
    }
}

/// The same within another step.
pub fn nested(buf: &mut [u8], pair: &Pair) -> SResult {
    let off = enc_consume!(buf, 1; pair; encode, &[9]);
    let mut tail = [0];
    let off = dec_consume!(buf, off - 1; stream::decode_bytes, &mut tail);
    let (_, again) = dec_try!(Pair::decode(&buf[1..]), 1);
    if again.1 != pair.1 || tail != [9] {
        stream_err!();
    }
    stream_done!(off);
}

pub fn date_time<D: kernel::hil::date_time::DateTime<'static> + 'static>() {
    type Clock<D> = DateTimeCapsule<'static, D>;
    let _: fn(&'static D, Slots<date_time::AppData, 1, 0, 0>) -> Clock<D> = DateTimeCapsule::new;
    fn client<C: kernel::hil::date_time::DateTimeClient>() {}
    let _: fn() = client::<Clock<D>>;
}

pub fn process_info<C: ProcessManagementCapability + ProcessStartCapability>() {
    let _: fn(&'static Kernel, Slots<(), 0, 0, 1>, C) -> ProcessInfo<C> = ProcessInfo::new;
}

pub fn system() {
    type Hash = fn(&'static str) -> u32;
    let _: fn() -> AppCheckerNull = AppCheckerNull::new;
    let _: fn(&'static Hash) -> AppIdAssignerNames<'static, Hash> = AppIdAssignerNames::new;
}
