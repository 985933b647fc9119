//! The PKCS#11 device on real tokens, SoftHSM's.

use std::time::{Duration, Instant};

use strongroom::device::RootVersion;
use strongroom_hsm::{DeviceUri, KeyIds, testing::SoftHsm};

fn ids(byte: u8) -> KeyIds {
    KeyIds { root: [byte; 16], audit: [byte ^ 0xFF; 16] }
}

#[test]
fn first() {
    let Some(hsm) = SoftHsm::for_this_process() else { return };
    let uri: DeviceUri = hsm.token("first", "123456").parse().unwrap();
    let profile = uri.provision(&ids(1), b"check").unwrap();
    println!("{}", String::from_utf8(profile.to_bytes()).unwrap());
    assert_eq!(uri.provision(&ids(1), b"check").unwrap(), profile);
    let device = uri.open(&profile).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    let rt = device.prf(RootVersion(1), b"check".to_vec(), deadline);
    let prk = block_on(rt).unwrap();
    assert_eq!(prk.expose_key(), &profile.roots[0].check);
    block_on(device.sign(b"x".to_vec(), deadline)).unwrap();
    drop(device);
    assert_eq!(uri.remove(&ids(1)).unwrap(), 3);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let waker = std::task::Waker::noop();
    loop {
        if let std::task::Poll::Ready(v) = future.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
            return v;
        }
        std::thread::yield_now();
    }
}
