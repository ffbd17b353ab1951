//! Where a stack lies: `drivers/NAME` in the target directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::stacks::{CHROMIUM, Stack};

/// What the stack was made from.
pub(super) const RECIPE: &str = "recipe";

pub(super) fn recipe(stack: &Stack) -> String {
    format!("{stack:#?}\n")
}

/// The folder of a stack, and what is in it.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) folder: PathBuf,
}

impl Places {
    /// The target directory is where this program was built.
    pub(crate) fn of(stack: &Stack) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let target = program.parent().and_then(Path::parent);
        let target = target.ok_or("the target directory cannot be found")?;
        Ok(Self {
            folder: target.join("drivers").join(stack.name),
        })
    }

    /// The unpacked packages.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether it is made as the table of stacks says today.
    pub(crate) fn is_set_up(&self, stack: &Stack) -> bool {
        self.root().is_dir() && read(&self.file(RECIPE)).is_ok_and(|text| text == recipe(stack))
    }

    /// What a process holds while it changes the folder; others wait for it.
    pub(crate) fn lock(&self) -> Result<File, String> {
        let path = self.file("lock");
        let locked = fs::create_dir_all(&self.folder)
            .and_then(|()| File::create(&path))
            .and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The folders of libraries, of an architecture each.
    pub(crate) fn libraries(&self) -> Vec<PathBuf> {
        let roots = ["usr/lib", "lib"].map(|folder| self.root().join(folder));
        let folders = roots.iter().flat_map(|folder| children(folder));
        folders
            .filter(|path| path.is_dir() && name_of(path).ends_with("-linux-gnu"))
            .collect()
    }

    /// A library by its name, anywhere.
    pub(crate) fn library(&self, name: &str) -> Result<PathBuf, String> {
        let mut folders = self.libraries();
        folders.push(self.root().join("usr/lib/chromium"));
        let found = folders.into_iter().map(|folder| folder.join(name));
        let found = found.into_iter().find(|path| path.is_file());
        found.ok_or_else(|| format!("{} has no {name}", self.root().display()))
    }

    /// The loader of the packages' own C library, where the machine's is older.
    pub(crate) fn loader(&self) -> Option<PathBuf> {
        let folders =
            ["usr/lib64", "lib64", "usr/lib", "lib"].map(|folder| self.root().join(folder));
        let files = folders.iter().flat_map(|folder| children(folder));
        files
            .into_iter()
            .find(|path| name_of(path).starts_with("ld-linux-"))
    }

    /// The packages that matter with their versions.
    pub(crate) fn versions(&self) -> Result<String, String> {
        let text = read(&self.file("packages"))?;
        let wanted = [
            "mesa-vulkan-drivers",
            "libgl1-mesa-dri",
            CHROMIUM,
            "libvulkan1",
            "vulkan-validationlayers",
            "libc6",
        ];
        let found = wanted.iter().filter_map(|name| {
            let line = text
                .lines()
                .find(|line| line.split(' ').next() == Some(name));
            line.map(str::to_owned)
        });
        Ok(found.collect::<Vec<_>>().join(", "))
    }
}

pub(super) fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub(super) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    write_finished(path, text, |_| Ok(()))
}

/// Writes what differs, and in one step when it is finished: another process may be reading it, or running it.
pub(super) fn write_finished(
    path: &Path,
    text: &str,
    finish: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    if read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let new = path.with_file_name(format!("{}.new", name_of(path)));
    fs::write(&new, text).map_err(failed)?;
    finish(&new)?;
    fs::rename(&new, path).map_err(failed)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// In a folder of its own, which is gone afterwards.
    fn in_folder(name: &str, test: impl FnOnce(&Places)) {
        let name = format!("relattn-{name}.{}", std::process::id());
        let places = Places {
            folder: std::env::temp_dir().join(name),
        };
        test(&places);
        fs::remove_dir_all(places.folder).expect("the folder");
    }

    #[test]
    fn what_is_read_stays_as_it_was() {
        in_folder("write", |places| {
            let _turn = places.lock().expect("a folder");
            let path = places.file("some");
            write(&path, "before").expect("written");
            let mut open = File::open(&path).expect("written");
            write(&path, "after").expect("written");
            let mut text = String::new();
            open.read_to_string(&mut text).expect("text");
            assert_eq!((&text[..], read(&path)), ("before", Ok("after".into())));
        });
    }

    #[test]
    fn what_is_the_same_is_not_written() {
        in_folder("same", |places| {
            let _turn = places.lock().expect("a folder");
            let path = places.file("some");
            let refused = |_: &Path| Err("it is written".to_owned());
            assert!(write_finished(&path, "text", refused).is_err());
            assert_eq!(write(&path, "text"), Ok(()));
            assert_eq!(write_finished(&path, "text", refused), Ok(()));
        });
    }

    #[test]
    fn one_process_at_a_time_changes_a_folder() {
        in_folder("lock", |places| {
            let turn = places.lock().expect("a folder");
            let other = File::open(places.file("lock")).expect("a file");
            assert!(other.try_lock().is_err());
            drop(turn);
            other.try_lock().expect("nobody else's turn");
        });
    }
}
