//! The program as a person types it: what it prints, where, and with which exit code.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use fairhaul::params::{ParameterFile, schema, template};
use tempfile::TempDir;

/// The file that the documents show, with a key in it.
const EXAMPLE: &str = r#"
[node]
name = "vm-1"
listen = "0.0.0.0:7440"
data = "/var/lib/fairhaul"

[[peer]]
name = "vm-2"
address = "vm-2:7440"
key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
weight = 2
upload = "20 MB/s"
accept = "inbox"

[group.lab]
upload = "50 MB/s"
floor = "5 MB/s"

[policy]
uplink = "drr"
share = "peer"
unchoke = "wary-tit-for-tat"
picker = "rarest-first"

[limits]
upload = "100 Mbit/s"
download = "unlimited"
burst = "15 ms"
schedule = [{ days = "mon-fri", from = "08:00", to = "18:00", upload = "20 Mbit/s" }]

[control]
socket = "/run/fairhaul/control.sock"
http = "127.0.0.1:7441"
"#;

/// What that file is when every default is written out.
const RESOLVED: &str = r#"[node]
name = "vm-1"
listen = "0.0.0.0:7440"
data = "/var/lib/fairhaul"
exchange = true
private-addresses = []
patience = "2 min"

[[peer]]
name = "vm-2"
address = "vm-2:7440"
key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
weight = 2
upload = "20 MB/s"
floor = "0 B/s"
accept = "inbox"
quota = "10 GiB"

[group.lab]
weight = 1
upload = "50 MB/s"
floor = "5 MB/s"

[policy]
uplink = "drr"
share = "peer"
unchoke = "wary-tit-for-tat"
seed-rule = "forwarders-first"
picker = "rarest-first"
slots = 5
rechoke = "10 s"

[limits]
upload = "100 Mbit/s"
download = "unlimited"
burst = "15 ms"
schedule = [{ days = "mon-fri", from = "08:00", to = "18:00", upload = "20 Mbit/s" }]
connections = 256

[control]
socket = "/run/fairhaul/control.sock"
http = "127.0.0.1:7441"
"#;

fn fairhaul(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_fairhaul");
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

/// Exit code, standard output and standard error.
fn said(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = fairhaul(folder, arguments);
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_resolved_file_has_every_default_and_is_its_own_resolved_file() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("n.toml"), EXAMPLE).unwrap();
    let first = said(folder.path(), &["check", "n.toml"]);
    assert_eq!(first, (0, RESOLVED.to_owned(), String::new()));
    fs::write(folder.path().join("n.toml"), &first.1).unwrap();
    assert_eq!(said(folder.path(), &["check", "n.toml"]), first);
}

#[test]
fn names_that_need_quotes_survive_being_resolved() {
    let text = "[node]\nname = \"a\"\ndata = \"/a \\\"b\\\"\\\\c\"\n[group.\"x.y:z\"]\n";
    let once = ParameterFile::parse("n.toml", text).unwrap().to_toml();
    assert!(once.contains("[group.\"x.y:z\"]\n"));
    let params = ParameterFile::parse("n.toml", &once).unwrap();
    assert_eq!(params.to_toml(), once);
    assert_eq!(params.to_json()["node"]["data"], "/a \"b\"\\c");
}

#[test]
fn amounts_are_resolved_to_what_they_mean() {
    let text = "[node]\nname = \"a\"\n[group.g]\nupload = \"0.02 GB/s\"\nweight = 0.50\n\
                [group.h]\nweight = 0\n[limits]\nburst = \"0.5 s\"\n";
    let params = ParameterFile::parse("n.toml", text).unwrap().to_json();
    assert_eq!(params["group"]["g"]["upload"], "20 MB/s");
    assert_eq!(params["group"]["g"]["weight"], 0.5);
    assert_eq!(params["group"]["h"]["weight"], 0);
    assert_eq!(params["limits"]["burst"], "500 ms");
}

