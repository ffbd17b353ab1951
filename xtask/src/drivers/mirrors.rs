//! The mirrors of Debian that the machine's own sources name.

use std::path::Path;
use std::process::Command;

use super::places::read;
use super::programs::output;
use super::stacks::Stack;

pub(super) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where packages come from, as the machine's own sources say.
#[derive(Debug)]
pub(super) struct Mirrors {
    main: String,
    security: String,
}

impl Mirrors {
    pub(super) fn of(stack: &Stack) -> Result<Self, String> {
        let codename = codename()?;
        let format = ["--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"];
        let text = output(Command::new("apt-get").arg("indextargets").args(format))?;
        let uri = |suite: &str| {
            let mut found = text.lines().filter_map(|line| line.split_once(' '));
            let found = found.find(|(release, _)| *release == suite);
            found.map(|(_, uri)| uri.to_owned())
        };
        let main = uri(&codename).ok_or_else(|| {
            format!("apt's sources have no {codename}, so no mirror of Debian is known")
        })?;
        let security = uri(&format!("{codename}-security")).unwrap_or_default();
        let needs_security = stack
            .suites
            .iter()
            .any(|suite| suite.ends_with("-security"));
        if needs_security && security.is_empty() {
            return Err(format!("apt's sources have no {codename}-security"));
        }
        Ok(Self { main, security })
    }

    /// Sources of a stack for apt.
    pub(super) fn sources(&self, stack: &Stack) -> String {
        let line = |suite: &&str| {
            let uri = if suite.ends_with("-security") {
                &self.security
            } else {
                &self.main
            };
            format!("deb [signed-by={KEYRING}] {uri} {suite} main\n")
        };
        stack.suites.iter().map(line).collect()
    }
}

fn codename() -> Result<String, String> {
    let text = read(Path::new("/etc/os-release"))?;
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.trim_matches('"').to_owned())
    };
    match (value("ID").as_deref(), value("VERSION_CODENAME")) {
        (Some("debian"), Some(codename)) => Ok(codename),
        (id, _) => Err(format!(
            "its packages are Debian's, and this is {:?}",
            id.unwrap_or("no release of anything")
        )),
    }
}
