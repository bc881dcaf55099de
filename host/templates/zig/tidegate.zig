//! Tidegate's contract for Zig: what a plugin reads, answers and may call. The canonical ABI of `wit/`, by hand.

const std = @import("std");

/// Bytes on the other side of the boundary. The pointer of an empty one means nothing.
pub const Bytes = extern struct {
    ptr: usize = 0,
    len: usize = 0,

    pub fn of(slice: []const u8) Bytes {
        // An empty slice may point anywhere, also outside of memory.
        return if (slice.len == 0) .{} else .{ .ptr = @intFromPtr(slice.ptr), .len = slice.len };
    }

    pub fn get(self: Bytes) []const u8 {
        if (self.len == 0) return "";
        return @as([*]const u8, @ptrFromInt(self.ptr))[0..self.len];
    }
};

pub const Option = extern struct {
    is_there: bool = false,
    bytes: Bytes = .{},

    pub fn some(slice: []const u8) Option {
        return .{ .is_there = true, .bytes = Bytes.of(slice) };
    }

    pub fn get(self: Option) ?[]const u8 {
        return if (self.is_there) self.bytes.get() else null;
    }
};

/// One MQTT message. What it refers to lives until `process` returns.
pub const Message = extern struct {
    topic: Bytes,
    payload: Bytes,
    /// When Tidegate received it: milliseconds since 1970.
    received_ms: u64,
    /// 0, 1 or 2.
    qos: u8,
    /// The broker kept this message and sent it at subscription.
    retain: bool,
};

/// One Kafka header, or one user property of MQTT 5.
pub const Pair = extern struct { name: Bytes, value: Bytes };

pub const Pairs = extern struct {
    ptr: usize = 0,
    len: usize = 0,

    pub fn of(slice: []const Pair) Pairs {
        return if (slice.len == 0) .{} else .{ .ptr = @intFromPtr(slice.ptr), .len = slice.len };
    }

    pub fn get(self: Pairs) []const Pair {
        if (self.len == 0) return &.{};
        return @as([*]const Pair, @ptrFromInt(self.ptr))[0..self.len];
    }
};

/// One Kafka record to produce. What is absent is as the rule says; an absent payload is a tombstone.
pub const Output = extern struct {
    topic: Option = .{},
    key: Option = .{},
    payload: Option = .{},
    headers: Pairs = .{},
    timestamp_ms: extern struct { is_there: bool = false, value: u64 = 0 } = .{},
};

/// What became of one message.
pub const Outcome = extern struct {
    kind: u8,
    body: Bytes = .{},

    /// Forward unchanged.
    pub const pass: Outcome = .{ .kind = 0 };
    /// Filter out.
    pub const drop: Outcome = .{ .kind = 1 };

    /// Forward with this payload, which lives until the answer was read: from the allocator of `process`.
    pub fn replace(payload: []const u8) Outcome {
        return .{ .kind = 2, .body = Bytes.of(payload) };
    }

    /// Forward these records instead.
    pub fn emit(outputs: []const Output) Outcome {
        if (outputs.len == 0) return drop;
        return .{ .kind = 3, .body = .{ .ptr = @intFromPtr(outputs.ptr), .len = outputs.len } };
    }

    /// Cannot be transformed, and why.
    pub fn fail(reason: []const u8) Outcome {
        return .{ .kind = 4, .body = Bytes.of(reason) };
    }
};

comptime {
    std.debug.assert(@sizeOf(Message) == 32 and @offsetOf(Message, "received_ms") == 16);
    std.debug.assert(@sizeOf(Option) == 12 and @sizeOf(Outcome) == 12);
    std.debug.assert(@sizeOf(Output) == 64 and @offsetOf(Output, "timestamp_ms") == 48);
}

pub const Level = enum(i32) { trace, debug, info, warn, err };

/// One line for Tidegate's log.
pub fn log(level: Level, message: []const u8) void {
    imported.write(@intFromEnum(level), message.ptr, message.len);
}

