//! The stream and TLS together, and the byte pipe over them that minimq reads and writes.

use crate::tls::Tls;
use crate::{Stream, StreamState, Why};
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

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

/// minimq's transport.
pub(crate) struct Pipe<'a, 'b, S>(pub(crate) &'a RefCell<Link<'b, S>>);

/// Why the pipe broke.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Broken(pub(crate) Why);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Broken {}

impl embedded_io_async::Error for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::ConnectionAborted
    }
}

impl<S> ErrorType for Pipe<'_, '_, S> {
    type Error = Broken;
}

impl<S: Stream> Read for Pipe<'_, '_, S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Broken> {
        poll_fn(|_| {
            let tls = &mut self.0.borrow_mut().tls;
            match tls.read(buf) {
                0 if buf.is_empty() => Poll::Ready(Ok(0)),
                0 => match tls.failure() {
                    Some(why) => Poll::Ready(Err(Broken(why.clone()))),
                    None if tls.has_ended() => Poll::Ready(Ok(0)),
                    None => Poll::Pending,
                },
                len => Poll::Ready(Ok(len)),
            }
        })
        .await
    }
}

impl<S: Stream> Write for Pipe<'_, '_, S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        poll_fn(|_| {
            let link = &mut *self.0.borrow_mut();
            match link.tls.write(&mut link.stream, bytes) {
                Ok(0) if bytes.is_empty() => Poll::Ready(Ok(0)),
                Ok(0) => match link.tls.has_ended() {
                    true => Poll::Ready(Err(Broken(Why::Disconnected))),
                    false => Poll::Pending,
                },
                Ok(len) => Poll::Ready(Ok(len)),
                Err(why) => Poll::Ready(Err(Broken(why))),
            }
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        poll_fn(|_| {
            let link = &mut *self.0.borrow_mut();
            link.pump();
            match link.tls.failure() {
                Some(why) => Poll::Ready(Err(Broken(why.clone()))),
                None if link.tls.is_flushed() => Poll::Ready(Ok(())),
                None if link.tls.has_ended() => Poll::Ready(Err(Broken(Why::Disconnected))),
                None => Poll::Pending,
            }
        })
        .await
    }
}
