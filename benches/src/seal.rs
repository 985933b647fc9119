//! Sealing and opening a value with warm keys, beside a bare AES-GCM call whose key is ready.
//!
//! What the bare call does not do: draw a nonce (shown separately, because nobody may leave it out),
//! derive the key of that nonce, bind the ciphertext to its place, pad, and wipe the stack.

use std::{hint::black_box, sync::Arc, time::Duration};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload, array::Array},
};
use serde::Serialize;
use strongroom::{
    Arena, DeploymentId, KeyEpoch, KeyId, Locking, ObjectId, Random, RootKey, SecretValue, SystemClock, SystemRandom,
    TenantKeys, TenantRef, TenantSeed, Timestamp,
    device::{Prk, RootVersion},
};

use crate::{
    Effort, Result,
    sample::{interleaved, per_call},
};

/// Bytes of associated data of the bare call.
const ASSOCIATED_BYTES: usize = 32;
const GROUP: u32 = 256;

/// Medians in nanoseconds per call, of one size.
#[derive(Debug, Serialize)]
pub(crate) struct Sealing {
    pub(crate) value_bytes: usize,
    pub(crate) seal_ns: f64,
    pub(crate) open_ns: f64,
    pub(crate) bare_seal_ns: f64,
    /// The same with a nonce from the system's random source.
    pub(crate) bare_seal_random_nonce_ns: f64,
    pub(crate) bare_open_ns: f64,
}

pub(crate) fn measure(effort: Effort) -> Result<Vec<Sealing>> {
    let arena = Arena::new(strongroom::ARENA_BYTES_DEFAULT, Locking::Allow)?;
    let keys = tenant_keys(&arena, 1)?.0;
    let id = ObjectId::new(&SystemClock::new(), &SystemRandom)?;
    let bare = Aes256Gcm::new(&Array([7; 32]));
    let associated = [3; ASSOCIATED_BYTES];
    let (rounds, time) = if effort.is_quick() { (7, 5) } else { (21, 20) };
    let time = Duration::from_millis(time);

    let mut results = Vec::new();
    for value_bytes in [100, 4096] {
        let plain = vec![0x61; value_bytes];
        let value = SecretValue::binary(plain.clone())?;
        let sealed = keys.seal_value(id, 1, &value, &SystemRandom)?;
        let bare_nonce = Array([9; 12]);
        let bare_sealed = bare
            .encrypt(&bare_nonce, Payload { msg: &plain, aad: &associated })
            .map_err(|_| "the bare cipher does not seal")?;
        assert!(keys.open_value(id, 1, &sealed)?.matches(&value), "what is measured must work");

        let mut counter = 0_u64;
        let [seal_ns, bare_seal_ns, bare_seal_random_nonce_ns, open_ns, bare_open_ns] = interleaved(
            rounds,
            [
                &mut || {
                    per_call(time, GROUP, || drop(black_box(keys.seal_value(id, 1, black_box(&value), &SystemRandom))))
                },
                &mut || {
                    per_call(time, GROUP, || {
                        counter += 1;
                        let mut nonce = [0; 12];
                        nonce[4..].copy_from_slice(&counter.to_be_bytes());
                        drop(black_box(
                            bare.encrypt(&Array(nonce), Payload { msg: black_box(&plain), aad: &associated }),
                        ));
                    })
                },
                &mut || {
                    per_call(time, GROUP, || {
                        let nonce = <dyn Random>::array(&SystemRandom).expect("the system has random bytes");
                        drop(black_box(
                            bare.encrypt(&Array(nonce), Payload { msg: black_box(&plain), aad: &associated }),
                        ));
                    })
                },
                &mut || per_call(time, GROUP, || drop(black_box(keys.open_value(id, 1, black_box(&sealed))))),
                &mut || {
                    per_call(time, GROUP, || {
                        let payload = Payload { msg: black_box(&bare_sealed), aad: &associated };
                        drop(black_box(bare.decrypt(&bare_nonce, payload)));
                    })
                },
            ],
        );
        results.push(Sealing { value_bytes, seal_ns, open_ns, bare_seal_ns, bare_seal_random_nonce_ns, bare_open_ns });
    }
    Ok(results)
}

/// What a tenant's keys are derived from, for a made-up deployment.
pub(crate) fn seed(number: u8) -> TenantSeed {
    TenantSeed {
        deployment: DeploymentId::from_bytes([1; 16]),
        tenant: TenantRef::from_bytes([number; 16]),
        salt: [number; 32],
        root: RootKey { id: KeyId::from_bytes([4; 16]), version: RootVersion::FIRST },
        epoch: KeyEpoch::FIRST,
    }
}

/// A tenant's keys under a made-up answer of the device, and its sealed keyring.
fn tenant_keys(arena: &Arc<Arena>, number: u8) -> Result<(TenantKeys, Vec<u8>)> {
    let prk = || Prk::from_slice(&[0x11; 32]).ok_or("a PRK has 32 bytes");
    Ok(TenantKeys::create(seed(number), &prk()?, &prk()?, arena, &SystemRandom, Timestamp(1))?)
}
