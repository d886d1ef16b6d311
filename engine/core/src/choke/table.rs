//! The table of chokers, and which of them may be seed rules.

use super::{
    ChokerRow, LeakBound, anti_leech, bitswap, bitswap_paper, bittyrant, bittyrant_released,
    bounded_deficit, emule, fairtorrent, fastest, forwarders_first, give_to_get, none, propshare,
    refuse, round_robin, round_robin_quota, swift, tit_for_tat, tit_for_tat_no_optimistic,
    tit_for_tat_sqrt, wary_tit_for_tat,
};

/// A row that says nothing: what others are made of.
pub const BASE: ChokerRow = ChokerRow {
    name: "",
    about: "",
    rule: "",
    source: "",
    departs: "",
    assumed: "",
    slots: false,
    fills: false,
    finishes: false,
    watches: false,
    reports: false,
    everybody: false,
    reacts: false,
    reviews: false,
    leak: LeakBound::None,
    uplink: None,
    make: |_| Box::new(none::Nobody),
};

/// Every choker. Those in [`SEED_RULES`] may also serve where nothing comes back.
pub static ALL: &[ChokerRow] = &[
    none::ROW,
    round_robin::ROW,
    tit_for_tat::ROW,
    tit_for_tat_sqrt::ROW,
    tit_for_tat_no_optimistic::ROW,
    wary_tit_for_tat::ROW,
    bittyrant::ROW,
    bittyrant_released::ROW,
    propshare::ROW,
    fairtorrent::ROW,
    swift::ROW,
    bounded_deficit::ROW,
    bitswap_paper::ROW,
    bitswap::ROW,
    emule::ROW,
    give_to_get::ROW,
    forwarders_first::ROW,
    round_robin_quota::ROW,
    fastest::ROW,
    anti_leech::ROW,
    refuse::ROW,
];

/// Names of the seed rules, with the choker that each is.
pub static SEED_RULES: &[(&str, &str)] = &[
    ("even", "none"),
    ("round-robin", "round-robin"),
    ("round-robin-quota", "round-robin-quota"),
    ("fastest", "fastest"),
    ("anti-leech", "anti-leech"),
    ("tit-for-tat", "tit-for-tat"),
    ("give-to-get", "give-to-get"),
    ("forwarders-first", "forwarders-first"),
];
