//! The colour, marker and line style of each policy.
//!
//! Built-in policies have theirs in one table, the same in every figure of every result. Names that
//! are not in it take the next that is free, in the order of the names. Where two things vary that
//! are a policy together, the first gives the colour and the second the marker, and no built-in
//! policy looks so.

/// Colours that people with any colour vision can tell apart: those of M. Okabe and K. Ito,
/// "Color Universal Design", 2008, without the yellow that vanishes on white, then three of other
/// brightness.
pub(super) const COLOURS: [(u8, u8, u8); 10] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (0, 0, 0),
    (140, 86, 75),
    (120, 120, 120),
    (51, 34, 136),
];

/// Shape that marks a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Down,
    Plus,
    Cross,
    Ring,
    HollowSquare,
    HollowDiamond,
    HollowTriangle,
    HollowDown,
    Bar,
    Star,
}

const MARKERS: [Marker; 14] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Down,
    Marker::Plus,
    Marker::Cross,
    Marker::Ring,
    Marker::HollowSquare,
    Marker::HollowDiamond,
    Marker::HollowTriangle,
    Marker::HollowDown,
    Marker::Bar,
    Marker::Star,
];

/// How a line is stroked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stroke {
    Solid,
    Dashed,
    Dotted,
    DashDot,
    Short,
}

const STROKES: [Stroke; 5] = [
    Stroke::Dashed,
    Stroke::Dotted,
    Stroke::DashDot,
    Stroke::Short,
    Stroke::Solid,
];

impl Stroke {
    /// Lengths of strokes and gaps in turn, in units of the figure; empty of a solid line.
    pub(super) const fn dashes(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[7.0, 3.0],
            Self::Dotted => &[1.6, 2.4],
            Self::DashDot => &[7.0, 2.4, 1.6, 2.4],
            Self::Short => &[3.5, 2.0],
        }
    }
}

/// How a policy looks in every figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Style {
    /// Index in [`COLOURS`].
    pub(super) colour: usize,
    pub(super) marker: Marker,
    pub(super) stroke: Stroke,
}

const fn style(colour: usize, marker: Marker, stroke: Stroke) -> Style {
    Style {
        colour,
        marker,
        stroke,
    }
}

/// What transfers and peers take alone: no policy, so drawn without a colour.
pub(super) const ALONE: Style = style(8, Marker::Star, Stroke::Dotted);

