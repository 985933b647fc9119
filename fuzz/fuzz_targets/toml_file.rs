#![no_main]

strongroom_fuzz::target!("toml_file");
