#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"

namespace millrace::raft {

inline constexpr std::int32_t no_node = -1;

// A replica of the metadata log: a node, and the directory that holds its log. A zero directory is
// one that is not known (kraft.version 0).
struct ReplicaKey {
    std::int32_t id = no_node;
    Uuid directory;
    auto operator<=>(const ReplicaKey&) const = default;
};
std::string to_string(const ReplicaKey& key);

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

    bool operator==(const VoterSet&) const = default;

  private:
    std::vector<Voter> voters_;
};

// The voter sets that a log holds. The newest counts from the moment it is appended, committed or
// not; cutting the log takes it back.
class VoterHistory {
  public:
    // `fixed`: controller.quorum.voters, in force while the log holds no set.
    explicit VoterHistory(VoterSet fixed = {}) : fixed_(std::move(fixed)) {}

    struct Entry {
        std::int64_t offset = 0;  // -1: of the checkpoint 0-0
        VoterSet voters;
    };
    void add(std::int64_t offset, VoterSet voters);
    void truncate(std::int64_t end_offset);
    const VoterSet& current() const { return entries_.empty() ? fixed_ : entries_.back().voters; }
    // Of the current set; none when it is the fixed one.
    std::optional<std::int64_t> offset() const;
    // What held for a log that ends at this offset: a snapshot's set.
    const VoterSet& at_end(std::int64_t end_offset) const;

  private:
    VoterSet fixed_;
    std::vector<Entry> entries_;
};

}  // namespace millrace::raft
