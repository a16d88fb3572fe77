//! ARMv8-M non-secure architecture port: context switch, PMSAv8 MPU, SysTick, NVIC.
#![cfg_attr(not(test), no_std)]
