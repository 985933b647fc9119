#![no_main]

strongroom_fuzz::target!("refused_logins");
