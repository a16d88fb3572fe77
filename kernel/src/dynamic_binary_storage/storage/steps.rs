//! Flash steps: a script is worked off by the completions of the driver.
//!
//! Owns the order of one script's steps and what each does; what a finished script means is the
//! parent's. A step is verified by looking at flash; one that failed ends its script.

use super::*;

impl<'a, 'b, C, D, F> SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    pub(super) fn begin(&self, state: State, steps: &[Option<Step>]) {
        let mut script = [None; STEPS];
        for (to, from) in script.iter_mut().zip(steps.iter().flatten()) {
            *to = Some(*from);
        }
        self.script.set(script);
        self.state.set(state);
        self.begun.set(true);
        self.deferred_call.set();
    }

    /// Steps that come before those that are left.
    pub(super) fn push(&self, steps: &[Step]) {
        let old = self.script.get();
        let mut script = [None; STEPS];
        let all = steps.iter().copied().chain(old.into_iter().flatten());
        for (to, from) in script.iter_mut().zip(all) {
            *to = Some(from);
        }
        self.script.set(script);
    }

    pub(super) fn pop(&self) -> Option<Step> {
        let mut script = self.script.get();
        let first = script.iter_mut().find_map(Option::take);
        self.script.set(script);
        first
    }

    /// Works until something has to be waited for.
    pub(super) fn work(&self) {
        loop {
            let Some(step) = self.pop() else {
                return self.finished(Ok(()));
            };
            match self.run(step) {
                Ok(true) => return,
                Ok(false) => {}
                Err(e) => return self.failed(e),
            }
        }
    }

    /// Starts a step; whether it has to be waited for.
    pub(super) fn run(&self, step: Step) -> Result<bool, ErrorCode> {
        self.current.set(Some(step));
        match step {
            Step::Program { at, bytes, len } => {
                let bytes = bytes.get(..len).ok_or(ErrorCode::FAIL)?;
                if self.holds(at, bytes) {
                    return Ok(false);
                }
                let buffer = self.buffer.take().ok_or(ErrorCode::FAIL)?;
                let Some(place) = buffer.get_mut(..len) else {
                    self.buffer.put(Some(buffer));
                    return Err(ErrorCode::SIZE);
                };
                place.copy_from_slice(bytes);
                self.driver.write(buffer, self.base() + at, len)?;
                Ok(true)
            }
            Step::Erase { from, to } => {
                let page = self.area.page;
                let flash = self.bytes();
                let dirty = |at: &usize| {
                    let bytes = flash.get(*at..at.saturating_add(page));
                    !list::blank(bytes.unwrap_or(&[]))
                };
                let Some(at) = (from..to).step_by(page).rfind(dirty) else {
                    return Ok(false);
                };
                self.push(&[Step::Erase { from, to: at }]);
                self.driver.erase_page(at / page)?;
                self.current.set(Some(Step::Erase {
                    from: at,
                    to: at + page,
                }));
                Ok(true)
            }
            Step::Invalidate(start) => {
                // Of checksum and flags one is not zero, or it is disabled anyway.
                let dirty = |at: &usize| {
                    let word = self.bytes().get(*at..*at + 4);
                    word.is_some_and(|w| w.iter().any(|b| *b != 0))
                };
                let words = [start + CHECKSUM, start + CHECKSUM - 4];
                if let Some(at) = words.into_iter().find(dirty) {
                    self.push(&[Step::Program {
                        at,
                        bytes: [0; BASE_HEADER],
                        len: 4,
                    }]);
                }
                Ok(false)
            }
            Step::Forget(o) => {
                let page = o.start..o.start.saturating_add(self.area.page);
                let alone = o.start.is_multiple_of(self.area.page)
                    && !self
                        .objects()
                        .any(|p| p.start > page.start && p.start < page.end);
                if alone {
                    self.push(&[Step::Erase {
                        from: page.start,
                        to: page.end,
                    }]);
                }
                Ok(false)
            }
            Step::Chunk { at, len } => {
                let Some(chunk) = self.chunk.take() else {
                    return Err(ErrorCode::FAIL);
                };
                self.driver.write(chunk.take(), self.base() + at, len)?;
                Ok(true)
            }
            Step::Mend(from) => {
                self.mend(from);
                Ok(false)
            }
            Step::Record(trial) => self.trials.set(trial).map(|()| false),
            Step::Release(slot) => {
                if self.loader.release(slot) {
                    return Ok(false);
                }
                self.push(&[step]);
                self.current.set(None);
                self.held.set(Some(slot));
                // The kernel sets the deferred call when a window on its RAM was closed.
                self.begun.set(true);
                Ok(true)
            }
            Step::Copies(id) => {
                let copy = self.objects().find(|o| {
                    let header = list::header_at(self.bytes(), o.start);
                    o.kind == Kind::App
                        && header.is_some_and(|h| h.enabled() && h.get_fixed_short_id() == Some(id))
                        && !self.in_use(o.start, o.end())
                });
                if let Some(o) = copy {
                    self.push(&[Step::Invalidate(o.start), Step::Forget(o), Step::Copies(id)]);
                }
                Ok(false)
            }
        }
    }

    /// Plans the padding of the next hole, and to look for another behind it.
    pub(super) fn mend(&self, from: usize) {
        let (flash, page) = (self.bytes(), self.area.page);
        let Some(hole) = list::hole(flash, self.area.flash.stride(), from) else {
            return;
        };
        let next = Step::Mend(hole.end);
        let len = hole.end - hole.start;
        let header = hole.start..hole.start.saturating_add(BASE_HEADER);
        let clean = flash.get(header).is_some_and(list::blank);
        let cleanable = hole.start.is_multiple_of(page) && len >= page;
        let pad = Step::Program {
            at: hole.start,
            bytes: list::padding(len),
            len: BASE_HEADER,
        };
        let erase = Step::Erase {
            from: hole.start,
            to: hole.start + page,
        };
        match (len >= BASE_HEADER, clean, cleanable) {
            (true, true, _) => self.push(&[pad, next]),
            (true, false, true) => self.push(&[erase, pad, next]),
            // The list ends here for host tools; rows behind are found by the kernel.
            _ => self.push(&[next]),
        }
    }

    pub(super) fn holds(&self, at: usize, bytes: &[u8]) -> bool {
        self.bytes().get(at..at.saturating_add(bytes.len())) == Some(bytes)
    }

    /// After a step that was waited for.
    pub(super) fn go_on(&self, good: bool) {
        if good {
            self.work();
        } else {
            self.failed(ErrorCode::FAIL);
        }
    }

    /// A script ends early.
    pub(super) fn failed(&self, error: ErrorCode) {
        self.script.set([None; STEPS]);
        self.finished(Err(error));
        self.give_back(error);
    }

    /// A chunk that was not written goes back.
    pub(super) fn give_back(&self, error: ErrorCode) {
        if let Some(chunk) = self.chunk.take() {
            let len = chunk.len();
            self.store_client
                .map(|c| c.write_done(Err(error), chunk.take(), len));
        }
    }
}

