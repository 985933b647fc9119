#![no_main]

strongroom_fuzz::target!("device_uri");
