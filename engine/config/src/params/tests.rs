use fairhaul_core::sched;
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Share;
use jiff::civil::Weekday;

use super::*;
use crate::amount::UploadLimit;

const HEX: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const BASE64: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

fn params(text: &str) -> ParameterFile {
    ParameterFile::parse("n.toml", text).unwrap()
}

/// The limits of a timetable over 10 B/s up and unlimited down.
fn timetable(schedule: &str) -> LimitParams {
    let text =
        format!("[node]\nname = \"a\"\n[limits]\nupload = \"10 B/s\"\nschedule = [{schedule}]\n");
    params(&text).limits
}

fn up(limits: &LimitParams, weekday: Weekday, minute: u32) -> Option<u64> {
    limits.at(weekday, minute).0.map(Rate::get)
}

#[test]
fn a_bare_file_has_every_default_in_its_type() {
    let params = params("[node]\nname = \"a\"\ndata = \"d\"\n");
    let node = &params.node;
    assert_eq!(&*node.name, "a");
    assert_eq!(&*node.listen, "0.0.0.0:7440");
    assert_eq!(params.key_file(), Path::new("d/identity.key"));
    assert!(node.exchange && node.private_addresses.is_empty());
    let control = &params.control;
    assert_eq!(&*control.socket, Path::new("/run/fairhaul/control.sock"));
    assert_eq!(control.http, None);
    assert_eq!(params.token_file(), Path::new("d/token"));
    let limits = &params.limits;
    assert_eq!(limits.upload, UploadLimit::Unlimited);
    assert_eq!(limits.download, RateLimit::Unlimited);
    assert_eq!((limits.connections.get(), limits.burst), (256, None));
    assert!(limits.schedule.is_empty() && params.peers.is_empty() && params.groups.is_empty());
}

#[test]
fn a_peer_is_read_as_it_is_written() {
    let text = format!(
        "[node]\nname = \"a\"\n[[peer]]\nname = \"b\"\nkey = \"{HEX}\"\nweight = 0\n\
         [[peer]]\nname = \"c\"\nkey = \"{}\"\nweight = 2.5\nupload = \"20 Mbit/s\"\n\
         floor = \"1 kB/s\"\ngroup = \"g\"\naccept = \"in\"\nquota = \"unlimited\"\n\
         address = \"c.example:1\"\n[group.g]\nupload = \"1 MB/s\"\nfloor = \"2 kB/s\"\nweight = 3\n",
        BASE64.replace("11qY", "21qY"),
    );
    let params = params(&text);
    let peers = &params.peers;
    assert_eq!(peers[0].weight.get(), Weight::BEST_EFFORT);
    assert_eq!(peers[0].quota.get(), Some(ByteCount::mib(10 * 1024)));
    assert_eq!(
        (peers[0].upload.get(), peers[0].floor.0),
        (None, Rate::new(0))
    );
    let c = &peers[1];
    assert_eq!(c.weight.get().hundredths(), 250);
    assert_eq!(
        (c.upload.get(), c.floor.0),
        (Some(Rate::new(2_500_000)), Rate::new(1_000))
    );
    assert_eq!(c.address.as_deref(), Some("c.example:1"));
    assert_eq!(
        (c.group.as_deref(), c.accept.as_deref()),
        (Some("g"), Some("in"))
    );
    assert_eq!(c.quota.get(), None);
    let (name, group) = params.groups.iter().next().unwrap();
    assert_eq!((&**name, group.weight.get()), ("g", Weight::whole(3)));
    assert_eq!(group.upload.get(), Some(Rate::new(1_000_000)));
    assert_eq!(group.floor.0, Rate::new(2_000));
}

// The key of RFC 8032, 7.1, test 1, in both spellings.
#[test]
fn a_key_is_the_same_in_both_spellings() {
    let key = |text: &str| {
        let text = format!("[node]\nname = \"a\"\n[[peer]]\nname = \"b\"\nkey = \"{text}\"\n");
        params(&text).peers[0].key.bytes()
    };
    assert_eq!(key(HEX), key(BASE64));
    assert_eq!(key(HEX), key(&HEX.to_uppercase()));
    assert_eq!(key(HEX)[..3], [0xd7, 0x5a, 0x98]);
    assert_eq!(key(HEX)[31], 0x1a);
}

#[test]
fn every_policy_of_the_file_is_the_row_of_its_name() {
    for row in sched::ALL {
        let text = format!(
            "[node]\nname = \"a\"\n[policy]\nuplink = \"{}\"\n",
            row.name
        );
        let policy = params(&text).policy;
        assert_eq!(
            (policy.uplink.outer().name, policy.uplink.inner().name),
            (row.name, row.name)
        );
    }
    let text = "[node]\nname = \"a\"\n[policy]\nuplink = \"mclock/srpt\"\nshare = \"group\"\n\
                unchoke = \"round-robin\"\nseed-rule = \"round-robin\"\npicker = \"sequential\"\n";
    let policy = params(text).policy;
    assert_eq!(
        (policy.uplink.outer().name, policy.uplink.inner().name),
        ("mclock", "srpt")
    );
    assert_eq!(policy.share, Share::Group);
    assert_eq!(policy.unchoke.row().name, "round-robin");
    assert_eq!(policy.seed_rule.row().name, "round-robin");
    assert_eq!(policy.picker.row().name, "sequential");
    let even = params("[node]\nname = \"a\"\n").policy;
    assert_eq!(
        (even.seed_rule.row().name, even.share),
        ("forwarders-first", Share::Peer)
    );
    let transfer = params("node.name = \"a\"\npolicy.share = \"transfer\"\n").policy;
    assert_eq!(transfer.share, Share::Transfer);
}