/// Styles of the built-in policies: disciplines, chokers and seed rules, pickers, shares. A name
/// that several kinds have is one row. Inside a kind no two have the same colour and marker, and
/// those that are compared most differ in both.
const TABLE: [(&str, Style); 39] = [
    ("fifo", style(0, Marker::Circle, Stroke::Solid)),
    ("round-robin", style(1, Marker::Square, Stroke::Dashed)),
    ("drr", style(2, Marker::Triangle, Stroke::Solid)),
    ("sparse-drr", style(3, Marker::Diamond, Stroke::Dashed)),
    ("sfq", style(4, Marker::Down, Stroke::Short)),
    ("wf2q+", style(5, Marker::Plus, Stroke::DashDot)),
    ("strict", style(6, Marker::Cross, Stroke::Dotted)),
    ("srpt", style(7, Marker::Ring, Stroke::DashDot)),
    ("las", style(8, Marker::HollowSquare, Stroke::Solid)),
    ("mclock", style(9, Marker::HollowDiamond, Stroke::Short)),
    ("none", style(0, Marker::HollowTriangle, Stroke::Solid)),
    (
        "wary-tit-for-tat",
        style(2, Marker::Circle, Stroke::DashDot),
    ),
    (
        "forwarders-first",
        style(9, Marker::Diamond, Stroke::Dotted),
    ),
    ("refuse", style(8, Marker::Cross, Stroke::Short)),
    ("even", style(4, Marker::Circle, Stroke::Solid)),
    ("sequential", style(0, Marker::Down, Stroke::Solid)),
    ("random", style(1, Marker::Diamond, Stroke::Dotted)),
    ("rarest-first", style(2, Marker::Square, Stroke::Dashed)),
    ("peer", style(0, Marker::Triangle, Stroke::Dashed)),
    ("group", style(1, Marker::Circle, Stroke::DashDot)),
    ("transfer", style(2, Marker::Diamond, Stroke::Dotted)),
    ("tit-for-tat", style(0, Marker::HollowDown, Stroke::Solid)),
    (
        "tit-for-tat-sqrt",
        style(1, Marker::HollowDown, Stroke::Dashed),
    ),
    (
        "tit-for-tat-no-optimistic",
        style(2, Marker::HollowDown, Stroke::Dotted),
    ),
    ("bittyrant", style(3, Marker::HollowDown, Stroke::DashDot)),
    (
        "bittyrant-released",
        style(4, Marker::HollowDown, Stroke::Short),
    ),
    ("propshare", style(5, Marker::HollowDown, Stroke::Solid)),
    ("fairtorrent", style(6, Marker::HollowDown, Stroke::Dashed)),
    ("swift", style(7, Marker::HollowDown, Stroke::Dotted)),
    (
        "bounded-deficit",
        style(8, Marker::HollowDown, Stroke::DashDot),
    ),
    ("bitswap", style(9, Marker::HollowDown, Stroke::Short)),
    ("bitswap-paper", style(0, Marker::Bar, Stroke::Solid)),
    ("emule", style(1, Marker::Bar, Stroke::Dashed)),
    ("karma", style(2, Marker::Bar, Stroke::Dotted)),
    ("give-to-get", style(3, Marker::Bar, Stroke::DashDot)),
    ("round-robin-quota", style(4, Marker::Bar, Stroke::Short)),
    ("fastest", style(5, Marker::Bar, Stroke::Solid)),
    ("anti-leech", style(6, Marker::Bar, Stroke::Dashed)),
    ("alone", ALONE),
];

/// Styles that no built-in policy has, in the order in which they are given away.
fn free() -> impl Iterator<Item = Style> + Clone {
    let all = STROKES.into_iter().flat_map(|stroke| {
        (0..MARKERS.len()).flat_map(move |shift| {
            (0..COLOURS.len()).map(move |colour| {
                let marker = MARKERS[(10 + colour + shift) % MARKERS.len()];
                style(colour, marker, stroke)
            })
        })
    });
    all.filter(is_free)
}

/// Whether no built-in policy looks so.
fn is_free(style: &Style) -> bool {
    TABLE.iter().all(|(_, taken)| taken != style)
}

/// The style of each name, which are different from each other as long as there are styles.
pub(super) fn of_names(names: &[&str]) -> Vec<Style> {
    let built_in = |name: &str| TABLE.iter().find(|(known, _)| *known == name);
    let mut others: Vec<&str> = names.to_vec();
    others.retain(|name| built_in(name).is_none());
    others.sort_unstable();
    others.dedup();
    let given: Vec<(&str, Style)> = others.into_iter().zip(free().cycle()).collect();
    let found = names.iter().map(|name| {
        let known = built_in(name).or_else(|| given.iter().find(|(other, _)| other == name));
        known
            .expect("every name is built in or was given a style")
            .1
    });
    found.collect()
}

