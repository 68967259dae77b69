#include "bench/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace runwire {
namespace {

constexpr unsigned kHalfBits = 10;  // 1024 buckets in each power of two
constexpr std::size_t kHalf = std::size_t{1} << kHalfBits;

// How far a value is shifted to leave kHalfBits + 1 significant bits.
unsigned shift_of(std::uint64_t value) {
  const auto bits = static_cast<unsigned>(std::bit_width(value));
  return bits <= kHalfBits + 1 ? 0 : bits - (kHalfBits + 1);
}

std::size_t bucket_of(Nanoseconds value) {
  const auto bits = static_cast<std::uint64_t>(value);
  const unsigned shift = shift_of(bits);
  return shift * kHalf + static_cast<std::size_t>(bits >> shift);
}

// The inverse: the largest value that falls into the bucket.
Nanoseconds highest_in(std::size_t bucket) {
  if (bucket < 2 * kHalf) return static_cast<Nanoseconds>(bucket);
  const std::size_t shift = bucket / kHalf - 1;
  const std::size_t significant = bucket - shift * kHalf;
  return static_cast<Nanoseconds>(((significant + 1) << shift) - 1);
}

}  // namespace

Histogram::Histogram() : buckets_(bucket_of(kHighest) + 1) {}

void Histogram::record(Nanoseconds value) {
  value = std::clamp(value, Nanoseconds{0}, kHighest);
  ++buckets_[bucket_of(value)];
  ++count_;
  sum_ += static_cast<double>(value);
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

double Histogram::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

Nanoseconds Histogram::percentile(double percent) const {
  if (count_ == 0) return 0;
  const double exact_rank = std::ceil(percent / 100 * static_cast<double>(count_));
  const auto rank = std::clamp(static_cast<std::uint64_t>(exact_rank), std::uint64_t{1}, count_);
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  while ((seen += buckets_[bucket]) < rank) ++bucket;
  return std::min(highest_in(bucket), max_);
}

}  // namespace runwire
