// The last names that were in use: what is said of one of them now has crossed with the news of its end.
#pragma once

#include <cstddef>
#include <deque>
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
    const auto oldest = times_.find(order_.front());
    if (--oldest->second == 0) times_.erase(oldest);
    order_.pop_front();
  }

  bool contains(const std::string& id) const { return times_.contains(id); }

 private:
  const std::size_t capacity_;
  std::deque<std::string> order_;
  std::unordered_map<std::string, std::size_t> times_;  // how often each stands in order_
};

}  // namespace runwire
