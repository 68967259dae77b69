// Writes refusals to the log, each kind at most once a minute: whoever is refused can come again at once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace runwire {

class RefusalLog {
 public:
  // `now_ms` is any clock that does not go back.
  void refused(std::string_view reason, std::uint64_t connection, std::string_view detail,
               std::uint64_t now_ms);

 private:
  struct Kind {
    std::uint64_t quiet_until_ms = 0;
    std::int64_t suppressed = 0;
  };
  std::map<std::string, Kind, std::less<>> kinds_;
};

}  // namespace runwire
