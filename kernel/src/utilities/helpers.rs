//! Small functions without a better home.

/// CRC-32/POSIX (`cksum` without its length suffix): polynomial 0x04C11DB7, no reflection,
/// initial value 0, final complement.
pub fn crc32_posix(data: &[u8]) -> u32 {
    let mut crc = 0u32;
    for &byte in data {
        crc ^= u32::from(byte) << 24;
        for _ in 0..8 {
            let carry = crc & 0x8000_0000 != 0;
            crc <<= 1;
            if carry {
                crc ^= 0x04C1_1DB7;
            }
        }
    }
    !crc
}

/// Makes a capability: `create_capability!(capabilities::MainLoopCapability)`.
///
/// Board code only: the expansion is an `unsafe impl`, which says that the caller is trusted with
/// what the capability guards.
#[macro_export]
macro_rules! create_capability {
    ($($cap:path),+ $(,)?) => {{
        struct Cap;
        $(
            // SAFETY: board code mints it, and board code is trusted with what it guards.
            unsafe impl $cap for Cap {}
        )+
        Cap
    }};
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc_matches_the_published_check_value() {
        // CRC-32/POSIX of "123456789" in the CRC catalogue.
        assert_eq!(super::crc32_posix(b"123456789"), 0x765E_7680);
    }
}
