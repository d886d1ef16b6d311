use super::*;

#[test]
fn a_request_is_its_command_and_its_members() {
    let request = ControlRequest::Weight(WeightRequest {
        target: LimitTarget::Named("vm-2".to_owned()),
        weight_hundredths: 300,
    });
    let json = serde_json::to_string(&request).unwrap();
    let expected = r#"{"command":"weight","target":"vm-2","weight_hundredths":300}"#;
    assert_eq!(json, expected);
    assert_eq!(
        serde_json::from_str::<ControlRequest>(&json).unwrap(),
        request
    );
    let stop: ControlRequest = serde_json::from_str(r#"{"command":"stop"}"#).unwrap();
    assert_eq!(stop, ControlRequest::Stop(Nothing {}));
}

#[test]
fn a_member_that_is_not_known_is_refused() {
    for text in [
        r#"{"command":"stop","now":true}"#,
        r#"{"command":"pause","id":1,"di":2}"#,
        r#"{"command":"pause"}"#,
        r#"{"command":"explode"}"#,
        r#"{"command":"get","ticket":"t","dir":"/d","overwite":true}"#,
        r#"{"command":"history","since":1}"#,
        r#"{"command":"history","since_s":-1}"#,
        r#"{"command":"history","since_s":"0"}"#,
    ] {
        assert!(
            serde_json::from_str::<ControlRequest>(text).is_err(),
            "{text}"
        );
    }
}

#[test]
fn a_target_is_what_it_shows() {
    for (text, target) in [
        ("node", LimitTarget::Node),
        ("peer:vm-2", LimitTarget::Peer("vm-2".to_owned())),
        ("group:x:y", LimitTarget::Group("x:y".to_owned())),
        ("transfer:7", LimitTarget::Transfer(7)),
        ("vm-2", LimitTarget::Named("vm-2".to_owned())),
        ("x:y", LimitTarget::Named("x:y".to_owned())),
    ] {
        assert_eq!(text.parse(), Ok(target.clone()));
        assert_eq!(target.to_string(), text);
    }
    for text in ["", "peer:", "transfer:x", "transfer:-1", "a b", "peer:a\n"] {
        assert!(text.parse::<LimitTarget>().is_err(), "{text}");
    }
}

#[test]
fn a_history_is_asked_for_from_a_second_on_or_whole_and_a_peer_has_its_rates_beside_its_name() {
    let all: ControlRequest = serde_json::from_str(r#"{"command":"history"}"#).unwrap();
    assert_eq!(all, ControlRequest::History(HistorySince { since_s: 0 }));
    let rates = |up| RateSeries {
        up_bytes_s: up,
        down_bytes_s: vec![0, 1],
    };
    let history = History {
        from_s: 7,
        node: rates(vec![2, 3]),
        peers: vec![PeerRates {
            peer: "b".to_owned(),
            rates: rates(vec![2, 0]),
        }],
    };
    let json = serde_json::to_string(&history).unwrap();
    let node = r#"{"from_s":7,"node":{"up_bytes_s":[2,3],"down_bytes_s":[0,1]},"#;
    let peers = r#""peers":[{"peer":"b","up_bytes_s":[2,0],"down_bytes_s":[0,1]}]}"#;
    assert_eq!(json, format!("{node}{peers}"));
    assert_eq!(serde_json::from_str::<History>(&json).unwrap(), history);
}

#[test]
fn an_event_is_one_flat_object() {
    let event = EventRecord {
        unix_ms: 5,
        what: EventKind::Text {
            peer: "b".to_owned(),
            text: "hello\n".to_owned(),
        },
    };
    let json = serde_json::to_string(&event).unwrap();
    let expected = r#"{"unix_ms":5,"event":"text","peer":"b","text":"hello\n"}"#;
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<EventRecord>(&json).unwrap(), event);
}
