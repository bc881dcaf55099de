//! Where the host puts what it hands over: memory given out from front to back and taken back as a whole when the call
//! ends.

use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::ptr;

/// Least size of a chunk; a batch of 256 KiB needs a few, once, until one is large enough for all.
const CHUNK_BYTES_MIN: usize = 64 << 10;
/// A chunk larger than this goes back to the heap when the call ends.
const CHUNK_BYTES_KEPT: usize = 1 << 20;

type Chunk = Box<[MaybeUninit<u8>]>;

struct Arena {
    /// First free byte of the newest chunk, as an address.
    next: Cell<usize>,
    /// Where that chunk ends.
    end: Cell<usize>,
    chunks: RefCell<Vec<Chunk>>,
}

thread_local! {
    static ARENA: Arena = const { Arena { next: Cell::new(0), end: Cell::new(0), chunks: RefCell::new(Vec::new()) } };
}

/// `cabi_realloc` of the canonical ABI.
///
/// # Safety
/// `old` is what this function gave for `old_len` bytes in this call, unless that is 0.
#[expect(unsafe_code, reason = "the host moves a block that it wants larger")]
pub unsafe fn reallocate(old: *mut u8, old_len: usize, align: usize, len: usize) -> *mut u8 {
    let new = ARENA.with(|arena| arena.take(align, len));
    if old_len > 0 {
        // SAFETY: `old` has `old_len` bytes as the caller promises, and `new` is another block with `len`.
        unsafe { ptr::copy_nonoverlapping(old, new, old_len.min(len)) };
    }
    new
}

/// The call has ended: nothing of what the host gave is read any more.
pub fn release() {
    ARENA.with(Arena::release);
}

impl Arena {
    fn take(&self, align: usize, len: usize) -> *mut u8 {
        let at = self.next.get().next_multiple_of(align);
        if len <= self.end.get().wrapping_sub(at) && at <= self.end.get() {
            self.next.set(at + len);
            return ptr::with_exposed_provenance_mut(at);
        }
        self.add_chunk(len + align);
        self.take(align, len)
    }

    #[cold]
    fn add_chunk(&self, need: usize) {
        let newest = self.chunks.borrow().last().map_or(0, |chunk| chunk.len());
        let chunk = Box::new_uninit_slice(need.max(2 * newest).max(CHUNK_BYTES_MIN));
        self.enter(&chunk);
        self.chunks.borrow_mut().push(chunk);
    }

    fn enter(&self, chunk: &Chunk) {
        let start = chunk.as_ptr().expose_provenance();
        self.next.set(start);
        self.end.set(start + chunk.len());
    }

    fn release(&self) {
        let mut chunks = self.chunks.borrow_mut();
        match chunks.pop() {
            Some(newest) if newest.len() <= CHUNK_BYTES_KEPT => {
                self.enter(&newest);
                chunks.clear();
                chunks.push(newest);
            }
            Some(_) | None => {
                chunks.clear();
                self.next.set(0);
                self.end.set(0);
            }
        }
    }
}
