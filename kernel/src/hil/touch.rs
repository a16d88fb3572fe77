//! Touch panels.

use crate::ErrorCode;

/// What a finger does.
#[derive(Debug, Copy, Clone, PartialEq)]
pub enum TouchStatus {
    /// Nothing is known yet.
    Unstarted,
    /// It came down.
    Pressed,
    /// It went up.
    Released,
    /// It moved.
    Moved,
}

/// What a gesture is.
#[derive(Debug, Copy, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum GestureEvent {
    SwipeUp,
    SwipeDown,
    SwipeLeft,
    SwipeRight,
    ZoomIn,
    ZoomOut,
}

/// One touch.
#[derive(Copy, Clone)]
pub struct TouchEvent {
    /// What the finger does.
    pub status: TouchStatus,
    /// Pixels from the left.
    pub x: u16,
    /// Pixels from the top.
    pub y: u16,
    /// Which finger, as the driver counts.
    pub id: usize,
    /// Area, if known.
    pub size: Option<u16>,
    /// Pressure, if known.
    pub pressure: Option<u16>,
}

/// A panel for one finger.
pub trait Touch<'a> {
    /// Turns it on.
    ///
    /// # Errors
    /// As the panel gives.
    fn enable(&self) -> Result<(), ErrorCode>;
    /// Turns it off.
    ///
    /// # Errors
    /// As the panel gives.
    fn disable(&self) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn TouchClient);
}

/// A panel for several.
pub trait MultiTouch<'a> {
    /// Turns it on.
    ///
    /// # Errors
    /// As the panel gives.
    fn enable(&self) -> Result<(), ErrorCode>;
    /// Turns it off.
    ///
    /// # Errors
    /// As the panel gives.
    fn disable(&self) -> Result<(), ErrorCode>;
    /// Fingers it tells apart.
    fn get_num_touches(&self) -> usize;
    /// One touch of the event in progress.
    fn get_touch(&self, index: usize) -> Option<TouchEvent>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn MultiTouchClient);
}

/// A panel that knows gestures.
pub trait Gesture<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn GestureClient);
}

/// Learns of a touch.
pub trait TouchClient {
    /// It happened.
    fn touch_event(&self, touch_event: TouchEvent);
}

/// Learns of touches.
pub trait MultiTouchClient {
    /// They happened.
    fn touch_events(&self, touch_events: &[TouchEvent], len: usize);
}

/// Learns of gestures.
pub trait GestureClient {
    /// It happened.
    fn gesture_event(&self, gesture_event: GestureEvent);
}
