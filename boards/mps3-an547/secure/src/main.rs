//! Secure image of the mps3-an547 board.
#![no_std]
#![no_main]
