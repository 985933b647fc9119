#![no_main]

strongroom_fuzz::target!("x509");
