//! The ten calls of PSA Firmware Update on the wire, and the rules between components.
//!
//! Owns decoding, statuses and dependency checks. Does not own a slot's bytes.

use crate::component::{Component, Slots};
use crate::{COMPONENTS, Reset};
use boot_data::BootData;
use flash::Flash;
use mcuboot_image::{ImageVersion, pair};
use psa_interface::Status;
use psa_interface::fwu::{
    ACCEPT, CANCEL, CLEAN, FINISH, FwuComponentInfo, FwuState, FwuVersion, INSTALL, QUERY, REJECT,
    REQUEST_REBOOT, START, WRITE,
};
use spm::{Call, Service};

/// The watchdog that guards a trial.
pub trait Watchdog {
    /// Stops it: the running images were accepted.
    fn stop(&mut self);
}

/// Versions of the running images, as the loader reported them; 0.0.0 where it did not.
#[must_use]
pub fn versions(boot_data: Option<&BootData<'_>>) -> [FwuVersion; COMPONENTS] {
    [0, 1].map(|image| {
        let bytes = boot_data.and_then(|b| b.fwu_version(image));
        bytes
            .and_then(|b| ImageVersion::parse(&b))
            .map_or(FwuVersion::default(), |v| FwuVersion {
                major: v.major,
                minor: v.minor,
                patch: v.revision,
                build: v.build,
            })
    })
}

/// PSA Firmware Update behind handle 0x40000104.
#[derive(Debug)]
pub struct FwuService<F, R, W> {
    pub(crate) components: [Component<F>; COMPONENTS],
    reset: R,
    watchdog: W,
}

impl<F: Flash, R: Reset, W: Watchdog> FwuService<F, R, W> {
    /// Over both components' slots; reads from them which images run on trial, and which
    /// downloads were under way. Half of a joint installation, whose other half was never
    /// requested, is a candidate again.
    ///
    /// # Errors
    /// STORAGE_FAILURE.
    pub fn new(
        slots: [Slots<F>; COMPONENTS],
        versions: [FwuVersion; COMPONENTS],
        reset: R,
        watchdog: W,
    ) -> Result<Self, Status> {
        let [secure, non_secure] = slots;
        let [v0, v1] = versions;
        let mut components = [Component::new(secure, v0)?, Component::new(non_secure, v1)?];
        let [a, b] = &mut components;
        if a.is_half(b)? {
            a.back_to_candidate()?;
        }
        if b.is_half(a)? {
            b.back_to_candidate()?;
        }
        Ok(FwuService {
            components,
            reset,
            watchdog,
        })
    }

    /// Gives the slots back, as a reset does.
    pub fn into_slots(self) -> [Slots<F>; COMPONENTS] {
        self.components.map(Component::into_slots)
    }

    /// Whether an image runs on trial, neither accepted nor rejected.
    pub fn on_trial(&self) -> bool {
        self.any(FwuState::Trial)
    }

    fn any(&self, state: FwuState) -> bool {
        self.components.iter().any(|c| c.state == state)
    }

    fn dispatch(&mut self, call: &mut Call<'_, '_>) -> Result<Status, Status> {
        match call.call_type {
            INSTALL => return self.install(),
            REQUEST_REBOOT => {
                self.reset.reset();
                return Err(Status::GENERIC_ERROR);
            }
            ACCEPT => return self.accept(),
            REJECT => {
                let error = call.input(0).array().ok_or(Status::PROGRAMMER_ERROR)?;
                return self.reject(i32::from_le_bytes(error));
            }
            START | WRITE | FINISH | CANCEL | CLEAN | QUERY => {}
            _ => return Err(Status::NOT_SUPPORTED),
        }
        let [id] = call.input(0).array().ok_or(Status::PROGRAMMER_ERROR)?;
        let component = self
            .components
            .get_mut(usize::from(id))
            .ok_or(Status::DOES_NOT_EXIST)?;
        match call.call_type {
            // No detached manifests.
            START if !call.input(1).is_empty() => Err(Status::NOT_SUPPORTED),
            START => component.start(),
            WRITE => {
                let offset = call.input(1).array().ok_or(Status::PROGRAMMER_ERROR)?;
                component.write(u32::from_le_bytes(offset), &call.input(2))
            }
            FINISH => component.finish(),
            CANCEL => component.cancel(),
            CLEAN => component.clean(),
            _ => {
                let out = call
                    .outputs
                    .first_mut()
                    .filter(|o| o.capacity() == FwuComponentInfo::SIZE)
                    .ok_or(Status::PROGRAMMER_ERROR)?;
                let info = component.query()?.encode();
                out.append(&info)
                    .then_some(())
                    .ok_or(Status::PROGRAMMER_ERROR)
            }
        }?;
        Ok(Status::SUCCESS)
    }

