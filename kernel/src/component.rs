//! How a board builds a capsule: static memory in, a finished reference out.

/// One piece of a board's composition.
pub trait Component {
    /// Static memory that the board reserves for it.
    type StaticInput;
    /// What it becomes.
    type Output;
    /// Builds it.
    fn finalize(self, static_memory: Self::StaticInput) -> Self::Output;
}
