//! What two trailers ask the loader to do.
//!
//! Owns the decision table of `reference/tfm.md` §I.5. A torn flag (neither 0x01 nor erased) never
//! counts as set: its writer lost power before the write was done.

/// Content of a trailer's magic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MagicState {
    /// The 16 bytes match.
    Good,
    /// All erased.
    Unset,
    /// Anything else.
    Bad,
}

/// Content of a one-byte flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// 0x01.
    Set,
    /// Erased.
    Unset,
    /// Anything else.
    Bad,
}

/// Swap types, with the values of `swap_info`'s low nibble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SwapType {
    None = 1,
    /// Swap, and swap back unless the new image confirms itself.
    Test = 2,
    /// Swap for good.
    Permanent = 3,
    /// Swap back.
    Revert = 4,
}

impl SwapType {
    /// From `swap_info`'s low nibble.
    pub fn from_nibble(value: u8) -> Option<Self> {
        match value {
            1 => Some(SwapType::None),
            2 => Some(SwapType::Test),
            3 => Some(SwapType::Permanent),
            4 => Some(SwapType::Revert),
            _ => None,
        }
    }
}

/// What a slot's trailer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotState {
    pub magic: MagicState,
    pub image_ok: Flag,
    pub copy_done: Flag,
    /// Type and image number, where the byte is valid.
    pub swap_info: Option<(SwapType, u8)>,
}

impl SlotState {
    /// A slot without a trailer, as the factory leaves it.
    pub const ERASED: SlotState = SlotState {
        magic: MagicState::Unset,
        image_ok: Flag::Unset,
        copy_done: Flag::Unset,
        swap_info: None,
    };

    /// A primary that was swapped in for a test and has not confirmed itself.
    pub fn is_trial(&self) -> bool {
        self.magic == MagicState::Good
            && self.image_ok != Flag::Set
            && (self.copy_done == Flag::Set || matches!(self.swap_info, Some((SwapType::Test, _))))
    }
}

/// The first matching row of §I.5.
pub fn swap_type(primary: &SlotState, secondary: &SlotState) -> SwapType {
    match (secondary.magic, secondary.image_ok) {
        (MagicState::Good, Flag::Set) => return SwapType::Permanent,
        (MagicState::Good, _) => return SwapType::Test,
        _ => {}
    }
    if primary.magic == MagicState::Good
        && primary.image_ok != Flag::Set
        && primary.copy_done == Flag::Set
    {
        return SwapType::Revert;
    }
    SwapType::None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination of the five inputs against §I.5, written out as its rows.
    #[test]
    fn all_rows() {
        let magics = [MagicState::Good, MagicState::Unset, MagicState::Bad];
        let flags = [Flag::Set, Flag::Unset, Flag::Bad];
        let mut rows = [0; 4];
        for pm in magics {
            for po in flags {
                for pc in flags {
                    for sm in magics {
                        for so in flags {
                            let primary = SlotState {
                                magic: pm,
                                image_ok: po,
                                copy_done: pc,
                                swap_info: None,
                            };
                            let secondary = SlotState {
                                magic: sm,
                                image_ok: so,
                                ..SlotState::ERASED
                            };
                            let pending = sm == MagicState::Good;
                            let row = if pending && so != Flag::Set {
                                0
                            } else if pending {
                                1
                            } else if pm == MagicState::Good && po != Flag::Set && pc == Flag::Set {
                                2
                            } else {
                                3
                            };
                            rows[row] += 1;
                            let expected = [
                                SwapType::Test,
                                SwapType::Permanent,
                                SwapType::Revert,
                                SwapType::None,
                            ][row];
                            assert_eq!(swap_type(&primary, &secondary), expected);
                        }
                    }
                }
            }
        }
        // 3·3·3 primaries × (2 | 1 | …) secondaries.
        assert_eq!(rows, [54, 27, 12, 150]);
    }

    #[test]
    fn nibbles_round_trip() {
        for n in 0..=255 {
            if let Some(t) = SwapType::from_nibble(n) {
                assert_eq!(t as u8, n);
            }
        }
        assert_eq!(SwapType::from_nibble(5), None);
    }
}
