// The last names that were in use: what is said of one of them now has crossed with the news of its end.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace runwire {

class RecentIds {
 public:
  explicit RecentIds(std::size_t capacity) : capacity_(capacity) {}

  void add(std::string id) {
    ++times_[id];
    order_.push_back(std::move(id));
    if (order_.size() <= capacity_) return;
    has_forgotten_ = true;
    const auto oldest = times_.find(order_.front());
    if (--oldest->second == 0) times_.erase(oldest);
    order_.pop_front();
  }

  bool contains(const std::string& id) const { return times_.contains(id); }
  bool has_forgotten() const { return has_forgotten_; }  // some that were added

 private:
  const std::size_t capacity_;
  bool has_forgotten_ = false;
  std::list<std::string> order_;                        // no deque: it takes room before it holds anything
  std::unordered_map<std::string, std::size_t> times_;  // how often each stands in order_
};

}  // namespace runwire
