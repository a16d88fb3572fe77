//! Interior mutability for single-threaded split-phase code.
//!
//! Every access moves the value out and back in, so that no reference into a cell can outlive a
//! re-entrant call; what a re-entrant call put there wins over what is moved back.

use core::cell::{Cell, RefCell, UnsafeCell};

pub use super::numeric_cell::NumericCellExt;

/// A `Cell<Option<T>>` with the methods of `Option`.
pub struct OptionalCell<T> {
    value: Cell<Option<T>>,
}

impl<T> Default for OptionalCell<T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T> OptionalCell<T> {
    /// Empty.
    pub const fn empty() -> Self {
        OptionalCell {
            value: Cell::new(None),
        }
    }
    /// With a value.
    pub const fn new(val: T) -> Self {
        OptionalCell {
            value: Cell::new(Some(val)),
        }
    }
    /// Puts a value in.
    pub fn set(&self, val: T) {
        self.value.set(Some(val));
    }
    /// Puts a value or nothing in.
    pub fn insert(&self, opt: Option<T>) {
        self.value.set(opt);
    }
    /// Puts a value in; returns what was there.
    pub fn replace(&self, val: T) -> Option<T> {
        self.value.replace(Some(val))
    }
    /// Empties it.
    pub fn clear(&self) {
        self.value.set(None);
    }
    /// Takes the value out.
    pub fn take(&self) -> Option<T> {
        self.value.take()
    }
    fn peek<R>(&self, f: impl FnOnce(&Option<T>) -> R) -> R {
        let v = self.value.take();
        let r = f(&v);
        self.value.set(v);
        r
    }
    /// Whether it holds a value.
    pub fn is_some(&self) -> bool {
        self.peek(Option::is_some)
    }
    /// Whether it is empty.
    pub fn is_none(&self) -> bool {
        self.peek(Option::is_none)
    }
    /// Whether it holds just this value.
    pub fn contains(&self, x: &T) -> bool
    where
        T: PartialEq,
    {
        self.peek(|v| v.as_ref() == Some(x))
    }
    /// Takes the value out, or `err`.
    pub fn ok_or<E>(self, err: E) -> Result<T, E> {
        self.value.into_inner().ok_or(err)
    }
    /// Takes the value out, or what `err` returns.
    pub fn ok_or_else<E, F: FnOnce() -> E>(self, err: F) -> Result<T, E> {
        self.value.into_inner().ok_or_else(err)
    }
    /// `optb` if this holds a value.
    pub fn and<U>(self, optb: Option<U>) -> Option<U> {
        self.value.into_inner().and(optb)
    }
    /// The value if `predicate` holds for it.
    pub fn filter<P: FnOnce(&T) -> bool>(self, predicate: P) -> Option<T> {
        self.value.into_inner().filter(predicate)
    }
    /// The value, else `optb`.
    pub fn or(self, optb: Option<T>) -> Option<T> {
        self.value.into_inner().or(optb)
    }
    /// The value, else what `f` returns.
    pub fn or_else<F: FnOnce() -> Option<T>>(self, f: F) -> Option<T> {
        self.value.into_inner().or_else(f)
    }
    /// The value, else its type's default.
    pub fn unwrap_or_default(self) -> T
    where
        T: Default,
    {
        self.value.into_inner().unwrap_or_default()
    }
}

