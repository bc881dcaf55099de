//! Generated from `wit/`, and nothing else.

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "
        package tidegate:host;

        // All that a plugin of this contract can import and export.
        world every {
            include tidegate:plugin/plugin@0.1.0;
            import tidegate:plugin/state@0.1.0;
            import tidegate:plugin/publish@0.1.0;
            import tidegate:plugin/lookup@0.1.0;
            import tidegate:plugin/clock@0.1.0;
            import tidegate:plugin/metrics@0.1.0;
            export tidegate:plugin/describe@0.1.0;
            export tidegate:plugin/timer@0.1.0;
            export tidegate:plugin/connection@0.1.0;
        }
    ",
    world: "tidegate:host/every",
    // They may wait, and the wait ends with the call's time.
    imports: {
        "tidegate:plugin/state.set": trappable,
        "tidegate:plugin/state.delete": trappable,
        "tidegate:plugin/state.compare-and-set": trappable,
    },
    ownership: Borrowing { duplicate_if_necessary: true },
});
