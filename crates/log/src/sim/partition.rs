use crate::{Boot, Disk, Durable, Error, Opening, Recovered, recover};

/// The folder of a partition that stands alone.
pub const FOLDER: &str = "p";
/// The folder for what is cut off it.
pub const REMOVED: &str = "removed";

/// Opens the partition in [`FOLDER`], whose batches have at most `most` bytes.
///
/// # Errors
///
/// As [`recover`].
pub fn open_partition(
    disk: &dyn Disk,
    durable: Durable,
    boot: Boot,
    most: u32,
) -> Result<Recovered, Error> {
    recover(&Opening {
        disk,
        folder: FOLDER,
        removed: REMOVED,
        label: "1-0",
        durable,
        boot,
        max_batch_bytes: most,
    })
}