const imported = struct {
    extern "tidegate:plugin/log@0.1.0" fn write(level: i32, text: [*]const u8, len: usize) void;
    extern "tidegate:plugin/properties@0.1.0" fn @"content-type"(index: u32, result: *Option) void;
    extern "tidegate:plugin/properties@0.1.0" fn @"response-topic"(index: u32, result: *Option) void;
    extern "tidegate:plugin/properties@0.1.0" fn @"correlation-data"(index: u32, result: *Option) void;
    extern "tidegate:plugin/properties@0.1.0" fn @"user-properties"(index: u32, result: *Pairs) void;
};

/// MQTT 5 properties of a message of the batch in hand.
pub fn contentType(index: u32) ?[]const u8 {
    var result: Option = undefined;
    imported.@"content-type"(index, &result);
    return result.get();
}

pub fn responseTopic(index: u32) ?[]const u8 {
    var result: Option = undefined;
    imported.@"response-topic"(index, &result);
    return result.get();
}

pub fn correlationData(index: u32) ?[]const u8 {
    var result: Option = undefined;
    imported.@"correlation-data"(index, &result);
    return result.get();
}

pub fn userProperties(index: u32) []const Pair {
    var result: Pairs = undefined;
    imported.@"user-properties"(index, &result);
    return result.get();
}

/// Memory of one call: given out from front to back, taken back as a whole before the next.
var arena: std.heap.ArenaAllocator = .init(std.heap.wasm_allocator);
/// The host has not asked for memory since the last answer, which it may still read.
var is_answered = false;
var started: extern struct { is_error: bool, reason: Bytes } = undefined;
var answer: Bytes = .{};

fn reallocate(old: ?[*]u8, old_len: usize, alignment: usize, len: usize) callconv(.c) ?[*]u8 {
    _ = alignment;
    if (is_answered) {
        _ = arena.reset(.{ .retain_with_limit = 1 << 20 });
        is_answered = false;
    }
    const place = arena.allocator().alignedAlloc(u8, .@"8", @max(len, 1)) catch @trap();
    if (old_len > 0) @memcpy(place[0..@min(old_len, len)], old.?[0..@min(old_len, len)]);
    return place.ptr;
}

/// Exports `Plugin`, which has
/// `fn init(config: []const u8) ?[]const u8`, which answers why the configuration is refused, and
/// `fn process(allocator: std.mem.Allocator, message: *const Message, index: u32) Outcome`.
pub fn exportPlugin(comptime Plugin: type) void {
    const glue = struct {
        fn init(config: ?[*]const u8, len: usize) callconv(.c) *const anyopaque {
            const reason = Plugin.init(if (len == 0) "" else config.?[0..len]);
            started = .{ .is_error = reason != null, .reason = Bytes.of(reason orelse "") };
            is_answered = true;
            return &started;
        }

        fn process(batch: [*]const Message, len: usize) callconv(.c) *const anyopaque {
            const outcomes = arena.allocator().alloc(Outcome, len) catch @trap();
            for (batch[0..len], outcomes, 0..) |*message, *outcome, index| {
                outcome.* = Plugin.process(arena.allocator(), message, @intCast(index));
            }
            answer = .{ .ptr = @intFromPtr(outcomes.ptr), .len = outcomes.len };
            is_answered = true;
            return &answer;
        }
    };
    @export(&reallocate, .{ .name = "cabi_realloc" });
    @export(&glue.init, .{ .name = "tidegate:plugin/transform@0.1.0#init" });
    @export(&glue.process, .{ .name = "tidegate:plugin/transform@0.1.0#process" });
}

/// What the main file names as its `panic`: the text becomes a log line.
pub const panic = std.debug.FullPanic(struct {
    fn panicked(message: []const u8, _: ?usize) noreturn {
        log(.err, message);
        @trap();
    }
}.panicked);
