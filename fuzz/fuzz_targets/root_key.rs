#![no_main]

strongroom_fuzz::target!("root_key");
