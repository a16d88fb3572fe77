//! TF-M platform service: reset and non-volatile counters.
//!
//! Owns the request types of handle 0x40000105. Does not own how a chip resets ([`Reset`]) or
//! where counters live (`provisioning::NvCounters`). Three non-secure counters; only the kernel
//! (client −1) and secure partitions may raise one, since a counter never comes down again.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use provisioning::{Counter, NvCounters};
use psa_interface::Status;
use psa_interface::platform::{
    INVALID_PARAM, IOCTL, IOCTL_MAX_SIZE, NOT_SUPPORTED, NV_COUNTER_INCREMENT, NV_COUNTER_READ,
    SUCCESS, SYSTEM_ERROR, SYSTEM_RESET,
};
use spm::{Call, ClientId, Service};

/// Client id of the kernel.
const KERNEL: ClientId = ClientId(-1);

/// Resets the device.
pub trait Reset {
    /// Resets. On hardware this does not return; where it does, the reset failed.
    fn reset(&mut self);
}

/// The platform service.
#[derive(Debug)]
pub struct PlatformService<C, R> {
    counters: C,
    reset: R,
}

impl<C: NvCounters, R: Reset> PlatformService<C, R> {
    /// Over the counters of `otp` and the chip's reset.
    pub fn new(counters: C, reset: R) -> Self {
        PlatformService { counters, reset }
    }

    fn read(&mut self, call: &mut Call<'_, '_>) -> i32 {
        let (Some(id), Some(out)) = (call.input(0).array(), call.outputs.first_mut()) else {
            return SYSTEM_ERROR;
        };
        if out.capacity() != 4 {
            return SYSTEM_ERROR;
        }
        let Some(counter) = Counter::non_secure(u32::from_le_bytes(id)) else {
            return INVALID_PARAM;
        };
        let value = self.counters.get(counter).to_le_bytes();
        if out.append(&value) {
            SUCCESS
        } else {
            SYSTEM_ERROR
        }
    }

    fn increment(&mut self, call: &Call<'_, '_>) -> i32 {
        let Some(id) = call.input(0).array() else {
            return SYSTEM_ERROR;
        };
        let Some(counter) = Counter::non_secure(u32::from_le_bytes(id)) else {
            return INVALID_PARAM;
        };
        if call.client.0 < 0 && call.client != KERNEL {
            return SYSTEM_ERROR;
        }
        let raised = self
            .counters
            .get(counter)
            .checked_add(1)
            .map(|value| self.counters.raise(counter, value));
        match raised {
            Some(Ok(())) => SUCCESS,
            _ => SYSTEM_ERROR,
        }
    }
}

impl<C: NvCounters, R: Reset> Service for PlatformService<C, R> {
    fn call(&mut self, call: &mut Call<'_, '_>) -> i32 {
        match call.call_type {
            NV_COUNTER_READ => self.read(call),
            NV_COUNTER_INCREMENT => self.increment(call),
            SYSTEM_RESET => {
                self.reset.reset();
                SYSTEM_ERROR
            }
            IOCTL if call.input(0).len() != 4 => Status::PROGRAMMER_ERROR.0,
            IOCTL if call.input(1).len() > IOCTL_MAX_SIZE => Status::BUFFER_TOO_SMALL.0,
            IOCTL
                if call
                    .outputs
                    .first()
                    .is_some_and(|o| o.capacity() > IOCTL_MAX_SIZE) =>
            {
                Status::PROGRAMMER_ERROR.0
            }
            // This platform has no request of its own.
            IOCTL => NOT_SUPPORTED,
            _ => Status::NOT_SUPPORTED.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::{Cell, RefCell};
    use flash::sim::{SimFlash, Tear};
    use provisioning::OtpCounters;
    use spm::{Input, Output};

    struct Count<'a>(&'a Cell<u32>);
    impl Reset for Count<'_> {
        fn reset(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    fn call(
        service: &mut impl Service,
        client: i32,
        call_type: i16,
        inputs: &[&[u8]],
        out: &mut [u8],
    ) -> i32 {
        let inputs: Vec<Input<'_>> = inputs.iter().map(|i| Input::own(i)).collect();
        service.call(&mut Call {
            client: ClientId(client),
            call_type,
            inputs: &inputs,
            outputs: &mut [Output::own(out)],
        })
    }

    #[test]
    fn counters_are_read_and_raised() {
        let otp = RefCell::new(OtpCounters::mount(SimFlash::new(0x10000, 0x1000, 1)).unwrap());
        let resets = Cell::new(0);
        let mut s = PlatformService::new(&otp, Count(&resets));
        let mut value = [9; 4];
        let id = |n: u32| n.to_le_bytes();
        for n in 0..3 {
            for expected in 0..5u32 {
                assert_eq!(call(&mut s, -2, 1010, &[&id(n)], &mut value), 0);
                assert_eq!(value, expected.to_le_bytes());
                assert_eq!(call(&mut s, -1, 1011, &[&id(n)], &mut []), 0);
            }
        }
        // A process must not use a counter up.
        assert_eq!(call(&mut s, -2, 1011, &[&id(0)], &mut []), 1);
        for n in [3, 8, u32::MAX] {
            assert_eq!(call(&mut s, -1, 1010, &[&id(n)], &mut value), 2);
            assert_eq!(call(&mut s, -1, 1011, &[&id(n)], &mut []), 2);
        }
        assert_eq!(call(&mut s, -1, 1010, &[&[0; 3]], &mut value), 1);
        assert_eq!(call(&mut s, -1, 1010, &[&id(0)], &mut [0; 5]), 1);
        assert_eq!(call(&mut s, -1, 1011, &[], &mut []), 1);
        otp.borrow_mut().flash().power().cut_after(0, Tear::Before);
        assert_eq!(call(&mut s, -1, 1011, &[&id(0)], &mut []), 1);
        otp.borrow_mut().flash().power().power_on();
        assert_eq!(call(&mut s, -1, 1011, &[&id(0)], &mut []), 0);
        assert_eq!(otp.borrow().get(Counter::Ns0), 6);
        assert_eq!(otp.borrow().get(Counter::Image0), 0);
        assert_eq!(resets.get(), 0);
    }

    #[test]
    fn reset_ioctl_and_unknown() {
        let otp = RefCell::new(OtpCounters::mount(SimFlash::new(0x10000, 0x1000, 1)).unwrap());
        let resets = Cell::new(0);
        let mut s = PlatformService::new(&otp, Count(&resets));
        assert_eq!(call(&mut s, -1, 1012, &[], &mut []), 1);
        assert_eq!(resets.get(), 1);
        assert_eq!(call(&mut s, -1, 1013, &[&[0; 4]], &mut []), 3);
        assert_eq!(
            call(&mut s, -1, 1013, &[&[0; 4], &[0; 64]], &mut [0; 64]),
            3
        );
        assert_eq!(call(&mut s, -1, 1013, &[&[0; 4], &[0; 65]], &mut []), -138);
        assert_eq!(call(&mut s, -1, 1013, &[&[0; 4], &[]], &mut [0; 65]), -129);
        assert_eq!(call(&mut s, -1, 1013, &[&[0; 3]], &mut []), -129);
        for t in [0, 1009, 1014, -1] {
            assert_eq!(call(&mut s, -1, t, &[], &mut []), -134);
        }
        assert_eq!(resets.get(), 1);
    }
}
