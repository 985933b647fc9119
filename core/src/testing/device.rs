//! What every key device must do.
