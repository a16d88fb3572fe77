//! A singly linked list through links that its members own.

use core::cell::Cell;

/// The link inside a member.
pub struct ListLink<'a, T: 'a + ?Sized>(Cell<Option<&'a T>>);

impl<'a, T: ?Sized> ListLink<'a, T> {
    /// A link to nothing.
    pub const fn empty() -> Self {
        ListLink(Cell::new(None))
    }
}

/// A type that can be a member.
pub trait ListNode<'a, T: ?Sized> {
    /// Its link.
    fn next(&'a self) -> &'a ListLink<'a, T>;
}

/// The list's head.
pub struct List<'a, T: 'a + ?Sized + ListNode<'a, T>> {
    head: ListLink<'a, T>,
}

impl<'a, T: ?Sized + ListNode<'a, T>> List<'a, T> {
    /// An empty list.
    pub const fn new() -> Self {
        List {
            head: ListLink::empty(),
        }
    }

    /// The first member.
    pub fn head(&self) -> Option<&'a T> {
        self.head.0.get()
    }

    /// Adds a member in front. It must not be in a list already.
    pub fn push_head(&self, node: &'a T) {
        node.next().0.set(self.head.0.get());
        self.head.0.set(Some(node));
    }

    /// Adds a member at the end. It must not be in a list already.
    pub fn push_tail(&self, node: &'a T) {
        node.next().0.set(None);
        match self.iter().last() {
            Some(last) => last.next().0.set(Some(node)),
            None => self.head.0.set(Some(node)),
        }
    }

    /// Takes the first member out.
    pub fn pop_head(&self) -> Option<&'a T> {
        let head = self.head.0.get()?;
        self.head.0.set(head.next().0.get());
        Some(head)
    }

    /// Members from the front.
    #[inline(always)]
    pub fn iter(&self) -> ListIterator<'a, T> {
        ListIterator {
            cur: self.head.0.get(),
        }
    }
}

impl<'a, T: ?Sized + ListNode<'a, T>> Default for List<'a, T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Iterator of [`List::iter`].
pub struct ListIterator<'a, T: 'a + ?Sized + ListNode<'a, T>> {
    cur: Option<&'a T>,
}

impl<'a, T: ?Sized + ListNode<'a, T>> Iterator for ListIterator<'a, T> {
    type Item = &'a T;
    #[inline(always)]
    fn next(&mut self) -> Option<&'a T> {
        let res = self.cur?;
        self.cur = res.next().0.get();
        Some(res)
    }
}
