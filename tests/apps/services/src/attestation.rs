//! Initial attestation: sizes of challenges and tokens. (What a token says, and by whom it is
//! signed, is `cargo xtask test e2e`'s: it takes an independent reader.)

use crate::{Outcome, Rule};
use psa_client::Transport;
use psa_client::attestation::{CHALLENGE_SIZES, MAX_TOKEN_SIZE, get_token, get_token_size};

/// The rules.
pub const RULES: [Rule; 3] = [
    Rule {
        id: "attest-token",
        run: token,
    },
    Rule {
        id: "attest-challenge-sizes",
        run: challenge_sizes,
    },
    Rule {
        id: "attest-token-room",
        run: token_room,
    },
];

/// First bytes of a tagged COSE_Sign1 (RFC 9052): tag 18, array of four.
const SIGN1: [u8; 2] = [0xD2, 0x84];

/// Each size of challenge gives a token of the size that was told, with the challenge in it.
fn token(t: &dyn Transport) -> Outcome {
    for size in CHALLENGE_SIZES {
        let challenge: [u8; 64] = core::array::from_fn(|i| (i * 37 + size) as u8);
        let challenge = challenge.get(..size).unwrap_or_default();
        let mut token = [0; MAX_TOKEN_SIZE];
        let told = need!(get_token_size(&t, size));
        want!(get_token(&t, challenge, &mut token), Ok(told));
        let token = token.get(..told).unwrap_or_default();
        same!(token.starts_with(&SIGN1), true);
        same!(token.windows(size).any(|part| part == challenge), true);
        // Its signature is drawn from its bytes: another challenge, another token.
        let mut other = [0; MAX_TOKEN_SIZE];
        let mut changed = [0xEE; 64];
        changed[0] = 0;
        let changed = changed.get(..size).unwrap_or_default();
        want!(get_token(&t, changed, &mut other), Ok(told));
        same!(other.get(told - 64..told) == token.get(told - 64..), false);
    }
    Ok(())
}

/// Every other size is refused, by both calls.
fn challenge_sizes(t: &dyn Transport) -> Outcome {
    let challenge = [0x11; 70];
    for size in (0..=70).filter(|n| !CHALLENGE_SIZES.contains(n)) {
        let mut token = [0; MAX_TOKEN_SIZE];
        let part = challenge.get(..size).unwrap_or_default();
        refused!(get_token(&t, part, &mut token), INVALID_ARGUMENT);
        same!(token, [0; MAX_TOKEN_SIZE]);
        refused!(get_token_size(&t, size), INVALID_ARGUMENT);
    }
    Ok(())
}

/// No room at all is an argument; too little is told as such, and nothing is written.
fn token_room(t: &dyn Transport) -> Outcome {
    let challenge = [0x22; 32];
    let told = need!(get_token_size(&t, challenge.len()));
    refused!(get_token(&t, &challenge, &mut []), INVALID_ARGUMENT);
    for room in [1, 31, 32, told - 1] {
        let mut token = [0xA5; MAX_TOKEN_SIZE];
        let part = token.get_mut(..room).unwrap_or_default();
        refused!(get_token(&t, &challenge, part), BUFFER_TOO_SMALL);
        same!(token, [0xA5; MAX_TOKEN_SIZE]);
    }
    Ok(())
}
