//! What a bounded queue offers.

/// A first-in first-out queue.
pub trait Queue<T> {
    /// Whether anything is in it.
    fn has_elements(&self) -> bool;
    /// Whether nothing fits.
    fn is_full(&self) -> bool;
    /// How many are in it.
    fn len(&self) -> usize;
    /// Whether it is empty.
    fn is_empty(&self) -> bool {
        !self.has_elements()
    }
    /// Adds at the end; false when full.
    fn enqueue(&mut self, val: T) -> bool;
    /// Adds at the end; when full, drops and returns the oldest.
    fn push(&mut self, val: T) -> Option<T>;
    /// Takes the oldest.
    fn dequeue(&mut self) -> Option<T>;
    /// Takes the first for which `f` holds, keeping the order of the rest.
    fn remove_first_matching<F: Fn(&T) -> bool>(&mut self, f: F) -> Option<T>;
    /// Drops everything.
    fn empty(&mut self);
    /// Keeps only those for which `f` holds.
    fn retain<F: FnMut(&T) -> bool>(&mut self, f: F);
}