/// Found while it runs, beside what the timetable says; only the node's can be.
#[test]
fn an_upload_that_finds_itself_has_no_cap_of_its_own() {
    let limits = |text: &str| params(&format!("[node]\nname = \"a\"\n[limits]\n{text}\n")).limits;
    let auto = limits("upload = \"auto\"");
    assert_eq!((auto.upload, auto.upload.rate()), (UploadLimit::Auto, None));
    assert_eq!(
        limits("upload = \"unlimited\"").upload,
        UploadLimit::Unlimited
    );
    let text = params("[node]\nname = \"a\"\n[limits]\nupload = \"auto\"\n").to_toml();
    assert!(text.contains("upload = \"auto\""), "{text}");
}

#[test]
fn an_entry_holds_from_its_first_minute_until_before_its_last() {
    let limits =
        timetable("{ days = \"mon-fri\", from = \"08:00\", to = \"18:00\", upload = \"5 B/s\" }");
    assert_eq!(up(&limits, Weekday::Monday, 479), Some(10));
    assert_eq!(up(&limits, Weekday::Monday, 480), Some(5));
    assert_eq!(up(&limits, Weekday::Friday, 1_079), Some(5));
    assert_eq!(up(&limits, Weekday::Friday, 1_080), Some(10));
    assert_eq!(up(&limits, Weekday::Saturday, 600), Some(10));
    assert_eq!(
        limits.at(Weekday::Monday, 480).1,
        None,
        "it says nothing of download"
    );
}

#[test]
fn an_entry_past_midnight_belongs_to_the_day_on_which_it_begins() {
    let limits =
        timetable("{ days = \"fri,sun\", from = \"22:00\", to = \"06:00\", upload = \"5 B/s\" }");
    assert_eq!(
        up(&limits, Weekday::Friday, 300),
        Some(10),
        "that would be thursday's"
    );
    assert_eq!(up(&limits, Weekday::Friday, 1_320), Some(5));
    assert_eq!(up(&limits, Weekday::Saturday, 359), Some(5));
    assert_eq!(up(&limits, Weekday::Saturday, 360), Some(10));
    assert_eq!(up(&limits, Weekday::Saturday, 1_400), Some(10));
    // Over the end of the week.
    assert_eq!(up(&limits, Weekday::Monday, 0), Some(5));
    assert_eq!(up(&limits, Weekday::Monday, 360), Some(10));
}

#[test]
fn the_first_entry_that_fits_holds_and_may_lift_a_limit() {
    let limits = timetable(
        "{ days = \"sat-mon\", from = \"00:00\", to = \"24:00\", upload = \"unlimited\" }, \
         { from = \"00:00\", to = \"24:00\", upload = \"7 B/s\", download = \"8 B/s\" }",
    );
    assert_eq!(up(&limits, Weekday::Sunday, 1_439), None);
    assert_eq!(limits.at(Weekday::Sunday, 0).1, None);
    assert_eq!(up(&limits, Weekday::Tuesday, 0), Some(7));
    assert_eq!(limits.at(Weekday::Tuesday, 0).1, Some(Rate::new(8)));
}

// A week of minutes against a list of what is meant: right on the first day and on each after.
#[test]
fn a_timetable_is_as_right_on_day_two_as_on_day_one() {
    let limits = timetable("{ from = \"23:00\", to = \"01:00\", upload = \"5 B/s\" }");
    let mut day = Weekday::Monday;
    for _ in 0..14 {
        for minute in 0..1_440 {
            let night = !(60..1_380).contains(&minute);
            let expected = if night { 5 } else { 10 };
            assert_eq!(up(&limits, day, minute), Some(expected), "{day:?} {minute}");
        }
        day = day.next();
    }
}

/// Every section and key of the schema is in the order that template and reference use.
#[test]
fn every_section_of_the_types_is_described() {
    let schema = schema();
    let sections = sections();
    let top: Vec<&str> = sections
        .iter()
        .map(|section| section.path)
        .filter(|path| !path.contains('.'))
        .collect();
    let known = schema["properties"].as_object().unwrap();
    assert_eq!(top.len(), known.len());
    assert!(top.iter().all(|name| known.contains_key(*name)), "{top:?}");
    let page = reference();
    for section in sections {
        for key in section.keys {
            assert!(page.contains(&format!("| `{key}` | ")), "{key}");
        }
    }
    assert!(
        !page.contains("|  |"),
        "every key has a meaning and what it allows"
    );
}

#[test]
fn the_reference_page_says_what_the_types_say() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/parameter-file.md"
    );
    let page = std::fs::read_to_string(path).unwrap();
    assert!(
        page == reference(),
        "the page is old: cargo run -p fairhaul-config --example reference > \
         docs/reference/parameter-file.md"
    );
}
