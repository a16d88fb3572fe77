//! The speech model: int8, compiled into the app from models/speech.tflite.
//!
//! Owns the call into microflow. Its tensors lie on the stack: 20 KiB on the
//! device, 48 KiB without optimisation.

use kws_frontend::{CHANNELS, FRAMES};
use microflow::buffer::Buffer2D;
use microflow::model;

/// Path from the workspace's root, where the compiler runs.
#[model("apps/inference/models/speech.tflite")]
struct Speech;

/// Scores of the four labels, of 256.
pub(crate) fn scores(features: &[[i8; CHANNELS]; FRAMES]) -> [u16; 4] {
    let input = Buffer2D::from_fn(|_, i| features[i / CHANNELS][i % CHANNELS]);
    let output = Speech::predict_quantized(input);
    core::array::from_fn(|l| (output[l] * 256.0) as u16)
}
