//! Who runs next.
//!
//! Each scheduler has a list of nodes, one for a slot of processes, that the board makes and puts
//! into it before the main loop: upstream's components do, and so does our board.
pub mod cooperative;
pub mod mlfq;
pub mod priority;
pub mod round_robin;

use kernel::ProcessId;
use kernel::collections::list::{List, ListNode};

/// The first node that is ready behind the one that ran last, from there around to it again.
#[inline(always)]
fn next_ready<'a, T: ListNode<'a, T>>(
    nodes: &List<'a, T>,
    last: Option<&'a T>,
    ready: impl Fn(&T) -> Option<ProcessId>,
) -> Option<(&'a T, ProcessId)> {
    let ready = |node: &'a T| ready(node).map(|id| (node, id));
    let mut behind = nodes.iter();
    if let Some(last) = last {
        behind.find(|node| core::ptr::eq(*node, last));
    }
    match behind.find_map(ready) {
        None => nodes.iter().find_map(ready),
        found => found,
    }
}
