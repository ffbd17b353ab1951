//! Packages of any suite of Debian, with their dependencies, in a folder: neither root nor the machine's own packages are touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::mirrors::{KEYRING, Mirrors};
use super::places::{Places, RECIPE, children, recipe, write};
use super::programs::{find, output, succeed};
use super::stacks::{CHROMIUM, Stack};

/// What every other package needs; where the machine has a newer C library, its own are better.
const BASE: [&str; 3] = ["libc6", "libgcc-s1", "libstdc++6"];

/// A package with its version, and the file that it is in.
#[derive(Debug)]
struct Package {
    name: String,
    version: String,
    file: PathBuf,
}

/// Why a stack cannot be set up here.
pub(crate) fn obstacle(stack: &Stack) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("its packages are Debian's, for Linux".into());
    }
    for program in ["apt-get", "dpkg", "dpkg-deb", "dpkg-query", "tar", "mkfifo"] {
        if find(program).is_err() {
            return Some(format!("{program} is missing"));
        }
    }
    if !Path::new(KEYRING).is_file() {
        return Some(format!(
            "{KEYRING} is missing: Debian's debian-archive-keyring"
        ));
    }
    Mirrors::of(stack).err()
}

/// Downloads and unpacks what a stack is made of. The folder is there in the end or not at all.
pub(crate) fn unpack(stack: &Stack, places: &Places) -> Result<(), String> {
    let (apt, partial) = (places.file("apt"), places.file("partial"));
    // Of a process that was killed.
    clear(&partial).and(clear(&apt))?;
    let unpacked = download(stack, &apt)
        .and_then(|()| packages(&apt.join("archives")))
        .and_then(|packages| fill(stack, &packages, &partial))
        .and_then(|names| {
            clear(&places.root())?;
            fs::rename(&partial, places.root()).map_err(|error| error.to_string())?;
            write(&places.file("packages"), &names)?;
            write(&places.file(RECIPE), &recipe(stack))
        });
    let cleared = clear(&partial).and(clear(&apt));
    unpacked.and(cleared)
}

/// Unpacks into a folder, and returns the packages' names and versions.
fn fill(stack: &Stack, packages: &[Package], folder: &Path) -> Result<String, String> {
    create(folder)?;
    let omitted = match system_is_newer(packages)? {
        true => &BASE[..],
        false => &[],
    };
    let mut names = String::new();
    for Package {
        name,
        version,
        file,
    } in packages
    {
        if omitted.contains(&&name[..]) {
            continue;
        }
        if name == CHROMIUM {
            extract(stack.chromium, file, folder)?;
        } else {
            succeed(Command::new("dpkg-deb").arg("-x").arg(file).arg(folder))?;
        }
        names += &format!("{name} {version}\n");
    }
    Ok(names)
}

fn create(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn clear(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if folder.exists() => Err(format!("{}: {error}", folder.display())),
        _ => Ok(()),
    }
}

fn download(stack: &Stack, apt: &Path) -> Result<(), String> {
    create(&apt.join("lists/partial"))?;
    create(&apt.join("archives/partial"))?;
    write(&apt.join("status"), "")?;
    let sources = Mirrors::of(stack)?.sources(stack);
    write(&apt.join("sources.list"), &sources)?;
    succeed(apt_get(apt).arg("update"))?;
    let release = stack.suites.last().unwrap_or(&"");
    let install = [
        "install",
        "--yes",
        "--download-only",
        "--target-release",
        release,
    ];
    succeed(apt_get(apt).args(install).args(stack.packages))?;
    if stack.chromium.is_empty() {
        return Ok(());
    }
    let archives = apt.join("archives");
    succeed(
        apt_get(apt)
            .current_dir(archives)
            .args(["download", CHROMIUM]),
    )
}

/// As the machine's apt is set, but with lists, sources and installed packages of its own, of which there are none.
fn apt_get(folder: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let mut set = |option: &str, value: &Path| {
        command
            .arg("-o")
            .arg(format!("{option}={}", value.display()));
    };
    set("Dir::State", folder);
    set("Dir::State::status", &folder.join("status"));
    set("Dir::Cache", folder);
    set("Dir::Etc::sourcelist", &folder.join("sources.list"));
    for option in ["sourceparts", "preferences", "preferencesparts"] {
        set(&format!("Dir::Etc::{option}"), Path::new("/dev/null"));
    }
    for option in [
        "APT::Install-Recommends=false",
        "APT::Sandbox::User=root",
        "APT::Update::Error-Mode=any",
        "Acquire::Languages=none",
        "Acquire::Retries=1",
        "Acquire::http::Timeout=20",
        "Debug::NoLocking=true",
    ] {
        command.args(["-o", option]);
    }
    command
}

fn packages(archives: &Path) -> Result<Vec<Package>, String> {
    let mut files = children(archives);
    files.retain(|path| path.extension().is_some_and(|end| end == "deb"));
    files.sort();
    let packages = files.into_iter().map(|file| {
        let format = ["-W", "--showformat", "${Package} ${Version}"];
        let text = output(Command::new("dpkg-deb").args(format).arg(&file))?;
        let (name, version) = text.split_once(' ').ok_or("a package without a version")?;
        Ok(Package {
            name: name.into(),
            version: version.into(),
            file,
        })
    });
    packages.collect()
}

/// Whether the machine's C library is at least as new as the packages'.
fn system_is_newer(packages: &[Package]) -> Result<bool, String> {
    let query = ["-W", "--showformat", "${Version}", "libc6"];
    let system = output(Command::new("dpkg-query").args(query))?;
    let own = packages.iter().find(|package| package.name == "libc6");
    let own = own.ok_or("no C library among the packages")?;
    let comparison = ["--compare-versions", &system, "ge", &own.version];
    let status = Command::new("dpkg").args(comparison).status();
    Ok(status.map_err(|error| error.to_string())?.success())
}

fn extract(files: &[&str], archive: &Path, root: &Path) -> Result<(), String> {
    let mut whole = Command::new("dpkg-deb");
    whole
        .arg("--fsys-tarfile")
        .arg(archive)
        .stdout(Stdio::piped());
    let mut whole = whole.spawn().map_err(|error| error.to_string())?;
    let archive = whole.stdout.take().ok_or("no pipe from dpkg-deb")?;
    let mut tar = Command::new("tar");
    tar.arg("-x").arg("-C").arg(root).args(files).stdin(archive);
    let extracted = succeed(&mut tar);
    let _ = whole.wait();
    extracted
}