/// The style of each policy of one or several parts: the colour of its first part, and of its
/// second the marker and the stroke, or the next stroke with which no built-in policy looks so.
/// Where that does not tell all policies apart, styles that are free.
pub(super) fn of_policies(policies: &[Vec<String>]) -> Vec<Style> {
    let part = |at: usize| -> Vec<Style> {
        let names = policies.iter().filter_map(|parts| parts.get(at));
        let names: Vec<&str> = names.map(String::as_str).collect();
        of_names(&names)
    };
    let (first, second) = (part(0), part(1));
    let mut found = first.clone();
    if second.len() == first.len() {
        for (style, second) in found.iter_mut().zip(&second) {
            let (colour, marker) = (style.colour, second.marker);
            let strokes = std::iter::once(second.stroke).chain(STROKES);
            let mut looks = strokes.map(|stroke| Style {
                colour,
                marker,
                stroke,
            });
            let free = looks.find(is_free);
            *style = free.expect("no five built-in policies differ in their strokes alone");
        }
    }
    let mut distinct = found.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let mut known = policies.to_vec();
    known.sort_unstable();
    known.dedup();
    if distinct.len() == known.len() {
        return found;
    }
    let whole: Vec<String> = policies.iter().map(|parts| parts.join(" + ")).collect();
    of_names(&whole.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The style of the lines of flows of the class number `at`: no policy, so it repeats.
pub(super) fn of_class(at: usize) -> Style {
    let stroke = [
        Stroke::Solid,
        Stroke::Dashed,
        Stroke::Short,
        Stroke::DashDot,
    ];
    style(
        at % COLOURS.len(),
        Marker::Circle,
        stroke[at % stroke.len()],
    )
}

#[cfg(test)]
mod tests {
    use fairhaul_core::{choke, pick, sched};

    use super::*;

    fn assert_distinct<T: Ord + std::fmt::Debug>(mut all: Vec<T>) {
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "{all:?}");
    }

    #[test]
    fn every_built_in_policy_has_a_style_of_its_own() {
        assert_distinct(TABLE.iter().map(|(_, style)| *style).collect());
        assert_distinct(TABLE.iter().map(|(name, _)| *name).collect());
        let chokers = choke::ALL.iter().map(|row| row.name);
        let kinds: [Vec<&str>; 4] = [
            sched::ALL.iter().map(|row| row.name).collect(),
            chokers.collect(),
            choke::SEED_RULES.iter().map(|(name, _)| *name).collect(),
            pick::ALL.iter().map(|row| row.name).collect(),
        ];
        for names in kinds {
            for name in &names {
                assert!(TABLE.iter().any(|(known, _)| known == name), "{name}");
            }
            let styles = of_names(&names);
            let looks = styles.iter().map(|style| (style.colour, style.marker));
            assert_distinct(looks.collect());
        }
    }

    // What a built-in policy looks like does not depend on who else is in the figure, and names
    // of any number are told apart.
    #[test]
    fn a_style_is_kept_whoever_else_is_there() {
        let made_up: Vec<String> = (0..300).map(|at| format!("mine-{at}")).collect();
        let mut names: Vec<&str> = made_up.iter().map(String::as_str).collect();
        names.push("drr");
        let styles = of_names(&names);
        assert_eq!(styles.last(), of_names(&["drr"]).last());
        assert_distinct(styles);
    }

    #[test]
    fn made_up_names_take_what_is_free_in_the_order_of_their_names() {
        let found = of_names(&["b", "drr", "a"]);
        assert_eq!([found[2], found[0]], [of_names(&["a"])[0], found[0]]);
        assert_eq!(found[2], free().next().unwrap());
        assert_eq!(found[0], free().nth(1).unwrap());
    }

    // Three chokers and three seed rules: nine policies, told apart by colour and by marker.
    #[test]
    fn two_parts_share_the_style_between_them() {
        let mut policies = Vec::new();
        for choker in ["none", "round-robin", "wary-tit-for-tat"] {
            for rule in ["even", "round-robin", "forwarders-first"] {
                policies.push(vec![choker.to_owned(), rule.to_owned()]);
            }
        }
        let found = of_policies(&policies);
        assert_distinct(found.clone());
        assert_eq!(found[0].colour, found[1].colour);
        assert_eq!(found[0].marker, found[3].marker);
    }

    // `none` with `even` would look like fifo by their parts.
    #[test]
    fn no_pair_looks_like_a_built_in_policy() {
        for first in TABLE.map(|(name, _)| name.to_owned()) {
            let pairs = TABLE.map(|(name, _)| vec![first.clone(), name.to_owned()]);
            for (style, pair) in of_policies(&pairs).iter().zip(&pairs) {
                assert!(is_free(style), "{pair:?}");
            }
        }
    }

    #[test]
    fn policies_that_their_parts_do_not_tell_apart_get_styles_of_their_own() {
        let name = |a: &str, b: usize| vec![a.to_owned(), format!("rule-{b}")];
        let policies: Vec<Vec<String>> = (0..40).map(|at| name("drr", at)).collect();
        assert_distinct(of_policies(&policies));
    }
}
