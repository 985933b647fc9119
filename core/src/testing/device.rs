//! What every key device must do. Each implementation runs [`check`] in its own tests.

use std::{
    collections::HashSet,
    future::Future,
    sync::Arc,
    task::{Context, Waker},
    thread,
    time::{Duration, Instant},
};

use ed25519_dalek::VerifyingKey;

use crate::device::{
    BoxFuture, DOCUMENT_BYTES_MAX, DeviceError, KeyDevice, PRF_INPUT_BYTES_MAX, Prk, RootVersion, SIGN_INPUT_BYTES_MAX,
    Signature,
};

/// Long enough for the slowest of devices, in every test that is not about time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Threads that ask at once.
const THREADS: u8 = 8;

/// How often each of them asks.
const ROUNDS: u8 = 32;

/// Runs a future to its end on this thread, without a runtime: devices must not need one.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    crate::runtime::block_on(future)
}

/// Checks everything that [`KeyDevice`] promises and that can be seen from outside.
///
/// # Panics
/// If the device breaks a promise.
pub fn check(device: &Arc<dyn KeyDevice>) {
    prf_is_a_function(device);
    prf_takes_all_lengths(device);
    unknown_roots_are_missing(device);
    signatures_verify(device);
    deadlines_are_kept(device);
    many_callers_get_their_own_answers(device);
    dropped_calls_do_no_harm(device);
    documents_are_kept_or_none_are(device);
    assert_eq!(device.identity(), device.identity(), "the identity is stable");
}

fn prf_is_a_function(device: &Arc<dyn KeyDevice>) {
    let root = newest_root(device);
    let first = prf(device, root, b"one");
    assert_eq!(first.expose_key(), prf(device, root, b"one").expose_key(), "the same input, another answer");
    let elsewhere = thread::scope(|scope| scope.spawn(|| prf(device, root, b"one")).join().expect("no panic"));
    assert_eq!(first.expose_key(), elsewhere.expose_key(), "another thread, another answer");
    assert_ne!(first.expose_key(), prf(device, root, b"two").expose_key(), "another input, the same answer");
}

fn prf_takes_all_lengths(device: &Arc<dyn KeyDevice>) {
    let root = newest_root(device);
    let lengths = [1, 55, 56, 63, 64, 65, 200, PRF_INPUT_BYTES_MAX];
    let answers: HashSet<_> = lengths.map(|length| *prf(device, root, &vec![7; length]).expose_key()).into();
    assert_eq!(answers.len(), lengths.len(), "inputs of different lengths, the same answer");
    assert!(!answers.contains(&[0; 32]), "an answer of zeros");
}

fn unknown_roots_are_missing(device: &Arc<dyn KeyDevice>) {
    for version in [0, u32::MAX] {
        let got = block_on(device.prf(RootVersion(version), b"one".to_vec(), in_time()));
        assert!(matches!(got, Err(DeviceError::KeyMissing(_))), "root {version}: {got:?}");
    }
}

fn signatures_verify(device: &Arc<dyn KeyDevice>) {
    let key = VerifyingKey::from_bytes(&device.identity().audit_key).expect("the audit key is a point");
    for message in [&b""[..], b"one", &[7; SIGN_INPUT_BYTES_MAX]] {
        let signature = sign(device, message);
        let verdict = key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature));
        assert!(verdict.is_ok(), "a signature over {} bytes does not verify", message.len());
        assert_eq!(signature, sign(device, message), "Ed25519 is deterministic");
    }
}

fn deadlines_are_kept(device: &Arc<dyn KeyDevice>) {
    let root = newest_root(device);
    let past = Instant::now().checked_sub(Duration::from_millis(1)).expect("the machine has run for a millisecond");
    assert!(matches!(block_on(device.prf(root, b"one".to_vec(), past)), Err(DeviceError::Timeout)));
    assert!(matches!(block_on(device.sign(b"one".to_vec(), past)), Err(DeviceError::Timeout)));
    // Whatever comes of a hair's breadth, it comes, and it is right.
    let want = prf(device, root, b"one");
    for micros in (0..2_000).step_by(50) {
        match block_on(device.prf(root, b"one".to_vec(), Instant::now() + Duration::from_micros(micros))) {
            Ok(answer) => assert_eq!(answer.expose_key(), want.expose_key()),
            Err(error) => assert!(matches!(error, DeviceError::Timeout), "{error:?}"),
        }
    }
    assert_eq!(prf(device, root, b"one").expose_key(), want.expose_key(), "well again after timeouts");
}

