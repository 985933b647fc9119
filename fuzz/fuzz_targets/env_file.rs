#![no_main]

strongroom_fuzz::target!("env_file");