    fn install(&mut self) -> Result<Status, Status> {
        let busy = [FwuState::Staged, FwuState::Rejected, FwuState::Trial];
        if !self.any(FwuState::Candidate) || busy.iter().any(|s| self.any(*s)) {
            return Err(Status::BAD_STATE);
        }
        let mut malformed = false;
        for c in &mut self.components {
            if c.state == FwuState::Candidate
                && let Err(e) = c.candidate()
            {
                if e != Status::DATA_INVALID {
                    return Err(e);
                }
                c.fail(e.0)?;
                malformed = true;
            }
        }
        if malformed {
            return Err(Status::DATA_INVALID);
        }
        self.check_dependencies()?;
        let candidates = self.components.iter();
        let paired = candidates
            .filter(|c| c.state == FwuState::Candidate)
            .count()
            > 1;
        let staged = self
            .components
            .iter_mut()
            .enumerate()
            .filter(|(_, c)| c.state == FwuState::Candidate)
            .try_for_each(|(i, c)| c.stage(i as u8, paired));
        if let Err(e) = staged {
            // All or none: a request that did get through is taken back.
            for c in &mut self.components {
                if matches!(c.state, FwuState::Staged | FwuState::Candidate) {
                    c.state = FwuState::Candidate;
                    let _ = c.back_to_candidate();
                }
            }
            return Err(e);
        }
        Ok(Status::SUCCESS_REBOOT)
    }

    /// Each candidate's DEPENDENCY TLVs against what the other image will be.
    fn check_dependencies(&self) -> Result<(), Status> {
        for c in &self.components {
            if c.state != FwuState::Candidate {
                continue;
            }
            for dependency in c.candidate()?.dependencies() {
                let other = self
                    .components
                    .get(usize::from(dependency.image_id))
                    .ok_or(Status::DEPENDENCY_NEEDED)?;
                let version = if other.state == FwuState::Candidate {
                    other.candidate()?.version()
                } else {
                    ImageVersion {
                        major: other.version.major,
                        minor: other.version.minor,
                        revision: other.version.patch,
                        build: other.version.build,
                    }
                };
                if !version.satisfies(&dependency.minimum) {
                    return Err(Status::DEPENDENCY_NEEDED);
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<Status, Status> {
        if !self.on_trial() {
            return Err(Status::BAD_STATE);
        }
        for c in &mut self.components {
            if c.state == FwuState::Trial {
                c.accept()?;
            }
        }
        let [a, b] = &mut self.components;
        // The acceptance stands; marks that stay are taken by the loader.
        let _ = pair::settle([a.primary(), b.primary()]);
        self.watchdog.stop();
        Ok(Status::SUCCESS)
    }

    fn reject(&mut self, error: i32) -> Result<Status, Status> {
        if self.any(FwuState::Staged) {
            for c in &mut self.components {
                if c.state == FwuState::Staged {
                    c.unstage()?;
                    c.fail(error)?;
                }
            }
            return Ok(Status::SUCCESS);
        }
        if !self.on_trial() {
            return Err(Status::BAD_STATE);
        }
        for c in &mut self.components {
            if c.state == FwuState::Trial {
                c.reject(error);
            }
        }
        Ok(Status::SUCCESS_REBOOT)
    }
}

impl<F: Flash, R: Reset, W: Watchdog> Service for FwuService<F, R, W> {
    fn call(&mut self, call: &mut Call<'_, '_>) -> i32 {
        match self.dispatch(call) {
            Ok(status) | Err(status) => status.0,
        }
    }
}
