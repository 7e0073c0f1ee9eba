#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/uuid.h"

namespace millrace::raft {

inline constexpr std::int32_t no_node = -1;
// From this level of kraft.version on the voters are in the log and can change (KIP-853).
inline constexpr std::int16_t dynamic_voters = 1;

// A replica of the metadata log: a node, and the directory that holds its log. A zero directory is
// one that is not known (kraft.version 0).
struct ReplicaKey {
    std::int32_t id = no_node;
    Uuid directory;
    auto operator<=>(const ReplicaKey&) const = default;
};
std::string to_string(const ReplicaKey& key);
// As Apache's error messages have it: ReplicaKey(id=1, directoryId=…).
std::string spelled_out(const ReplicaKey& key);

// The end of a log, or of a part of it: logs are compared by their last epoch first.
struct OffsetAndEpoch {
    std::int64_t offset = 0;
    std::int32_t epoch = 0;
    bool operator==(const OffsetAndEpoch&) const = default;
    std::strong_ordering operator<=>(const OffsetAndEpoch& other) const {
        auto order = epoch <=> other.epoch;
        return order != 0 ? order : offset <=> other.offset;
    }
};

// Where a voter's controller is heard.
struct Endpoint {
    std::string listener;
    std::string host;
    std::uint16_t port = 0;
    bool operator==(const Endpoint&) const = default;
};

struct Voter {
    ReplicaKey key;
    std::vector<Endpoint> endpoints;
    std::int16_t min_kraft_version = 0;
    std::int16_t max_kraft_version = 1;
    bool supports(std::int16_t kraft_version) const {
        return min_kraft_version <= kraft_version && kraft_version <= max_kraft_version;
    }
    bool hears_on(std::string_view listener) const {
        return std::ranges::find(endpoints, listener, &Endpoint::listener) != endpoints.end();
    }
    bool operator==(const Voter&) const = default;
};

// Who elects and commits. Ascending by id.
class VoterSet {
  public:
    VoterSet() = default;
    explicit VoterSet(std::vector<Voter> voters);

    const std::vector<Voter>& voters() const { return voters_; }
    std::size_t size() const { return voters_.size(); }
    bool empty() const { return voters_.empty(); }
    std::size_t majority() const { return voters_.size() / 2 + 1; }
    const Voter* find(std::int32_t id) const;
    // A voter without a directory is named by its id alone.
    bool contains(const ReplicaKey& key) const;
    bool is_only(const ReplicaKey& key) const { return size() == 1 && contains(key); }
    // The same set with this voter instead of the one with its id.
    VoterSet with(Voter voter) const;
    VoterSet without(std::int32_t id) const;

    bool operator==(const VoterSet&) const = default;
    // [ReplicaKey(id=1, directoryId=…), …]
    std::string keys_spelled_out() const;

  private:
    std::vector<Voter> voters_;
};

// A value that records of a log set. The newest counts from the moment its record is appended,
// committed or not; cutting the log takes it back.
template <typename T>
class LogHistory {
  public:
    // `fixed`: in force while the log holds none.
    LogHistory() = default;
    explicit LogHistory(T fixed) : fixed_(std::move(fixed)) {}

    struct Entry {
        std::int64_t offset = 0;  // -1: of the checkpoint 0-0
        T value;
    };
    void add(std::int64_t offset, T value) {
        CHECK(entries_.empty() || entries_.back().offset < offset);
        entries_.push_back({offset, std::move(value)});
    }
    void truncate(std::int64_t end_offset) {
        while (!entries_.empty() && entries_.back().offset >= end_offset) entries_.pop_back();
    }
    // Forgets what no log that ends at this offset or behind it needs.
    void drop_before(std::int64_t end_offset) {
        while (entries_.size() > 1 && entries_[1].offset < end_offset) entries_.pop_front();
    }
    // The log begins anew behind this value.
    void reset(std::int64_t offset, std::optional<T> value) {
        entries_.clear();
        if (value) add(offset, *std::move(value));
    }
    const T& current() const { return entries_.empty() ? fixed_ : entries_.back().value; }
    // Of the current value; none when it is the fixed one.
    std::optional<std::int64_t> offset() const {
        if (entries_.empty()) return std::nullopt;
        return entries_.back().offset;
    }
    // What held for a log that ends at this offset: a snapshot's.
    const T& at_end(std::int64_t end_offset) const {
        for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
            if (entry->offset < end_offset) return entry->value;
        }
        return fixed_;
    }

  private:
    T fixed_{};
    std::deque<Entry> entries_;
};

// `fixed`: controller.quorum.voters.
using VoterHistory = LogHistory<VoterSet>;
// The finalized level of kraft.version.
using KRaftVersionHistory = LogHistory<std::int16_t>;

}  // namespace millrace::raft
