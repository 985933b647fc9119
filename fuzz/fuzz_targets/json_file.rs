#![no_main]

strongroom_fuzz::target!("json_file");
