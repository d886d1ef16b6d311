use super::*;

const HEX: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const BASE64: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

fn params(text: &str) -> Params {
    Params::parse("n.toml", text).unwrap()
}

/// The limits of a timetable over 10 B/s up and unlimited down.
fn timetable(schedule: &str) -> LimitParams {
    let text =
        format!("[node]\nname = \"a\"\n[limits]\nupload = \"10 B/s\"\nschedule = [{schedule}]\n");
    params(&text).limits()
}

fn up(limits: &LimitParams, weekday: Weekday, minute: u32) -> Option<u64> {
    limit_at(limits, weekday, minute).0.map(Rate::get)
}

#[test]
fn a_bare_file_has_every_default_in_its_type() {
    let params = params("[node]\nname = \"a\"\ndata = \"d\"\n");
    let node = params.node();
    assert_eq!(node.name, "a");
    assert_eq!(node.listen, "0.0.0.0:7440");
    assert_eq!(node.key, Path::new("d/identity.key"));
    assert!(node.exchange && node.private_addresses.is_empty());
    let control = params.control();
    assert_eq!(control.socket, Path::new("/run/fairhaul/control.sock"));
    assert_eq!(
        (control.http, control.token.as_path()),
        (None, Path::new("d/token"))
    );
    let limits = params.limits();
    assert_eq!(
        (limits.upload, limits.download, limits.connections),
        (None, None, 256)
    );
    assert_eq!(limits.burst, None);
    assert!(limits.schedule.is_empty() && params.peers().is_empty() && params.groups().is_empty());
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
    let peers = params.peers();
    assert_eq!(peers[0].weight, Weight::BEST_EFFORT);
    assert_eq!(peers[0].quota, Some(ByteCount::mib(10 * 1024)));
    assert_eq!((peers[0].upload, peers[0].floor), (None, Rate::new(0)));
    let c = &peers[1];
    assert_eq!(c.weight.hundredths(), 250);
    assert_eq!(
        (c.upload, c.floor),
        (Some(Rate::new(2_500_000)), Rate::new(1_000))
    );
    assert_eq!(c.address.as_deref(), Some("c.example:1"));
    assert_eq!(
        (c.group.as_deref(), c.accept.as_deref()),
        (Some("g"), Some("in"))
    );
    assert_eq!(c.quota, None);
    let groups = params.groups();
    assert_eq!(
        (groups[0].name.as_str(), groups[0].weight),
        ("g", Weight::whole(3))
    );
    assert_eq!(groups[0].upload, Some(Rate::new(1_000_000)));
    assert_eq!(groups[0].floor, Rate::new(2_000));
}

// The key of RFC 8032, 7.1, test 1, in both spellings.
#[test]
fn a_key_is_the_same_in_both_spellings() {
    let key = |text: &str| {
        let text = format!("[node]\nname = \"a\"\n[[peer]]\nname = \"b\"\nkey = \"{text}\"\n");
        params(&text).peers()[0].key
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
        let policy = params(&text).policy();
        assert_eq!((policy.outer.name, policy.inner.name), (row.name, row.name));
    }
    let text = "[node]\nname = \"a\"\n[policy]\nuplink = \"mclock/srpt\"\nshare = \"group\"\n\
                unchoke = \"round-robin\"\nseed-rule = \"round-robin\"\npicker = \"sequential\"\n";
    let policy = params(text).policy();
    assert_eq!((policy.outer.name, policy.inner.name), ("mclock", "srpt"));
    assert_eq!(policy.share, Share::Group);
    assert_eq!(policy.unchoke.name, "round-robin");
    assert_eq!(policy.seed_rule.name, "round-robin");
    assert_eq!(policy.picker.name, "sequential");
    let even = params("[node]\nname = \"a\"\n").policy();
    assert_eq!(
        (even.seed_rule.name, even.share),
        ("give-to-get", Share::Peer)
    );
    let transfer = params("node.name = \"a\"\npolicy.share = \"transfer\"\n").policy();
    assert_eq!(transfer.share, Share::Transfer);
}

/// Found while it runs, beside what the timetable says; only the node's can be.
#[test]
fn an_upload_that_finds_itself_has_no_cap_of_its_own() {
    let limits = |text: &str| params(&format!("[node]\nname = \"a\"\n[limits]\n{text}\n")).limits();
    let auto = limits("upload = \"auto\"");
    assert_eq!((auto.auto, auto.upload), (true, None));
    assert!(!limits("upload = \"unlimited\"").auto);
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
        limit_at(&limits, Weekday::Monday, 480).1,
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
    assert_eq!(limit_at(&limits, Weekday::Sunday, 0).1, None);
    assert_eq!(up(&limits, Weekday::Tuesday, 0), Some(7));
    assert_eq!(limit_at(&limits, Weekday::Tuesday, 0).1, Some(Rate::new(8)));
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
