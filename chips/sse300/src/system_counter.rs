//! The 64-bit 32 MHz SSE system counter.
