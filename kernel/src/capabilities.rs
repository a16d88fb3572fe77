//! Capabilities: tokens that only board code (which may write `unsafe impl`) can mint.
//!
//! A function that lets its caller act on processes or kernel memory takes one by reference. They
//! carry no data and compile to nothing. Mint them with `create_capability!`.

/// Start, stop, inspect and load processes.
///
/// # Safety
/// Implement only in code trusted with every process.
pub unsafe trait ProcessManagementCapability {}
/// Start a terminated process.
///
/// # Safety
/// Implement only in code trusted with every process.
pub unsafe trait ProcessStartCapability {}
/// Restart a process, and do nothing else to it.
///
/// # Safety
/// Implement only in code trusted to end any process.
pub unsafe trait ProcessRestartCapability {}
/// Run the main loop.
///
/// # Safety
/// Implement only in the board's entry function.
pub unsafe trait MainLoopCapability {}
/// Create grants.
///
/// # Safety
/// Implement only in board composition code.
pub unsafe trait MemoryAllocationCapability {}
/// Make process types outside the kernel crate.
///
/// # Safety
/// Implement only in a crate that implements `Process`.
pub unsafe trait ExternalProcessCapability {}
/// Act in storage as the kernel itself.
///
/// # Safety
/// Implement only for kernel-internal storage users.
pub unsafe trait KerneluserStorageCapability {}
/// Hand out storage permissions to processes.
///
/// # Safety
/// Implement only in a storage permission policy.
pub unsafe trait ApplicationStorageCapability {}
/// Be a UDP driver: send from and receive at ports that are not its own.
///
/// # Safety
/// Implement only for the capsule that serves UDP to processes.
pub unsafe trait UdpDriverCapability {}
/// Make the table of UDP ports.
///
/// # Safety
/// Implement only in board composition code.
pub unsafe trait CreatePortTableCapability {}
/// Make capabilities of the network stack.
///
/// # Safety
/// Implement only in board composition code.
pub unsafe trait NetworkCapabilityCreationCapability {}
/// Set the writer behind `debug!`.
///
/// # Safety
/// Implement only in board code.
pub unsafe trait SetDebugWriterCapability {}
