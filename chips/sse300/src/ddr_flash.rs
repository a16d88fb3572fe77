//! File-backed DDR behind the flash trait, with NOR rules imposed.
