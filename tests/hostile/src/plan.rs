//! What a stage does: a list of attacks, written into its binary by the harness.
//!
//! Owns the format of [`Plan`] and the operations. A stage is one program in several slots; the
//! harness finds [`MAGIC`] in its ELF and writes behind it which attacks it makes, on which
//! addresses, under which names.

/// Marks the plan in a stage's binary.
pub const MAGIC: [u8; 16] = *b"tockstone plan!\n";
/// Most attacks of one stage.
pub const ENTRIES: usize = 16;
/// Longest name of an attack.
pub const NAME: usize = 32;

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $name { $($(#[$item])* $variant,)* }

        impl $name {
            /// By its number.
            pub fn of(code: u32) -> Option<Self> {
                [$(Self::$variant),*].into_iter().find(|v| *v as u32 == code)
            }
        }
    };
}

coded! {
    /// What an attack does with its address `a` and its number `n`.
    Op {
        /// Nothing: no more attacks.
        End,
        /// Loads the word at `a`.
        Read,
        /// Stores to the word at `a` what it is thought to hold, `n`.
        Write,
        /// Calls `a`.
        Execute,
        /// Calls code that it wrote to `a`.
        ExecuteOwn,
        /// Executes `svc` with the stack pointer `a`.
        SvcAt,
        /// Pushes down to `a`.
        PushDown,
        /// As `Write`, of other bits; looks whether they came, and puts back what was there.
        WriteBack,
        /// As `Execute`, of code that it writes there first; puts back what was there.
        ExecuteBack,
        /// As `SvcAt`; puts back what the core stacked over.
        SvcAtBack,
        /// As `PushDown`; puts back what it pushed over, up to its own RAM.
        PushDownBack,
        /// Returns from an exception that there was not: `n` in lr.
        ReturnByLr,
        /// The same, popped into pc.
        ReturnByPc,
        /// A floating-point instruction.
        Float,
        /// A vector instruction.
        Vector,
        /// An undefined instruction.
        Undefined,
        /// Writes CONTROL and masks interrupts.
        TakeOver,
        /// Reads the kernel's stack pointer.
        MainStack,
        /// Lends `[a, a + n)` read-only.
        AllowRo,
        /// Lends `[a, a + n)` read-write.
        AllowRw,
        /// Lends `[a, a + n)` as userspace-readable.
        AllowReadable,
        /// Subscribes the function `a`.
        Subscribe,
        /// Has Yield-NoWait write its result to `a`.
        YieldTo,
        /// As `YieldTo`; looks whether it was written, and puts back what was there.
        YieldToBack,
        /// Moves the break to `a`.
        Break,
        /// Moves the break by `n`.
        MoveBreak,
        /// Moves the break below a buffer that it lent.
        BreakBelowLent,
        /// Looks at its privilege for `n` ms of calls, of the secure world among them.
        Privilege,
        /// Looks at its privilege for `n` ms without any call.
        PrivilegeSpin,
        /// Takes a buffer back while the kernel fills it.
        TakeBack,
        /// Exchanges a buffer while the kernel fills it.
        Exchange,
        /// Raises `n` upcalls without taking one.
        Flood,
        /// Takes all memory, then asks for more of the kernel's.
        Exhaust,
        /// `n` calls with random registers, seed `a`.
        Fuzz,
        /// Calls around the end of a slice, an instruction later each time, `n` times.
        CallAtSliceEnd,
        /// Calls around an interrupt, an instruction later each time, `n` times.
        CallAtInterrupt,
        /// Has the secure world work while interrupts come, `n` times.
        InterruptSecure,
        /// Stores a secret.
        Keep,
        /// Reads the secret of another with its name.
        Steal,
        /// Reads what the secure world keeps for the app whose name it claims: object `n`.
        Claim,
        /// Reads behind its break what it had there a moment ago.
        ReadReturned,
        /// Loads the word at `a`, which is not zero in a device that is there.
        ReadDevice,
        /// Calls the veneer at `a` itself.
        Veneer,
        /// As a handler, calls the veneer at `a`: number `n` of the page.
        VeneerInHandler,
        /// As a thread, selects a client id.
        SelectClient,
        /// Has the secure world read 16 bytes at `a` for it.
        VectorIn,
        /// Has the secure world write 16 bytes at `a` for it.
        VectorOut,
        /// Has the secure world take its descriptors from `a`.
        VectorsAt,
        /// Changes a descriptor while the secure world looks at it, `n` times: to `a`.
        Redirect,
        /// Calls the secure world itself for `n` slices, and looks at its privilege.
        SecureCalls,
        /// `n` calls of veneers with random registers and vectors, seed `a`.
        FuzzVeneers,
        /// Notifies every process through IPC, itself too, `n` times; none asked for it.
        NotifyAll,
        /// Has the kernel write the word `n` to flash at `a`, which is what it is thought to hold.
        WriteFlash,
    }
}

coded! {
    /// What an address is counted from.
    Base {
        /// Nothing.
        Absolute,
        /// The stage's RAM.
        RamStart,
        /// The end of its block.
        RamEnd,
        /// Its TBF.
        FlashStart,
        /// The end of its TBF.
        FlashEnd,
        /// Its lowest grant.
        Grants,
        /// The first byte past its break, as the MPU rounds it.
        Break,
        /// A buffer of its own.
        Buffer,
        /// Its code.
        Code,
    }
}

/// One attack.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Entry {
    /// [`Op`].
    pub op: u32,
    /// [`Base`].
    pub base: u32,
    /// Added to the base; wraps.
    pub offset: u32,
    /// The operation's number.
    pub n: u32,
    /// Name in UTF-8, zeros behind it.
    pub name: [u8; NAME],
}

impl Entry {
    /// No attack.
    pub const END: Entry = Entry {
        op: Op::End as u32,
        base: 0,
        offset: 0,
        n: 0,
        name: [0; NAME],
    };

    /// The name, as far as it is text.
    pub fn name(&self) -> &str {
        let end = self.name.iter().position(|b| *b == 0).unwrap_or(NAME);
        let name = self.name.get(..end).unwrap_or_default();
        core::str::from_utf8(name).unwrap_or("?")
    }

    /// As the binary holds it.
    pub fn bytes(&self) -> [u8; size_of::<Entry>()] {
        let mut out = [0; size_of::<Entry>()];
        let words = [self.op, self.base, self.offset, self.n];
        let (head, name) = out.split_at_mut(16);
        for (to, word) in head.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        name.copy_from_slice(&self.name);
        out
    }
}

/// The attacks of a stage.
#[derive(Debug)]
#[repr(C)]
pub struct Plan {
    /// [`MAGIC`].
    pub magic: [u8; 16],
    /// In this order; a stage ends at the first that is none.
    pub entries: [Entry; ENTRIES],
}
