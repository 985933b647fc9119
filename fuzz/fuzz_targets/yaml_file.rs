#![no_main]

strongroom_fuzz::target!("yaml_file");
