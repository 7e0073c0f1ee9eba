#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "limit/connection.h"
#include "limit/fields.h"
#include "limit/partition.h"

namespace millrace::bench {

// What a leader knows of those that follow it. It sends them what it has written, each partition's
// part as one message (the partition, batches), without being asked; they tell how far they are
// (the partition, its size; of several partitions at once).
class Followers {
  public:
    using Partitions = std::vector<std::unique_ptr<Partition>>;
    // Without `wanted` of them nothing is taken over by all.
    Followers(const Partitions& partitions, std::size_t wanted)
        : partitions_(partitions), wanted_(wanted) {}

    bool wanted() const { return wanted_ > 0; }
    void add(Connection& connection);
    void remove(Connection& connection);
    void take_acknowledgement(Connection& connection, Fields fields);
    // As much as the sockets take.
    void send();
    // Up to here all of them have a partition.
    std::uint64_t taken_over(std::size_t partition) const;

  private:
    struct Follower {
        Connection* connection;
        std::vector<std::uint64_t> sent;
        std::vector<std::uint64_t> has;
    };
    bool send_next(Follower& follower);

    const Partitions& partitions_;
    std::size_t wanted_;
    std::vector<Follower> followers_;
};

// What a follower asks a leader for the first time, and what it then tells it.
void ask_to_follow(std::vector<std::uint8_t>& out);
void acknowledge(std::vector<std::uint8_t>& out, const Followers::Partitions& partitions,
                 const std::vector<int>& grown);
// The api key of the first one.
constexpr std::int16_t follow_key = -1;

}  // namespace millrace::bench
