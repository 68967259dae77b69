// A bound on the memory that clients can make the daemon hold, shared by all who draw on it.
#pragma once

#include <cstddef>
#include <utility>

namespace runwire {

class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t bytes) : left_(bytes) {}

  // All of `bytes`, or nothing.
  bool take(std::size_t bytes) { return bytes <= left_ && (left_ -= bytes, true); }
  void give_back(std::size_t bytes) { left_ += bytes; }
  std::size_t left() const { return left_; }

 private:
  std::size_t left_;
};

// What one holder has drawn; given back when it dies. The budget must outlive it.
class MemoryLease {
 public:
  explicit MemoryLease(MemoryBudget& budget) : budget_(&budget) {}
  MemoryLease(MemoryLease&& other) noexcept : budget_(other.budget_), held_(std::exchange(other.held_, 0)) {}
  MemoryLease& operator=(MemoryLease&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(held_, other.held_);
    return *this;
  }
  ~MemoryLease() { give_back(held_); }

  bool extend(std::size_t bytes) { return budget_->take(bytes) && (held_ += bytes, true); }
  void give_back(std::size_t bytes) {
    budget_->give_back(bytes);
    held_ -= bytes;
  }
  std::size_t held() const { return held_; }

 private:
  MemoryBudget* budget_;
  std::size_t held_ = 0;
};

}  // namespace runwire
