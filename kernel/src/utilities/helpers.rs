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
    ($($cap:ty),+ $(,)?) => {{
        struct Cap;
        $(
            // SAFETY: board code mints it, and board code is trusted with what it guards.
            #[allow(unsafe_code)]
            unsafe impl $cap for Cap {}
        )+
        Cap
    }};
}

/// Makes a capability whose type has a name: `create_typed_capability!(value, Type: Trait, …)`.
///
/// Board code only, as [`create_capability!`].
#[macro_export]
macro_rules! create_typed_capability {
    ($var:ident, $type:ident: $($cap:path),+ $(,)?) => {
        $crate::define_capability_type!($type: $($cap),+);
        // SAFETY: board code mints it, and board code is trusted with what it guards.
        #[allow(unsafe_code)]
        let $var = unsafe { $crate::mint_defined_capability!($type) };
    };
}

/// Names a type for capabilities: `define_capability_type!(Type: Trait, …)`. Values come from
/// [`mint_defined_capability!`].
///
/// Board code only, as [`create_capability!`].
#[macro_export]
macro_rules! define_capability_type {
    ($type:ident: $($cap:path),+ $(,)?) => {
        /// A capability.
        pub struct $type {
            _only_by_mint: (),
        }
        $(
            // SAFETY: board code mints it, and board code is trusted with what it guards.
            #[allow(unsafe_code)]
            unsafe impl $cap for $type {}
        )+
        impl $type {
            /// # Safety
            /// The caller is trusted with what the capability guards.
            #[doc(hidden)]
            #[allow(unsafe_code)]
            unsafe fn __mint() -> Self {
                $type { _only_by_mint: () }
            }
        }
    };
}

/// Makes a value of a type of [`define_capability_type!`]; needs `unsafe`, and only works in the
/// module that defines the type, or below.
#[macro_export]
macro_rules! mint_defined_capability {
    ($type:ident) => {
        $type::__mint()
    };
}

/// How many expressions there are.
#[macro_export]
macro_rules! count_expressions {
    () => { 0usize };
    ($_head:expr $(,)?) => { 1usize };
    ($_head:expr, $($tail:expr),+ $(,)?) => {
        1usize + $crate::count_expressions!($($tail),+)
    };
}

/// `stack_size!{0x1000}`: bytes of the kernel's stack, in section `.stack_buffer`.
#[macro_export]
macro_rules! stack_size {
    {$size:expr} => {
        /// The kernel's stack; only the hardware reads and writes it.
        #[unsafe(link_section = ".stack_buffer")]
        #[unsafe(no_mangle)]
        static mut STACK_MEMORY: [u8; $size] = [0; $size];
    };
}

/// Writes every field of a struct in a `&mut MaybeUninit<_>`:
/// `init_uninit_struct!(memory => Name<A, B> { field: value, … })`. A field that is left out does
/// not compile.
///
/// Needs `unsafe`: it writes through a pointer.
#[macro_export]
macro_rules! init_uninit_struct {
    ($memory:expr => $name:ident < $($arg:tt),* > { $($field:ident : $value:expr),* $(,)? }) => {
        #[allow(unreachable_code, clippy::diverging_sub_expression)]
        if false {
            // Never runs: the compiler counts the fields.
            let _: $name<$($arg),*> = $name { $($field: ::core::unreachable!()),* };
        }
        let memory = ::core::mem::MaybeUninit::as_mut_ptr($memory);
        $( (&raw mut (*memory).$field).write($value); )*
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc_matches_the_published_check_value() {
        // CRC-32/POSIX of "123456789" in the CRC catalogue.
        assert_eq!(super::crc32_posix(b"123456789"), 0x765E_7680);
    }

    #[test]
    fn every_field_is_written_in_its_place() {
        struct Pair<A, B> {
            first: A,
            second: B,
        }
        let mut memory = core::mem::MaybeUninit::<Pair<u8, u32>>::uninit();
        // SAFETY: the memory is a local's, and `assume_init` follows the write of all fields.
        #[allow(unsafe_code)]
        let pair = unsafe {
            crate::init_uninit_struct!(&mut memory => Pair<u8, u32> { first: 1, second: 2 });
            memory.assume_init()
        };
        assert_eq!((pair.first, pair.second), (1, 2));
    }
}
