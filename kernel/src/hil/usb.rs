//! USB device controllers.

use crate::utilities::registers::InMemoryRegister;

/// A controller. Buffers are shared with its hardware while it is attached.
pub trait UsbController<'a> {
    /// Whom to ask and tell.
    fn set_client(&self, client: &'a dyn Client<'a>);
    /// Buffer of endpoint 0; before `enable_as_device`.
    fn endpoint_set_ctrl_buffer(&self, buf: &'a [InMemoryRegister<u8>]);
    /// Buffer of an IN endpoint.
    fn endpoint_set_in_buffer(&self, endpoint: usize, buf: &'a [InMemoryRegister<u8>]);
    /// Buffer of an OUT endpoint.
    fn endpoint_set_out_buffer(&self, endpoint: usize, buf: &'a [InMemoryRegister<u8>]);
    /// Becomes a device; before `attach`.
    fn enable_as_device(&self, speed: DeviceSpeed);
    /// Appears on the bus.
    fn attach(&self);
    /// Leaves the bus.
    fn detach(&self);
    /// Stores the address that the host gives.
    fn set_address(&self, addr: u16);
    /// Answers to it from now on.
    fn enable_address(&self);
    /// Enables an IN endpoint.
    fn endpoint_in_enable(&self, transfer_type: TransferType, endpoint: usize);
    /// Enables an OUT endpoint.
    fn endpoint_out_enable(&self, transfer_type: TransferType, endpoint: usize);
    /// Enables both directions of an endpoint.
    fn endpoint_in_out_enable(&self, transfer_type: TransferType, endpoint: usize);
    /// There is something to send again, after `Delay`.
    fn endpoint_resume_in(&self, endpoint: usize);
    /// There is room again, after `Delay`.
    fn endpoint_resume_out(&self, endpoint: usize);
}

/// Kind of an endpoint.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum TransferType {
    Control = 0,
    Isochronous,
    Bulk,
    Interrupt,
}

/// Speed of a device.
#[derive(Clone, Copy, Debug)]
pub enum DeviceSpeed {
    /// 12 Mbit/s.
    Full,
    /// 1.5 Mbit/s.
    Low,
}

/// What a controller asks and tells.
pub trait Client<'a> {
    /// Set the endpoints up.
    fn enable(&'a self);
    /// Appear on the bus.
    fn attach(&'a self);
    /// The host reset the bus.
    fn bus_reset(&'a self);
    /// A SETUP packet lies in the control buffer.
    fn ctrl_setup(&'a self, endpoint: usize) -> CtrlSetupResult;
    /// The host wants the next control data.
    fn ctrl_in(&'a self, endpoint: usize) -> CtrlInResult;
    /// The host sent control data.
    fn ctrl_out(&'a self, endpoint: usize, packet_bytes: u32) -> CtrlOutResult;
    /// The status stage begins.
    fn ctrl_status(&'a self, endpoint: usize);
    /// The status stage is over.
    fn ctrl_status_complete(&'a self, endpoint: usize);
    /// The host wants a packet.
    fn packet_in(&'a self, transfer_type: TransferType, endpoint: usize) -> InResult;
    /// The host sent a packet.
    fn packet_out(
        &'a self,
        transfer_type: TransferType,
        endpoint: usize,
        packet_bytes: u32,
    ) -> OutResult;
    /// The host took a packet.
    fn packet_transmitted(&'a self, endpoint: usize);
}

/// Answer to a SETUP packet; errors stall.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum CtrlSetupResult {
    Ok,
    /// The address changes after the status stage.
    OkSetAddress,
    ErrBadLength,
    ErrNoParse,
    ErrNonstandardRequest,
    ErrUnrecognizedDescriptorType,
    ErrUnrecognizedRequestType,
    ErrNoDeviceQualifier,
    ErrInvalidDeviceIndex,
    ErrInvalidConfigurationIndex,
    ErrInvalidInterfaceIndex,
    ErrInvalidStringIndex,
    ErrGeneric,
}

/// Answer to control data wanted.
pub enum CtrlInResult {
    /// So many bytes are in the buffer; whether they are the last.
    Packet(usize, bool),
    /// Not yet.
    Delay,
    /// Never: stall.
    Error,
}

/// Answer to control data sent.
pub enum CtrlOutResult {
    /// Taken.
    Ok,
    /// Not yet.
    Delay,
    /// Never: stall.
    Halted,
}

/// Answer to a packet wanted.
#[derive(Debug)]
pub enum InResult {
    /// So many bytes are in the buffer.
    Packet(usize),
    /// Not yet.
    Delay,
    /// Never: stall.
    Error,
}

/// Answer to a packet sent.
#[derive(Debug)]
pub enum OutResult {
    /// Taken.
    Ok,
    /// Not yet.
    Delay,
    /// Never: stall.
    Error,
}