impl<T: Copy> OptionalCell<T> {
    /// A copy of the value.
    pub fn get(&self) -> Option<T> {
        self.value.get()
    }
    /// Calls `f` with the value, if any.
    pub fn map<F: FnOnce(T) -> R, R>(&self, f: F) -> Option<R> {
        self.get().map(f)
    }
    /// Calls `f` with the value, else `default`.
    pub fn map_or<F: FnOnce(T) -> R, R>(&self, default: R, f: F) -> R {
        self.get().map_or(default, f)
    }
    /// Calls `f` with the value, else `default`.
    pub fn map_or_else<U, D: FnOnce() -> U, F: FnOnce(T) -> U>(&self, default: D, f: F) -> U {
        self.get().map_or_else(default, f)
    }
    /// Calls `f` with the value, if any.
    pub fn and_then<U, F: FnOnce(T) -> Option<U>>(&self, f: F) -> Option<U> {
        self.get().and_then(f)
    }
    /// The value, else `default`.
    pub fn unwrap_or(&self, default: T) -> T {
        self.get().unwrap_or(default)
    }
    /// The value, else what `default` returns.
    pub fn unwrap_or_else<F: FnOnce() -> T>(&self, default: F) -> T {
        self.get().unwrap_or_else(default)
    }
    /// The value; panics when empty. Board initialisation only.
    pub fn unwrap_or_panic(&self) -> T {
        match self.get() {
            Some(v) => v,
            None => panic!("empty cell"),
        }
    }
}

/// A cell over an optional `&'a mut T`: how capsules keep `'static` buffers.
pub struct TakeCell<'a, T: 'a + ?Sized> {
    val: Cell<Option<&'a mut T>>,
}

impl<'a, T: ?Sized> TakeCell<'a, T> {
    /// Empty.
    pub const fn empty() -> TakeCell<'a, T> {
        TakeCell {
            val: Cell::new(None),
        }
    }
    /// Holding `value`.
    pub const fn new(value: &'a mut T) -> TakeCell<'a, T> {
        TakeCell {
            val: Cell::new(Some(value)),
        }
    }
    /// Takes the reference out.
    pub fn take(&self) -> Option<&'a mut T> {
        self.val.take()
    }
    /// Puts a reference or nothing in.
    pub fn put(&self, val: Option<&'a mut T>) {
        self.val.set(val);
    }
    /// Puts a reference in; returns what was there.
    pub fn replace(&self, val: &'a mut T) -> Option<&'a mut T> {
        self.val.replace(Some(val))
    }
    /// The reference inside, through exclusive access to the cell.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.val.get_mut().as_deref_mut()
    }
    /// Whether it is empty.
    pub fn is_none(&self) -> bool {
        let v = self.val.take();
        let none = v.is_none();
        self.val.set(v);
        none
    }
    /// Whether it holds a reference.
    pub fn is_some(&self) -> bool {
        !self.is_none()
    }
    /// Calls `f` with the reference, if any. Inside `f` the cell is empty.
    pub fn map<F: FnOnce(&mut T) -> R, R>(&self, f: F) -> Option<R> {
        let val = self.take()?;
        let r = f(val);
        self.restore(val);
        Some(r)
    }
    fn restore(&self, val: &'a mut T) {
        if let Some(newer) = self.replace(val) {
            self.put(Some(newer));
        }
    }
    /// Calls `f` with the reference, else `default`.
    pub fn map_or<F: FnOnce(&mut T) -> R, R>(&self, default: R, f: F) -> R {
        self.map(f).unwrap_or(default)
    }
    /// Calls `f` with the reference, else `default`.
    pub fn map_or_else<U, D: FnOnce() -> U, F: FnOnce(&mut T) -> U>(&self, default: D, f: F) -> U {
        self.map(f).unwrap_or_else(default)
    }
    /// Calls `f` with the reference, if any.
    pub fn and_then<F: FnOnce(&mut T) -> Option<R>, R>(&self, f: F) -> Option<R> {
        self.map(f).flatten()
    }
    /// Calls `modify` with the reference, or fills the cell with what `mkval` returns.
    pub fn modify_or_replace<F: FnOnce(&mut T), G: FnOnce() -> &'a mut T>(
        &self,
        modify: F,
        mkval: G,
    ) {
        match self.take() {
            Some(val) => {
                modify(val);
                self.restore(val);
            }
            None => self.put(Some(mkval())),
        }
    }
}

/// A cell over an optional value, borrowed in place by closure.
///
/// While one closure borrows it, the cell looks empty to every other user.
pub struct MapCell<T> {
    val: RefCell<Option<T>>,
}

