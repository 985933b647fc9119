#![no_main]

strongroom_fuzz::target!("base64");
