#pragma once

#include <cstdint>
#include <fmt/format.h>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/raft/replica.h"

namespace millrace::raft {

struct TestRecord {
    std::int32_t epoch = 0;
    std::uint64_t value = 0;
    std::uint64_t history = 0;        // a hash of this record and all before it
    std::uint32_t voters = 0;         // a voter set by its number; 0: none
    std::int16_t kraft_version = -1;  // -1: none
};

// What must hold whatever happens (KIP-595, KIP-853; Ongaro's thesis, figure 3.2 and 4.1). The
// first breach is kept.
class Laws {
  public:
    template <typename... T>
    void expect(bool holds, fmt::format_string<T...> what, const T&... values) {
        if (!holds && broken_.empty())
            broken_ = fmt::vformat(what, fmt::make_format_args(values...));
    }
    const std::string& broken() const { return broken_; }

    // One leader an epoch.
    void leads(std::int32_t node, std::int32_t epoch);
    // One vote an epoch and voter, crashes or not.
    void votes(const ReplicaKey& voter, std::int32_t epoch, const ReplicaKey& candidate);
    // Two logs that hold a record of one epoch at one offset are the same up to there.
    void holds(std::int64_t offset, const TestRecord& record);
    // What was once committed stays.
    void committed(std::int64_t offset, const TestRecord& record);
    std::int64_t committed_end() const { return static_cast<std::int64_t>(committed_.size()); }
    std::uint64_t committed_history(std::int64_t offset) const {
        return committed_.at(static_cast<std::size_t>(offset));
    }

  private:
    std::map<std::int32_t, std::int32_t> leaders_;
    std::map<std::pair<ReplicaKey, std::int32_t>, std::int32_t> votes_;
    std::map<std::pair<std::int32_t, std::int64_t>, std::uint64_t> histories_;
    std::vector<std::uint64_t> committed_;
    std::string broken_;
};

}  // namespace millrace::raft