#[test]
fn json_says_what_toml_says() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("n.toml"), EXAMPLE).unwrap();
    let (code, json, talk) = said(folder.path(), &["check", "n.toml", "--json"]);
    assert_eq!((code, talk.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let toml: serde_json::Value = toml::from_str(RESOLVED).unwrap();
    assert_eq!(json, toml);
}

#[test]
fn a_bad_file_ends_with_one_line_and_code_3() {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("n.toml"),
        "[node]\nname = \"a\"\nlissen = 1\n",
    )
    .unwrap();
    for arguments in [&["check", "n.toml"][..], &["check", "n.toml", "--json"]] {
        let line = "n.toml:3:node.lissen: unknown key, did you mean \"listen\"; got lissen; \
                    allowed name, listen, data, key, exchange, private-addresses, patience\n";
        let expected = (3, String::new(), line.to_owned());
        assert_eq!(said(folder.path(), arguments), expected);
    }
}

#[test]
fn what_init_prints_passes_the_check_with_and_without_its_examples() {
    let folder = TempDir::new().unwrap();
    let (code, text, talk) = said(folder.path(), &["init"]);
    assert_eq!((code, talk.as_str()), (0, ""));
    assert_eq!(text, template());
    let plain = ParameterFile::parse("n.toml", &text).unwrap();
    assert_eq!(plain, ParameterFile::parse("n.toml", &text).unwrap());
    let bare = ParameterFile::parse("n.toml", "[node]\nname = \"vm-1\"\n").unwrap();
    assert_eq!(
        plain.to_toml(),
        bare.to_toml(),
        "the defaults are what it shows"
    );

    let in_force = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    let full: String = text.lines().map(in_force).collect();
    let full = ParameterFile::parse("n.toml", &full).unwrap().to_json();
    assert_eq!(full["peer"][0]["group"], "lab");
    assert!(full["group"]["lab"].is_object());
    assert!(text.lines().all(|line| line.len() <= 100));
}

/// A node is the same wherever it is started from: its identity is not made anew in every folder.
#[test]
fn a_relative_path_in_a_file_starts_in_the_folder_of_the_file() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("node")).unwrap();
    let text = "[node]\nname = \"a\"\ndata = \"data\"\nkey = \"../key\"\n\
                [control]\nsocket = \"s\"\ntoken = \"t\"\n";
    fs::write(folder.path().join("node/n.toml"), text).unwrap();
    let from = folder.path().join("node");
    let told = |path: &str| from.join(path).display().to_string();
    let (code, json, talk) = said(folder.path(), &["check", "node/n.toml", "--json"]);
    assert_eq!((code, talk.as_str()), (0, ""));
    let params: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(params["node"]["data"], told("data"));
    assert_eq!(params["node"]["key"], told("../key"));
    assert_eq!(params["control"]["socket"], told("s"));
    assert_eq!(params["control"]["token"], told("t"));
    let made = said(folder.path(), &["identity", "new", "-c", "node/n.toml"]);
    assert_eq!(made.0, 0, "{}", made.2);
    assert!(folder.path().join("key").exists());
    let same = said(&from, &["identity", "show", "-c", "n.toml"]);
    assert_eq!((same.0, same.1), (0, made.1));
}

#[test]
fn a_socket_that_is_too_deep_for_the_system_is_told_with_its_line() {
    let folder = TempDir::new().unwrap();
    let deep = folder.path().join("d".repeat(100));
    fs::create_dir(&deep).unwrap();
    let text = "[node]\nname = \"a\"\n[control]\nsocket = \"control.sock\"\n";
    fs::write(deep.join("n.toml"), text).unwrap();
    let (code, _, talk) = said(&deep, &["check", "n.toml"]);
    assert_eq!(code, 3);
    assert!(
        talk.starts_with("n.toml:4:control.socket: is a path of 1"),
        "{talk}"
    );
    assert!(talk.contains("allowed a path of 1 to 107 bytes"), "{talk}");
    assert_eq!(talk.lines().count(), 1);
}

/// It would be written nowhere, as a parameter file has sections only.
#[test]
fn a_key_of_the_settings_that_stands_in_no_section_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("lab")).unwrap();
    let settings = folder.path().join("lab/settings.toml");
    fs::write(settings, "upload = \"5 MB/s\"\n[limits]\n").unwrap();
    let arguments = ["init", "lab", "--peers", "a=vm-1:7440"];
    let (code, _, talk) = said(folder.path(), &arguments);
    assert_eq!((code, talk.lines().count()), (3, 1), "{talk}");
    let line = ":upload: unknown section; got upload; allowed node, peer, ";
    assert!(talk.contains(line), "{talk}");
    assert!(!folder.path().join("lab/a/node.toml").exists());
}

