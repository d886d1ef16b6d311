//! Virtual-time shell around the core: many peers, links, traces, metrics, checkers.
