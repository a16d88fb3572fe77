//! What the model says of words that espeak-ng speaks, in three voices.

use inference::{Label, Recogniser, STEP, WINDOW};

/// Every label that the recogniser gives for a clip.
fn labels(clip: &[i16]) -> Vec<Label> {
    let mut recogniser = Recogniser::new();
    let mut best = [0; 4];
    let mut out = Vec::new();
    for at in (0..clip.len().saturating_sub(WINDOW)).step_by(STEP) {
        out.extend(recogniser.window(clip[at..at + WINDOW].try_into().unwrap()));
        for (b, m) in best.iter_mut().zip(recogniser.means()) {
            *b = (*b).max(m);
        }
    }
    println!("best means {best:?} labels {out:?}");
    out
}

#[test]
fn each_word_in_three_voices() {
    let mut right = 0;
    let mut all = 0;
    for voice in ["en-us", "en-gb-scotland", "en-us+f3"] {
        for (word, label) in [
            ("yes", Label::Yes),
            ("no", Label::No),
            ("up", Label::Unknown),
            ("marvin", Label::Unknown),
        ] {
            let heard = labels(&clips::speak(voice, word).unwrap());
            println!("{voice} {word}: {heard:?}");
            all += 1;
            right += usize::from(
                heard.contains(&label)
                    && !heard
                        .iter()
                        .any(|h| matches!(h, Label::Yes | Label::No) && *h != label),
            );
        }
    }
    println!("{right} of {all}");
    assert!(right >= 11, "{right} of {all} clips are recognised");
}
