//! Platform service: request types and results (TF-M).

/// `tfm_platform_nv_counter_read`: in 0 counter id (u32), out 0 value (4 bytes).
pub const NV_COUNTER_READ: i16 = 1010;
/// `tfm_platform_nv_counter_increment`: in 0 counter id (u32).
pub const NV_COUNTER_INCREMENT: i16 = 1011;
/// `tfm_platform_system_reset`: does not return.
pub const SYSTEM_RESET: i16 = 1012;
/// `tfm_platform_ioctl`: in 0 request (i32), in 1 input, out 0 output.
pub const IOCTL: i16 = 1013;
/// Largest ioctl input or output, bytes.
pub const IOCTL_MAX_SIZE: usize = 64;

/// `TFM_PLATFORM_ERR_SUCCESS`.
pub const SUCCESS: i32 = 0;
/// `TFM_PLATFORM_ERR_SYSTEM_ERROR`; a client maps every negative status to it.
pub const SYSTEM_ERROR: i32 = 1;
/// `TFM_PLATFORM_ERR_INVALID_PARAM`.
pub const INVALID_PARAM: i32 = 2;
/// `TFM_PLATFORM_ERR_NOT_SUPPORTED`.
pub const NOT_SUPPORTED: i32 = 3;
