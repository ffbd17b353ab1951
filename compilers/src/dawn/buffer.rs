//! A buffer; its mapped bytes lie here.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use wgpu::custom::{
    BufferInterface, BufferMapCallback, BufferMappedRangeInterface, DispatchBufferMappedRange,
};
use wgpu::{BufferAddress, MapMode, MapRangeError, WriteOnly};

use super::objects::Object;

#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) object: Object,
    mapped: Arc<Mutex<Mapped>>,
}

/// What is mapped of a buffer.
#[derive(Debug, Default)]
struct Mapped {
    /// Where it begins in the buffer.
    first: usize,
    bytes: Vec<u8>,
    /// Whether it goes back.
    written: bool,
}

/// A view of what is mapped. What is written to it goes back when it is dropped.
#[derive(Debug)]
struct View {
    mapped: Arc<Mutex<Mapped>>,
    range: Range<usize>,
    bytes: Vec<u8>,
}

impl Buffer {
    /// A buffer of so many bytes that are mapped from the beginning, or of none.
    pub(super) fn new(object: Object, mapped: usize) -> Self {
        let mapped = Mapped {
            first: 0,
            bytes: vec![0; mapped],
            written: true,
        };
        let mapped = Arc::new(Mutex::new(mapped));
        Self { object, mapped }
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) {
        let request = json!({ "op": "write", "buffer": self.object.id, "offset": offset });
        if let Err(error) = self.object.process.ask_with(&request, bytes) {
            panic!("Dawn: {error}");
        }
    }
}

fn lock(mapped: &Mutex<Mapped>) -> MutexGuard<'_, Mapped> {
    mapped.lock().unwrap_or_else(PoisonError::into_inner)
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a buffer that fits into memory")
}

impl BufferInterface for Buffer {
    fn map_async(&self, mode: MapMode, range: Range<BufferAddress>, callback: BufferMapCallback) {
        assert_eq!(
            mode,
            MapMode::Read,
            "Dawn: buffers are mapped for reading only"
        );
        let length = range.end - range.start;
        let request = json!({ "op": "read", "buffer": self.object.id, "offset": range.start, "length": length });
        callback(match self.object.process.ask_with(&request, &[]) {
            Ok((_, bytes)) => {
                *lock(&self.mapped) = Mapped {
                    first: size(range.start),
                    bytes,
                    written: false,
                };
                Ok(())
            }
            Err(_) => Err(wgpu::BufferAsyncError),
        });
    }

    fn get_mapped_range(
        &self,
        range: Range<BufferAddress>,
    ) -> Result<DispatchBufferMappedRange, MapRangeError> {
        let mapped = lock(&self.mapped);
        let range = size(range.start) - mapped.first..size(range.end) - mapped.first;
        Ok(DispatchBufferMappedRange::custom(View {
            mapped: self.mapped.clone(),
            bytes: mapped.bytes[range.clone()].to_vec(),
            range,
        }))
    }

    fn unmap(&self) {
        let mapped = std::mem::take(&mut *lock(&self.mapped));
        if mapped.written {
            self.write(0, &mapped.bytes);
        }
    }

    fn destroy(&self) {
        self.object
            .process
            .tell(&json!({ "op": "drop", "id": self.object.id }));
    }
}

#[expect(
    unsafe_code,
    reason = "the trait declares some functions unsafe; none of these does anything that is"
)]
impl BufferMappedRangeInterface for View {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    unsafe fn read_slice(&self) -> &[u8] {
        &self.bytes
    }

    unsafe fn write_slice(&mut self) -> WriteOnly<'_, [u8]> {
        WriteOnly::from_mut(&mut self.bytes)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let mut mapped = lock(&self.mapped);
        if mapped.written {
            mapped.bytes[self.range.clone()].copy_from_slice(&self.bytes);
        }
    }
}