/// Each node of a group lists every other one by the key that it has.
#[test]
fn init_makes_the_identities_and_files_of_a_group_in_one_step() {
    let folder = TempDir::new().unwrap();
    let peers = "a=127.0.0.1:7441,b=vm-2.example.org:7440,c=[2001:db8::1]:7440";
    let arguments = ["init", "lab", "--peers", peers];
    fs::create_dir_all(folder.path().join("lab/b")).unwrap();
    fs::write(
        folder.path().join("lab/settings.toml"),
        "[limits]\nupload = \"5 MB/s\"\n[[peer]]\nname = \"b\"\nweight = 3\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("lab/b/settings.toml"),
        "[policy]\nuplink = \"drr\"\n[control]\nhttp = \"127.0.0.1:7450\"\n",
    )
    .unwrap();
    let (code, list, talk) = said(folder.path(), &arguments);
    assert_eq!((code, talk.as_str()), (0, ""));
    let keys: Vec<(&str, &str)> = list.lines().filter_map(|row| row.split_once(' ')).collect();
    assert_eq!(keys.len(), 3);
    for (name, key) in &keys {
        let file = folder.path().join("lab").join(name).join("node.toml");
        let params = ParameterFile::load(&file).unwrap();
        let shown = said(folder.path(), &["identity", "-c", file.to_str().unwrap()]);
        assert_eq!(shown.1.trim_end(), *key);
        assert_eq!(params.limits.upload.rate().unwrap().get(), 5_000_000);
        let others: Vec<(String, String)> = params
            .peers
            .iter()
            .map(|peer| (peer.name.to_string(), peer.key.to_string()))
            .collect();
        let expected = keys.iter().filter(|(other, _)| other != name);
        let expected: Vec<_> = expected
            .map(|(name, key)| (name.to_string(), key.to_string()))
            .collect();
        assert_eq!(others, expected);
        for peer in &params.peers {
            let weight = if &*peer.name == "b" { 300 } else { 100 };
            assert_eq!(peer.weight.hundredths(), weight, "{name}: {}", peer.name);
        }
        assert_eq!(params.control.http.is_some(), *name == "b");
        let listens = match *name {
            "a" => "127.0.0.1:7441",
            "b" => "0.0.0.0:7440",
            _ => "[::]:7440",
        };
        assert_eq!(&*params.node.listen, listens);
        assert!(
            params
                .node
                .data
                .starts_with(folder.path().join("lab").join(name))
        );
    }
    // Again, with a new member: keys stay, and files are replaced only by force.
    let more = format!("{peers},d=vm-4:7440");
    let again = ["init", "lab", "--peers", &more];
    let (code, _, talk) = said(folder.path(), &again);
    assert_eq!((code, talk.lines().count()), (3, 1));
    assert!(talk.ends_with("; --force replaces it\n"), "{talk}");
    let forced = [&again[..], &["--force", "--prefix", "/srv/x/"]].concat();
    let (code, longer, _) = said(folder.path(), &forced);
    assert_eq!(code, 0);
    assert!(longer.starts_with(&list), "no key has changed");
    let params = ParameterFile::load(&folder.path().join("lab/a/node.toml")).unwrap();
    assert_eq!(params.peers.len(), 3);
    assert_eq!(params.node.data.to_str(), Some("/srv/x/var/lib/fairhaul"));
}

#[test]
fn a_group_that_cannot_be_is_refused_in_one_line_and_makes_no_file() {
    let folder = TempDir::new().unwrap();
    for (peers, code) in [
        ("a", 2),
        ("a b=x:1", 2),
        ("..=x:1", 2),
        ("a=x:1,a=y:1", 2),
        ("a=x:1,b=x:1", 2),
        ("a=x:1,b=nowhere", 2),
        ("a=x:1,b=x:70000", 2),
    ] {
        let (got, data, talk) = said(folder.path(), &["init", "g", "--peers", peers]);
        assert_eq!((got, data.as_str()), (code, ""), "{peers}: {talk}");
        assert!(!folder.path().join("g").exists(), "{peers}");
    }
}

