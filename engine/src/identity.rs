//! Who a node is: an Ed25519 key pair.
//!
//! Decides where a key may lie; refuses a key file that others can read.
