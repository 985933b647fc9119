#![no_main]

strongroom_fuzz::target!("entry_proof");