#[test]
fn init_writes_a_file_once_and_again_only_by_force() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("n.toml");
    assert_eq!(said(folder.path(), &["init", "n.toml"]).0, 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), template());
    fs::write(&path, "mine").unwrap();
    let (code, data, talk) = said(folder.path(), &["init", "n.toml"]);
    assert_eq!((code, data.as_str()), (3, ""));
    assert!(talk.ends_with("; --force replaces it\n"), "{talk}");
    assert_eq!(talk.lines().count(), 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(said(folder.path(), &["init", "n.toml", "--force"]).0, 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), template());
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left behind");
    assert_eq!(said(folder.path(), &["init", "no/n.toml"]).0, 3);
}

#[test]
fn a_command_line_that_is_not_understood_ends_with_code_2() {
    let folder = TempDir::new().unwrap();
    for arguments in [&[][..], &["chekc"], &["check"], &["init", "--force"]] {
        let (code, data, talk) = said(folder.path(), arguments);
        assert_eq!((code, data.as_str()), (2, ""), "{arguments:?}");
        assert!(!talk.is_empty());
    }
}

#[test]
fn the_version_the_schema_and_completions_are_data() {
    let folder = TempDir::new().unwrap();
    let version = format!("fairhaul {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        said(folder.path(), &["--version"]),
        (0, version, String::new())
    );
    let (code, text, _) = said(folder.path(), &["schema"]);
    assert_eq!(code, 0);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        schema()
    );
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = said(folder.path(), &["completions", shell]);
        assert_eq!(code, 0);
        assert!(script.contains("fairhaul"), "{shell}");
    }
}

// Every key that the schema allows is a key of the file, with the same default.
#[test]
fn the_schema_knows_the_keys_of_the_resolved_file() {
    let schema = schema();
    let resolved = ParameterFile::parse("n.toml", EXAMPLE).unwrap().to_json();
    for section in ["node", "policy", "limits", "control"] {
        let known = schema["properties"][section]["properties"]
            .as_object()
            .unwrap();
        for (key, value) in resolved[section].as_object().unwrap() {
            assert!(known.contains_key(key), "{section}.{key}");
            assert!(known[key]["description"].is_string());
            if key == "seed-rule" {
                assert_eq!(&known[key]["default"], value);
            }
        }
    }
    let choices = &schema["properties"]["policy"]["properties"]["unchoke"]["enum"];
    let names: Vec<&str> = choices
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|name| name.as_str())
        .collect();
    let known = fairhaul_core::choke::ALL.iter().map(|row| row.name);
    let allowed: Vec<&str> = known.filter(|name| *name != "refuse").collect();
    assert_eq!(names, allowed);
}

#[test]
fn amounts_and_targets_that_are_not_understood_end_with_code_2() {
    let folder = TempDir::new().unwrap();
    for (arguments, words) in [
        (
            &["limit", "node", "20"][..],
            "it has no unit; allowed a number and one of B/s",
        ),
        (&["limit", "node", "fast"], "or \"unlimited\""),
        (&["floor", "vm-2", "unlimited"], "or \"0 B/s\""),
        (
            &["weight", "vm-2", "10001"],
            "it is out of range; allowed 0 (best effort) or",
        ),
        (&["weight", "transfer:x", "1"], "is no id of a transfer"),
        (&["weight", "a b", "1"], "is not a name"),
        (&["pause", "x"], "invalid digit"),
        (
            &["send", "f", "--socket", "s"],
            "a node pushes to peers: name one",
        ),
    ] {
        let (code, data, talk) = said(folder.path(), arguments);
        assert_eq!((code, data.as_str()), (2, ""), "{arguments:?}");
        assert!(talk.contains(words), "{arguments:?}: {talk}");
    }
}