impl<T> Default for MapCell<T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T> MapCell<T> {
    /// Empty.
    pub const fn empty() -> MapCell<T> {
        MapCell {
            val: RefCell::new(None),
        }
    }
    /// Holding `value`.
    pub const fn new(value: T) -> MapCell<T> {
        MapCell {
            val: RefCell::new(Some(value)),
        }
    }
    /// Whether it is empty.
    pub fn is_none(&self) -> bool {
        !self.is_some()
    }
    /// Whether it holds a value, one that is borrowed included.
    pub fn is_some(&self) -> bool {
        self.val.try_borrow().map_or(true, |v| v.is_some())
    }
    /// A copy of the value.
    pub fn get(&self) -> Option<T>
    where
        T: Copy,
    {
        self.val.try_borrow().ok().and_then(|v| *v)
    }
    /// Takes the value out.
    pub fn take(&self) -> Option<T> {
        self.val.try_borrow_mut().ok().and_then(|mut v| v.take())
    }
    /// Puts a value in; without effect while borrowed.
    pub fn put(&self, val: T) {
        let _ = self.replace(val);
    }
    /// Puts a value in; returns what was there.
    pub fn replace(&self, val: T) -> Option<T> {
        self.val
            .try_borrow_mut()
            .ok()
            .and_then(|mut v| v.replace(val))
    }
    /// Calls `f` with the value, if any.
    pub fn map<F: FnOnce(&mut T) -> R, R>(&self, f: F) -> Option<R> {
        self.val.try_borrow_mut().ok()?.as_mut().map(f)
    }
    /// Calls `f` with the value, else `default`.
    pub fn map_or<F: FnOnce(&mut T) -> R, R>(&self, default: R, f: F) -> R {
        self.map(f).unwrap_or(default)
    }
    /// Calls `f` with the value, else `default`.
    pub fn map_or_else<U, D: FnOnce() -> U, F: FnOnce(&mut T) -> U>(&self, default: D, f: F) -> U {
        self.map(f).unwrap_or_else(default)
    }
    /// Calls `f` with the value, if any.
    pub fn and_then<F: FnOnce(&mut T) -> Option<R>, R>(&self, f: F) -> Option<R> {
        self.map(f).flatten()
    }
    /// Calls `modify` with the value, or fills the cell with what `mkval` returns.
    pub fn modify_or_replace<F: FnOnce(&mut T), G: FnOnce() -> T>(&self, modify: F, mkval: G) {
        if self.is_none() {
            self.put(mkval());
        } else {
            self.map(modify);
        }
    }
}

/// A cell that hardware reads and writes too (a DMA buffer's bytes): each access happens.
#[derive(Default)]
#[repr(transparent)]
pub struct VolatileCell<T> {
    value: UnsafeCell<T>,
}

impl<T: Copy> VolatileCell<T> {
    /// With a value.
    pub const fn new(value: T) -> Self {
        VolatileCell {
            value: UnsafeCell::new(value),
        }
    }
    /// Reads.
    #[inline]
    pub fn get(&self) -> T {
        // SAFETY: a valid, aligned `T`; no reference into the cell exists, and it is not `Sync`.
        unsafe { core::ptr::read_volatile(self.value.get()) }
    }
    /// Writes.
    #[inline]
    pub fn set(&self, value: T) {
        // SAFETY: as in `get`.
        unsafe { core::ptr::write_volatile(self.value.get(), value) }
    }
}

#[cfg(test)]
mod tests {
    use super::MapCell;

    #[test]
    fn a_map_cell_that_is_borrowed_is_full_and_cannot_be_emptied() {
        let cell = MapCell::new(1);
        cell.map(|v| {
            assert!(cell.is_some() && !cell.is_none());
            assert_eq!(
                (cell.take(), cell.replace(2), cell.get()),
                (None, None, None)
            );
            *v = 3;
        });
        assert_eq!(cell.take(), Some(3));
        assert!(cell.is_none());
    }
}
