//! Agreement with elf2tab 0.13.0: an object that it made parses to what its command line said.
//!
//! The vector was packed with `--protected-region-size 256
//! --minimum-footer-size 128 --kernel-major 2 --kernel-minor 2 --short-id 103 -n hello
//! --ecdsa-nist-p256-private …` from an ELF linked for flash 0x6030C100 and RAM 0x2109E000.

use tock_tbf::parse::{parse_tbf_footer, parse_tbf_header, parse_tbf_header_lengths};
use tock_tbf::types::TbfFooterV2CredentialsType as Format;

static OBJECT: &[u8] = include_bytes!("vectors/elf2tab-0.13.0.tbf");

#[test]
fn header_says_what_the_command_line_said() {
    let (version, header, total) = parse_tbf_header_lengths(OBJECT.first_chunk().unwrap()).unwrap();
    assert_eq!((version, total as usize), (2, OBJECT.len()));
    let h = parse_tbf_header(&OBJECT[..usize::from(header)], version).unwrap();
    assert!(h.is_app() && h.enabled());
    assert_eq!(h.get_package_name(), Some("hello"));
    // No writable segment: the defaults of stack and heaps. elf2tab 0.13.0 takes --minimum-ram-size and
    // ignores it.
    assert_eq!(h.get_minimum_app_ram_size(), 2048 + 1024 + 1024);
    assert_eq!(h.get_protected_size(), 256);
    assert_eq!(h.get_fixed_address_flash(), Some(0x6030_C100));
    assert_eq!(h.get_fixed_address_ram(), Some(0x2109_E000));
    assert_eq!(h.get_kernel_version(), Some((2, 2)));
    assert_eq!(h.get_fixed_short_id().map(|n| n.get()), Some(103));
    // Entry: the first byte of the binary proper.
    assert_eq!(h.get_init_function_offset() & !1, 256);
    assert!(header <= 200, "tockloader reads no further");
}

#[test]
fn footers_hold_the_signature_and_then_room() {
    let header = usize::from(u16::from_le_bytes([OBJECT[2], OBJECT[3]]));
    let h = parse_tbf_header(&OBJECT[..header], 2).unwrap();
    let mut rest = &OBJECT[h.get_binary_end() as usize..];
    let mut formats = vec![];
    while let Ok((credential, length)) = parse_tbf_footer(rest) {
        formats.push(credential.format());
        rest = &rest[4 + length as usize..];
    }
    assert_eq!(formats, [Format::EcdsaNistP256, Format::Reserved]);
    assert!(rest.is_empty(), "footers fill the object");
}

#[test]
fn every_flipped_header_bit_is_noticed() {
    let header = usize::from(u16::from_le_bytes([OBJECT[2], OBJECT[3]]));
    // A changed header size moves the checksum's end; all other bits are covered by it.
    for bit in (0..header * 8).filter(|b| !(16..32).contains(b)) {
        let mut bytes = OBJECT[..header].to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(parse_tbf_header(&bytes, 2).is_err(), "bit {bit}");
    }
}
