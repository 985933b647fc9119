#![no_main]

strongroom_fuzz::target!("backup_note");
