// A queue in which clients take turns: each waits its turn however much the others have queued.
// Source: round robin over flows, as in Nagle's fair queuing (RFC 970).
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace runwire {

template <class Client, class Item> class FairQueue {
 public:
  void push(Client client, Item item) {
    auto& items = waiting_[client];
    if (items.empty()) turns_.push_back(client);
    items.push_back(std::move(item));
    ++size_;
  }

  // The next item of the client whose turn it is. REQUIRES: not empty.
  std::pair<Client, Item> pop() {
    const Client client = turns_.front();
    turns_.pop_front();
    auto found = waiting_.find(client);
    Item item = std::move(found->second.front());
    found->second.pop_front();
    if (found->second.empty())
      waiting_.erase(found);
    else
      turns_.push_back(client);
    --size_;
    return {client, std::move(item)};
  }

  // Forgets all that `client` has queued.
  void remove(Client client) {
    const auto found = waiting_.find(client);
    if (found == waiting_.end()) return;
    size_ -= found->second.size();
    waiting_.erase(found);
    std::erase(turns_, client);
  }

  // Forgets one item of `client`, if it is there.
  void remove(Client client, const Item& item) {
    const auto found = waiting_.find(client);
    if (found == waiting_.end()) return;
    size_ -= std::erase(found->second, item);
    if (!found->second.empty()) return;
    waiting_.erase(found);
    std::erase(turns_, client);
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::unordered_map<Client, std::deque<Item>> waiting_;
  std::deque<Client> turns_;  // every client with something waiting, once
  std::size_t size_ = 0;
};

}  // namespace runwire
