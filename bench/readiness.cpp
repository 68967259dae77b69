#include "bench/readiness.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <limits>
#include <string>

#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/prctl.h>
#endif

namespace runwire {
namespace {

// Rounded up: a wait that ends before its time would only be begun again.
int whole_milliseconds(Nanoseconds timeout) {
  if (timeout < 0) return -1;
  const Nanoseconds ms = (timeout + kMillisecond - 1) / kMillisecond;
  return static_cast<int>(std::min<Nanoseconds>(ms, std::numeric_limits<int>::max()));
}

short poll_events(Interest interest) {
  return static_cast<short>(interest == Interest::read ? POLLIN : POLLIN | POLLOUT);
}

}  // namespace

Status PollReadiness::watch(int fd, std::uint32_t token, Interest interest) {
  const auto index = static_cast<std::size_t>(fd);
  if (place_by_fd_.size() <= index) place_by_fd_.resize(index + 1);
  place_by_fd_[index] = sockets_.size();
  sockets_.push_back({fd, poll_events(interest), 0});
  tokens_.push_back(token);
  return Ok{};
}

void PollReadiness::change(int fd, std::uint32_t token, Interest interest) {
  const std::size_t place = place_by_fd_[static_cast<std::size_t>(fd)];
  assert(sockets_[place].fd == fd);
  sockets_[place].events = poll_events(interest);
  tokens_[place] = token;
}

void PollReadiness::forget(int fd) {
  const std::size_t place = place_by_fd_[static_cast<std::size_t>(fd)];
  assert(sockets_[place].fd == fd);
  sockets_[place] = sockets_.back();
  tokens_[place] = tokens_.back();
  place_by_fd_[static_cast<std::size_t>(sockets_[place].fd)] = place;
  sockets_.pop_back();
  tokens_.pop_back();
}

void PollReadiness::wait(Nanoseconds timeout, std::vector<Ready>& ready) {
  ready.clear();
  int found = ::poll(sockets_.data(), static_cast<nfds_t>(sockets_.size()), whole_milliseconds(timeout));
  for (std::size_t i = 0; found > 0 && i < sockets_.size(); ++i) {
    const int events = sockets_[i].revents;
    if (events == 0) continue;
    --found;
    const bool hung_up = (events & (POLLHUP | POLLERR)) != 0;
    ready.push_back({tokens_[i], hung_up || (events & POLLIN) != 0, hung_up || (events & POLLOUT) != 0});
  }
}

#if defined(__linux__)

namespace {

epoll_event event_for(std::uint32_t token, Interest interest) {
  epoll_event event{};
  event.events = interest == Interest::read ? EPOLLIN : EPOLLIN | EPOLLOUT;
  event.data.u32 = token;
  return event;
}

}  // namespace

Result<EpollReadiness> EpollReadiness::create() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error{Errc::io, std::string("epoll_create1: ") + std::strerror(errno)};
  // The kernel may be late by 50 us to save power, which an open loop would count as the daemon's latency.
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  return EpollReadiness(std::move(epoll));
}

Status EpollReadiness::watch(int fd, std::uint32_t token, Interest interest) {
  epoll_event event = event_for(token, interest);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return Ok{};
  return Error{Errc::io, std::string("epoll_ctl: ") + std::strerror(errno)};
}

void EpollReadiness::change(int fd, std::uint32_t token, Interest interest) {
  epoll_event event = event_for(token, interest);
  [[maybe_unused]] const int result = ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
  assert(result == 0);
}

void EpollReadiness::forget(int fd) {
  [[maybe_unused]] const int result = ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  assert(result == 0);
}

void EpollReadiness::wait(Nanoseconds timeout, std::vector<Ready>& ready) {
  ready.clear();
  // epoll_wait counts in milliseconds, too coarse for an open loop; an epoll descriptor can itself be polled,
  // and ppoll counts in nanoseconds. (epoll_pwait2 is missing from kernels before 5.11.)
  if (timeout > 0 && timeout % kMillisecond != 0) {
    pollfd self{epoll_.get(), POLLIN, 0};
    const timespec span{static_cast<time_t>(timeout / kSecond), static_cast<long>(timeout % kSecond)};
    if (::ppoll(&self, 1, &span, nullptr) <= 0) return;
    timeout = 0;
  }
  epoll_event events[256];
  const int found =
      ::epoll_wait(epoll_.get(), events, static_cast<int>(std::size(events)), whole_milliseconds(timeout));
  for (int i = 0; i < found; ++i) {
    const bool hung_up = (events[i].events & (EPOLLHUP | EPOLLERR)) != 0;
    ready.push_back({events[i].data.u32, hung_up || (events[i].events & EPOLLIN) != 0,
                     hung_up || (events[i].events & EPOLLOUT) != 0});
  }
}

#endif

}  // namespace runwire
