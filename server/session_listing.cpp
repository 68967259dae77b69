#include "server/session_listing.hpp"

#include <utility>

#include "server/kept_jobs.hpp"

namespace runwire {

SessionListing::SessionListing(SessionGround& ground)
    : ground_(ground), next_turn_(ground.context.store.loop(), [this] { go_on(); }) {}

void SessionListing::ask() {
  if (asked_++ == 0) next_turn_.arm();
}

void SessionListing::go_on() {
  const KeptJobs& kept = ground_.context.kept;
  for (int told = 0; asked_ > 0 && told < kListedATurn; ++told) {
    if (ground_.is_over || !ground_.output.has_room()) return;
    const auto [age, job] = kept.next_after(age_);
    age_ = job == nullptr ? 0 : age;
    if (job != nullptr) {
      ground_.output.hold(to_json(kept.info(age)));
      ++listed_;
    } else {
      ground_.output.hold(to_json(Listed{std::exchange(listed_, 0)}));
      --asked_;
    }
  }
  ground_.output.flush();
  if (asked_ > 0)
    next_turn_.arm();
  else
    ground_.on_idle();
}

}  // namespace runwire
