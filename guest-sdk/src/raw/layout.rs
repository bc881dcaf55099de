//! How the contract's values lie in memory (Component Model, `CanonicalABI.md`, section "Alignment" and what follows).

use std::marker::PhantomData;
use std::slice;

/// A string or list: `ptr` and `len`. What it points to outlives `'a`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Span<'a, T = u8> {
    ptr: *const T,
    len: usize,
    _owner: PhantomData<&'a [T]>,
}

impl<'a, T> Span<'a, T> {
    pub fn of(items: &'a [T]) -> Self {
        Self { ptr: items.as_ptr(), len: items.len(), _owner: PhantomData }
    }

    /// What the host passes to an export.
    ///
    /// # Safety
    /// `len` initialised items lie at `ptr`, which holds for `'a`.
    #[expect(unsafe_code, reason = "the caller vouches for what the host says")]
    pub unsafe fn given(ptr: *const T, len: usize) -> Self {
        Self { ptr, len, _owner: PhantomData }
    }

    pub const fn empty() -> Self {
        Self { ptr: std::ptr::dangling(), len: 0, _owner: PhantomData }
    }

    /// For an owner that keeps the items, unmoved, as long as the span is read.
    pub fn kept<'b>(self) -> Span<'b, T> {
        Span { ptr: self.ptr, len: self.len, _owner: PhantomData }
    }

    /// The same place and count; for the cases of a variant, which share one field.
    pub fn cast<U>(self) -> Span<'a, U> {
        Span { ptr: self.ptr.cast(), len: self.len, _owner: PhantomData }
    }

    #[expect(unsafe_code, reason = "the host says where the items lie")]
    pub fn items(&self) -> &'a [T] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: made by `of`, or by the host, which points to initialised items of this type in memory that
        // `cabi_realloc` gave it; that memory lives until the call ends, and `'a` does not outlive the call.
        unsafe { slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl<'a> Span<'a> {
    #[expect(unsafe_code, reason = "the host has checked the text")]
    pub fn text(&self) -> &'a str {
        // SAFETY: used for fields of the type `string` alone, which are UTF-8 in both directions.
        unsafe { std::str::from_utf8_unchecked(self.items()) }
    }
}

/// `record message`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub topic: Span<'a>,
    pub payload: Span<'a>,
    pub received_ms: u64,
    pub qos: u8,
    pub retain: u8,
}

/// A variant or option of which no case holds more than a string or list: `outcome`, `option<string>`, `result<_, string>`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Tagged<'a> {
    pub tag: u8,
    pub body: Span<'a>,
}

impl<'a> Tagged<'a> {
    pub const NONE: Self = Self { tag: 0, body: Span::empty() };

    pub fn option(bytes: Option<&'a [u8]>) -> Self {
        bytes.map_or(Self::NONE, |bytes| Self { tag: 1, body: Span::of(bytes) })
    }

    /// See `Span::kept`.
    pub fn kept<'b>(self) -> Tagged<'b> {
        Tagged { tag: self.tag, body: self.body.kept() }
    }

    pub fn get(&self) -> Option<Span<'a>> {
        (self.tag == 1).then_some(self.body)
    }
}

/// `option` of a number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Perhaps<T> {
    pub tag: u8,
    pub value: T,
}

/// `record header` and `tuple<string, string>`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    pub name: Span<'a>,
    pub value: Span<'a>,
}

/// `record output`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    pub topic: Tagged<'a>,
    pub key: Tagged<'a>,
    pub payload: Tagged<'a>,
    pub headers: Span<'a, Pair<'a>>,
    pub timestamp_ms: Perhaps<u64>,
}

/// `record emission`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Emission<'a> {
    pub about: Tagged<'a>,
    pub output: Output<'a>,
}

/// `record description`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    pub name: Span<'a>,
    pub version: Span<'a>,
    pub about: Span<'a>,
    pub order: Span<'a, u32>,
    pub config_schema: Tagged<'a>,
    pub grants: Span<'a, Span<'a>>,
}

#[cfg(target_family = "wasm")]
const _: () = {
    assert!(size_of::<Message<'_>>() == 32 && std::mem::offset_of!(Message<'_>, received_ms) == 16);
    assert!(size_of::<Tagged<'_>>() == 12 && size_of::<Pair<'_>>() == 16 && size_of::<Perhaps<u32>>() == 8);
    assert!(size_of::<Emission<'_>>() == 80 && std::mem::offset_of!(Emission<'_>, output) == 16);
    assert!(size_of::<Description<'_>>() == 52 && std::mem::offset_of!(Description<'_>, grants) == 44);
    assert!(size_of::<Output<'_>>() == 64 && std::mem::offset_of!(Output<'_>, timestamp_ms) == 48);
};
