//! Firmware update: request types, states and `psa_fwu_component_info_t` (PSA FWU 1.0, TF-M 2.x).

/// `psa_fwu_start`: in component (u8), manifest (may be empty).
pub const START: i16 = 1001;
/// `psa_fwu_write`: in component, offset (u32), block.
pub const WRITE: i16 = 1002;
/// `psa_fwu_finish`: in component.
pub const FINISH: i16 = 1003;
/// `psa_fwu_cancel`: in component.
pub const CANCEL: i16 = 1004;
/// `psa_fwu_install`: no vectors.
pub const INSTALL: i16 = 1005;
/// `psa_fwu_clean`: in component.
pub const CLEAN: i16 = 1006;
/// `psa_fwu_reject`: in error (i32).
pub const REJECT: i16 = 1007;
/// `psa_fwu_request_reboot`: no vectors.
pub const REQUEST_REBOOT: i16 = 1008;
/// `psa_fwu_accept`: no vectors.
pub const ACCEPT: i16 = 1009;
/// `psa_fwu_query`: in component; out [`FwuComponentInfo`].
pub const QUERY: i16 = 1010;

/// Component id of the secure image.
pub const COMPONENT_SECURE: u8 = 0;
/// Component id of the non-secure image.
pub const COMPONENT_NONSECURE: u8 = 1;
/// Largest block of one `psa_fwu_write`, bytes.
pub const MAX_WRITE_SIZE: usize = 1024;
/// log2 of the required alignment of a write.
pub const LOG2_WRITE_ALIGN: u32 = 0;
/// Component flag: staging does not survive a reboot.
pub const FLAG_VOLATILE_STAGING: u32 = 1;
/// Component flag: images are encrypted.
pub const FLAG_ENCRYPTION: u32 = 2;

/// State of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum FwuState {
    /// Ready to start another update.
    #[default]
    Ready = 0,
    /// A candidate is being written.
    Writing = 1,
    /// A candidate is complete, ready to install.
    Candidate = 2,
    /// Queued for installation at the next boot.
    Staged = 3,
    /// The update failed or was given up.
    Failed = 4,
    /// Running on trial.
    Trial = 5,
    /// The trial was rejected; reboot reverts.
    Rejected = 6,
    /// Accepted; clean to get back to ready.
    Updated = 7,
}

impl FwuState {
    /// Its name in PSA FWU 1.0, in small letters.
    pub const fn name(self) -> &'static str {
        match self {
            FwuState::Ready => "ready",
            FwuState::Writing => "writing",
            FwuState::Candidate => "candidate",
            FwuState::Staged => "staged",
            FwuState::Failed => "failed",
            FwuState::Trial => "trial",
            FwuState::Rejected => "rejected",
            FwuState::Updated => "updated",
        }
    }

    /// From the wire; `None` for numbers that PSA FWU 1.0 does not define.
    pub const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            0 => FwuState::Ready,
            1 => FwuState::Writing,
            2 => FwuState::Candidate,
            3 => FwuState::Staged,
            4 => FwuState::Failed,
            5 => FwuState::Trial,
            6 => FwuState::Rejected,
            7 => FwuState::Updated,
            _ => return None,
        })
    }
}

/// `psa_fwu_image_version_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct FwuVersion {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Patch.
    pub patch: u16,
    /// Build.
    pub build: u32,
}

/// `psa_fwu_component_info_t`: 60 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FwuComponentInfo {
    /// State.
    pub state: FwuState,
    /// Error of the last update; only in FAILED and REJECTED.
    pub error: i32,
    /// Version of the active image.
    pub version: FwuVersion,
    /// Largest image, bytes.
    pub max_size: u32,
    /// `FLAG_*`.
    pub flags: u32,
    /// Implementation-defined place of the image.
    pub location: u32,
    /// SHA-256 of the candidate; only in CANDIDATE.
    pub candidate_digest: [u8; 32],
}

impl FwuComponentInfo {
    /// Size on the wire, bytes.
    pub const SIZE: usize = 60;

    /// To the wire; padding is zero.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        out[0] = self.state as u8;
        out[4..8].copy_from_slice(&self.error.to_le_bytes());
        out[8] = self.version.major;
        out[9] = self.version.minor;
        out[10..12].copy_from_slice(&self.version.patch.to_le_bytes());
        out[12..16].copy_from_slice(&self.version.build.to_le_bytes());
        out[16..20].copy_from_slice(&self.max_size.to_le_bytes());
        out[20..24].copy_from_slice(&self.flags.to_le_bytes());
        out[24..28].copy_from_slice(&self.location.to_le_bytes());
        out[28..60].copy_from_slice(&self.candidate_digest);
        out
    }

    /// From the wire; `None` when the state is not one of PSA FWU 1.0.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut candidate_digest = [0; 32];
        candidate_digest.copy_from_slice(&bytes[28..60]);
        Some(FwuComponentInfo {
            state: FwuState::from_u8(bytes[0])?,
            error: word(4) as i32,
            version: FwuVersion {
                major: bytes[8],
                minor: bytes[9],
                patch: u16::from_le_bytes([bytes[10], bytes[11]]),
                build: word(12),
            },
            max_size: word(16),
            flags: word(20),
            location: word(24),
            candidate_digest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_round_trips_at_the_documented_offsets() {
        let info = FwuComponentInfo {
            state: FwuState::Trial,
            error: -137,
            version: FwuVersion {
                major: 1,
                minor: 2,
                patch: 0x0304,
                build: 0x05060708,
            },
            max_size: 0x80000,
            flags: 1,
            location: 9,
            candidate_digest: [0xAB; 32],
        };
        let bytes = info.encode();
        assert_eq!(bytes[0], 5);
        assert_eq!(&bytes[8..16], &[1, 2, 4, 3, 8, 7, 6, 5]);
        assert_eq!(FwuComponentInfo::decode(&bytes), Some(info));
        for state in 0..=255u8 {
            let mut b = bytes;
            b[0] = state;
            assert_eq!(FwuComponentInfo::decode(&b).is_some(), state <= 7);
            assert_eq!(
                FwuState::from_u8(state).map(|s| s as u8),
                (state <= 7).then_some(state)
            );
        }
    }
}
