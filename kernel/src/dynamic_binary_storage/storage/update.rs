//! One application beside what runs: chosen places, trials, and what an operator may do to it.
//!
//! Owns the calls; their flash steps are `steps.rs`'s, what ends them the storage's.

use super::*;

impl<'a, 'b, C, D, F> DynamicProcessUpdate for SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    fn setup_at(&self, address: usize, app_length: usize) -> Result<usize, ErrorCode> {
        self.free_to_install()?;
        self.begin_setup(self.plan(address, app_length)?)
    }

    fn probe(&self, address: usize, app_length: usize) -> Result<(), ErrorCode> {
        self.free_to_install()?;
        self.plan(address, app_length).map(|_| ())
    }

    fn installed(&self, short_id: NonZeroU32) -> Option<Installed> {
        let trial = self
            .running
            .get()
            .is_some_and(|r| r.trial.short_id == short_id.get());
        match self.named(short_id) {
            Some(p) => Some(Installed {
                version: p.binary_version().map_or(0, |v| v.get().get()),
                address: p.get_addresses().flash_start,
                running: p.is_running(),
                trial,
            }),
            None => self
                .installed_object(short_id)
                .map(|(o, version)| Installed {
                    version,
                    address: self.base() + o.start,
                    running: false,
                    trial,
                }),
        }
    }

    fn on_trial(&self) -> Option<Trial> {
        let running = self.running.get();
        running
            .filter(|_| self.state.get() != State::Replacing)
            .map(|r| r.trial)
    }

    fn trial_failed(&self) -> bool {
        self.running.get().is_some_and(|r| {
            let process = self.kernel.process_at(r.slot);
            !process.is_some_and(|p| p.is_running() && p.get_restart_count() == 0)
        })
    }

    fn confirm(&self, short_id: NonZeroU32) -> Result<(), ErrorCode> {
        self.idle()?;
        let on_trial = self.on_trial();
        if on_trial.is_none_or(|t| t.short_id != short_id.get()) || self.trial_failed() {
            return Err(ErrorCode::INVAL);
        }
        self.begin(State::Confirming, &[Some(Step::Record(None))]);
        Ok(())
    }

    fn roll_back(&self, short_id: NonZeroU32) -> Result<(), ErrorCode> {
        self.idle()?;
        let running = self.running.get();
        let running = running
            .filter(|r| r.trial.short_id == short_id.get())
            .ok_or(ErrorCode::INVAL)?;
        self.begin_roll_back(running, None);
        Ok(())
    }

    fn remove(&self, short_id: NonZeroU32) -> Result<(), ErrorCode> {
        self.idle()?;
        if self.running.get().is_some() {
            return Err(ErrorCode::BUSY);
        }
        let process = self.named(short_id);
        if process.is_none() && self.installed_object(short_id).is_none() {
            return Err(ErrorCode::INVAL);
        }
        self.begin(
            State::Removing,
            &[
                process.map(|p| Step::Release(p.processid().slot())),
                Some(Step::Copies(short_id)),
                Some(Step::Mend(0)),
            ],
        );
        Ok(())
    }

    fn start(&self, short_id: NonZeroU32) -> Result<(), ErrorCode> {
        self.idle()?;
        if self.running.get().is_some() {
            return Err(ErrorCode::BUSY);
        }
        let process = self.named(short_id);
        if process.is_some_and(|p| p.is_running()) {
            return Err(ErrorCode::ALREADY);
        }
        let restart = match process {
            Some(p) => {
                let a = p.get_addresses();
                Restart {
                    slot: Some(p.processid().slot()),
                    address: a.flash_start,
                    len: a.flash_end - a.flash_start,
                }
            }
            None => {
                let (o, _) = self.installed_object(short_id).ok_or(ErrorCode::INVAL)?;
                Restart {
                    slot: None,
                    address: self.base() + o.start,
                    len: o.len,
                }
            }
        };
        self.restart.set(Some(restart));
        let release = restart.slot.map(Step::Release);
        self.begin(State::Starting, &[release]);
        Ok(())
    }

    fn insist(&self) {
        if let Some(slot) = self.held.get() {
            self.kernel.close_shares(slot);
        }
    }

    fn set_update_client(&self, client: &'static dyn DynamicProcessUpdateClient) {
        self.update_client.set(client);
    }
}
