//! Where a binary may go, and which bytes may become one.
//!
//! Owns every check of what a caller brings: place, chunks, header.

use super::*;

impl<'a, 'b, C, D, F> SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    /// The place for a binary, if it can be had.
    pub(super) fn plan(&self, address: usize, len: usize) -> Result<Place, ErrorCode> {
        let start = address.checked_sub(self.base()).ok_or(ErrorCode::INVAL)?;
        let end = start.checked_add(len).ok_or(ErrorCode::INVAL)?;
        let row = self.area.flash.stride().max(self.area.page);
        if !start.is_multiple_of(row)
            || len < 2 * BASE_HEADER
            || !len.is_multiple_of(4)
            || self.page_up(end) > self.bytes().len()
        {
            return Err(ErrorCode::INVAL);
        }
        let mut limit = self.page_up(end);
        let (mut tail, mut cover) = (end, None);
        for o in self.objects() {
            if o.end() <= start || o.start >= limit {
                continue;
            }
            if o.start < start {
                // Only padding on a page of its own can be made shorter.
                if o.kind == Kind::App || !o.start.is_multiple_of(self.area.page) {
                    return Err(ErrorCode::BUSY);
                }
                cover = Some(o);
            }
            tail = tail.max(o.end());
        }
        if tail > end {
            // What remains of the last object becomes padding, whose header needs a clean place.
            limit = self.page_up(end + BASE_HEADER).max(limit);
            if tail - end < BASE_HEADER || (limit > self.page_up(end) && tail < limit) {
                return Err(ErrorCode::NOMEM);
            }
        }
        if self.in_use(start, limit) || self.in_use(start, tail) {
            return Err(ErrorCode::BUSY);
        }
        Ok(Place {
            start,
            len,
            limit,
            tail,
            cover,
            opened: false,
            checksum: [0xFF; 4],
            known: 0,
        })
    }

    pub(super) fn free_to_install(&self) -> Result<(), ErrorCode> {
        match self.state.get() {
            State::Idle if self.running.get().is_some() => Err(ErrorCode::BUSY),
            // Whatever was on trial must not be forgotten over a new one.
            State::Idle if self.trials.get().is_err() => Err(ErrorCode::FAIL),
            State::Idle if self.loader.idle() => Ok(()),
            State::Idle | State::Recovering => Err(ErrorCode::BUSY),
            _ => Err(ErrorCode::INVAL),
        }
    }

    pub(super) fn begin_setup(&self, place: Place) -> Result<usize, ErrorCode> {
        let mut steps = [None; STEPS];
        let mut free = steps.iter_mut();
        for o in self.objects() {
            if o.kind == Kind::App && o.start >= place.start && o.start < place.limit {
                *free.next().ok_or(ErrorCode::NOMEM)? = Some(Step::Invalidate(o.start));
            }
        }
        let from = place.start + self.area.page;
        *free.next().ok_or(ErrorCode::NOMEM)? = Some(Step::Erase {
            from: from.min(place.limit),
            to: place.limit,
        });
        self.place.set(Some(place));
        self.begin(State::Setup, &steps);
        Ok(place.len)
    }

    /// The header as it will be, copied; for checks before it becomes good.
    pub(super) fn parsed<R>(
        &self,
        place: &Place,
        f: impl FnOnce(&TbfHeader<'_>) -> Result<R, ErrorCode>,
    ) -> Result<R, ErrorCode> {
        let flash = self.bytes();
        let rest = flash.get(place.start..).ok_or(ErrorCode::INVAL)?;
        let lengths = rest.first_chunk::<8>().ok_or(ErrorCode::INVAL)?;
        let (version, size, _) = parse_tbf_header_lengths(lengths).map_err(|_| ErrorCode::INVAL)?;
        let size = usize::from(size);
        let mut copy = [0; HEADER_MAX];
        let header = copy.get_mut(..size).ok_or(ErrorCode::SIZE)?;
        header.copy_from_slice(rest.get(..size).ok_or(ErrorCode::INVAL)?);
        let word = header.get_mut(CHECKSUM..CHECKSUM + 4);
        word.ok_or(ErrorCode::INVAL)?
            .copy_from_slice(&place.checksum);
        f(&parse_tbf_header(header, version).map_err(|_| ErrorCode::INVAL)?)
    }

    /// The new binary's record, if it may become good.
    pub(super) fn admit(&self, place: &Place) -> Result<Trial, ErrorCode> {
        let address = self.base().saturating_add(place.start);
        self.parsed(place, |header| {
            let linked = header.get_fixed_address_flash();
            let here = address.saturating_add(header.get_protected_size() as usize);
            if !header.is_app()
                || !header.enabled()
                || header.length() as usize != place.len
                || linked.is_some_and(|at| at as usize != here)
            {
                return Err(ErrorCode::INVAL);
            }
            let version = header.get_binary_version();
            // Only what has proved its name counts: a header can say anything.
            let old = header.get_fixed_short_id().and_then(|id| self.named(id));
            let newest = old.map(|p| p.binary_version().map_or(0, |v| v.get().get()));
            if newest.is_some_and(|newest| newest >= version) {
                return Err(ErrorCode::ALREADY);
            }
            Ok(Trial {
                short_id: header.get_fixed_short_id().map_or(0, NonZeroU32::get),
                version,
                address,
            })
        })
    }

    /// Checks a chunk and plans its way to flash.
    pub(super) fn admit_chunk(&self, buffer: &mut [u8], offset: usize) -> Result<(), ErrorCode> {
        let mut place = self
            .place
            .get()
            .filter(|_| self.state.get() == State::Writing)
            .ok_or(ErrorCode::INVAL)?;
        let end = offset.checked_add(buffer.len()).ok_or(ErrorCode::INVAL)?;
        if end > place.len || buffer.is_empty() || (1..8).contains(&offset) {
            return Err(ErrorCode::INVAL);
        }
        if offset == 0 {
            let lengths = buffer.first_chunk::<8>().ok_or(ErrorCode::INVAL)?;
            let (_, _, total) = parse_tbf_header_lengths(lengths).map_err(|_| ErrorCode::INVAL)?;
            if total as usize != place.len {
                return Err(ErrorCode::INVAL);
            }
        }
        for (i, held) in place.checksum.iter_mut().enumerate() {
            let at = (CHECKSUM + i).checked_sub(offset);
            if let Some(byte) = at.and_then(|at| buffer.get_mut(at)) {
                (*held, *byte) = (*byte, 0xFF);
                place.known |= 1 << i;
            }
        }
        let mut steps = [None; STEPS];
        let mut free = steps.iter_mut();
        let mut add = |step| {
            if let Some(next) = free.next() {
                *next = Some(step);
            }
        };
        if !place.opened && offset < self.area.page {
            add(Step::Erase {
                from: place.start,
                to: (place.start + self.area.page).min(place.limit),
            });
            let behind = place.start + place.len;
            if place.tail > behind {
                add(Step::Program {
                    at: behind,
                    bytes: list::padding(place.tail - behind),
                    len: BASE_HEADER,
                });
            }
            place.opened = true;
        }
        add(Step::Chunk {
            at: place.start + offset,
            len: buffer.len(),
        });
        self.place.set(Some(place));
        self.begin(State::Chunk, &steps);
        Ok(())
    }
}
