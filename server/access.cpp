#include "server/access.hpp"

namespace runwire {

Verdict judge_peer(PlainPolicy policy, std::optional<uid_t> peer, uid_t daemon_user) {
  if (policy == PlainPolicy::any_local) return Verdict::allowed;
  if (!peer) return Verdict::owner_unknown;
  return *peer == daemon_user || *peer == 0 ? Verdict::allowed : Verdict::other_user;
}

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::allowed:
      return "allowed";
    case Verdict::other_user:
      return "other-user";
    case Verdict::owner_unknown:
      break;
  }
  return "owner-unknown";
}

std::string_view explain(Verdict verdict) {
  switch (verdict) {
    case Verdict::allowed:
      return "";
    case Verdict::other_user:
      return "this runwired runs commands only for the user it runs as, and you are another one; start a "
             "runwired of your own";
    case Verdict::owner_unknown:
      break;
  }
  return "this runwired cannot learn who you are over TCP; use its Unix socket, or start it with "
         "--plain any-local to let every local user in";
}

}  // namespace runwire
