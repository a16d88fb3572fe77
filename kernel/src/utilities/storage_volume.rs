//! Flash that is set aside by name.

/// `storage_volume!(NAME, KiB)`: a static `NAME` of so many KiB of zeros in section `.storage`,
/// which the linker script aligns to a flash page.
#[macro_export]
macro_rules! storage_volume {
    ($N:ident, $kB:expr $(,)?) => {
        #[unsafe(link_section = ".storage")]
        #[used]
        #[unsafe(no_mangle)]
        pub static $N: [u8; $kB * 1024] = [0x00; $kB * 1024];
    };
}
