//! How much the tests with real servers do. `cargo xtask test --long` sets `TIDEGATE_TIER=long`.

/// `every_run` as a rule, `long` before a release.
#[must_use]
pub fn scaled<T>(every_run: T, long: T) -> T {
    match std::env::var("TIDEGATE_TIER").as_deref() {
        Ok("long") => long,
        _ => every_run,
    }
}
