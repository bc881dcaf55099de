// From the functions that `tidegate.c` calls to the plugin's class. Nothing to change here.

#include "tidegate.hpp"

extern "C" const char *plugin_init(tg_bytes config) {
  static std::string reason;
  auto refused = tidegate::plugin().init(tidegate::view(config));
  if (!refused) return nullptr;
  reason = *refused;
  return reason.c_str();
}

extern "C" tg_outcome plugin_process(const tg_message *message, std::uint32_t index) {
  return tidegate::plugin().process(tidegate::Message(*message, index));
}
