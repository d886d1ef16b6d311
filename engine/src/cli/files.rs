//! The commands that need no node: they read and write files.
//!
//! A file is written whole or not at all. An existing file is replaced only with `--force`, a key
//! file never.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::CommandFactory as _;
use fairhaul::control::api::Failure;
use fairhaul::identity::{Identity, no_core_dumps};
use fairhaul::{params, record};

use super::args::{self, Cli, IdentityVerb};
use super::{End, defaults, load, print};

pub(super) fn init(file: Option<&Path>, force: bool) -> Result<(), End> {
    let Some(path) = file else {
        return print(params::template().as_bytes());
    };
    let written = write(path, &params::template(), force);
    Ok(written.map_err(|error| storage(path, &error))?)
}

pub(super) fn check(file: &Path, json: bool) -> Result<(), End> {
    let params = load(file)?;
    let text = if json {
        format!("{:#}\n", params.to_json())
    } else {
        params.to_toml()
    };
    print(text.as_bytes())
}

pub(super) fn identity(asked: &args::Identity) -> Result<(), End> {
    no_core_dumps().map_err(|error| Failure::error(format!("core dumps: {error}")))?;
    let path = match (&asked.file, &asked.config) {
        (Some(file), _) => file.clone(),
        (None, Some(config)) => load(config)?.key_file(),
        (None, None) => defaults().key_file(),
    };
    let identity = match asked.verb {
        IdentityVerb::New => Identity::create(&path)?,
        IdentityVerb::Show => Identity::load(&path)?,
    };
    let public = identity.public();
    if asked.json {
        let shown = serde_json::json!({
            "key": public.to_string(),
            "grouped": public.grouped(),
            "file": path,
        });
        return print(format!("{shown:#}\n").as_bytes());
    }
    if asked.verb == IdentityVerb::New {
        eprintln!(
            "fairhaul: the key pair is in {}; keep it to this machine",
            path.display()
        );
    }
    eprintln!("fairhaul: to read aloud: {}", public.grouped());
    print(format!("{public}\n").as_bytes())
}

pub(super) fn replay(file: &Path, json: bool) -> Result<(), End> {
    let replayed = record::replay(file).map_err(|error| Failure::storage(error.to_string()))?;
    let text = if json {
        let (digest, recorded) = (&replayed.digest, &replayed.recorded);
        let same = replayed.is_same();
        let shown = serde_json::json!({ "digest": digest, "recorded": recorded, "same": same });
        format!("{shown:#}\n")
    } else {
        format!("{}\n", replayed.digest)
    };
    print(text.as_bytes())?;
    match replayed.is_same() {
        Some(true) => Ok(()),
        Some(false) => {
            let text = "the core did something else than when the log was written";
            Err(Failure::new(Failure::INTEGRITY, text).into())
        }
        None => {
            eprintln!("fairhaul: the log has no end: the node that wrote it was killed");
            Ok(())
        }
    }
}

pub(super) fn schema() -> Result<(), End> {
    print(format!("{:#}\n", params::schema()).as_bytes())
}

pub(super) fn completions(shell: clap_complete::Shell) -> Result<(), End> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "fairhaul", &mut script);
    print(&script)
}

pub(super) fn man(dir: Option<&Path>) -> Result<(), End> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
        rendered.map_err(End::Output)?;
        return print(&page);
    };
    let made = fs::create_dir_all(dir);
    let made = made.and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    Ok(made.map_err(|error| storage(dir, &error))?)
}

pub(super) fn storage(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::AlreadyExists => "; --force replaces it",
        _ => "",
    };
    Failure::storage(format!("{}: {error}{hint}", path.display()))
}

/// Writes `text` to `path`: all of it or nothing, and over another file only with `force`.
pub(super) fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    if !force {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        return fill(&file, text).inspect_err(|_| drop(fs::remove_file(path)));
    }
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let part = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
    fill(part.as_file(), text)?;
    part.persist(path).map(drop).map_err(|error| error.error)
}

fn fill(mut file: &File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
