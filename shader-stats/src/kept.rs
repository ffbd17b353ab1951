//! The tables that are kept with the code, one for each family and version of the driver.

use std::path::PathBuf;

use crate::table::Table;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tables"].iter().collect()
}

fn name(family: &str, version: &str) -> String {
    format!("{family}-mesa-{version}.csv")
}

/// The table of this version of the driver, else of the last one before or after it in the order of names.
pub(crate) fn read(family: &str, version: &str) -> Result<Option<Table>, String> {
    let entries =
        std::fs::read_dir(folder()).map_err(|error| format!("{}: {error}", folder().display()))?;
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names
        .filter(|file| file.starts_with(&format!("{family}-")))
        .collect();
    names.sort();
    let same = names.iter().find(|file| **file == name(family, version));
    let Some(file) = same.or(names.last()) else {
        return Ok(None);
    };
    let path = folder().join(file);
    let csv =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Table::parse(&csv)
        .map(Some)
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Keeps a table.
pub(crate) fn write(family: &str, table: &Table) -> Result<(), String> {
    let path = folder().join(name(family, &table.version));
    std::fs::write(&path, table.to_csv()).map_err(|error| format!("{}: {error}", path.display()))
}
