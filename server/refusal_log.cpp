#include "server/refusal_log.hpp"

#include <utility>

#include "server/log.hpp"

namespace runwire {
namespace {

constexpr std::uint64_t kQuietMs = 60000;

}  // namespace

void RefusalLog::refused(std::string_view reason, std::uint64_t connection, std::string_view detail,
                         std::uint64_t now_ms) {
  Kind& kind = kinds_.try_emplace(std::string(reason)).first->second;
  if (now_ms < kind.quiet_until_ms) {
    ++kind.suppressed;
    return;
  }
  kind.quiet_until_ms = now_ms + kQuietMs;
  log::Line line(log::Level::warn, "refused");
  line.add("conn", static_cast<std::int64_t>(connection)).add("reason", reason);
  if (!detail.empty()) line.add("detail", detail);
  if (kind.suppressed > 0) line.add("suppressed", std::exchange(kind.suppressed, 0));
}

}  // namespace runwire
