#![no_main]

strongroom_fuzz::target!("merge_patch");