/// Register: H13.
#[test]
fn an_identity_is_made_once_and_shown_only_from_a_file_that_is_ours_alone() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("n.toml");
    let text = format!(
        "[node]\nname = \"a\"\ndata = \"{}\"\n",
        folder.path().display()
    );
    fs::write(data, text).unwrap();
    let (code, key, talk) = said(folder.path(), &["identity", "new", "-c", "n.toml"]);
    assert_eq!((code, key.len()), (0, 65), "{talk}");
    assert!(talk.contains("to read aloud: "));
    let shown = |arguments: &[&str]| said(folder.path(), &[&["identity"], arguments].concat());
    for arguments in [&["-c", "n.toml"][..], &["show", "--file", "identity.key"]] {
        let (code, again, _) = shown(arguments);
        assert_eq!((code, &again), (0, &key));
    }
    let (code, json, _) = shown(&["show", "-c", "n.toml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json["key"].as_str()), (0, Some(key.trim_end())));
    let (code, nothing, talk) = shown(&["new", "-c", "n.toml"]);
    assert_eq!((code, nothing.as_str()), (5, ""));
    assert!(talk.contains("never overwritten"), "{talk}");
    let file = folder.path().join("identity.key");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(shown(&["-c", "n.toml"]).0, 5);
    fs::remove_file(&file).unwrap();
    assert_eq!(shown(&["-c", "n.toml"]).0, 5);
}

/// Register: H14.
#[test]
fn no_command_takes_a_secret_on_its_line_or_from_the_environment() {
    let folder = TempDir::new().unwrap();
    let (_, help, _) = said(folder.path(), &["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.strip_prefix("  ")?
                .split(' ')
                .find(|word| !word.is_empty())
        })
        .collect();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let (code, help, _) = said(folder.path(), &[command, "--help"]);
        assert_eq!(code, 0, "{command}");
        for word in ["--token", "--key", "--secret", "--password", "[env"] {
            assert!(!help.contains(word), "{command} {word}");
        }
    }
}

#[test]
fn the_doctor_looks_at_the_machine_and_at_what_a_file_asks_of_it() {
    let folder = TempDir::new().unwrap();
    let (code, found, talk) = said(folder.path(), &["doctor"]);
    assert_eq!((code, talk.as_str()), (0, ""), "{found}");
    for name in ["clock", "descriptors", "openat2", "send queue"] {
        assert!(found.contains(name), "no {name} in {found}");
    }
    let at = folder.path().display();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = format!(
        "[node]\nname = \"a\"\nlisten = \"127.0.0.1:{port}\"\ndata = \"{at}\"\n\
         [control]\nsocket = \"{at}/s\"\n[[peer]]\nname = \"b\"\naddress = \"localhost:1\"\n\
         key = \"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n"
    );
    fs::write(folder.path().join("n.toml"), file).unwrap();
    let look = || {
        let (code, json, talk) = said(folder.path(), &["doctor", "-c", "n.toml", "--json"]);
        let checks: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        let bad = checks.iter().filter(|check| check["grade"] == "bad");
        let bad: Vec<String> = bad.map(|check| check["name"].to_string()).collect();
        (code, bad.join(" "), talk)
    };
    let (code, bad, talk) = look();
    assert_eq!((code, bad.as_str()), (1, "\"key\" \"listen\""));
    assert!(talk.ends_with(" checks failed\n"), "{talk}");
    drop(taken);
    assert_eq!(
        said(folder.path(), &["identity", "new", "-c", "n.toml"]).0,
        0
    );
    assert_eq!(look(), (0, String::new(), String::new()));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 2, "what it tried with is gone: {left:?}");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = TempDir::new().unwrap();
    let (code, page, talk) = said(folder.path(), &["man"]);
    assert_eq!((code, talk.as_str()), (0, ""));
    assert!(page.contains(".TH fairhaul 1"), "{page}");
    assert_eq!(said(folder.path(), &["man", "pages"]).0, 0);
    for name in ["fairhaul.1", "fairhaul-get.1", "fairhaul-status.1"] {
        assert!(folder.path().join("pages").join(name).is_file(), "{name}");
    }
}

// A file that is refused stops a node before anything else is done.
#[test]
fn a_node_does_not_start_from_a_bad_file() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("n.toml"), "[node]\nname = 1\n").unwrap();
    let (code, data, talk) = said(folder.path(), &["run", "-c", "n.toml"]);
    assert_eq!((code, data.as_str()), (3, ""));
    assert!(
        talk.starts_with("n.toml:2:node.name: is a number"),
        "{talk}"
    );
    assert_eq!(said(folder.path(), &["run"]).0, 2);
}

#[test]
fn a_log_that_is_none_is_not_replayed() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("log"), "no log\n").unwrap();
    for name in ["log", "missing"] {
        let (code, data, talk) = said(folder.path(), &["replay", name]);
        assert_eq!((code, data.as_str()), (3, ""), "{talk}");
        assert_eq!(talk.lines().count(), 1, "{talk}");
    }
}
