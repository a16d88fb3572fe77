//! Comparison of two voltages.

use crate::ErrorCode;

/// Comparators of a chip.
pub trait AnalogComparator<'a> {
    /// Names a comparator of the chip.
    type Channel;

    /// Whether the positive input is above the negative one, now.
    fn comparison(&self, channel: &Self::Channel) -> bool;
    /// Calls the client each time the positive input rises above the negative one.
    ///
    /// # Errors
    /// As the chip gives.
    fn start_comparing(&self, channel: &Self::Channel) -> Result<(), ErrorCode>;
    /// Stops that.
    ///
    /// # Errors
    /// As the chip gives.
    fn stop_comparing(&self, channel: &Self::Channel) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn Client);
}

/// Learns of a rise.
pub trait Client {
    /// On this channel.
    fn fired(&self, channel: usize);
}
