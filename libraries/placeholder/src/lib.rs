//! Names that templates ship for somebody to replace, and that must reach no device.
//!
//! Owns the one judgement of a thing's name, an endpoint, a provisioning template's name and a
//! serial number. Asked by the factory's tool before it writes, by the loader before it fuses, and
//! by the process that uses the name.
#![no_std]
#![forbid(unsafe_code)]

/// What the reference's credential header ships (reference/aws-iot.md §5.1).
const DUMMIES: [&str; 2] = ["dummy_thingname", "dummy.endpointid.amazonaws.com"];
/// What no real name has in it.
const WORDS: [&str; 5] = [
    "placeholder",
    "your_",
    "your-",
    "insert here",
    "insert_here",
];

/// Whether the name is one to be replaced. Case does not matter.
#[must_use]
pub fn is_placeholder(name: &str) -> bool {
    let name = name.trim_ascii();
    name.starts_with('<')
        || DUMMIES.iter().any(|dummy| name.eq_ignore_ascii_case(dummy))
        || WORDS.iter().any(|word| {
            let mut windows = name.as_bytes().windows(word.len());
            windows.any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dummies_are_found_and_names_are_left_alone() {
        for dummy in [
            "dummy_thingname",
            "Dummy_ThingName",
            "dummy.endpointid.amazonaws.com",
            " dummy_thingname\n",
            "<thing>",
            "My_Placeholder1",
            "YOUR_ENDPOINT.example",
            "your-thing",
            "...insert here...",
        ] {
            assert!(is_placeholder(dummy), "{dummy:?}");
        }
        for name in [
            "",
            "lamp-7",
            "dummy",
            "dummy_thingname2",
            "tour-guide",
            "place",
            "a3k7odshaiipe8-ats.iot.eu-west-1.amazonaws.com",
            "10.0.2.2",
        ] {
            assert!(!is_placeholder(name), "{name:?}");
        }
    }
}
