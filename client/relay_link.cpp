#include "client/relay_link.hpp"

#include <utility>

#include "client/kept_line.hpp"

namespace runwire {

bool RelayLink::can_talk() const { return line_ == nullptr || (line_->is_up() && command_.is_started()); }

// Another connection may do better, unless the server talks nonsense.
Status RelayLink::note(Status status) {
  if (!status && status.error().code != Errc::protocol) is_lost_ = true;
  return status;
}

bool RelayLink::take_loss() { return line_ != nullptr && std::exchange(is_lost_, false); }

}  // namespace runwire
