//! Frames on QEMU's `-netdev stream`: a length of four bytes, big endian, and the frame.
//!
//! Owns the splitting of a byte stream, the capture file, and the one-line description of a frame.

use crate::fault::Direction;
use anyhow::Result;
use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket};
use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Longest frame that a peer may announce, bytes; QEMU's own limit is 68 KiB.
const MAX_FRAME: usize = 68 * 1024;

/// Bytes that came and are not yet whole frames.
#[derive(Debug, Default)]
pub(crate) struct Framer(Vec<u8>);

/// A length that no frame has: the stream is out of step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Framer {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let Some((length, rest)) = self.0.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_FRAME {
            return Err(TooLong);
        }
        let frame = rest.get(..length).map(<[u8]>::to_vec);
        if frame.is_some() {
            self.0.drain(..4 + length);
        }
        Ok(frame)
    }
}

/// A frame as it goes over the stream.
pub(crate) fn framed(frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.len() + 4);
    out.extend((frame.len() as u32).to_be_bytes());
    out.extend_from_slice(frame);
    out
}

/// What one frame at the device's plug was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// When it left the device, or reached it.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// Bytes, without preamble and check sequence.
    pub length: usize,
    /// When it was TCP.
    pub tcp: Option<Segment>,
}

/// A TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// From, address and port.
    pub source: (Ipv4Addr, u16),
    /// To.
    pub destination: (Ipv4Addr, u16),
    /// Opens a connection: SYN without ACK.
    pub opens: bool,
    /// FIN or RST.
    pub ends: bool,
    /// Sequence number.
    pub sequence: u32,
    /// Bytes of payload.
    pub payload: usize,
}

/// The TCP segment in a frame, if one is.
pub(crate) fn segment(frame: &[u8]) -> Option<Segment> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    if packet.next_header() != IpProtocol::Tcp || packet.frag_offset() != 0 {
        return None;
    }
    let tcp = TcpPacket::new_checked(packet.payload()).ok()?;
    Some(Segment {
        source: (packet.src_addr(), tcp.src_port()),
        destination: (packet.dst_addr(), tcp.dst_port()),
        opens: tcp.syn() && !tcp.ack(),
        ends: tcp.fin() || tcp.rst(),
        sequence: tcp.seq_number().0 as u32,
        payload: tcp.payload().len(),
    })
}

/// A capture file in pcap's first format (draft-ietf-opsawg-pcap §4, §5).
pub(crate) struct Capture(File);

impl Capture {
    pub(crate) fn create(path: &Path) -> Result<Capture> {
        let mut file = File::create(path)?;
        let mut header = Vec::new();
        header.extend(0xA1B2_C3D4u32.to_le_bytes());
        header.extend([2, 0, 4, 0]);
        header.extend([0; 8]);
        header.extend(65_535u32.to_le_bytes());
        // LINKTYPE_ETHERNET
        header.extend(1u32.to_le_bytes());
        file.write_all(&header)?;
        Ok(Capture(file))
    }

    /// Appends a frame; a capture that cannot be written is no reason to stop the link.
    pub(crate) fn frame(&mut self, frame: &[u8]) {
        let now = UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
        let mut record = Vec::with_capacity(16 + frame.len());
        record.extend((now.as_secs() as u32).to_le_bytes());
        record.extend(now.subsec_micros().to_le_bytes());
        record.extend((frame.len() as u32).to_le_bytes());
        record.extend((frame.len() as u32).to_le_bytes());
        record.extend_from_slice(frame);
        let _ = self.0.write_all(&record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Random;

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let frames: Vec<Vec<u8>> = (0..40).map(|n| vec![n as u8; n * 37 % 1500]).collect();
        let stream: Vec<u8> = frames.iter().flat_map(|f| framed(f)).collect();
        let mut random = Random(5);
        let (mut framer, mut out, mut rest) = (Framer::default(), Vec::new(), &stream[..]);
        while !rest.is_empty() {
            let n = (random.next() as usize % 900 + 1).min(rest.len());
            framer.feed(&rest[..n]);
            rest = &rest[n..];
            while let Some(frame) = framer.next().unwrap() {
                out.push(frame);
            }
        }
        assert_eq!(out, frames);
        framer.feed(&[0xFF; 4]);
        assert_eq!(framer.next(), Err(TooLong));
    }

    #[test]
    fn no_frame_makes_the_description_fall() {
        let mut random = Random(9);
        let mut frame = vec![0; 14];
        frame[12] = 8;
        frame.extend([
            0x45, 0, 0, 44, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2,
        ]);
        frame.extend([
            0x10, 0, 0x22, 0xB3, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
        ]);
        frame.extend(*b"abcd");
        let whole = segment(&frame).unwrap();
        assert!(whole.opens && !whole.ends);
        assert_eq!((whole.destination.1, whole.payload), (8883, 4));
        for _ in 0..50_000 {
            let _ = segment(&random.damage(&frame));
        }
    }
}
