//! Which of several binaries of one application becomes a process, and when that is sure.
//!
//! Owns the choice only: the list and the processes are the machine's.

use super::*;

impl<C: Chip, D: ProcessStandardDebug> SequentialProcessLoaderMachine<'_, C, D> {
    /// Whether the `j`-th binary, of this version, goes before the `i`-th if both are one application.
    fn goes_before(&self, (j, its): (usize, u32), (i, mine): (usize, u32)) -> bool {
        let better = if self.oldest.get() {
            its < mine
        } else {
            its > mine
        };
        better || (its == mine && j < i)
    }

    /// Whether the checked `i`-th binary yields to another checked one or to a process.
    pub(super) fn superseded(&self, list: &[Option<ProcessBinary>], i: usize) -> bool {
        let (Some(policy), Some(Some(me))) = (self.app_id_policy.get(), list.get(i)) else {
            return true;
        };
        if off(Defence::UniqueShortId) {
            return false;
        }
        let my_id = policy.to_short_id(me);
        let loaded = self
            .kernel
            .processes()
            .any(|p| p.short_app_id() == my_id || !policy.different_identifier_process(me, p));
        let newer = list.iter().enumerate().any(|(j, other)| {
            let Some(other) = other else { return false };
            j != i
                && other.progress != Progress::Unchecked
                && self.goes_before((j, other.version()), (i, me.version()))
                && (policy.to_short_id(other) == my_id || !policy.different_identifier(me, other))
        });
        loaded || newer
    }

    /// Whether the checked `i`-th binary may be created while others are unchecked: it gets the
    /// RAM that it would get in flash order, and no unchecked binary can supersede it.
    pub(super) fn settled(&self, list: &[Option<ProcessBinary>], i: usize) -> bool {
        let (Some(policy), Some(Some(me))) = (self.app_id_policy.get(), list.get(i)) else {
            return false;
        };
        let ram = me.ram();
        !list.iter().enumerate().any(|(j, other)| {
            let Some(other) = other.as_ref().filter(|o| o.progress != Progress::Done) else {
                return false;
            };
            // One that runs anywhere takes the first gap: that may be another's only place.
            let wants_my_ram = match (&ram, other.ram()) {
                (Some(mine), Some(its)) => its.start < mine.end && mine.start < its.end,
                (Some(_), None) => false,
                (None, _) => true,
            };
            let before_me = self.goes_before((j, other.version()), (i, me.version()));
            (j < i && wants_my_ram)
                || (other.progress == Progress::Unchecked
                    && before_me
                    && policy.may_become_same(other, me))
        })
    }
}
