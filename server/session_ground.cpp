#include "server/session_ground.hpp"

#include <utility>

namespace runwire {

void SessionGround::refuse(const std::string& id, ErrorReply error) {
  output.send(to_json(SessionError{id, std::move(error)}));
  ended.add(id);  // what was sent ahead for it is no error
}

bool SessionGround::may_be_credited(std::uint64_t left, const Credit& credit) {
  if (window && credit.bytes <= kMaxPayloadBytes - left) return true;
  fail(error_name::kProtocol,
       window ? "credit: a window may have 2^53 bytes at most" : "credit: the hello named no \"window\"");
  return false;
}

}  // namespace runwire
