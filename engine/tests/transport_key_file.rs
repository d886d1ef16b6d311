//! Key files as people, tools and attackers leave them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use fairhaul::identity::{Fault, Identity, IdentityError, PublicKey};
use rustix::fs::Mode;
use tempfile::TempDir;

/// The secret of the first test vector of RFC 8032, section 7.1, as openssl writes it.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// A folder, in a process in which nothing takes rights away from new files.
fn folder() -> TempDir {
    rustix::process::umask(Mode::empty());
    tempfile::tempdir().unwrap()
}

fn put(folder: &TempDir, text: impl AsRef<[u8]>) -> std::path::PathBuf {
    let path = folder.path().join("key");
    let _ = fs::remove_file(&path);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn refused(path: &Path) -> Fault {
    let error: IdentityError = Identity::load(path).err().expect("refused");
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    assert!(line.contains(path.to_str().unwrap()), "{line}");
    error.fault
}

/// Register: H13.
#[test]
fn a_new_key_is_its_owners_alone_whatever_the_mask() {
    for mask in [
        Mode::empty(),
        Mode::from_raw_mode(0o077),
        Mode::from_raw_mode(0o777),
    ] {
        let folder = folder();
        let path = folder.path().join("key");
        let before = rustix::process::umask(mask);
        let made = Identity::create(&path);
        rustix::process::umask(before);
        let made = made.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(Identity::load(&path).unwrap().public(), made.public());
    }
}

#[test]
fn a_key_is_read_as_other_tools_write_it() {
    let folder = folder();
    let public: PublicKey = PUBLIC.parse().unwrap();
    let windows = PEM.replace('\n', "\r\n");
    for text in [PEM, PEM.trim_end(), &windows] {
        let path = put(&folder, text);
        let identity = Identity::load(&path).unwrap();
        assert_eq!(identity.public(), public);
        assert_eq!(identity.to_string(), PUBLIC);
    }
    let made = folder.path().join("made");
    Identity::create(&made).unwrap();
    let text = fs::read_to_string(made).unwrap();
    assert_eq!(text.len(), PEM.len());
    assert!(
        text.starts_with("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI"),
        "{text:.60}"
    );
}

/// Register: H13.
#[test]
fn nothing_that_exists_is_written_over_or_through() {
    let folder = folder();
    let there = put(&folder, "mine");
    let link = folder.path().join("link");
    symlink(folder.path().join("elsewhere"), &link).unwrap();
    for path in [&there, &link, &folder.path().to_owned()] {
        let error = Identity::create(path).err().unwrap();
        assert!(matches!(error.fault, Fault::Exists), "{error}");
    }
    assert_eq!(fs::read(&there).unwrap(), b"mine");
    assert!(!folder.path().join("elsewhere").exists());
    let nowhere = folder.path().join("no/such/folder");
    let error = Identity::create(&nowhere).err().unwrap();
    assert!(matches!(error.fault, Fault::Io(_)), "{error}");
}

/// Register: H13.
#[test]
fn a_key_that_others_can_use_is_refused_with_its_mode() {
    let folder = folder();
    let path = put(&folder, PEM);
    for mode in [0o640, 0o604, 0o644, 0o620, 0o601, 0o666, 0o4644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let fault = refused(&path);
        assert!(
            matches!(fault, Fault::Open(open) if open == mode),
            "{fault}"
        );
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(Identity::load(&path).is_ok());
    }
}

/// Register: H13.
#[test]
fn what_is_not_a_plain_file_is_refused_at_once() {
    let folder = folder();
    let key = put(&folder, PEM);
    let link = folder.path().join("link");
    symlink(&key, &link).unwrap();
    assert!(matches!(refused(&link), Fault::Link));
    assert!(matches!(refused(folder.path()), Fault::NotAFile));
    assert!(matches!(refused(Path::new("/dev/null")), Fault::NotAFile));
    let pipe = folder.path().join("pipe");
    let own = Mode::RUSR | Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, own).unwrap();
    assert!(matches!(refused(&pipe), Fault::NotAFile));
    assert!(matches!(refused(&folder.path().join("none")), Fault::Io(_)));
}

/// Register: H13.
#[test]
fn a_file_without_a_whole_key_is_refused() {
    let folder = folder();
    for text in ["", "\n", "  \n\n"] {
        assert!(matches!(refused(&put(&folder, text)), Fault::Empty));
    }
    for end in 1..PEM.len() - 1 {
        let fault = refused(&put(&folder, &PEM[..end]));
        let expected = matches!(fault, Fault::Truncated | Fault::WrongType(_));
        assert!(expected, "{end}: {fault}");
    }
}

/// Register: H13.
#[test]
fn a_file_with_anything_else_says_what_it_holds() {
    let folder = folder();
    let other = PEM
        .replace("BgEr", "AAAA")
        .replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vu");
    let twice = format!("{PEM}{PEM}");
    let rsa = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nMIIE\n";
    for (text, holds) in [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "an OpenSSH key"),
        ("-----BEGIN CERTIFICATE-----\nx\n", "a certificate"),
        ("-----BEGIN PUBLIC KEY-----\nx\n", "a public key"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nx\n",
            "an encrypted key",
        ),
        ("[node]\nname = \"a\"\n", "something else"),
        (&other, "a key of another algorithm"),
        (rsa, "a key of another algorithm"),
        (&twice, "more than one thing"),
        (&PEM.replace("MC4C", "M?4C"), "damaged base64"),
    ] {
        let fault = refused(&put(&folder, text)).to_string();
        assert!(fault.contains(holds), "{fault}");
    }
    let binary = refused(&put(&folder, [0xff, 0xfe]));
    assert!(
        matches!(binary, Fault::WrongType("binary data")),
        "{binary}"
    );
}

/// Register: H14.
#[test]
fn no_image_of_the_memory_is_left_behind() {
    fairhaul::identity::no_core_dumps().unwrap();
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let values: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(values, ["0", "0"]);
    let dumpable = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
}
