// Tidegate's contract for C++: `tidegate.h` with types that are pleasant to use.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidegate.h"

namespace tidegate {

inline std::string_view view(tg_bytes bytes) { return {reinterpret_cast<const char *>(bytes.ptr), bytes.len}; }

inline std::optional<std::string_view> view(tg_option option) {
  if (!option.is_there) return std::nullopt;
  return view(option.bytes);
}

/// One MQTT message. What it gives lives until `process` returns.
class Message {
 public:
  Message(const tg_message &message, std::uint32_t index) : message_(message), index_(index) {}

  std::string_view topic() const { return view(message_.topic); }
  std::string_view payload() const { return view(message_.payload); }
  /// When Tidegate received it: milliseconds since 1970.
  std::uint64_t received_ms() const { return message_.received_ms; }
  std::uint8_t qos() const { return message_.qos; }
  bool is_retained() const { return message_.retain; }

  /// MQTT 5 properties, fetched at each call.
  std::optional<std::string_view> content_type() const { return view(tg_content_type(index_)); }
  std::optional<std::string_view> response_topic() const { return view(tg_response_topic(index_)); }
  std::optional<std::string_view> correlation_data() const { return view(tg_correlation_data(index_)); }

 private:
  const tg_message &message_;
  std::uint32_t index_;
};

/// One Kafka record to produce; what is left out is as the rule says, a payload left out is a tombstone.
struct Output {
  std::optional<std::string> topic;
  std::optional<std::string> key;
  std::optional<std::string> payload;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::uint64_t> timestamp_ms;
};

using Outcome = tg_outcome;

inline Outcome pass() { return tg_pass(); }
inline Outcome drop() { return tg_drop(); }
inline Outcome replace(std::string_view payload) { return tg_replace(payload.data(), payload.size()); }
inline Outcome fail(const std::string &reason) { return tg_fail(reason.c_str()); }

/// Bytes that live until the answer was read.
inline tg_bytes kept(std::string_view text) {
  auto *copy = static_cast<std::uint8_t *>(tg_alloc(text.size()));
  for (std::size_t at = 0; at < text.size(); at++) copy[at] = static_cast<std::uint8_t>(text[at]);
  return {copy, text.size()};
}

inline tg_option kept(const std::optional<std::string> &text) {
  return text ? tg_some(kept(std::string_view(*text))) : tg_option{};
}

inline Outcome emit(const std::vector<Output> &outputs) {
  auto *laid = static_cast<tg_output *>(tg_alloc(outputs.size() * sizeof(tg_output)));
  for (std::size_t at = 0; at < outputs.size(); at++) {
    const Output &output = outputs[at];
    auto *headers = static_cast<tg_pair *>(tg_alloc(output.headers.size() * sizeof(tg_pair)));
    for (std::size_t place = 0; place < output.headers.size(); place++) {
      headers[place] = {kept(std::string_view(output.headers[place].first)), kept(std::string_view(output.headers[place].second))};
    }
    laid[at] = {};
    laid[at].topic = kept(output.topic);
    laid[at].key = kept(output.key);
    laid[at].payload = kept(output.payload);
    laid[at].headers = {headers, output.headers.size()};
    laid[at].timestamp_ms = {output.timestamp_ms.has_value(), output.timestamp_ms.value_or(0)};
  }
  return tg_emit(laid, outputs.size());
}

inline void log(tg_level level, const std::string &message) { tg_log(level, message.c_str()); }

/// What a plugin has.
class Transform {
 public:
  virtual ~Transform() = default;
  /// Once, before any message. `config` is the rule's `config` as JSON, or empty. Answer why it is refused, if it is.
  virtual std::optional<std::string> init(std::string_view config) = 0;
  virtual Outcome process(const Message &message) = 0;
};

/// The one plugin of this component; `plugin.cpp` defines it.
Transform &plugin();

}  // namespace tidegate
