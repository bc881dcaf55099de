//! Turns {"f": 212} into {"c": 100}.

const std = @import("std");
const tidegate = @import("tidegate.zig");

const Outcome = tidegate.Outcome;

comptime {
    tidegate.exportPlugin(Celsius);
}

pub const panic = tidegate.panic;

/// What is kept in variables lives until a fault or a reload.
const Celsius = struct {
    /// Once, before any message. `config` is the rule's `config` as JSON, or empty.
    pub fn init(config: []const u8) ?[]const u8 {
        if (config.len == 0 or std.mem.eql(u8, config, "{}")) return null;
        return "this plugin takes no configuration";
    }

    /// Says what becomes of one message. What comes from `allocator` needs not be freed.
    pub fn process(allocator: std.mem.Allocator, message: *const tidegate.Message, _: u32) Outcome {
        const payload = message.payload.get();
        const parsed = std.json.parseFromSliceLeaky(std.json.Value, allocator, payload, .{}) catch |err| {
            const reason = std.fmt.allocPrint(allocator, "the payload is not JSON: {t}", .{err}) catch "no memory";
            return Outcome.fail(reason);
        };
        if (parsed != .object) return Outcome.drop;
        const fahrenheit: f64 = switch (parsed.object.get("f") orelse return Outcome.drop) {
            .integer => |whole| @floatFromInt(whole),
            .float => |number| number,
            else => return Outcome.fail("`f` is not a number"),
        };
        const celsius = @round((fahrenheit - 32) / 1.8 * 100) / 100;
        const text = std.fmt.allocPrint(allocator, "{{\"c\":{d}}}", .{celsius}) catch return Outcome.fail("no memory");
        return Outcome.replace(text);
    }
};
