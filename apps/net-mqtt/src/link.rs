//! The stream and TLS together.

use crate::tls::Tls;
use crate::{Stream, StreamState};

/// The network connection and what runs in it.
pub(crate) struct Link<'b, S> {
    pub(crate) stream: S,
    pub(crate) tls: Tls<'b>,
}

impl<S: Stream> Link<'_, S> {
    /// Moves whatever can move between the stream and TLS.
    pub(crate) fn pump(&mut self) {
        let open = self.stream.state() == StreamState::Open;
        self.tls.pump(&mut self.stream, open);
    }

    /// Closes politely, as far as buffers allow, and forgets the connection.
    pub(crate) fn drop_connection(&mut self) {
        self.tls.close(&mut self.stream);
        self.tls.reset();
        self.stream.abort();
    }
}
