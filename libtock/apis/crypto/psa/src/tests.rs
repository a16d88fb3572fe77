//! The PSA transport against a fake kernel side.

use super::*;
use libtock_unittest::{SyscallLogEntry, command_return, fake};
use psa_client::{Algorithm, attestation, crypto, fwu, its, ps};
use std::rc::Rc;

const PSA: Psa<fake::Syscalls> = Psa::new();

/// A crypto driver: generate_random at once, sign_hash by upcall, all else refused.
fn crypto_driver() -> Rc<fake::Scripted> {
    use psa_interface::crypto::{CryptoIovec, function};
    fake::Scripted::new(CRYPTO, |call| {
        let Ok(iov) = call.ro(0).as_slice().try_into().map(CryptoIovec::decode) else {
            return command_return::success_3_u32(Status::PROGRAMMER_ERROR.0 as u32, 0, 0);
        };
        assert_eq!((call.command, call.arg0), (1, 0));
        match iov.function_id {
            function::GENERATE_RANDOM => {
                assert_eq!(call.arg1, 1 | 1 << 8);
                let n = call.with_rw(0, |b| {
                    b.fill(0x77);
                    b.len()
                });
                command_return::success_3_u32(0, n as u32, 0)
            }
            function::SIGN_HASH => {
                assert_eq!(call.arg1, 2 | 1 << 8);
                assert_eq!(call.ro(1), [9; 32]);
                call.with_rw(0, |b| b[..64].fill(0x11));
                call.schedule(0, (0, 64, 0));
                command_return::success()
            }
            _ => command_return::success_3_u32(Status::NOT_SUPPORTED.0 as u32, 0, 0),
        }
    })
}

#[test]
fn answers_at_once_and_by_upcall() {
    let kernel = fake::Kernel::new();
    assert!(!Psa::<fake::Syscalls>::exists(service::CRYPTO_HANDLE));
    let none = crypto::generate_random(&PSA, &mut [0; 4]);
    assert_eq!(none, Err(Status::CONNECTION_REFUSED));
    let driver = crypto_driver();
    kernel.add_driver(&driver);
    assert!(Psa::<fake::Syscalls>::exists(service::CRYPTO_HANDLE));
    let mut random = [0; 40];
    crypto::generate_random(&PSA, &mut random).unwrap();
    assert_eq!(random, [0x77; 40]);
    let mut signature = [0; 80];
    let alg = Algorithm::ecdsa(Algorithm::SHA_256);
    assert_eq!(
        crypto::sign_hash(&PSA, 1, alg, &[9; 32], &mut signature),
        Ok(64)
    );
    let refused = crypto::hash_compute(&PSA, Algorithm::SHA_256, b"", &mut [0; 32]);
    assert_eq!(refused, Err(Status::NOT_SUPPORTED));
    assert_eq!(driver.shares(), (0, 0));
}

#[test]
fn only_what_is_shared_costs_a_system_call() {
    let kernel = fake::Kernel::new();
    kernel.add_driver(&crypto_driver());
    crypto::generate_random(&PSA, &mut [0; 4]).unwrap();
    let allows = |log: &[SyscallLogEntry]| {
        log.iter()
            .filter(|e| {
                matches!(
                    e,
                    SyscallLogEntry::AllowRo { .. } | SyscallLogEntry::AllowRw { .. }
                )
            })
            .count()
    };
    let log = kernel.take_syscall_log();
    assert_eq!((allows(&log), log.len()), (4, 5), "{log:?}");
}

#[test]
fn each_service_has_its_driver_and_command() {
    let kernel = fake::Kernel::new();
    let ok = |_: &fake::Call<'_>| command_return::success_3_u32(0, 0, 0);
    let storage = fake::Scripted::new(STORAGE, ok);
    let update = fake::Scripted::new(FWU, ok);
    let platform = fake::Scripted::new(PLATFORM, ok);
    kernel.add_driver(&storage);
    kernel.add_driver(&update);
    kernel.add_driver(&platform);
    its::remove(&PSA, 1).unwrap();
    ps::set(&PSA, 5, b"cert", 0).unwrap();
    fwu::start(&PSA, 1, &[]).unwrap();
    assert_eq!(storage.commands(), [(1, 1004, 1), (2, 1001, 3)]);
    assert_eq!(update.commands(), [(1, 1001, 2)]);
    attestation::get_token(&PSA, &[1; 32], &mut [0; 9]).unwrap();
    assert_eq!(platform.commands(), [(2, 1001, 1 | 1 << 8)]);
    assert_eq!(
        PSA.psa_call(0x4000_0155, 0, &[], &mut []),
        Status::CONNECTION_REFUSED.0
    );
    assert_eq!(PSA.psa_call(service::CRYPTO_HANDLE, -1, &[], &mut []), -129);
    let five: [&[u8]; 5] = [b"a"; 5];
    assert_eq!(
        PSA.psa_call(service::CRYPTO_HANDLE, 0, &five, &mut []),
        -129
    );
}

#[test]
fn a_length_longer_than_the_buffer_is_not_believed() {
    let kernel = fake::Kernel::new();
    let lying = fake::Scripted::new(STORAGE, |_| command_return::success_3_u32(0, 9999, 0));
    kernel.add_driver(&lying);
    assert_eq!(its::get(&PSA, 1, 0, &mut [0; 10]), Ok(10));
}

#[test]
fn tock_refusals_become_psa_statuses() {
    let kernel = fake::Kernel::new();
    let full = fake::Scripted::new(STORAGE, |_| command_return::failure(ErrorCode::NoMem));
    kernel.add_driver(&full);
    assert_eq!(its::remove(&PSA, 1), Err(Status::INSUFFICIENT_MEMORY));
    assert_eq!(status_of(ErrorCode::Busy), Status::CONNECTION_BUSY);
    for code in 1..=13 {
        let status = ErrorCode::try_from(code).map(status_of).unwrap();
        assert!(!status.is_success());
    }
}
