//! Encrypted streams between identities.
//!
//! Decides whose stream it is; refuses everything but TLS 1.3 with known raw public keys.
