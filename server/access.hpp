// Who may run commands. Commands run as the daemon's own user, so only that user, and root who could become it
// anyway, may ask for them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>

namespace runwire {

enum class PlainPolicy {
  own_user,   // the peer must be known to be the daemon's user or root
  any_local,  // whoever can connect on this machine: for systems that cannot tell who does
};

enum class Verdict { allowed, other_user, owner_unknown };

// `peer` as peer_owner() gives it.
Verdict judge_peer(PlainPolicy policy, std::optional<uid_t> peer, uid_t daemon_user);

std::string_view name_of(Verdict verdict);  // as the log has it: "other-user"
std::string_view explain(Verdict verdict);  // cause and next step, for the one who was refused

}  // namespace runwire
