// Turns {"f": 212} into {"c": 100.00}.

#include <cstdio>

#include "json.h"
#include "tidegate.hpp"

using namespace tidegate;

namespace {

class Celsius : public Transform {
 public:
  std::optional<std::string> init(std::string_view config) override {
    if (config.empty() || config == "{}") return std::nullopt;
    return "this plugin takes no configuration, not " + std::string(config);
  }

  Outcome process(const Message &message) override {
    double fahrenheit = 0;
    std::string_view payload = message.payload();
    switch (json_number(payload.data(), payload.size(), "f", &fahrenheit)) {
      case JSON_INVALID: return fail("the payload is not JSON");
      case JSON_ABSENT: return drop();
      case JSON_OTHER: return fail("`f` is not a number");
      case JSON_NUMBER: break;
    }
    char text[64];
    int len = std::snprintf(text, sizeof text, "{\"c\":%.2f}", (fahrenheit - 32) / 1.8);
    if (len < 0 || len >= static_cast<int>(sizeof text)) return fail("`f` is too large");
    return replace({text, static_cast<std::size_t>(len)});
  }
};

}  // namespace

Transform &tidegate::plugin() {
  static Celsius celsius;
  return celsius;
}
