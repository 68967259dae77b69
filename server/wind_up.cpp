#include "server/wind_up.hpp"

namespace runwire {
namespace {

constexpr std::int64_t kComeBackMs = 100;

ErrorReply come_back(std::string message) {
  ErrorReply reply = error_reply(error_name::kUpgrade, std::move(message));
  reply.retry_ms = kComeBackMs;
  return reply;
}

}  // namespace

ErrorReply refusal_of(WindUp why) {
  if (why == WindUp::upgrade)
    return come_back("runwired goes on as another program and did not start this command; send it again");
  return error_reply(error_name::kShutdown, "runwired is shutting down and did not start this command");
}

ErrorReply farewell_of(WindUp why) {
  if (why == WindUp::upgrade)
    return come_back("runwired goes on as another program; come back: commands that are kept go on");
  return error_reply(error_name::kShutdown, "runwired is shutting down; try again later, or another one");
}

}  // namespace runwire
