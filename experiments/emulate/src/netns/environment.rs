//! Namespaces as an environment for nodes. Paths that leave the folder of a peer are refused.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use fairhaul_core::units::Rate;

use super::super::environment::{Environment, EnvironmentError};
use super::super::{mask, process};
use super::tools::failed;
use super::veth::Direction;
use super::{Namespaces, PORT};

impl Environment for Namespaces {
    fn listen(&self, peer: u32) -> SocketAddr {
        SocketAddr::from((self.peer(peer).address, PORT))
    }

    fn home(&self, peer: u32) -> &Path {
        &self.peer(peer).home
    }

    fn socket(&self, peer: u32) -> PathBuf {
        self.peer(peer).home.join(process::SOCKET)
    }

    fn put(&mut self, peer: u32, name: &str, bytes: &mut dyn Read) -> Result<(), EnvironmentError> {
        let plain = |part| matches!(part, Component::Normal(_));
        if name.is_empty() || !Path::new(name).components().all(plain) {
            return Err(failed(format!(
                "{name:?} is not a path below the folder of a peer"
            )));
        }
        let path = self.home(peer).join(name);
        let folder = path.parent().unwrap_or(&path);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| failed(format!("{}: {error}", folder.display())))?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| io::copy(bytes, &mut file))
            .map(drop)
            .map_err(|error| failed(format!("{}: {error}", path.display())))
    }

    fn start(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        let at = &mut self.peers[peer as usize];
        let program = mask::program(&self.fairhaul, &at.home)?;
        let mut command = self.children.command(&at.namespace, &program);
        command.arg("run").arg("-c").arg(at.home.join("node.toml"));
        let children = &self.children;
        at.process.start(command, |command| children.spawn(command))
    }

    fn kill(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.peers[peer as usize].process.kill();
        Ok(())
    }

    fn stop(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.peers[peer as usize].process.stop()
    }

    fn alive(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.peers[peer as usize].process.alive()
    }

    fn set_rates(
        &mut self,
        peer: u32,
        up: Option<Rate>,
        down: Option<Rate>,
    ) -> Result<bool, EnvironmentError> {
        self.reshape(peer, Direction::Up, up)?;
        self.reshape(peer, Direction::Down, down)?;
        Ok(true)
    }

    fn close(&mut self) -> Result<(), EnvironmentError> {
        self.tear_down()
    }
}