impl<'a, 'b, C, D, F> NonvolatileStorageClient for SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    fn read_done(&self, _buffer: &'static mut [u8], _length: usize) {}

    fn write_done(&self, buffer: &'static mut [u8], length: usize) {
        let step = self.current.get();
        let written = |at: usize, len: usize, buffer: &[u8]| {
            length == len && buffer.get(..len).is_some_and(|b| self.holds(at, b))
        };
        match step {
            Some(Step::Chunk { at, len }) => {
                let result = match written(at, len, buffer) {
                    true => Ok(()),
                    false => Err(ErrorCode::FAIL),
                };
                self.finished(Ok(()));
                self.store_client.map(|c| c.write_done(result, buffer, len));
            }
            Some(Step::Program { at, len, .. }) => {
                let good = written(at, len, buffer);
                self.buffer.put(Some(buffer));
                self.go_on(good);
            }
            // Nothing was asked for.
            _ => self.buffer.put(Some(buffer)),
        }
    }
}

impl<'a, 'b, C, D, F> hil::flash::Client<F> for SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    fn read_complete(&self, _: &'static mut F::Page, _: Result<(), hil::flash::Error>) {}
    fn write_complete(&self, _: &'static mut F::Page, _: Result<(), hil::flash::Error>) {}

    fn erase_complete(&self, result: Result<(), hil::flash::Error>) {
        if let Some(Step::Erase { from, to }) = self.current.get() {
            let erased = self.bytes().get(from..to).is_some_and(list::blank);
            self.go_on(result.is_ok() && erased);
        }
    }
}

impl<'a, 'b, C, D, F> DeferredCallClient for SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    fn handle_deferred_call(&self) {
        if let Some(error) = self.refused.take() {
            self.give_back(error);
        }
        if self.begun.take() {
            self.held.set(None);
            self.work();
        }
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
        self.kernel.call_when_closed(&self.deferred_call);
    }
}
