//! CMSDK UART, polled transmit.