fn many_callers_get_their_own_answers(device: &Arc<dyn KeyDevice>) {
    let root = newest_root(device);
    let key = VerifyingKey::from_bytes(&device.identity().audit_key).expect("the audit key is a point");
    let want: Vec<Prk> = (0..ROUNDS).map(|round| prf(device, root, &[round])).collect();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let want = &want;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    // Each thread in another order, so that different questions are open at once.
                    let round = (round ^ number.wrapping_mul(37)) % ROUNDS;
                    let answer = prf(device, root, &[round]);
                    assert_eq!(answer.expose_key(), want[usize::from(round)].expose_key(), "another caller's answer");
                    if round.is_multiple_of(8) {
                        let message = [number, round];
                        let signature = ed25519_dalek::Signature::from_bytes(&sign(device, &message));
                        assert!(key.verify_strict(&message, &signature).is_ok(), "another caller's signature");
                    }
                }
            });
        }
    });
}

fn dropped_calls_do_no_harm(device: &Arc<dyn KeyDevice>) {
    let root = newest_root(device);
    let want = prf(device, root, b"one");
    for round in 0..200 {
        let mut calls: Vec<BoxFuture<'_, _>> = (0..16_u8).map(|call| device.prf(root, vec![call], in_time())).collect();
        for call in &mut calls {
            let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        if u32::is_multiple_of(round, 2) {
            thread::yield_now();
        }
    }
    assert_eq!(prf(device, root, b"one").expose_key(), want.expose_key());
}

/// A device that keeps documents keeps them whole, apart, and the newest; another says so, reading and writing.
fn documents_are_kept_or_none_are(device: &Arc<dyn KeyDevice>) {
    let (one, two) = ([0xd1; 16], [0xd2; 16]);
    let read = |deployment| block_on(device.read_document(deployment, in_time()));
    let write = |deployment, document: &[u8]| block_on(device.write_document(deployment, document.to_vec(), in_time()));
    if let Err(error) = read(one) {
        assert!(matches!(error, DeviceError::Unsupported(_)), "{error:?}");
        assert!(matches!(write(one, b"1"), Err(DeviceError::Unsupported(_))));
        return;
    }
    assert_eq!(read(one).expect("read"), None, "what was never written");
    for document in [&b"1"[..], &[7; DOCUMENT_BYTES_MAX], b"newest\0\n"] {
        write(one, document).expect("written");
        assert_eq!(read(one).expect("read").as_deref(), Some(document));
    }
    assert!(matches!(write(one, &[7; DOCUMENT_BYTES_MAX + 1]), Err(DeviceError::Unsupported(_))), "one byte more");
    write(two, b"other").expect("written");
    assert_eq!(read(one).expect("read").as_deref(), Some(&b"newest\0\n"[..]), "another deployment's");
    let past = Instant::now().checked_sub(Duration::from_millis(1)).expect("the machine has run for a millisecond");
    assert!(matches!(block_on(device.read_document(one, past)), Err(DeviceError::Timeout)));
}

fn newest_root(device: &Arc<dyn KeyDevice>) -> RootVersion {
    device.identity().roots.into_iter().max().expect("a device has a root key")
}

fn in_time() -> Instant {
    Instant::now() + PATIENCE
}

fn prf(device: &Arc<dyn KeyDevice>, root: RootVersion, input: &[u8]) -> Prk {
    block_on(device.prf(root, input.to_vec(), in_time())).expect("the device evaluates its PRF")
}

fn sign(device: &Arc<dyn KeyDevice>, message: &[u8]) -> Signature {
    block_on(device.sign(message.to_vec(), in_time())).expect("the device signs")
}
